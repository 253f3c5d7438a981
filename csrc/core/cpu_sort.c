/* Sorting on the CPU.  Elements of every dtype become unsigned keys of the same order, so there is one sort:
 * merging for short rows, a radix sort for long ones, which threads share if there is one row.  Where few are
 * asked for, the last of them is selected first, digit by digit, and only what stands before it is sorted.
 * All are stable; descending order is ascending order of the complemented keys. */
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
/* A long row is sorted in parts, which threads share, by wider digits. */
enum { PART = 1 << 14, PARTS_PER_WORKER = 4, LONG_ROW = 1 << 16, LONG_DIGIT = 10, BUCKETS = 1 << LONG_DIGIT };

typedef struct Item {
    uint64_t key;
    int64_t index;
} Item;

/* A worker's space: n items, as many to spare, n keys, and so many parts' counts. */
#define WORKER_ITEMS(n, parts) (2 * (n) + ((n) + 1) / 2 + (parts) * (int64_t)(BUCKETS * sizeof(int64_t) / sizeof(Item)))

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
    int64_t parts;
    bool stopped;
} SortJob;

/* Of the elements begin ... end - 1 of what is asked for, whose indices are there. */
static void
store_values(const Sort *s, int64_t row, int64_t begin, int64_t end)
{
    const int64_t size = dtype_info[s->dtype].itemsize, *indices = s->indices + row * s->k;
    const char *in = s->in + row * s->n * size;
    if (s->values == NULL)
        return;
    char *values = s->values + row * s->k * size;
    switch (size) {
#define VALUES(type) \
    for (int64_t i = begin; i < end; i++) \
        ((type *)(void *)values)[i] = ((const type *)(const void *)in)[indices[i]]; \
    break
    case 1: VALUES(uint8_t);
    case 2: VALUES(uint16_t);
    case 4: VALUES(uint32_t);
    default: VALUES(uint64_t);
    }
}

static void
store_items(const Sort *s, int64_t row, const Item *items)
{
    for (int64_t i = 0; i < s->k; i++)
        s->indices[row * s->k + i] = items[i].index;
    store_values(s, row, 0, s->k);
}

/* A worker's arrays: of n items, n items, n keys, and the counts of each part. */
typedef struct Space {
    Item *items, *spare;
    uint64_t *keys;
    int64_t (*counts)[BUCKETS];
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

/* ---------------------------------------------------------------- a radix sort in parts */
/* Of words that hold the differing bits of a key above its place, or of two words, key and place, where these are too
 * many.  The order is the same in however many parts: the elements of one bucket lie part by part. */
typedef struct Radix {
    const Sort *s;
    int64_t row, n, parts;
    uint64_t *keys;
    const int64_t *places;             /* of the keys; NULL: theirs are not loaded yet, and each has its own place */
    uint64_t any, all;                 /* bits that some key has, and that all have */
    int low, place_bits;               /* the lowest differing bit; a word's lowest bits, 0 where there are two */
    uint64_t *from, *to;
    int shift, bits;                   /* the digit */
    int64_t (*counts)[BUCKETS];
} Radix;

static int64_t
part_begin(int64_t n, int64_t parts, int64_t part)
{
    return n / parts * part + (part < n % parts ? part : n % parts);
}

static const char *
row_of(const Sort *s, int64_t row)
{
    return s->in + row * s->n * dtype_info[s->dtype].itemsize;
}

static void
load_part(void *context, int64_t part, int worker)
{
    Radix *r = context;
    const int64_t begin = part_begin(r->n, r->parts, part), end = part_begin(r->n, r->parts, part + 1);
    uint64_t any = 0, all = UINT64_MAX;
    (void)worker;
    if (r->places == NULL)
        load_keys(r->keys + begin, row_of(r->s, r->row), r->s->dtype, begin, end - begin, r->s->descending);
    for (int64_t i = begin; i < end; i++) {
        any |= r->keys[i];
        all &= r->keys[i];
    }
    __atomic_fetch_or(&r->any, any, __ATOMIC_RELAXED);
    __atomic_fetch_and(&r->all, all, __ATOMIC_RELAXED);
}

static void
make_part(void *context, int64_t part, int worker)
{
    const Radix *r = context;
    const int64_t begin = part_begin(r->n, r->parts, part), end = part_begin(r->n, r->parts, part + 1);
    const uint64_t common = r->all;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const uint64_t place = (uint64_t)(r->places ? r->places[i] : i);
        if (r->place_bits > 0)
            r->from[i] = (r->keys[i] ^ common) >> r->low << r->place_bits | place;
        else {
            r->from[2 * i] = r->keys[i];
            r->from[2 * i + 1] = place;
        }
    }
}

