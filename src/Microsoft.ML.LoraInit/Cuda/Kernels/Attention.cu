// Attention in one pass: scores live in registers, and a row's softmax is rescaled as its keys come along, as in
// FlashAttention-2 (Dao, arXiv 2307.08691). A block has 64 queries of a head, a warp 16.
//
// projected is [batch * length, 3 * heads * SIZE]: queries, keys, values. logs, [batch * heads, length], gets each row's
// log2 of the sum of exp(factor * score). With DROPS defined, kept gets a bit per probability, for the backward pass:
// [batch * heads, query tiles, key tiles, THREADS] words, bit 4 n + i a lane's element i of the n-th block of 8 keys.

#ifdef DROPS
// 32 bits for a lane's two keys in each of its two rows. A hash serves four keys, two lanes': each computes one row's.
INLINE void mask_pairs(u64 hash, bool odd, unsigned& upper, unsigned& lower)
{
    const unsigned low = (unsigned)hash, high = (unsigned)(hash >> 32);
    const unsigned own = odd ? high : low, other = __shfl_xor_sync(0xFFFFFFFFu, odd ? low : high, 1);
    upper = odd ? other : own;
    lower = odd ? own : other;
}
#endif

extern "C" __global__ void __launch_bounds__(THREADS) attend(
    const element* projected, const long long* lengths, element* output, float* logs, unsigned* kept,
    int length, int heads, int tiles, float factor,
    const long long* seed, int index, unsigned threshold, float scale)
{
    __shared__ __align__(128) element buffers[4 * TILE * SIZE];
    const unsigned keys = shared_address(buffers), values = keys + 2 * TILE_BYTES;
    const int pair = blockIdx.x / tiles, tile = blockIdx.x % tiles, head = pair % heads;
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int row = tile * TILE + warp * 16 + (lane >> 2), column = 2 * (lane & 3);
    const int hidden = heads * SIZE;
    const int stride = 3 * hidden;
    const u64 start = (u64)(pair / heads) * length;
    const element* queries = projected + start * stride + head * SIZE;
    const int count = keys_of(lengths, pair, length, heads);
    const int key_tiles = (count + TILE - 1) / TILE;
    if (key_tiles > 0) {
        copy_tile(keys, queries + hidden, stride, 0, length);
        copy_tile(values, queries + 2 * hidden, stride, 0, length);
    }

    unsigned query[STEPS][4];
    load_left(query, queries, stride, row, length);
    const float step = factor * LOG2_E;
    float highest[2] = { NEGATIVE_INFINITY, NEGATIVE_INFINITY }, total[2] = { 0.0f, 0.0f };
    float sum[CHUNKS][4] = {};
#ifdef DROPS
    const bool odd = lane & 1;
    const Mask mask{ seed, index, threshold, scale };
    u64 counter = mask_base(mask) + (((u64)pair * length + row + (odd ? 8 : 0)) * (length >> 2) + ((lane & 3) >> 1)) * GOLDEN;
    const unsigned limit = (threshold << 16) - 1; // for 16 bits in the upper half, whatever the lower
    kept += (u64)blockIdx.x * tiles * THREADS + threadIdx.x;
#endif

    for (int k = 0; k < key_tiles; k++) {
        const unsigned now = (k & 1) * TILE_BYTES, next = TILE_BYTES - now;
        copies_done();
        __syncthreads();
        if (k + 1 < key_tiles) {
            copy_tile(keys + next, queries + hidden, stride, (k + 1) * TILE, length);
            copy_tile(values + next, queries + 2 * hidden, stride, (k + 1) * TILE, length);
        }
        float x[8][4];
        multiply_rows<8>(x, query, keys + now, 0);
        if ((k + 1) * TILE > count) {
#pragma unroll
            for (int n = 0; n < 8; n++) {
#pragma unroll
                for (int i = 0; i < 4; i++)
                    if (k * TILE + 8 * n + column + (i & 1) >= count)
                        x[n][i] = NEGATIVE_INFINITY;
            }
        }
        float shift[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float high = highest[half];
#pragma unroll
            for (int n = 0; n < 8; n++)
                high = fmaxf(high, fmaxf(x[n][2 * half], x[n][2 * half + 1]));
            // Every tile has a key that counts, so that this is finite.
            high = group_max<4>(high);
            const float rescale = power_of_two((highest[half] - high) * step);
            total[half] *= rescale;
#pragma unroll
            for (int d = 0; d < CHUNKS; d++) {
                sum[d][2 * half] *= rescale;
                sum[d][2 * half + 1] *= rescale;
            }
            highest[half] = high;
            shift[half] = high * step;
        }
#ifdef DROPS
        unsigned bits = 0;
#endif
#pragma unroll
        for (int n = 0; n < 8; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[n][i] = power_of_two(x[n][i] * step - shift[i >> 1]);
                total[i >> 1] += x[n][i];
            }
#ifdef DROPS
            unsigned upper, lower;
            mask_pairs(mix(counter), odd, upper, lower);
            counter += 2 * GOLDEN;
            const bool keep[4] = { (upper << 16) <= limit, upper <= limit, (lower << 16) <= limit, lower <= limit };
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if (keep[i])
                    bits |= 1u << (4 * n + i);
                x[n][i] = keep[i] ? x[n][i] : 0.0f;
            }
#endif
        }
#ifdef DROPS
        kept[k * THREADS] = bits;
#endif
        add_products<8>(sum, x, values + now, 0);
    }

    float rescale[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const float all = group_sum<4>(total[half]);
        rescale[half] = all > 0.0f ? scale / all : 0.0f;
        // Infinite where no key counts, so that the backward pass's probabilities are 0.
        if ((lane & 3) == 0 && row + 8 * half < length)
            logs[(u64)pair * length + row + 8 * half] = all > 0.0f ? highest[half] * step + log_of_two(all) : -NEGATIVE_INFINITY;
    }
    store_rows(output + start * hidden + head * SIZE, hidden, row, length, sum, rescale[0], rescale[1]);
}
