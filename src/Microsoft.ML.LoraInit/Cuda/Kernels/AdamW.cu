// AdamW over flat fp32 vectors, in torch.optim.AdamW's order: clipping, decoupled decay, moments, update. The gradient is
// zero afterwards. Whatever changes from step to step is read on the device.

// scalars: learning rate, 1 / correction1, 1 / sqrt(correction2). Where decay or factor is null, the uniform value counts.
extern "C" __global__ void __launch_bounds__(256) adamw(
    float* value, float* gradient, float* first, float* second, const float* decay, const float* factor,
    const float* norm, const float* scalars, long long count, float maximum, float beta1, float rest1, float beta2, float rest2,
    float eps, float uniform_decay, float uniform_factor)
{
    const long long at = (long long)blockIdx.x * 256 + threadIdx.x;
    if (at >= count)
        return;
    const float rate = scalars[0];
    float g = gradient[at], v = value[at];
    if (maximum > 0.0f) {
        // Not fminf: a norm that is no number must show.
        const float clip = maximum / (*norm + 1e-6f);
        g *= clip > 1.0f ? 1.0f : clip;
    }
    v -= rate * (decay ? decay[at] : uniform_decay) * v;
    const float m = first[at] * beta1 + rest1 * g;
    const float s = second[at] * beta2 + rest2 * g * g;
    v -= rate * scalars[1] * (factor ? factor[at] : uniform_factor) * m / (sqrtf(s) * scalars[2] + eps);
    value[at] = v;
    first[at] = m;
    second[at] = s;
    gradient[at] = 0.0f;
}
