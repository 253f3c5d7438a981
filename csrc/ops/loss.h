#ifndef CTORCH_OPS_LOSS_H
#define CTORCH_OPS_LOSS_H

#include "ctorch.h"
#include "ops/args.h"

#endif
