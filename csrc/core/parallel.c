/* A claim pool.  Each thread has a part of the job's tasks of its own, which it takes in order: the same part of
 * every job of that length, so that what one job left in its core's cache the next finds there.  Who has none
 * left takes the last of another's, and the caller then waits only for tasks that a worker has begun.  A worker
 * that is asleep or late costs nothing; a static split with a barrier (what OpenMP does) would wait for it.  One
 * that the scheduler stops within a task does hold up the job, for milliseconds: then the next jobs run on the
 * caller alone, for ALONE times as long.  How long a chunk should be is the callers' knowledge, not ours. */
#include "core/parallel.h"

#include <stdlib.h>

#include "core/platform.h"

#define LINE 64

enum {
    SPIN_NS = 100 * 1000,       /* a worker looks for work this long before it sleeps */
    FINISH_SPIN_NS = 20 * 1000, /* the caller spins this long for the last chunks before it sleeps */
    POLL_NS = 50 * 1000 * 1000,
    WAKE_NS = 60 * 1000, /* waking costs the caller 2 to 4 us, and the worker comes 10 us or more later */
    WAKE_CHUNKS = 12,    /* that much work in chunks of one grain, about 5 us each */
    LATE_NS = 200 * 1000, /* a last task that takes the caller's mean and that much longer was stopped */
    ALONE = 20,
};

/* A word of `own`: the number of threads that may claim, the next task of the part and its end, so that one
 * compare-and-swap checks and takes.  A successful claim keeps the job alive until it is reported, which is why
 * the plain fields of `job` are read only between the two.  A claim that was meant for an older job and succeeds
 * is a valid claim of the newer one: no generation count is needed. */
#define TASK_BITS 27
#define TASK_MASK (((uint64_t)1 << TASK_BITS) - 1)

struct job {
    ParallelTask body;
    void *context;
    int64_t tasks;
    int workers;
    int eager; /* wake sleepers at once: the caller knows that the job is long enough */
};

static struct {
    struct {
        _Alignas(LINE) _Atomic uint64_t part;
    } own[PARALLEL_MAX_THREADS];
    _Alignas(LINE) _Atomic uint64_t reported; /* tasks of this job that workers have finished */
    _Alignas(LINE) _Atomic uint32_t waiting;  /* futex: 1 while the caller sleeps until `reported` changes */
    _Alignas(LINE) _Atomic uint32_t signal;   /* futex: workers sleep on it; it changes with every wake */
    _Atomic int sleepers;
    _Atomic int caller_cpu; /* where the last job began */
    _Atomic int stopping;
    _Atomic int64_t alone_until; /* the time from which jobs are shared again */
    _Alignas(LINE) _Atomic int busy; /* who sets it owns the job, the threads and all of the below */
    struct job job;
    int64_t ended;  /* when the last job did */
    int64_t missed; /* how long the jobs took that ran on the caller alone since the workers fell asleep */
    int started; /* workers 1 .. started exist; 0 is the caller */
    PlatformThread threads[PARALLEL_MAX_THREADS];
} pool;

static _Atomic int num_threads; /* 0: not decided yet */
static _Thread_local int in_region;

int (*parallel_poll)(void);

int parallel_in_region(void)
{
    return in_region;
}

/* ---- Claims ---- */

static uint64_t part_of(int workers, int64_t next, int64_t end)
{
    return ((uint64_t)workers << 2 * TASK_BITS) | ((uint64_t)next << TASK_BITS) | (uint64_t)end;
}

static int workers_of(uint64_t part)
{
    return (int)(part >> 2 * TASK_BITS);
}

static int64_t next_of(uint64_t part)
{
    return (int64_t)(part >> TASK_BITS & TASK_MASK);
}

static int64_t left_in(uint64_t part)
{
    return (int64_t)(part & TASK_MASK) - next_of(part);
}

static int claimable(uint64_t part, int worker)
{
    return left_in(part) > 0 && worker < workers_of(part);
}

/* The first task of the worker's own part, or the last of another's, or -1. */
static int64_t claim_from(int owner, int worker)
{
    uint64_t part = atomic_load_explicit(&pool.own[owner].part, memory_order_relaxed), rest;
    do {
        if (!claimable(part, worker)) {
            return -1;
        }
        rest = owner == worker ? part + ((uint64_t)1 << TASK_BITS) : part - 1;
    } while (!atomic_compare_exchange_weak(&pool.own[owner].part, &part, rest));
    return owner == worker ? next_of(part) : (int64_t)(rest & TASK_MASK);
}

