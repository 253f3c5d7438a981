/* The libraries that the backend's loader finds on the simulated device. */
#include "dlfcn.h"
extern "C" void *ctsim_dlopen(const char *, int)
{
    return nullptr;
}
extern "C" void *ctsim_dlsym(void *, const char *)
{
    return nullptr;
}
extern "C" int ctsim_dlclose(void *)
{
    return 0;
}
extern "C" char *ctsim_dlerror()
{
    return nullptr;
}
