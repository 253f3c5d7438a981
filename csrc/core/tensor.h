/* Tensor's birth and death beyond what ctorch.h shows; used by python/tensor_type.c and by tests. */
#ifndef CTORCH_CORE_TENSOR_H
#define CTORCH_CORE_TENSOR_H

#include "ctorch.h"

extern int64_t tensor_live_count;

/* An object of `type` with all of Tensor's fields zero: no storage yet, 0-d.  Plain tensors come from the
 * freelist and are untracked; other types come from their tp_alloc, and then `tracked` says whether the
 * collector knows them. */
Tensor *tensor_new(PyTypeObject *type);
/* What tp_dealloc does after it untracked the object and cleared its weakrefs: lets go of everything the
 * tensor owns but a small storage, then of the object itself. */
void tensor_dealloc_fields(Tensor *t);
void tensor_recycle(Tensor *t);
void tensor_clear_freelist(void);

#endif
