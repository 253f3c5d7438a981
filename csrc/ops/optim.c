/* One optimizer step over the parameters of a group: all checks first, so that a refused step changes
 * nothing, then one pass over every parameter and its state.  The rules are in ctorch/optim, the loops in
 * kernels/optim.c. */
#include "ops/optim.h"

#include <math.h>
#include <string.h>

#include "abi/optim.h"
#include "ops/ops.h"

/* The tensors of one parameter, in this order; NULL: the rule has none. */
enum { OF_PARAM, OF_GRAD, OF_FIRST, OF_SECOND, OF_LARGEST, TENSORS };
static const char *const roles[TENSORS] = {"param", "grad", "state", "state", "state"};

enum { ITEMS_INLINE = 32 };

typedef struct Step {
    Optim optim;
    const char *name;
    PyObject *lists[TENSORS]; /* borrowed lists of one length; NULL where the rule has none */
    PyObject *steps;          /* Adam's counters */
    int64_t n;
    OptimItem *items;
    Tensor *(*tensors)[TENSORS]; /* borrowed from the lists, item by item */
    Tensor **counters;
} Step;

/* Room for the parameters of most models: big, and so not part of Step, which is cleared. */
typedef struct Room {
    OptimItem items[ITEMS_INLINE];
    Tensor *tensors[ITEMS_INLINE][TENSORS];
    Tensor *counters[ITEMS_INLINE];
} Room;

/* ---------------------------------------------------------------- checks */
static int
check_list(const char *name, PyObject *list, int64_t n)
{
    if (list != NULL && (!PyList_CheckExact(list) || (n >= 0 && PyList_GET_SIZE(list) != n))) {
        error(PyExc_TypeError, "%s(): expected lists of one length, got %s", name, Py_TYPE(list)->tp_name);
        return -1;
    }
    return 0;
}

static int
check_param(const char *name, Tensor *p)
{
    if (!dtype_is_float((Dtype)p->dtype))
        return not_implemented_dtype(name, (Dtype)p->dtype);
    if (p->node != NULL && !p->retains_grad) {
        error(PyExc_RuntimeError, "%s(): can't optimize a non-leaf Tensor", name);
        return -1;
    }
    return 0;
}

static int
check_like(const char *name, int role, const Tensor *t, const Tensor *p)
{
    if (t->ndim == p->ndim && memcmp(t->dims, p->dims, p->ndim * sizeof p->dims[0]) == 0
        && t->dtype == p->dtype && device_equal(t->device, p->device))
        return 0;
    error(PyExc_RuntimeError,
          "%s(): the %s is %s %s, its param is %s %s: shape, dtype and device must be the same", name,
          roles[role], dtype_info[t->dtype].name, shape_text(t->ndim, t->dims), dtype_info[p->dtype].name,
          shape_text(p->ndim, p->dims));
    return -1;
}

/* Parameters are leaves that require grad: what forbids writing to these does not hold here, the rest does.
 */
static int
check_written(Tensor *t)
{
    bool mode = grad_mode;
    grad_mode = false;
    int result = check_writable(t, "optimizer step");
    grad_mode = mode;
    return result;
}

/* 1: the tensors of item i; 0: it has no gradient; -1 with an error. */
static int
take_tensors(const Step *s, int64_t i, Tensor *tensors[TENSORS])
{
    if (PyList_GET_ITEM(s->lists[OF_GRAD], i) == Py_None)
        return 0;
    for (int k = 0; k < TENSORS; k++) {
        PyObject *o = s->lists[k] ? PyList_GET_ITEM(s->lists[k], i) : NULL;
        tensors[k] = (Tensor *)o;
        if (o == NULL)
            continue;
        if (!tensor_check(o)) {
            error(PyExc_TypeError, "%s(): %s must be a Tensor, not %s", s->name, roles[k],
                  Py_TYPE(o)->tp_name);
            return -1;
        }
        if (k == OF_PARAM ? check_param(s->name, tensors[k]) < 0
                          : check_like(s->name, k, tensors[k], tensors[OF_PARAM]) < 0)
            return -1;
        if (k != OF_GRAD && check_written(tensors[k]) < 0)
            return -1;
    }
    return 1;
}

static Tensor *
step_counter(const Step *s, int64_t i)
{
    PyObject *o = PyList_GET_ITEM(s->steps, i);
    if (tensor_check(o) && ((Tensor *)o)->numel == 1 && ((Tensor *)o)->device.type != DEVICE_META
        && dtype_is_float((Dtype)((Tensor *)o)->dtype))
        return (Tensor *)o;
    return error(PyExc_TypeError, "%s(): a step counter must be a float Tensor of one element, not %s",
                 s->name, Py_TYPE(o)->tp_name);
}

