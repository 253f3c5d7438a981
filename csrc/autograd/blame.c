/* The Python lines of recent in-place writes.  Only writes to storages that a node has saved are noted
 * (Storage.saved), so an in-place op outside autograd pays one test; the ring is small, for an error is met
 * soon after its cause. */
#include "autograd/blame.h"

enum { RING = 64 };

static struct Write {
    const Storage *storage; /* compared, never read: it may be dead */
    uint32_t version;       /* that the write produced */
    int line;
    PyObject *file;
} ring[RING];
static unsigned next;

void
blame_note(const Storage *storage)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return;
    PyCodeObject *code = PyFrame_GetCode(frame);
    struct Write *w = &ring[next++ % RING];
    w->storage = storage;
    w->version = storage->version;
    w->line = PyFrame_GetLineNumber(frame);
    Py_XSETREF(w->file, Py_NewRef(code->co_filename));
    Py_DECREF(code);
}

/* The newest entry that fits: an older one may be of a dead storage that had the same address. */
const char *
blame_line(const Storage *storage, uint32_t version)
{
    static char text[512];
    for (unsigned k = next; k-- != next - RING;) {
        const struct Write *w = &ring[k % RING];
        if (w->file == NULL || w->storage != storage || w->version != version + 1)
            continue;
        const char *file = PyUnicode_AsUTF8(w->file);
        if (file == NULL) {
            PyErr_Clear();
            return NULL;
        }
        snprintf(text, sizeof text, "%s:%d", file, w->line);
        return text;
    }
    return NULL;
}
