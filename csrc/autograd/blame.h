/* Which Python line changed a saved tensor in place: what a backward error tells, and the ring that
 * remembers. */
#ifndef CTORCH_AUTOGRAD_BLAME_H
#define CTORCH_AUTOGRAD_BLAME_H

#include "ctorch.h"

/* An in-place op has just raised the version of a storage that some node has saved. */
void blame_note(const Storage *storage);
/* "file.py:12" of the first write to storage after `version`, or NULL if it is not remembered. */
const char *blame_line(const Storage *storage, uint32_t version);

#endif
