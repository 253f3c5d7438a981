/* The cast slot, and single numbers in the host's memory. */
#include "cuda/cast.h"

#include <string.h>

#include "abi/half.h"
#include "cuda/slots.h"

#define LOAD(type, f_, i_) \
    do { \
        type x; \
        memcpy(&x, at, sizeof x); \
        *f = (double)(f_); \
        *i = (int64_t)(i_); \
        return; \
    } while (0)

void
number_load(const void *at, Dtype dtype, double *f, int64_t *i)
{
    switch (dtype) {
    case DTYPE_BOOL: LOAD(uint8_t, x != 0, x != 0);
    case DTYPE_UINT8: LOAD(uint8_t, x, x);
    case DTYPE_INT8: LOAD(int8_t, x, x);
    case DTYPE_INT16: LOAD(int16_t, x, x);
    case DTYPE_INT32: LOAD(int32_t, x, x);
    case DTYPE_INT64: LOAD(int64_t, x, x);
    case DTYPE_HALF: LOAD(uint16_t, f16_to_float(x), 0);
    case DTYPE_BF16: LOAD(uint16_t, bf16_to_float(x), 0);
    case DTYPE_FLOAT: LOAD(float, x, 0);
    default: LOAD(double, x, 0);
    }
}

#define STORE(type, value) \
    do { \
        type x = (type)(value); \
        memcpy(at, &x, sizeof x); \
        return; \
    } while (0)

void
number_store(void *at, Dtype dtype, double f, int64_t i)
{
    switch (dtype) {
    case DTYPE_BOOL: STORE(bool, i != 0);
    case DTYPE_UINT8: STORE(uint8_t, i);
    case DTYPE_INT8: STORE(int8_t, i);
    case DTYPE_INT16: STORE(int16_t, i);
    case DTYPE_INT32: STORE(int32_t, i);
    case DTYPE_INT64: STORE(int64_t, i);
    case DTYPE_HALF: STORE(uint16_t, float_to_f16((float)f));
    case DTYPE_BF16: STORE(uint16_t, float_to_bf16((float)f));
    case DTYPE_FLOAT: STORE(float, f);
    default: STORE(double, f);
    }
}

typedef struct Cast {
    Dtype to, from;
} Cast;

static int
launch_part(const Places *places, void *context)
{
    const Cast *c = context;
    int size = itemsizes[c->to];
    int64_t threads = places->dense && c->to == c->from ? places->n / (16 / size) : places->n;
    launch_cast(places, c->to, c->from, size, blocks_for(threads), current_stream());
    return launched("a copy or conversion");
}

int
cuda_cast(Dtype to, Dtype from, const Iter *iter)
{
    Cast c = {to, from};
    return places_each(iter, launch_part, &c);
}
