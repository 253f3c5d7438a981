/* What the files that make pointwise kernels include before pointwise.cuh: the formulas' functions, their short names,
 * and how a kernel reads the operands of a launch. */
#include "cuda/launch.h"

#include "abi/bounds.h"
#include "abi/formula.h"
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

template <typename V> CT_FN V read(const Places *p, int k, const int64_t *offset)
{
    return p->host >> k & 1 ? number_of<V>(p, k) : *(const V *)(p->ptr[k] + offset[k]);
}

/* N adjacent elements, 16 bytes where the type allows. */
template <typename V, int N> struct __align__(sizeof(V) * N) Pack {
    V at[N];
};

template <typename V, int N> CT_FN Pack<V, N> read_pack(const Places *p, int k, uint32_t group)
{
    typedef Pack<V, N> P;
    const V *from = (const V *)p->ptr[k] + (size_t)group * N;
    P pack;
    if (p->host >> k & 1) {
        const V v = number_of<V>(p, k);
        for (int j = 0; j < N; j++)
            pack.at[j] = v;
        return pack;
    }
    if constexpr (sizeof(P) == 16)
        return CT_LD16(P, from);
    for (int j = 0; j < N; j++)
        pack.at[j] = from[j];
    return pack;
}

template <typename V, int N> CT_FN void write_pack(const Places *p, uint32_t group, const Pack<V, N> &pack)
{
    typedef Pack<V, N> P;
    V *to = (V *)p->ptr[0] + (size_t)group * N;
    if constexpr (sizeof(P) == 16)
        CT_ST16(P, to, pack);
    else
        for (int j = 0; j < N; j++)
            to[j] = pack.at[j];
}
