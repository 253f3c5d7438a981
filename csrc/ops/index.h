#ifndef CTORCH_OPS_INDEX_H
#define CTORCH_OPS_INDEX_H

#include "ctorch.h"
#include "ops/args.h"

#endif
