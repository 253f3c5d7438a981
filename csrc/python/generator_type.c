/* torch.Generator and the functions on the default one: manual_seed, seed, initial_seed, get_rng_state,
 * set_rng_state.  The engine and its state bytes are core/random.c's. */
#include <string.h>

#include "core/platform.h"
#include "core/random.h"
#include "ops/ops.h"
#include "ops/random.h"
#include "python/tensor.h"

static const uint64_t default_seed = 67280421310721u;

enum { CUDA_STATE_SIZE = 16 };        /* seed and offset, as PyTorch has them */

static PyObject *
generator_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"device", NULL};
    PyObject *device = Py_None;
    Device on = CPU;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &device))
        return NULL;
    if (device != Py_None && device_from_object(device, &on) < 0)
        return NULL;
    GeneratorObject *g = (GeneratorObject *)type->tp_alloc(type, 0);
    if (g == NULL)
        return NULL;
    g->device = on;
    generator_seed(&g->state, default_seed);
    return (PyObject *)g;
}

/* Any 64-bit pattern is a seed; negative ones count from 2^64 down, as in PyTorch. */
static int
seed_from_object(PyObject *o, uint64_t *seed)
{
    PyObject *number = PyFloat_Check(o) ? PyNumber_Long(o) : PyNumber_Index(o);
    if (number == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_ValueError, "manual_seed: invalid literal for int(): %R", o);
        return -1;
    }
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    *seed = overflow > 0 ? PyLong_AsUnsignedLongLong(number) : (uint64_t)value;
    Py_DECREF(number);
    if (overflow < 0 || PyErr_Occurred()) {
        PyErr_Clear();
        PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking unsigned long long: a seed is in "
                                            "[-0x8000_0000_0000_0000, 0xffff_ffff_ffff_ffff]");
        return -1;
    }
    return 0;
}

static PyObject *
generator_manual_seed(GeneratorObject *self, PyObject *value)
{
    uint64_t seed;
    if (seed_from_object(value, &seed) < 0)
        return NULL;
    generator_seed(&self->state, seed);
    self->offset = 0;
    return Py_NewRef((PyObject *)self);
}

static PyObject *
generator_fresh_seed(GeneratorObject *self, PyObject *unused)
{
    (void)unused;
    uint64_t mixed = (uint64_t)platform_nanoseconds() * 0x9e3779b97f4a7c15u ^ (uint64_t)platform_pid() << 32;
    PyObject *os = PyImport_ImportModule("os"), *bytes = os ? PyObject_CallMethod(os, "urandom", "i", 8) : NULL;
    if (bytes != NULL && PyBytes_GET_SIZE(bytes) == 8)
        memcpy(&mixed, PyBytes_AS_STRING(bytes), 8);
    PyErr_Clear();
    Py_XDECREF(os);
    Py_XDECREF(bytes);
    mixed >>= 1;
    generator_seed(&self->state, mixed);
    self->offset = 0;
    return PyLong_FromUnsignedLongLong(mixed);
}

static PyObject *
generator_initial_seed(GeneratorObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->state.seed);
}

static PyObject *
generator_get_state_tensor(GeneratorObject *self, PyObject *unused)
{
    (void)unused;
    int64_t n = self->device.type == DEVICE_CUDA ? CUDA_STATE_SIZE : GENERATOR_STATE_SIZE;
    Tensor *t = tensor_empty(1, &n, DTYPE_UINT8, CPU);
    if (t != NULL && self->device.type == DEVICE_CUDA)
        memcpy(t->data, (uint64_t[]){self->state.seed, self->offset}, CUDA_STATE_SIZE);
    else if (t != NULL)
        generator_get_state(&self->state, (uint8_t *)t->data);
    return (PyObject *)t;
}

static PyObject *
generator_set_state_tensor(GeneratorObject *self, PyObject *value)
{
    if (!tensor_check(value) || ((Tensor *)value)->dtype != DTYPE_UINT8)
        return (PyObject *)error(PyExc_TypeError, "expected a torch.ByteTensor, but got %s", Py_TYPE(value)->tp_name);
    Tensor *t = (Tensor *)value;
    if (self->device.type == DEVICE_CUDA) {
        uint64_t words[2];
        if (t->numel != CUDA_STATE_SIZE || !t->contiguous || t->device.type != DEVICE_CPU)
            return (PyObject *)error(PyExc_RuntimeError, "RNG state is wrong size: a CUDA generator's has %d bytes",
                                     CUDA_STATE_SIZE);
        memcpy(words, t->data, sizeof words);
        generator_seed(&self->state, words[0]);
        self->offset = words[1];
        return Py_NewRef((PyObject *)self);
    }
    if (t->numel != GENERATOR_STATE_SIZE || !t->contiguous || t->device.type != DEVICE_CPU)
        return (PyObject *)error(PyExc_RuntimeError, "Expected a CPUGeneratorImplState of size %d but found the input RNG "
                                                     "state size to be %lld", GENERATOR_STATE_SIZE, (long long)t->numel);
    if (!generator_set_state(&self->state, (const uint8_t *)t->data))
        return (PyObject *)error(PyExc_RuntimeError, "Invalid mt19937 state");
    return Py_NewRef((PyObject *)self);
}

