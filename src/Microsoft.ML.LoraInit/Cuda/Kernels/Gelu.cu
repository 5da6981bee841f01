// x Phi(x) and its gradient.

// Phi and exp(-x^2 / 2). In bf16 the tail is Abramowitz and Stegun's 7.1.26, within 1e-7 and without erff's branches.
INLINE float normal_cdf(float x, float& bell)
{
#ifdef ELEMENT_BF16
    bell = __expf(-0.5f * x * x);
    const float t = __fdividef(1.0f, 1.0f + 0.3275911f * 0.70710678f * fabsf(x));
    const float series = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    const float tail = 0.5f * series * bell;
    return x < 0.0f ? tail : 1.0f - tail;
#else
    bell = expf(-0.5f * x * x);
    return 0.5f * (1.0f + erff(x * 0.70710678f));
#endif
}

template <int N>
INLINE void gelu(const element* input, element* output, u64 count)
{
    const u64 at = ((u64)blockIdx.x * BLOCK + threadIdx.x) * N;
    if (at >= count)
        return;
    float x[N], bell;
    load(input + at, x);
#pragma unroll
    for (int i = 0; i < N; i++)
        x[i] *= normal_cdf(x[i], bell);
    store(output + at, x);
}

template <int N>
INLINE void gelu_backward(element* gradient, const element* input, u64 count)
{
    const u64 at = ((u64)blockIdx.x * BLOCK + threadIdx.x) * N;
    if (at >= count)
        return;
    float x[N], g[N], bell;
    load(input + at, x);
    load(gradient + at, g);
#pragma unroll
    for (int i = 0; i < N; i++) {
        const float cdf = normal_cdf(x[i], bell);
        g[i] *= cdf + x[i] * 0.39894228f * bell;
    }
    store(gradient + at, g);
}

extern "C" __global__ void __launch_bounds__(BLOCK) gelu_wide(const element* input, element* output, u64 count)
{
    gelu<WIDE>(input, output, count);
}

extern "C" __global__ void __launch_bounds__(BLOCK) gelu_single(const element* input, element* output, u64 count)
{
    gelu<1>(input, output, count);
}

extern "C" __global__ void __launch_bounds__(BLOCK) gelu_backward_wide(element* gradient, const element* input, u64 count)
{
    gelu_backward<WIDE>(gradient, input, count);
}

extern "C" __global__ void __launch_bounds__(BLOCK) gelu_backward_single(element* gradient, const element* input, u64 count)
{
    gelu_backward<1>(gradient, input, count);
}
