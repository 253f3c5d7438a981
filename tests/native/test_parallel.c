/* Tests of csrc/core/parallel.c and of the parts of platform.c that concern the CPU, threads and processes.
 * No Python; run.py builds it, with or without CTORCH_SANITIZE=address,undefined or thread.  Exits 0 when
 * every check holds.  Memory: test_allocator.c. */
#define _GNU_SOURCE
#include "core/parallel.h"
#include "core/platform.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                    \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static void sleep_ms(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* Runs `body` in a forked child, which dies after 10 s; checks that it exits with 0. */
static void in_child(void (*body)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(10);
        body();
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- Platform ---- */

static const char *choose(const char *forced, enum cpu_level *level)
{
    if (forced != NULL) {
        setenv("CTORCH_CPU", forced, 1);
    } else {
        unsetenv("CTORCH_CPU");
    }
    return platform_cpu_choose(level);
}

#if defined(__x86_64__) && defined(__linux__)
/* Whether the first CPU's flags have this word: the kernel checks its own saving of registers as well. */
static int kernel_lists(const char *word)
{
    char line[4096] = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    CHECK(file != NULL);
    while (strncmp(line, "flags", 5) != 0 && fgets(line, sizeof line, file) != NULL) {
    }
    fclose(file);
    line[strcspn(line, "\n")] = ' ';
    return strstr(line, word) != NULL;
}
#endif

static void test_cpu_level(void)
{
    enum cpu_level supported = platform_cpu_supported(), level;
    CHECK(choose(NULL, &level) == NULL && level == supported);
    CHECK(choose("", &level) == NULL && level == supported);
    for (int i = 0; i < CPU_LEVELS; i++) {
        const char *name = platform_cpu_level_name((enum cpu_level)i), *error = choose(name, &level);
        if (i <= (int)supported) {
            CHECK(error == NULL && (int)level == i);
        } else {
            CHECK(strstr(error, name) && strstr(error, "supports at most") && level == supported);
        }
    }
    const char *error = choose("sse9", &level);
    CHECK(strstr(error, "CTORCH_CPU=sse9") && strstr(error, "baseline, avx2 or avx512") &&
          level == supported);
    CHECK(choose("AVX2", &level) != NULL);
    choose(NULL, &level);
#if defined(__x86_64__) && defined(__linux__)
    int avx2 =
        kernel_lists(" avx2 ") && kernel_lists(" fma ") && kernel_lists(" f16c ") && kernel_lists(" bmi2 ");
    int avx512 = avx2 && kernel_lists(" avx512f ") && kernel_lists(" avx512bw ") &&
                 kernel_lists(" avx512dq ") && kernel_lists(" avx512vl ");
    CHECK((supported >= CPU_AVX2) == avx2 && (supported == CPU_AVX512) == avx512);
#endif
}

static void test_machine(void)
{
    size_t l1 = platform_cache_bytes(1), l2 = platform_cache_bytes(2), l3 = platform_cache_bytes(3);
    CHECK(l1 == 0 || (l1 >= 4096 && l1 <= (size_t)1 << 20));
    CHECK(l2 == 0 || l2 >= l1);
    CHECK(l3 == 0 || l3 >= l2);
    CHECK(platform_cache_bytes(0) == 0 && platform_cache_bytes(4) == 0);
    const char *brand = platform_cpu_brand();
    CHECK(brand[0] != '\0' && brand[0] != ' ' && brand[strlen(brand) - 1] != ' ' &&
          brand == platform_cpu_brand());
    CHECK(platform_usable_cpus() >= 1 && platform_usable_cpus() <= (int)sysconf(_SC_NPROCESSORS_CONF));
    CHECK(platform_pid() == (int)getpid());
    int64_t before = platform_nanoseconds();
    sleep_ms(2);
    CHECK(platform_nanoseconds() - before >= 2000000);
}

static void check_one_cpu(void)
{
#ifdef __linux__
    cpu_set_t mask, one;
    CPU_ZERO(&one);
    CHECK(sched_getaffinity(0, sizeof mask, &mask) == 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &mask)) {
        cpu++;
    }
    CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(platform_usable_cpus() == 1);
    CHECK(parallel_get_num_threads() == 1);
#endif
}

/* ---- The number of threads: each case needs a process that has not asked yet ---- */

