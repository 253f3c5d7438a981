/* What module.c calls to make the exception classes; the errors themselves are declared in ctorch.h. */
#ifndef CTORCH_CORE_ERROR_H
#define CTORCH_CORE_ERROR_H

#include "ctorch.h"

int error_init(PyObject *module);      /* -1 with an error */

#endif
