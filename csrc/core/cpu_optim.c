/* Drives the optimizer kernels over all elements of all parameters at once, so that many small tensors and
 * one large one are shared out alike.  Half types are brought into float by blocks. */
#include "core/cpu_optim.h"

#include "core/cpu.h"
#include "core/parallel.h"
#include "ctorch.h"

enum { BLOCK = 512, GRAIN = 1 << 14, RELEASE_GIL_ABOVE = 1 << 17 };

static OptimLoop
loop_for(OptimKind kind, Dtype dtype)
{
    const OptimKernels *k = cpu_kernels->optim;
    if (kind == OPTIM_SGD)
        return dtype == DTYPE_DOUBLE ? k->sgd_f64 : k->sgd_f32;
    return dtype == DTYPE_DOUBLE ? k->adam_f64 : k->adam_f32;
}

/* Elements [begin, end) of item; absent arrays stay absent. */
static OptimItem
part(const OptimItem *item, int64_t begin, int64_t end)
{
    OptimItem p = *item;
    int64_t at = begin * dtype_info[item->dtype].itemsize;
    p.n = end - begin;
    p.p += at;
    p.g += at;
    p.m = p.m ? p.m + at : NULL;
    p.v = p.v ? p.v + at : NULL;
    p.top = p.top ? p.top + at : NULL;
    return p;
}

static void
run_half(const Optim *o, const OptimItem *item)
{
    static const int64_t no_stride[2] = {0, 0};
    Loop load = cpu_kernels->half_load[item->dtype - DTYPE_HALF],
         store = cpu_kernels->half_store[item->dtype - DTYPE_HALF];
    float wide[5][BLOCK];
    for (int64_t i = 0; i < item->n; i += BLOCK) {
        OptimItem from = part(item, i, item->n - i < BLOCK ? item->n : i + BLOCK), to = from;
        char *const halves[5] = {(char *)from.g, from.p, from.m, from.v, from.top};
        for (int k = 0; k < 5; k++)
            if (halves[k] != NULL)
                load((char *[]){(char *)wide[k], halves[k]}, no_stride, from.n, NULL);
        to.g = (char *)wide[0];
        to.p = (char *)wide[1];
        to.m = from.m ? (char *)wide[2] : NULL;
        to.v = from.v ? (char *)wide[3] : NULL;
        to.top = from.top ? (char *)wide[4] : NULL;
        loop_for(o->kind, DTYPE_FLOAT)(o, &to);
        for (int k = 1; k < 5; k++)
            if (halves[k] != NULL)
                store((char *[]){halves[k], (char *)wide[k]}, no_stride, from.n, NULL);
    }
}

static void
run_item(const Optim *o, const OptimItem *item)
{
    if (item->dtype == DTYPE_FLOAT || item->dtype == DTYPE_DOUBLE)
        loop_for(o->kind, item->dtype)(o, item);
    else
        run_half(o, item);
}

/* Elements [begin, end) of all items laid end to end. */
static void
run_range(void *context, int64_t begin, int64_t end)
{
    const Optim *o = context;
    int64_t first = 0;
    for (int64_t k = 0; k < o->n_items && first < end; first += o->items[k++].n) {
        const OptimItem *item = &o->items[k];
        int64_t low = begin > first ? begin - first : 0, high = end - first < item->n ? end - first : item->n;
        if (low < high) {
            OptimItem p = part(item, low, high);
            run_item(o, &p);
        }
    }
}

int
cpu_optim(const Optim *o)
{
    int64_t total = 0;
    for (int64_t k = 0; k < o->n_items; k++)
        total += o->items[k].n;
    if (total < RELEASE_GIL_ABOVE) {
        for (int64_t k = 0; k < o->n_items; k++)
            run_item(o, &o->items[k]);
        return 0;
    }
    return cpu_parallel_for(true, total, GRAIN, run_range, (void *)o);
}