/* Every job gives the caller a part: it says how many threads there are to look at. */
static int workers_now(void)
{
    return workers_of(atomic_load(&pool.own[0].part));
}

/* The next task for this worker, its own first, or -1. */
static int64_t claim(int worker)
{
    int64_t task = claim_from(worker, worker);
    for (int i = 1, workers = task < 0 ? workers_now() : 0; i < workers && task < 0; i++) {
        task = claim_from((worker + i) % workers, worker);
    }
    return task;
}

/* ---- Workers ---- */

/* A job cannot end while a claim is unreported, so all tasks of one call belong to one job: one report is
 * enough. */
static int64_t run_claims(int worker)
{
    int64_t ran = 0, task;
    while ((task = claim(worker)) >= 0) {
        pool.job.body(pool.job.context, task, worker);
        ran++;
    }
    return ran;
}

static void report(int64_t ran)
{
    atomic_fetch_add(&pool.reported, (uint64_t)ran);
    if (atomic_load(&pool.waiting) != 0) {
        atomic_store(&pool.waiting, 0);
        platform_wake(&pool.waiting, 1);
    }
}

static int has_work(int worker)
{
    for (int i = 0, workers = workers_now(); i < workers; i++) {
        if (claimable(atomic_load(&pool.own[i].part), worker)) {
            return 1;
        }
    }
    return atomic_load(&pool.stopping);
}

/* Linux wakes a thread on the CPU of the one that wakes it where it expects no other to be idle, which it does after
 * both have spun for a while: the worker would then wait until the caller's time slice is over.  So a worker avoids the
 * caller's CPU, before it sleeps and when it finds itself there. */
static void avoid_caller(int *avoided)
{
    int cpu = atomic_load_explicit(&pool.caller_cpu, memory_order_relaxed);
    if (cpu >= 0 && cpu != *avoided) {
        platform_avoid_cpu(cpu, *avoided);
        *avoided = cpu;
    }
}

/* Whether there is work, after up to SPIN_NS.  It looks at the clock every microsecond or so. */
static int spin_for_work(int worker, int *avoided)
{
    int64_t end = platform_nanoseconds() + SPIN_NS;
    do {
        avoid_caller(avoided);
        for (int i = 0; i < 32; i++) {
            if (has_work(worker)) {
                return 1;
            }
            platform_pause();
        }
    } while (platform_nanoseconds() < end);
    return 0;
}

/* `signal` is read before the last look for work and changes after work is published: no wake-up is lost.  (A
 * lost one would only cost speed: nobody depends on a worker that has not claimed.) */
static void sleep_for_work(int worker)
{
    atomic_fetch_add(&pool.sleepers, 1);
    uint32_t seen = atomic_load(&pool.signal);
    if (!has_work(worker)) {
        platform_wait(&pool.signal, seen);
    }
    atomic_fetch_sub(&pool.sleepers, 1);
}

static void *worker_main(void *argument)
{
    int worker = (int)(intptr_t)argument, avoided = -1;
    in_region = 1;
    while (!atomic_load(&pool.stopping)) {
        int64_t ran = run_claims(worker);
        if (ran > 0) {
            report(ran);
        } else if (!spin_for_work(worker, &avoided)) {
            sleep_for_work(worker);
        }
    }
    return NULL;
}

static void wake(int count)
{
    if (count > 0) {
        atomic_fetch_add(&pool.signal, 1);
        platform_wake(&pool.signal, count);
    }
}

/* ---- The set of threads (only with `busy` held) ---- */

/* Takes the unclaimed tasks of so many threads from them; returns how many. */
static int64_t drop_claims(int workers)
{
    int64_t dropped = 0;
    for (int i = 0; i < workers; i++) {
        dropped += left_in(atomic_exchange(&pool.own[i].part, 0));
    }
    return dropped;
}

/* The child of a fork has none of the threads, and perhaps a job of a thread that it does not have either. */
static void forget_threads(void)
{
    drop_claims(PARALLEL_MAX_THREADS);
    atomic_store(&pool.waiting, 0);
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.stopping, 0);
    atomic_store(&pool.alone_until, 0);
    pool.started = 0;
    atomic_store(&pool.busy, 0);
}

static void stop_workers(void)
{
    atomic_store(&pool.stopping, 1);
    wake(pool.started);
    for (; pool.started > 0; pool.started--) {
        platform_thread_join(pool.threads[pool.started]);
    }
    atomic_store(&pool.stopping, 0);
}