static void check_environment(const char *own, const char *omp, int expected)
{
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        own ? setenv("CTORCH_NUM_THREADS", own, 1) : unsetenv("CTORCH_NUM_THREADS");
        omp ? setenv("OMP_NUM_THREADS", omp, 1) : unsetenv("OMP_NUM_THREADS");
        _exit(parallel_get_num_threads() == expected ? 0 : 1);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_environment(void)
{
    int cpus = platform_usable_cpus();
    check_environment(NULL, NULL, cpus < PARALLEL_MAX_THREADS ? cpus : PARALLEL_MAX_THREADS);
    check_environment("3", NULL, 3);
    check_environment("3", "5", 3);
    check_environment(NULL, "5", 5);
    check_environment(NULL, "4,2", 4);
    check_environment("0", "5", 5);
    check_environment("-1", "many", cpus);
    check_environment("3x", "", cpus);
    check_environment("100000", NULL, PARALLEL_MAX_THREADS);
}

/* ---- Ranges ---- */

struct marks {
    int64_t n, chunk;
    _Atomic unsigned char *count; /* one per element */
    _Atomic int calls, wrong;
};

static void mark(void *context, int64_t begin, int64_t end)
{
    struct marks *m = context;
    int64_t length = m->n - begin < m->chunk ? m->n - begin : m->chunk;
    m->calls++;
    m->wrong += begin % m->chunk != 0 || end - begin != length || !parallel_in_region();
    for (int64_t i = begin; i < end; i++) {
        atomic_fetch_add_explicit(&m->count[i], 1, memory_order_relaxed);
    }
}

static void check_range(int64_t n, int64_t grain)
{
    struct marks m = {.n = n, .chunk = parallel_chunk(n, grain)};
    m.count = calloc((size_t)n + 1, 1);
    CHECK(m.count != NULL && parallel_for(n, grain, mark, &m) == 0);
    CHECK(m.wrong == 0 && m.calls == (n + m.chunk - 1) / m.chunk && m.calls <= PARALLEL_MAX_CHUNKS);
    CHECK(m.chunk >= grain && (grain < 64 || m.chunk % 64 == 0) && !parallel_in_region());
    for (int64_t i = 0; i < n; i++) {
        CHECK(m.count[i] == 1);
    }
    free((void *)m.count);
}

static void test_ranges(void)
{
    const int64_t sizes[] = {0, 1, 63, 64, 65, 128, 1000, 4096, 4097, 70001},
                  grains[] = {0, 1, 7, 63, 64, 65, 1000, 80000};
    for (int threads = 1; threads <= 5; threads++) {
        parallel_set_num_threads(threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (size_t j = 0; j < sizeof grains / sizeof *grains; j++) {
                check_range(sizes[i], grains[j]);
            }
        }
    }
    CHECK(parallel_for(-5, 1, mark, NULL) == 0);
    CHECK(parallel_chunk(INT64_MAX, 1) == (int64_t)1 << 53); /* 2^63 / 1024 */
    CHECK(parallel_chunk(INT64_MAX, INT64_MAX) == INT64_MAX && parallel_chunk(100, 100) == 128);
}

#define SUM_N     300000
#define SUM_GRAIN 1000

struct sum {
    const float *x;
    float partial[PARALLEL_MAX_CHUNKS];
    int64_t chunk;
};

static void sum_chunk(void *context, int64_t begin, int64_t end)
{
    struct sum *s = context;
    float total = 0;
    for (int64_t i = begin; i < end; i++) {
        total += s->x[i];
    }
    s->partial[begin / s->chunk] = total;
}

static float sum_all(const float *x)
{
    struct sum s = {.x = x, .chunk = parallel_chunk(SUM_N, SUM_GRAIN)};
    CHECK(parallel_for(SUM_N, SUM_GRAIN, sum_chunk, &s) == 0);
    float total = 0;
    for (int64_t i = 0; i * s.chunk < SUM_N; i++) {
        total += s.partial[i];
    }
    return total;
}

static void test_same_bits(void)
{
    static float x[SUM_N];
    for (int i = 0; i < SUM_N; i++) {
        x[i] = sinf((float)i) * 1e3f;
    }
    parallel_set_num_threads(1);
    float serial = sum_all(x);
    for (int threads = 2; threads <= 9; threads++) {
        parallel_set_num_threads(threads);
        for (int round = 0; round < 20; round++) {
            float parallel = sum_all(x);
            CHECK(memcmp(&serial, &parallel, sizeof serial) == 0);
        }
    }
}

/* ---- Tasks and workers ---- */

struct tasks {
    int64_t tasks;
    int workers;
    _Atomic int count[5000], inside[PARALLEL_MAX_THREADS], wrong;
    int workspace[PARALLEL_MAX_THREADS]; /* plain: a race here is a race of two calls with one worker number
                                          */
};

static void run_task(void *context, int64_t task, int worker)
{
    struct tasks *t = context;
    if (task < 0 || task >= t->tasks || worker < 0 || worker >= t->workers) {
        t->wrong++;
        return;
    }
    t->wrong += atomic_exchange(&t->inside[worker], 1) != 0;
    t->workspace[worker]++;
    t->count[task]++;
    atomic_store(&t->inside[worker], 0);
}

static void check_tasks(int64_t tasks, int workers)
{
    static struct tasks t;
    memset(&t, 0, sizeof t);
    t.tasks = tasks;
    t.workers = workers;
    CHECK(parallel_run(tasks, workers, run_task, &t) == 0 && t.wrong == 0);
    int total = 0;
    for (int i = 0; i < 5000; i++) {
        CHECK(t.count[i] == (i < tasks));
    }
    for (int i = 0; i < PARALLEL_MAX_THREADS; i++) {
        total += t.workspace[i];
    }
    CHECK(total == tasks);
}

static void test_tasks(void)
{
    for (int threads = 1; threads <= 6; threads++) {
        parallel_set_num_threads(threads);
        for (int workers = 1; workers <= 8; workers += 1 + threads / 2) {
            for (int round = 0; round < 10; round++) {
                check_tasks(0, workers);
                check_tasks(1, workers);
                check_tasks(2, workers);
                check_tasks(37, workers);
                check_tasks(5000, workers);
            }
        }
    }
}

/* Two tasks that wait for one another end only if a worker comes. */
static void meet(void *context, int64_t task, int worker)
{
    _Atomic int *arrived = context;
    int64_t end = platform_nanoseconds() + 5000000000;
    (void)task, (void)worker;
    ++*arrived;
    while (*arrived < 2 && platform_nanoseconds() < end) {
        platform_pause();
    }
}

static void meet_after_first(void *context, int64_t begin, int64_t end)
{
    if (begin == 0) {
        sleep_ms(1);
    } else {
        meet(context, end, 0);
    }
}

/* Asking for the same threads again forgets that the scheduler stopped one. */
static void check_meeting(void)
{
    _Atomic int arrived = 0;
    parallel_set_num_threads(parallel_get_num_threads());
    CHECK(parallel_run(2, 2, meet, &arrived) == 0 && arrived == 2);
}

static void test_sleepers_wake(void)
{
    parallel_set_num_threads(2);
    for (int round = 0; round < 20; round++) {
        _Atomic int arrived = 0;
        sleep_ms(round % 2 ? 2 : 0);
        check_meeting();
        sleep_ms(round % 2 ? 2 : 0);
        parallel_set_num_threads(2);
        CHECK(parallel_for(3 * 64, 64, meet_after_first, &arrived) == 0 && arrived == 2);
    }
}

struct limit {
    int workers;
    _Atomic int wrong;
};

static void check_worker(void *context, int64_t task, int worker)
{
    struct limit *limit = context;
    (void)task;
    limit->wrong += worker >= limit->workers;
    sleep_ms(1);
}

/* Long enough for every worker to come, the ones that this job does not admit too. */
static void test_fewer_workers_than_threads(void)
{
    parallel_set_num_threads(5);
    for (int workers = 1; workers <= 5; workers++) {
        struct limit limit = {workers, 0};
        check_tasks(5000, 5);
        CHECK(parallel_run(20, workers, check_worker, &limit) == 0 && limit.wrong == 0);
    }
}

static void test_idle_workers_sleep(void)
{
    struct timespec before, after;
    parallel_set_num_threads(4);
    check_tasks(5000, 4);
    sleep_ms(20);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    sleep_ms(100);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec < 10000000);
}

