// Trained fp32 numbers to the matrices that products read, and the matrices' gradients back. Maps say which number goes where;
// of the places written to each occurs once.

// share and start may be null: nothing is taken off.
extern "C" __global__ void __launch_bounds__(BLOCK) spread(
    const float* flat, const float* start, const long long* from, const long long* to, const float* scale, const float* share,
    element* values, long long count)
{
    const long long at = (long long)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= count)
        return;
    const long long source = from[at];
    float x = flat[source];
    if (share)
        x -= share[at] * start[source];
    values[to[at]] = to_element(scale[at] * x);
}

// second may be null, or have numbers below 0: there is no other.
extern "C" __global__ void __launch_bounds__(BLOCK) collect(
    const element* gradients, const long long* first, const long long* second, const long long* to, const float* scale,
    float* flat, long long count)
{
    const long long at = (long long)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= count)
        return;
    float x = to_float(gradients[first[at]]);
    if (second && second[at] >= 0)
        x += to_float(gradients[second[at]]);
    flat[to[at]] += scale[at] * x;
}
