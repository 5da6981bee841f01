// Attention's backward pass, which computes the probabilities again from the saved logarithms (Dao, arXiv 2307.08691). With
// P the probabilities, M their mask, O the output and D = sum(dO O): dV = (P M)' dO, dP = (dO V') M, dS = factor * P (dP - D),
// dQ = dS K and dK = dS' Q. One kernel has queries and one has keys to itself, so that no sum depends on who comes first.
// The result's rows lie result_stride elements apart, an even number.

// Columns of a tile that are in registers at once.
#define PART 16

// dQ, and D for the other kernel, which comes after.
extern "C" __global__ void __launch_bounds__(THREADS, 4) attend_backward_queries(
    const element* projected, const long long* lengths, const element* output, const element* gradient, const float* logs,
    const unsigned* kept, element* result, float* products, int length, int heads, int tiles, int result_stride, float factor, float scale)
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

    unsigned query[1][STEPS][4], incoming[1][STEPS][4];
    load_left(query[0], output + start * hidden + head * SIZE, hidden, row, length);
    load_left(incoming[0], gradient + start * hidden + head * SIZE, hidden, row, length);
    float product[2] = { 0.0f, 0.0f }, log[2];
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const unsigned a = query[0][s][i], b = incoming[0][s][i];
            product[i & 1] += __uint_as_float(a << 16) * __uint_as_float(b << 16) + __uint_as_float(a & 0xFFFF0000u) * __uint_as_float(b & 0xFFFF0000u);
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const bool valid = row + 8 * half < length;
        const u64 at = (u64)pair * length + row + 8 * half;
        product[half] = group_sum<4>(product[half]);
        log[half] = valid ? logs[at] : -NEGATIVE_INFINITY;
        if (valid && (lane & 3) == 0)
            products[at] = product[half];
    }
    load_left(query[0], queries, stride, row, length);

    const float step = factor * LOG2_E;
    float sum[1][CHUNKS][4] = {};
    for (int k = 0; k < key_tiles; k++) {
        const unsigned now = (k & 1) * TILE_BYTES, next = TILE_BYTES - now;
        copies_done();
        __syncthreads();
        if (k + 1 < key_tiles) {
            copy_tile(keys + next, queries + hidden, stride, (k + 1) * TILE, length);
            copy_tile(values + next, queries + 2 * hidden, stride, (k + 1) * TILE, length);
        }
#ifdef DROPS
        const unsigned bits = kept[((u64)blockIdx.x * tiles + k) * THREADS + threadIdx.x];
#endif
#pragma unroll
        for (int first = 0; first < TILE; first += PART) {
            float x[1][PART / 8][4], d[1][PART / 8][4];
            multiply_rows(x, query, keys + now, first);
            multiply_rows(d, incoming, values + now, first);
            if ((k + 1) * TILE > count) {
#pragma unroll
                for (int n = 0; n < PART / 8; n++) {
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        if (k * TILE + first + 8 * n + column + (i & 1) >= count)
                            x[0][n][i] = NEGATIVE_INFINITY;
                }
            }
#pragma unroll
            for (int n = 0; n < PART / 8; n++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const float p = power_of_two(x[0][n][i] * step - log[i >> 1]);
#ifdef DROPS
                    d[0][n][i] = bits & (1u << (first / 2 + 4 * n + i)) ? d[0][n][i] * scale : 0.0f;
#endif
                    x[0][n][i] = p * (d[0][n][i] - product[i >> 1]);
                }
            }
            add_products(sum, x, keys + now, first);
        }
    }
    store_rows(result + start * result_stride + head * SIZE, result_stride, row, length, sum[0], factor, factor);
}

