/* The slots for softmax, losses, scans and sorting. */
#include "cuda/rows.h"

#include "cuda/slots.h"

int
cuda_softmax(const Softmax *s)
{
    launch_softmax(s, current_stream());
    return launched("softmax");
}

/* Without blocking, the kernels check the targets that they read, and nothing is waited for. */
bool
cuda_bad_target(const Nll *a, int64_t *bad)
{
    Fault *fault = &faults[current_device];
    if (!blocking || a->outer * a->inner == 0)
        return false;
    launch_targets(a, fault, blocks_for(a->outer * a->inner), current_stream());
    if (check(cudaStreamSynchronize(current_stream())) < 0 || fault->kind != FAULT_TARGET)
        return false;
    *bad = fault->value;
    fault->kind = FAULT_NONE;
    return true;
}

int
cuda_nll(const Nll *a)
{
    bool one = a->kind == NLL_SUM || a->kind == NLL_MEAN;
    if (a->outer * a->inner == 0 && !one)
        return 0;
    launch_nll(a, &faults[current_device], blocks_for(a->outer * a->inner), current_stream());
    return launched("nll_loss");
}

int
cuda_scan(const Scan *s)
{
    if (s->outer * s->n * s->inner == 0)
        return 0;
    launch_scan(s, current_stream());
    return launched("a running reduction");
}

int
cuda_sort(const Sort *s)
{
    int64_t width = 1, bytes;
    if (s->rows == 0 || s->n == 0 || s->k == 0)
        return 0;
    while (width < s->n)
        width *= 2;
    if (__builtin_mul_overflow(s->rows * (int64_t)sizeof(int64_t), width, &bytes)) {
        memory_raise(INT64_MAX);
        return -1;
    }
    uint64_t *keys = temporary(bytes);
    int64_t *places = keys ? temporary(bytes) : NULL;
    int result = -1;
    if (places != NULL) {
        launch_sort(s, keys, places, width, current_stream());
        result = launched("sort");
    }
    temporary_free(places);
    temporary_free(keys);
    return result;
}

int
cuda_search(const Search *s)
{
    launch_search(s, current_stream());
    return launched("searchsorted");
}
