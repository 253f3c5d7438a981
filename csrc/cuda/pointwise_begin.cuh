/* What the files that make pointwise kernels include before pointwise.cuh: the formulas' functions, their short names,
 * and the one kernel, which is made once for every formula. */
#include "cuda/launch.h"

#include "abi/formula.h"
#include "abi/half.h"
#include "cuda/pointwise.h"
#include "abi/formula_names.h"

#define FORMULA_SUFFIX S
#define JOIN2_(a, b) a##_##b
#define JOIN2(a, b) JOIN2_(a, b)

/* One text serves all types: for bool `a * b` means and, for uint8 `x < 0` is always false. */
#ifndef __CUDACC__
#pragma GCC diagnostic ignored "-Wint-in-bool-context"
#pragma GCC diagnostic ignored "-Wtype-limits"
#pragma GCC diagnostic ignored "-Wbool-operation"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-function"
#else
#pragma nv_diag_suppress 177, 186, 68, 39, 128
#endif

/* ---- an operand's share of a step: 16 bytes of adjacent elements, the bools that go with them, or one element ---- */
template <typename V> struct Group {
    uint4 words;                      /* the next element has the lowest bits of x */
    V number;                         /* stands for all elements if is_number */
    bool is_number;
};

/* The logarithm of an element's bytes in memory.  float may be stored as a half type, int32_t as a narrower integer. */
CT_FN int width(int stored, float)
{
    return stored == DTYPE_FLOAT ? 2 : 1;
}

CT_FN int width(int stored, int32_t)
{
    return stored == DTYPE_INT32 ? 2 : stored == DTYPE_INT16 ? 1 : 0;
}

template <typename V> CT_FN int width(int, V)
{
    return sizeof(V) == 8 ? 3 : 0;
}

CT_FN uint4 one_word(uint32_t x)
{
    return make_uint4(x, 0, 0, 0);
}

CT_FN uint4 load_element(const char *at, int stored, float)
{
    return one_word(stored == DTYPE_FLOAT ? *(const uint32_t *)at : *(const uint16_t *)at);
}

CT_FN uint4 load_element(const char *at, int stored, int32_t)
{
    return one_word(stored == DTYPE_INT32   ? *(const uint32_t *)at
                    : stored == DTYPE_INT16 ? *(const uint16_t *)at
                                            : *(const uint8_t *)at);
}

template <typename V> CT_FN uint4 load_element(const char *at, int, V)
{
    if constexpr (sizeof(V) == 1)
        return one_word(*(const uint8_t *)at);
    const uint2 two = *(const uint2 *)at;
    return make_uint4(two.x, two.y, 0, 0);
}

/* Of a group of `count` elements, of which each bool has a byte. */
template <typename V> CT_FN uint4 load_group(const char *at, int count)
{
    if constexpr (sizeof(V) == 1) {
        if (count == 2)
            return one_word(*(const uint16_t *)at);
        if (count == 4)
            return one_word(*(const uint32_t *)at);
        if (count == 8)
            return make_uint4(((const uint2 *)at)->x, ((const uint2 *)at)->y, 0, 0);
    }
    return CT_LD16(uint4, at);
}

/* Operand k of a kernel that has `operands`; letters beyond are none. */
template <typename V, int k, int operands>
CT_FN Group<V> read_group(const Places *p, int stored, const int64_t *offset, int count)
{
    Group<V> e = {{0, 0, 0, 0}, V(), true};
    if constexpr (k < operands) {
        const char *at = p->ptr[k] + offset[k];
        memcpy(&e.number, &p->number[k], sizeof(V));
        e.is_number = p->host >> k & 1;
        if (!e.is_number)
            e.words = count > 1 ? load_group<V>(at, count) : load_element(at, stored, V());
    }
    return e;
}

/* Words shifted to the right by so many bits, a power of two, with `next` on the left. */
CT_FN void shift_words(uint4 *words, int bits, uint32_t next)
{
    words->x = __funnelshift_rc(words->x, words->y, bits);
    words->y = __funnelshift_rc(words->y, words->z, bits);
    words->z = __funnelshift_rc(words->z, words->w, bits);
    words->w = __funnelshift_rc(words->w, next, bits);
}

/* What the bits of an element mean, and back. */
CT_FN float value_of(uint32_t bits, int stored, float)
{
    const float half = f16_to_float((uint16_t)bits), other = from_bits_f(stored == DTYPE_BF16 ? bits << 16 : bits);
    return stored == DTYPE_HALF ? half : other;
}

CT_FN int32_t value_of(uint32_t bits, int stored, int32_t)
{
    return stored == DTYPE_UINT8 ? (uint8_t)bits
           : stored == DTYPE_INT8 ? (int8_t)bits
           : stored == DTYPE_INT16 ? (int16_t)bits
                                   : (int32_t)bits;
}

CT_FN bool value_of(uint32_t bits, int, bool)
{
    return (bits & 0xff) != 0;
}

CT_FN uint32_t bits_of(float x, int stored)
{
    const uint32_t half = float_to_f16(x), other = stored == DTYPE_BF16 ? float_to_bf16(x) : bits_f(x);
    return stored == DTYPE_HALF ? half : other;
}