// dK and dV; everything is transposed, so that a warp has 16 keys.
extern "C" __global__ void __launch_bounds__(THREADS, 3) attend_backward_keys(
    const element* projected, const long long* lengths, const element* gradient, const float* logs, const float* products,
    const unsigned* kept, element* result, int length, int heads, int tiles, int result_stride, float factor, float scale)
{
    __shared__ __align__(128) element buffers[4 * TILE * SIZE];
    __shared__ __align__(16) float rows[2][2 * TILE];
    const unsigned queries = shared_address(buffers), gradients = queries + 2 * TILE_BYTES;
    const int pair = blockIdx.x / tiles, tile = blockIdx.x % tiles, head = pair % heads;
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int row = tile * TILE + warp * 16 + (lane >> 2), column = 2 * (lane & 3);
    const int hidden = heads * SIZE;
    const int stride = 3 * hidden;
    const u64 start = (u64)(pair / heads) * length;
    const element* from = projected + start * stride + head * SIZE;
    const element* incoming = gradient + start * hidden + head * SIZE;
    const int count = keys_of(lengths, pair, length, heads);
    const int query_tiles = tile * TILE < count ? tiles : 0;
    logs += (u64)pair * length;
    products += (u64)pair * length;
#ifdef DROPS
    __shared__ __align__(16) unsigned words[2][THREADS];
    kept += ((u64)pair * tiles * tiles + tile) * THREADS;
    // Where the words of the lanes are that had these keys in the forward pass, and in them the bits.
    const int word = column * 4 + (lane >> 3), shift = 8 * warp + ((lane >> 2) & 1);
#endif
    const auto copy = [&](int q) {
        const int buffer = q & 1, thread = threadIdx.x;
        copy_tile(queries + buffer * TILE_BYTES, from, stride, q * TILE, length);
        copy_tile(gradients + buffer * TILE_BYTES, incoming, hidden, q * TILE, length);
        if (thread < TILE / 2) {
            // Queries past the last get zeros, which add nothing: their rows are zeros too.
            const int query = q * TILE + thread % (TILE / 4) * 4;
            copy_async(shared_address(&rows[buffer][thread * 4]), (thread < TILE / 4 ? logs : products) + query, query < length);
        }
#ifdef DROPS
        else if (thread < TILE / 2 + THREADS / 4) {
            const int at = (thread - TILE / 2) * 4;
            copy_async(shared_address(&words[buffer][at]), kept + (u64)q * tiles * THREADS + at, true);
        }
#endif
    };
    if (query_tiles > 0)
        copy(0);

    unsigned key[1][STEPS][4], value[1][STEPS][4];
    load_left(key[0], from + hidden, stride, row, length);
    load_left(value[0], from + 2 * hidden, stride, row, length);
    const float step = factor * LOG2_E;
    float key_sum[1][CHUNKS][4] = {}, value_sum[1][CHUNKS][4] = {};
    for (int q = 0; q < query_tiles; q++) {
        const unsigned now = (q & 1) * TILE_BYTES;
        copies_done();
        __syncthreads();
        if (q + 1 < query_tiles)
            copy(q + 1);
#pragma unroll
        for (int first = 0; first < TILE; first += PART) {
            float x[1][PART / 8][4], d[1][PART / 8][4];
            multiply_rows(x, key, queries + now, first);
            multiply_rows(d, value, gradients + now, first);
#pragma unroll
            for (int n = 0; n < PART / 8; n++) {
                const int query = first + 8 * n + column;
                const float2 log = *(const float2*)&rows[q & 1][query], product = *(const float2*)&rows[q & 1][TILE + query];
#ifdef DROPS
                const unsigned* pair_words = words[q & 1] + (first / 16 + n / 2) * 32 + word;
                const unsigned bits[2] = { pair_words[0] >> shift, pair_words[4] >> shift };
#endif
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const float p = power_of_two(x[0][n][i] * step - (i & 1 ? log.y : log.x));
                    x[0][n][i] = p;
#ifdef DROPS
                    const bool keep = bits[i & 1] & (1u << (2 * (i & 2) + 2 * (n & 1)));
                    x[0][n][i] = keep ? p : 0.0f;
                    d[0][n][i] = keep ? d[0][n][i] * scale : 0.0f;
#endif
                    d[0][n][i] = p * (d[0][n][i] - (i & 1 ? product.y : product.x));
                }
            }
            add_products(value_sum, x, gradients + now, first);
            add_products(key_sum, d, queries + now, first);
        }
    }
    // Keys that do not count were computed as if they did: every key is a row of its own.
#pragma unroll
    for (int d = 0; d < CHUNKS; d++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (row + 4 * (i & 2) >= count)
                key_sum[0][d][i] = value_sum[0][d][i] = 0.0f;
    }
    element* to = result + start * result_stride + head * SIZE;
    store_rows(to + hidden, result_stride, row, length, key_sum[0], factor, factor);
    store_rows(to + 2 * hidden, result_stride, row, length, value_sum[0], scale, scale);
}
