/* Inverses and singular values of matrices in double, a block for each: core/cpu_linalg.c's algorithms, whose loops over
 * rows and columns the threads share. */
#include "cuda/launch.h"

#include <float.h>
#include <math.h>

#include "abi/inline.h"
#include "cuda/linalg.h"

#define EACH(i, n) for (int64_t i = threadIdx.x; i < (n); i += blockDim.x)

/* ---- what a block agrees on; each thread may then go on ---- */
typedef struct Shared {
    double values[MATRIX_THREADS];
    int64_t places[MATRIX_THREADS];
} Shared;

static __device__ double sum_of(Shared *shared, double x)
{
    __syncthreads();
    shared->values[threadIdx.x] = x;
    __syncthreads();
    CT_ROLLED
    for (unsigned width = blockDim.x / 2; width > 0; width /= 2) {
        if (threadIdx.x < width)
            shared->values[threadIdx.x] += shared->values[threadIdx.x + width];
        __syncthreads();
    }
    return shared->values[0];
}

/* The place of the largest number, of equals the first; a thread without one brings -1. */
static __device__ int64_t place_of_largest(Shared *shared, double x, int64_t place)
{
    __syncthreads();
    shared->values[threadIdx.x] = x;
    shared->places[threadIdx.x] = place;
    __syncthreads();
    CT_ROLLED
    for (unsigned width = blockDim.x / 2; width > 0; width /= 2) {
        const unsigned a = threadIdx.x, b = a + width;
        if (a < width
            && (shared->values[b] > shared->values[a]
                || (shared->values[b] == shared->values[a] && shared->places[b] < shared->places[a]))) {
            shared->values[a] = shared->values[b];
            shared->places[a] = shared->places[b];
        }
        __syncthreads();
    }
    return shared->places[0];
}

static __device__ void swap_rows(double *a, int64_t n, int64_t i, int64_t k)
{
    EACH(j, n)
    {
        const double kept = a[i * n + j];
        a[i * n + j] = a[k * n + j];
        a[k * n + j] = kept;
    }
}

/* ---- inverse ---- */
/* The row, from k down, with the largest element in column k: k itself if that is NaN, which nothing exceeds. */
static __device__ int64_t pivot_of(Shared *shared, const double *a, int64_t n, int64_t k)
{
    double best = fabs(a[k * n + k]);
    int64_t place = k;
    for (int64_t i = k + threadIdx.x; i < n; i += blockDim.x)
        if (fabs(a[i * n + k]) > best) {
            best = fabs(a[i * n + k]);
            place = i;
        }
    return place_of_largest(shared, best, place);
}

static __global__ void __launch_bounds__(MATRIX_THREADS) invert(Invert job, unsigned long long *singular)
{
    CT_SHARED(Shared, shared, );
    const int64_t n = job.n;
    for (int64_t number = blockIdx.x; number < job.count; number += gridDim.x) {
        double *a = job.a + number * n * n, *inverse = job.inverse + number * n * n;
        EACH(i, n * n)
        inverse[i] = i / n == i % n;
        for (int64_t k = 0; k < n; k++) {
            __syncthreads();
            const int64_t pivot = pivot_of(&shared, a, n, k);
            const double largest = a[pivot * n + k];
            if (largest == 0) {
                if (threadIdx.x == 0)
                    atomicMin(singular, (unsigned long long)(number * n + k));
                break;
            }
            __syncthreads();
            if (pivot != k) {
                swap_rows(a, n, k, pivot);
                swap_rows(inverse, n, k, pivot);
            }
            __syncthreads();
            const double scale = 1 / largest;
            EACH(j, n)
            {
                a[k * n + j] *= scale;
                inverse[k * n + j] *= scale;
            }
            __syncthreads();
            /* A thread has whole rows: none reads a factor that another has overwritten. */
            EACH(i, n)
            {
                const double factor = a[i * n + k];
                for (int64_t j = 0; j < n && i != k; j++) {
                    a[i * n + j] -= factor * a[k * n + j];
                    inverse[i * n + j] -= factor * inverse[k * n + j];
                }
            }
        }
        __syncthreads();
    }
}

/* ---- singular values ---- */
static __device__ double inner_product(Shared *shared, const double *a, const double *b, int64_t n)
{
    double sum = 0;
    EACH(i, n)
    sum += a[i] * b[i];
    return sum_of(shared, sum);
}

