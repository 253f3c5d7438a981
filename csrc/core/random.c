/* Seeding a Generator and its state as bytes.  The draws themselves are in kernels/random.c; the default
 * generator and the Python object are elsewhere. */
#include "core/random.h"

#include <string.h>

/* The blob of torch.get_rng_state(): PyTorch's C struct in native byte order, with one 64-bit slot per word
 * of the engine (a layout older than its present engine, kept so that old checkpoints load).  Padding is
 * zero. */
typedef struct StateBlob {
    uint64_t seed;
    int32_t left;
    int32_t seeded;
    uint64_t next;
    uint64_t state[MT19937_N];
    double normal_x;            /* unused, 0 */
    double normal_y;            /* the cached normal */
    double normal_rho;          /* unused, 0 */
    int32_t normal_is_valid;
    int32_t padding;
    float float_normal;
    uint8_t float_normal_is_valid;
    uint8_t tail_padding[3];
} StateBlob;

_Static_assert(sizeof(StateBlob) == GENERATOR_STATE_SIZE, "PyTorch's blob has 5056 bytes");

/* Knuth's multiplier, as in the reference mt19937 of Matsumoto and Nishimura. */
void generator_seed(Generator *g, uint64_t seed)
{
    *g = (Generator){.seed = seed, .left = 1};
    g->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < MT19937_N; i++) {
        uint32_t previous = g->state[i - 1];
        g->state[i] = 1812433253u * (previous ^ (previous >> 30)) + i;
    }
}

void generator_get_state(const Generator *g, uint8_t bytes[GENERATOR_STATE_SIZE])
{
    StateBlob blob = {.seed = g->seed, .left = g->left, .seeded = 1, .next = g->next};
    for (int i = 0; i < MT19937_N; i++) {
        blob.state[i] = g->state[i];
    }
    blob.normal_is_valid = g->has_normal;
    blob.normal_y = g->has_normal ? g->normal : 0.0;
    blob.float_normal_is_valid = g->has_float_normal;
    blob.float_normal = g->has_float_normal ? g->float_normal : 0.0f;
    memcpy(bytes, &blob, sizeof blob);
}

/* PyTorch checks left and next each for itself; their sum is checked too, or a forged blob could make a draw
 * read behind the state. */
static bool blob_is_valid(const StateBlob *blob)
{
    return blob->seeded == 1 && blob->left > 0 && blob->left <= MT19937_N && blob->next <= MT19937_N
        && blob->next + (uint64_t)blob->left - 1 <= MT19937_N;
}

bool generator_set_state(Generator *g, const uint8_t bytes[GENERATOR_STATE_SIZE])
{
    StateBlob blob;
    memcpy(&blob, bytes, sizeof blob);
    if (!blob_is_valid(&blob)) {
        return false;
    }
    *g = (Generator){.seed = blob.seed, .left = blob.left, .next = (uint32_t)blob.next};
    for (int i = 0; i < MT19937_N; i++) {
        g->state[i] = (uint32_t)blob.state[i];
    }
    g->has_normal = blob.normal_is_valid != 0;
    g->normal = blob.normal_y;
    g->has_float_normal = blob.float_normal_is_valid != 0;
    g->float_normal = blob.float_normal;
    return true;
}
