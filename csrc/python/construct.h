/* What the files that make tensors from Python data share. */
#ifndef CTORCH_PYTHON_CONSTRUCT_H
#define CTORCH_PYTHON_CONSTRUCT_H

#include "ops/args.h"
#include "python/tensor.h"

/* numpy.c */
Dtype numpy_scalar_dtype(PyObject *o);           /* DTYPE_NONE if o is not a NumPy scalar that ctorch has a dtype for */
Tensor *numpy_from_array(PyObject *array);       /* shares memory or raises as from_numpy does */

/* nested.c: numbers in nested sequences; a new tensor with memory of its own */
Tensor *nested_to_tensor(PyObject *data, Dtype dtype, Device device);

/* legacy.c */
int legacy_init(PyObject *module);
PyObject *tensor_method_new(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *tensor_method_new_tensor(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

#endif
