/* How tensors look: repr, format specs, and the options that set_printoptions changes. */
#ifndef CTORCH_PYTHON_PRINT_H
#define CTORCH_PYTHON_PRINT_H

#include "ctorch.h"

PyObject *tensor_repr(Tensor *t);                           /* also str() */
PyObject *tensor_format(Tensor *t, PyObject *spec); /* a plain 0-d tensor is formatted as its number */
int print_init(PyObject *module);                   /* set_printoptions, get_printoptions; -1 with an error */

#endif
