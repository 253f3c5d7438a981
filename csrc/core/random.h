/* Seeding a Generator and moving its state in and out of PyTorch's get_rng_state bytes. */
#ifndef CTORCH_CORE_RANDOM_H
#define CTORCH_CORE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/random.h"

enum { GENERATOR_STATE_SIZE = 5056 };

void generator_seed(Generator *g, uint64_t seed);
void generator_get_state(const Generator *g, uint8_t bytes[GENERATOR_STATE_SIZE]);

/* False, and g is left as it was, if the bytes are no mt19937 state ("Invalid mt19937 state" in PyTorch). */
bool generator_set_state(Generator *g, const uint8_t bytes[GENERATOR_STATE_SIZE]);

#endif
