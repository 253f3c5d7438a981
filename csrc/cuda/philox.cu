/* Random fills; see abi/philox.h.  Element i has two words of its own: word i % 4 of the block with counter i / 4, and
 * the same word of a second stream, whose offset has the top bit set; kinds that need one word use the first. */
#include "cuda/launch.h"

#include "abi/philox.h"
#include "cuda/element.cuh"
#include "cuda/philox.h"
#include "cuda/places.h"

#ifdef __CUDACC__
#pragma nv_diag_suppress 177
#endif

static const uint64_t SECOND = (uint64_t)1 << 63;

typedef struct Draw {
    uint64_t seed, offset;
    int64_t i;
} Draw;

static __device__ uint32_t word(const Draw &d, uint64_t stream)
{
    return philox(d.seed, (uint64_t)d.i / 4, d.offset | stream).word[d.i % 4];
}

static __device__ uint64_t two_words(const Draw &d)
{
    return (uint64_t)word(d, SECOND) << 32 | word(d, 0);
}

/* [0, 1) with the digits of the type. */
static __device__ double unit(const Draw &d, int dtype)
{
    switch (dtype) {
    case DTYPE_DOUBLE: return (double)(two_words(d) >> 11) * 0x1p-53;
    case DTYPE_HALF: return (double)(word(d, 0) >> 21) * 0x1p-11;
    case DTYPE_BF16: return (double)(word(d, 0) >> 24) * 0x1p-8;
    default: return (double)(word(d, 0) >> 8) * 0x1p-24;
    }
}

/* (0, 1): never an end, in whatever precision it is used. */
static __device__ double open_unit(const Draw &d)
{
    return ((double)(two_words(d) >> 12) + 0.5) * 0x1p-52;
}

/* Box and Muller: elements 2j and 2j + 1 share an angle and a radius. */
static __device__ double normal(const Draw &d)
{
    const Draw even = {d.seed, d.offset, d.i & ~(int64_t)1}, odd = {d.seed, d.offset, d.i | 1};
    const double radius = sqrt_d(-2 * log_d(open_unit(even))), angle = 6.283185307179586 * open_unit(odd);
    return d.i & 1 ? radius * sin_d(angle) : radius * cos_d(angle);
}

/* Knuth's product below 10, above Hormann's transformed rejection; every further draw has an offset of its own. */
static __device__ double poisson(const Draw &d, double rate)
{
    Draw next = d;
    if (rate == 0)
        return 0;
    if (rate < 10) {
        const double limit = exp_d(-rate);
        double product = 1, k = 0;
        for (;; k++) {
            product *= open_unit(next);
            next.offset += (uint64_t)1 << 40;
            if (product <= limit)
                return k;
        }
    }
    const double root = sqrt_d(rate), log_rate = log_d(rate), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    const double inverse = 1.1239 + 1.1328 / (b - 3.4), limit = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        const double u = open_unit(next) - 0.5, us = 0.5 - abs_d(u);
        next.offset += (uint64_t)1 << 40;
        const double v = open_unit(next), k = floor_d((2 * a / us + b) * u + rate + 0.43);
        next.offset += (uint64_t)1 << 40;
        if (us >= 0.07 && v <= limit)
            return k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (log_d(v) + log_d(inverse) - log_d(a / (us * us) + b) <= -rate + k * log_rate - lgamma_d(k + 1))
            return k;
    }
}

static __device__ double real_draw(const PhiloxFill &f, const Draw &d, Fault *fault)
{
    const double p = f.p ? load_real(f.p + d.i * (f.p_dtype == DTYPE_DOUBLE ? 8 : 4), f.p_dtype) : 0;
    switch (f.kind) {
    case PHILOX_UNIFORM: {
        const double x = unit(d, f.dtype);
        return x * (f.b - f.a) + f.a;
    }
    case PHILOX_NORMAL: return normal(d) * f.b + f.a;
    case PHILOX_BERNOULLI: return open_unit(d) < f.a ? f.b : 0;
    case PHILOX_BERNOULLI_EACH:
        if (!(p >= 0 && p <= 1))
            fault->kind = FAULT_PROBABILITY;
        return open_unit(d) < p;
    case PHILOX_EXPONENTIAL: return -log_d(open_unit(d)) / f.a;
    case PHILOX_GEOMETRIC: return ceil_d(log_d(open_unit(d)) / log1p_d(-f.a));
    case PHILOX_LOG_NORMAL: return exp_d(normal(d) * f.b + f.a);
    case PHILOX_CAUCHY: return f.a + f.b * tan_d(3.141592653589793 * (open_unit(d) - 0.5));
    default:
        if (!(p >= 0)) {
            fault->kind = FAULT_RATE;
            return 0;
        }
        return poisson(d, p);
    }
}

/* Rounding to the type may reach the end of the range, which is outside it. */
static __device__ void store_below(char *at, int dtype, double x, double low, double high)
{
    store_real(at, dtype, x);
    if (!(load_real(at, dtype) < high))
        store_real(at, dtype, low);
}

static __global__ void fill_elements(PhiloxFill f, int itemsize, Fault *fault)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < f.n; i += (int64_t)gridDim.x * blockDim.x) {
        const Draw d = {f.seed, f.offset, i};
        char *at = f.out + i * itemsize;
        if (f.kind == PHILOX_INTEGERS) {
            const uint64_t x = f.range == 0 || f.range >= (uint64_t)1 << 28 ? two_words(d) : word(d, 0);
            store_int(at, f.dtype, (int64_t)((f.range ? x % f.range : x) + (uint64_t)f.base));
        } else if (f.kind == PHILOX_UNIFORM && f.a < f.b)
            store_below(at, f.dtype, real_draw(f, d, fault), f.a, f.b);
        else if (f.kind == PHILOX_GEOMETRIC && !(f.a < 1))
            store_real(at, f.dtype, 1);
        else
            store_real(at, f.dtype, real_draw(f, d, fault));
    }
}

void launch_philox(const PhiloxFill *fill, Fault *fault, int blocks, cudaStream_t stream)
{
    const int itemsize = fill->dtype <= DTYPE_INT8 ? 1
                         : fill->dtype == DTYPE_INT16 || fill->dtype == DTYPE_HALF || fill->dtype == DTYPE_BF16 ? 2
                         : fill->dtype == DTYPE_INT32 || fill->dtype == DTYPE_FLOAT                             ? 4
                                                                                                                : 8;
    CT_LAUNCH(fill_elements, blocks, THREADS, 0, stream, *fill, itemsize, fault);
}