static __device__ void rotate(double *a, double *b, int64_t n, double c, double s)
{
    EACH(i, n)
    {
        const double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* True if some pair was not orthogonal yet. */
static __device__ bool sweep(Shared *shared, double *w, double *v, int64_t m, int64_t k)
{
    bool rotated = false;
    for (int64_t p = 0; p < k; p++)
        for (int64_t q = p + 1; q < k; q++) {
            double *a = w + p * m, *b = w + q * m;
            const double aa = inner_product(shared, a, a, m), bb = inner_product(shared, b, b, m);
            const double ab = inner_product(shared, a, b, m);
            if (ab == 0 || fabs(ab) <= (double)m * DBL_EPSILON * sqrt(aa * bb))
                continue;
            const double zeta = (bb - aa) / (2 * ab);
            const double t = copysign(1 / (fabs(zeta) + hypot(1.0, zeta)), zeta), c = 1 / sqrt(1 + t * t);
            rotate(a, b, m, c, c * t);
            rotate(v + p * k, v + q * k, k, c, c * t);
            rotated = true;
            __syncthreads();
        }
    return rotated;
}

/* A unit vector orthogonal to columns 0 .. p - 1, for a singular value 0: what is left of some e_i, twice
 * orthogonalised. */
static __device__ void complete(Shared *shared, double *w, int64_t m, int64_t p)
{
    double *a = w + p * m;
    for (int64_t i = 0; i < m; i++) {
        EACH(r, m)
        a[r] = r == i;
        __syncthreads();
        for (int64_t q = 0; q < 2 * p; q++) {
            const double *b = w + q % p * m, share = inner_product(shared, a, b, m);
            EACH(r, m)
            a[r] -= share * b[r];
            __syncthreads();
        }
        const double length = sqrt(inner_product(shared, a, a, m));
        if (length * length * (double)(2 * m) < 1)    /* some e_i keeps a share of 1 / m */
            continue;
        EACH(r, m)
        a[r] /= length;
        return;
    }
}

/* The lengths of w's columns in descending order; columns of length 1 in their place, and v's with them. */
static __device__ void order_values(Shared *shared, double *w, double *v, double *s, int64_t m, int64_t k, double scale)
{
    for (int64_t p = 0; p < k; p++) {
        const double length = sqrt(inner_product(shared, w + p * m, w + p * m, m));
        if (threadIdx.x == 0)
            s[p] = length;
    }
    __syncthreads();
    for (int64_t p = 0; p < k; p++) {
        int64_t top = p;
        for (int64_t q = p + 1; q < k; q++)
            top = s[q] > s[top] ? q : top;
        const double length = s[top], other = s[p];
        __syncthreads();
        if (threadIdx.x == 0) {
            s[top] = other;
            s[p] = length * scale;
        }
        if (top != p) {
            swap_rows(w, m, p, top);
            swap_rows(v, k, p, top);
        }
        __syncthreads();
        if (length > (double)m * DBL_EPSILON * s[0] / scale)
            EACH(r, m)
            w[p * m + r] /= length;
        else
            complete(shared, w, m, p);
        __syncthreads();
    }
}

static __global__ void __launch_bounds__(MATRIX_THREADS) decompose(Decompose job)
{
    CT_SHARED(Shared, shared, );
    const int64_t m = job.m, k = job.k;
    for (int64_t number = blockIdx.x; number < job.count; number += gridDim.x) {
        double *w = job.w + number * m * k, *v = job.v + number * k * k, *s = job.s + number * k, largest = 0;
        EACH(i, m * k)
        largest = fmax(largest, fabs(w[i]));
        (void)place_of_largest(&shared, largest, threadIdx.x);
        largest = shared.values[0];
        const double scale = largest > 0 ? largest : 1;    /* so that no square overflows or vanishes */
        EACH(i, m * k)
        w[i] /= scale;
        EACH(i, k * k)
        v[i] = i / k == i % k;
        __syncthreads();
        for (int done = 0; done < SWEEPS_MAX && sweep(&shared, w, v, m, k); done++)
            continue;
        order_values(&shared, w, v, s, m, k, scale);
    }
}

/* A power of two. */
static unsigned threads_for(int64_t n)
{
    unsigned threads = 32;
    while (threads < MATRIX_THREADS && threads < n)
        threads *= 2;
    return threads;
}

void launch_invert(const Invert *job, unsigned long long *singular, cudaStream_t stream)
{
    const unsigned blocks = job->count < 65535 ? (unsigned)job->count : 65535;
    CT_LAUNCH(invert, blocks, threads_for(job->n), 0, stream, *job, singular);
}

void launch_decompose(const Decompose *job, cudaStream_t stream)
{
    const unsigned blocks = job->count < 65535 ? (unsigned)job->count : 65535;
    CT_LAUNCH(decompose, blocks, threads_for(job->m), 0, stream, *job);
}