static PyObject *
generator_clone(GeneratorObject *self, PyObject *unused)
{
    (void)unused;
    GeneratorObject *copy = (GeneratorObject *)GeneratorType.tp_alloc(&GeneratorType, 0);
    if (copy != NULL) {
        copy->state = self->state;
        copy->device = self->device;
        copy->offset = self->offset;
    }
    return (PyObject *)copy;
}

static PyObject *
generator_get_device(GeneratorObject *self, void *closure)
{
    (void)closure;
    return device_object(self->device);
}

static PyMethodDef generator_methods[] = {
    {"manual_seed", (PyCFunction)generator_manual_seed, METH_O, "manual_seed(seed): starts the stream anew; returns self."},
    {"seed", (PyCFunction)generator_fresh_seed, METH_NOARGS, "Starts the stream from an unpredictable seed, which it returns."},
    {"initial_seed", (PyCFunction)generator_initial_seed, METH_NOARGS, "The seed the stream started from."},
    {"get_state", (PyCFunction)generator_get_state_tensor, METH_NOARGS, "The state as a uint8 tensor, in PyTorch's layout."},
    {"set_state", (PyCFunction)generator_set_state_tensor, METH_O, "set_state(state): continues a saved stream."},
    {"clone_state", (PyCFunction)generator_clone, METH_NOARGS, "A new Generator at the same place of the stream."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef generator_getset[] = {
    {"device", (getter)generator_get_device, NULL, "The device the generator draws on.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject GeneratorType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.Generator",
    .tp_basicsize = sizeof(GeneratorObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "Generator(device='cpu'): a stream of random numbers, mt19937, equal to PyTorch's bit for bit.",
    .tp_methods = generator_methods,
    .tp_getset = generator_getset,
    .tp_new = generator_new,
};

/* ---------------------------------------------------------------- functions on the default generator */
static PyObject *
module_manual_seed(PyObject *module, PyObject *value)
{
    (void)module;
    PyObject *g = generator_manual_seed(default_generator, value);
    if (g != NULL)
        cuda_generators_seed(default_generator->state.seed);
    return g;
}

static PyObject *
module_seed(PyObject *module, PyObject *unused)
{
    (void)module;
    return generator_fresh_seed(default_generator, unused);
}

static PyObject *
module_initial_seed(PyObject *module, PyObject *unused)
{
    (void)module;
    return generator_initial_seed(default_generator, unused);
}

static PyObject *
module_get_rng_state(PyObject *module, PyObject *unused)
{
    (void)module;
    return generator_get_state_tensor(default_generator, unused);
}

static PyObject *
module_set_rng_state(PyObject *module, PyObject *value)
{
    (void)module;
    PyObject *done = generator_set_state_tensor(default_generator, value);
    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    Py_RETURN_NONE;
}

static PyObject *
module_cuda_generator(PyObject *module, PyObject *index)
{
    (void)module;
    long i = PyLong_AsLong(index);
    return i == -1 && PyErr_Occurred() ? NULL : Py_XNewRef((PyObject *)cuda_generator((int)(i < 0 ? 0 : i)));
}

static PyObject *
module_cuda_seed(PyObject *module, PyObject *value)
{
    uint64_t seed;
    (void)module;
    if (seed_from_object(value, &seed) < 0)
        return NULL;
    cuda_generators_seed(seed);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_cuda_generator", module_cuda_generator, METH_O, "_cuda_generator(index): the default generator of a CUDA device."},
    {"_cuda_manual_seed_all", module_cuda_seed, METH_O, "_cuda_manual_seed_all(seed): seeds all of them."},
    {"manual_seed", module_manual_seed, METH_O,
     "manual_seed($module, seed, /)\n--\n\nSeeds the default generator: the numbers that follow are PyTorch's for the seed."},
    {"seed", module_seed, METH_NOARGS, "Seeds the default generator unpredictably; returns the seed."},
    {"initial_seed", module_initial_seed, METH_NOARGS, "The seed of the default generator."},
    {"get_rng_state", module_get_rng_state, METH_NOARGS, "The default generator's state, a uint8 tensor."},
    {"set_rng_state", module_set_rng_state, METH_O, "set_rng_state(state): puts the default generator into that state."},
    {NULL, NULL, 0, NULL},
};

int
generator_type_init(PyObject *module)
{
    if (PyType_Ready(&GeneratorType) < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    default_generator = (GeneratorObject *)PyObject_CallNoArgs((PyObject *)&GeneratorType);
    if (default_generator == NULL || PyModule_AddObjectRef(module, "Generator", (PyObject *)&GeneratorType) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "default_generator", (PyObject *)default_generator);
}
