/* The slots for indexing and masks. */
#include "cuda/index.h"

#include "cuda/slots.h"

static int
launch_part(const Places *places, void *context)
{
    launch_pick(context, places, &faults[current_device], blocks_for(places->n), current_stream());
    return launched("indexing");
}

int
cuda_pick(const PickArgs *args, const Iter *iter)
{
    return places_each(iter, launch_part, (void *)args);
}

/* How many true elements are before each chunk of a mask, and in all; NULL with an error. */
static int64_t *
starts_of(const uint8_t *mask, int64_t n)
{
    int64_t chunks = (n + MASK_CHUNK - 1) / MASK_CHUNK, *counts = temporary((chunks + 1) * (int64_t)sizeof *counts);
    if (counts == NULL)
        return NULL;
    launch_mask_count(mask, n, counts, current_stream());
    launch_mask_sums(counts, chunks, current_stream());
    if (launched("counting a mask") == 0)
        return counts;
    temporary_free(counts);
    return NULL;
}

int
cuda_mask_count(const uint8_t *mask, int64_t n, int64_t *count)
{
    int64_t *starts = starts_of(mask, n), chunks = (n + MASK_CHUNK - 1) / MASK_CHUNK;
    if (starts == NULL)
        return -1;
    int result = cuda_accelerator.copy(count, HOST_DEVICE, starts + chunks, current_device, sizeof *count, true);
    temporary_free(starts);
    return result;
}

int
cuda_mask_move(const MaskArgs *args)
{
    if (args->n == 0)
        return 0;
    int64_t *starts = starts_of(args->mask, args->n);
    if (starts == NULL)
        return -1;
    launch_mask_move(args, starts, current_stream());
    temporary_free(starts);
    return launched("a masked copy");
}

int
cuda_nonzero(const NonzeroArgs *args)
{
    int64_t *starts = starts_of(args->mask, args->n), bytes = (int64_t)sizeof(int64_t) * (args->ndim > 0 ? args->ndim : 1);
    int64_t *dims = starts ? temporary(bytes) : NULL;
    int result = -1;
    if (dims != NULL
        && cuda_accelerator.copy(dims, current_device, args->dims, HOST_DEVICE, args->ndim * (int64_t)sizeof *dims, true) == 0) {
        launch_nonzero(args, dims, starts, current_stream());
        result = launched("nonzero");
    }
    temporary_free(dims);
    temporary_free(starts);
    return result;
}
