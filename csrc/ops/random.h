#ifndef CTORCH_OPS_RANDOM_H
#define CTORCH_OPS_RANDOM_H

#include "ctorch.h"
#include "ops/args.h"

#endif
