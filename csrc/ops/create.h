#ifndef CTORCH_OPS_CREATE_H
#define CTORCH_OPS_CREATE_H

#include "ctorch.h"
#include "ops/args.h"

#endif
