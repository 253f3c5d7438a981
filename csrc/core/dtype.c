/* Dtypes as facts: the table made from dtype.def, promotion, the in-place cast rule, and one scalar read from
 * or written to memory.  Their Python objects live in python/dtype_type.c, the loops that convert arrays in
 * kernels/. */
#include "core/dtype.h"

#include "abi/half.h"

const struct DtypeInfo dtype_info[DTYPE_COUNT] = {
#define DTYPE(enum_, ctype, suffix, name_, type, category_) \
    [DTYPE_##enum_] = {.name = name_, .type_name = type, .itemsize = sizeof(ctype), .category = category_},
#include "abi/dtype.def"
};

const struct FloatLimits float_limits[DTYPE_COUNT] = {
    [DTYPE_HALF] = {65504, 0x1p-10, 0x1p-14, 1e-3},
    [DTYPE_BF16] = {0x1.fep127, 0x1p-7, 0x1p-126, 1e-2},
    [DTYPE_FLOAT] = {0x1.fffffep127, 0x1p-23, 0x1p-126, 1e-6},
    [DTYPE_DOUBLE] = {0x1.fffffffffffffp1023, 0x1p-52, 0x1p-1022, 1e-15},
};

Dtype default_dtype = DTYPE_FLOAT;

int64_t
dtype_int_min(Dtype dtype)
{
    return dtype == DTYPE_UINT8 ? 0 : -(INT64_C(1) << (8 * dtype_info[dtype].itemsize - 2)) * 2;
}

int64_t
dtype_int_max(Dtype dtype)
{
    return dtype == DTYPE_UINT8 ? UINT8_MAX : -(dtype_int_min(dtype) + 1);
}

/* dtype.def's order is the promotion order; two pairs have no common value range and go one up. */
Dtype
dtype_promote(Dtype a, Dtype b)
{
    Dtype low = a < b ? a : b, high = a < b ? b : a;
    if (low == DTYPE_UINT8 && high == DTYPE_INT8)
        return DTYPE_INT16;
    if (low == DTYPE_HALF && high == DTYPE_BF16)
        return DTYPE_FLOAT;
    return high;
}

bool
dtype_can_cast(Dtype from, Dtype to)
{
    return dtype_info[from].category <= dtype_info[to].category;
}

int64_t
dtype_int_of_double(double x)
{
    bool fits = x >= -0x1p63 && x < 0x1p63;
    return fits ? (int64_t)x : INT64_MIN;
}

static Param
param_of_int(int64_t i)
{
    return (Param){(double)i, i};
}

static Param
param_of_double(double f)
{
    return (Param){f, dtype_int_of_double(f)};
}

/* memcpy, because a tensor over borrowed memory need not be aligned. */
#define LOAD(T, convert) do { T x; memcpy(&x, at, sizeof(x)); return convert; } while (0)

Param
dtype_load(const char *at, Dtype dtype)
{
    switch (dtype) {
    case DTYPE_BOOL: return param_of_int(*at != 0);
    case DTYPE_UINT8: LOAD(uint8_t, param_of_int(x));
    case DTYPE_INT8: LOAD(int8_t, param_of_int(x));
    case DTYPE_INT16: LOAD(int16_t, param_of_int(x));
    case DTYPE_INT32: LOAD(int32_t, param_of_int(x));
    case DTYPE_INT64: LOAD(int64_t, param_of_int(x));
    case DTYPE_HALF: LOAD(uint16_t, param_of_double((double)f16_to_float(x)));
    case DTYPE_BF16: LOAD(uint16_t, param_of_double((double)bf16_to_float(x)));
    case DTYPE_FLOAT: LOAD(float, param_of_double((double)x));
    case DTYPE_DOUBLE: LOAD(double, param_of_double(x));
    default: Py_UNREACHABLE();
    }
}

#define STORE(T, value_) do { T x = (T)(value_); memcpy(at, &x, sizeof(x)); return; } while (0)

/* Halves round twice, over float, as PyTorch's conversion from double does. */
void
dtype_store(char *at, Dtype dtype, Param value)
{
    switch (dtype) {
    case DTYPE_BOOL: STORE(bool, value.f != 0 || value.i != 0);
    case DTYPE_UINT8: STORE(uint8_t, value.i);
    case DTYPE_INT8: STORE(int8_t, value.i);
    case DTYPE_INT16: STORE(int16_t, value.i);
    case DTYPE_INT32: STORE(int32_t, value.i);
    case DTYPE_INT64: STORE(int64_t, value.i);
    case DTYPE_HALF: STORE(uint16_t, float_to_f16((float)value.f));
    case DTYPE_BF16: STORE(uint16_t, float_to_bf16((float)value.f));
    case DTYPE_FLOAT: STORE(float, value.f);
    case DTYPE_DOUBLE: STORE(double, value.f);
    default: Py_UNREACHABLE();
    }
}