/* ---------------------------------------------------------------- running */
static bool
is_dense(Tensor *const *tensors)
{
    for (int k = 0; k < TENSORS; k++)
        if (tensors[k] != NULL && !tensors[k]->contiguous)
            return false;
    return true;
}

static void
set_pointers(OptimItem *item, Tensor *const *tensors)
{
    char *at[TENSORS];
    for (int k = 0; k < TENSORS; k++)
        at[k] = tensors[k] ? tensors[k]->data : NULL;
    item->dtype = (Dtype)tensors[OF_PARAM]->dtype;
    item->n = tensors[OF_PARAM]->numel;
    item->p = at[OF_PARAM];
    item->g = at[OF_GRAD];
    item->m = at[OF_FIRST];
    item->v = at[OF_SECOND];
    item->top = at[OF_LARGEST];
}

static int
run_items(const Step *s, const Backend *backend, int64_t n, const OptimItem *items)
{
    Optim o = s->optim;
    o.n_items = n;
    o.items = items;
    return n == 0 ? 0 : backend->optim(&o);
}

/* Through dense copies. */
static int
run_strided(const Step *s, const Backend *backend, OptimItem *item, Tensor *const *tensors)
{
    size_t mark = scope_begin();
    Tensor *dense[TENSORS] = {NULL};
    int result = 0;
    for (int k = 0; k < TENSORS; k++)
        if (tensors[k] != NULL && (dense[k] = op_contiguous(op_detach(tensors[k]))) == NULL)
            result = -1;
    if (result == 0) {
        set_pointers(item, dense);
        result = run_items(s, backend, 1, item);
    }
    for (int k = 0; k < TENSORS && result == 0; k++)
        if (k != OF_GRAD && tensors[k] != NULL && dense[k]->data != tensors[k]->data)
            result = copy_data(tensors[k], dense[k]);
    scope_end(mark);
    return result;
}

/* Dense items of one device go together. */
static int
run_all(Step *s, int64_t n)
{
    int64_t first = 0;
    int result = 0;
    for (int64_t i = 0; i < n && result == 0; i++) {
        Tensor *param = s->tensors[i][OF_PARAM], *next = i + 1 < n ? s->tensors[i + 1][OF_PARAM] : NULL;
        const Backend *backend = backend_of(param);
        if (is_dense(s->tensors[i])) {
            set_pointers(&s->items[i], s->tensors[i]);
            bool last = next == NULL || !device_equal(next->device, param->device)
                        || !is_dense(s->tensors[i + 1]);
            if (!last)
                continue;
            result = run_items(s, backend, i + 1 - first, s->items + first);
        } else
            result = run_strided(s, backend, &s->items[i], s->tensors[i]);
        first = i + 1;
    }
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < TENSORS; k++)
            if (k != OF_GRAD && s->tensors[i][k] != NULL)
                tensor_bump(s->tensors[i][k]);
    return result;
}

/* ---------------------------------------------------------------- one step */
static int
allocate(Step *s, Room *room)
{
    s->items = room->items;
    s->tensors = room->tensors;
    s->counters = room->counters;
    if (s->n <= ITEMS_INLINE) {
        memset(s->items, 0, (size_t)s->n * sizeof *s->items);
        return 0;
    }
    s->items = PyMem_Calloc((size_t)s->n, sizeof *s->items);
    s->tensors = PyMem_Calloc((size_t)s->n, sizeof *s->tensors);
    s->counters = PyMem_Calloc((size_t)s->n, sizeof *s->counters);
    if (s->items != NULL && s->tensors != NULL && s->counters != NULL)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static void
release(Step *s, Room *room)
{
    if (s->items == room->items)
        return;
    PyMem_Free(s->items);
    PyMem_Free(s->tensors);
    PyMem_Free(s->counters);
}

/* Counters move only when every item has been checked. */
static int
advance(Step *s, int64_t n)
{
    Tensor **counters = s->counters;
    const Optim *o = &s->optim;
    for (int64_t i = 0; i < n; i++) {
        Scalar t = {PARAM(tensor_item(counters[i]).f + 1), CATEGORY_FLOAT};
        if (i > 0 && t.value.f == tensor_item(counters[i - 1]).f) {
            s->items[i].step_size = s->items[i - 1].step_size;
            s->items[i].root = s->items[i - 1].root;
        } else {
            s->items[i].step_size = o->lr / (1 - pow(o->beta1, t.value.f));
            s->items[i].root = sqrt(1 - pow(o->beta2, t.value.f));
        }
        if (fill_data(counters[i], t) < 0)
            return -1;
        tensor_bump(counters[i]);
    }
    return 0;
}

static int
collect(Step *s, int64_t *count)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int got = take_tensors(s, i, s->tensors[n]);
        if (got < 0 || (got && s->steps != NULL && (s->counters[n] = step_counter(s, i)) == NULL))
            return -1;
        if (got && backend_of(s->tensors[n][OF_PARAM])->optim == NULL) {
            not_implemented_device(s->name, s->tensors[n][OF_PARAM]);
            return -1;
        }
        n += got;
    }
    *count = n;
    return 0;
}

