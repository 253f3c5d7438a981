/* Matrix products on the CPU: hands the tiles of a product, or the matrices of a batch, to the threads, each with a
 * packing workspace of its own.  The kernels and their blocking are kernels/gemm.c's. */
#include <math.h>

#include "core/allocator.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "core/platform.h"
#include "ctorch.h"

typedef struct Job {
    const Gemm *gemm;
    GemmFunction *run;
    int64_t batch, tiles, ranges, a_step, b_step, c_step;   /* a matrix's tiles and ranges of them; steps in bytes */
    char *workspace;
    int64_t workspace_bytes;
} Job;

static void
run_task(void *context, int64_t task, int worker)
{
    const Job *job = context;
    int64_t matrix = task / job->ranges, range = task % job->ranges;
    Gemm g = *job->gemm;
    g.a = (const char *)g.a + matrix * job->a_step;
    g.b = (const char *)g.b + matrix * job->b_step;
    g.c = (char *)g.c + matrix * job->c_step;
    job->run(&g, job->tiles * range / job->ranges, job->tiles * (range + 1) / job->ranges,
             job->workspace + worker * job->workspace_bytes);
}

static GemmFunction *
function_for(Dtype dtype)
{
    const GemmKernels *k = cpu_kernels->gemm;
    switch (dtype) {
    case DTYPE_FLOAT: return k->f32;
    case DTYPE_DOUBLE: return k->f64;
    case DTYPE_INT64: return k->i64;
    case DTYPE_INT32: return k->i32;
    case DTYPE_INT16: return k->i16;
    default: return k->i8;
    }
}

enum { PARALLEL_FLOPS = 1000000, RELEASE_FLOPS = 4000000, STACK_WORKSPACE = 1 << 14 };
/* The caller looks for Ctrl-C between ranges of tiles: some 0.1 s of work. */
#define RANGE_FLOPS 1e10
#define STEAL_FLOPS 1.5e8

/* Each range of tiles packs for itself, so they are few; where the product takes a millisecond, several per thread let
 * a thread that is held up leave some to the others. */
static int64_t
ranges_of(int64_t batch, int64_t tiles, int workers, double work)
{
    int64_t ranges = workers == 1 ? 1 : ((work < STEAL_FLOPS ? 1 : 4) * (int64_t)workers + batch - 1) / batch;
    double least = work / (double)batch / RANGE_FLOPS;
    if (least > (double)ranges)
        ranges = least < (double)tiles ? (int64_t)least : tiles;
    return ranges < tiles ? ranges : tiles;
}

/* What a product with a vector reads takes longer than its operations: so many of them per byte. */
#define FLOPS_PER_BYTE 2.0
static double
work_of(const Gemm *g, int64_t batch, int64_t size)
{
    double m = (double)g->m, n = (double)g->n, k = (double)g->k;
    return (double)batch * fmax(2 * m * n * k, (m * k + k * n) * (double)size * FLOPS_PER_BYTE);
}

/* ---------------------------------------------------------------- a long inner product */
/* Its chunks' sums are added in order, in double. */
typedef struct Dot {
    const Gemm *gemm;
    Dtype dtype;
    int64_t chunk;
    double sums[PARALLEL_MAX_CHUNKS];
} Dot;

static void
run_dot(void *context, int64_t begin, int64_t end)
{
    Dot *dot = context;
    const Gemm *g = dot->gemm;
    double *sum = &dot->sums[begin / dot->chunk];
    if (dot->dtype == DTYPE_FLOAT)
        *sum = (double)cpu_kernels->gemm->dot_f32(end - begin, (const float *)g->a + begin * g->a_col, g->a_col,
                                                  (const float *)g->b + begin * g->b_row, g->b_row);
    else
        *sum = cpu_kernels->gemm->dot_f64(end - begin, (const double *)g->a + begin * g->a_col, g->a_col,
                                          (const double *)g->b + begin * g->b_row, g->b_row);
}

static bool
is_long_dot(Dtype dtype, const Gemm *g, int64_t batch)
{
    enum { LONG = 1 << 17 };
    return dtype_is_float(dtype) && batch == 1 && g->m == 1 && g->n == 1 && g->k >= LONG && !g->accumulate && g->bias == NULL &&
           !g->relu;
}

static int
long_dot(Dtype dtype, const Gemm *g)
{
    enum { GRAIN = 1 << 13 };
    Dot dot = {.gemm = g, .dtype = dtype, .chunk = parallel_chunk(g->k, GRAIN)};
    if (cpu_parallel_for(true, g->k, GRAIN, run_dot, &dot) < 0)
        return -1;
    double sum = 0;
    for (int64_t i = 0; i * dot.chunk < g->k; i++)
        sum += dot.sums[i];
    if (dtype == DTYPE_FLOAT)
        *(float *)g->c = (float)sum;
    else
        *(double *)g->c = sum;
    return 0;
}

int
cpu_gemm(Dtype dtype, const Gemm *gemm, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step)
{
    static int64_t cache_bytes = -1;
    if (is_long_dot(dtype, gemm, batch))
        return long_dot(dtype, gemm);
    if (cache_bytes < 0)
        cache_bytes = (int64_t)platform_cache_bytes(2);
    Gemm g = *gemm;
    g.cache_bytes = cache_bytes;
    g.relu &= dtype != DTYPE_UINT8;
    int64_t size = dtype_info[dtype].itemsize;
    double work = work_of(&g, batch, size);
    _Alignas(64) char small[STACK_WORKSPACE];
    int64_t tiles = gemm_tiles(&g);
    int workers = work < PARALLEL_FLOPS ? 1 : parallel_threads_now();
    if ((int64_t)workers > batch * tiles)
        workers = (int)(batch * tiles);
    int64_t ranges = ranges_of(batch, tiles, workers, work);
    Job job = {&g, function_for(dtype), batch, tiles, ranges, a_step * size, b_step * size, c_step * size, small,
               cpu_kernels->gemm->workspace(&g, dtype_is_float(dtype) ? (size_t)size : 0)};
    int64_t tasks = batch * ranges, bytes = job.workspace_bytes * workers;
    if (bytes > STACK_WORKSPACE && (job.workspace = allocator_alloc((size_t)bytes)) == NULL) {
        no_memory(bytes);
        return -1;
    }
    int result = 0;
    if (work < RELEASE_FLOPS) {
        for (int64_t task = 0; task < tasks; task++)
            run_task(&job, task, 0);
    } else {
        Py_BEGIN_ALLOW_THREADS
        result = parallel_run(tasks, workers, run_task, &job);
        Py_END_ALLOW_THREADS
        if (result < 0 && !PyErr_Occurred())
            PyErr_CheckSignals();
    }
    if (job.workspace != small)
        allocator_free(job.workspace, (size_t)bytes);
    return result;
}
