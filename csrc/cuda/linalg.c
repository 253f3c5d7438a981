/* The slots for matrices in double. */
#include "cuda/linalg.h"

#include "cuda/slots.h"

int
cuda_invert(const Invert *job)
{
    const unsigned long long none = (unsigned long long)(job->count * job->n);
    unsigned long long found = none, *singular = temporary(sizeof found);
    const int device = current_device;
    Invert on_device = *job;
    on_device.singular = NULL;            /* it is the host's */
    if (singular == NULL)
        return -1;
    int result = cuda_accelerator.copy(singular, device, &found, HOST_DEVICE, sizeof found, true);
    if (result == 0) {
        launch_invert(&on_device, singular, current_stream());
        result = launched("an inverse");
    }
    if (result == 0)
        result = cuda_accelerator.copy(&found, HOST_DEVICE, singular, device, sizeof found, true);
    temporary_free(singular);
    *job->singular = found < none ? (int64_t)found : -1;
    return result;
}

int
cuda_decompose(const Decompose *job)
{
    launch_decompose(job, current_stream());
    return launched("a singular value decomposition");
}