/* Where the system refuses a thread, fewer must do, and later jobs do not ask again. */
static void start_workers(int threads)
{
    if (pool.started >= threads) {
        stop_workers();
    }
    while (pool.started + 1 < threads) {
        int worker = pool.started + 1;
        if (platform_on_fork(forget_threads) != 0 ||
            platform_thread_start(&pool.threads[worker], worker_main, (void *)(intptr_t)worker) != 0) {
            atomic_store(&num_threads, worker);
            return;
        }
        pool.started = worker;
    }
}

/* ---- The caller ---- */

/* Non-zero when the job shall stop.  *last is the time of the last poll. */
static int poll_says_stop(int64_t *last)
{
    if (parallel_poll == NULL) {
        return 0;
    }
    int64_t now = platform_nanoseconds();
    if (now - *last < POLL_NS) {
        return 0;
    }
    *last = now;
    return parallel_poll();
}

/* A nested region must not poll: its thread may be a worker, which Python does not know, and its body could
 * not pass the stop on. */
static int run_serial(const struct job *job)
{
    int nested = in_region, stop = 0;
    int64_t last = job->tasks > 1 && !nested ? platform_nanoseconds() : 0;
    in_region = 1;
    for (int64_t task = 0; task < job->tasks && !stop; task++) {
        job->body(job->context, task, 0);
        stop = !nested && task + 1 < job->tasks && poll_says_stop(&last);
    }
    in_region = nested;
    return stop ? -1 : 0;
}

static int64_t unclaimed(int workers)
{
    int64_t left = 0;
    for (int i = 0; i < workers; i++) {
        left += left_in(atomic_load_explicit(&pool.own[i].part, memory_order_relaxed));
    }
    return left;
}

static void wake_for(int64_t tasks, int workers)
{
    int sleepers = atomic_load(&pool.sleepers), useful = workers - 1;
    if (tasks < useful) {
        useful = (int)tasks;
    }
    wake(sleepers < useful ? sleepers : useful);
}

/* Short jobs that follow each other so closely that a worker would not fall asleep between them are worth a wake
 * together, as one long job is.  The first task of a job is the measure of the rest. */
static int worth_waking(int64_t took, int64_t left)
{
    return atomic_load(&pool.sleepers) > 0 && pool.missed + took * left > WAKE_NS;
}

/* Claims tasks as a worker does.  Returns the number of tasks run. */
static int64_t run_caller(const struct job *job, int64_t start, int *stop)
{
    int64_t last = start, ran = 0, task;
    while (!*stop && (task = claim(0)) >= 0) {
        job->body(job->context, task, 0);
        int64_t left = unclaimed(job->workers);
        if (++ran == 1 && !job->eager && left > 0 && worth_waking(platform_nanoseconds() - start, left)) {
            wake_for(left, job->workers);
        }
        *stop = left > 0 && poll_says_stop(&last);
    }
    return ran;
}

/* Waits until the workers have reported `tasks`: chunks in progress only, so shortly. */
static void wait_for_reports(uint64_t tasks)
{
    int64_t end = 0;
    for (int spins = 0; atomic_load(&pool.reported) != tasks; spins++) {
        if (spins % 64 != 63) {
            platform_pause();
            continue;
        }
        int64_t now = platform_nanoseconds();
        end = end == 0 ? now + FINISH_SPIN_NS : end;
        if (now > end) {
            atomic_store(&pool.waiting, 1);
            if (atomic_load(&pool.reported) != tasks) {
                platform_wait(&pool.waiting, 1);
            }
        }
    }
    atomic_store(&pool.waiting, 0);
}

/* Parts as equal as they can be.  The caller's comes last: with it the workers see how many there are. */
static void publish(const struct job *job)
{
    pool.job = *job;
    for (int i = job->workers - 1; i >= 0; i--) {
        int64_t begin = job->tasks * i / job->workers, end = job->tasks * (i + 1) / job->workers;
        atomic_store(&pool.own[i].part, part_of(job->workers, begin, end));
    }
}

