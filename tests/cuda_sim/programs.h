/* What the test programs of the simulated device share: how a program is registered, and short forms of the
 * calls that every one of them makes. */
#ifndef CUDA_SIM_PROGRAMS_H
#define CUDA_SIM_PROGRAMS_H

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "launch.h"

/* PROGRAM(name) { ... } is what `programs name` runs. */
struct Program {
    const char *name;
    void (*run)();
    Program *next;
    static Program *first;
    Program(const char *name_, void (*run_)()) : name(name_), run(run_), next(first)
    {
        first = this;
    }
};
#define PROGRAM(name)                                                                                        \
    static void name();                                                                                      \
    static Program name##_entry(#name, name);                                                                \
    static void name()

/* For calls that must succeed. */
inline void must(cudaError_t error)
{
    if (error != cudaSuccess) {
        printf("error %d %s\n", error, cudaGetErrorName(error));
        exit(3);
    }
}

/* For calls whose outcome is the program's result. */
inline void say(const char *what, cudaError_t error)
{
    printf("%s %d\n", what, error);
}

template <class T> T *device_array(size_t n)
{
    void *p = nullptr;
    must(cudaMalloc(&p, n * sizeof(T)));
    return static_cast<T *>(p);
}

template <class T> T *device_copy(const std::vector<T> &host)
{
    T *p = device_array<T>(host.size());
    must(cudaMemcpy(p, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
    return p;
}

template <class T> std::vector<T> host_copy(const T *p, size_t n)
{
    std::vector<T> host(n);
    must(cudaMemcpy(host.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
    return host;
}

#endif
