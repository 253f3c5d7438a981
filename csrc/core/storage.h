/* Storage beyond what ctorch.h shows: the counters that leak tests read, and the freelist's size. */
#ifndef CTORCH_CORE_STORAGE_H
#define CTORCH_CORE_STORAGE_H

#include "ctorch.h"

/* Storages that exist, and the bytes that they own (not those of aliases and borrowed memory). */
extern int64_t storage_live_count, storage_live_bytes;

/* Gives the freelist's blocks back to the system. */
void storage_clear_freelist(void);

#endif
