/* What this machine's arithmetic and memory allow: ./peak THREADS BYTES...
 *
 * Prints "fma G" (float32 multiply-adds, GFLOP/s) and for every BYTES "copy BYTES G" (GB/s of one memcpy that
 * reads half of BYTES and writes the other half, again and again, hence into memory as warm as its size
 * allows; both halves count).  The sum over the threads, best of several runs.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
enum { CHAINS = 12, LANES = WIDTH / 4, MAX_THREADS = 64, RUNS = 5 };
typedef float Vector __attribute__((vector_size(WIDTH)));

struct Job {
    pthread_barrier_t *start;
    char *from, *to;
    size_t bytes; /* of one copy; 0 asks for multiply-adds */
    double rate;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double fma_rate(void)
{
    enum { STEPS = 1 << 20 };
    volatile float factor = 0.999f, term = 0.001f;
    Vector m = { 0 }, c = { 0 }, a[CHAINS];
    m += factor;
    c += term;
    for (int j = 0; j < CHAINS; j++)
        a[j] = c * (float)j;
    const double start = now();
    for (int i = 0; i < STEPS; i++)
        for (int j = 0; j < CHAINS; j++)
            a[j] = a[j] * m + c;
    const double spent = now() - start;
    for (int j = 1; j < CHAINS; j++)
        a[0] += a[j];
    term = a[0][0];
    return 2e-9 * LANES * CHAINS * STEPS / spent;
}

static double copy_rate(const struct Job *job)
{
    const size_t copies = 1 + ((size_t)1 << 27) / job->bytes;
    memcpy(job->to, job->from, job->bytes);
    const double start = now();
    for (size_t i = 0; i < copies; i++) {
        memcpy(job->to, job->from, job->bytes);
        __asm__ volatile("" : : "r"(job->to) : "memory");
    }
    return 2e-9 * (double)job->bytes * (double)copies / (now() - start);
}

static void *work(void *argument)
{
    struct Job *job = argument;
    pthread_barrier_wait(job->start);
    job->rate = job->bytes ? copy_rate(job) : fma_rate();
    return NULL;
}

/* Best sum of the threads' rates; each copies its own share of `bytes`. */
static double best(int threads, size_t bytes, char *from, char *to)
{
    double top = 0;
    for (int run = 0; run < RUNS; run++) {
        pthread_barrier_t start;
        pthread_t id[MAX_THREADS];
        struct Job job[MAX_THREADS];
        double sum = 0;
        const size_t share = bytes / 2 / (size_t)threads;
        pthread_barrier_init(&start, NULL, (unsigned)threads);
        for (int i = 0; i < threads; i++) {
            job[i] = (struct Job){ &start, from + share * (size_t)i, to + share * (size_t)i, share, 0 };
            if (pthread_create(&id[i], NULL, work, &job[i]) != 0)
                exit(1);
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(id[i], NULL);
            sum += job[i].rate;
        }
        pthread_barrier_destroy(&start);
        top = sum > top ? sum : top;
    }
    return top;
}

int main(int count, char **argument)
{
    const int threads = count > 1 ? atoi(argument[1]) : 1;
    if (threads < 1 || threads > MAX_THREADS)
        return 2;
    printf("fma %.1f\n", best(threads, 0, NULL, NULL));
    for (int i = 2; i < count; i++) {
        const size_t bytes = strtoull(argument[i], NULL, 10);
        char *from = malloc(bytes / 2), *to = malloc(bytes / 2);
        if (bytes / 2 < (size_t)threads || !from || !to)
            return 1;
        memset(from, 1, bytes / 2);
        memset(to, 2, bytes / 2);
        printf("copy %zu %.2f\n", bytes, best(threads, bytes, from, to));
        free(from);
        free(to);
    }
    return 0;
}