static void check_signals(void *context, int64_t task, int worker)
{
    sigset_t blocked;
    meet(context, task, worker);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
    CHECK(sigismember(&blocked, SIGINT) == (worker > 0) && sigismember(&blocked, SIGALRM) == (worker > 0));
}

static void test_workers_block_signals(void)
{
    _Atomic int arrived = 0;
    parallel_set_num_threads(2);
    CHECK(parallel_run(2, 2, check_signals, &arrived) == 0 && arrived == 2);
}

/* ---- Workers that the scheduler stops ---- */

struct stopped {
    _Atomic int arrived, workers[2];
};

static void stop_worker(void *context, int64_t task, int worker)
{
    struct stopped *job = context;
    meet(&job->arrived, task, worker);
    sleep_ms(worker * 5);
}

static void count_worker(void *context, int64_t task, int worker)
{
    struct stopped *job = context;
    (void)task;
    job->workers[worker]++;
}

static void test_alone_after_stopped_worker(void)
{
    struct stopped job = {0};
    parallel_set_num_threads(2);
    CHECK(parallel_run(2, 2, stop_worker, &job) == 0);
    CHECK(parallel_threads_now() == 1 && parallel_get_num_threads() == 2);
    CHECK(parallel_run(1000, 2, count_worker, &job) == 0 && job.workers[0] == 1000);
    parallel_set_num_threads(2);
    CHECK(parallel_threads_now() == 2);
    job.arrived = 0;
    CHECK(parallel_run(2, 2, stop_worker, &job) == 0);
    sleep_ms(150);
    CHECK(parallel_threads_now() == 2);
}

