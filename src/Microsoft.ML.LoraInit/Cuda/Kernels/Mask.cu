// A dropout mask as a tensor: 1 / keep where kept, else 0.

template <int N>
INLINE void mask_fill(element* output, u64 count, const Mask& mask)
{
    const u64 at = ((u64)blockIdx.x * BLOCK + threadIdx.x) * N;
    if (at >= count)
        return;
    float factor[N];
    mask_factors<N>(mask, mask_base(mask), at, factor);
    store(output + at, factor);
}

extern "C" __global__ void __launch_bounds__(BLOCK) mask_wide(
    element* output, u64 count, const long long* seed, int index, unsigned threshold, float scale)
{
    mask_fill<WIDE>(output, count, Mask{ seed, index, threshold, scale });
}

extern "C" __global__ void __launch_bounds__(BLOCK) mask_single(
    element* output, u64 count, const long long* seed, int index, unsigned threshold, float scale)
{
    mask_fill<1>(output, count, Mask{ seed, index, threshold, scale });
}
