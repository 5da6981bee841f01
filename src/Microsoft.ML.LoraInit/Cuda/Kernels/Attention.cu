// Attention in one pass: scores live in registers, and a row's softmax is rescaled as its keys come along, as in
// FlashAttention-2 (Dao, arXiv 2307.08691). A block has 64 * GROUPS queries of a head, a warp
// 16 * GROUPS: what it reads of keys and values serves them all. GROUPS is given to the compiler.
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

// As many blocks at once as leave room for the accumulators.
#define ATTEND_BLOCKS (GROUPS == 1 ? 3 : 2)

extern "C" __global__ void __launch_bounds__(THREADS, ATTEND_BLOCKS) attend(
    const element* projected, const long long* lengths, element* output, float* logs, unsigned* kept,
    int length, int heads, int tiles, float factor,
    const long long* seed, int index, unsigned threshold, float scale)
{
    __shared__ __align__(128) element buffers[4 * TILE * SIZE];
    const unsigned keys = shared_address(buffers), values = keys + 2 * TILE_BYTES;
    const int blocks = (tiles + GROUPS - 1) / GROUPS;
    const int pair = blockIdx.x / blocks, head = pair % heads;
    const int lane = threadIdx.x & 31, column = 2 * (lane & 3);
    const int group = (blockIdx.x % blocks * WARPS + (threadIdx.x >> 5)) * GROUPS; // of 16 queries
    const int row = group * 16 + (lane >> 2);
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

    unsigned query[GROUPS][STEPS][4];
    const float step = factor * LOG2_E;
    float highest[GROUPS][2], total[GROUPS][2];
    float sum[GROUPS][CHUNKS][4] = {};
#pragma unroll
    for (int m = 0; m < GROUPS; m++) {
        load_left(query[m], queries, stride, row + 16 * m, length);
        highest[m][0] = highest[m][1] = NEGATIVE_INFINITY;
        total[m][0] = total[m][1] = 0.0f;
    }
#ifdef DROPS
    const bool odd = lane & 1;
    const Mask mask{ seed, index, threshold, scale };
    const u64 between = 4 * (u64)length * GOLDEN; // groups of queries
    u64 counter = mask_base(mask) + (((u64)pair * length + row + (odd ? 8 : 0)) * (length >> 2) + ((lane & 3) >> 1)) * GOLDEN;
    const unsigned limit = (threshold << 16) - 1; // for 16 bits in the upper half, whatever the lower
    kept += (u64)pair * tiles * tiles * THREADS + lane;
#endif

    for (int k = 0; k < key_tiles; k++) {
        const unsigned now = (k & 1) * TILE_BYTES, next = TILE_BYTES - now;
        copies_done();
        __syncthreads();
        if (k + 1 < key_tiles) {
            copy_tile(keys + next, queries + hidden, stride, (k + 1) * TILE, length);
            copy_tile(values + next, queries + 2 * hidden, stride, (k + 1) * TILE, length);
        }
        if (row - (lane >> 2) >= length)
            continue; // a warp without queries
#ifdef DROPS
        unsigned bits[GROUPS] = {};
#endif
        float x[GROUPS][TILE / 8][4];
        multiply_rows(x, query, keys + now, 0);
        if ((k + 1) * TILE > count) {
            // The tile's first key counts, so that the highest is finite.
#pragma unroll
            for (int m = 0; m < GROUPS; m++) {
#pragma unroll
                for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        if (k * TILE + 8 * n + column + (i & 1) >= count)
                            x[m][n][i] = NEGATIVE_INFINITY;
                }
            }
        }
#pragma unroll
        for (int m = 0; m < GROUPS; m++) {
            float shift[2];
#pragma unroll
            for (int half = 0; half < 2; half++) {
                float high = highest[m][half];
#pragma unroll
                for (int n = 0; n < TILE / 8; n++)
                    high = fmaxf(high, fmaxf(x[m][n][2 * half], x[m][n][2 * half + 1]));
                high = group_max<4>(high);
                const float rescale = power_of_two((highest[m][half] - high) * step);
                total[m][half] *= rescale;
#pragma unroll
                for (int d = 0; d < CHUNKS; d++) {
                    sum[m][d][2 * half] *= rescale;
                    sum[m][d][2 * half + 1] *= rescale;
                }
                highest[m][half] = high;
                shift[half] = high * step;
            }
#pragma unroll
            for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    x[m][n][i] = power_of_two(x[m][n][i] * step - shift[i >> 1]);
                    total[m][i >> 1] += x[m][n][i];
                }
#ifdef DROPS
                unsigned upper, lower;
                mask_pairs(mix(counter + m * between + 2 * n * GOLDEN), odd, upper, lower);
                const bool keep[4] = { (upper << 16) <= limit, upper <= limit, (lower << 16) <= limit, lower <= limit };
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    if (keep[i])
                        bits[m] |= 1u << (4 * n + i);
                    x[m][n][i] = keep[i] ? x[m][n][i] : 0.0f;
                }
#endif
            }
        }
        add_products(sum, x, values + now, 0);
#ifdef DROPS
        counter += TILE / 4 * GOLDEN;
#pragma unroll
        for (int m = 0; m < GROUPS; m++)
            kept[((u64)((group + m) / WARPS) * tiles + k) * THREADS + (group + m) % WARPS * 32] = bits[m];
#endif
    }

#pragma unroll
    for (int m = 0; m < GROUPS; m++) {
        float rescale[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int query_row = row + 16 * m + 8 * half;
            const float all = group_sum<4>(total[m][half]);
            rescale[half] = all > 0.0f ? scale / all : 0.0f;
            // Infinite where no key counts, so that the backward pass's probabilities are 0.
            if ((lane & 3) == 0 && query_row < length)
                logs[(u64)pair * length + query_row] = all > 0.0f ? highest[m][half] * step + log_of_two(all) : -NEGATIVE_INFINITY;
        }
        store_rows(output + start * hidden + head * SIZE, hidden, row + 16 * m, length, sum[m], rescale[0], rescale[1]);
    }
}
