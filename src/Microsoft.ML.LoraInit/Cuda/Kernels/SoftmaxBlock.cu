// As Softmax.cu, for rows of any length: a block a row, read thrice.

extern "C" __global__ void __launch_bounds__(BLOCK) softmax(
    const element* scores, element* probabilities, element* dropped, const long long* lengths,
    int rows, int length, int group_rows, float factor, const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    const int keys = keys_of(lengths, blockIdx.x, length, group_rows);
    const u64 base = mask_base(mask), start = (u64)blockIdx.x * length;
    float x[1], highest = NEGATIVE_INFINITY, total = 0.0f;
    for (int at = threadIdx.x; at < keys; at += BLOCK)
        highest = fmaxf(highest, to_float(scores[start + at]) * factor);
    highest = block_max(highest);
    for (int at = threadIdx.x; at < keys; at += BLOCK)
        total += __expf(to_float(scores[start + at]) * factor - highest);
    total = block_sum(total);
    const float rescale = total > 0.0f ? 1.0f / total : 0.0f;
    for (int at = threadIdx.x; at < length; at += BLOCK) {
        x[0] = at < keys ? __expf(to_float(scores[start + at]) * factor - highest) * rescale : 0.0f;
        store(probabilities + start + at, x);
        if (mask.seed) {
            mask_multiply<1>(mask, base, start + at, x);
            store(dropped + start + at, x);
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK) softmax_backward(
    element* gradient, const element* probabilities, int rows, int length, float factor,
    const long long* seed, int index, unsigned threshold, float scale)
{
    const Mask mask{ seed, index, threshold, scale };
    const u64 base = mask_base(mask), start = (u64)blockIdx.x * length;
    float g[1], product = 0.0f;
    for (int at = threadIdx.x; at < length; at += BLOCK) {
        load(gradient + start + at, g);
        if (mask.seed)
            mask_multiply<1>(mask, base, start + at, g);
        product += g[0] * to_float(probabilities[start + at]);
    }
    product = block_sum(product);
    for (int at = threadIdx.x; at < length; at += BLOCK) {
        load(gradient + start + at, g);
        if (mask.seed)
            mask_multiply<1>(mask, base, start + at, g);
        g[0] = factor * to_float(probabilities[start + at]) * (g[0] - product);
        store(gradient + start + at, g);
    }
}