/* Equal tasks that each take much longer than a wake-up: nobody has to take another's. */
static void note_worker(void *context, int64_t task, int worker)
{
    _Atomic int *of = context;
    sleep_ms(10);
    of[task] = worker + 1;
}

static void test_parts(void)
{
    _Atomic int of[4] = {0};
    parallel_set_num_threads(2);
    CHECK(parallel_run(4, 2, note_worker, of) == 0);
    CHECK(of[0] == 1 && of[1] == 1 && of[2] == 2 && of[3] == 2);
}

/* ---- Nesting, concurrent callers, stopping ---- */

struct nested {
    _Atomic int inner, wrong;
    pthread_t thread[64];
};

struct inner {
    struct nested *outer;
    pthread_t thread;
};

static void inner_task(void *context, int64_t task, int worker)
{
    struct inner *inner = context;
    (void)task;
    inner->outer->inner++;
    inner->outer->wrong += worker != 0 || !pthread_equal(inner->thread, pthread_self());
}

static int polls;

static int count_poll(void)
{
    polls++;
    return 0;
}

static void outer_task(void *context, int64_t task, int worker)
{
    struct inner inner = {context, pthread_self()};
    (void)task, (void)worker;
    inner.outer->wrong += parallel_run(10, 4, inner_task, &inner) != 0 || !parallel_in_region();
    inner.outer->wrong += parallel_stop() != -1;
}

static void test_nested(void)
{
    static struct nested n;
    parallel_set_num_threads(4);
    CHECK(parallel_run(64, 4, outer_task, &n) == 0);
    CHECK(n.inner == 640 && n.wrong == 0 && !parallel_in_region());
}

static void *call_often(void *argument)
{
    (void)argument;
    for (int round = 0; round < 300; round++) {
        check_range(5000, 64 + round % 100);
        if (round % 16 == 0) {
            parallel_set_num_threads(1 + round / 16 % 5);
        }
        if (round % 50 == 0) {
            parallel_stop();
        }
    }
    return NULL;
}

static void test_concurrent_callers(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, call_often, NULL) == 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static void test_stop(void)
{
    parallel_set_num_threads(3);
    for (int round = 0; round < 30; round++) {
        check_tasks(37, 3);
        CHECK(parallel_stop() == 0 && parallel_stop() == 0);
    }
    check_tasks(5000, 3);
    parallel_set_num_threads(0);
    CHECK(parallel_get_num_threads() == 1);
    parallel_set_num_threads(1 << 30);
    CHECK(parallel_get_num_threads() == PARALLEL_MAX_THREADS);
    parallel_set_num_threads(2);
    CHECK(parallel_get_num_threads() == 2);
}

/* ---- The interrupt hook ---- */

static pthread_t poller;

