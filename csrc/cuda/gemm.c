/* The gemm slot: cuBLAS for float and double where it is there, else ctorch's own kernel.  cuBLAS is looked for at the
 * first product, never linked: a machine without it computes all the same. */
#define _GNU_SOURCE                   /* dladdr */
#include "cuda/gemm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/slots.h"

/* What of cublas_v2.h is used; the numbers are part of its binary interface. */
typedef struct CublasContext *CublasHandle;
enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_DEFAULT_MATH = 0, CUBLAS_TF32_TENSOR_OP_MATH = 3 };

typedef struct Cublas {
    int (*create)(CublasHandle *handle);
    int (*set_stream)(CublasHandle handle, cudaStream_t stream);
    int (*set_math)(CublasHandle handle, int mode);
    int (*sgemm)(CublasHandle handle, int op_a, int op_b, int m, int n, int k, const float *alpha, const float *a, int lda,
                 const float *b, int ldb, const float *beta, float *c, int ldc);
    int (*dgemm)(CublasHandle handle, int op_a, int op_b, int m, int n, int k, const double *alpha, const double *a,
                 int lda, const double *b, int ldb, const double *beta, double *c, int ldc);
    int (*sgemm_batch)(CublasHandle handle, int op_a, int op_b, int m, int n, int k, const float *alpha, const float *a,
                       int lda, long long a_step, const float *b, int ldb, long long b_step, const float *beta, float *c,
                       int ldc, long long c_step, int count);
    int (*dgemm_batch)(CublasHandle handle, int op_a, int op_b, int m, int n, int k, const double *alpha, const double *a,
                       int lda, long long a_step, const double *b, int ldb, long long b_step, const double *beta,
                       double *c, int ldc, long long c_step, int count);
} Cublas;

static Cublas cublas;
static CublasHandle handles[DEVICES_MAX];
static bool tf32_allowed;

int
gemm_allow_tf32(bool allow)
{
    tf32_allowed = allow;
    return 0;
}

/* ---------------------------------------------------------------- finding the library */
static const char *const sonames[] = {"libcublas.so.13", "libcublas.so.12"};

