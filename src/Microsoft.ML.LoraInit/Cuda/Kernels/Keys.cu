// Which keys of a row of scores count; group_rows rows belong to one text.

#define NEGATIVE_INFINITY __uint_as_float(0xFF800000u)

INLINE int keys_of(const long long* lengths, int row, int length, int group_rows)
{
    if (!lengths)
        return length;
    const long long keys = lengths[row / group_rows];
    return keys < length ? (int)keys : length;
}
