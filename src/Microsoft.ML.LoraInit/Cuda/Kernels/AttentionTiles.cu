// What attention is made of: tiles of 64 rows of a head in shared memory, and products of 16 x 8 x 16 on tensor cores.
// Needs compute capability 8.0. SIZE, a head's elements, is given to the compiler.
//
// Of a product's 16 x 8 result a lane holds rows g = lane / 4 and g + 8 at columns 2 t and 2 t + 1, t = lane % 4 (PTX ISA,
// "Matrix Fragments for mma.m16n8k16").

#define TILE 64
#define WARPS 4
#define THREADS (WARPS * 32)
#define CHUNKS (SIZE / 8)   // 16-byte pieces of a row
#define STEPS (SIZE / 16)   // a product's steps along a head
#define LOG2_E 1.4426950408889634f

#ifndef EMULATED
INLINE unsigned shared_address(const void* at)
{
    unsigned address;
    asm("{ .reg .u64 wide; cvta.to.shared.u64 wide, %1; cvt.u32.u64 %0, wide; }" : "=r"(address) : "l"(at));
    return address;
}

// 16 bytes, or as many zeros.
INLINE void copy_async(unsigned to, const void* from, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(to), "l"(from), "r"(valid ? 16 : 0) : "memory");
}

INLINE void copies_done() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Four 8 x 8 matrices, whose rows' addresses are the lanes'.
INLINE void load_matrices(unsigned (&x)[4], unsigned row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(row));
}

INLINE void load_transposed(unsigned (&x)[4], unsigned row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(row));
}

INLINE void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

INLINE float power_of_two(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

INLINE float log_of_two(float x)
{
    float y;
    asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#endif

// Byte at which a row's chunk lies in a tile: turned about, so that eight rows' equal chunks lie in different banks. Chunk c
// of the row lies at this of chunk 0, c's bits exclusive-ored, and that of the eighth row after at 8 * ROW more.
#define ROW (SIZE * 2)
#define TILE_BYTES (TILE * ROW)

INLINE unsigned place(int row, int chunk)
{
    return row * ROW + (chunk ^ (CHUNKS == 4 ? (row >> 1) & 3 : row & 7)) * 16;
}

// Begins to copy rows first .. first + 63 of count; zeros past the last.
INLINE void copy_tile(unsigned tile, const element* rows, int stride, int first, int count)
{
    const int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
    const int each = THREADS / CHUNKS; // a multiple of 8
    const unsigned to = tile + place(row, chunk);
    const element* from = rows + (first + row) * stride + chunk * 8;
#pragma unroll
    for (int i = 0; i < TILE / each; i++)
        copy_async(to + i * each * ROW, from + i * each * stride, first + row + i * each < count);
}

// Rows `row` and `row` + 8 of a lane as the left side of products along the head.
INLINE void load_left(unsigned (&x)[STEPS][4], const element* rows, int stride, int row, int count)
{
    const int column = 2 * (threadIdx.x & 3);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const bool valid = row + 8 * half < count;
        const element* from = rows + (valid ? row + 8 * half : 0) * stride + column;
#pragma unroll
        for (int s = 0; s < STEPS; s++) {
            x[s][half] = valid ? *(const unsigned*)(from + 16 * s) : 0;
            x[s][half + 2] = valid ? *(const unsigned*)(from + 16 * s + 8) : 0;
        }
    }
}

// c[m][i][j] = sum over the head of left[m][i] tile[first + j]; N blocks of 8 rows of the tile for M groups of 16 rows.
template <int M, int N>
INLINE void multiply_rows(float (&c)[M][N][4], const unsigned (&left)[M][STEPS][4], unsigned tile, int first)
{
    const int lane = threadIdx.x & 31;
    const unsigned at = place((lane & 7) + ((lane >> 4) << 3), (lane >> 3) & 1);
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
        for (int n = 0; n < N; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                c[m][n][i] = 0.0f;
        }
    }
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            unsigned b[4];
            load_matrices(b, tile + (at ^ (32 * s)) + (first + 8 * n) * ROW);
#pragma unroll
            for (int m = 0; m < M; m++) {
                multiply(c[m][n], left[m][s], b[0], b[1]);
                multiply(c[m][n + 1], left[m][s], b[2], b[3]);
            }
        }
    }
}

// total[m][i][d] += sum over j of x[m][i][j] tile[first + j][d], x rounded to elements.
template <int M, int N>
INLINE void add_products(float (&total)[M][CHUNKS][4], const float (&x)[M][N][4], unsigned tile, int first)
{
    const int lane = threadIdx.x & 31;
    const unsigned at = place(lane & 15, lane >> 4);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        unsigned left[M][4];
#pragma unroll
        for (int m = 0; m < M; m++) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                left[m][i] = pack(x[m][n + i / 2][i % 2 * 2], x[m][n + i / 2][i % 2 * 2 + 1]);
        }
#pragma unroll
        for (int d = 0; d < CHUNKS; d += 2) {
            unsigned b[4];
            load_transposed(b, tile + (at ^ (16 * d)) + (first + 8 * n) * ROW);
#pragma unroll
            for (int m = 0; m < M; m++) {
                multiply(total[m][d], left[m], b[0], b[1]);
                multiply(total[m][d + 1], left[m], b[2], b[3]);
            }
        }
    }
}

// Rows `row` and `row` + 8 of a lane, times a factor each.
INLINE void store_rows(element* rows, int stride, int row, int count, const float (&x)[CHUNKS][4], float first, float second)
{
    const int column = 2 * (threadIdx.x & 3);
#pragma unroll
    for (int d = 0; d < CHUNKS; d++) {
        if (row < count)
            *(unsigned*)(rows + row * stride + 8 * d + column) = pack(x[d][0] * first, x[d][1] * first);
        if (row + 8 < count)
            *(unsigned*)(rows + (row + 8) * stride + 8 * d + column) = pack(x[d][2] * second, x[d][3] * second);
    }
}
