/* Drives the loops of running reductions: one task for each block of adjacent columns. */
#include "abi/scan.h"
#include "core/cpu.h"
#include "core/cpu_reduce.h"
#include "core/parallel.h"
#include "ctorch.h"

typedef struct ScanJob {
    const Scan *s;
    ScanLoop loop;
    int64_t tiles; /* of each outer index */
    int64_t itemsize;
} ScanJob;

static void
run_tasks(void *context, int64_t begin, int64_t end)
{
    const ScanJob *job = context;
    const Scan *s = job->s;
    for (int64_t task = begin; task < end; task++) {
        int64_t first = task % job->tiles * SCAN_TILE,
                m = s->inner - first < SCAN_TILE ? s->inner - first : SCAN_TILE;
        int64_t at = task / job->tiles * s->n * s->inner + first;
        job->loop(s->in + at * job->itemsize, s->out + at * job->itemsize,
                  s->indices ? s->indices + at : NULL, s->n, s->inner, m);
    }
}

int
cpu_scan(const Scan *s)
{
    enum { GRAIN = 1 << 14, RELEASE_GIL_ABOVE = 1 << 16 };
    ScanJob job = {s, cpu_kernels->scan->loop[s->kind][s->dtype], (s->inner + SCAN_TILE - 1) / SCAN_TILE,
                   dtype_info[s->dtype].itemsize};
    int64_t tasks = s->outer * job.tiles, work = s->n * (s->inner < SCAN_TILE ? s->inner : SCAN_TILE);
    return cpu_parallel_for(tasks * work >= RELEASE_GIL_ABOVE, tasks, work < GRAIN ? GRAIN / work : 1, run_tasks, &job);
}
