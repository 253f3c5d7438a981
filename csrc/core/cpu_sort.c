/* Sorting on the CPU.  Elements of every dtype become unsigned keys of the same order, so there is one sort:
 * merging for short rows, a radix sort by bytes for long ones.  Where few are asked for, the last of them is
 * selected first, digit by digit, and only what stands before it is sorted.  All are stable; descending order is
 * ascending order of the complemented keys. */
#include <string.h>

#include "abi/sort.h"
#include "core/allocator.h"
#include "core/cpu.h"
#include "core/cpu_reduce.h"
#include "core/parallel.h"
#include "ctorch.h"

/* KEY_BLOCK: keys made at a time; ROOM: candidates for each place asked for; COMPARE_ALL: of rows up to this length an
 * element's place is counted. */
enum { KEY_BLOCK = 256, ROOM = 4, RUN = 16, RADIX_ABOVE = 512, INSERT_MAX = 32, COMPARE_ALL = 128 };
enum { RELEASE_GIL_ABOVE = 1 << 13, DIGIT = 8, DIGITS = 1 << DIGIT };

typedef struct Item {
    uint64_t key;
    int64_t index;
} Item;

/* A worker's space: n items, as many to spare, and n keys. */
#define WORKER_ITEMS(n) (2 * (n) + ((n) + 1) / 2)

/* ---------------------------------------------------------------- keys */
static bool
has_short_keys(Dtype dtype)
{
    return dtype == DTYPE_FLOAT || dtype == DTYPE_HALF || dtype == DTYPE_BF16;
}

/* Of elements first ... first + n - 1 of a row. */
static void
load_keys(uint64_t *keys, const char *row, Dtype dtype, int64_t first, int64_t n, bool descending)
{
    uint64_t flip = !descending ? 0 : has_short_keys(dtype) ? UINT32_MAX : UINT64_MAX;
    cpu_kernels->sort_keys(keys, row + first * dtype_info[dtype].itemsize, dtype, n, flip);
}

/* ---------------------------------------------------------------- sorts: the result is in the array returned */
static void
insertion_sort(Item *items, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        Item item = items[i];
        int64_t at = i;
        for (; at > 0 && items[at - 1].key > item.key; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

static Item *
merge_sort(Item *items, Item *spare, int64_t n)
{
    for (int64_t i = 0; i < n; i += RUN)
        insertion_sort(items + i, n - i < RUN ? n - i : RUN);
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t i = 0; i < n; i += 2 * width) {
            int64_t middle = i + width < n ? i + width : n, end = i + 2 * width < n ? i + 2 * width : n;
            int64_t a = i, b = middle;
            for (int64_t to = i; to < end; to++)
                spare[to] =
                    b >= end || (a < middle && items[a].key <= items[b].key) ? items[a++] : items[b++];
        }
        Item *sorted = spare;
        spare = items;
        items = sorted;
    }
    return items;
}

/* top: the shift of the keys' highest digit. */
static Item *
radix_sort(Item *items, Item *spare, int64_t n, int top)
{
    int64_t counts[8][256];
    const int bytes = top / 8 + 1;
    memset(counts, 0, (size_t)bytes * sizeof counts[0]);
    for (int64_t i = 0; i < n; i++)
        for (int byte = 0; byte < bytes; byte++)
            counts[byte][items[i].key >> 8 * byte & 0xff]++;
    for (int byte = 0; byte < bytes; byte++) {
        int64_t *count = counts[byte], start = 0;
        if (count[items[0].key >> 8 * byte & 0xff] == n)
            continue;
        for (int digit = 0; digit < 256; digit++) {
            int64_t here = count[digit];
            count[digit] = start;
            start += here;
        }
        for (int64_t i = 0; i < n; i++)
            spare[count[items[i].key >> 8 * byte & 0xff]++] = items[i];
        Item *sorted = spare;
        spare = items;
        items = sorted;
    }
    return items;
}

/* ---------------------------------------------------------------- selection */
/* Neighbours count apart: a counter's next increment waits for the last one's store. */
static void
count_digits(int64_t *count, const uint64_t *keys, int64_t n, int shift)
{
    int32_t apart[4][DIGITS] = {{0}};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int lane = 0; lane < 4; lane++)
            apart[lane][keys[i + lane] >> shift & (DIGITS - 1)]++;
    for (; i < n; i++)
        apart[0][keys[i] >> shift & (DIGITS - 1)]++;
    for (int digit = 0; digit < DIGITS; digit++)
        count[digit] = (int64_t)apart[0][digit] + apart[1][digit] + apart[2][digit] + apart[3][digit];
}

/* The shift of the highest digit in which keys differ; -1: they are equal. */
static int
differing_digit(const uint64_t *keys, int64_t n)
{
    uint64_t differ = 0;
    for (int64_t i = 1; i < n; i++)
        differ |= keys[i] ^ keys[0];
    return differ == 0 ? -1 : (63 - __builtin_clzll(differ)) / DIGIT * DIGIT;
}

/* The key at `place` of the sorted keys; *before: how many are less.  Of each digit, from the highest, the keys that
 * share it with the sought one remain, in `rest`, which may be `keys` itself. */