static int stop_at_second_poll(void)
{
    CHECK(pthread_equal(poller, pthread_self()));
    return ++polls == 2;
}

static void take_a_while(void *context, int64_t task, int worker)
{
    _Atomic int *ran = context;
    (void)task, (void)worker;
    ++*ran;
    sleep_ms(2);
}

static void nested_take_a_while(void *context, int64_t task, int worker)
{
    (void)task, (void)worker;
    CHECK(parallel_run(60, 2, take_a_while, context) == 0);
}

static void check_poll(int threads)
{
    _Atomic int ran = 0;
    parallel_set_num_threads(threads);
    polls = 0;
    poller = pthread_self();
    parallel_poll = stop_at_second_poll;
    int64_t start = platform_nanoseconds();
    CHECK(parallel_run(2000, threads, take_a_while, &ran) == -1);
    double ms = (double)(platform_nanoseconds() - start) / 1e6;
    CHECK(polls == 2 && ran >= 2 && ran < 2000 && ms > 100 && ms < 1500);
    polls = 0;
    parallel_poll = count_poll;
    ran = 0;
    start = platform_nanoseconds();
    CHECK(parallel_run(150, threads, take_a_while, &ran) == 0 && ran == 150);
    CHECK(polls >= 1 && polls <= (platform_nanoseconds() - start) / 50000000);
    polls = 0;
    ran = 0;
    CHECK(parallel_run(1, threads, nested_take_a_while, &ran) == 0 && ran == 60 && polls == 0);
    parallel_poll = NULL;
    check_tasks(5000, threads);
}

static void test_poll(void)
{
    check_poll(1);
    check_poll(3);
}

/* ---- Fork and lack of threads: not with a sanitizer, whose own locks another thread may hold at the fork
 * ---- */

static void use_pool(void)
{
    check_meeting();
    check_tasks(37, 4);
    check_range(5000, 64);
    parallel_stop();
    check_tasks(37, 4);
}

static void use_pool_and_fork(void)
{
    use_pool();
    in_child(use_pool);
}

static void test_fork(void)
{
    parallel_set_num_threads(4);
    for (int round = 0; round < 50; round++) {
        check_tasks(37, 4);
        in_child(round % 10 ? use_pool : use_pool_and_fork);
    }
}

static _Atomic int keep_busy;

static void wait_for_end(void *context, int64_t task, int worker)
{
    (void)context, (void)task, (void)worker;
    while (atomic_load(&keep_busy)) {
        sleep_ms(1);
    }
}

static void *hold_pool(void *argument)
{
    (void)argument;
    CHECK(parallel_run(4, 4, wait_for_end, NULL) == 0);
    return NULL;
}

/* The child's pool was in the middle of a job of a thread that the child does not have. */
static void test_fork_during_job(void)
{
    pthread_t thread;
    parallel_set_num_threads(4);
    for (int round = 0; round < 5; round++) {
        atomic_store(&keep_busy, 1);
        CHECK(pthread_create(&thread, NULL, hold_pool, NULL) == 0);
        sleep_ms(5);
        CHECK(parallel_stop() == -1);
        in_child(use_pool);
        atomic_store(&keep_busy, 0);
        CHECK(pthread_join(thread, NULL) == 0);
        check_tasks(37, 4);
    }
}

/* More threads than ever ran (a child inherits the stacks of its parent's), and no memory for their stacks.
 */
static void lack_threads(void)
{
    struct rlimit limit = {1, 1};
    parallel_set_num_threads(200);
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    check_tasks(5000, 200);
    CHECK(parallel_get_num_threads() < 100);
    check_tasks(5000, 200);
}

int main(void)
{
    test_environment();
    in_child(check_one_cpu);
    test_cpu_level();
    test_machine();
    test_ranges();
    test_same_bits();
    test_tasks();
    test_sleepers_wake();
    test_fewer_workers_than_threads();
    test_idle_workers_sleep();
    test_workers_block_signals();
    test_alone_after_stopped_worker();
    test_parts();
    test_nested();
    test_concurrent_callers();
    test_stop();
    test_poll();
    if (!SANITIZED) {
        test_fork();
        test_fork_during_job();
        in_child(lack_threads);
    }
    CHECK(parallel_stop() == 0);
    puts("test_parallel: ok");
    return 0;
}
