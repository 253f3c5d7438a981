/* Tests of csrc/core/allocator.c and of platform.c's memory functions.  No Python;
 * run.py builds it, with or without CTORCH_SANITIZE=address,undefined (then with
 * ASAN_OPTIONS=allocator_may_return_null=1, set below).  Exits 0 when every check holds.  CPU and threads: test_parallel.c. */
#include "core/allocator.h"
#include "core/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                    \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#ifdef CTORCH_HOSTILE
#define HOSTILE 1
#else
#define HOSTILE 0
#endif

/* A failed allocation is NULL, as it is without the sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

#define MIB ((size_t)1 << 20)

/* ---- Pages ---- */

static void check_map(size_t bytes, size_t alignment)
{
    unsigned char *pages = platform_map(bytes, alignment);
    CHECK(pages != NULL && (uintptr_t)pages % platform_page_bytes() == 0);
    CHECK(alignment == 0 || (uintptr_t)pages % alignment == 0);
    platform_advise_huge(pages, bytes);
    for (size_t i = 0; i < bytes; i += 4096) {
        CHECK(pages[i] == 0);
        pages[i] = 1;
    }
    pages[bytes - 1] = 1;
    platform_unmap(pages, bytes);
}

static void test_pages(void)
{
    size_t page = platform_page_bytes();
    CHECK(page >= 4096 && (page & (page - 1)) == 0);
    for (size_t alignment = 0; alignment <= 8 * MIB; alignment = alignment ? alignment * 2 : 64) {
        check_map(1, alignment);
        check_map(page + 1, alignment);
        check_map(3 * MIB, alignment);
    }
    CHECK(platform_map(0, 64) == NULL && platform_map(SIZE_MAX, 64) == NULL);
    CHECK(platform_map(SIZE_MAX - MIB, 2 * MIB) == NULL && platform_map(SIZE_MAX / 2, 64) == NULL);
    CHECK(platform_memory_bytes() >= 16 * MIB);
}

/* ---- Blocks ---- */

static void fill(void *block, size_t bytes, unsigned char value)
{
    if (bytes > 0) {
        memset(block, value, bytes);
    }
}

/* Every size up to 5000, then sizes around each eighth of a power of two. */
static size_t next_size(size_t bytes)
{
    if (bytes < 5000) {
        return bytes + 1;
    }
    size_t last = bytes - 1, eighth = (size_t)1 << (60 - __builtin_clzll(last)),
           boundary = last / eighth * eighth + eighth;
    return bytes < boundary ? boundary : bytes == boundary ? boundary + 1 : boundary + eighth;
}

static void test_sizes(void)
{
    allocator_empty_cache();
    for (size_t bytes = 0; bytes < 20 * MIB; bytes = next_size(bytes)) {
        int64_t live = allocator_live_bytes(), blocks = allocator_live_blocks();
        void *block = allocator_alloc(bytes);
        CHECK(block != NULL && (uintptr_t)block % ALLOCATOR_ALIGNMENT == 0);
        CHECK(allocator_live_bytes() == live + (int64_t)bytes && allocator_live_blocks() == blocks + 1);
        fill(block, bytes, 0x5a);
        allocator_free(block, bytes);
        CHECK(allocator_live_bytes() == live && allocator_live_blocks() == blocks);
        size_t rounded = (size_t)allocator_cached_bytes();
        CHECK(HOSTILE ? rounded == 0 : rounded >= bytes && rounded % 64 == 0);
        CHECK(bytes < 64 || rounded <= bytes + bytes / 8 + 64);
        CHECK(bytes <= 512 || rounded <= bytes + bytes / 8);
        allocator_empty_cache();
        CHECK(allocator_cached_bytes() == 0);
    }
    allocator_free(NULL, 100);
    CHECK(allocator_live_blocks() == 0);
}

static void test_impossible_sizes(void)
{
    const size_t sizes[] = {SIZE_MAX,     SIZE_MAX - 63,   SIZE_MAX / 2 + 1,
                            SIZE_MAX / 2, (size_t)1 << 60, (size_t)1 << 48};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(allocator_alloc(sizes[i]) == NULL);
    }
    CHECK(allocator_live_bytes() == 0 && allocator_live_blocks() == 0);
}

/* The last freed block comes back first, and any size of its class gets it. */
static void test_reuse(void)
{
    const size_t sizes[] = {1, 64, 100, 4096, 100000, 3 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *first = allocator_alloc(sizes[i]), *second = allocator_alloc(sizes[i]);
        CHECK(first != NULL && second != NULL && first != second);
        allocator_free(first, sizes[i]);
        allocator_free(second, sizes[i]);
        void *third = allocator_alloc(sizes[i] - 1), *fourth = allocator_alloc(sizes[i]);
        CHECK(third != fourth && (HOSTILE || (third == second && fourth == first)));
        CHECK(allocator_cached_bytes() == 0);
        allocator_free(third, sizes[i] - 1);
        allocator_free(fourth, sizes[i]);
        allocator_empty_cache();
    }
}

