/* The thread pool.  A job is split into chunks that depend on the problem alone, never on the number of
 * threads, and the body is called exactly once per chunk: a result that is combined in chunk order has the
 * same bits on any machine.  Nothing here knows tensors or Python; bodies run without the GIL when the caller
 * released it, and must not touch Python objects. */
#ifndef CTORCH_CORE_PARALLEL_H
#define CTORCH_CORE_PARALLEL_H

#include <stdint.h>

/* The most threads a job can use, the caller included. */
#define PARALLEL_MAX_THREADS 256

/* parallel_for never makes more chunks than this: the size of an array of partial results. */
#define PARALLEL_MAX_CHUNKS 1024

typedef void (*ParallelRange)(void *context, int64_t begin, int64_t end);
typedef void (*ParallelTask)(void *context, int64_t task, int worker);

/* Calls body once for each chunk of [0, n).  `grain` is the count worth about 5 us of work; up to one grain,
 * inside another body, while another thread uses the pool, or shortly after the scheduler stopped a worker, the
 * caller does all chunks itself.  Returns 0, or -1 when parallel_poll asked to stop: then chunks may be missing. */
int parallel_for(int64_t n, int64_t grain, ParallelRange body, void *context);

/* The chunk length of parallel_for(n, grain): chunk i is [i * length, min(n, (i + 1) * length)).  From a
 * grain of 64 up it is a multiple of 64 elements, so that two threads never write one cache line; below 64 it
 * counts rows. */
int64_t parallel_chunk(int64_t n, int64_t grain);

/* Calls body once for each task in [0, tasks) on at most `workers` threads: `worker` is below that number, no two
 * calls have the same at one time, and it picks the caller's workspace.  The caller passes the number of
 * workspaces it made: parallel_get_num_threads() may have changed since.  Split into tasks of 5 us or more, and
 * only work of more than 60 us.  Returns as parallel_for does. */
int parallel_run(int64_t tasks, int workers, ParallelTask body, void *context);

/* Whether the calling thread is inside a body. */
int parallel_in_region(void);

/* The number of threads, at first CTORCH_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs this process may
 * use. */
int parallel_get_num_threads(void);

/* The number of threads that a job started now could use: 1 inside a body and shortly after the scheduler stopped a
 * worker. */
int parallel_threads_now(void);

/* Clamped to 1..PARALLEL_MAX_THREADS.  A running job keeps its threads; that a worker was stopped is forgotten. */
void parallel_set_num_threads(int threads);

/* Ends and joins the worker threads (before a fork, say); the next job starts new ones.  Returns 0, or -1
 * when another thread's job is running: waiting for it could deadlock, since its poll may need the GIL that
 * the caller holds. */
int parallel_stop(void);

/* Called by the thread that asked for a job, never by a worker, between its chunks, about every 50 ms.
 * Non-zero stops the job: no further chunk starts.  NULL (the default) never stops.  Set it once, at import.
 */
extern int (*parallel_poll)(void);

#endif