static int run_shared(const struct job *job)
{
    int stop = 0;
    atomic_store(&pool.reported, 0);
    atomic_store_explicit(&pool.caller_cpu, platform_current_cpu(), memory_order_relaxed);
    publish(job);
    if (job->eager) {
        wake_for(job->tasks - 1, job->workers);
    }
    in_region = 1;
    int64_t start = platform_nanoseconds();
    if (start - pool.ended > SPIN_NS) {
        pool.missed = 0;
    }
    int64_t ran = run_caller(job, start, &stop), done = platform_nanoseconds();
    in_region = 0;
    int64_t skipped = stop ? drop_claims(job->workers) : 0;
    wait_for_reports((uint64_t)(job->tasks - ran - skipped));
    int64_t end = platform_nanoseconds(), mean = ran > 0 ? (done - start) / ran : 0;
    pool.missed = ran == job->tasks ? pool.missed + (done - start) : 0;
    pool.ended = end;
    if (end - done > LATE_NS + mean) {
        atomic_store(&pool.alone_until, end + ALONE * (end - done));
    }
    return stop ? -1 : 0;
}

static int take_pool(void)
{
    int idle = 0;
    return atomic_compare_exchange_strong(&pool.busy, &idle, 1);
}

static int run(struct job *job)
{
    int threads = job->tasks > 1 ? parallel_threads_now() : 1;
    if (threads < job->workers) {
        job->workers = threads;
    }
    if (job->workers < 2 || job->tasks > (int64_t)TASK_MASK || !take_pool()) {
        return run_serial(job);
    }
    start_workers(threads);
    int result = run_shared(job);
    atomic_store(&pool.busy, 0);
    return result;
}

/* ---- Entry points ---- */

int parallel_run(int64_t tasks, int workers, ParallelTask body, void *context)
{
    struct job job = {body, context, tasks, workers, 1};
    return run(&job);
}

struct range {
    ParallelRange body;
    void *context;
    int64_t n, chunk;
};

static void run_range(void *context, int64_t task, int worker)
{
    const struct range *range = context;
    int64_t begin = task * range->chunk, left = range->n - begin;
    (void)worker;
    range->body(range->context, begin, begin + (left < range->chunk ? left : range->chunk));
}

int64_t parallel_chunk(int64_t n, int64_t grain)
{
    int64_t chunk = grain > 1 ? grain : 1, least = n / PARALLEL_MAX_CHUNKS + (n % PARALLEL_MAX_CHUNKS != 0);
    chunk = chunk < least ? least : chunk;
    if (grain < 64 || chunk > INT64_MAX - 63) {
        return chunk;
    }
    return (chunk + 63) / 64 * 64;
}

int parallel_for(int64_t n, int64_t grain, ParallelRange body, void *context)
{
    if (n <= 0) {
        return 0;
    }
    struct range range = {body, context, n, parallel_chunk(n, grain)};
    int64_t chunks = (n - 1) / range.chunk + 1;
    struct job job = {run_range, &range, chunks, PARALLEL_MAX_THREADS, chunks >= WAKE_CHUNKS};
    return run(&job);
}

int parallel_stop(void)
{
    if (!take_pool()) {
        return -1;
    }
    stop_workers();
    atomic_store(&pool.busy, 0);
    return 0;
}

/* ---- The number of threads ---- */

static int clamp(int64_t threads)
{
    return threads < 1 ? 1 : threads > PARALLEL_MAX_THREADS ? PARALLEL_MAX_THREADS : (int)threads;
}

/* A positive number, perhaps the first of a list ("4,2" gives nested levels); 0 for anything else. */
static int threads_from(const char *variable)
{
    const char *text = getenv(variable);
    if (text == NULL) {
        return 0;
    }
    char *end;
    long threads = strtol(text, &end, 10);
    return threads > 0 && (*end == '\0' || *end == ',') ? clamp(threads) : 0;
}

static int default_threads(void)
{
    int threads = threads_from("CTORCH_NUM_THREADS");
    if (threads == 0) {
        threads = threads_from("OMP_NUM_THREADS");
    }
    return threads != 0 ? threads : clamp(platform_usable_cpus());
}

int parallel_get_num_threads(void)
{
    int threads = atomic_load_explicit(&num_threads, memory_order_relaxed);
    if (threads == 0) {
        threads = default_threads();
        int undecided = 0;
        if (!atomic_compare_exchange_strong(&num_threads, &undecided, threads)) {
            threads = undecided;
        }
    }
    return threads;
}

int parallel_threads_now(void)
{
    int threads = in_region ? 1 : parallel_get_num_threads();
    int64_t until = threads > 1 ? atomic_load_explicit(&pool.alone_until, memory_order_relaxed) : 0;
    return until != 0 && platform_nanoseconds() < until ? 1 : threads;
}

void parallel_set_num_threads(int threads)
{
    atomic_store(&num_threads, clamp(threads));
    atomic_store(&pool.alone_until, 0);
}
