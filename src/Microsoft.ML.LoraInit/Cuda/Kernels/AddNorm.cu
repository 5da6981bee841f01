// y = LN(dropout(update) + residual), and its backward pass for frozen weight and bias.
// A warp a row, which stays in registers as CHUNKS x WIDE values a lane; CHUNKS is given to the compiler. Rows of residual and
// output lie strides apart, which keep 16-byte boundaries.

#define ROWS_A_BLOCK 4

extern "C" __global__ void __launch_bounds__(ROWS_A_BLOCK * 32) add_norm(
    const element* __restrict__ update, const element* __restrict__ residual,
    const void* __restrict__ gain, const void* __restrict__ shift, int float_weights,
    element* __restrict__ output, element* __restrict__ sum, float* __restrict__ mean, float* __restrict__ inverse,
    int rows, int hidden, int residual_stride, int output_stride, float eps,
    const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    const int row = blockIdx.x * ROWS_A_BLOCK + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (row >= rows)
        return;
    const u64 start = (u64)row * hidden;
    const u64 base = mask_base(mask);
    float z[CHUNKS][WIDE];
    float total = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * 32 + lane) * WIDE;
        if (at < hidden) {
            float other[WIDE];
            load(update + start + at, z[c]);
            load(residual + (u64)row * residual_stride + at, other);
            if (mask.seed)
                mask_multiply<WIDE>(mask, base, start + at, z[c]);
#pragma unroll
            for (int i = 0; i < WIDE; i++)
                z[c][i] += other[i];
            store(sum + start + at, z[c]);
#pragma unroll
            for (int i = 0; i < WIDE; i++)
                total += z[c][i];
        }
    }
    const float average = group_sum<32>(total) / hidden;
    float squares = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        if ((c * 32 + lane) * WIDE < hidden) {
#pragma unroll
            for (int i = 0; i < WIDE; i++)
                squares += (z[c][i] - average) * (z[c][i] - average);
        }
    }
    const float rescale = 1.0f / sqrtf(group_sum<32>(squares) / hidden + eps);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * 32 + lane) * WIDE;
        if (at < hidden) {
            float weight[WIDE], bias[WIDE];
            load_weight<WIDE>(gain, float_weights, at, weight);
            load_weight<WIDE>(shift, float_weights, at, bias);
#pragma unroll
            for (int i = 0; i < WIDE; i++)
                z[c][i] = (z[c][i] - average) * rescale * weight[i] + bias[i];
            store(output + (u64)row * output_stride + at, z[c]);
        }
    }
    if (lane == 0) {
        mean[row] = average;
        inverse[row] = rescale;
    }
}

// With g = gradient * gain and x = (z - mean) * inverse: dz = inverse * (g - mean(g) - x * mean(g x)).
extern "C" __global__ void __launch_bounds__(ROWS_A_BLOCK * 32) add_norm_backward(
    const element* __restrict__ gradient, const element* __restrict__ sum,
    const float* __restrict__ mean, const float* __restrict__ inverse, const void* __restrict__ gain, int float_weights,
    element* __restrict__ to_residual, element* __restrict__ to_update, int rows, int hidden,
    const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    const int row = blockIdx.x * ROWS_A_BLOCK + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (row >= rows)
        return;
    const u64 start = (u64)row * hidden;
    const u64 base = mask_base(mask);
    const float average = mean[row], rescale = inverse[row];
    float g[CHUNKS][WIDE], x[CHUNKS][WIDE];
    float total = 0.0f, product = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * 32 + lane) * WIDE;
        if (at < hidden) {
            float weight[WIDE];
            load(gradient + start + at, g[c]);
            load(sum + start + at, x[c]);
            load_weight<WIDE>(gain, float_weights, at, weight);
#pragma unroll
            for (int i = 0; i < WIDE; i++) {
                g[c][i] *= weight[i];
                x[c][i] = (x[c][i] - average) * rescale;
                total += g[c][i];
                product += g[c][i] * x[c][i];
            }
        }
    }
    total = group_sum<32>(total) / hidden;
    product = group_sum<32>(product) / hidden;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        const int at = (c * 32 + lane) * WIDE;
        if (at < hidden) {
#pragma unroll
            for (int i = 0; i < WIDE; i++)
                g[c][i] = rescale * (g[c][i] - total - x[c][i] * product);
            store(to_residual + start + at, g[c]);
            if (mask.seed) {
                mask_multiply<WIDE>(mask, base, start + at, g[c]);
                store(to_update + start + at, g[c]);
            }
        }
    }
}
