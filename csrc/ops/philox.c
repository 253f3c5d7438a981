/* Random fills on devices: which generator draws, and how far its stream has come.  The numbers are abi/philox.h's. */
#include "core/random.h"
#include "ops/ops.h"
#include "ops/random.h"

enum { DEVICES = 64 };

static GeneratorObject *generators[DEVICES];
static uint64_t seed_of_all = 67280421310721u;

GeneratorObject *
cuda_generator(int index)
{
    GeneratorObject **g = &generators[index % DEVICES];
    if (*g == NULL && (*g = (GeneratorObject *)GeneratorType.tp_alloc(&GeneratorType, 0)) != NULL) {
        (*g)->device = (Device){DEVICE_CUDA, (int8_t)index};
        generator_seed(&(*g)->state, seed_of_all);
    }
    return *g;
}

void
cuda_generators_seed(uint64_t seed)
{
    seed_of_all = seed;
    for (int k = 0; k < DEVICES; k++)
        if (generators[k] != NULL) {
            generator_seed(&generators[k]->state, seed);
            generators[k]->offset = 0;
        }
}

bool
draws_philox(const Tensor *out)
{
    return out->device.type == DEVICE_CUDA;
}

int
philox_fill(Tensor *out, PhiloxFill fill, const Value *generator)
{
    const Backend *backend = backend_at(out->device);
    GeneratorObject *g = generator != NULL && generator->given ? (GeneratorObject *)generator->object
                                                               : cuda_generator(out->device.index);
    if (g == NULL)
        return -1;
    if (g->device.type != DEVICE_CUDA) {
        error(PyExc_RuntimeError, "Expected a 'cuda' device type for generator but found 'cpu'");
        return -1;
    }
    if (backend->philox == NULL)
        return not_implemented_device("random_", out);
    fill.dtype = (Dtype)out->dtype;
    fill.n = out->numel;
    fill.out = out->data;
    fill.seed = g->state.seed;
    fill.offset = g->offset++;
    return backend->philox(&fill);
}
