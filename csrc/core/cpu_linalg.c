/* The `invert` and `decompose` slots of the CPU. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/cpu_reduce.h"

/* ---------------------------------------------------------------- inverse */
/* Of length n. */
static void
swap_rows(double *a, int64_t n, int64_t i, int64_t k)
{
    for (int64_t j = 0; j < n && i != k; j++) {
        double kept = a[i * n + j];
        a[i * n + j] = a[k * n + j];
        a[k * n + j] = kept;
    }
}

/* Gauss-Jordan elimination of [a | inverse] with the largest pivot of each column; inverse starts as the identity.
 * Returns the column without a pivot, or -1. */
static int64_t
invert(double *a, double *inverse, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        if (a[pivot * n + k] == 0)
            return k;
        swap_rows(a, n, k, pivot);
        swap_rows(inverse, n, k, pivot);
        double scale = 1 / a[k * n + k];
        for (int64_t j = 0; j < n; j++) {
            a[k * n + j] *= scale;
            inverse[k * n + j] *= scale;
        }
        for (int64_t i = 0; i < n; i++) {
            double factor = a[i * n + k];
            for (int64_t j = 0; j < n && i != k; j++) {
                a[i * n + j] -= factor * a[k * n + j];
                inverse[i * n + j] -= factor * inverse[k * n + j];
            }
        }
    }
    return -1;
}

int
cpu_invert(const Invert *i)
{
    *i->singular = -1;
    for (int64_t batch = 0; batch < i->count && *i->singular < 0; batch++) {
        double *eye = i->inverse + batch * i->n * i->n;
        memset(eye, 0, (size_t)(i->n * i->n) * sizeof *eye);
        for (int64_t k = 0; k < i->n; k++)
            eye[k * i->n + k] = 1;
        int64_t column = invert(i->a + batch * i->n * i->n, eye, i->n);
        if (column >= 0)
            *i->singular = batch * i->n + column;
    }
    return 0;
}

/* ---------------------------------------------------------------- singular values: one-sided Jacobi */
/* One matrix of a Decompose. */
typedef struct Jacobi {
    int64_t m, k;
    double *w, *v, *s;
} Jacobi;

/* In four sums, which do not wait for each other. */
static double
inner_product(const double *a, const double *b, int64_t n)
{
    double sums[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void
rotate(double *a, double *b, int64_t n, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* True if some pair was not orthogonal yet. */
static bool
sweep(const Jacobi *j)
{
    bool rotated = false;
    for (int64_t p = 0; p < j->k; p++)
        for (int64_t q = p + 1; q < j->k; q++) {
            double *a = j->w + p * j->m, *b = j->w + q * j->m;
            double aa = inner_product(a, a, j->m), bb = inner_product(b, b, j->m), ab = inner_product(a, b, j->m);
            if (ab == 0 || fabs(ab) <= (double)j->m * DBL_EPSILON * sqrt(aa * bb))
                continue;
            double zeta = (bb - aa) / (2 * ab);
            double t = copysign(1 / (fabs(zeta) + hypot(1, zeta)), zeta), c = 1 / sqrt(1 + t * t);
            rotate(a, b, j->m, c, c * t);
            rotate(j->v + p * j->k, j->v + q * j->k, j->k, c, c * t);
            rotated = true;
        }
    return rotated;
}

/* A unit vector orthogonal to columns 0 .. p - 1 of w, for a singular value 0: what is left of some e_i, twice
 * orthogonalised. */
static void
complete(const Jacobi *j, int64_t p)
{
    double *a = j->w + p * j->m;
    for (int64_t i = 0; i < j->m; i++) {
        memset(a, 0, (size_t)j->m * sizeof *a);
        a[i] = 1;
        for (int64_t q = 0; q < 2 * p; q++) {
            const double *b = j->w + q % p * j->m;
            double share = inner_product(a, b, j->m);
            for (int64_t r = 0; r < j->m; r++)
                a[r] -= share * b[r];
        }
        double length = sqrt(inner_product(a, a, j->m));
        if (length * length * (double)(2 * j->m) < 1)    /* some e_i keeps a share of 1 / m */
            continue;
        for (int64_t r = 0; r < j->m; r++)
            a[r] /= length;
        return;
    }
}

/* w becomes the left singular vectors, s the values in descending order, v the right ones. */
static void
decompose(const Jacobi *j)
{
    double largest = 0;
    for (int64_t i = 0; i < j->m * j->k; i++)
        largest = fmax(largest, fabs(j->w[i]));
    double scale = largest > 0 ? largest : 1;    /* so that no square overflows or vanishes */
    for (int64_t i = 0; i < j->m * j->k; i++)
        j->w[i] /= scale;
    for (int64_t p = 0; p < j->k; p++)
        j->v[p * j->k + p] = 1;
    for (int done = 0; done < SWEEPS_MAX && sweep(j); done++)
        continue;
    for (int64_t p = 0; p < j->k; p++)
        j->s[p] = sqrt(inner_product(j->w + p * j->m, j->w + p * j->m, j->m));
    for (int64_t p = 0; p < j->k; p++) {
        int64_t top = p;
        for (int64_t q = p + 1; q < j->k; q++)
            top = j->s[q] > j->s[top] ? q : top;
        double length = j->s[top];
        j->s[top] = j->s[p];
        j->s[p] = length * scale;
        swap_rows(j->w, j->m, p, top);
        swap_rows(j->v, j->k, p, top);
        if (length > (double)j->m * DBL_EPSILON * j->s[0] / scale)
            for (int64_t r = 0; r < j->m; r++)
                j->w[p * j->m + r] /= length;
        else
            complete(j, p);
    }
}

int
cpu_decompose(const Decompose *d)
{
    memset(d->v, 0, (size_t)(d->count * d->k * d->k) * sizeof *d->v);
    for (int64_t batch = 0; batch < d->count; batch++)
        decompose(&(Jacobi){d->m, d->k, d->w + batch * d->m * d->k, d->v + batch * d->k * d->k, d->s + batch * d->k});
    return 0;
}
