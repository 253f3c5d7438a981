/* What the index kernels ask of many dense indices at once. */
#include "abi/index.h"
#include "abi/isa.h"

/* Whether all are in [0, size): the sign of an integer says where one is not, for unlike a comparison of 64 bits that
 * takes no more than SSE2. */
bool
ISA_NAME(indices_inside)(const int64_t *at, int64_t n, int64_t size)
{
    int64_t signs = 0;
    for (int64_t i = 0; i < n; i++)
        signs |= at[i] | (size - 1 - at[i]);
    return signs >= 0;
}

void
ISA_NAME(index_extremes)(const int64_t *at, int64_t n, int64_t *low, int64_t *high)
{
    int64_t least = *low, most = *high;
    for (int64_t i = 0; i < n; i++) {
        least = at[i] < least ? at[i] : least;
        most = at[i] > most ? at[i] : most;
    }
    *low = least;
    *high = most;
}
