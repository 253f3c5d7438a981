/* sin and cos of large float32 numbers.  The kernels reduce an angle by multiples of pi/2 that are exact below 2^31;
 * exact reduction of any float takes a table, which costs three times the whole function.  So every block of elements
 * is looked through first, and what is larger is computed by the float64 loops, the C library's, and put in its place. */
#include "core/cpu.h"

#include <string.h>

enum { BLOCK = 512, OPERANDS = 2 };      /* x; or g and x of a gradient */

static bool
is_large(const char *x, int64_t i)
{
    uint32_t bits;
    memcpy(&bits, x + i * (int64_t)sizeof bits, sizeof bits);
    return (bits & 0x7fffffffu) >= 0x4f000000u;
}

/* A block in double, to out.  operands: where in ptr x stands, and g before it in a gradient; the loops read no other. */
static void
in_double(Loop loop, char *const *ptr, const int *operands, int n_operands, int64_t n, const Param *params, double *out)
{
    static const int64_t no_stride[2] = {0, 0};
    double in[OPERANDS][BLOCK];
    int64_t strides[GRAD_OPERANDS];
    char *at[GRAD_OPERANDS];
    for (int k = 0; k < GRAD_OPERANDS; k++) {
        at[k] = k == 0 ? (char *)out : (char *)in[0];
        strides[k] = sizeof(double);
    }
    for (int k = 0; k < n_operands; k++) {
        at[operands[k]] = (char *)in[k];
        cpu_kernels->cast[DTYPE_DOUBLE][DTYPE_FLOAT]((char *[]){at[operands[k]], ptr[operands[k]]}, no_stride, n, NULL);
    }
    loop(at, strides, n, params);
}

static void
by_blocks(Loop loop, Loop wide, char *const *ptr, const int64_t *stride, bool gradient, int64_t n, const Param *params)
{
    const int forward[1] = {1}, backward[2] = {GRAD_G, GRAD_A};
    int n_pointers = gradient ? GRAD_OPERANDS : 2, x = gradient ? GRAD_A : 1;
    double exact[BLOCK];
    bool large[BLOCK];
    char *at[GRAD_OPERANDS];
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = n - i < BLOCK ? n - i : BLOCK;
        for (int k = 0; k < n_pointers; k++)
            at[k] = ptr[k] + i * (int64_t)sizeof(float);
        bool any = cpu_kernels->any_large((const float *)(const void *)at[x], m);
        if (any) {
            in_double(wide, at, gradient ? backward : forward, gradient ? 2 : 1, m, params, exact);
            for (int64_t k = 0; k < m; k++)      /* the loop may overwrite x */
                large[k] = is_large(at[x], k);
        }
        loop(at, stride, m, params);
        for (int64_t k = 0; any && k < m; k++)
            if (large[k])
                ((float *)(void *)at[0])[k] = (float)exact[k];
    }
}

#define TRIG(name, part) \
    static Loop name##_##part##_narrow; \
    static void name##_##part(char *const *ptr, const int64_t *stride, int64_t n, const Param *params) \
    { \
        by_blocks(name##_##part##_narrow, cpu_loops[OP_##name][part][DTYPE_DOUBLE], ptr, stride, part != PART_FORWARD, \
                  n, params); \
    }
TRIG(sin, PART_FORWARD)
TRIG(cos, PART_FORWARD)
TRIG(tan, PART_FORWARD)
TRIG(sin, PART_GRADIENT_A)
TRIG(cos, PART_GRADIENT_A)

#define INSTALL(name, part) \
    name##_##part##_narrow = cpu_loops[OP_##name][part][DTYPE_FLOAT]; \
    cpu_loops[OP_##name][part][DTYPE_FLOAT] = name##_##part;

void
cpu_trig_install(void)
{
    INSTALL(sin, PART_FORWARD)
    INSTALL(cos, PART_FORWARD)
    INSTALL(tan, PART_FORWARD)
    INSTALL(sin, PART_GRADIENT_A)
    INSTALL(cos, PART_GRADIENT_A)
}
