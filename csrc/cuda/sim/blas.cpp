/* The libraries that the backend's loader finds on the simulated device: a libcublas.so.13 with the matrix
 * products, and with cublasLt's, since libcublas brings that along. Matrices are column-major, sums are in
 * double, and the work is queued on the handle's stream. CTSIM_BLAS=0 is a machine without it. */
#include "abi/half.h"
#include "dlfcn.h"
#include "sim.h"

#include <cstring>

namespace ctsim {

/* The numbers of cuBLAS's binary interface. */
enum Status {
    SUCCESS = 0,
    NOT_INITIALIZED = 1,
    INVALID_VALUE = 7,
    EXECUTION_FAILED = 13,
    NOT_SUPPORTED = 15
};
enum Operation { OP_N = 0, OP_T = 1, OP_C = 2 };
enum DataType { R_32F = 0, R_64F = 1, R_16F = 2, R_16BF = 14 };
enum LtAttribute { LT_TRANSA = 3, LT_TRANSB = 4, LT_EPILOGUE = 7, LT_BIAS_POINTER = 8 };
enum LtEpilogue : uint32_t { LT_DEFAULT = 1, LT_RELU = 2, LT_BIAS = 4 };
enum ComputeType { COMPUTE_32F = 68, COMPUTE_32F_FAST_TF32 = 77, COMPUTE_64F = 70 };

namespace {
struct Handle {
    int device;
    cudaStream_t stream;
};

struct Matrix {
    void *data; /* a device address; in a queued product, the storage behind it */
    int type, op;
    int64_t ld, step;
};

struct Product {
    int64_t m, n, k;
    double alpha, beta;
    Matrix a, b, c;
    int count;
    Matrix bias = {}; /* of c's rows; no data: none */
    bool relu = false;
};

/* What cublasLt's opaque descriptions hold here. */
struct LtDesc {
    int compute, scale, op_a, op_b;
    uint32_t epilogue;
    void *bias;
};

struct LtLayout {
    int type;
    int64_t rows, columns, ld;
};
}  // namespace

static std::vector<std::unique_ptr<Handle>> handles;

static size_t size_of(int type)
{
    return type == R_64F ? 8 : type == R_32F ? 4 : 2;
}

static double load(const Matrix &matrix, int64_t at)
{
    const char *p = static_cast<const char *>(matrix.data) + static_cast<size_t>(at) * size_of(matrix.type);
    double wide;
    float single;
    uint16_t half;
    switch (matrix.type) {
    case R_64F: memcpy(&wide, p, sizeof(wide)); return wide;
    case R_32F: memcpy(&single, p, sizeof(single)); return static_cast<double>(single);
    case R_16F: memcpy(&half, p, sizeof(half)); return static_cast<double>(f16_to_float(half));
    default: memcpy(&half, p, sizeof(half)); return static_cast<double>(bf16_to_float(half));
    }
}

static void store(const Matrix &matrix, int64_t at, double x)
{
    char *p = static_cast<char *>(matrix.data) + static_cast<size_t>(at) * size_of(matrix.type);
    float single = static_cast<float>(x);
    uint16_t half = matrix.type == R_16F ? float_to_f16(single) : float_to_bf16(single);
    switch (matrix.type) {
    case R_64F: memcpy(p, &x, sizeof(x)); break;
    case R_32F: memcpy(p, &single, sizeof(single)); break;
    default: memcpy(p, &half, sizeof(half)); break;
    }
}

/* op(matrix) number `index`, dense and column-major. */
static std::vector<double> unpack(const Matrix &matrix, int64_t rows, int64_t columns, int64_t index)
{
    std::vector<double> dense(static_cast<size_t>(rows * columns));
    double *to = dense.data();
    int64_t down = matrix.op == OP_N ? 1 : matrix.ld, across = matrix.op == OP_N ? matrix.ld : 1;
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < rows; i++)
            *to++ = load(matrix, index * matrix.step + j * across + i * down);
    return dense;
}

