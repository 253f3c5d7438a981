/* Module's struct and what the files of nn/ share.
 *
 * No layer adds C fields to Module: a class may inherit from any two layers.  Layers keep their
 * hyper-parameters as ordinary attributes in __dict__, where scripts change them. */
#ifndef CTORCH_NN_NN_H
#define CTORCH_NN_NN_H

#include "ctorch.h"

/* The attributes that every module has, held beside __dict__ so that C reaches them without a lookup. */
typedef enum Slot {
    PARAMETERS,
    BUFFERS,
    MODULES,
    NON_PERSISTENT,
    TRAINING,
    IS_FULL_BACKWARD_HOOK,
    FORWARD_PRE_HOOKS, /* from here on: OrderedDicts, made when first asked for; NULL is empty */
    FORWARD_PRE_HOOKS_WITH_KWARGS,
    FORWARD_HOOKS,
    FORWARD_HOOKS_WITH_KWARGS,
    FORWARD_HOOKS_ALWAYS_CALLED,
    BACKWARD_PRE_HOOKS,
    BACKWARD_HOOKS,
    STATE_DICT_PRE_HOOKS,
    STATE_DICT_HOOKS,
    LOAD_STATE_DICT_PRE_HOOKS,
    LOAD_STATE_DICT_POST_HOOKS,
    SLOT_COUNT
} Slot;

typedef struct Module {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weakrefs;
    PyObject *slots[SLOT_COUNT];
    bool exposed; /* __dict__ was handed out: it shows the slots too, and what it says counts */
} Module;

extern PyTypeObject *nn_ModuleType, *nn_SequentialType, *nn_LinearType, *nn_RemovableHandleType;

static inline bool
module_check(PyObject *o)
{
    return PyObject_TypeCheck(o, nn_ModuleType);
}

static inline bool
parameter_check(PyObject *o)
{
    return PyObject_TypeCheck(o, ParameterType);
}

/* Attribute names that C looks up, interned once. */
/* clang-format off */
#define NN_NAMES(X) \
    X(__getattr__) X(__getattribute__) X(_apply) X(_call_impl) X(_from_public_api) X(_get_name) \
    X(_load_from_state_dict) X(_metadata) X(_place) X(_save_to_state_dict) X(_version) X(add_module) \
    X(append) X(apply) X(args) X(assign_to_params_buffers) X(bias) X(call_super_init) X(copy_) X(data) \
    X(detach) X(device) X(dtype) X(extra_repr) X(forward) X(get_extra_state) X(grad) X(in_features) \
    X(init) X(is_floating_point) X(is_leaf) X(is_meta) X(keys) X(linear) X(memory_format) X(named_children) \
    X(named_modules) X(num_parameters) X(out_features) X(parameters) X(prelu) X(register_parameter) X(relu) \
    X(requires_grad) X(requires_grad_) X(reset_parameters) X(set_extra_state) X(shape) X(share_memory_) \
    X(state_dict) X(to) X(train) X(training) X(type) X(weight) X(zero_)
/* clang-format on */
#define NN_DECLARE(name) PyObject *name;
extern struct NnNames {
    NN_DECLARE(empty) NN_NAMES(NN_DECLARE)
} nn_names;
#define S(name) (nn_names.name)

/* module.c.  Reading a slot gives a borrowed reference, or NULL without an error: "Module.__init__() not
 * called yet" for the first five, "no hooks" for the others. */
PyObject *module_exposed_slot(Module *m, Slot slot);
static inline PyObject *
module_slot(Module *m, Slot slot)
{
    return m->exposed ? module_exposed_slot(m, slot) : m->slots[slot];
}
int nn_module_init(PyObject *self);                         /* Module.__init__(self) */
int module_set_slot(Module *m, Slot slot, PyObject *value); /* value NULL deletes */
PyObject *module_hooks(Module *m, Slot slot);   /* borrowed, made if missing; NULL with an error */
PyObject *module_members(Module *m, Slot slot); /* borrowed dict; NULL with AttributeError */
bool module_has_hooks(Module *m, Slot slot);
bool module_training(Module *m);
/* 1 and a new reference, 0 without an error, -1 with one. */
int module_lookup(PyObject *self, PyObject *name, PyObject **value);
/* The method that a C type defines was not overridden in o's class. */
bool nn_inherits(PyObject *o, PyObject *name, PyCFunction function);

/* call.c */
PyObject *module_call(PyObject *self, PyObject *args, PyObject *kwargs); /* tp_call */
PyObject *module_call_one(PyObject *module, PyObject *input);            /* module(input) */
/* module(input) runs this C function and nothing else: no hook, no forward of the instance's or class's own. */
bool nn_runs(PyObject *module, PyCFunction function);
extern PyMethodDef nn_call_methods[];

/* linear.c, layers.c: whether calling the module does what nn.Linear does, nn.ReLU out of place; the two in one. */
bool nn_runs_linear(PyObject *module);
bool nn_runs_relu(PyObject *module);
PyObject *nn_linear_relu(PyObject *linear, PyObject *input);

/* place.c: where in the model an error happened. */
void nn_error_through(PyObject *module); /* the error that is set leaves module's forward */
/* What module knows about the error that is set. */
void nn_error_detail(PyObject *module, const char *format, ...);

/* util.c: Python idioms. */
PyObject *nn_items(PyObject *mapping); /* new list of (key, value): safe while the mapping changes */
PyObject *nn_values(PyObject *mapping);
const char *nn_class_name(PyObject *o);                      /* "Linear" */
PyObject *nn_typename(PyObject *o);                          /* "int", "torch.FloatTensor", "package.Class" */
PyObject *nn_imported(const char *module, const char *name); /* new reference */
int nn_getattr_optional(PyObject *o, PyObject *name, PyObject **value); /* as module_lookup */
int nn_is_true_attr(PyObject *o, PyObject *name);                       /* 1, 0, -1 */
bool nn_set_recording(bool on);                                         /* of gradients; returns how it was */
int nn_set_attr_steal(PyObject *o, PyObject *name, PyObject *value); /* o.name = value, which is consumed */
enum { ARGUMENTS_MAX = 8 };
/* A constructor's arguments by name, borrowed, NULL where not given; the first n_required must be.  -1 with an error. */
int nn_arguments(const char *class, int n_required, int n, const char *const *names, PyObject *args, PyObject *kwargs,
                 PyObject **values);
/* The one argument of a forward(input), borrowed; NULL with a TypeError. */
PyObject *nn_one_argument(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
/* nn.functional's function of that name, as it is now, called with n positional arguments. */
PyObject *nn_call_functional(PyObject *name, PyObject *const *args, size_t n, PyObject *kwnames);
int nn_add_type(PyObject *module, PyTypeObject **type, PyType_Spec *spec, PyTypeObject *base);

/* Layers' specs: the size and the memory management are Module's. */
#define NN_LAYER_FLAGS        (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE)
#define NN_FORWARD(function)  (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS
#define NN_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

extern PyMethodDef nn_member_methods[], nn_walk_methods[], nn_hook_methods[], nn_save_methods[],
    nn_load_methods[], nn_convert_methods[], nn_repr_methods[];
PyObject *module_repr(PyObject *self);

int nn_hooks_init(PyObject *module);
int nn_sequential_init(PyObject *module);
int nn_linear_init(PyObject *module);
int nn_layers_init(PyObject *module);
int nn_init(PyObject *module); /* adds _layers, with Module and all layers, to _C; -1 with an error */

#endif
