// Which keys of a row of scores count.

#define NEGATIVE_INFINITY __uint_as_float(0xFF800000u)

INLINE int keys_of(const long long* lengths, int row, int length, int heads)
{
    if (!lengths)
        return length;
    const long long keys = lengths[row / length / heads];
    return keys < length ? (int)keys : length;
}