static void multiply(const Product &p)
{
    for (int64_t index = 0; index < p.count; index++) {
        std::vector<double> a = unpack(p.a, p.m, p.k, index), b = unpack(p.b, p.k, p.n, index);
        std::vector<double> sums(static_cast<size_t>(p.m));
        for (int64_t j = 0; j < p.n; j++) {
            std::fill(sums.begin(), sums.end(), 0.0);
            for (int64_t l = 0; l < p.k; l++) {
                double factor = b[static_cast<size_t>(j * p.k + l)];
                const double *column = a.data() + l * p.m;
                for (int64_t i = 0; i < p.m; i++)
                    sums[static_cast<size_t>(i)] += column[i] * factor;
            }
            for (int64_t i = 0; i < p.m; i++) {
                int64_t at = index * p.c.step + j * p.c.ld + i;
                double old =
                    p.beta == 0 ? 0 : p.beta * load(p.c, at); /* with beta 0 C is not read, NaN or not */
                double x = p.alpha * sums[static_cast<size_t>(i)] + old;
                x += p.bias.data ? load(p.bias, i) : 0;
                store(p.c, at, p.relu && x < 0 ? 0 : x);
            }
        }
    }
}

/* From a device address to its storage.  A matrix that leaves its block would be an illegal access on a card,
 * found when the product runs. */
static bool place(Matrix *matrix, int64_t rows, int64_t columns, int count, const char *call, bool *fits)
{
    bool on_device, in_pinned;
    if (matrix->op != OP_N)
        std::swap(rows, columns);
    if (matrix->ld < rows || matrix->ld < 1)
        return false;
    int64_t last = (count - 1) * matrix->step + (columns - 1) * matrix->ld + rows;
    size_t bytes = rows && columns ? static_cast<size_t>(last) * size_of(matrix->type) : 0;
    void *storage = usable(matrix->data, bytes, &on_device, &in_pinned, call);
    if (storage && !on_device && bytes)
        report("%s: %p is not device memory", call, matrix->data);
    *fits = *fits && storage && (on_device || !bytes);
    matrix->data = storage;
    return true;
}

static bool known_type(int type)
{
    return type == R_32F || type == R_64F || type == R_16F || type == R_16BF;
}

static Handle *handle_of(void *wanted)
{
    for (const auto &handle : handles)
        if (handle.get() == wanted)
            return handle.get();
    return nullptr;
}

static int enqueue_product(const char *call, void *wanted, Product p)
{
    std::lock_guard<std::recursive_mutex> held(lock());
    Handle *handle = handle_of(wanted);
    Stream *stream = handle ? stream_of(handle->stream) : nullptr;
    if (!handle || !stream)
        return NOT_INITIALIZED;
    if (planned_failure(call) != cudaSuccess || current_device()->fault != cudaSuccess)
        return EXECUTION_FAILED;
    if (!known_type(p.a.type) || !known_type(p.b.type) || !known_type(p.c.type))
        return NOT_SUPPORTED;
    if (p.m < 0 || p.n < 0 || p.k < 0 || p.count < 0 || p.a.op > OP_C || p.b.op > OP_C)
        return INVALID_VALUE;
    if (p.m == 0 || p.n == 0 || p.count == 0)
        return SUCCESS;
    bool fits = true;
    if (!place(&p.a, p.m, p.k, p.count, call, &fits) || !place(&p.b, p.k, p.n, p.count, call, &fits) ||
        !place(&p.c, p.m, p.n, p.count, call, &fits) ||
        (p.bias.data && !place(&p.bias, p.m, 1, 1, call, &fits)))
        return INVALID_VALUE;
    Device *device = device_of(stream);
    enqueue(stream, [p, fits, device] {
        if (fits)
            multiply(p);
        else
            device_faulted(device, cudaErrorIllegalAddress);
    });
    return SUCCESS;
}

/* ---- the interface; alpha and beta are read at the call, the pointer mode is the host's ---- */

static int create(void **handle)
{
    std::lock_guard<std::recursive_mutex> held(lock());
    if (planned_failure("cublasCreate_v2") != cudaSuccess || !current_device())
        return NOT_INITIALIZED;
    handles.push_back(std::make_unique<Handle>(Handle{current_device()->index, nullptr}));
    *handle = handles.back().get();
    return SUCCESS;
}

static int destroy(void *wanted)
{
    std::lock_guard<std::recursive_mutex> held(lock());
    return std::erase_if(handles, [&](const auto &each) { return each.get() == wanted; }) ? SUCCESS
                                                                                          : NOT_INITIALIZED;
}

static int set_stream(void *wanted, cudaStream_t stream)
{
    std::lock_guard<std::recursive_mutex> held(lock());
    Handle *handle = handle_of(wanted);
    if (!handle)
        return NOT_INITIALIZED;
    handle->stream = stream;
    return SUCCESS;
}

static int set_math_mode(void *wanted, int)
{
    return handle_of(wanted) ? SUCCESS : NOT_INITIALIZED;
}

