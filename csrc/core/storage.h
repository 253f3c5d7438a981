/* Storage beyond what ctorch.h shows: the counters that leak tests read, and the freelist's size. */
#ifndef CTORCH_CORE_STORAGE_H
#define CTORCH_CORE_STORAGE_H

#include "ctorch.h"

/* Storages that exist, and the bytes that they own (not those of aliases and borrowed memory). */
extern int64_t storage_live_count, storage_live_bytes;

/* Gives the freelist's blocks back to the system. */
void storage_clear_freelist(void);

/* ---- A small tensor dies with its storage, and the next one takes both over: tensor.c keeps them together ---- */

/* Lets go of memory that lies in the Storage itself and that nobody else holds; false: another kind, nothing done. */
bool storage_rest(Storage *storage);

/* A resting Storage of nbytes again; false, still resting: too small, or this allocation must fail. */
bool storage_wake(Storage *storage, int64_t nbytes);

/* The end of a resting Storage. */
void storage_drop(Storage *storage);

#endif
