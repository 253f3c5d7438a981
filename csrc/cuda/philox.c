/* The slot of random fills; their numbers are abi/philox.h's. */
#include "cuda/philox.h"

#include "cuda/slots.h"

int
cuda_philox(const PhiloxFill *fill)
{
    if (fill->n == 0)
        return 0;
    launch_philox(fill, &faults[current_device], blocks_for(fill->n), current_stream());
    return launched("a random fill");
}
