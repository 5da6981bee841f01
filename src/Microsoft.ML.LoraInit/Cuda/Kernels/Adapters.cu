// Trained fp32 numbers to the matrices that products read, and the matrices' gradients back. A CUDA block has a tile of BLOCK
// numbers of one Numbers, which owners says; of the places written to each occurs once.

struct Numbers {
    long long flat, columns, place, other, stride, tile, count, changes;
};

// Where number at of a block lies among the matrices.
INLINE long long place_of(const Numbers& numbers, int at)
{
    const int row = at / (int)numbers.columns;
    return row * numbers.stride + (at - row * (int)numbers.columns);
}

// start may be null where nothing is taken off.
extern "C" __global__ void __launch_bounds__(BLOCK) spread(
    const float* flat, const float* start, const Numbers* table, const float* scales, const int* owners, element* values)
{
    const int owner = owners[blockIdx.x];
    const Numbers numbers = table[owner];
    const int at = (int)(blockIdx.x - numbers.tile) * BLOCK + threadIdx.x;
    if (at >= numbers.count)
        return;
    float x = flat[numbers.flat + at];
    if (numbers.changes)
        x -= start[numbers.flat + at];
    values[numbers.place + place_of(numbers, at)] = to_element(scales[owner] * x);
}

// other may be below 0: there is none.
extern "C" __global__ void __launch_bounds__(BLOCK) collect(
    const element* gradients, const Numbers* table, const float* scales, const int* owners, float* flat)
{
    const int owner = owners[blockIdx.x];
    const Numbers numbers = table[owner];
    const int at = (int)(blockIdx.x - numbers.tile) * BLOCK + threadIdx.x;
    if (at >= numbers.count)
        return;
    const long long place = place_of(numbers, at);
    float x = to_float(gradients[numbers.place + place]);
    if (numbers.other >= 0)
        x += to_float(gradients[numbers.other + place]);
    flat[numbers.flat + at] += scales[owner] * x;
}
