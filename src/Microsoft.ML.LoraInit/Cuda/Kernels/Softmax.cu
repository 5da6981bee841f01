// Softmax of factor * scores over the last dimension, keys past a row's length left out, then dropout; and its backward pass.
// GROUP lanes share a row of CHUNKS x GROUP x N elements at most, which stays in registers. GROUP, CHUNKS and VECTOR, for
// 16-byte accesses, are given to the compiler.

#define WARPS_A_BLOCK 4

#ifdef VECTOR
#define N WIDE
#else
#define N 1
#endif

extern "C" __global__ void __launch_bounds__(WARPS_A_BLOCK * 32) softmax(
    const element* scores, element* probabilities, element* dropped, const long long* lengths,
    int rows, int length, int group_rows, float factor,
    const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    // Lanes without a row go along, since every lane takes part in a reduction.
    const int group = (blockIdx.x * WARPS_A_BLOCK * 32 + threadIdx.x) / GROUP, lane = threadIdx.x % GROUP;
    const bool valid = group < rows;
    const int row = valid ? group : rows - 1;
    const int keys = keys_of(lengths, row, length, group_rows);
    const u64 start = (u64)row * length;
    const u64 base = mask_base(mask);
    float x[CHUNKS][N];
    float highest = NEGATIVE_INFINITY;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * GROUP + lane) * N;
        if (at < keys)
            load(scores + start + at, x[c]);
#pragma unroll
        for (int i = 0; i < N; i++) {
            x[c][i] = at + i < keys ? x[c][i] * factor : NEGATIVE_INFINITY;
            highest = fmaxf(highest, x[c][i]);
        }
    }
    highest = group_max<GROUP>(highest);
    float total = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
#pragma unroll
        for (int i = 0; i < N; i++) {
            x[c][i] = (c * GROUP + lane) * N + i < keys ? __expf(x[c][i] - highest) : 0.0f;
            total += x[c][i];
        }
    }
    total = group_sum<GROUP>(total);
    const float rescale = total > 0.0f ? 1.0f / total : 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * GROUP + lane) * N;
        if (valid && at < length) {
#pragma unroll
            for (int i = 0; i < N; i++)
                x[c][i] *= rescale;
            store(probabilities + start + at, x[c]);
            if (mask.seed) {
                mask_multiply<N>(mask, base, start + at, x[c]);
                store(dropped + start + at, x[c]);
            }
        }
    }
}

// With g = gradient * mask and D = sum(P g): dS = factor * P * (g - D). Overwrites the gradient.
extern "C" __global__ void __launch_bounds__(WARPS_A_BLOCK * 32) softmax_backward(
    element* gradient, const element* probabilities, int rows, int length, float factor,
    const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    const int group = (blockIdx.x * WARPS_A_BLOCK * 32 + threadIdx.x) / GROUP, lane = threadIdx.x % GROUP;
    const bool valid = group < rows;
    const int row = valid ? group : rows - 1;
    const u64 start = (u64)row * length;
    const u64 base = mask_base(mask);
    float g[CHUNKS][N], p[CHUNKS][N];
    float product = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * GROUP + lane) * N;
        // The row of a lane without one is another's, which overwrites it.
        if (valid && at < length) {
            load(gradient + start + at, g[c]);
            load(probabilities + start + at, p[c]);
            if (mask.seed)
                mask_multiply<N>(mask, base, start + at, g[c]);
#pragma unroll
            for (int i = 0; i < N; i++)
                product += g[c][i] * p[c][i];
        }
    }
    product = group_sum<GROUP>(product);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * GROUP + lane) * N;
        if (valid && at < length) {
#pragma unroll
            for (int i = 0; i < N; i++)
                g[c][i] = factor * p[c][i] * (g[c][i] - product);
            store(gradient + start + at, g[c]);
        }
    }
}
