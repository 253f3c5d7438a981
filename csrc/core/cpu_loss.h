/* The CPU backend's softmax and class losses. */
#ifndef CTORCH_CORE_CPU_LOSS_H
#define CTORCH_CORE_CPU_LOSS_H

#include "abi/loss.h"
#include "abi/softmax.h"

int cpu_softmax(const Softmax *s);                       /* the `softmax` slot */
int cpu_nll(const Nll *args);                            /* the `nll` slot */
/* The `bad_target` slot: whether a target is neither a class nor ignored; then *bad is the first such. */
bool cpu_bad_target(const Nll *args, int64_t *bad);

#endif
