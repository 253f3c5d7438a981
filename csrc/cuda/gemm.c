/* The gemm slot: cuBLAS for float and double where it is there, else ctorch's own kernel.  cuBLAS is looked for at the
 * first product, never linked: a machine without it computes all the same.  A product of floats with a bias or a ReLU is
 * one call of cuBLASLt, which cuBLAS brings along. */
#include "cuda/gemm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/slots.h"

/* What of cublas_v2.h is used; the numbers are part of its binary interface. */
typedef struct CublasContext *CublasHandle;
enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_DEFAULT_MATH = 0, CUBLAS_TF32_TENSOR_OP_MATH = 3 };
enum { CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_32F_FAST_TF32 = 77, CUDA_R_32F = 0 };
enum { LT_TRANSA = 3, LT_TRANSB = 4, LT_EPILOGUE = 7, LT_BIAS_POINTER = 8, LT_EPILOGUE_RELU = 2, LT_EPILOGUE_BIAS = 4 };
typedef struct LtDesc *LtDesc;
typedef struct LtLayout *LtLayout;

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
    int (*desc_create)(LtDesc *desc, int compute, int scale);
    int (*desc_set)(LtDesc desc, int attribute, const void *value, size_t nbytes);
    int (*desc_destroy)(LtDesc desc);
    int (*layout_create)(LtLayout *layout, int type, uint64_t rows, uint64_t columns, int64_t leading);
    int (*layout_destroy)(LtLayout layout);
    int (*matmul)(CublasHandle handle, LtDesc desc, const void *alpha, const void *a, LtLayout a_layout, const void *b,
                  LtLayout b_layout, const void *beta, const void *c, LtLayout c_layout, void *d, LtLayout d_layout,
                  const void *algorithm, void *workspace, size_t nbytes, cudaStream_t stream);
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

