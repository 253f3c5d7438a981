#ifndef CTORCH_OPS_SORT_H
#define CTORCH_OPS_SORT_H

#include "ctorch.h"
#include "ops/args.h"

#endif
