/* Matrix products: what the core asks of the gemm kernels (kernels/gemm.c).
 *
 * The kernels never allocate and never start threads.  The core asks gemm_tiles() how many independent
 * parts the product has, hands ranges of them to its threads, and gives each call a workspace of its own.
 * An element of C gets the same bits however the tiles are split: its order of summation follows from the
 * whole problem alone. */
#ifndef CTORCH_ABI_GEMM_H
#define CTORCH_ABI_GEMM_H

#include <stddef.h>
#include <stdint.h>
#include "isa.h"

/* C (m x n) = A (m x k) B (k x n), then + bias, then max(0, .).  Strides are in elements and arbitrary
 * (transposed, stepped, negative, zero); the columns of C are adjacent.  C overlaps neither A, B nor bias. */
typedef struct Gemm {
    int64_t m, n, k;
    const void *a;
    int64_t a_row, a_col;
    const void *b;
    int64_t b_row, b_col;
    void *c;
    int64_t c_row;
    const void *bias;       /* n adjacent elements, one per column of C, or NULL */
    int accumulate;         /* 0: C = AB, 1: C += AB */
    int relu;
    int64_t cache_bytes;    /* a core's second-level cache, 0 if unknown: how much of A is a block */
} Gemm;

/* Tiles are cut at multiples of these, which every kernel's register tile divides. */
#define GEMM_TILE_ROWS 12
#define GEMM_TILE_COLS 32
/* A tile has at least this many floating-point operations, so that it is worth a thread's while. */
#define GEMM_TILE_FLOPS 3e5
#define GEMM_MAX_TILES 64

typedef struct GemmGrid { int64_t rows, cols; } GemmGrid;

/* How many tiles C is cut into along each side: powers of two, tiles as square as they get. */
static inline GemmGrid gemm_grid(const Gemm *g)
{
    GemmGrid grid = {1, 1};
    double most = (double)g->m * (double)g->n * (double)g->k * (2 / GEMM_TILE_FLOPS);
    while (grid.rows * grid.cols * 2 <= GEMM_MAX_TILES && (double)(grid.rows * grid.cols * 2) <= most) {
        int64_t height = g->m / grid.rows, width = g->n / grid.cols;
        if (height >= 2 * GEMM_TILE_ROWS && (height >= width || width < 2 * GEMM_TILE_COLS)) {
            grid.rows *= 2;
        } else if (width >= 2 * GEMM_TILE_COLS) {
            grid.cols *= 2;
        } else {
            break;
        }
    }
    return grid;
}

static inline int64_t gemm_tiles(const Gemm *g)
{
    GemmGrid grid = gemm_grid(g);
    return grid.rows * grid.cols;
}

/* Bytes of workspace, aligned to 64, that one call needs for elements of `size` bytes (0 for integers). */
int64_t ISA_NAME(gemm_workspace)(const Gemm *g, size_t size);

/* Compute tiles begin <= t < end. */
typedef void GemmFunction(const Gemm *g, int64_t begin, int64_t end, void *workspace);
GemmFunction ISA_NAME(gemm_f32), ISA_NAME(gemm_f64);
/* Integer products wrap around, so that bytes with a sign serve those without; the workspace is not used. */
GemmFunction ISA_NAME(gemm_i64), ISA_NAME(gemm_i32), ISA_NAME(gemm_i16), ISA_NAME(gemm_i8);

/* Sum of a[i * a_step] * b[i * b_step], in 256 bytes' worth of partial sums (64 floats, 32 doubles) on every
 * instruction set. */
float ISA_NAME(dot_f32)(int64_t n, const float *a, int64_t a_step, const float *b, int64_t b_step);
double ISA_NAME(dot_f64)(int64_t n, const double *a, int64_t a_step, const double *b, int64_t b_step);

/* All of the above as one instruction set's table. */
typedef struct GemmKernels {
    int64_t (*workspace)(const Gemm *g, size_t size);
    GemmFunction *f32, *f64, *i64, *i32, *i16, *i8;
    float (*dot_f32)(int64_t n, const float *a, int64_t a_step, const float *b, int64_t b_step);
    double (*dot_f64)(int64_t n, const double *a, int64_t a_step, const double *b, int64_t b_step);
} GemmKernels;
extern const GemmKernels ISA_NAME(gemm_kernels);

#endif
