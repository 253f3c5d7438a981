/* Matrix products, one build per instruction set.  Here: the choices that differ between instruction sets,
 * the cut into tiles, and one inclusion per element type.  The parts: gemm_vector.inc (vectors),
 * gemm_tile.inc (micro-kernels), gemm_pack.inc (packing), gemm_dot.inc (narrow products as inner
 * products), gemm_float.inc (the driver), gemm_integer.inc (integers).  Threads and memory are the core's. */
#include "../abi/gemm.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
/* Arrays of vectors must dissolve into registers, so their loops are unrolled.  clang turns a loop that
 * clears or copies such an array into memset or memcpy before it unrolls, and then leaves the array in
 * memory: OPAQUE hides from it that a vector is merely passed on. */
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define UNROLL _Pragma("clang loop unroll(full)")
#ifdef __x86_64__
#define OPAQUE(v) __asm__("" : "+v"(v))
#else
#define OPAQUE(v) __asm__("" : "+w"(v))
#endif
#else
#define UNROLL _Pragma("GCC unroll 32")
#define OPAQUE(v) (void)(v)
#endif

/* Register tiles.  AVX-512 and NEON have 32 vector registers: 12 rows x 2 vectors of sums leave 8 for the
 * operands.  With 16 registers it is 6 x 2. */
#if defined(__AVX512F__) && defined(__AVX512VL__)
#include <immintrin.h>
#define VECTOR_BYTES 64
#ifdef __clang__
#define TILE_ROWS 6     /* clang 14 spills the sums of taller tiles, at less than half the speed */
#else
#define TILE_ROWS 12
#endif
#define DOT_COLS 4
#define MASKED_VECTORS 1
#elif defined(__AVX2__)
#include <immintrin.h>
/* A window of LANES elements that starts `count` before the middle selects the first `count` lanes. */
static const int32_t lane_mask_32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t lane_mask_64[8] = {-1, -1, -1, -1};
#define VECTOR_BYTES 32
#define TILE_ROWS 6
#define DOT_COLS 2
#define MASKED_VECTORS 0
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define TILE_ROWS 12
#define DOT_COLS 4
#define MASKED_VECTORS 0
#else
#define VECTOR_BYTES 16
#define TILE_ROWS 6
#define DOT_COLS 2
#define MASKED_VECTORS 0
#endif
#define MAX_ACCUMULATORS (2 * TILE_ROWS)

/* Bytes of k packed at a time: 512 floats, 256 doubles. */
#define BLOCK_K_BYTES 2048
/* A product whose sides are all below this power of two is left to plain loops, which cost least. */
#define TINY_SIDE 4
/* Up to this many rows, C may be computed as its transpose. */
#define FEW_ROWS 192
/* A B of at most this size, or one that meets at most two tiles, is read where it is. */
#define IN_PLACE_BYTES 32768
/* A is copied if at least so many panels of B meet it: fewer are enough if its rows or columns crowd into few cache sets. */
#define ANY_A_PANELS 12
#define CROWDED_A_PANELS 8
#define CROWDED_ROWS_BYTES 2048
#define CROWDED_COLUMNS_BYTES 1024
/* Panels of columns of A that are copied together. */
#define COPY_A_GROUP 8
/* How far they prefetch. */
#define COPY_COLUMNS_AHEAD 8
/* Steps of k between prefetches in a tile. */
#define STRETCH 16
/* Rows of the next panel of B that a stretch prefetches at most. */
#define MOST_AHEAD 2
/* Rows ahead that packing prefetches: rows far apart are out of the hardware prefetchers' sight. */
#define PACK_AHEAD 16
/* The next panel of B is packed by so many tiles that one row of it with every stretch is enough. */
#define CARRY_LEAST_M (STRETCH * TILE_ROWS)
#define CARRY_AHEAD 4
/* Inner products pay when C has few columns (or rows) and k is long enough for their final sums. */
#define DOT_FEW_COLS 24
#define DOT_FEW_ROWS 6
#define DOT_LEAST_K 48
#define DOT_MOST_COPIED 65536
/* A row times a B so wide takes rows of B together, in strips of columns whose part of C stays in the nearest cache. */
#define STREAM_LEAST_N 128
#define STREAM_ROWS 4
#define STREAM_COLS 4096

typedef struct GemmRectangle { int64_t row, row_end, col, col_end, next; } GemmRectangle;

static int64_t gemm_cut(int64_t extent, int64_t unit, int64_t index, int64_t parts)
{
    int64_t at = ((extent + unit - 1) / unit * index / parts) * unit;
    return index == parts || at > extent ? extent : at;
}

/* How the tiles are numbered and where C may be cut: an even split of the numbers gives each thread a strip of whole
 * columns, or of whole rows if `across`. */