static int set_workspace(void *wanted, void *workspace, size_t)
{
    bool on_device = device_of_handle(reinterpret_cast<uintptr_t>(workspace)) >= 0;
    return !handle_of(wanted) ? NOT_INITIALIZED : on_device || !workspace ? SUCCESS : INVALID_VALUE;
}

static const char *status_string(int status)
{
    switch (status) {
    case SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    default: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
}

static Matrix matrix(const void *data, int type, int op, int64_t ld, int64_t step)
{
    return {const_cast<void *>(data), type, op, ld, step};
}

template <class T, int TYPE>
static int gemm_batch(void *handle, int op_a, int op_b, int m, int n, int k, const T *alpha, const T *a,
                      int lda, long long step_a, const T *b, int ldb, long long step_b, const T *beta, T *c,
                      int ldc, long long step_c, int count)
{
    Product p = {m,
                 n,
                 k,
                 static_cast<double>(*alpha),
                 static_cast<double>(*beta),
                 matrix(a, TYPE, op_a, lda, step_a),
                 matrix(b, TYPE, op_b, ldb, step_b),
                 matrix(c, TYPE, OP_N, ldc, step_c),
                 count};
    return enqueue_product(TYPE == R_32F ? "cublasSgemm" : "cublasDgemm", handle, p);
}

template <class T, int TYPE>
static int gemm(void *handle, int op_a, int op_b, int m, int n, int k, const T *alpha, const T *a, int lda,
                const T *b, int ldb, const T *beta, T *c, int ldc)
{
    return gemm_batch<T, TYPE>(handle, op_a, op_b, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}

static int gemm_batch_ex(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha,
                         const void *a, int type_a, int lda, long long step_a, const void *b, int type_b,
                         int ldb, long long step_b, const void *beta, void *c, int type_c, int ldc,
                         long long step_c, int count, int compute, int)
{
    if (compute != COMPUTE_32F && compute != COMPUTE_32F_FAST_TF32 && compute != COMPUTE_64F)
        return NOT_SUPPORTED;
    int scalar = compute == COMPUTE_64F ? R_64F : R_32F;
    Product p = {m,
                 n,
                 k,
                 load(matrix(alpha, scalar, OP_N, 1, 0), 0),
                 load(matrix(beta, scalar, OP_N, 1, 0), 0),
                 matrix(a, type_a, op_a, lda, step_a),
                 matrix(b, type_b, op_b, ldb, step_b),
                 matrix(c, type_c, OP_N, ldc, step_c),
                 count};
    return enqueue_product("cublasGemmEx", handle, p);
}

static int gemm_ex(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha, const void *a,
                   int type_a, int lda, const void *b, int type_b, int ldb, const void *beta, void *c,
                   int type_c, int ldc, int compute, int algorithm)
{
    return gemm_batch_ex(handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c,
                         type_c, ldc, 0, 1, compute, algorithm);
}

/* ---- cublasLt: one matrix, the epilogues of a bias and a ReLU, the library's own choice of algorithm ---- */

static int lt_desc_create(LtDesc **desc, int compute, int scale)
{
    if ((compute != COMPUTE_32F && compute != COMPUTE_32F_FAST_TF32) || scale != R_32F)
        return NOT_SUPPORTED;
    *desc = new LtDesc{compute, scale, OP_N, OP_N, LT_DEFAULT, nullptr};
    return SUCCESS;
}

static int lt_desc_set(LtDesc *desc, int attribute, const void *value, size_t bytes)
{
    void *field = attribute == LT_TRANSA         ? static_cast<void *>(&desc->op_a)
                  : attribute == LT_TRANSB       ? static_cast<void *>(&desc->op_b)
                  : attribute == LT_EPILOGUE     ? static_cast<void *>(&desc->epilogue)
                  : attribute == LT_BIAS_POINTER ? static_cast<void *>(&desc->bias)
                                                 : nullptr;
    if (!field || bytes != (attribute == LT_BIAS_POINTER ? sizeof(void *) : sizeof(int)))
        return INVALID_VALUE;
    memcpy(field, value, bytes);
    return SUCCESS;
}

static int lt_desc_destroy(LtDesc *desc)
{
    delete desc;
    return SUCCESS;
}

static int lt_layout_create(LtLayout **layout, int type, uint64_t rows, uint64_t columns, int64_t ld)
{
    *layout = new LtLayout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), ld};
    return SUCCESS;
}

static int lt_layout_destroy(LtLayout *layout)
{
    delete layout;
    return SUCCESS;
}

