/* Order statistics: kthvalue, median, mode, quantile.  All are read off sorted rows. */
#include <math.h>
#include <string.h>

#include "core/dtype.h"
#include "ops/ops.h"
#include "ops/return_types.h"

/* ---------------------------------------------------------------- one element of each sorted row */
/* The place in a sorted row of n that is picked; is_nan says of each place in the row whether it holds NaN. */
typedef struct Row {
    const Tensor *t;              /* the unsorted rows, dense */
    const int64_t *order;         /* their sorted indices */
    const char *data;
    int64_t n;
} Row;

typedef int64_t (*Pick_)(const Row *row, int64_t k);

static double
element(const Row *row, int64_t place)
{
    return dtype_load(row->data + row->order[place] * tensor_itemsize(row->t), (Dtype)row->t->dtype).f;
}

static int64_t
first_nan(const Row *row)
{
    int64_t low = 0, high = row->n;               /* NaN is sorted behind all numbers */
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (isnan(element(row, middle)))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int64_t
pick_kth(const Row *row, int64_t k)
{
    (void)row;
    return k - 1;
}

static int64_t
pick_median(const Row *row, int64_t k)
{
    int64_t nan = dtype_is_float((Dtype)row->t->dtype) ? first_nan(row) : row->n;
    (void)k;
    return nan < row->n ? nan : (row->n - 1) / 2;
}

static int64_t
pick_nanmedian(const Row *row, int64_t k)
{
    int64_t numbers = dtype_is_float((Dtype)row->t->dtype) ? first_nan(row) : row->n;
    (void)k;
    return numbers > 0 ? (numbers - 1) / 2 : 0;
}
