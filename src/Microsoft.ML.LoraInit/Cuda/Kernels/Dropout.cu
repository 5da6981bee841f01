// Dropout masks by a hash of seed, mask number and flat index: nothing is stored, and the seed is read on the device, so
// that a captured graph drops other elements at every replay. The mixing function is SplitMix64's (Steele et al. 2014).

#define GOLDEN 0x9E3779B97F4A7C15ULL

struct Mask {
    const long long* seed;  // null: nothing is dropped
    int index;
    unsigned threshold;     // kept where 16 bits are below
    float scale;            // 1 / keep
};

INLINE u64 mix(u64 z)
{
    z ^= z >> 30;
    z *= 0xBF58476D1CE4E5B9ULL;
    z ^= z >> 27;
    z *= 0x94D049BB133111EBULL;
    z ^= z >> 31;
    return z;
}

INLINE u64 mask_base(const Mask& mask)
{
    return mask.seed ? mix((u64)*mask.seed + (u64)(long long)mask.index * GOLDEN) : 0;
}

// Factors of N elements from flat index first, which is a multiple of 4 where N is.
template <int N>
INLINE void mask_factors(const Mask& mask, u64 base, u64 first, float (&factor)[N])
{
    if constexpr (N == 1) {
        const u64 hash = mix(base + (first >> 2) * GOLDEN);
        const unsigned bits = (unsigned)(hash >> (16 * (int)(first & 3))) & 0xFFFFu;
        factor[0] = bits < mask.threshold ? mask.scale : 0.0f;
    } else {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            const u64 hash = mix(base + ((first + i) >> 2) * GOLDEN);
            const unsigned low = (unsigned)hash, high = (unsigned)(hash >> 32);
            factor[i] = (low & 0xFFFFu) < mask.threshold ? mask.scale : 0.0f;
            factor[i + 1] = (low >> 16) < mask.threshold ? mask.scale : 0.0f;
            factor[i + 2] = (high & 0xFFFFu) < mask.threshold ? mask.scale : 0.0f;
            factor[i + 3] = (high >> 16) < mask.threshold ? mask.scale : 0.0f;
        }
    }
}

template <int N>
INLINE void mask_multiply(const Mask& mask, u64 base, u64 first, float (&x)[N])
{
    float factor[N];
    mask_factors<N>(mask, base, first, factor);
#pragma unroll
    for (int i = 0; i < N; i++)
        x[i] *= factor[i];
}