/* One that the process has already, that of pip's packages, CUDA_HOME's, the system's. */
static void *
open_cublas(void)
{
    char folder[2048];
    bool packages = host->package_folder("nvidia", folder, sizeof folder);
    const char *home = getenv("CUDA_HOME");
    void *library = NULL;
    for (int k = 0; k < 2 && library == NULL; k++)
        library = dlopen(sonames[k], RTLD_NOW | RTLD_NOLOAD);
    for (int k = 0; k < 2 && library == NULL; k++) {
        if (packages)
            library = open_in("%s/cu13/lib/%s", folder, sonames[k]);
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
                      .dgemm_batch = dlsym(library, "cublasDgemmStridedBatched"),
                      .desc_create = dlsym(library, "cublasLtMatmulDescCreate"),
                      .desc_set = dlsym(library, "cublasLtMatmulDescSetAttribute"),
                      .desc_destroy = dlsym(library, "cublasLtMatmulDescDestroy"),
                      .layout_create = dlsym(library, "cublasLtMatrixLayoutCreate"),
                      .layout_destroy = dlsym(library, "cublasLtMatrixLayoutDestroy"),
                      .matmul = dlsym(library, "cublasLtMatmul")};
    if (!cublas.desc_create || !cublas.desc_set || !cublas.desc_destroy || !cublas.layout_create || !cublas.layout_destroy)
        cublas.matmul = NULL;
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

/* A product as cuBLAS sees it; false if it cannot. */
typedef struct Seen {
    int m, n, k, op_a, op_b, lda, ldb, ldc;
} Seen;

static bool
see(Dtype dtype, const GemmBatch *batch, Seen *s)
{
    const Gemm *g = &batch->gemm;
    *s = (Seen){.m = (int)g->m, .n = (int)g->n, .k = (int)g->k, .ldc = (int)(g->m == 1 ? g->n : g->c_row)};
    return (dtype == DTYPE_FLOAT || dtype == DTYPE_DOUBLE) && g->k > 0 && g->m <= INT32_MAX && g->n <= INT32_MAX
           && g->k <= INT32_MAX && batch->count <= INT32_MAX && g->c_row <= INT32_MAX && s->ldc >= s->n
           && operand(g->m, g->k, g->a_row, g->a_col, &s->op_a, &s->lda)
           && operand(g->k, g->n, g->b_row, g->b_col, &s->op_b, &s->ldb);
}

/* With its bias and ReLU: whether it is done.  What cuBLASLt refuses is done in two steps. */
static bool
lt_gemm(Dtype dtype, const GemmBatch *batch)
{
    const Gemm *g = &batch->gemm;
    const float one = 1, zero = 0;
    Seen s;
    if (dtype != DTYPE_FLOAT || batch->count != 1 || g->accumulate || !see(dtype, batch, &s))
        return false;
    CublasHandle h = handle_here();
    if (h == NULL || cublas.matmul == NULL)
        return false;
    LtDesc desc = NULL;
    LtLayout a = NULL, b = NULL, c = NULL;
    uint32_t epilogue = (g->bias ? LT_EPILOGUE_BIAS : 0) | (g->relu ? LT_EPILOGUE_RELU : 0);
    bool n_a = s.op_a == CUBLAS_OP_N, n_b = s.op_b == CUBLAS_OP_N;
    bool done = cublas.desc_create(&desc, tf32_allowed ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F) == 0
                && cublas.desc_set(desc, LT_TRANSA, &s.op_b, sizeof s.op_b) == 0
                && cublas.desc_set(desc, LT_TRANSB, &s.op_a, sizeof s.op_a) == 0
                && cublas.desc_set(desc, LT_EPILOGUE, &epilogue, sizeof epilogue) == 0
                && (!g->bias || cublas.desc_set(desc, LT_BIAS_POINTER, &g->bias, sizeof g->bias) == 0)
                && cublas.layout_create(&b, CUDA_R_32F, (uint64_t)(n_b ? s.n : s.k), (uint64_t)(n_b ? s.k : s.n), s.ldb) == 0
                && cublas.layout_create(&a, CUDA_R_32F, (uint64_t)(n_a ? s.k : s.m), (uint64_t)(n_a ? s.m : s.k), s.lda) == 0
                && cublas.layout_create(&c, CUDA_R_32F, (uint64_t)s.n, (uint64_t)s.m, s.ldc) == 0
                && cublas.matmul(h, desc, &one, g->b, b, g->a, a, &zero, g->c, c, g->c, c, NULL, NULL, 0,
                                 current_stream()) == 0;
    LtLayout layouts[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        if (layouts[i] != NULL)
            cublas.layout_destroy(layouts[i]);
    if (desc != NULL)
        cublas.desc_destroy(desc);
    return done;
}

int
cublas_gemm(Dtype dtype, const GemmBatch *batch)
{
    const Gemm *g = &batch->gemm;
    int status, count = (int)batch->count;
    Seen s;
    if (!see(dtype, batch, &s))
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
        status = cublas.sgemm(h, s.op_b, s.op_a, s.n, s.m, s.k, alpha_f, g->b, s.ldb, g->a, s.lda, beta_f, g->c, s.ldc);
    else if (is_float)
        status = cublas.sgemm_batch(h, s.op_b, s.op_a, s.n, s.m, s.k, alpha_f, g->b, s.ldb, batch->b_step, g->a, s.lda,
                                    batch->a_step, beta_f, g->c, s.ldc, batch->c_step, count);
    else if (count == 1)
        status = cublas.dgemm(h, s.op_b, s.op_a, s.n, s.m, s.k, alpha_d, g->b, s.ldb, g->a, s.lda, beta_d, g->c, s.ldc);
    else
        status = cublas.dgemm_batch(h, s.op_b, s.op_a, s.n, s.m, s.k, alpha_d, g->b, s.ldb, batch->b_step, g->a, s.lda,
                                    batch->a_step, beta_d, g->c, s.ldc, batch->c_step, count);
    if (status == 0)
        return 1;
    raise_text(HOST_RUNTIME_ERROR, "CUDA error: cuBLAS status %d when multiplying (%d x %d) by (%d x %d)", status, s.m, s.k,
               s.k, s.n);
    return -1;
}

/* ---------------------------------------------------------------- the slot */
int
cuda_gemm(Dtype dtype, const Gemm *gemm, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step)
{
    GemmBatch job = {*gemm, batch, a_step, b_step, c_step};
    if (gemm->m == 0 || gemm->n == 0 || batch == 0)
        return 0;
    if ((gemm->bias != NULL || gemm->relu) && lt_gemm(dtype, &job))
        return launched("a matrix product");
    int done = cublas_gemm(dtype, &job);
    if (done < 0)
        return -1;
    if (done == 0)
        launch_gemm(dtype, &job, current_stream());
    else if (gemm->bias != NULL || gemm->relu)
        launch_epilogue(dtype, &job, current_stream());
    return launched("a matrix product");
}
