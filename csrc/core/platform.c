/* The only file with OS headers: what Linux and macOS, x86-64 and aarch64 do differently ends here.  CPU
 * features come from CPUID itself and not from the compiler's built-ins, because those do not all check that
 * the OS saves the wide registers.  Policy (how many threads, which block to cache) is not here: see
 * parallel.c and allocator.c. */
#define _GNU_SOURCE
#include "core/platform.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif
#ifdef __x86_64__
#include <cpuid.h>
#endif

/* ---- Instruction sets ---- */

static const char *const level_names[CPU_LEVELS] = {"baseline", "avx2", "avx512"};

const char *platform_cpu_level_name(enum cpu_level level)
{
    return level_names[level];
}

#ifdef __x86_64__

#define BIT(n) (1u << (n))

/* Registers the OS saves on a context switch: XCR0, read by xgetbv (spelled in bytes: no compiler flag
 * needed). */
static unsigned saved_registers(void)
{
    unsigned low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

enum cpu_level platform_cpu_supported(void)
{
    const unsigned fma = BIT(12), popcnt = BIT(23), osxsave = BIT(27), avx = BIT(28), f16c = BIT(29);
    const unsigned avx2 = BIT(5), bmi2 = BIT(8), avx512f = BIT(16), avx512dq = BIT(17), avx512bw = BIT(30),
                   avx512vl = BIT(31);
    const unsigned ymm_state = 0x06, zmm_state = 0xe6;
    const unsigned need1 = fma | popcnt | osxsave | avx | f16c, need7 = avx2 | bmi2;
    const unsigned need512 = avx512f | avx512dq | avx512bw | avx512vl;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & need1) != need1) {
        return CPU_BASELINE;
    }
    unsigned saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & need7) != need7 ||
        (saved & ymm_state) != ymm_state) {
        return CPU_BASELINE;
    }
    return (b & need512) == need512 && (saved & zmm_state) == zmm_state ? CPU_AVX512 : CPU_AVX2;
}

/* The name is 48 bytes in three CPUID leaves, padded with blanks on either side. */
static void read_brand(char *text, size_t size)
{
    unsigned words[13] = {0};
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned *w = words + 4 * i;
        __get_cpuid(0x80000002u + i, &w[0], &w[1], &w[2], &w[3]);
    }
    const char *name = (const char *)words + strspn((const char *)words, " ");
    snprintf(text, size, "%s", name);
}

/* Intel's leaf 4 and AMD's 0x8000001D have one layout: one cache per sub-leaf. */
static size_t cpuid_cache_bytes(int level)
{
    const unsigned topology_extensions = BIT(22);
    unsigned a, b, c, d, leaf = 4;
    if (__get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & topology_extensions)) {
        leaf = 0x8000001du;
    }
    for (unsigned i = 0; __get_cpuid_count(leaf, i, &a, &b, &c, &d); i++) {
        unsigned type = a & 31; /* 0 ends the list, 1 data, 2 instructions, 3 unified */
        if (type == 0) {
            return 0;
        }
        if (type != 2 && (int)((a >> 5) & 7) == level) {
            size_t ways = (b >> 22) + 1, partitions = ((b >> 12) & 1023) + 1, line = (b & 4095) + 1;
            return ways * partitions * line * ((size_t)c + 1);
        }
    }
    return 0;
}

#else

enum cpu_level platform_cpu_supported(void)
{
    return CPU_BASELINE;
}

static void read_brand(char *text, size_t size)
{
    text[0] = '\0';
#ifdef __APPLE__
    if (sysctlbyname("machdep.cpu.brand_string", text, &size, NULL, 0) != 0) {
        text[0] = '\0';
    }
#else
    (void)size;
#endif
}

static size_t cpuid_cache_bytes(int level)
{
    (void)level;
    return 0;
}

#endif

const char *platform_cpu_brand(void)
{
    static char brand[64];
    if (brand[0] == '\0') {
        read_brand(brand, sizeof brand);
    }
    size_t length = strlen(brand);
    while (length > 0 && brand[length - 1] == ' ') {
        brand[--length] = '\0';
    }
    if (brand[0] == '\0') {
#ifdef __aarch64__
        strcpy(brand, "aarch64");
#else
        strcpy(brand, "unknown CPU");
#endif
    }
    return brand;
}

const char *platform_cpu_choose(enum cpu_level *level)
{
    static char error[192];
    const char *forced = getenv("CTORCH_CPU");
    enum cpu_level supported = platform_cpu_supported();
    *level = supported;
    if (forced == NULL || forced[0] == '\0') {
        return NULL;
    }
    for (int i = 0; i < CPU_LEVELS; i++) {
        if (strcmp(forced, level_names[i]) != 0) {
            continue;
        }
        if (i <= (int)supported) {
            *level = (enum cpu_level)i;
            return NULL;
        }
        snprintf(error, sizeof error, "CTORCH_CPU=%s: this CPU (%s) supports at most %s", forced,
                 platform_cpu_brand(), level_names[supported]);
        return error;
    }
    snprintf(error, sizeof error, "CTORCH_CPU=%.60s is unknown; it must be baseline, avx2 or avx512", forced);
    return error;
}

