/* The CPU backend: the kernels of the best instruction set this machine has, driven over iterators. */
#ifndef CTORCH_CORE_CPU_H
#define CTORCH_CORE_CPU_H

#include "abi/backend.h"
#include "abi/gemm.h"
#include "abi/kernels.h"
#include "core/parallel.h"

/* Chosen kernels, spread into one table; NULL where a row does not exist for a dtype. */
extern Loop cpu_loops[OP_COUNT][PART_COUNT][DTYPE_COUNT];
extern const Kernels *cpu_kernels;
extern const Backend cpu_backend;

/* body over [0, n): at once, or if it is worth that, without the GIL in chunks as parallel_for has them.  Returns 0, or
 * -1 with a signal's error. */
int cpu_parallel_for(bool worth, int64_t n, int64_t grain, ParallelRange body, void *context);

int cpu_gemm(Dtype dtype, const Gemm *gemm, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step);

/* Puts itself before the float32 loops of sin, cos and tan in cpu_loops. */
void cpu_trig_install(void);

/* Picks the instruction set (CTORCH_CPU forces one) and fills the table; -1 with an error. */
int cpu_init(void);

#endif
