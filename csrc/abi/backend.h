/* A device as a table of functions.  The frame has checked, allocated and broadcast before it calls one; a slot that is
 * NULL becomes "'op' is not implemented on '<name>'".  Slots return 0, or -1 with an error set, or when an interrupt
 * stopped them.  Each family's argument struct lives in abi/<family>.h beside its kernels' declarations. */
#ifndef CTORCH_ABI_BACKEND_H
#define CTORCH_ABI_BACKEND_H

#include "abi/accelerator.h"
#include "abi/dtype.h"
#include "abi/gemm.h"
#include "abi/index.h"
#include "abi/iter.h"
#include "abi/linalg.h"
#include "abi/loss.h"
#include "abi/ops.h"
#include "abi/optim.h"
#include "abi/philox.h"
#include "abi/reduce.h"
#include "abi/scan.h"
#include "abi/softmax.h"
#include "abi/sort.h"

enum { BACKEND_ABI = 5 };

typedef struct Backend {
    int abi;
    const char *name;
    void *(*alloc)(int64_t nbytes);
    void (*free)(void *data, int64_t nbytes);
    /* operands: forward out, a, b, c; gradients as GRAD_* in abi/ops.h; all of one compute dtype (bool where the row says) */
    int (*pointwise)(Op op, int part, Dtype dtype, const Iter *iter, const Param *params);
    /* true if the row's GUARD condition holds for any element; operands as forward's without out */
    bool (*guard)(Op op, Dtype dtype, const Iter *iter);
    /* operands: out, in */
    int (*cast)(Dtype to, Dtype from, const Iter *iter);
    int (*gemm)(Dtype dtype, const Gemm *gemm, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step);
    int (*reduce)(const Reduce *reduce);
    int (*arg_reduce)(const ArgReduce *reduce);
    int (*scan)(const Scan *scan);
    int (*sort)(const Sort *sort);
    int (*search)(const Search *search);
    int (*invert)(const Invert *invert);
    int (*decompose)(const Decompose *decompose);
    int (*softmax)(const Softmax *softmax);
    /* true if a target is neither a class nor ignored; *bad is the first such.  A device
     * that works asynchronously may answer false and raise when it is next waited for */
    bool (*bad_target)(const Nll *nll, int64_t *bad);
    int (*nll)(const Nll *nll);
    int (*optim)(const Optim *optim);
    /* gather, scatter and all indexing; indices are in range, or pick itself sees to it */
    int (*pick)(const PickArgs *args, const Iter *iter);
    /* smallest and largest of the iterator's one int64 operand, which is not empty; unless they must be exact, an
     * asynchronous device answers 0 and 0 */
    int (*index_range)(const Iter *iter, bool exact, int64_t *low, int64_t *high);
    int (*mask_count)(const uint8_t *mask, int64_t n, int64_t *count);
    int (*mask_move)(const MaskArgs *args);
    int (*nonzero)(const NonzeroArgs *args);
    /* fills of the devices whose generator is Philox; NULL where abi/random.h's kernels draw */
    int (*philox)(const PhiloxFill *fill);
    const Accelerator *accelerator;   /* NULL for the host and for meta */
} Backend;

extern const Backend *backends[];     /* by DeviceType; NULL where the device does not exist */

#endif
