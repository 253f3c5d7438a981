/* backward() and grad(): what users ask is turned into a BackwardCall.  Everything about how it runs is
 * engine.c's. */
#include "autograd/api.h"

#include "autograd/engine.h"
#include "autograd/formula.h"
#include "autograd/hooks.h"
#include "ops/ops.h"

/* ---------------------------------------------------------------- arguments */
/* Arguments by position or name into values[] (borrowed; NULL where absent); -1 with TypeError. */
static int
take_arguments(const char *function, const char *const *names, int n_names, PyObject *const *args,
               Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    if (nargs > n_names) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", function, n_names,
                     nargs);
        return -1;
    }
    for (int k = 0; k < n_names; k++)
        values[k] = k < nargs ? args[k] : NULL;
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        int k = 0;
        while (k < n_names && PyUnicode_CompareWithASCIIString(name, names[k]) != 0)
            k++;
        if (k == n_names || values[k] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         k == n_names ? "%s() got an unexpected keyword argument '%U'"
                                      : "%s() got multiple values for argument '%U'",
                         function, name);
            return -1;
        }
        values[k] = args[nargs + i];
    }
    return 0;
}

/* None and absence give `otherwise`; -1 with an error. */
static int
truth(PyObject *o, int otherwise)
{
    return o == NULL || o == Py_None ? otherwise : PyObject_IsTrue(o);
}

/* A Tensor, or a sequence of them (None too, if allowed), as a tuple. */
static PyObject *
tensor_tuple(PyObject *o, const char *function, const char *what, bool none_allowed)
{
    if (tensor_check(o))
        return PyTuple_Pack(1, o);
    PyObject *tuple = PySequence_Tuple(o);
    for (Py_ssize_t i = 0; tuple && i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (tensor_check(item) || (none_allowed && item == Py_None))
            continue;
        PyErr_Format(PyExc_TypeError, "%s(): %s can be either Tensors%s, but element %zd is of type %s",
                     function, what, none_allowed ? " or None" : "", i, Py_TYPE(item)->tp_name);
        Py_CLEAR(tuple);
    }
    return tuple;
}

/* ---------------------------------------------------------------- gradients of the roots */
static Tensor *
implicit_gradient(Tensor *root)
{
    if (root->numel != 1)
        return error(PyExc_RuntimeError,
                     "grad can be implicitly created only for scalar outputs: this one has shape %s; "
                     "reduce it first (mean(), sum()), or give the gradient",
                     shape_text(root->ndim, root->dims));
    return formula_constant(root, 1, (Dtype)root->dtype);
}

static Tensor *
explicit_gradient(Tensor *root, Tensor *g, int k)
{
    bool same = root->ndim == g->ndim && memcmp(root->dims, g->dims, root->ndim * sizeof root->dims[0]) == 0;
    if (!same)
        return error(PyExc_RuntimeError,
                     "Mismatch in shape: grad_output[%d] has a shape of torch.Size(%s) and output[%d] "
                     "has a shape of torch.Size(%s).",
                     k, shape_text(g->ndim, g->dims), k, shape_text(root->ndim, root->dims));
    return op_to_dtype(g, (Dtype)root->dtype);
}

/* given: a tuple as long as roots, or NULL; gradients[] is scope-owned. */
static int
root_gradients(PyObject *roots, PyObject *given, Tensor **gradients)
{
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(roots); k++) {
        Tensor *root = (Tensor *)PyTuple_GET_ITEM(roots, k);
        PyObject *g = given ? PyTuple_GET_ITEM(given, k) : Py_None;
        if (!tensor_needs_grad(root)) {
            error(PyExc_RuntimeError,
                  "element %zd of tensors does not require grad and does not have a grad_fn: nothing "
                  "that requires grad took part in computing it, or it was computed under no_grad()",
                  k);
            return -1;
        }
        gradients[k] = g == Py_None ? implicit_gradient(root) : explicit_gradient(root, (Tensor *)g, (int)k);
        if (gradients[k] == NULL)
            return -1;
    }
    return 0;
}

static int
check_inputs(PyObject *inputs, const char *function)
{
    if (PyTuple_GET_SIZE(inputs) == 0) {
        PyErr_Format(PyExc_RuntimeError, "`inputs` argument to `%s()` cannot be empty.", function);
        return -1;
    }
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(inputs); k++)
        if (!tensor_needs_grad((Tensor *)PyTuple_GET_ITEM(inputs, k))) {
            PyErr_Format(PyExc_RuntimeError,
                         "One of the differentiated Tensors does not require grad: number %zd of "
                         "inputs has requires_grad=False",
                         k);
            return -1;
        }
    return 0;
}

/* ---------------------------------------------------------------- running */
typedef struct Request {
    PyObject *roots, *gradients, *inputs; /* tuples of tensors; gradients and inputs may be NULL */
    bool accumulate, keep_graph, create_graph;
} Request;

