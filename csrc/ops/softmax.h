#ifndef CTORCH_OPS_SOFTMAX_H
#define CTORCH_OPS_SOFTMAX_H

#include "ctorch.h"
#include "ops/args.h"

#endif