typedef struct GemmOrder { int64_t row_unit, col_unit; int across; } GemmOrder;

/* The largest rectangle that starts the tiles begin..end; `next` is the first tile after it. */
static GemmRectangle gemm_rectangle(const Gemm *g, GemmGrid grid, GemmOrder order, int64_t begin, int64_t end)
{
    if (grid.rows * grid.cols == 1) {
        return (GemmRectangle){0, g->m, 0, g->n, 1};
    }
    const int64_t length = order.across ? grid.cols : grid.rows, line = begin / length, at = begin % length;
    int64_t tiles = length - at, lines = 1;
    if (end - begin < tiles) {
        tiles = end - begin;
    } else if (at == 0) {
        lines = (end - begin) / length;
    }
    const int64_t row = order.across ? line : at, col = order.across ? at : line;
    const int64_t rows = order.across ? lines : tiles, cols = order.across ? tiles : lines;
    return (GemmRectangle){
        gemm_cut(g->m, order.row_unit, row, grid.rows), gemm_cut(g->m, order.row_unit, row + rows, grid.rows),
        gemm_cut(g->n, order.col_unit, col, grid.cols), gemm_cut(g->n, order.col_unit, col + cols, grid.cols),
        begin + tiles * lines,
    };
}

#define T float
#define INT int32_t
#define NAME(x) x##_f32
#define LANES (VECTOR_BYTES / 4)
#if VECTOR_BYTES == 64
#define ADD_PRODUCT(sum, v, x) __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(v), "m"(x))
#define LOAD_PART(p, count) _mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1), p)
#define STORE_PART(p, v, count) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (count)) - 1), v)
#elif VECTOR_BYTES == 32
#define LOAD_PART(p, count) \
    _mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(lane_mask_32 + 8 - (count))))
#endif
#include "gemm_float.inc"
#undef T
#undef INT
#undef NAME
#undef LANES
#undef ADD_PRODUCT
#undef LOAD_PART
#undef STORE_PART

#define T double
#define INT int64_t
#define NAME(x) x##_f64
#define LANES (VECTOR_BYTES / 8)
#if VECTOR_BYTES == 64
#define ADD_PRODUCT(sum, v, x) __asm__("vfmadd231pd %2%{1to8%}, %1, %0" : "+v"(sum) : "v"(v), "m"(x))
#define LOAD_PART(p, count) _mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p)
#define STORE_PART(p, v, count) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), v)
#elif VECTOR_BYTES == 32
#define LOAD_PART(p, count) \
    _mm256_maskload_pd(p, _mm256_loadu_si256((const __m256i *)(lane_mask_64 + 4 - (count))))
#endif
#include "gemm_float.inc"
#undef T
#undef INT
#undef NAME
#undef LANES
#undef ADD_PRODUCT
#undef LOAD_PART
#undef STORE_PART

int64_t ISA_NAME(gemm_workspace)(const Gemm *g, size_t size)
{
    return size == sizeof(float) ? workspace_f32(g) : workspace_f64(g);
}

/* Products of words whose upper halves are signs alone: most integers are so small, and AVX2, which has no product of
 * whole words, takes three such products and more for each. */
#if VECTOR_BYTES == 32
#define SMALL_PRODUCT(x, y) ((WV)_mm256_mul_epi32((__m256i)(x), (__m256i)(y)))
#define SMALL_LIMIT ((uint64_t)1 << 31)
#endif
#define SUM uint64_t
#define T int64_t
#define NAME(x) x##_i64
#include "gemm_integer.inc"
#undef SMALL_PRODUCT
#undef SMALL_LIMIT
#undef SUM
#undef T
#undef NAME

#define SUM uint32_t
#define T int32_t
#define NAME(x) x##_i32
#include "gemm_integer.inc"
#undef T
#undef NAME

#define T int16_t
#define NAME(x) x##_i16
#include "gemm_integer.inc"
#undef T
#undef NAME

#define T int8_t
#define NAME(x) x##_i8
#include "gemm_integer.inc"
#undef T
#undef NAME

const GemmKernels ISA_NAME(gemm_kernels) = {
    .workspace = ISA_NAME(gemm_workspace),
    .f32 = ISA_NAME(gemm_f32),
    .f64 = ISA_NAME(gemm_f64),
    .i64 = ISA_NAME(gemm_i64),
    .i32 = ISA_NAME(gemm_i32),
    .i16 = ISA_NAME(gemm_i16),
    .i8 = ISA_NAME(gemm_i8),
    .dot_f32 = ISA_NAME(dot_f32),
    .dot_f64 = ISA_NAME(dot_f64),
};