/* results: as many as inputs, new references; NULL when accumulating. */
static int
run(const Request *r, Tensor **results)
{
    Py_ssize_t n = PyTuple_GET_SIZE(r->roots);
    if (r->gradients != NULL && PyTuple_GET_SIZE(r->gradients) != n) {
        PyErr_Format(PyExc_RuntimeError, "got %zd tensors and %zd gradients", n,
                     PyTuple_GET_SIZE(r->gradients));
        return -1;
    }
    Tensor *few[4], **gradients = n > 4 ? PyMem_New(Tensor *, n) : few;
    if (gradients == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    size_t mark = scope_begin();
    int result = root_gradients(r->roots, r->gradients, gradients);
    if (result == 0 && n > 0) {
        BackwardCall call = {
            .n_roots = (int)n,
            .roots = (Tensor **)&PyTuple_GET_ITEM(r->roots, 0),
            .root_grads = gradients,
            .results = results,
            .accumulate = r->accumulate,
            .keep_graph = r->keep_graph,
            .create_graph = r->create_graph,
        };
        if (r->inputs != NULL) {
            call.n_inputs = (int)PyTuple_GET_SIZE(r->inputs);
            call.inputs = (Tensor **)&PyTuple_GET_ITEM(r->inputs, 0);
        }
        result = engine_run(&call);
    }
    scope_end(mark);
    if (gradients != few)
        PyMem_Free(gradients);
    return result;
}

/* Fills keep_graph and create_graph: retain_graph defaults to create_graph. */
static int
graph_flags(Request *r, PyObject *retain_graph, PyObject *create_graph)
{
    int create = truth(create_graph, false);
    int keep = create < 0 ? -1 : truth(retain_graph, create);
    r->create_graph = create > 0;
    r->keep_graph = keep > 0;
    return keep < 0 ? -1 : 0;
}

/* ---------------------------------------------------------------- backward */
/* As PyTorch: what is no leaf gets its .grad by retaining it, from now on. */
static int
retain_inputs(PyObject *inputs)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); i++) {
        PyObject *done = tensor_retain_grad(PyTuple_GET_ITEM(inputs, i), NULL);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
    }
    return 0;
}

static PyObject *
backward(PyObject *tensors, PyObject *gradients, PyObject *retain_graph, PyObject *create_graph,
         PyObject *inputs)
{
    Request r = {.accumulate = true};
    PyObject *result = NULL;
    if (graph_flags(&r, retain_graph, create_graph) < 0
        || !(r.roots = tensor_tuple(tensors, "backward", "tensors", false)))
        return NULL;
    if (gradients && gradients != Py_None
        && !(r.gradients = tensor_tuple(gradients, "backward", "gradients", true)))
        goto done;
    if (inputs && inputs != Py_None) {
        r.inputs = tensor_tuple(inputs, "backward", "inputs", false);
        if (r.inputs == NULL || check_inputs(r.inputs, "backward") < 0 || retain_inputs(r.inputs) < 0)
            goto done;
    }
    if (run(&r, NULL) == 0)
        result = Py_NewRef(Py_None);
done:
    Py_XDECREF(r.roots);
    Py_XDECREF(r.gradients);
    Py_XDECREF(r.inputs);
    return result;
}

PyObject *
tensor_backward(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"gradient", "retain_graph", "create_graph", "inputs"};
    PyObject *v[4];
    if (take_arguments("backward", names, 4, args, nargs, kwnames, v) < 0)
        return NULL;
    if (v[0] != NULL && v[0] != Py_None && !tensor_check(v[0]))
        return PyErr_Format(PyExc_TypeError,
                            "backward(): gradient can be either a Tensor or None, but got %s",
                            Py_TYPE(v[0])->tp_name);
    return backward(self, v[0], v[1], v[2], v[3]);
}

static PyObject *
autograd_backward(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"tensors",      "grad_tensors",   "retain_graph",
                                        "create_graph", "grad_variables", "inputs"};
    PyObject *v[6];
    if (take_arguments("backward", names, 6, args, nargs, kwnames, v) < 0)
        return NULL;
    if (v[0] == NULL)
        return PyErr_Format(PyExc_TypeError, "backward() missing 1 required positional argument: 'tensors'");
    return backward(v[0], v[1] && v[1] != Py_None ? v[1] : v[4], v[2], v[3], v[5]);
}

/* ---------------------------------------------------------------- grad */
enum {
    OUTPUTS,
    INPUTS,
    GRAD_OUTPUTS,
    RETAIN_GRAPH,
    CREATE_GRAPH,
    ONLY_INPUTS,
    ALLOW_UNUSED,
    BATCHED,
    MATERIALIZE,
    GRAD_ARGUMENTS
};
static const char *const grad_names[] = {"outputs",      "inputs",           "grad_outputs",
                                         "retain_graph", "create_graph",     "only_inputs",
                                         "allow_unused", "is_grads_batched", "materialize_grads"};

