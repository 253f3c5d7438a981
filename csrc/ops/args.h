/* Signatures in PyTorch's syntax, parsed once, and the parser of calls that they drive.
 *
 *   "Tensor input, int dim=-1, *, bool keepdim=False, dtype? dtype=None, int[] size, int... size, Tensor[] tensors"
 *   types: Tensor  Tensor|Scalar  Scalar  int  float  bool  int[]  int[2]  int...  dtype  device  Tensor[]  str
 *          Generator  memory_format  object; "?" behind a type: None is allowed.  int...: sizes as separate arguments or one sequence. */
#ifndef CTORCH_OPS_ARGS_H
#define CTORCH_OPS_ARGS_H

#include "ctorch.h"

enum { ARGS_MAX = 16 };

typedef enum ArgKind {
    ARG_TENSOR, ARG_TENSOR_OR_SCALAR, ARG_SCALAR, ARG_INT, ARG_FLOAT, ARG_BOOL, ARG_INTS, ARG_DTYPE,
    ARG_DEVICE, ARG_TENSORS, ARG_STR, ARG_GENERATOR, ARG_FORMAT, ARG_OBJECT
} ArgKind;

/* A number with the category it was written in. */
typedef struct Scalar {
    Param value;
    int8_t category;              /* CATEGORY_* */
} Scalar;

/* One parsed argument.  Tensors, objects and strings are borrowed from the caller's arguments; ints and tensors
 * point into memory that signature_release frees. */
typedef struct Value {
    bool given;                   /* false: None, or the default None */
    bool is_scalar;               /* of a Tensor|Scalar argument */
    Tensor *tensor;               /* of a Scalar argument: what the number was read off, or NULL */
    Scalar scalar;                /* also int (value.i), float (value.f), bool and MemoryFormat (value.i) */
    PyObject *object;
    const char *text;
    int64_t n;                    /* length of ints or tensors */
    int64_t *ints;
    Tensor **tensors;
    Dtype dtype;                  /* DTYPE_NONE if not given */
    Device device;
    int64_t inline_ints[8];       /* storage of short int lists */
} Value;

typedef struct Arg {
    PyObject *name;               /* interned */
    ArgKind kind;
    bool optional, has_default, keyword_only, varargs;
    int fixed;                    /* int[2]: a lone int stands for 2 of it */
    Value fallback;
} Arg;

typedef struct Signature {
    const char *function;         /* Python name, for errors */
    const char *source;
    int n, n_positional;
    uint32_t owning;              /* bit i: the Value of argument i may own memory */
    Arg *args;
} Signature;

int signature_compile(Signature *s, const char *function, const char *source);
/* 1: parsed; 0: does not fit (error set only if report); -1: an error that no other overload can mend (error set). */
int signature_parse(const Signature *s, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                    Value *values, bool report);
void signature_release(const Signature *s, Value *values);
PyObject *signature_text(const Signature *s);            /* "(input, dim=-1, *, keepdim=False)" for __text_signature__ */
const char *type_text(PyObject *o);                      /* of o, as errors show it: "Tensor", "numpy.ndarray" */
bool object_is_bool(PyObject *o);                         /* Python's or NumPy's */
int scalar_from_object(PyObject *o, Scalar *out);        /* 1 number, 0 not a number, -1 error */

#endif
