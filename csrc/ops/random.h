/* Random numbers.  `generator` Values may be "not given": the default generator. */
#ifndef CTORCH_OPS_RANDOM_H
#define CTORCH_OPS_RANDOM_H

#include "abi/philox.h"
#include "abi/random.h"
#include "ctorch.h"
#include "ops/args.h"

typedef struct GeneratorObject {
    PyObject_HEAD
    Generator state;
    Device device;
    uint64_t offset;                                     /* of a CUDA device's stream: how many fills it has made */
} GeneratorObject;

extern GeneratorObject *default_generator;
/* The default generators of CUDA devices: made when first asked for, with the seed that all were given last. */
GeneratorObject *cuda_generator(int index);
void cuda_generators_seed(uint64_t seed);                /* all of them; none need exist */

Tensor *op_uniform_(Tensor *t, double from, double to, const Value *generator);
Tensor *op_normal_(Tensor *t, double mean, double std, const Value *generator);
Tensor *op_bernoulli_(Tensor *t, double p, const Value *generator);
Tensor *op_bernoulli_tensor_(Tensor *t, Tensor *p, const Value *generator);
Tensor *op_exponential_(Tensor *t, double lambda, const Value *generator);
Tensor *op_geometric_(Tensor *t, double p, const Value *generator);
Tensor *op_log_normal_(Tensor *t, double mean, double std, const Value *generator);
Tensor *op_cauchy_(Tensor *t, double median, double sigma, const Value *generator);
Tensor *op_random_(Tensor *t, const int64_t *from, const int64_t *to, const Value *generator);
Tensor *op_rand(const Value *size, const Value *generator, const Value *dtype, const Value *device, const Value *grad);
Tensor *op_randn(const Value *size, const Value *generator, const Value *dtype, const Value *device, const Value *grad);
Tensor *op_randint(int64_t low, int64_t high, const Value *size, const Value *generator, const Value *dtype,
                   const Value *device, const Value *grad);
Tensor *op_randperm(int64_t n, const Value *generator, const Value *dtype, const Value *device, const Value *grad);
Tensor *op_rand_like(Tensor *t, const Value *generator, const Value *dtype, const Value *device, const Value *grad);
Tensor *op_randn_like(Tensor *t, const Value *generator, const Value *dtype, const Value *device, const Value *grad);
Tensor *op_randint_like(Tensor *t, int64_t low, int64_t high, const Value *generator, const Value *dtype,
                        const Value *device, const Value *grad);
Tensor *op_normal_tensor_float(Tensor *mean, double std, const Value *generator);
Tensor *op_normal_tensors(Tensor *mean, Tensor *std, const Value *generator);
Tensor *op_normal_float_tensor(double mean, Tensor *std, const Value *generator);
Tensor *op_normal_sizes(double mean, double std, const Value *size, const Value *generator, const Value *dtype,
                        const Value *device, const Value *grad);
Tensor *op_bernoulli(Tensor *p, const Value *generator);
Tensor *op_bernoulli_p(Tensor *t, double p, const Value *generator);
Tensor *op_poisson(Tensor *rate, const Value *generator);
Tensor *op_multinomial(Tensor *p, int64_t num_samples, bool replacement, const Value *generator);
Tensor *op_dropout(Tensor *t, double p, bool training, bool inplace);

/* For ops that draw: the Generator of a Value; a fill with a dense buffer in between where t is not contiguous. */
Generator *generator_of(const Value *generator);
/* A device whose draws are abi/philox.h's.  fill's kind and numbers are given; out is dense; -1 with an error. */
bool draws_philox(const Tensor *out);
int philox_fill(Tensor *out, PhiloxFill fill, const Value *generator);

#endif
