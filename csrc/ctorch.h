/* What all Python-aware code shares: Storage, Tensor, Node, scopes, errors and the functions of core/.
 *
 * Ownership.  Outside ops/ and autograd/formulas: arguments are borrowed, results are new references, nothing steals,
 * NULL means "an error is set".  Inside ops/ and the backward functions every Tensor * that an op_ function returns is
 * owned by the current scope (below): nobody increfs or decrefs, and op_ functions given NULL return NULL. */
#ifndef CTORCH_H
#define CTORCH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "abi/dtype.h"
#include "abi/iter.h"
#include "abi/ops.h"

/* ---------------------------------------------------------------- devices */
typedef enum DeviceType { DEVICE_CPU, DEVICE_CUDA, DEVICE_META, DEVICE_TYPES } DeviceType;

typedef struct Device {
    int8_t type;
    int8_t index;                 /* 0 for cpu and meta */
} Device;

#define CPU ((Device){DEVICE_CPU, 0})
static inline bool
device_equal(Device a, Device b)
{
    return a.type == b.type && a.index == b.index;
}

/* ---------------------------------------------------------------- storage */
enum { STORAGE_INLINE = 64 };     /* bytes that live inside the Storage itself */

typedef struct Storage {
    int64_t refs;
    char *data;
    int64_t nbytes;
    PyObject *owner;              /* NumPy array or buffer that owns the memory; NULL if the allocator does */
    struct Storage *parent;       /* set for .data: shares the parent's memory with a version of its own */
    uint32_t version;             /* bumped by every in-place write through any view */
    Device device;
    bool readonly;
    bool saved;                   /* some node has saved a tensor of it: in-place writes are noted (autograd/blame.h) */
} Storage;

Storage *storage_new(int64_t nbytes, Device device);
Storage *storage_borrow(void *data, int64_t nbytes, PyObject *owner, bool readonly);
Storage *storage_alias(Storage *parent);
void storage_free(Storage *storage);
static inline void
storage_release(Storage *storage)
{
    if (--storage->refs == 0)
        storage_free(storage);
}

/* ---------------------------------------------------------------- tensor */
enum { NDIM_MAX = 64, NDIM_INLINE = 6 };

typedef struct Node Node;

typedef struct Tensor {
    PyObject_HEAD
    Storage *storage;
    char *data;                   /* storage->data + offset; never read on the meta device */
    int64_t numel;
    int64_t *dims;                /* points to inline_dims, or to one heap block of 2 * ndim for ndim > NDIM_INLINE */
    int64_t *strides;             /* in elements */
    uint8_t ndim;
    int8_t dtype;
    Device device;
    bool contiguous;              /* row-major dense: kept by every constructor */
    bool requires_grad;           /* leaf asked for it, or node != NULL */
    bool retains_grad;
    bool is_inference;
    bool tracked;                 /* known to the garbage collector */
    uint8_t view_kind;            /* VIEW_* */
    Node *node;                   /* gradient function, or NULL */
    int32_t output_nr;            /* which output of node */
    uint32_t view_version;        /* storage version that node belongs to, for views */
    struct Tensor *base;          /* root of a differentiable view, or NULL */
    struct Tensor *grad;
    struct Task *tasks;           /* backward runs that have this leaf in hand */
    PyObject *hooks;              /* dict id -> callable of register_hook, or NULL */
    PyObject *post_hooks;         /* of register_post_accumulate_grad_hook, or NULL */
    PyObject *dict;
    PyObject *weakrefs;
    int64_t inline_dims[NDIM_INLINE];
    int64_t inline_strides[NDIM_INLINE];
} Tensor;

enum { VIEW_NONE, VIEW_SINGLE, VIEW_MULTI, VIEW_NO_GRAD };

extern PyTypeObject TensorType;
extern PyTypeObject *ParameterType;               /* subclass made in python/tensor_type.c */

static inline bool
tensor_exact(const PyObject *o)
{
    return Py_IS_TYPE(o, &TensorType) || Py_IS_TYPE(o, ParameterType);
}

/* No other static type derives from Tensor: the flag is asked before the walk over an object's bases. */
static inline bool
tensor_derived(const PyObject *o)
{
    return !tensor_exact(o) && PyType_HasFeature(Py_TYPE(o), Py_TPFLAGS_HEAPTYPE) && PyType_IsSubtype(Py_TYPE(o), &TensorType);
}

static inline bool
tensor_check(const PyObject *o)
{
    return tensor_exact(o) || tensor_derived(o);
}

/* The same memory and history as an instance of type; whether type has a __torch_function__ of its own. */
PyObject *tensor_as_subclass(Tensor *t, PyTypeObject *type);
bool tensor_overrides_torch_function(PyTypeObject *type);
/* What type's __torch_function__ answers for that method of Tensor; NULL with an error, also if args or kwargs are NULL. */
PyObject *tensor_torch_function(PyTypeObject *type, const char *method, PyObject *args, PyObject *kwargs);

