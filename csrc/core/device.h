/* Devices beside the host: the backend is loaded when it is first needed, and one call reaches any device. */
#ifndef CTORCH_CORE_DEVICE_H
#define CTORCH_CORE_DEVICE_H

#include "abi/backend.h"
#include "ctorch.h"

/* The CUDA device that "cuda" without a number means, and the one that the backend works on. */
extern int cuda_current;
/* Where factories make tensors that are told nothing. */
extern Device default_device;
extern int cuda_in_use;

/* The number of CUDA devices that can be used; never raises.  Loads the backend, but opens no device. */
int cuda_device_count(void);
/* Whether the backend's shared object is there; whether a device was used. */
bool cuda_is_built(void);
bool cuda_is_initialized(void);
/* 0 if tensors can be made on the device now; -1 with an error. */
int device_ready(Device device);
/* Makes the backend work on a device that exists. */
void cuda_switch(int index);

/* Never NULL for the device of a living tensor. */
static inline const Backend *
backend_at(Device device)
{
    if (device.type == DEVICE_CUDA && device.index != cuda_in_use)
        cuda_switch(device.index);
    return backends[device.type];
}

/* False while a copy is made that may be waited for later, non_blocking. */
extern bool device_copies_wait;
/* nbytes adjacent bytes between two devices of which one at least is not the host; -1 with an error. */
int device_copy(void *to, Device to_device, const void *from, Device from_device, int64_t nbytes);

#endif
