/* In place of the system's <dlfcn.h> for the backend's host code on the simulated device: the libraries it
 * looks for are those of the simulator (blas.cpp) and never the machine's, so a test sees the same whatever
 * is installed. */
#ifndef CTSIM_DLFCN_H
#define CTSIM_DLFCN_H

#define RTLD_LAZY   1
#define RTLD_NOW    2
#define RTLD_NOLOAD 4
#define RTLD_LOCAL  0
#define RTLD_GLOBAL 0x100

#ifdef __cplusplus
extern "C" {
#endif

void *ctsim_dlopen(const char *name, int flags);
void *ctsim_dlsym(void *library, const char *symbol);
int ctsim_dlclose(void *library);
char *ctsim_dlerror(void);

#ifdef __cplusplus
}
#endif

#define dlopen  ctsim_dlopen
#define dlsym   ctsim_dlsym
#define dlclose ctsim_dlclose
#define dlerror ctsim_dlerror

#endif
