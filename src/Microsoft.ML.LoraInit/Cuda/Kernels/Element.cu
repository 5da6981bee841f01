// The element type of activations (bf16 as its bits, or fp32), 16-byte accesses, and reductions over threads.
// Compiled by NVRTC without any header.

typedef unsigned long long u64;

#define INLINE __device__ __forceinline__

#ifdef ELEMENT_BF16
typedef unsigned short element;

// Rounds to the nearest, ties to even; a is the lower half.
INLINE unsigned pack(float a, float b)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    unsigned bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(b), "f"(a));
    return bits;
#else
    unsigned x = __float_as_uint(a), y = __float_as_uint(b);
    x = a != a ? 0x7FFFu : (x + 0x7FFFu + ((x >> 16) & 1u)) >> 16;
    y = b != b ? 0x7FFFu : (y + 0x7FFFu + ((y >> 16) & 1u)) >> 16;
    return x | (y << 16);
#endif
}

INLINE float to_float(element x) { return __uint_as_float((unsigned)x << 16); }
INLINE element to_element(float x) { return (element)(pack(x, 0.0f) & 0xFFFFu); }
#else
typedef float element;

INLINE float to_float(element x) { return x; }
INLINE element to_element(float x) { return x; }
#endif

// Elements in 16 bytes.
#define WIDE ((int)(16 / sizeof(element)))

INLINE void unpack(uint4 raw, float (&x)[WIDE])
{
    const unsigned words[4] = { raw.x, raw.y, raw.z, raw.w };
#pragma unroll
    for (int i = 0; i < 4; i++) {
#ifdef ELEMENT_BF16
        x[2 * i] = __uint_as_float(words[i] << 16);
        x[2 * i + 1] = __uint_as_float(words[i] & 0xFFFF0000u);
#else
        x[i] = __uint_as_float(words[i]);
#endif
    }
}

// Either WIDE elements at a 16-byte boundary or one.
INLINE void load(const element* from, float (&x)[WIDE]) { unpack(*(const uint4*)from, x); }
INLINE void load(const element* from, float (&x)[1]) { x[0] = to_float(*from); }

// Leaves in x what a reader of the stored elements gets.
INLINE void store(element* to, float (&x)[WIDE])
{
    uint4 raw;
#ifdef ELEMENT_BF16
    raw.x = pack(x[0], x[1]);
    raw.y = pack(x[2], x[3]);
    raw.z = pack(x[4], x[5]);
    raw.w = pack(x[6], x[7]);
#else
    raw.x = __float_as_uint(x[0]);
    raw.y = __float_as_uint(x[1]);
    raw.z = __float_as_uint(x[2]);
    raw.w = __float_as_uint(x[3]);
#endif
    *(uint4*)to = raw;
    unpack(raw, x);
}

INLINE void store(element* to, float (&x)[1])
{
    const element rounded = to_element(x[0]);
    *to = rounded;
    x[0] = to_float(rounded);
}

// Weights are elements or fp32.
template <int N>
INLINE void load_weight(const void* from, int is_float, int at, float (&x)[N])
{
    if (is_float) {
        const float* values = (const float*)from + at;
#pragma unroll
        for (int i = 0; i < N; i++)
            x[i] = values[i];
    } else {
        load((const element*)from + at, x);
    }
}

// Over each aligned group of lanes; every lane of the warp takes part and gets its group's result.
template <int LANES>
INLINE float group_sum(float x)
{
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset >>= 1)
        x += __shfl_xor_sync(0xFFFFFFFFu, x, offset);
    return x;
}

template <int LANES>
INLINE float group_max(float x)
{
#pragma unroll
    for (int offset = LANES / 2; offset > 0; offset >>= 1)
        x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, offset));
    return x;
}

// Over a block of BLOCK threads; every thread gets the result. Safe to call again at once.
#define BLOCK 256

INLINE float block_sum(float x)
{
    __shared__ float parts[BLOCK / 32];
    x = group_sum<32>(x);
    __syncthreads();
    if ((threadIdx.x & 31) == 0)
        parts[threadIdx.x >> 5] = x;
    __syncthreads();
    x = 0.0f;
    for (int i = 0; i < BLOCK / 32; i++)
        x += parts[i];
    return x;
}

INLINE float block_max(float x)
{
    __shared__ float parts[BLOCK / 32];
    x = group_max<32>(x);
    __syncthreads();
    if ((threadIdx.x & 31) == 0)
        parts[threadIdx.x >> 5] = x;
    __syncthreads();
    x = parts[0];
    for (int i = 1; i < BLOCK / 32; i++)
        x = fmaxf(x, parts[i]);
    return x;
}