/* Constructors (new references; no autograd).  tensor_empty allocates uninitialised contiguous memory. */
Tensor *tensor_empty(int ndim, const int64_t *dims, Dtype dtype, Device device);
Tensor *tensor_empty_dense(const Tensor *t, Dtype dtype);                                /* t's shape, row-major */
Tensor *tensor_empty_like(Tensor *t);             /* same dims; t's strides if it is dense, else their order */
Tensor *tensor_alias(Tensor *t);                  /* same storage and geometry, no history */
Tensor *tensor_strided(Storage *storage, char *data, int ndim, const int64_t *dims, const int64_t *strides, Dtype dtype);
Tensor *tensor_from_scalar(Param value, Dtype dtype, Device device);                     /* 0-d */
/* Geometry of t changed (or data moved): recompute numel and contiguous. */
void tensor_update(Tensor *t);
/* storage, dims, strides and dtype := from's; keeps autograd state; -1 with an error */
int tensor_set_geometry_from(Tensor *t, Tensor *from);
int tensor_set_dims(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides);   /* -1 with an error */
int64_t tensor_offset(Tensor *t);                 /* in elements */
Param tensor_item(Tensor *t);                     /* element 0 in both views; waits for a device, may set an error */

/* Product of dims, checked; -1 with RuntimeError ("calculation overflowed" / "negative dimension"). */
int64_t shape_numel(int ndim, const int64_t *dims);
void shape_contiguous_strides(int ndim, const int64_t *dims, int64_t *strides);
/* "[2, 3]" into a static ring of buffers, for error texts. */
const char *shape_text(int ndim, const int64_t *dims);
int shape_broadcast(int *ndim, int64_t *dims, int other_ndim, const int64_t *other);     /* -1 without an error set */
/* dim in [-ndim, ndim) -> [0, ndim); a 0-d tensor counts as 1-d; -1 with IndexError. */
int shape_wrap_dim(int64_t dim, int ndim);

static inline int64_t
tensor_itemsize(const Tensor *t);

/* ---------------------------------------------------------------- dtypes */
extern const struct DtypeInfo {
    const char *name;             /* "float32" */
    const char *type_name;        /* "Float" */
    uint8_t itemsize;
    uint8_t category;
} dtype_info[DTYPE_COUNT];

extern Dtype default_dtype;
Dtype dtype_promote(Dtype a, Dtype b);
bool dtype_can_cast(Dtype from, Dtype to);        /* the in-place table: category may not fall */
PyObject *dtype_object(Dtype dtype);              /* borrowed singleton */
int dtype_from_object(PyObject *o, Dtype *out);   /* accepts dtype objects, float, int, bool; -1 with TypeError */
static inline bool
dtype_is_float(Dtype d)
{
    return dtype_info[d].category == CATEGORY_FLOAT;
}
static inline int64_t
tensor_itemsize(const Tensor *t)
{
    return dtype_info[t->dtype].itemsize;
}

PyObject *device_object(Device device);           /* new reference */
int device_from_object(PyObject *o, Device *out); /* device, str, int; -1 with an error */
extern PyTypeObject DtypeType, DeviceType_, SizeType, LayoutType, MemoryFormatType, GeneratorType;
/* torch.memory_format's values; of an object, which is none if that is -1. */
typedef enum MemoryFormat { FORMAT_PRESERVE, FORMAT_CONTIGUOUS, FORMAT_CHANNELS_LAST, FORMAT_CHANNELS_LAST_3D } MemoryFormat;
int memory_format_of(PyObject *o);
/* The same with a TypeError of an argument of function; 0, or -1. */
int memory_format_argument(const char *function, PyObject *o, MemoryFormat *out);
PyObject *size_object(int n, const int64_t *dims);            /* new torch.Size */

/* ---------------------------------------------------------------- scopes: who owns intermediates in ops/ */
size_t scope_begin(void);                         /* a mark */
void scope_end(size_t mark);                      /* releases everything kept since */
Tensor *scope_keep(Tensor *t);                    /* t (new reference, may be NULL) is now the scope's; returns it */
Tensor *scope_take(Tensor *t);                    /* a new reference for the world outside */

/* ---------------------------------------------------------------- errors */
extern PyObject *LinAlgError_;                     /* RuntimeError and ValueError */
extern PyObject *ZeroDivisionError_;              /* RuntimeError and ZeroDivisionError */
extern PyObject *OutOfMemoryError_;               /* MemoryError and RuntimeError */
/* PyErr_Format that returns NULL typed for tensors; understands %zd %ld %lld %s %R and friends. */
Tensor *error(PyObject *type, const char *format, ...);
Tensor *no_memory(int64_t bytes);
const char *float_text(double value);             /* "%g" into a ring of buffers: PyErr_Format has no floats */

#endif
