/* The small Python types around Tensor: what module.c calls to add them, -1 with an error. */
#ifndef CTORCH_PYTHON_TYPES_H
#define CTORCH_PYTHON_TYPES_H

#include "ctorch.h"

int dtype_type_init(PyObject *module);
int finfo_type_init(PyObject *module);
int layout_type_init(PyObject *module);
int device_type_init(PyObject *module);
int size_type_init(PyObject *module);

#endif