/* An input that the outputs do not depend on: an error, None, or zeros.  Takes results' references. */
static PyObject *
results_tuple(PyObject *inputs, Tensor **results, bool allow_unused, bool materialize)
{
    Py_ssize_t n = PyTuple_GET_SIZE(inputs);
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t k = 0; k < n; k++) {
        Tensor *t = results[k];
        if (t == NULL && tuple != NULL && !allow_unused) {
            PyErr_Format(PyExc_RuntimeError,
                         "The differentiated Tensor at index %zd appears to not have been used in the "
                         "graph. Set allow_unused=True if this is the desired behavior.",
                         k);
            Py_CLEAR(tuple);
        } else if (t == NULL && tuple != NULL && materialize) {
            Tensor *input = (Tensor *)PyTuple_GET_ITEM(inputs, k);
            size_t mark = scope_begin();
            t = scope_take(formula_constant(input, 0, (Dtype)input->dtype));
            scope_end(mark);
            if (t == NULL)
                Py_CLEAR(tuple);
        }
        if (tuple != NULL)
            PyTuple_SET_ITEM(tuple, k, t ? (PyObject *)t : Py_NewRef(Py_None));
        else
            Py_XDECREF((PyObject *)t);
    }
    return tuple;
}

static PyObject *
run_grad(Request *r, bool allow_unused, bool materialize)
{
    Py_ssize_t n = PyTuple_GET_SIZE(r->inputs);
    Tensor **results = PyMem_Calloc((size_t)n, sizeof *results);
    if (results == NULL)
        return PyErr_NoMemory();
    PyObject *tuple = NULL;
    if (run(r, results) == 0)
        tuple = results_tuple(r->inputs, results, allow_unused, materialize);
    else
        for (Py_ssize_t k = 0; k < n; k++)
            Py_XDECREF((PyObject *)results[k]);
    PyMem_Free(results);
    return tuple;
}

static int
check_grad_flags(PyObject *const *v, int *allow_unused, int *materialize)
{
    int batched = truth(v[BATCHED], false);
    *materialize = truth(v[MATERIALIZE], false);
    *allow_unused = truth(v[ALLOW_UNUSED], *materialize);
    if (batched < 0 || *materialize < 0 || *allow_unused < 0)
        return -1;
    if (batched) {
        PyErr_SetString(PyExc_NotImplementedError,
                        "grad(): is_grads_batched is not supported; call grad() once for each "
                        "gradient");
        return -1;
    }
    if (*materialize && !*allow_unused) {
        PyErr_SetString(PyExc_ValueError,
                        "Expected allow_unused to be True or not passed when materialize_grads=True, "
                        "but got: allow_unused=False.");
        return -1;
    }
    return 0;
}

static PyObject *
autograd_grad(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *v[GRAD_ARGUMENTS], *result = NULL;
    int allow_unused, materialize;
    Request r = {.accumulate = false};
    if (take_arguments("grad", grad_names, GRAD_ARGUMENTS, args, nargs, kwnames, v) < 0)
        return NULL;
    if (v[OUTPUTS] == NULL || v[INPUTS] == NULL)
        return PyErr_Format(PyExc_TypeError, "grad() missing required argument '%s'",
                            grad_names[v[OUTPUTS] ? INPUTS : OUTPUTS]);
    if (check_grad_flags(v, &allow_unused, &materialize) < 0
        || graph_flags(&r, v[RETAIN_GRAPH], v[CREATE_GRAPH]) < 0)
        return NULL;
    r.roots = tensor_tuple(v[OUTPUTS], "grad", "outputs", false);
    r.inputs = r.roots ? tensor_tuple(v[INPUTS], "grad", "inputs", false) : NULL;
    if (r.inputs == NULL || check_inputs(r.inputs, "grad") < 0)
        goto done;
    if (v[GRAD_OUTPUTS] && v[GRAD_OUTPUTS] != Py_None
        && !(r.gradients = tensor_tuple(v[GRAD_OUTPUTS], "grad", "grad_outputs", true)))
        goto done;
    result = run_grad(&r, allow_unused, materialize);
done:
    Py_XDECREF(r.roots);
    Py_XDECREF(r.inputs);
    Py_XDECREF(r.gradients);
    return result;
}

#define FAST(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef functions[] = {
    {"backward", FAST(autograd_backward),
     "backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, "
     "inputs=None)\n"
     "--\n\nAdds the gradients of the tensors, weighted by grad_tensors, to the .grad of the leaves they "
     "depend on."},
    {"grad", FAST(autograd_grad),
     "grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, "
     "allow_unused=None, "
     "is_grads_batched=False, materialize_grads=False)\n--\n\nThe gradients of outputs, weighted by "
     "grad_outputs, with "
     "respect to inputs, as a tuple; no .grad is touched."},
    {NULL, NULL, 0, NULL},
};

int
autograd_init(PyObject *module)
{
    PyObject *autograd = PyModule_New("ctorch._C._autograd");
    int result = -1;
    if (autograd != NULL && PyModule_AddFunctions(autograd, functions) == 0
        && PyModule_AddObjectRef(module, "_autograd", autograd) == 0
        && PyModule_AddObjectRef(autograd, "Node", (PyObject *)&NodeType) == 0 && hooks_init(module) == 0
        && function_init(autograd) == 0)
        result = modes_init(module);
    Py_XDECREF(autograd);
    return result;
}
