// [batch * length, parts * heads * size], its rows stride apart, <-> [parts, batch * heads, length, size]. A block a token; size and
// stride count VECTORs.

template <typename VECTOR, bool SPLIT>
INLINE void permute_heads(const VECTOR* __restrict__ input, VECTOR* __restrict__ output, int batch, int length, int parts, int heads, int size, int stride)
{
    const int token = blockIdx.x, row = token / length, position = token - row * length;
    const int width = parts * heads * size;
    for (int at = threadIdx.x; at < width; at += blockDim.x) {
        const int unit = at / size, inside = at - unit * size;
        const int part = unit / heads, head = unit - part * heads;
        const u64 by_token = (u64)token * stride + at;
        const u64 by_head = ((((u64)part * batch + row) * heads + head) * length + position) * size + inside;
        if constexpr (SPLIT)
            output[by_head] = input[by_token];
        else
            output[by_token] = input[by_head];
    }
}

#define HEADS(NAME, VECTOR, SPLIT) \
    extern "C" __global__ void __launch_bounds__(512) NAME( \
        const VECTOR* input, VECTOR* output, int batch, int length, int parts, int heads, int size, int stride) \
    { \
        permute_heads<VECTOR, SPLIT>(input, output, batch, length, parts, heads, size, stride); \
    }

HEADS(split_heads_wide, uint4, true)
HEADS(split_heads_single, element, true)
HEADS(join_heads_wide, uint4, false)
HEADS(join_heads_single, element, false)