/* ---- What the OS says about the machine ---- */

#ifdef __linux__

/* The first line of a small file, without its newline.  Returns 0, or -1 when it cannot be read. */
static int read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return -1;
    }
    char *got = fgets(line, size, file);
    fclose(file);
    if (got == NULL) {
        return -1;
    }
    line[strcspn(line, "\n")] = '\0';
    return 0;
}

static size_t os_cache_bytes(int level)
{
    for (int i = 0; i < 8; i++) {
        char path[96], text[32];
        int at = snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/", i);
        strcpy(path + at, "level");
        if (read_line(path, text, sizeof text) != 0) {
            return 0;
        }
        if (atoi(text) != level) {
            continue;
        }
        strcpy(path + at, "type");
        if (read_line(path, text, sizeof text) != 0 || strcmp(text, "Instruction") == 0) {
            continue;
        }
        strcpy(path + at, "size"); /* "32K" */
        if (read_line(path, text, sizeof text) == 0) {
            char *unit;
            size_t size = strtoul(text, &unit, 10);
            return size << (*unit == 'M' ? 20 : *unit == 'K' ? 10 : 0);
        }
    }
    return 0;
}

/* The mask's size must match the kernel's, which may exceed cpu_set_t's 1024: double it until it fits. */
static int affinity_cpus(void)
{
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC((size_t)cpus);
        if (mask == NULL) {
            break;
        }
        size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        int failed = sched_getaffinity(0, bytes, mask), count = CPU_COUNT_S(bytes, mask);
        CPU_FREE(mask);
        if (!failed) {
            return count;
        }
    }
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* What a group's cpu.max says, in CPUs rounded up: "max 100000" is no limit, "150000 100000" is 2. */
static int64_t parse_cpu_max(const char *text)
{
    long long quota = 0, period = 0;
    if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0) {
        return INT64_MAX;
    }
    return (quota + period - 1) / period;
}

/* "max" (version 2) and a number near 2^63 (version 1) both say no limit. */
static int64_t parse_bytes(const char *text)
{
    long long bytes = strtoll(text, NULL, 10);
    return bytes > 0 ? bytes : INT64_MAX;
}

/* The tightest limit in file `name` from this process's control group up to the root, version 2. */
static int64_t cgroup_limit(const char *name, int64_t (*parse)(const char *))
{
    char group[1024] = "0::", path[1200], text[64];
    FILE *file = fopen("/proc/self/cgroup", "re");
    int found = 0;
    while (file != NULL && !found && fgets(group, sizeof group, file) != NULL) {
        found = strncmp(group, "0::/", 4) == 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    int64_t least = INT64_MAX;
    group[strcspn(group, "\n")] = '\0';
    for (char *cut = group; found && cut != NULL;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", group + 3, name);
        if (read_line(path, text, sizeof text) == 0) {
            int64_t limit = parse(text);
            least = limit < least ? limit : least;
        }
        cut = strrchr(group, '/');
        if (cut != NULL) {
            *cut = '\0';
        }
    }
    return least;
}

/* Version 1 shows a container its own limit at the root of each mount; groups below the root are not
 * searched. */
static int64_t cpu_quota(void)
{
    int64_t limit = cgroup_limit("cpu.max", parse_cpu_max);
    char quota[32], period[32], both[80];
    if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) == 0 &&
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period) == 0) {
        snprintf(both, sizeof both, "%s %s", quota, period);
        int64_t version1 = parse_cpu_max(both);
        limit = version1 < limit ? version1 : limit;
    }
    return limit;
}

static int64_t memory_limit(void)
{
    int64_t limit = cgroup_limit("memory.max", parse_bytes);
    char text[64];
    if (read_line("/sys/fs/cgroup/memory/memory.limit_in_bytes", text, sizeof text) == 0) {
        int64_t version1 = parse_bytes(text);
        limit = version1 < limit ? version1 : limit;
    }
    return limit;
}

#else

static size_t os_cache_bytes(int level)
{
    size_t bytes = 0;
#ifdef __APPLE__
    static const char *const names[] = {"hw.l1dcachesize", "hw.l2cachesize", "hw.l3cachesize"};
    size_t size = sizeof bytes;
    if (sysctlbyname(names[level - 1], &bytes, &size, NULL, 0) != 0) {
        return 0;
    }
#else
    (void)level;
#endif
    return bytes;
}