static int
check_lists(Step *s)
{
    if (check_list(s->name, s->lists[OF_PARAM], -1) < 0)
        return -1;
    s->n = PyList_GET_SIZE(s->lists[OF_PARAM]);
    for (int k = OF_GRAD; k < TENSORS; k++)
        if (check_list(s->name, s->lists[k], s->n) < 0)
            return -1;
    return check_list(s->name, s->steps, s->n);
}

static PyObject *
step_run(Step *s)
{
    Room room;
    int64_t n;
    if (check_lists(s) < 0)
        return NULL;
    if (allocate(s, &room) == 0 && collect(s, &n) == 0 && (s->steps == NULL || advance(s, n) == 0))
        run_all(s, n);
    release(s, &room);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* ---------------------------------------------------------------- Python */
static PyObject *
list_or_null(PyObject *o)
{
    return o == Py_None ? NULL : o;
}

/* Numbers and one-element tensors, then truth values; -1 with an error. */
static int
read_options(PyObject *const *args, int n_numbers, double *numbers, int n_flags, bool *flags)
{
    for (int i = 0; i < n_numbers; i++) {
        numbers[i] = PyFloat_AsDouble(args[i]);
        if (numbers[i] == -1 && PyErr_Occurred())
            return -1;
    }
    for (int i = 0; i < n_flags; i++) {
        int truth = PyObject_IsTrue(args[n_numbers + i]);
        if (truth < 0)
            return -1;
        flags[i] = truth;
    }
    return 0;
}

static int
check_count(const char *name, Py_ssize_t got, Py_ssize_t expected)
{
    if (got == expected)
        return 0;
    error(PyExc_TypeError, "%s() takes %zd positional arguments but %zd were given", name, expected, got);
    return -1;
}

static PyObject *
sgd_step(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    double x[4];
    bool flags[2];
    (void)module;
    if (check_count("_sgd_step", nargs, 9) < 0 || read_options(args + 3, 4, x, 2, flags) < 0)
        return NULL;
    Step s = {.name = "_sgd_step", .lists = {args[0], args[1], list_or_null(args[2])}};
    s.optim = (Optim){.kind = OPTIM_SGD, .lr = x[0], .momentum = x[1], .dampening = x[2],
                      .weight_decay = x[3], .nesterov = flags[0], .maximize = flags[1]};
    return step_run(&s);
}

static PyObject *
adam_step(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    double x[5];
    bool flags[3];
    (void)module;
    if (check_count("_adam_step", nargs, 14) < 0 || read_options(args + 6, 5, x, 3, flags) < 0)
        return NULL;
    Step s = {.name = "_adam_step", .steps = args[5],
              .lists = {args[0], args[1], args[2], args[3], flags[0] ? list_or_null(args[4]) : NULL}};
    if (flags[0] && s.lists[OF_LARGEST] == NULL)
        return (PyObject *)error(PyExc_TypeError, "_adam_step(): amsgrad needs max_exp_avg_sqs");
    s.optim = (Optim){.kind = OPTIM_ADAM, .lr = x[0], .beta1 = x[1], .beta2 = x[2], .eps = x[3],
                      .weight_decay = x[4], .amsgrad = flags[0], .maximize = flags[1], .decoupled = flags[2]};
    return step_run(&s);
}

static PyMethodDef functions[] = {
    {"_sgd_step", (PyCFunction)(void (*)(void))sgd_step, METH_FASTCALL,
     "_sgd_step(params, grads, momentum_buffers, lr, momentum, dampening, weight_decay, nesterov, maximize)"},
    {"_adam_step", (PyCFunction)(void (*)(void))adam_step, METH_FASTCALL,
     "_adam_step(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, beta1, beta2, eps, "
     "weight_decay, amsgrad, "
     "maximize, decoupled)"},
    {NULL, NULL, 0, NULL},
};

int
optim_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
