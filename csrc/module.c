/* The extension module ctorch._C: its types, functions and constants are put together here; what they do is in the
 * folders.  State is global, so a second interpreter is refused. */
#include "autograd/api.h"
#include "core/allocator.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/platform.h"
#include "core/storage.h"
#include "core/tensor.h"
#include "nn/nn.h"
#include "ops/ops.h"
#include "ops/optim.h"
#include "ops/rows.h"
#include "python/print.h"
#include "python/tensor.h"
#include "python/types.h"


/* ---------------------------------------------------------------- figures and switches for tests and tools */
static PyObject *
live_counts(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return Py_BuildValue("{s:L,s:L,s:L,s:L}", "tensors", (long long)tensor_live_count, "storages",
                         (long long)storage_live_count, "nodes", (long long)node_live_count, "bytes",
                         (long long)storage_live_bytes);
}

static PyObject *
fail_after(PyObject *module, PyObject *args)
{
    long long n;
    int persistent = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "L|p", &n, &persistent))
        return NULL;
    allocator_fail_after(n, persistent);
    Py_RETURN_NONE;
}

static PyObject *
empty_cache(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    tensor_clear_freelist();
    storage_clear_freelist();
    allocator_empty_cache();
    Py_RETURN_NONE;
}

static PyObject *
cpu_level(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(cpu_kernels->name);
}

static PyObject *
stop_threads(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyBool_FromLong(parallel_stop() == 0);
}

static PyObject *
get_num_threads(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(parallel_get_num_threads());
}

static PyObject *
set_num_threads(PyObject *module, PyObject *value)
{
    (void)module;
    long n = PyLong_AsLong(value);
    if (n == -1 && PyErr_Occurred())
        return NULL;
    if (n <= 0)
        return (PyObject *)error(PyExc_RuntimeError, "set_num_threads expects a positive integer, got %ld", n);
    parallel_set_num_threads((int)n);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_live", live_counts, METH_NOARGS, "Living tensors, storages, nodes and owned bytes."},
    {"_fail_after", fail_after, METH_VARARGS, "_fail_after(n, persistent=False): the n-th allocation from now fails."},
    {"_empty_cache", empty_cache, METH_NOARGS, "Returns cached memory and kept objects to the system."},
    {"_cpu_level", cpu_level, METH_NOARGS, "The instruction set of the kernels in use."},
    {"_parallel_stop", stop_threads, METH_NOARGS, "Joins the worker threads; False while another thread's job runs."},
    {"get_num_threads", get_num_threads, METH_NOARGS, "Number of threads that ops use."},
    {"set_num_threads", set_num_threads, METH_O, "set_num_threads(n): threads that ops use from now on."},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- start */
/* Called about every 50 ms inside long kernels by the thread that waits for them. */
static int
poll_signals(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    int stop = PyErr_CheckSignals();
    PyGILState_Release(state);
    return stop;
}

static int
module_exec(PyObject *module)
{
    static bool loaded;
    if (loaded) {
        PyErr_SetString(PyExc_ImportError, "ctorch._C keeps its state in the process: it can be loaded once, in the main "
                                           "interpreter only");
        return -1;
    }
    loaded = true;
    parallel_poll = poll_signals;
    static int (*const steps[])(PyObject *) = {
        error_init, dtype_type_init, finfo_type_init, layout_type_init, device_type_init, size_type_init,
        generator_type_init, node_init, tensor_type_init, numpy_init, construct_init, convert_init, print_init,
        autograd_init, cuda_init,
    };
    if (cpu_init() < 0)
        return -1;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i](module) < 0)
            return -1;
    if (rows_init(module, &TensorType) < 0 || optim_init(module) < 0 || nn_init(module) < 0)
        return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ctorch._C",
    .m_doc = "The C core of ctorch.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__C(void)
{
    return PyModuleDef_Init(&definition);
}
