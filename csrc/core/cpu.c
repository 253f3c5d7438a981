/* The CPU backend's pointwise part: kernel loops want dense operands of one compute dtype; this file drives them over
 * iterators, bringing strided, converted or half operands into that form by blocks that stay in the L1 cache.
 * Structural families have files of their own (core/cpu_<family>.c or the op's file). */
#include "core/cpu.h"

#include <string.h>

#include "core/allocator.h"
#include "core/cpu_copy.h"
#include "core/cpu_index.h"
#include "core/cpu_loss.h"
#include "core/cpu_optim.h"
#include "core/cpu_reduce.h"
#include "core/dtype.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "core/platform.h"
#include "ctorch.h"

Loop cpu_loops[OP_COUNT][PART_COUNT][DTYPE_COUNT];
const Kernels *cpu_kernels;
static GuardLoop cpu_guards[OP_COUNT][DTYPE_COUNT];

extern const Kernels kernels_baseline;
#if defined(__x86_64__)
extern const Kernels kernels_avx2, kernels_avx512;
static const Kernels *const levels[] = {&kernels_baseline, &kernels_avx2, &kernels_avx512};
#else
static const Kernels *const levels[] = {&kernels_baseline};
#endif

/* ---------------------------------------------------------------- blocks */
/* What block_loop needs beyond a Loop's arguments; it travels as the Loop's params, whose two Params come first. */
typedef struct Block {
    Param params[2];
    Loop loop;
    int n_operands;
    bool may_stand_still;         /* operands 1 and 2 may have stride 0 (binary forward loops) */
    int8_t stored[ITER_OPERANDS];
    int8_t computed[ITER_OPERANDS];
} Block;

/* One operand's block as the loop wants it: in place, or copied and converted into buffer. */
static char *
block_load(const Block *b, int k, char *data, int64_t stride, int64_t n, char *buffer)
{
    int64_t itemsize = dtype_info[b->stored[k]].itemsize;
    bool dense = stride == itemsize;
    if (dense && b->stored[k] == b->computed[k])
        return data;
    if (b->stored[k] == b->computed[k]) {
        cpu_copy_strided(buffer, itemsize, data, stride, n, itemsize);
        return buffer;
    }
    uint64_t strided[CPU_BLOCK];
    if (!dense) {
        cpu_copy_strided((char *)strided, itemsize, data, stride, n, itemsize);
        data = (char *)strided;
    }
    cpu_cast_dense(buffer, (Dtype)b->computed[k], data, (Dtype)b->stored[k], n);
    return buffer;
}

static void
block_store(const Block *b, const char *buffer, char *data, int64_t stride, int64_t n)
{
    int64_t itemsize = dtype_info[b->stored[0]].itemsize;
    uint64_t strided[CPU_BLOCK];
    if (b->stored[0] != b->computed[0]) {
        char *target = stride == itemsize ? data : (char *)strided;
        cpu_cast_dense(target, (Dtype)b->stored[0], buffer, (Dtype)b->computed[0], n);
        if (target == data)
            return;
        buffer = target;
    }
    cpu_copy_strided(data, stride, buffer, itemsize, n, itemsize);
}

static void
block_loop(char *const *ptr, const int64_t *stride, int64_t n, const Param *params)
{
    const Block *b = (const Block *)(const void *)params;
    _Alignas(64) char buffers[GRAD_OPERANDS][CPU_BLOCK * ITEMSIZE_MAX];
    char *at[ITER_OPERANDS] = {NULL};
    int64_t steps[ITER_OPERANDS];
    bool fixed[ITER_OPERANDS];
    for (int k = 0; k < b->n_operands; k++) {
        steps[k] = dtype_info[b->computed[k]].itemsize;
        fixed[k] = k > 0 && stride[k] == 0;
        if (!fixed[k])
            continue;
        bool still = b->may_stand_still && !(k == 1 && stride[2] == 0);
        at[k] = block_load(b, k, ptr[k], 0, still ? 1 : n < CPU_BLOCK ? n : CPU_BLOCK, buffers[k]);
        if (still)
            steps[k] = 0;
    }
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        int64_t m = n - i < CPU_BLOCK ? n - i : CPU_BLOCK;
        for (int k = 1; k < b->n_operands; k++)
            if (!fixed[k])
                at[k] = block_load(b, k, ptr[k] + i * stride[k], stride[k], m, buffers[k]);
        bool direct = b->stored[0] == b->computed[0] && stride[0] == steps[0];
        at[0] = direct ? ptr[0] + i * stride[0] : buffers[0];
        b->loop(at, steps, m, b->params);
        if (!direct)
            block_store(b, buffers[0], ptr[0] + i * stride[0], stride[0], m);
    }
}

/* ---------------------------------------------------------------- pointwise */
/* Which operand of a row's loop is bool whatever the compute dtype, or -1; BINARY kinds may stand still. */
typedef struct Trait {
    int8_t bool_operand;
    bool bool_result;
    bool binary;
} Trait;

static const Trait traits[OP_COUNT] = {
#define BOOL_NONE -1
#define BOOL_A 0
#define BOOL_B 1
#define UNARY(name, ...) [OP_##name] = {-1, false, false},
#define PREDICATE(name, ...) [OP_##name] = {-1, true, false},
#define BINARY(name, ...) [OP_##name] = {-1, false, true},
#define COMPARE(name, ...) [OP_##name] = {-1, true, true},
#define TERNARY(name, forms, class, bools, ...) [OP_##name] = {bools, false, false},
#include "abi/ops.def"
};