static int affinity_cpus(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static int64_t cpu_quota(void)
{
    return INT64_MAX;
}

static int64_t memory_limit(void)
{
    return INT64_MAX;
}

#endif

size_t platform_cache_bytes(int level)
{
    if (level < 1 || level > 3) {
        return 0;
    }
    size_t bytes = cpuid_cache_bytes(level);
    return bytes != 0 ? bytes : os_cache_bytes(level);
}

int platform_usable_cpus(void)
{
    int cpus = affinity_cpus();
    int64_t quota = cpu_quota();
    if (quota < cpus) {
        cpus = (int)quota;
    }
    return cpus > 1 ? cpus : 1;
}

size_t platform_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t platform_memory_bytes(void)
{
    size_t machine = (size_t)sysconf(_SC_PHYS_PAGES) * platform_page_bytes(), limit = (size_t)memory_limit();
    return limit < machine ? limit : machine;
}

/* ---- Memory ---- */

static size_t round_up_pages(size_t bytes)
{
    size_t page = platform_page_bytes();
    return (bytes + page - 1) / page * page;
}

/* mmap promises a page's alignment only: for more, map too much and give back what sticks out on either side.
 */
void *platform_map(size_t bytes, size_t alignment)
{
    size_t size = round_up_pages(bytes), slack = alignment > platform_page_bytes() ? alignment : 0;
    if (bytes == 0 || size < bytes || size > SIZE_MAX - slack) {
        return NULL;
    }
    char *mapped = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        return NULL;
    }
    size_t before = slack != 0 ? -(uintptr_t)mapped & (slack - 1) : 0, after = slack - before;
    if (before != 0) {
        munmap(mapped, before);
    }
    if (after != 0) {
        munmap(mapped + before + size, after);
    }
    return mapped + before;
}

void platform_unmap(void *pages, size_t bytes)
{
    munmap(pages, round_up_pages(bytes));
}

void platform_advise_huge(void *pages, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    madvise(pages, bytes, MADV_HUGEPAGE);
#else
    (void)pages;
    (void)bytes;
#endif
}

/* ---- Threads ---- */

_Static_assert(sizeof(pthread_t) <= sizeof(PlatformThread), "a pthread_t fits in a PlatformThread");

/* Signals are blocked around the start, not in the new thread: a thread inherits the mask, so there is no
 * moment in which a signal could reach it.  One stack size everywhere: musl's default is too small, glibc's
 * is ulimit's. */
int platform_thread_start(PlatformThread *thread, void *(*body)(void *), void *argument)
{
    const size_t stack_bytes = (size_t)1 << 20;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t handle;
    if (pthread_attr_init(&attributes) != 0) {
        return -1;
    }
    sigfillset(&all);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&handle, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) {
        return -1;
    }
    *thread = (PlatformThread)handle;
    return 0;
}

void platform_thread_join(PlatformThread thread)
{
    pthread_join((pthread_t)thread, NULL);
}

#ifdef __linux__

int platform_current_cpu(void)
{
    return sched_getcpu();
}

void platform_avoid_cpu(int cpu, int before)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return;
    }
    if (before >= 0) {
        CPU_SET((size_t)before, &set);
    }
    CPU_CLR((size_t)cpu, &set);
    if (CPU_COUNT(&set) > 0) {
        sched_setaffinity(0, sizeof(set), &set);
    }
}

void platform_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void platform_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void reset_waiters(void)
{
}

#else

int platform_current_cpu(void)
{
    return -1;
}

void platform_avoid_cpu(int cpu, int before)
{
    (void)cpu;
    (void)before;
}

/* All waiters share one queue: a wake is rare enough, and waking too many is allowed. */
static pthread_mutex_t waiters_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t waiters = PTHREAD_COND_INITIALIZER;

void platform_wait(_Atomic uint32_t *word, uint32_t expected)
{
    pthread_mutex_lock(&waiters_lock);
    if (atomic_load(word) == expected) {
        pthread_cond_wait(&waiters, &waiters_lock);
    }
    pthread_mutex_unlock(&waiters_lock);
}

void platform_wake(_Atomic uint32_t *word, int count)
{
    (void)word;
    (void)count;
    pthread_mutex_lock(&waiters_lock);
    pthread_cond_broadcast(&waiters);
    pthread_mutex_unlock(&waiters_lock);
}

/* In a forked child the lock may be held, and the queue peopled, by threads that do not exist there. */
static void reset_waiters(void)
{
    waiters_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    waiters = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

#endif

static void (*fork_hook)(void);

static void after_fork(void)
{
    reset_waiters();
    fork_hook();
}

int platform_on_fork(void (*child)(void))
{
    if (fork_hook != NULL) {
        return 0;
    }
    fork_hook = child;
    if (pthread_atfork(NULL, NULL, after_fork) != 0) {
        fork_hook = NULL;
        return -1;
    }
    return 0;
}

/* ---- Shared objects ---- */

void *platform_library_beside(const void *symbol, const char *name)
{
    Dl_info own;
    char path[4096];
    if (dladdr(symbol, &own) == 0 || own.dli_fname == NULL)
        return NULL;
    const char *slash = strrchr(own.dli_fname, '/');
    int folder = slash ? (int)(slash + 1 - own.dli_fname) : 0;
    int length = snprintf(path, sizeof path, "%.*s%s", folder, own.dli_fname, name);
    return length > 0 && length < (int)sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

void *platform_library_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

/* ---- Process ---- */

int64_t platform_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int platform_pid(void)
{
    return (int)getpid();
}