static uint64_t
select_key(const uint64_t *keys, uint64_t *rest, int64_t n, int64_t place, int64_t *before)
{
    int64_t first = place;
    for (int shift; (shift = differing_digit(keys, n)) >= 0;) {
        int64_t count[DIGITS], kept = 0, digit = 0;
        count_digits(count, keys, n, shift);
        for (; place >= count[digit]; digit++)
            place -= count[digit];
        for (int64_t i = 0; i < n; i++) {
            uint64_t key = keys[i];
            rest[kept] = key;
            kept += (int64_t)(key >> shift & (DIGITS - 1)) == digit;
        }
        keys = rest;
        n = kept;
    }
    *before = first - place;
    return keys[0];
}

/* The index of occurrence `nth` of a key that occurs so often. */
static int64_t
find_key(const uint64_t *keys, uint64_t key, int64_t nth)
{
    int64_t i = 0;
    for (;; i++)
        if (keys[i] == key && nth-- == 0)
            return i;
}

/* Candidates for the first k of a row: their keys and places, in the order they stand in. */
typedef struct Held {
    uint64_t *keys, *rest;
    int64_t *places;
    int64_t n;
} Held;

/* The first k remain: all below the k-th key, which is returned, and the first of its equals. */
static uint64_t
keep_first(Held *h, int64_t k)
{
    int64_t before, kept = 0;
    uint64_t last = select_key(h->keys, h->rest, h->n, k - 1, &before);
    int64_t equals = k - before;
    for (int64_t i = 0; kept < k; i++)
        if (h->keys[i] < last || (h->keys[i] == last && equals-- > 0)) {
            h->keys[kept] = h->keys[i];
            h->places[kept++] = h->places[i];
        }
    h->n = k;
    return last;
}

/* The first k of n, not yet sorted: what is behind the k-th so far is looked at once and passed over. */
static void
hold_first(Held *h, const Sort *s, const char *row, int64_t k)
{
    const int64_t room = ROOM * k + KEY_BLOCK < s->n ? ROOM * k + KEY_BLOCK : s->n;
    uint64_t block[KEY_BLOCK], last = UINT64_MAX;
    bool chosen = false;
    for (int64_t i = 0; i < s->n; i += KEY_BLOCK) {
        int64_t m = s->n - i < KEY_BLOCK ? s->n - i : KEY_BLOCK;
        load_keys(block, row, s->dtype, i, m, s->descending);
        if (h->n + m > room) {
            last = keep_first(h, k);
            chosen = true;
        }
        for (int64_t j = 0; j < m; j++)
            if (!chosen || block[j] < last) {
                h->keys[h->n] = block[j];
                h->places[h->n++] = i + j;
            }
    }
    if (h->n > k)
        keep_first(h, k);
}

/* The k best, sorted; most keys are looked at once and passed over. */
static void
insert_best(Item *best, const Sort *s, const char *row, int64_t k)
{
    uint64_t keys[KEY_BLOCK], worst = UINT64_MAX;
    int64_t filled = 0;
    for (int64_t first = 0; first < s->n; first += KEY_BLOCK) {
        int64_t m = s->n - first < KEY_BLOCK ? s->n - first : KEY_BLOCK;
        load_keys(keys, row, s->dtype, first, m, s->descending);
        for (int64_t i = 0; i < m; i++) {
            if (filled == k && keys[i] >= worst)
                continue;
            int64_t at = filled < k ? filled++ : k - 1;
            for (; at > 0 && best[at - 1].key > keys[i]; at--)
                best[at] = best[at - 1];
            best[at] = (Item){keys[i], first + i};
            if (filled == k)
                worst = best[k - 1].key;
        }
    }
}

/* ---------------------------------------------------------------- rows */
typedef struct SortJob {
    const Sort *s;
    Item *space;
} SortJob;

static void
store_row(const Sort *s, int64_t row, const Item *items)
{
    int64_t size = dtype_info[s->dtype].itemsize, *indices = s->indices + row * s->k;
    const char *in = s->in + row * s->n * size;
    for (int64_t i = 0; i < s->k; i++)
        indices[i] = items[i].index;
    if (s->values == NULL)
        return;
    char *values = s->values + row * s->k * size;
    switch (size) {
#define VALUES(type) \
    for (int64_t i = 0; i < s->k; i++) \
        ((type *)(void *)values)[i] = ((const type *)(const void *)in)[items[i].index]; \
    break
    case 1: VALUES(uint8_t);
    case 2: VALUES(uint16_t);
    case 4: VALUES(uint32_t);
    default: VALUES(uint64_t);
    }
}

/* A worker's arrays: of n items, n items, and n keys. */
typedef struct Space {
    Item *items, *spare;
    uint64_t *keys;
} Space;

