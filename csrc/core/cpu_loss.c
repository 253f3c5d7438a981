/* Drives the softmax kernels over lines and threads, and runs the losses that read or write one element a
 * line: too few for vectors or threads. */
#include "core/cpu_loss.h"

#include "core/cpu.h"
#include "core/parallel.h"
#include "ctorch.h"

/* ---------------------------------------------------------------- softmax */
static void
run_lines(void *context, int64_t begin, int64_t end)
{
    const Softmax *s = context;
    const SoftmaxKernels *k = cpu_kernels->softmax;
    (s->dtype == DTYPE_FLOAT ? k->f32 : k->f64)(s, begin, end);
}

int
cpu_softmax(const Softmax *s)
{
    enum { GRAIN = 1 << 14, RELEASE_GIL_ABOVE = 1 << 17, ADJACENT = 256 };      /* elements */
    int64_t lines = s->outer * s->inner, grain = s->n < GRAIN ? GRAIN / s->n : 1;
    if (s->inner > 1 && grain < ADJACENT)
        grain = ADJACENT;         /* fewer columns of long lines would read a cache line for each element */
    return cpu_parallel_for(lines * s->n >= RELEASE_GIL_ABOVE, lines, grain, run_lines, (void *)s);
}

/* ---------------------------------------------------------------- one class a line */
static inline bool
is_bad(const Nll *a, int64_t t)
{
    return (t != a->ignore_index) & ((uint64_t)t >= (uint64_t)a->n);
}

/* All are looked at before one is looked for: without a branch that takes a third of the time. */
bool
cpu_bad_target(const Nll *a, int64_t *bad)
{
    const int64_t lines = a->outer * a->inner;
    bool any = false;
    for (int64_t line = 0; line < lines; line++)
        any |= is_bad(a, a->target[line]);
    for (int64_t line = 0; any && line < lines; line++)
        if (is_bad(a, a->target[line])) {
            *bad = a->target[line];
            break;
        }
    return any;
}

enum { AHEAD = 32 };      /* lines: each reads memory far from the last one's, before the sum has come to it */

static inline int64_t
place_of_class(const Nll *a, int64_t line, int64_t t)
{
    return a->inner == 1 ? line * a->n + t : (line / a->inner * a->n + t) * a->inner + line % a->inner;
}

/* Sums run in double, so that their order shows in no digit of a float. */
#define NLL(T, NAME) \
    static T \
    NAME##_one(const Nll *a, int64_t line, int64_t t) \
    { \
        const int64_t lines = a->outer * a->inner; \
        const T *lse = (const T *)a->lse; \
        T y = ((const T *)a->x)[place_of_class(a, line, t)]; \
        if (lse != NULL) \
            y = (y - lse[line]) - lse[lines + line]; \
        return a->weight ? -y * ((const T *)a->weight)[t] : -y; \
    } \
    static void \
    NAME##_each(const Nll *a) \
    { \
        for (int64_t line = 0; line < a->outer * a->inner; line++) { \
            int64_t t = a->target[line]; \
            ((T *)a->out)[line] = t == a->ignore_index ? 0 : NAME##_one(a, line, t); \
        } \
    } \
    /* Without weights, of adjacent lines: so few instructions a line that the CPU sees far enough ahead by itself. */ \
    static double \
    NAME##_plain(const Nll *a, double *total) \
    { \
        const T *x = (const T *)a->x; \
        double sum = 0; \
        int64_t count = 0; \
        for (int64_t line = 0; line < a->outer; line++, x += a->n) { \
            const int64_t t = a->target[line]; \
            const bool counts = t != a->ignore_index; \
            const T y = x[counts ? t : 0]; \
            sum -= counts ? (double)y : 0; \
            count += counts; \
        } \
        *total = (double)count; \
        return sum; \
    } \
    static double \
    NAME##_weighted(const Nll *a, double *total) \
    { \
        double sum = 0; \
        const int64_t lines = a->outer * a->inner; \
        for (int64_t line = 0; line < lines; line++) { \
            int64_t t = a->target[line]; \
            const int64_t later = line + AHEAD < lines ? a->target[line + AHEAD] : a->ignore_index; \
            if (later != a->ignore_index) \
                __builtin_prefetch((const T *)a->x + place_of_class(a, line + AHEAD, later)); \
            if (t == a->ignore_index) \
                continue; \
            sum += (double)NAME##_one(a, line, t); \
            *total += a->weight ? (double)((const T *)a->weight)[t] : 1; \
        } \
        return sum; \
    } \
    static void \
    NAME##_sum(const Nll *a) \
    { \
        double total = 0; \
        const bool plain = a->inner == 1 && a->lse == NULL && a->weight == NULL && a->n > 0; \
        const double sum = plain ? NAME##_plain(a, &total) : NAME##_weighted(a, &total); \
        *(T *)a->out = (T)(a->kind == NLL_MEAN ? sum / total : sum); \
        *(T *)a->total = (T)total; \
    } \
    static void \
    NAME##_scale(const Nll *a) \
    { \
        const T divisor = a->total ? *(const T *)a->total : 1; \
        for (int64_t line = 0; line < a->outer * a->inner; line++) { \
            int64_t t = a->target[line]; \
            T g = ((const T *)a->g)[line * a->g_stride] / divisor; \
            ((T *)a->out)[line] = t == a->ignore_index ? 0 : a->weight ? g * ((const T *)a->weight)[t] : g; \
        } \
    } \
    static void \
    NAME##_subtract(const Nll *a) \
    { \
        for (int64_t line = 0; line < a->outer * a->inner; line++) { \
            int64_t t = a->target[line]; \
            if (t != a->ignore_index) \
                ((T *)a->out)[place_of_class(a, line, t)] -= ((const T *)a->x)[line]; \
        } \
    } \
    static void \
    NAME(const Nll *a) \
    { \
        switch (a->kind) { \
        case NLL_EACH: NAME##_each(a); break; \
        case NLL_SUM: \
        case NLL_MEAN: NAME##_sum(a); break; \
        case NLL_SCALE: NAME##_scale(a); break; \
        default: NAME##_subtract(a); break; \
        } \
    }
NLL(float, nll_f32)
NLL(double, nll_f64)

int
cpu_nll(const Nll *a)
{
    (a->dtype == DTYPE_FLOAT ? nll_f32 : nll_f64)(a);
    return 0;
}
