/* Conversions between any two dtypes, and copies of elements of one size. */
#include "cuda/launch.h"

#include "cuda/cast.h"
#include "cuda/element.cuh"

#define EACH(i, n) for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

static __global__ void convert(Places p, int to, int from)
{
    EACH(i, p.n)
    {
        int64_t offset[2];
        place(&p, i, 2, offset);
        const char *in = p.host >> 1 & 1 ? (const char *)&p.number[1] : p.ptr[1] + offset[1];
        char *out = p.ptr[0] + offset[0];
        if (dtype_is_real(from))
            store_real(out, to, load_real(in, from));
        else
            store_int(out, to, load_int(in, from));
    }
}

template <typename V> static __global__ void move(Places p)
{
    const bool number = p.host >> 1 & 1;
    V fill;
    memcpy(&fill, &p.number[1], sizeof fill);
    uint32_t done = 0;
    if (p.dense) {
        const uint32_t per = 16 / sizeof(V);
        uint4 pack;
        for (uint32_t j = 0; j < per; j++)
            memcpy((char *)&pack + j * sizeof fill, &fill, sizeof fill);
        EACH(group, p.n / per)
        CT_ST16(uint4, (uint4 *)p.ptr[0] + group, number ? pack : CT_LD16(uint4, (const uint4 *)p.ptr[1] + group));
        done = p.n / per * per;
    }
    EACH(i, p.n - done)
    {
        int64_t offset[2];
        place(&p, done + i, 2, offset);
        *(V *)(p.ptr[0] + offset[0]) = number ? fill : *(const V *)(p.ptr[1] + offset[1]);
    }
}

void launch_cast(const Places *places, Dtype to, Dtype from, int itemsize, int blocks, cudaStream_t stream)
{
    if (to != from)
        CT_LAUNCH(convert, blocks, THREADS, 0, stream, *places, (int)to, (int)from);
    else if (itemsize == 1)
        CT_LAUNCH(move<uint8_t>, blocks, THREADS, 0, stream, *places);
    else if (itemsize == 2)
        CT_LAUNCH(move<uint16_t>, blocks, THREADS, 0, stream, *places);
    else if (itemsize == 4)
        CT_LAUNCH(move<uint32_t>, blocks, THREADS, 0, stream, *places);
    else
        CT_LAUNCH(move<uint64_t>, blocks, THREADS, 0, stream, *places);
}
