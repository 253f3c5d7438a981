/* Host-side behaviour of the simulated device: cuBLAS's products, events, pinned memory. */
#include <cstring>
#include <dlfcn.h>

#include "abi/half.h"
#include "programs.h"

typedef int (*Create)(void **);
typedef int (*SetStream)(void *, cudaStream_t);
typedef int (*Sgemm)(void *, int, int, int, int, int, const float *, const float *, int, const float *, int,
                     const float *, float *, int);
typedef int (*Dgemm)(void *, int, int, int, int, int, const double *, const double *, int, const double *,
                     int, const double *, double *, int);
typedef int (*SgemmBatch)(void *, int, int, int, int, int, const float *, const float *, int, long long,
                          const float *, int, long long, const float *, float *, int, long long, int);
typedef int (*GemmEx)(void *, int, int, int, int, int, const void *, const void *, int, int, const void *,
                      int, int, const void *, void *, int, int, int, int);
enum { OP_N, OP_T, R_32F = 0, R_16BF = 14, R_8I = 3, COMPUTE_32F = 68 };

/* Column-major matrices of small integers, whose products are exact in every type. */
static std::vector<float> integers(int n, int seed)
{
    std::vector<float> x(n);
    for (int i = 0; i < n; i++)
        x[i] = static_cast<float>((i * 7 + seed * 5) % 11 - 5);
    return x;
}

static std::vector<float> product(const std::vector<float> &a, const std::vector<float> &b,
                                  std::vector<float> c, int op_a, int op_b, int m, int n, int k, float alpha,
                                  float beta)
{
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            float sum = 0;
            for (int l = 0; l < k; l++)
                sum += (op_a == OP_N ? a[i + l * m] : a[l + i * k]) *
                       (op_b == OP_N ? b[l + j * k] : b[j + l * n]);
            c[i + j * m] = alpha * sum + (beta == 0 ? 0 : beta * c[i + j * m]);
        }
    return c;
}

template <class T> static void show_error(const std::vector<T> &got, const std::vector<float> &expected)
{
    double error = 0;
    for (size_t i = 0; i < expected.size(); i++)
        error = fmax(error, fabs(static_cast<double>(got[i]) - static_cast<double>(expected[i])));
    printf("error %.1e\n", error);
}

static const int m = 5, n = 4, k = 6;

static void *open_handle(void *library)
{
    void *handle = nullptr;
    if (reinterpret_cast<Create>(dlsym(library, "cublasCreate_v2"))(&handle) != 0)
        exit(4);
    return handle;
}

static void single_products(void *library, void *handle)
{
    auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cublasSgemm_v2"));
    std::vector<float> a = integers(m * k, 1), b = integers(k * n, 2), c = integers(m * n, 3);
    float *x = device_copy(a), *y = device_copy(b);
    for (int op_a : {OP_N, OP_T})
        for (int op_b : {OP_N, OP_T}) {
            float alpha = 2, beta = op_a == op_b ? 0.0f : 3.0f, *z = device_copy(c);
            sgemm(handle, op_a, op_b, m, n, k, &alpha, x, op_a == OP_N ? m : k, y, op_b == OP_N ? k : n,
                  &beta, z, m);
            alpha = beta = 100; /* were read at the call */
            show_error(host_copy(z, m * n),
                       product(a, b, c, op_a, op_b, m, n, k, 2, op_a == op_b ? 0.0f : 3.0f));
        }
}

