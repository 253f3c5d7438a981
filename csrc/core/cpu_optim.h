/* The CPU backend's optimizer steps, over the kernels and the threads. */
#ifndef CTORCH_CORE_CPU_OPTIM_H
#define CTORCH_CORE_CPU_OPTIM_H

#include "abi/optim.h"

int cpu_optim(const Optim *o);                           /* the `optim` slot */

#endif
