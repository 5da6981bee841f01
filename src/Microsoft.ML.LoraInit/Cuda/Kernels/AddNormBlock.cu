// As AddNorm.cu, for rows of any width: a block a row, read thrice.

extern "C" __global__ void __launch_bounds__(BLOCK) add_norm(
    const element* update, const element* residual, const void* gain, const void* shift, int float_weights,
    element* output, element* sum, float* mean, float* inverse, int rows, int hidden, int residual_stride, int output_stride, float eps,
    const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    const u64 base = mask_base(mask), start = (u64)blockIdx.x * hidden;
    float z[1], other[1], total = 0.0f, squares = 0.0f;
    for (int at = threadIdx.x; at < hidden; at += BLOCK) {
        load(update + start + at, z);
        load(residual + (u64)blockIdx.x * residual_stride + at, other);
        if (mask.seed)
            mask_multiply<1>(mask, base, start + at, z);
        z[0] += other[0];
        store(sum + start + at, z);
        total += z[0];
    }
    const float average = block_sum(total) / hidden;
    for (int at = threadIdx.x; at < hidden; at += BLOCK) {
        load(sum + start + at, z);
        squares += (z[0] - average) * (z[0] - average);
    }
    const float rescale = 1.0f / sqrtf(block_sum(squares) / hidden + eps);
    for (int at = threadIdx.x; at < hidden; at += BLOCK) {
        float weight[1], bias[1];
        load(sum + start + at, z);
        load_weight<1>(gain, float_weights, at, weight);
        load_weight<1>(shift, float_weights, at, bias);
        z[0] = (z[0] - average) * rescale * weight[0] + bias[0];
        store(output + (u64)blockIdx.x * output_stride + at, z);
    }
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = average;
        inverse[blockIdx.x] = rescale;
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) add_norm_backward(
    const element* gradient, const element* sum, const float* mean, const float* inverse, const void* gain, int float_weights,
    element* to_residual, element* to_update, int rows, int hidden,
    const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    const u64 base = mask_base(mask), start = (u64)blockIdx.x * hidden;
    const float average = mean[blockIdx.x], rescale = inverse[blockIdx.x];
    float g[1], x[1], weight[1], total = 0.0f, product = 0.0f;
    for (int at = threadIdx.x; at < hidden; at += BLOCK) {
        load(gradient + start + at, g);
        load(sum + start + at, x);
        load_weight<1>(gain, float_weights, at, weight);
        total += g[0] * weight[0];
        product += g[0] * weight[0] * (x[0] - average) * rescale;
    }
    total = block_sum(total) / hidden;
    product = block_sum(product) / hidden;
    for (int at = threadIdx.x; at < hidden; at += BLOCK) {
        load(gradient + start + at, g);
        load(sum + start + at, x);
        load_weight<1>(gain, float_weights, at, weight);
        g[0] = rescale * (g[0] * weight[0] - total - (x[0] - average) * rescale * product);
        store(to_residual + start + at, g);
        if (mask.seed) {
            mask_multiply<1>(mask, base, start + at, g);
            store(to_update + start + at, g);
        }
    }
}