static void *
open_in(const char *format, const char *folder, const char *soname)
{
    char path[4096];
    int length = snprintf(path, sizeof path, format, folder, soname);
    return length > 0 && length < (int)sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

/* One that the process has already, the wheel's folder beside this one, CUDA_HOME, the system's. */
static void *
open_cublas(void)
{
    Dl_info own;
    char folder[2048] = ".";
    const char *home = getenv("CUDA_HOME");
    void *library = NULL;
    if (dladdr(&cublas, &own) != 0 && own.dli_fname != NULL) {
        int length = snprintf(folder, sizeof folder, "%s", own.dli_fname);
        for (int slashes = 0; length > 0 && length < (int)sizeof folder && slashes < 2; length--)
            if (folder[length - 1] == '/') {
                folder[length - 1] = '\0';
                slashes++;
            }
    }
    for (int k = 0; k < 2 && library == NULL; k++)
        library = dlopen(sonames[k], RTLD_NOW | RTLD_NOLOAD);
    for (int k = 0; k < 2 && library == NULL; k++) {
        library = open_in("%s/nvidia/cu13/lib/%s", folder, sonames[k]);
        if (library == NULL && home != NULL)
            library = open_in("%s/lib64/%s", home, sonames[k]);
        if (library == NULL)
            library = dlopen(sonames[k], RTLD_NOW | RTLD_LOCAL);
    }
    return library;
}

static bool
find_functions(void *library)
{
    cublas = (Cublas){.create = dlsym(library, "cublasCreate_v2"),
                      .set_stream = dlsym(library, "cublasSetStream_v2"),
                      .set_math = dlsym(library, "cublasSetMathMode"),
                      .sgemm = dlsym(library, "cublasSgemm_v2"),
                      .dgemm = dlsym(library, "cublasDgemm_v2"),
                      .sgemm_batch = dlsym(library, "cublasSgemmStridedBatched"),
                      .dgemm_batch = dlsym(library, "cublasDgemmStridedBatched")};
    return cublas.create && cublas.set_stream && cublas.set_math;
}

/* NULL if there is no cuBLAS. */
static CublasHandle
handle_here(void)
{
    static enum { NOT_TRIED, ABSENT, PRESENT } state;
    CublasHandle *handle = &handles[current_device];
    if (state == NOT_TRIED) {
        void *library = open_cublas();
        state = library != NULL && find_functions(library) ? PRESENT : ABSENT;
    }
    if (state == ABSENT || (*handle == NULL && cublas.create(handle) != 0))
        return *handle = NULL;
    cublas.set_stream(*handle, current_stream());
    cublas.set_math(*handle, tf32_allowed ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH);
    return *handle;
}

/* ---------------------------------------------------------------- one call */
/* A row-major matrix is its transpose in column-major order: the operand as cuBLAS sees it, or false if neither of its
 * strides is 1. */
static bool
operand(int64_t rows, int64_t columns, int64_t row, int64_t column, int *op, int *leading)
{
    bool by_rows = column == 1 && (row >= columns || rows == 1), by_columns = row == 1 && (column >= rows || columns == 1);
    int64_t stride = by_rows ? (rows == 1 ? columns : row) : columns == 1 ? rows : column;
    *op = by_rows ? CUBLAS_OP_N : CUBLAS_OP_T;
    *leading = (int)(stride > 1 ? stride : 1);
    return (by_rows || by_columns) && stride <= INT32_MAX;
}

int
cublas_gemm(Dtype dtype, const GemmBatch *batch)
{
    const Gemm *g = &batch->gemm;
    int op_a, op_b, lda, ldb, status, m = (int)g->m, n = (int)g->n, k = (int)g->k, count = (int)batch->count;
    int ldc = (int)(g->m == 1 ? g->n : g->c_row);
    if ((dtype != DTYPE_FLOAT && dtype != DTYPE_DOUBLE) || g->k == 0 || g->m > INT32_MAX || g->n > INT32_MAX
        || g->k > INT32_MAX || batch->count > INT32_MAX || g->c_row > INT32_MAX || ldc < n
        || !operand(g->m, g->k, g->a_row, g->a_col, &op_a, &lda) || !operand(g->k, g->n, g->b_row, g->b_col, &op_b, &ldb))
        return 0;
    CublasHandle h = handle_here();
    if (h == NULL)
        return 0;
    const float one_f = 1, zero_f = 0, *alpha_f = &one_f, *beta_f = g->accumulate ? &one_f : &zero_f;
    const double one_d = 1, zero_d = 0, *alpha_d = &one_d, *beta_d = g->accumulate ? &one_d : &zero_d;
    bool is_float = dtype == DTYPE_FLOAT;
    if (is_float ? count > 1 && cublas.sgemm_batch == NULL : cublas.dgemm == NULL || (count > 1 && cublas.dgemm_batch == NULL))
        return 0;
    if (is_float && count == 1)
        status = cublas.sgemm(h, op_b, op_a, n, m, k, alpha_f, g->b, ldb, g->a, lda, beta_f, g->c, ldc);
    else if (is_float)
        status = cublas.sgemm_batch(h, op_b, op_a, n, m, k, alpha_f, g->b, ldb, batch->b_step, g->a, lda, batch->a_step,
                                    beta_f, g->c, ldc, batch->c_step, count);
    else if (count == 1)
        status = cublas.dgemm(h, op_b, op_a, n, m, k, alpha_d, g->b, ldb, g->a, lda, beta_d, g->c, ldc);
    else
        status = cublas.dgemm_batch(h, op_b, op_a, n, m, k, alpha_d, g->b, ldb, batch->b_step, g->a, lda, batch->a_step,
                                    beta_d, g->c, ldc, batch->c_step, count);
    if (status == 0)
        return 1;
    raise_text(HOST_RUNTIME_ERROR, "CUDA error: cuBLAS status %d when multiplying (%d x %d) by (%d x %d)", status, m, k, k, n);
    return -1;
}

/* ---------------------------------------------------------------- the slot */
int
cuda_gemm(Dtype dtype, const Gemm *gemm, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step)
{
    GemmBatch job = {*gemm, batch, a_step, b_step, c_step};
    if (gemm->m == 0 || gemm->n == 0 || batch == 0)
        return 0;
    int done = cublas_gemm(dtype, &job);
    if (done < 0)
        return -1;
    if (done == 0)
        launch_gemm(dtype, &job, current_stream());
    else if (gemm->bias != NULL || gemm->relu)
        launch_epilogue(dtype, &job, current_stream());
    return launched("a matrix product");
}
