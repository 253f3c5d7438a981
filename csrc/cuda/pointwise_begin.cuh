/* What the files that make pointwise kernels include before pointwise.cuh: the formulas' functions, their short names,
 * and how a kernel reads the operands of a launch. */
#include "cuda/launch.h"

#include "abi/bounds.h"
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
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-function"
#else
#pragma nv_diag_suppress 177, 186, 68, 39, 128
#endif

/* The number that stands for operand k. */
template <typename V> CT_FN V number_of(const Places *p, int k)
{
    V v;
    memcpy(&v, &p->number[k], sizeof v);
    return v;
}

/* Floats may be stored as halves: args.stored is the dtype of all that are not bools or numbers. */
CT_FN float load_stored(const char *at, int stored, float)
{
    return stored == DTYPE_FLOAT ? *(const float *)at
           : stored == DTYPE_HALF ? f16_to_float(*(const uint16_t *)at)
                                  : bf16_to_float(*(const uint16_t *)at);
}

template <typename V> CT_FN V load_stored(const char *at, int, V)
{
    return *(const V *)at;
}

CT_FN void store_stored(char *at, int stored, float x)
{
    if (stored == DTYPE_FLOAT)
        *(float *)at = x;
    else
        *(uint16_t *)at = stored == DTYPE_HALF ? float_to_f16(x) : float_to_bf16(x);
}

template <typename V> CT_FN void store_stored(char *at, int, V x)
{
    *(V *)at = x;
}

template <typename V> CT_FN V read(const Places *p, int stored, int k, const int64_t *offset)
{
    return p->host >> k & 1 ? number_of<V>(p, k) : load_stored(p->ptr[k] + offset[k], stored, V());
}

/* ---- adjacent elements: a group is 16 bytes of each operand, or a byte for each of its bools ---- */
/* A group is computed in parts of 2 floats or one double, so that a formula is there twice and not eight times. */
template <typename V> struct Group {
    uint4 words;
    V number;
    bool is_number;
};

CT_FN int group_parts(int stored)
{
    return stored == DTYPE_HALF || stored == DTYPE_BF16 ? 4 : 2;
}

CT_FN uint32_t word_of(const uint4 &words, int i)
{
    return i & 2 ? (i & 1 ? words.w : words.z) : (i & 1 ? words.y : words.x);
}

CT_FN void set_word(uint4 *words, int i, uint32_t word)
{
    words->x = i == 0 ? word : words->x;
    words->y = i == 1 ? word : words->y;
    words->z = i == 2 ? word : words->z;
    words->w = i == 3 ? word : words->w;
}

template <typename V> CT_FN Group<V> read_group(const Places *p, int k, uint32_t group, int size)
{
    Group<V> e = {{}, number_of<V>(p, k), (p->host >> k & 1) != 0};
    const char *at = p->ptr[k];
    (void)size;
    if (e.is_number)
        return e;
    if constexpr (sizeof(V) > sizeof(bool))
        e.words = CT_LD16(uint4, (const uint4 *)at + group);
    else if (size == 2)
        e.words.x = ((const uint16_t *)at)[group];
    else if (size == 4)
        e.words.x = ((const uint32_t *)at)[group];
    else
        memcpy(&e.words, (const uint2 *)at + group, sizeof(uint2));
    return e;
}

/* Element j of a part, which has `each`. */
CT_FN float element(const Group<float> &e, int stored, int part, int j, int)
{
    float x;
    const uint32_t word = word_of(e.words, stored == DTYPE_FLOAT ? 2 * part + j : part);
    memcpy(&x, &word, sizeof x);
    if (stored == DTYPE_HALF)
        x = f16_to_float((uint16_t)(j ? word >> 16 : word));
    if (stored == DTYPE_BF16)
        x = bf16_to_float((uint16_t)(j ? word >> 16 : word));
    return e.is_number ? e.number : x;
}

CT_FN double element(const Group<double> &e, int, int part, int, int)
{
    double x;
    const uint64_t bits = (uint64_t)(part ? e.words.w : e.words.y) << 32 | (part ? e.words.z : e.words.x);
    memcpy(&x, &bits, sizeof x);
    return e.is_number ? e.number : x;
}

CT_FN bool element(const Group<bool> &e, int, int part, int j, int each)
{
    const int i = part * each + j;
    return e.is_number ? e.number : ((i & 4 ? e.words.y : e.words.x) >> 8 * (i & 3) & 0xff) != 0;
}

CT_FN void put_part(Group<float> *e, int stored, int part, const float *x, int)
{
    uint32_t low, high;
    memcpy(&low, &x[0], sizeof low);
    memcpy(&high, &x[1], sizeof high);
    if (stored == DTYPE_FLOAT) {
        e->words = part ? make_uint4(e->words.x, e->words.y, low, high) : make_uint4(low, high, 0, 0);
        return;
    }
    low = stored == DTYPE_HALF ? float_to_f16(x[0]) : float_to_bf16(x[0]);
    high = stored == DTYPE_HALF ? float_to_f16(x[1]) : float_to_bf16(x[1]);
    set_word(&e->words, part, high << 16 | low);
}

CT_FN void put_part(Group<double> *e, int, int part, const double *x, int)
{
    uint64_t bits;
    memcpy(&bits, x, sizeof bits);
    const uint32_t low = (uint32_t)bits, high = (uint32_t)(bits >> 32);
    e->words = part ? make_uint4(e->words.x, e->words.y, low, high) : make_uint4(low, high, 0, 0);
}

CT_FN void put_part(Group<bool> *e, int, int part, const bool *x, int each)
{
    uint32_t bits = x[0];
    if (each == 2)
        bits |= (uint32_t)x[1] << 8;
    const int first = part * each;
    const uint32_t word = bits << 8 * (first & 3);
    e->words.x |= first & 4 ? 0 : word;
    e->words.y |= first & 4 ? word : 0;
}

template <typename V> CT_FN void write_group(const Places *p, uint32_t group, const Group<V> &e, int size)
{
    char *at = p->ptr[0];
    (void)size;
    if constexpr (sizeof(V) > sizeof(bool))
        CT_ST16(uint4, (uint4 *)at + group, e.words);
    else if (size == 2)
        ((uint16_t *)at)[group] = (uint16_t)e.words.x;
    else if (size == 4)
        ((uint32_t *)at)[group] = e.words.x;
    else
        ((uint2 *)at)[group] = make_uint2(e.words.x, e.words.y);
}