static void other_products(void *library, void *handle)
{
    auto batch = reinterpret_cast<SgemmBatch>(dlsym(library, "cublasSgemmStridedBatched"));
    auto ex = reinterpret_cast<GemmEx>(dlsym(library, "cublasGemmEx"));
    std::vector<float> a = integers(2 * m * k, 1), b = integers(k * n, 2), c(m * n);
    float one = 1, zero = 0, *x = device_copy(a), *y = device_copy(b), *z = device_array<float>(2 * m * n);
    batch(handle, OP_N, OP_N, m, n, k, &one, x, m, m * k, y, k, 0, &zero, z, m, m * n, 2);
    std::vector<float> second =
        product({a.begin() + m * k, a.end()}, b, std::vector<float>(m * n), OP_N, OP_N, m, n, k, 1, 0);
    show_error(host_copy(z + m * n, m * n), second);

    std::vector<uint16_t> half;
    for (int i = 0; i < m * k; i++)
        half.push_back(float_to_bf16(a[i]));
    std::vector<uint16_t> half_b;
    for (float each : b)
        half_b.push_back(float_to_bf16(each));
    ex(handle, OP_N, OP_N, m, n, k, &one, device_copy(half), R_16BF, m, device_copy(half_b), R_16BF, k, &zero,
       z, R_32F, m, COMPUTE_32F, -1);
    show_error(host_copy(z, m * n), product(a, b, c, OP_N, OP_N, m, n, k, 1, 0));

    auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cublasSgemm_v2"));
    int short_ld = sgemm(handle, OP_N, OP_N, m, n, k, &one, x, m - 1, y, k, &zero, z, m);
    int type =
        ex(handle, OP_N, OP_N, m, n, k, &one, x, R_8I, m, y, R_8I, k, &zero, z, R_32F, m, COMPUTE_32F, -1);
    int no_handle = sgemm(nullptr, OP_N, OP_N, m, n, k, &one, x, m, y, k, &zero, z, m);
    printf("statuses %d %d %d\n", short_ld, type, no_handle);
}

PROGRAM(products)
{
    void *library = dlopen("libcublas.so.13", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        printf("no cuBLAS\n");
        return;
    }
    cudaStream_t stream;
    must(cudaStreamCreate(&stream));
    void *handle = open_handle(library);
    reinterpret_cast<SetStream>(dlsym(library, "cublasSetStream_v2"))(handle, stream);
    single_products(library, handle);
    other_products(library, handle);
}

PROGRAM(product_out_of_range)
{
    void *library = dlopen("libcublas.so.13", RTLD_NOW | RTLD_LOCAL), *handle = open_handle(library);
    double one = 1, *x = device_array<double>(9), *y = device_array<double>(8);
    int status = reinterpret_cast<Dgemm>(dlsym(library, "cublasDgemm_v2"))(handle, OP_N, OP_N, 3, 3, 3, &one,
                                                                           x, 3, x, 3, &one, y, 3);
    printf("status %d\n", status);
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void set(float *out, float value)
{
    *out = value;
}

static void called_back(void *times)
{
    ++*static_cast<int *>(times);
}

PROGRAM(events)
{
    cudaStream_t stream;
    cudaEvent_t start, end;
    cudaError_t error;
    int times = 0;
    float ms = -1, *out = device_array<float>(1);
    must(cudaStreamCreate(&stream));
    must(cudaEventCreate(&start));
    must(cudaEventCreate(&end));
    must(cudaEventRecord(start, stream));
    CT_LAUNCH(set, 1, 1, 0, stream, out, 1.0f);
    must(cudaLaunchHostFunc(stream, called_back, &times));
    must(cudaEventRecord(end, stream));
    while ((error = cudaEventQuery(end)) == cudaErrorNotReady)
        ;
    must(cudaGetLastError() == cudaErrorNotReady ? cudaSuccess : cudaGetLastError());
    must(cudaEventElapsedTime(&ms, start, end));
    printf("query %d called %d elapsed %d\n", error, times, ms >= 0);
    must(cudaDeviceReset());
    say("after reset", cudaStreamSynchronize(stream));
}

PROGRAM(pinned)
{
    cudaPointerAttributes attributes[3];
    static float plain[4];
    void *host, *device = device_array<float>(4);
    must(cudaMallocHost(&host, 16));
    must(cudaPointerGetAttributes(&attributes[0], plain));
    must(cudaPointerGetAttributes(&attributes[1], static_cast<char *>(host) + 15));
    must(cudaPointerGetAttributes(&attributes[2], device));
    printf("types %d %d %d\n", attributes[0].type, attributes[1].type, attributes[2].type);
    cudaError_t twice = cudaHostRegister(host, 16, cudaHostRegisterDefault);
    must(cudaHostRegister(plain, 16, cudaHostRegisterDefault));
    cudaError_t once = cudaHostUnregister(plain), again = cudaHostUnregister(plain);
    printf("registered %d %d %d\n", twice, once, again);
    CT_LAUNCH(set, 1, 1, 0, 0, static_cast<float *>(host), 5.0f); /* kernels may write pinned memory */
    must(cudaDeviceSynchronize());
    printf("written %g\n", static_cast<double>(*static_cast<float *>(host)));
}