/* Random traffic: blocks never overlap (each keeps its own byte) and the figures return to zero. */
static void test_traffic(void)
{
    enum { SLOTS = 200, ROUNDS = 40000 };
    static struct {
        unsigned char *block;
        size_t bytes;
    } slots[SLOTS];
    uint64_t state = 1;
    int64_t expected = 0;
    for (int round = 0; round < ROUNDS; round++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned slot = (unsigned)(state >> 40) % SLOTS, value = slot + 1;
        size_t bytes = (size_t)(state >> 33 & 0xffff) >> (state >> 60);
        if (slots[slot].block == NULL) {
            slots[slot].block = allocator_alloc(bytes);
            slots[slot].bytes = bytes;
            CHECK(slots[slot].block != NULL);
            fill(slots[slot].block, bytes, (unsigned char)value);
            expected += (int64_t)bytes;
            continue;
        }
        for (size_t i = 0; i < slots[slot].bytes; i++) {
            CHECK(slots[slot].block[i] == (unsigned char)value);
        }
        allocator_free(slots[slot].block, slots[slot].bytes);
        expected -= (int64_t)slots[slot].bytes;
        slots[slot].block = NULL;
        CHECK(allocator_live_bytes() == expected);
    }
    for (int i = 0; i < SLOTS; i++) {
        allocator_free(slots[i].block, slots[i].block ? slots[i].bytes : 0);
        slots[i].block = NULL;
    }
    CHECK(allocator_live_bytes() == 0 && allocator_live_blocks() == 0);
    allocator_empty_cache();
}

/* ---- The cache's bound ---- */

static void test_bound(void)
{
    int64_t limit = allocator_cache_limit();
    const size_t bytes = 64 * MIB;
    CHECK(limit > 0 && (size_t)limit <= platform_memory_bytes() / 4 && limit <= (int64_t)2 << 30);
    static void *blocks[40];
    for (int i = 0; i < 40; i++) { /* 2.5 GiB of addresses; the pages are never touched but the first */
        CHECK((blocks[i] = allocator_alloc(bytes)) != NULL);
    }
    for (int i = 0; i < 40; i++) {
        allocator_free(blocks[i], bytes);
        CHECK(allocator_cached_bytes() <= limit && (HOSTILE || allocator_cached_bytes() >= (int64_t)bytes));
    }
    void *giant = allocator_alloc((size_t)limit + 1);
    int64_t before = allocator_cached_bytes();
    CHECK(giant != NULL);
    allocator_free(giant, (size_t)limit + 1);
    CHECK(allocator_cached_bytes() <= before);
    allocator_empty_cache();
    CHECK(allocator_cached_bytes() == 0);
}

/* With too few addresses left for another size, the cache is emptied and the allocation succeeds. */
static void fill_address_space(void)
{
    struct rlimit limit = {256 * MIB, 256 * MIB};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    void *block = allocator_alloc(128 * MIB);
    CHECK(block != NULL);
    CHECK(allocator_alloc(160 * MIB) == NULL && allocator_live_blocks() == 1);
    allocator_free(block, 128 * MIB);
    CHECK(allocator_cached_bytes() >= (int64_t)(128 * MIB));
    block = allocator_alloc(160 * MIB);
    CHECK(block != NULL && allocator_cached_bytes() == 0);
    allocator_free(block, 160 * MIB);
}

/* The status of a forked child that runs `body` and exits with 0. */
static int child_status(void (*body)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

/* ---- Failure injection ---- */

static int fails(void)
{
    void *block = allocator_alloc(100);
    allocator_free(block, 100);
    return block == NULL;
}

static void test_failure_injection(void)
{
    int64_t before = allocator_faults.allocations;
    CHECK(!fails() && !allocator_should_fail() && allocator_faults.allocations == before + 2);
    for (int n = 0; n < 5; n++) {
        allocator_fail_after(n, 0);
        for (int i = 0; i < 10; i++) {
            CHECK((i % 2 ? fails() : allocator_should_fail()) == (i == n));
        }
        allocator_fail_after(n, 1);
        for (int i = 0; i < 10; i++) {
            CHECK((i % 2 ? fails() : allocator_should_fail()) == (i >= n));
        }
        allocator_fail_after(-1, 1);
        CHECK(!fails());
    }
    allocator_fail_after(INT64_MAX, 1);
    CHECK(!fails());
    allocator_fail_after(0, 1);
    allocator_fail_after(-1, 0);
    CHECK(!fails() && allocator_live_blocks() == 0);
}

/* ---- What the hostile build is for ---- */

static void overrun(void)
{
    volatile char *block = allocator_alloc(101);
    freopen("/dev/null", "w", stderr); /* the expected report is no news */
    block[101] = 1;
}

static void use_after_free(void)
{
    volatile char *block = allocator_alloc(101);
    freopen("/dev/null", "w", stderr);
    allocator_free((void *)block, 101);
    block[0] = 1;
}

static void overrun_nothing(void)
{
    volatile char *block = allocator_alloc(0);
    freopen("/dev/null", "w", stderr);
    block[1] = 1;
}

static void test_planted_faults(void)
{
    CHECK(child_status(overrun) != 0);
    CHECK(child_status(use_after_free) != 0);
    CHECK(child_status(overrun_nothing) != 0);
}

int main(void)
{
    test_pages();
    test_impossible_sizes();
    test_sizes();
    test_reuse();
    test_traffic();
    test_bound();
    test_failure_injection();
    if (!SANITIZED && !HOSTILE) {
        CHECK(child_status(fill_address_space) == 0);
    }
    if (SANITIZED && HOSTILE) {
        test_planted_faults();
    }
    allocator_empty_cache();
    CHECK(allocator_live_bytes() == 0 && allocator_live_blocks() == 0 && allocator_cached_bytes() == 0);
    puts("test_allocator: ok");
    return 0;
}
