/* Every family of structural ops as C functions. */
#ifndef CTORCH_OPS_FAMILIES_H
#define CTORCH_OPS_FAMILIES_H

#include "ops/copy.h"
#include "ops/view.h"
#include "ops/reduce.h"
#include "ops/matmul.h"
#include "ops/linalg.h"
#include "ops/softmax.h"
#include "ops/index.h"
#include "ops/sort.h"
#include "ops/create.h"
#include "ops/random.h"
#include "ops/loss.h"
#include "ops/misc.h"
#include "ops/extra.h"

#endif
