/* The CPU backend's index and mask slots; abi/backend.h says what they do. */
#ifndef CTORCH_CORE_CPU_INDEX_H
#define CTORCH_CORE_CPU_INDEX_H

#include "abi/index.h"

int cpu_pick(const PickArgs *args, const Iter *iter);
int cpu_index_range(const Iter *iter, bool exact, int64_t *low, int64_t *high);
int cpu_mask_count(const uint8_t *mask, int64_t n, int64_t *count);
int cpu_mask_move(const MaskArgs *args);
int cpu_nonzero(const NonzeroArgs *args);

#endif