static void
fill_computed(Block *b, Op op, int part, Dtype compute)
{
    Trait t = traits[op];
    for (int k = 0; k < b->n_operands; k++)
        b->computed[k] = (int8_t)compute;
    if (part == PART_FORWARD && t.bool_result)
        b->computed[0] = DTYPE_BOOL;
    if (t.bool_operand >= 0)
        b->computed[(part == PART_FORWARD ? 1 : GRAD_A) + t.bool_operand] = DTYPE_BOOL;
}

/* Dense, unconverted operands go straight to the loop. */
static bool
needs_blocks(const Block *b, const Iter *iter)
{
    for (int k = 0; k < b->n_operands; k++) {
        if (b->stored[k] != b->computed[k])
            return true;
        int64_t stride = iter->strides[0][k];
        if (stride == dtype_info[b->stored[k]].itemsize)
            continue;
        bool still = b->may_stand_still && stride == 0 && k > 0 && iter->strides[0][3 - k] != 0;
        if (!still)
            return true;
    }
    return false;
}

static int
cpu_pointwise(Op op, int part, Dtype dtype, const Iter *iter, const Param *params)
{
    Dtype compute = dtype_half_compute(dtype);
    Block b = {.params = {params[0], params[1]}, .loop = cpu_loops[op][part][compute], .n_operands = iter->n_operands,
               .may_stand_still = part == PART_FORWARD && traits[op].binary};
    memcpy(b.stored, iter->dtype, sizeof b.stored);
    fill_computed(&b, op, part, compute);
    if (needs_blocks(&b, iter))
        return cpu_run(iter, block_loop, (const Param *)(const void *)&b, 1 << 13);
    return cpu_run(iter, b.loop, params, 1 << 14);
}

static bool
cpu_guard(Op op, Dtype dtype, const Iter *iter)
{
    GuardLoop guard = cpu_guards[op][dtype];
    if (guard == NULL || iter->numel == 0)
        return false;
    int64_t index[ITER_DIMS] = {0};
    char *at[ITER_OPERANDS];
    memcpy(at, iter->ptr, sizeof at);
    for (;;) {
        if (guard(at, iter->strides[0], iter->dims[0]))
            return true;
        int d = 1;
        for (; d < iter->ndim; d++) {
            int64_t step = ++index[d] < iter->dims[d] ? 1 : -(iter->dims[d] - 1);
            for (int k = 0; k < iter->n_operands; k++)
                at[k] += step * iter->strides[d][k];
            if (step == 1)
                break;
            index[d] = 0;
        }
        if (d >= iter->ndim)
            return false;
    }
}

/* ---------------------------------------------------------------- memory, start */
static void *
cpu_alloc(int64_t nbytes)
{
    return allocator_alloc((size_t)nbytes);
}

static void
cpu_free(void *data, int64_t nbytes)
{
    allocator_free(data, (size_t)nbytes);
}

const Backend cpu_backend = {
    .abi = BACKEND_ABI,
    .name = "cpu",
    .alloc = cpu_alloc,
    .free = cpu_free,
    .pointwise = cpu_pointwise,
    .guard = cpu_guard,
    .cast = cpu_cast,
    .gemm = cpu_gemm,
    .reduce = cpu_reduce,
    .arg_reduce = cpu_arg_reduce,
    .scan = cpu_scan,
    .sort = cpu_sort,
    .search = cpu_search,
    .invert = cpu_invert,
    .decompose = cpu_decompose,
    .softmax = cpu_softmax,
    .bad_target = cpu_bad_target,
    .nll = cpu_nll,
    .optim = cpu_optim,
    .pick = cpu_pick,
    .index_range = cpu_index_range,
    .mask_count = cpu_mask_count,
    .mask_move = cpu_mask_move,
    .nonzero = cpu_nonzero,
};

int
cpu_parallel_for(bool worth, int64_t n, int64_t grain, ParallelRange body, void *context)
{
    int result = 0;
    if (!worth)
        body(context, 0, n);
    else {
        Py_BEGIN_ALLOW_THREADS
        result = parallel_for(n, grain > 1 ? grain : 1, body, context);
        Py_END_ALLOW_THREADS
    }
    if (result < 0 && !PyErr_Occurred())
        PyErr_CheckSignals();
    return result;
}

int
cpu_init(void)
{
    enum cpu_level level;
    const char *problem = platform_cpu_choose(&level);
    if (problem != NULL) {
        PyErr_SetString(PyExc_ImportError, problem);
        return -1;
    }
    cpu_kernels = levels[(size_t)level < sizeof levels / sizeof levels[0] ? level : 0];
    for (int d = 0; d < DTYPE_COUNT; d++)
        for (int i = 0; i < cpu_kernels->n_entries[d]; i++) {
            KernelEntry e = cpu_kernels->entries[d][i];
            cpu_loops[e.op][e.part][d] = e.loop;
        }
    cpu_trig_install();
    for (int i = 0; i < cpu_kernels->n_guards; i++)
        cpu_guards[cpu_kernels->guards[i].op][cpu_kernels->guards[i].dtype] = cpu_kernels->guards[i].loop;
    return 0;
}
