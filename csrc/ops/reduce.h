#ifndef CTORCH_OPS_REDUCE_H
#define CTORCH_OPS_REDUCE_H

#include "ctorch.h"
#include "ops/args.h"

#endif