CT_FN uint32_t bits_of(int32_t x, int)
{
    return (uint32_t)x;
}

CT_FN uint32_t bits_of(bool x, int)
{
    return x;
}

template <typename V> CT_FN V next_element(Group<V> *e, int stored)
{
    V x;
    if constexpr (sizeof(V) == 8) {
        const uint64_t bits = (uint64_t)e->words.y << 32 | e->words.x;
        memcpy(&x, &bits, sizeof x);
        e->words.x = e->words.z;
        e->words.y = e->words.w;
    } else {
        x = value_of(e->words.x, stored, V());
        shift_words(&e->words, 8 << width(stored, V()), 0);
    }
    return e->is_number ? e->number : x;
}

/* On the left of those that were put before. */
template <typename V> CT_FN void put_element(uint4 *words, int stored, V x)
{
    if constexpr (sizeof(V) == 8) {
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
        *words = make_uint4(words->z, words->w, (uint32_t)bits, (uint32_t)(bits >> 32));
    } else
        shift_words(words, 8 << width(stored, V()), bits_of(x, stored));
}

/* The last `count` elements that were put. */
template <typename V> CT_FN void store_group(char *at, int stored, int count, const uint4 &words)
{
    const int bytes = count << width(stored, V());
    if (bytes == 16)
        CT_ST16(uint4, at, words);
    else if (bytes == 8)
        *(uint2 *)at = make_uint2(words.z, words.w);
    else if (bytes == 4)
        *(uint32_t *)at = words.w;
    else if (bytes == 2)
        *(uint16_t *)at = (uint16_t)(words.w >> 16);
    else
        *(uint8_t *)at = (uint8_t)(words.w >> 24);
}

/* ---- the kernel ---- */
CT_FN double param_of(const Param &p, double)
{
    return p.f;
}

CT_FN float param_of(const Param &p, float)
{
    return (float)p.f;
}

template <typename V> CT_FN V param_of(const Param &p, V)
{
    return (V)p.i;
}

/* What pointwise.cuh derives the formulas from: the type T that they compute in, the result's, how many operands there
 * are with it, and the types of the first three, of which one may be bool. */
template <typename T_, typename Out_, int operands, typename A_, typename B_, typename C_> struct Formula {
    typedef T_ T;
    typedef Out_ Out;
    typedef A_ A;
    typedef B_ B;
    typedef C_ C;
    enum { OPERANDS = operands };
};

/* Adjacent elements are taken 16 bytes at a time, and what is left of them, or is not adjacent, one by one.  The formula
 * is there once, in a loop over the elements of a step: three copies of it would be most of a release. */
template <typename F> static __global__ void __launch_bounds__(THREADS) compute(PointwiseArgs args)
{
    typedef typename F::T T;
    typedef typename F::Out Out;
    typedef typename F::A A;
    typedef typename F::B B;
    typedef typename F::C C;
    const T p = param_of(args.params[0], T()), q = param_of(args.params[1], T());
    const Places *at = &args.places;
    const int stored = args.stored, log_size = 4 - width(stored, T());
    const uint32_t groups = at->dense ? at->n >> log_size : 0, steps = groups + (at->n - (groups << log_size));
    for (uint32_t step = blockIdx.x * blockDim.x + threadIdx.x; step < steps; step += gridDim.x * blockDim.x) {
        const int64_t first = (int64_t)step << log_size;
        int64_t offset[] = {first << width(stored, Out()), first << width(stored, A()), first << width(stored, B()),
                            first << width(stored, C()), (int64_t)step * 16, (int64_t)step * 16};
        int count = 1 << log_size;
        if (step >= groups) {
            count = 1;
            place(at, step + (groups << log_size) - groups, F::OPERANDS, offset);
        }
        Group<A> a = read_group<A, 1, F::OPERANDS>(at, stored, offset, count);
        Group<B> b = read_group<B, 2, F::OPERANDS>(at, stored, offset, count);
        Group<C> c = read_group<C, 3, F::OPERANDS>(at, stored, offset, count);
        Group<T> d = read_group<T, 4, F::OPERANDS>(at, stored, offset, count);
        Group<T> e = read_group<T, 5, F::OPERANDS>(at, stored, offset, count);
        uint4 out = {0, 0, 0, 0};
        int left = count;
        CT_ROLLED
        do
            put_element(&out, stored, F::one(next_element(&a, stored), next_element(&b, stored), next_element(&c, stored),
                                             next_element(&d, stored), next_element(&e, stored), p, q));
        while (--left > 0);
        store_group<Out>(at->ptr[0] + offset[0], stored, count, out);
    }
}

/* NULL for a gradient that autograd answers without a kernel. */
constexpr bool is_formula(const char *text)
{
    return !(text[0] == 'g' && text[1] == '\0') && !(text[0] == '0' && text[1] == '\0')
           && !(text[0] == 'N' && text[1] == 'O' && text[2] == 'N' && text[3] == 'E');
}

template <typename F, bool wanted> constexpr PointwiseKernel kernel_if()
{
    if constexpr (wanted)
        return compute<F>;
    else
        return NULL;
}
