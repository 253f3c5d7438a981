/* Matrix products over any strides: tiles of C in registers, tiles of A and B in shared memory.  Sums of floats run in
 * float, as cuBLAS's do; integers wrap. */
#include "cuda/launch.h"

#include "cuda/gemm.h"
#include "cuda/places.h"

/* value < 0 is never true of an unsigned integer: the store is one for all types. */
#ifdef __CUDACC__
#pragma nv_diag_suppress 186
#endif

/* A block makes TILE x TILE of C, DEPTH of k at a time; a thread 4 x 4, 16 apart, so that a warp reads rows. */
enum { TILE = 64, DEPTH = 16, SIDE = 16, EACH = TILE / SIDE };

template <typename T> static __global__ void __launch_bounds__(SIDE *SIDE) multiply(GemmBatch job)
{
    CT_SHARED(T, a_tile, [DEPTH][TILE + 1]);
    CT_SHARED(T, b_tile, [DEPTH][TILE + 1]);
    const Gemm &g = job.gemm;
    const int x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    const int64_t row = (int64_t)blockIdx.y * TILE, column = (int64_t)blockIdx.x * TILE;
    for (int64_t matrix = blockIdx.z; matrix < job.count; matrix += gridDim.z) {
        const T *a = (const T *)g.a + matrix * job.a_step, *b = (const T *)g.b + matrix * job.b_step;
        T *c = (T *)g.c + matrix * job.c_step;
        T sum[EACH][EACH] = {};
        const bool a_by_rows = g.a_row == 1, b_by_rows = g.b_col != 1;
        for (int64_t k = 0; k < g.k; k += DEPTH) {
            for (int i = threadIdx.x; i < TILE * DEPTH; i += SIDE * SIDE) {
                const int m = a_by_rows ? i % TILE : i / DEPTH, ka = a_by_rows ? i / TILE : i % DEPTH;
                const bool in_a = row + m < g.m && k + ka < g.k;
                a_tile[ka][m] = in_a ? a[(row + m) * g.a_row + (k + ka) * g.a_col] : (T)0;
                const int n = b_by_rows ? i / DEPTH : i % TILE, kb = b_by_rows ? i % DEPTH : i / TILE;
                const bool in_b = column + n < g.n && k + kb < g.k;
                b_tile[kb][n] = in_b ? b[(k + kb) * g.b_row + (column + n) * g.b_col] : (T)0;
            }
            __syncthreads();
            for (int d = 0; d < DEPTH; d++) {
                T left[EACH], right[EACH];
                for (int i = 0; i < EACH; i++) {
                    left[i] = a_tile[d][y + i * SIDE];
                    right[i] = b_tile[d][x + i * SIDE];
                }
                for (int i = 0; i < EACH; i++)
                    for (int j = 0; j < EACH; j++)
                        sum[i][j] = (T)(sum[i][j] + left[i] * right[j]);
            }
            __syncthreads();
        }
        for (int i = 0; i < EACH; i++)
            for (int j = 0; j < EACH; j++) {
                const int64_t m = row + y + i * SIDE, n = column + x + j * SIDE;
                if (m >= g.m || n >= g.n)
                    continue;
                T value = sum[i][j];
                if (g.accumulate)
                    value = (T)(value + c[m * g.c_row + n]);
                if (g.bias != NULL)
                    value = (T)(value + ((const T *)g.bias)[n]);
                c[m * g.c_row + n] = g.relu && value < 0 ? (T)0 : value;
            }
    }
}

void launch_gemm(Dtype dtype, const GemmBatch *batch, cudaStream_t stream)
{
    const Gemm *g = &batch->gemm;
    const unsigned most = 65535, rows = (unsigned)((g->m + TILE - 1) / TILE), columns = (unsigned)((g->n + TILE - 1) / TILE);
    const dim3 grid(columns, rows, batch->count < most ? (unsigned)batch->count : most);
    switch (dtype) {
    case DTYPE_FLOAT: CT_LAUNCH(multiply<float>, grid, SIDE * SIDE, 0, stream, *batch); break;
    case DTYPE_DOUBLE: CT_LAUNCH(multiply<double>, grid, SIDE * SIDE, 0, stream, *batch); break;
    case DTYPE_INT64: CT_LAUNCH(multiply<uint64_t>, grid, SIDE * SIDE, 0, stream, *batch); break;
    case DTYPE_INT32: CT_LAUNCH(multiply<uint32_t>, grid, SIDE * SIDE, 0, stream, *batch); break;
    case DTYPE_INT16: CT_LAUNCH(multiply<uint16_t>, grid, SIDE * SIDE, 0, stream, *batch); break;
    default: CT_LAUNCH(multiply<uint8_t>, grid, SIDE * SIDE, 0, stream, *batch); break;
    }
}

template <typename T> static __device__ T finished(const Gemm &g, T value, T bias)
{
    value = value + bias;
    return g.relu && value < 0 ? (T)0 : value;
}

template <typename T> struct __align__(16) Packed {
    T at[16 / sizeof(T)];
};

/* A warp takes part of a row.  packed: rows and bias are adjacent packs of 16 bytes. */
template <typename T> static __global__ void __launch_bounds__(THREADS) finish(GemmBatch job, bool packed)
{
    typedef Packed<T> P;
    const Gemm &g = job.gemm;
    const int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, step = (int64_t)gridDim.x * blockDim.x;
    const int64_t top = (int64_t)blockIdx.y * blockDim.y + threadIdx.y, down = (int64_t)gridDim.y * blockDim.y;
    const T *bias = (const T *)g.bias;
    for (int64_t matrix = blockIdx.z; matrix < job.count; matrix += gridDim.z)
        for (int64_t row = top; row < g.m; row += down) {
            T *c = (T *)g.c + matrix * job.c_step + row * g.c_row;
            if (!packed) {
                for (int64_t n = first; n < g.n; n += step)
                    c[n] = finished(g, c[n], bias ? bias[n] : (T)0);
                continue;
            }
            P zero = {}, *packs = (P *)c;
            for (int64_t n = first; n < g.n / (int64_t)(16 / sizeof(T)); n += step) {
                P pack = CT_LD16(P, packs + n), more = bias ? CT_LD16(P, (const P *)bias + n) : zero;
                for (int j = 0; j < (int)(16 / sizeof(T)); j++)
                    pack.at[j] = finished(g, pack.at[j], more.at[j]);
                CT_ST16(P, packs + n, pack);
            }
        }
}

void launch_epilogue(Dtype dtype, const GemmBatch *batch, cudaStream_t stream)
{
    const Gemm *g = &batch->gemm;
    const int64_t most = 65535, side = 32, high = THREADS / side, size = dtype == DTYPE_FLOAT ? 4 : 8;
    const int64_t columns = (g->n + side - 1) / side, rows = (g->m + high - 1) / high;
    const dim3 grid(columns < 64 ? (unsigned)columns : 64, rows < most ? (unsigned)rows : (unsigned)most,
                    batch->count < most ? (unsigned)batch->count : (unsigned)most);
    const dim3 block((unsigned)side, (unsigned)high);
    const bool packed = g->n % (16 / size) == 0 && g->c_row % (16 / size) == 0 && batch->c_step % (16 / size) == 0
                        && (uintptr_t)g->c % 16 == 0 && (uintptr_t)g->bias % 16 == 0;
    if (dtype == DTYPE_FLOAT)
        CT_LAUNCH(finish<float>, grid, block, 0, stream, *batch, packed);
    else
        CT_LAUNCH(finish<double>, grid, block, 0, stream, *batch, packed);
}
