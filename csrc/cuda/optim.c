/* The optim slot: parameters packed into lists, a launch for each. */
#include "cuda/optim.h"

#include "cuda/slots.h"

enum { CHUNKS_MAX = INT32_MAX / 2 };

static bool
is_wide(const OptimItem *item)
{
    return item->dtype == DTYPE_DOUBLE;
}

static int
flush(OptimList *list)
{
    if (list->n_items == 0)
        return 0;
    launch_optim(list, current_stream());
    list->n_items = 0;
    return launched("an optimizer's step");
}

int
cuda_optim(const Optim *o)
{
    OptimList list = {.rule = *o, .n_items = 0};
    list.rule.items = NULL;
    for (int64_t k = 0; k < o->n_items; k++) {
        int64_t chunks = (o->items[k].n + OPTIM_CHUNK - 1) / OPTIM_CHUNK;
        if (chunks == 0)
            continue;
        bool other = list.n_items > 0 && is_wide(&list.items[0]) != is_wide(&o->items[k]);
        bool full = list.n_items == OPTIM_LIST || (list.n_items > 0 && list.first[list.n_items] + chunks > CHUNKS_MAX);
        if ((other || full) && flush(&list) < 0)
            return -1;
        list.items[list.n_items++] = o->items[k];
        list.first[list.n_items] = list.first[list.n_items - 1] + (int32_t)chunks;
    }
    return flush(&list);
}
