/* Optimizer steps: the operations, in the order that kernels/optim.c has them for the CPU, of up to OPTIM_LIST parameters
 * in one launch.  A block takes one chunk of one parameter; the list travels by value. */
#include "cuda/launch.h"

#include "abi/half.h"
#include "cuda/optim.h"

/* Elements of a parameter of dtype double or, computed in float, of another. */
template <typename T> static __device__ T load(const char *array, int64_t i, int dtype)
{
    if constexpr (sizeof(T) == sizeof(double))
        return ((const T *)array)[i];
    switch (dtype) {
    case DTYPE_HALF: return (T)f16_to_float(((const uint16_t *)array)[i]);
    case DTYPE_BF16: return (T)bf16_to_float(((const uint16_t *)array)[i]);
    default: return ((const T *)array)[i];
    }
}

template <typename T> static __device__ void store(char *array, int64_t i, int dtype, T x)
{
    if constexpr (sizeof(T) == sizeof(double)) {
        ((T *)array)[i] = x;
        return;
    }
    switch (dtype) {
    case DTYPE_HALF: ((uint16_t *)array)[i] = float_to_f16((float)x); break;
    case DTYPE_BF16: ((uint16_t *)array)[i] = float_to_bf16((float)x); break;
    default: ((T *)array)[i] = x; break;
    }
}

static __device__ __forceinline__ float root_of(float x)
{
    return sqrtf(x);
}
static __device__ __forceinline__ double root_of(double x)
{
    return sqrt(x);
}

template <typename T> static __device__ void sgd(const Optim &o, const OptimItem &item, int64_t i)
{
    const T sign = o.maximize ? -1 : 1, decay = (T)o.weight_decay, momentum = (T)o.momentum;
    const T fresh = (T)(1 - o.dampening), lr = (T)-o.lr, p = load<T>(item.p, i, item.dtype);
    T g = sign * load<T>(item.g, i, item.dtype);
    if (o.weight_decay != 0)
        g = g + decay * p;
    if (item.m != NULL) {
        const T m = load<T>(item.m, i, item.dtype) * momentum + fresh * g;
        store<T>(item.m, i, item.dtype, m);
        g = o.nesterov ? g + momentum * m : m;
    }
    store<T>(item.p, i, item.dtype, p + lr * g);
}

template <typename T> static __device__ void adam(const Optim &o, const OptimItem &item, int64_t i)
{
    const T sign = o.maximize ? -1 : 1, decay = (T)o.weight_decay;
    const T keep = (T)(o.decoupled ? 1 - o.lr * o.weight_decay : 1);
    const T beta1 = (T)o.beta1, towards = (T)(1 - o.beta1), beta2 = (T)o.beta2, fresh = (T)(1 - o.beta2);
    const T eps = (T)o.eps, step = (T)-item.step_size, root = (T)item.root;
    const T x = load<T>(item.p, i, item.dtype) * keep, old = load<T>(item.m, i, item.dtype);
    T g = sign * load<T>(item.g, i, item.dtype);
    if (o.weight_decay != 0 && !o.decoupled)
        g = g + decay * x;
    const T m = o.beta1 > 0.5 ? old + towards * (g - old) : g - beta1 * (g - old);
    const T v = load<T>(item.v, i, item.dtype) * beta2 + fresh * g * g;
    T largest = v;
    store<T>(item.m, i, item.dtype, m);
    store<T>(item.v, i, item.dtype, v);
    if (o.amsgrad) {
        const T top = load<T>(item.top, i, item.dtype);
        largest = v > top || v != v ? v : top;
        store<T>(item.top, i, item.dtype, largest);
    }
    store<T>(item.p, i, item.dtype, x + step * m / (root_of(largest) / root + eps));
}

template <typename T, bool is_sgd> static __global__ void __launch_bounds__(OPTIM_THREADS) step(OptimList list)
{
    int k = 0;
    while (k + 1 < list.n_items && list.first[k + 1] <= (int32_t)blockIdx.x)
        k++;
    const OptimItem &item = list.items[k];
    const int64_t begin = (int64_t)((int32_t)blockIdx.x - list.first[k]) * OPTIM_CHUNK;
    const int64_t end = begin + OPTIM_CHUNK < item.n ? begin + OPTIM_CHUNK : item.n;
    for (int64_t i = begin + threadIdx.x; i < end; i += OPTIM_THREADS) {
        if constexpr (is_sgd)
            sgd<T>(list.rule, item, i);
        else
            adam<T>(list.rule, item, i);
    }
}

template <typename T, bool is_sgd> static void run_step(const OptimList *list, cudaStream_t stream)
{
    const unsigned blocks = (unsigned)list->first[list->n_items];
    CT_LAUNCH((step<T, is_sgd>), blocks, OPTIM_THREADS, 0, stream, *list);
}

void launch_optim(const OptimList *list, cudaStream_t stream)
{
    const bool wide = list->items[0].dtype == DTYPE_DOUBLE;
    if (list->rule.kind == OPTIM_SGD)
        wide ? run_step<double, true>(list, stream) : run_step<float, true>(list, stream);
    else
        wide ? run_step<double, false>(list, stream) : run_step<float, false>(list, stream);
}
