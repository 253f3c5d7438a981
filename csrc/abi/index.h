/* Arguments of the index and mask kernels. */
#ifndef CTORCH_ABI_INDEX_H
#define CTORCH_ABI_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/dtype.h"
#include "abi/isa.h"
#include "abi/iter.h"

enum { PICK_INDICES = ITER_OPERANDS - 2 };

/* What happens where values and picked elements meet. */
typedef enum PickMode { PICK_GET, PICK_SET, PICK_ADD, PICK_MUL, PICK_MAX, PICK_MIN, PICK_MODES } PickMode;

/* Operands of the iterator: 0 values, 1 data (stride 0 where an index speaks for the dimension), 2... int64 indices,
 * each in [-size, size) unless `outside` asks: the element is step * index bytes further on.  Several writes to one
 * element happen in the iterator's order. */
typedef struct PickArgs {
    PickMode mode;
    int8_t dtype;
    bool data_overlaps;                /* data's own strides may reach one element twice: no two threads */
    bool wraps;                        /* else no index is negative */
    bool *outside;                     /* NULL, or set where an index is not in [0, size): what was written is void */
    int n_indices;
    int64_t step[PICK_INDICES];
    int64_t size[PICK_INDICES];
} PickArgs;

typedef enum MaskMode { MASK_SELECT, MASK_SCATTER } MaskMode;

/* All dense: the elements of `full` where mask is true, in order, are read into or written from `packed`, which holds `count`.  What is true is not 0: a mask is bytes, for a
 * bool that is a view of other bytes, or NumPy's, may be true in any way. */
typedef struct MaskArgs {
    MaskMode mode;
    int64_t itemsize, n, count;
    const uint8_t *mask;
    char *full;
    char *packed;
} MaskArgs;

/* Coordinates of the true elements of a dense mask: out[d * count + k] is coordinate d of the k-th. */
typedef struct NonzeroArgs {
    const uint8_t *mask;
    int ndim;
    const int64_t *dims;
    int64_t n, count;
    int64_t *out;
} NonzeroArgs;

/* Of dense indices: whether all are in [0, size); what is less than *low or more than *high. */
bool ISA_NAME(indices_inside)(const int64_t *at, int64_t n, int64_t size);
void ISA_NAME(index_extremes)(const int64_t *at, int64_t n, int64_t *low, int64_t *high);

#endif
