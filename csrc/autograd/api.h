/* What the rest of ctorch needs of autograd's Python side. */
#ifndef CTORCH_AUTOGRAD_API_H
#define CTORCH_AUTOGRAD_API_H

#include "autograd/hooks.h"

/* Adds autograd's types and functions to the extension module. */
int autograd_init(PyObject *module);
/* Tensor.backward(gradient=None, retain_graph=None, create_graph=False, inputs=None): METH_FASTCALL |
 * METH_KEYWORDS */
PyObject *tensor_backward(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* The parts that autograd_init puts together. */
int function_init(PyObject *module);
int modes_init(PyObject *module);

#endif