/* The element at `place` of the sorted row; it is sought among the first where these are few. */
static int64_t
find_place(const Sort *s, const char *row, const Space *w, int64_t place)
{
    uint64_t *rest = (uint64_t *)(void *)w->spare;
    int64_t before;
    if (s->n <= COMPARE_ALL) {
        load_keys(w->keys, row, s->dtype, 0, s->n, s->descending);
        uint64_t key = cpu_kernels->key_at_place(w->keys, s->n, place, &before);
        return find_key(w->keys, key, place - before);
    }
    if (place < s->n / 4) {
        Held h = {w->keys, rest, (int64_t *)(void *)w->items, 0};
        int64_t at = 0;
        hold_first(&h, s, row, place + 1);
        for (int64_t i = 1; i <= place; i++)
            at = h.keys[i] >= h.keys[at] ? i : at;
        return h.places[at];
    }
    load_keys(w->keys, row, s->dtype, 0, s->n, s->descending);
    uint64_t key = select_key(w->keys, rest, s->n, place, &before);
    return find_key(w->keys, key, place - before);
}

/* The first k items, or all of them, in the order they stand in; returns their number. */
static int64_t
load_items(const Sort *s, const char *row, const Space *w)
{
    uint64_t *rest = (uint64_t *)(void *)w->spare;
    if (s->k > s->n / 4) {
        load_keys(w->keys, row, s->dtype, 0, s->n, s->descending);
        for (int64_t i = 0; i < s->n; i++)
            w->items[i] = (Item){w->keys[i], i};
        return s->n;
    }
    Held h = {w->keys, rest, (int64_t *)(void *)rest + s->n, 0};
    hold_first(&h, s, row, s->k);
    for (int64_t i = 0; i < s->k; i++)
        w->items[i] = (Item){h.keys[i], h.places[i]};
    return s->k;
}

static void
sort_row(void *context, int64_t index, int worker)
{
    const SortJob *job = context;
    const Sort *s = job->s;
    Item *items = job->space + worker * WORKER_ITEMS(s->n);
    Space w = {items, items + s->n, (uint64_t *)(void *)(items + 2 * s->n)};
    const char *row = s->in + index * s->n * dtype_info[s->dtype].itemsize;
    int top = has_short_keys(s->dtype) ? 24 : 56;
    if (s->places != NULL)
        items[0].index = find_place(s, row, &w, s->places[index]);
    else if (s->k <= INSERT_MAX && s->k <= s->n / 4)
        insert_best(items, s, row, s->k);
    else {
        int64_t m = load_items(s, row, &w);
        items = m > RADIX_ABOVE ? radix_sort(items, w.spare, m, top) : merge_sort(items, w.spare, m);
    }
    store_row(s, index, items);
}

int
cpu_sort(const Sort *s)
{
    if (s->rows == 0 || s->n == 0 || s->k == 0)
        return 0;
    bool small = s->rows * s->n < RELEASE_GIL_ABOVE;
    int workers = small || s->rows == 1 ? 1 : parallel_threads_now(), result = 0;
    size_t bytes;
    if (s->n > INT64_MAX / 4 || __builtin_mul_overflow((size_t)WORKER_ITEMS(s->n), sizeof(Item) * (size_t)workers, &bytes)) {
        no_memory(INT64_MAX);
        return -1;
    }
    SortJob job = {s, allocator_alloc(bytes)};        /* long rows: fresh pages would take as long as the sort */
    if (job.space == NULL) {
        no_memory((int64_t)bytes);
        return -1;
    }
    if (small)
        for (int64_t row = 0; row < s->rows; row++)
            sort_row(&job, row, 0);
    else {
        Py_BEGIN_ALLOW_THREADS result = parallel_run(s->rows, workers, sort_row, &job);
        Py_END_ALLOW_THREADS
    }
    allocator_free(job.space, bytes);
    if (result < 0 && !PyErr_Occurred())
        PyErr_CheckSignals();
    return result;
}

/* ---------------------------------------------------------------- places in sorted rows */
#define SEARCH(type) \
    static int64_t search_##type(const type *sorted, int64_t n, type x, bool right) \
    { \
        const type *low = sorted; \
        for (; n > 1; n -= n / 2) {                    /* a product, for which way it goes cannot be foretold */ \
            bool before = right ? !(low[n / 2 - 1] > x) : !(low[n / 2 - 1] >= x); \
            low += n / 2 * before; \
        } \
        return low - sorted + (n == 1 && (right ? !(*low > x) : !(*low >= x))); \
    } \
    static void search_range_##type(void *context, int64_t begin, int64_t end) \
    { \
        const Search *s = context; \
        const type *sorted = (const type *)(const void *)s->sorted, *x = (const type *)(const void *)s->values; \
        for (int64_t i = begin; i < end; i++) \
            s->places[i] = search_##type(sorted + (s->by_rows ? i / s->length * s->n : 0), s->n, x[i], s->right); \
    }
SEARCH(float)
SEARCH(double)
SEARCH(int64_t)

int
cpu_search(const Search *s)
{
    enum { GRAIN = 1 << 8 };           /* searches, of 20 ns or more */
    ParallelRange body = s->dtype == DTYPE_FLOAT    ? search_range_float
                         : s->dtype == DTYPE_DOUBLE ? search_range_double
                                                    : search_range_int64_t;
    return cpu_parallel_for(s->count >= RELEASE_GIL_ABOVE, s->count, GRAIN, body, (void *)s);
}
