/* The op layer as C functions.  Each op_ function checks, allocates, computes and records; its result belongs to the
 * current scope; a NULL operand gives NULL (the error is already set).  Pointwise rows get theirs from ops.def. */
#ifndef CTORCH_OPS_OPS_H
#define CTORCH_OPS_OPS_H

#include "autograd/node.h"
#include "core/device.h"
#include "ops/args.h"

/* ---- the frame ---- */
typedef struct Operand {
    Tensor *tensor;               /* NULL: the number */
    Scalar scalar;
} Operand;

/* The common dtype of operands by PyTorch's rules; operand left_out, if there is such, does not count. */
Dtype operands_dtype(int n, const Operand *operands, int left_out);
/* Any pointwise row: promote, broadcast, check, allocate, compute, record.  out: the tensor of an in-place call, else
 * NULL.  Returns a new reference (out itself for in-place); NULL with an error. */
Tensor *pointwise(Op op, const Operand *operands, const Param *params, Tensor *out);
/* The same, scope-owned, for C callers. */
Tensor *op_pointwise(Op op, int n, Tensor *a, Tensor *b, Tensor *c, Param p, Param q);
Tensor *op_scalar(Op op, Tensor *a, double b);           /* binary row with a number on the right */
Tensor *op_scalar_left(Op op, double a, Tensor *b);
Tensor *op_scaled(Tensor *t, Scalar factor);             /* of t's dtype: the factor, which fits it, is converted */
Tensor *op_inplace(Op op, Tensor *self, Tensor *other, double alpha);
/* Another op's kernel has done this unary row as well, and out, whose node is that op's, holds the result: adds the
 * row's node, which must read its output alone.  Look for an error afterwards. */
void pointwise_record(Op op, Tensor *out);

#define PARAM(x) ((Param){(double)(x), (int64_t)(x)})
#define UNARY(name, ...) \
    static inline Tensor *op_##name(Tensor *x) { return op_pointwise(OP_##name, 1, x, NULL, NULL, PARAM(1), PARAM(1)); }
#define PREDICATE(name, ...) UNARY(name)
#define BINARY(name, ...) \
    static inline Tensor *op_##name(Tensor *a, Tensor *b) { return op_pointwise(OP_##name, 2, a, b, NULL, PARAM(1), PARAM(1)); }
#define COMPARE(name, ...) BINARY(name)
#define TERNARY(name, ...) \
    static inline Tensor *op_##name(Tensor *a, Tensor *b, Tensor *c) { return op_pointwise(OP_##name, 3, a, b, c, PARAM(1), PARAM(1)); }
#include "abi/ops.def"

/* Checks (check.c) and what the frame shares with structural ops. */
int check_same_device(const char *op, int n, Tensor *const *tensors);
/* -1 with an error if t, the argument of that name, is to have a gradient, which op does not compute. */
int check_no_gradient(const char *op, const char *name, const Tensor *t);
int device_mismatch(const char *op, Device a, Device b);  /* the error of it; -1 */
void index_device_mismatch(Device t, Device index);       /* the error of an index that cannot go to t */
int check_writable(Tensor *t, const char *op);           /* in-place rules: leaf, view of leaf, read-only, overlap */
int check_fillable(Tensor *t, const char *op);           /* without overlap: one value may be written many times */
int check_overlap(const char *op, const Tensor *out, const Tensor *in);    /* 1: in has to be copied first */
const Backend *backend_of(const Tensor *t);              /* never NULL for a living tensor */
bool tensor_is_meta(const Tensor *t);
void tensor_bump(Tensor *t);                             /* storage version after an in-place write */
int not_implemented_dtype(const char *op, Dtype dtype);  /* "\"op\" not implemented for 'Long'"; -1 */
int not_implemented_device(const char *op, const Tensor *t);  /* "'op' is not implemented on 'meta'"; -1 */
Tensor *copy_before_write(Tensor *t);                    /* t's values now, with its history; new reference */
/* In-place by value: writes result (of the same shape) into self and moves its history over; new reference to self. */
Tensor *inplace_adopt(Tensor *self, Tensor *result);

/* ---- structural ops, one family per file ---- */
#include "ops/families.h"

#endif
