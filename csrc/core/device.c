/* The CUDA backend as the core sees it: found beside the extension and opened on first need, its errors turned into
 * Python's, the number of the device that calls go to.  What it computes is in csrc/cuda. */
#include "core/device.h"

#include <stdlib.h>
#include <string.h>

#include "core/platform.h"

int cuda_current;
Device default_device;
int cuda_in_use = -1;

static enum { NOT_TRIED, ABSENT, LOADED } state;
static int device_count;
static int owner_pid;                 /* the process that started the driver */
static const char *reason;            /* why there is no device, if the library said so */

#define MORE "see torch.cuda.is_available(), or use device=\"cpu\""

/* ---------------------------------------------------------------- what the backend may ask */
static void
raise_error(HostError kind, const char *text)
{
    PyObject *const types[] = {
        [HOST_RUNTIME_ERROR] = PyExc_RuntimeError,
        [HOST_INDEX_ERROR] = PyExc_IndexError,
        [HOST_ZERO_DIVISION] = ZeroDivisionError_,
        [HOST_OUT_OF_MEMORY] = OutOfMemoryError_,
        [HOST_NOT_IMPLEMENTED] = PyExc_NotImplementedError,
    };
    if (!PyErr_Occurred())
        PyErr_SetString(types[kind], text);
}

static void *
wait_begin(void)
{
    return PyEval_SaveThread();
}

static void
wait_end(void *thread)
{
    PyEval_RestoreThread(thread);
}

static bool
package_folder(const char *package, char *folder, size_t size)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *util = PyImport_ImportModule("importlib.util");
    PyObject *spec = util ? PyObject_CallMethod(util, "find_spec", "s", package) : NULL;
    PyObject *folders = spec ? PyObject_GetAttrString(spec, "submodule_search_locations") : NULL;
    PyObject *first = folders ? PySequence_GetItem(folders, 0) : NULL;
    const char *text = first ? PyUnicode_AsUTF8(first) : NULL;
    bool found = text != NULL && strlen(text) < size;
    if (found)
        strcpy(folder, text);
    Py_XDECREF(first);
    Py_XDECREF(folders);
    Py_XDECREF(spec);
    Py_XDECREF(util);
    PyErr_Restore(type, value, trace);
    return found;
}

static const Host host = {raise_error, wait_begin, wait_end, package_folder};

/* ---------------------------------------------------------------- loading */
/* CTORCH_CUDA=sim or sim:2 asks for the simulated device. */
static const char *
library_name(void)
{
    const char *choice = getenv("CTORCH_CUDA");
    return choice != NULL && strncmp(choice, "sim", 3) == 0 ? "_cuda_sim.so" : "_cuda.so";
}

static const Backend *
open_library(void)
{
    void *library = platform_library_beside(&state, library_name());
    return library ? platform_library_symbol(library, "ct_cuda_backend") : NULL;
}

static void
load(void)
{
    if (state != NOT_TRIED)
        return;
    const Backend *backend = open_library();
    if (backend == NULL) {
        state = ABSENT;
        return;
    }
    if (backend->abi != BACKEND_ABI) {
        state = ABSENT;
        reason = "ctorch's CUDA library was built for another version of ctorch: build both again";
        return;
    }
    device_count = backend->accelerator->start(&host, &reason);
    owner_pid = platform_pid();
    backends[DEVICE_CUDA] = backend;
    state = LOADED;
}

int
cuda_device_count(void)
{
    load();
    return device_count;
}

bool
cuda_is_built(void)
{
    load();
    return state == LOADED;
}

bool
cuda_is_initialized(void)
{
    return cuda_in_use >= 0;
}

void
cuda_switch(int index)
{
    if (backends[DEVICE_CUDA]->accelerator->use(index) == 0)
        cuda_in_use = index;
}

static int
cuda_ready(int index)
{
    load();
    if (state == ABSENT)
        error(reason ? PyExc_RuntimeError : PyExc_AssertionError, "%s",
              reason ? reason : "Torch not compiled with CUDA enabled: this build of ctorch has no CUDA backend; " MORE);
    else if (device_count == 0)
        error(PyExc_RuntimeError, "%s", reason ? reason : "No CUDA GPUs are available");
    else if (owner_pid != platform_pid())
        error(PyExc_RuntimeError, "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you "
                                  "must use the 'spawn' start method");
    else if (index >= device_count)
        error(PyExc_RuntimeError, "CUDA error: invalid device ordinal: cuda:%d was asked for, and there %s %d device%s: "
                                  "cuda:0%s", index, device_count == 1 ? "is" : "are", device_count,
              device_count == 1 ? "" : "s", device_count == 1 ? "" : " and on");
    else if (index != cuda_in_use)
        cuda_switch(index);
    return PyErr_Occurred() ? -1 : 0;
}

int
device_ready(Device device)
{
    return device.type == DEVICE_CUDA ? cuda_ready(device.index) : 0;
}

/* ---------------------------------------------------------------- copies */
bool device_copies_wait = true;

int
device_copy(void *to, Device to_device, const void *from, Device from_device, int64_t nbytes)
{
    bool to_cuda = to_device.type == DEVICE_CUDA, from_cuda = from_device.type == DEVICE_CUDA;
    Device working = to_cuda ? to_device : from_device;
    if (device_ready(working) < 0)
        return -1;
    return backend_at(working)->accelerator->copy(to, to_cuda ? to_device.index : HOST_DEVICE, from,
                                                  from_cuda ? from_device.index : HOST_DEVICE, nbytes, device_copies_wait);
}