static void
count_part(void *context, int64_t part, int worker)
{
    const Radix *r = context;
    const int64_t begin = part_begin(r->n, r->parts, part), end = part_begin(r->n, r->parts, part + 1);
    const int64_t step = r->place_bits > 0 ? 1 : 2;
    const uint64_t mask = ((uint64_t)1 << r->bits) - 1, *from = r->from;
    int64_t *count = r->counts[part];
    (void)worker;
    memset(count, 0, sizeof *count << r->bits);
    for (int64_t i = step * begin; i < step * end; i += step)
        count[from[i] >> r->shift & mask]++;
}

/* Counts become the place of each part's first element in each bucket. */
static void
place_buckets(const Radix *r)
{
    int64_t start = 0;
    for (int64_t digit = 0; digit < (int64_t)1 << r->bits; digit++)
        for (int64_t part = 0; part < r->parts; part++) {
            int64_t here = r->counts[part][digit];
            r->counts[part][digit] = start;
            start += here;
        }
}

static void
move_part(void *context, int64_t part, int worker)
{
    const Radix *r = context;
    const int64_t begin = part_begin(r->n, r->parts, part), end = part_begin(r->n, r->parts, part + 1);
    const uint64_t mask = ((uint64_t)1 << r->bits) - 1, *from = r->from;
    const int shift = r->shift;
    uint64_t *to = r->to;
    int64_t *at = r->counts[part];
    (void)worker;
    if (r->place_bits > 0)
        for (int64_t i = begin; i < end; i++)
            to[at[from[i] >> shift & mask]++] = from[i];
    else
        for (int64_t i = begin; i < end; i++) {
            const int64_t place = at[from[2 * i] >> shift & mask]++;
            to[2 * place] = from[2 * i];
            to[2 * place + 1] = from[2 * i + 1];
        }
}

static void
store_part(void *context, int64_t part, int worker)
{
    const Radix *r = context;
    const Sort *s = r->s;
    const int64_t begin = part_begin(s->k, r->parts, part), end = part_begin(s->k, r->parts, part + 1);
    const uint64_t mask = ((uint64_t)1 << r->place_bits) - 1;
    int64_t *indices = s->indices + r->row * s->k;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        indices[i] = (int64_t)(r->place_bits > 0 ? r->from[i] & mask : r->from[2 * i + 1]);
    store_values(s, r->row, begin, end);
}

static int
for_parts(Radix *r, ParallelTask body)
{
    if (r->parts > 1)
        return parallel_run(r->parts, parallel_threads_now(), body, r);
    body(r, 0, 0);
    return 0;
}

/* Sorts what the keys stand for and stores it; -1: it was told to stop. */
static int
radix_sort(Radix *r, const Space *w)
{
    uint64_t *items = (uint64_t *)(void *)w->items, *spare = (uint64_t *)(void *)w->spare;
    if (for_parts(r, load_part) < 0)
        return -1;
    const uint64_t differ = r->any & ~r->all;
    const int width = differ ? 64 - __builtin_clzll(differ) - __builtin_ctzll(differ) : 1;
    const int place_bits = 64 - __builtin_clzll((uint64_t)r->s->n);
    const int most = r->n < LONG_ROW ? DIGIT : LONG_DIGIT, passes = (width + most - 1) / most;
    r->low = differ ? __builtin_ctzll(differ) : 0;
    r->place_bits = width + place_bits <= 64 ? place_bits : 0;
    r->bits = (width + passes - 1) / passes;
    r->from = r->place_bits > 0 ? w->keys : items;
    r->to = r->place_bits > 0 ? items : spare;
    if (for_parts(r, make_part) < 0)
        return -1;
    for (int pass = 0; pass < passes; pass++) {
        if ((differ >> r->low >> pass * r->bits & (((uint64_t)1 << r->bits) - 1)) == 0)
            continue;
        r->shift = pass * r->bits + (r->place_bits > 0 ? r->place_bits : r->low);
        if (for_parts(r, count_part) < 0)
            return -1;
        place_buckets(r);
        if (for_parts(r, move_part) < 0)
            return -1;
        r->from = r->to;
        r->to = r->from == items ? spare : items;
    }
    return for_parts(r, store_part);
}

