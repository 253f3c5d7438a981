/* The steps that ctorch.optim calls: _sgd_step and _adam_step of the module. */
#ifndef CTORCH_OPS_OPTIM_H
#define CTORCH_OPS_OPTIM_H

#include "ctorch.h"

int optim_init(PyObject *module);

#endif
