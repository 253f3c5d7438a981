/* The meta backend: shapes without data.  Its slots do nothing, which proves that checks, shapes and recording live in
 * the frame and in ops, never in a kernel; the table of backends by device stands here too. */
#include "core/cpu.h"
#include "ctorch.h"

static void *
meta_alloc(int64_t nbytes)
{
    static char nowhere;
    (void)nbytes;
    return &nowhere;
}

static void
meta_free(void *data, int64_t nbytes)
{
    (void)data;
    (void)nbytes;
}

static int
meta_pointwise(Op op, int part, Dtype dtype, const Iter *iter, const Param *params)
{
    (void)op, (void)part, (void)dtype, (void)iter, (void)params;
    return 0;
}

static bool
meta_guard(Op op, Dtype dtype, const Iter *iter)
{
    (void)op, (void)dtype, (void)iter;
    return false;
}

static int
meta_cast(Dtype to, Dtype from, const Iter *iter)
{
    (void)to, (void)from, (void)iter;
    return 0;
}

static int
meta_gemm(Dtype dtype, const Gemm *gemm, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step)
{
    (void)dtype, (void)gemm, (void)batch, (void)a_step, (void)b_step, (void)c_step;
    return 0;
}

static int
meta_reduce(const Reduce *reduce)
{
    (void)reduce;
    return 0;
}

static int
meta_pick(const PickArgs *args, const Iter *iter)
{
    (void)args, (void)iter;
    return 0;
}

static int
meta_arg_reduce(const ArgReduce *reduce)
{
    (void)reduce;
    return 0;
}

static int
meta_scan(const Scan *scan)
{
    (void)scan;
    return 0;
}

static int
meta_sort(const Sort *sort)
{
    (void)sort;
    return 0;
}

static int
meta_softmax(const Softmax *softmax)
{
    (void)softmax;
    return 0;
}

static bool
meta_bad_target(const Nll *nll, int64_t *bad)
{
    (void)nll, (void)bad;
    return false;
}

static int
meta_nll(const Nll *nll)
{
    (void)nll;
    return 0;
}

static int
meta_optim(const Optim *optim)
{
    (void)optim;
    return 0;
}

static const Backend meta_backend = {
    .abi = BACKEND_ABI,
    .name = "meta",
    .alloc = meta_alloc,
    .free = meta_free,
    .pointwise = meta_pointwise,
    .guard = meta_guard,
    .cast = meta_cast,
    .gemm = meta_gemm,
    .reduce = meta_reduce,
    .arg_reduce = meta_arg_reduce,
    .scan = meta_scan,
    .sort = meta_sort,
    .softmax = meta_softmax,
    .bad_target = meta_bad_target,
    .nll = meta_nll,
    .optim = meta_optim,
    .pick = meta_pick,
};

const Backend *backends[DEVICE_TYPES] = {[DEVICE_CPU] = &cpu_backend, [DEVICE_META] = &meta_backend};
