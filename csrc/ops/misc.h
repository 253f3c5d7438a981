/* Ops without a family: resizing, joining, repeating. */
#ifndef CTORCH_OPS_MISC_H
#define CTORCH_OPS_MISC_H

#include "ctorch.h"
#include "ops/args.h"

Tensor *op_resize_(Tensor *self, int ndim, const int64_t *dims);      /* contents undefined where it grows */

#endif