static int lt_matmul(void *handle, const LtDesc *desc, const float *alpha, const void *a, const LtLayout *a_is,
                     const void *b, const LtLayout *b_is, const float *beta, const void *c, const LtLayout *c_is,
                     void *d, const LtLayout *d_is, const void *algorithm, void *, size_t, cudaStream_t stream)
{
    bool known = (desc->epilogue & ~(LT_DEFAULT | LT_RELU | LT_BIAS)) == 0 && desc->epilogue != 0;
    int64_t m = d_is->rows, n = d_is->columns, k = desc->op_a == OP_N ? a_is->columns : a_is->rows;
    bool fits = (desc->op_a == OP_N ? a_is->rows : a_is->columns) == m &&
                (desc->op_b == OP_N ? b_is->columns : b_is->rows) == n &&
                (desc->op_b == OP_N ? b_is->rows : b_is->columns) == k && c_is->rows == m && c_is->columns == n;
    bool has_bias = desc->epilogue & LT_BIAS;
    if (!known || algorithm || c != d || a_is->type != R_32F || b_is->type != R_32F || d_is->type != R_32F)
        return NOT_SUPPORTED;
    if (!fits || has_bias != (desc->bias != nullptr) || set_stream(handle, stream) != SUCCESS)
        return INVALID_VALUE;
    Product p = {m, n, k, static_cast<double>(*alpha), static_cast<double>(*beta), matrix(a, R_32F, desc->op_a, a_is->ld, 0),
                 matrix(b, R_32F, desc->op_b, b_is->ld, 0), matrix(d, R_32F, OP_N, d_is->ld, 0), 1};
    if (has_bias)
        p.bias = matrix(desc->bias, R_32F, OP_N, m, 0);
    p.relu = desc->epilogue & LT_RELU;
    return enqueue_product("cublasLtMatmul", handle, p);
}

namespace {
struct Symbol {
    const char *name;
    void *function;
};
}  // namespace

#define SYMBOL(name, function)                                                                               \
    {                                                                                                        \
        name, reinterpret_cast<void *>(function)                                                             \
    }
static const Symbol symbols[] = {
    SYMBOL("cublasCreate_v2", create),
    SYMBOL("cublasDestroy_v2", destroy),
    SYMBOL("cublasSetStream_v2", set_stream),
    SYMBOL("cublasSetMathMode", set_math_mode),
    SYMBOL("cublasSetWorkspace_v2", set_workspace),
    SYMBOL("cublasGetStatusString", status_string),
    SYMBOL("cublasSgemm_v2", (gemm<float, R_32F>)),
    SYMBOL("cublasDgemm_v2", (gemm<double, R_64F>)),
    SYMBOL("cublasSgemmStridedBatched", (gemm_batch<float, R_32F>)),
    SYMBOL("cublasDgemmStridedBatched", (gemm_batch<double, R_64F>)),
    SYMBOL("cublasGemmEx", gemm_ex),
    SYMBOL("cublasGemmStridedBatchedEx", gemm_batch_ex),
    SYMBOL("cublasLtMatmulDescCreate", lt_desc_create),
    SYMBOL("cublasLtMatmulDescSetAttribute", lt_desc_set),
    SYMBOL("cublasLtMatmulDescDestroy", lt_desc_destroy),
    SYMBOL("cublasLtMatrixLayoutCreate", lt_layout_create),
    SYMBOL("cublasLtMatrixLayoutDestroy", lt_layout_destroy),
    SYMBOL("cublasLtMatmul", lt_matmul),
};
#undef SYMBOL

static char library; /* its address is the library's handle */
static thread_local const char *problem;

}  // namespace ctsim

using namespace ctsim;

extern "C" {

/* Found by its plain name alone, not loaded before and in no folder; or where CTSIM_BLAS says, and there alone. */
void *ctsim_dlopen(const char *name, int flags)
{
    const char *place = blas_place();
    if (blas_present() && name && !(flags & RTLD_NOLOAD) && strcmp(name, place ? place : "libcublas.so.13") == 0)
        return &library;
    problem = "the simulated device has no such library";
    return nullptr;
}

void *ctsim_dlsym(void *from, const char *name)
{
    for (const Symbol &symbol : symbols)
        if (from == &library && strcmp(symbol.name, name) == 0 && (lt_present() || strncmp(name, "cublasLt", 8) != 0))
            return symbol.function;
    problem = "the simulated device's library has no such symbol";
    return nullptr;
}

int ctsim_dlclose(void *)
{
    return 0;
}

char *ctsim_dlerror(void)
{
    const char *text = problem;
    problem = nullptr;
    return const_cast<char *>(text);
}

}  // extern "C"
