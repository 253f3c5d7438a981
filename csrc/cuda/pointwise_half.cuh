/* Adjacent elements of a half type, eight to a thread: 16 bytes of halves or 8 of bools are read at once, computed in
 * float four at a time, and written at once.  Numbers from the host are floats. */
#ifndef CTORCH_CUDA_POINTWISE_HALF_CUH
#define CTORCH_CUDA_POINTWISE_HALF_CUH

#include "cuda/pointwise_begin.cuh"

#include "abi/half.h"

enum { EIGHT = 8 };

struct Float16 {
    static __device__ __forceinline__ float load(uint32_t h)
    {
        return f16_to_float((uint16_t)h);
    }
    static __device__ __forceinline__ uint32_t store(float x)
    {
        return float_to_f16(x);
    }
};

struct Bfloat16 {
    static __device__ __forceinline__ float load(uint32_t h)
    {
        return bf16_to_float((uint16_t)h);
    }
    static __device__ __forceinline__ uint32_t store(float x)
    {
        return float_to_bf16(x);
    }
};

/* Elements stored as H and computed as V. */
template <typename H, typename V> struct Eight;
template <typename H> struct Eight<H, float> {
    uint4 words;
    float number;
    bool is_number;
};
template <typename H> struct Eight<H, bool> {
    uint2 words;
    bool number;
    bool is_number;
};

CT_FN void load_words(uint4 *words, const char *at, uint32_t group)
{
    *words = CT_LD16(uint4, (const uint4 *)at + group);
}

CT_FN void load_words(uint2 *words, const char *at, uint32_t group)
{
    *words = ((const uint2 *)at)[group];
}

template <typename H, typename V> CT_FN Eight<H, V> read_eight(const Places *p, int k, uint32_t group)
{
    Eight<H, V> e = {{}, number_of<V>(p, k), (p->host >> k & 1) != 0};
    if (!e.is_number)
        load_words(&e.words, p->ptr[k], group);
    return e;
}

/* Element j of four: the first four of side 0, the last of side 1. */
template <typename H> CT_FN float one_of(const Eight<H, float> &e, int side, int j)
{
    const uint32_t word = j < 2 ? (side ? e.words.z : e.words.x) : (side ? e.words.w : e.words.y);
    return e.is_number ? e.number : H::load(j % 2 ? word >> 16 : word & 0xffff);
}

template <typename H> CT_FN bool one_of(const Eight<H, bool> &e, int side, int j)
{
    return e.is_number ? e.number : ((side ? e.words.y : e.words.x) >> 8 * j & 0xff) != 0;
}

template <typename H> CT_FN void put_four(Eight<H, float> *e, int side, const float *four)
{
    const uint32_t low = H::store(four[0]) | H::store(four[1]) << 16, high = H::store(four[2]) | H::store(four[3]) << 16;
    e->words = side ? make_uint4(e->words.x, e->words.y, low, high) : make_uint4(low, high, 0, 0);
}

template <typename H> CT_FN void put_four(Eight<H, bool> *e, int side, const bool *four)
{
    const uint32_t word = four[0] | four[1] << 8 | four[2] << 16 | (uint32_t)four[3] << 24;
    e->words = side ? make_uint2(e->words.x, word) : make_uint2(word, 0);
}

template <typename H> CT_FN void write_eight(const Places *p, uint32_t group, const Eight<H, float> &e)
{
    CT_ST16(uint4, (uint4 *)p->ptr[0] + group, e.words);
}

template <typename H> CT_FN void write_eight(const Places *p, uint32_t group, const Eight<H, bool> &e)
{
    ((uint2 *)p->ptr[0])[group] = e.words;
}

template <typename H, typename V> CT_FN V read_one(const Places *p, int k, uint32_t i)
{
    if (p->host >> k & 1)
        return number_of<V>(p, k);
    if constexpr (sizeof(V) == sizeof(bool))
        return ((const bool *)p->ptr[k])[i];
    else
        return H::load(((const uint16_t *)p->ptr[k])[i]);
}

template <typename H, typename V> CT_FN void write_one(const Places *p, uint32_t i, V value)
{
    if constexpr (sizeof(V) == sizeof(bool))
        ((bool *)p->ptr[0])[i] = value;
    else
        ((uint16_t *)p->ptr[0])[i] = (uint16_t)H::store(value);
}

#endif