/* The first k, or all of a row, sorted and stored. */
static int
sort_items(const SortJob *job, int64_t row, const Space *w)
{
    const Sort *s = job->s;
    uint64_t *rest = (uint64_t *)(void *)w->spare;
    const bool all = s->k > s->n / 4;
    Held h = {w->keys, rest, (int64_t *)(void *)rest + s->n, 0};
    if (!all)
        hold_first(&h, s, row_of(s, row), s->k);
    const int64_t m = all ? s->n : s->k;
    if (m > RADIX_ABOVE) {
        Radix r = {.s = s, .row = row, .n = m, .parts = m < 2 * PART ? 1 : job->parts, .keys = w->keys,
                   .places = all ? NULL : h.places, .all = UINT64_MAX, .counts = w->counts};
        return radix_sort(&r, w);
    }
    if (all)
        load_keys(w->keys, row_of(s, row), s->dtype, 0, m, s->descending);
    for (int64_t i = 0; i < m; i++)
        w->items[i] = (Item){w->keys[i], all ? i : h.places[i]};
    store_items(s, row, merge_sort(w->items, w->spare, m));
    return 0;
}

static void
sort_row(void *context, int64_t row, int worker)
{
    SortJob *job = context;
    const Sort *s = job->s;
    Item *items = job->space + worker * WORKER_ITEMS(s->n, job->parts);
    uint64_t *keys = (uint64_t *)(void *)(items + 2 * s->n);
    Space w = {items, items + s->n, keys, (int64_t (*)[BUCKETS])(void *)(items + WORKER_ITEMS(s->n, 0))};
    if (s->places == NULL && (s->k > INSERT_MAX || s->k > s->n / 4)) {
        if (sort_items(job, row, &w) < 0)
            job->stopped = true;
        return;
    }
    if (s->places != NULL)
        items[0].index = find_place(s, row_of(s, row), &w, s->places[row]);
    else
        insert_best(items, s, row_of(s, row), s->k);
    store_items(s, row, items);
}

/* Of a row, if it is the only one and so long: its sort's threads share them. */
static int64_t
parts_of(const Sort *s)
{
    int64_t most = (int64_t)PARTS_PER_WORKER * parallel_threads_now(), parts = s->n / PART;
    return s->rows > 1 || parts < 2 ? 1 : parts < most ? parts : most;
}

int
cpu_sort(const Sort *s)
{
    if (s->rows == 0 || s->n == 0 || s->k == 0)
        return 0;
    bool small = s->rows * s->n < RELEASE_GIL_ABOVE;
    int workers = small || s->rows == 1 ? 1 : parallel_threads_now(), result = 0;
    const int64_t parts = parts_of(s);
    size_t bytes;
    if (s->n > INT64_MAX / 4 || __builtin_mul_overflow((size_t)WORKER_ITEMS(s->n, parts), sizeof(Item) * (size_t)workers, &bytes)) {
        no_memory(INT64_MAX);
        return -1;
    }
    SortJob job = {s, allocator_alloc(bytes), parts, false}; /* long rows: fresh pages would take as long as the sort */
    if (job.space == NULL) {
        no_memory((int64_t)bytes);
        return -1;
    }
    if (small)
        for (int64_t row = 0; row < s->rows; row++)
            sort_row(&job, row, 0);
    else {
        Py_BEGIN_ALLOW_THREADS
        if (parts == 1)
            result = parallel_run(s->rows, workers, sort_row, &job);
        else
            sort_row(&job, 0, 0);
        Py_END_ALLOW_THREADS
        if (job.stopped)
            result = -1;
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
