/* Building and running iterators; the struct that loops and launchers read is in abi/iter.h. */
#ifndef CTORCH_CORE_ITER_H
#define CTORCH_CORE_ITER_H

#include "ctorch.h"

typedef struct IterOperand {
    char *data;
    int ndim;                          /* at most the index space's; missing dims in front are broadcast */
    const int64_t *dims;               /* equal to the index space's, or 1: broadcast */
    const int64_t *strides;            /* in elements */
    int64_t itemsize;
    bool host;                         /* data is in the host's memory */
} IterOperand;

/* The operand for a tensor. */
static inline IterOperand
iter_operand(const Tensor *t)
{
    return (IterOperand){t->data, t->ndim, t->dims, t->strides, dtype_info[t->dtype].itemsize,
                         t->device.type == DEVICE_CPU};
}

/* Shapes must be compatible: the frame has checked.  dims is the broadcast shape. */
void iter_build(Iter *it, int n_operands, const IterOperand operands[], int ndim, const int64_t *dims);
void iter_run(const Iter *it, Loop loop, const Param *params);
/* Elements [begin, end) in the iterator's order. */
void iter_run_range(const Iter *it, Loop loop, const Param *params, int64_t begin, int64_t end);
/* The same as iter_run over the thread pool, for loops whose elements do not depend on each other.  grain:
 * elements worth about 5 us.  Returns 0, or -1 when parallel_poll stopped it. */
int iter_parallel(const Iter *it, Loop loop, const Param *params, int64_t grain);

#endif
