/* Module as a Python object: its memory, its attributes, its state for copy and pickle, its type.
 * Calling is in call.c, hooks in hooks.c, parameters and children in members.c and walk.c. */
#include "nn/nn.h"

#include <stddef.h>
#include <structmember.h>

PyTypeObject *nn_ModuleType;
struct NnNames nn_names;

static const char *const slot_names[SLOT_COUNT] = {
    [PARAMETERS] = "_parameters",
    [BUFFERS] = "_buffers",
    [MODULES] = "_modules",
    [NON_PERSISTENT] = "_non_persistent_buffers_set",
    [TRAINING] = "training",
    [IS_FULL_BACKWARD_HOOK] = "_is_full_backward_hook",
    [FORWARD_PRE_HOOKS] = "_forward_pre_hooks",
    [FORWARD_PRE_HOOKS_WITH_KWARGS] = "_forward_pre_hooks_with_kwargs",
    [FORWARD_HOOKS] = "_forward_hooks",
    [FORWARD_HOOKS_WITH_KWARGS] = "_forward_hooks_with_kwargs",
    [FORWARD_HOOKS_ALWAYS_CALLED] = "_forward_hooks_always_called",
    [BACKWARD_PRE_HOOKS] = "_backward_pre_hooks",
    [BACKWARD_HOOKS] = "_backward_hooks",
    [STATE_DICT_PRE_HOOKS] = "_state_dict_pre_hooks",
    [STATE_DICT_HOOKS] = "_state_dict_hooks",
    [LOAD_STATE_DICT_PRE_HOOKS] = "_load_state_dict_pre_hooks",
    [LOAD_STATE_DICT_POST_HOOKS] = "_load_state_dict_post_hooks",
};
static PyObject *slot_keys[SLOT_COUNT]; /* the same, interned */

/* ---------------------------------------------------------------- slots */
/* _parameters, _buffers and _modules are read by C as dicts, so nothing else may stand there. */
static bool
slot_accepts(Slot slot, PyObject *value)
{
    return slot > MODULES || PyDict_Check(value);
}

/* The slot of a module whose __dict__ was handed out: a script may have replaced the entry there. */
PyObject *
module_exposed_slot(Module *m, Slot slot)
{
    PyObject *value = PyDict_GetItemWithError(m->dict, slot_keys[slot]);
    if (value != NULL && !slot_accepts(slot, value))
        value = NULL;
    if (value != m->slots[slot]) {
        Py_XINCREF(value);
        Py_XSETREF(m->slots[slot], value);
    }
    return m->slots[slot];
}

int
module_set_slot(Module *m, Slot slot, PyObject *value)
{
    if (value != NULL && !slot_accepts(slot, value)) {
        PyErr_Format(PyExc_TypeError, "%s must be a dict, not %s", slot_names[slot], Py_TYPE(value)->tp_name);
        return -1;
    }
    if (m->exposed) {
        if (value != NULL && PyDict_SetItem(m->dict, slot_keys[slot], value) < 0)
            return -1;
        if (value == NULL && PyDict_DelItem(m->dict, slot_keys[slot]) < 0)
            return -1;
    }
    Py_XINCREF(value);
    Py_XSETREF(m->slots[slot], value);
    return 0;
}

static PyObject *
no_attribute(PyObject *self, PyObject *name)
{
    return PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute '%U'", nn_class_name(self), name);
}

PyObject *
module_members(Module *m, Slot slot)
{
    PyObject *members = module_slot(m, slot);
    if (members == NULL)
        no_attribute((PyObject *)m, slot_keys[slot]);
    return members;
}

PyObject *
module_hooks(Module *m, Slot slot)
{
    PyObject *hooks = module_slot(m, slot);
    if (hooks != NULL)
        return hooks;
    if (module_members(m, PARAMETERS) == NULL || (hooks = PyODict_New()) == NULL)
        return NULL;
    int status = module_set_slot(m, slot, hooks);
    Py_DECREF(hooks);
    return status < 0 ? NULL : hooks;
}

bool
module_has_hooks(Module *m, Slot slot)
{
    PyObject *hooks = module_slot(m, slot);
    return hooks != NULL && PyDict_Check(hooks) && PyDict_GET_SIZE(hooks) > 0;
}

bool
module_training(Module *m)
{
    PyObject *training = module_slot(m, TRAINING);
    return training != NULL && PyObject_IsTrue(training) == 1;
}

static PyObject *
get_slot(PyObject *self, void *closure)
{
    Slot slot = (Slot)(intptr_t)closure;
    Module *m = (Module *)self;
    PyObject *value = slot >= FORWARD_PRE_HOOKS ? module_hooks(m, slot) : module_members(m, slot);
    Py_XINCREF(value);
    return value;
}

static int
set_slot(PyObject *self, PyObject *value, void *closure)
{
    Slot slot = (Slot)(intptr_t)closure;
    if (value == NULL && module_members((Module *)self, slot) == NULL)
        return -1;
    return module_set_slot((Module *)self, slot, value);
}

/* ---------------------------------------------------------------- __dict__ */
static PyObject *
get_dict(PyObject *self, void *Py_UNUSED(closure))
{
    Module *m = (Module *)self;
    if (m->dict == NULL && (m->dict = PyDict_New()) == NULL)
        return NULL;
    for (int i = 0; i < SLOT_COUNT && !m->exposed; i++)
        if (m->slots[i] != NULL && PyDict_SetItem(m->dict, slot_keys[i], m->slots[i]) < 0)
            return NULL;
    m->exposed = true;
    Py_INCREF(m->dict);
    return m->dict;
}

static int
set_dict(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    Module *m = (Module *)self;
    if (value == NULL || !PyDict_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "__dict__ must be set to a dictionary");
        return -1;
    }
    Py_INCREF(value);
    Py_XSETREF(m->dict, value);
    m->exposed = true;
    return 0;
}

/* ---------------------------------------------------------------- reading attributes */
bool
nn_inherits(PyObject *o, PyObject *name, PyCFunction function)
{
    PyObject *descr = _PyType_Lookup(Py_TYPE(o), name);
    return descr != NULL && Py_IS_TYPE(descr, &PyMethodDescr_Type)
           && ((PyMethodDescrObject *)descr)->d_method->ml_meth == function;
}

/* name among the parameters, buffers and children: borrowed; NULL without an error, or for odd keys with. */
static PyObject *
find_member(Module *m, PyObject *name)
{
    for (Slot slot = PARAMETERS; slot <= MODULES; slot++) {
        PyObject *members = module_slot(m, slot);
        PyObject *value = members == NULL ? NULL : PyDict_GetItemWithError(members, name);
        if (value != NULL || PyErr_Occurred())
            return value;
    }
    return NULL;
}

/* Module.__getattr__: reached by super().__getattr__(name) of wrapper modules. */
static PyObject *
module_getattr(PyObject *self, PyObject *name)
{
    PyObject *value = find_member((Module *)self, name);
    if (value == NULL && !PyErr_Occurred())
        no_attribute(self, name);
    Py_XINCREF(value);
    return value;
}

/* The class is asked first: what it defines, even a property that raises AttributeError, is answered by
 * Python's rules and keeps its own error.  Then __dict__ and the members, without an exception on the way. */
static PyObject *
module_getattro(PyObject *self, PyObject *name)
{
    Module *m = (Module *)self;
    if (_PyType_Lookup(Py_TYPE(self), name) != NULL)
        return PyObject_GenericGetAttr(self, name);
    PyObject *value = m->dict == NULL ? NULL : PyDict_GetItemWithError(m->dict, name);
    if (value == NULL && PyErr_Occurred())
        return NULL;
    if (value != NULL) {
        Py_INCREF(value);
        return value;
    }
    /* A class with a __getattr__ of its own decides about members itself. */
    if (!nn_inherits(self, S(__getattr__), module_getattr))
        return no_attribute(self, name);
    return module_getattr(self, name);
}

int
module_lookup(PyObject *self, PyObject *name, PyObject **value)
{
    Module *m = (Module *)self;
    *value = NULL;
    if (Py_TYPE(self)->tp_getattro == module_getattro && _PyType_Lookup(Py_TYPE(self), name) == NULL) {
        *value = m->dict == NULL ? NULL : PyDict_GetItemWithError(m->dict, name);
        if (*value == NULL && !PyErr_Occurred())
            *value = find_member(m, name);
        Py_XINCREF(*value);
        return *value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
    }
    return nn_getattr_optional(self, name, value);
}

/* super(Module, o).name(*args, **kwargs): what comes after Module in the order of o's classes. */
static PyObject *
call_next(PyObject *o, const char *name, PyObject *args, PyObject *kwargs)
{
    PyObject *next = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, nn_ModuleType, o, NULL);
    PyObject *method = next == NULL ? NULL : PyObject_GetAttrString(next, name);
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, kwargs);
    Py_XDECREF(next);
    Py_XDECREF(method);
    return result;
}

/* Python gives a subclass the slow attribute path because Module has a __getattr__; where neither method is
 * overridden the direct one does the same.  Assigning Class.__getattr__ later makes Python choose again. */
static PyObject *
module_init_subclass(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    PyTypeObject *type = (PyTypeObject *)cls;
    PyTypeObject *base = nn_ModuleType;
    if (_PyType_Lookup(type, S(__getattr__)) == _PyType_Lookup(base, S(__getattr__))
        && _PyType_Lookup(type, S(__getattribute__)) == _PyType_Lookup(base, S(__getattribute__)))
        type->tp_getattro = module_getattro;
    return call_next(cls, "__init_subclass__", args, kwargs);
}

/* ---------------------------------------------------------------- writing attributes */
static int
forget(PyObject *container, PyObject *name)
{
    if (container == NULL)
        return 0;
    if (PyAnySet_Check(container))
        return PySet_Discard(container, name) < 0 ? -1 : 0;
    int found = PyDict_Contains(container, name);
    return found <= 0 ? found : PyObject_DelItem(container, name);
}

/* Before name becomes a parameter or a child it stops being anything else. */
static int
forget_elsewhere(Module *m, PyObject *name, Slot kept)
{
    if (forget(m->dict, name) < 0 || forget(module_slot(m, NON_PERSISTENT), name) < 0)
        return -1;
    for (Slot slot = PARAMETERS; slot <= MODULES; slot++)
        if (slot != kept && forget(module_slot(m, slot), name) < 0)
            return -1;
    return 0;
}

static int
refuse_assignment(PyObject *value, const char *role, PyObject *name, const char *expected)
{
    PyObject *type = nn_typename(value);
    if (type != NULL)
        PyErr_Format(PyExc_TypeError, "cannot assign '%U' as %s '%U' (%s or None expected)", type, role, name,
                     expected);
    Py_XDECREF(type);
    return -1;
}

static int
call_register(Module *m, PyObject *method, PyObject *name, PyObject *value)
{
    PyObject *result = PyObject_CallMethodObjArgs((PyObject *)m, method, name, value, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
not_initialised(const char *what)
{
    PyErr_Format(PyExc_AttributeError, "cannot assign %s before Module.__init__() call", what);
    return -1;
}

static int
assign_parameter(Module *m, PyObject *name, PyObject *value)
{
    if (module_slot(m, PARAMETERS) == NULL)
        return not_initialised("parameters");
    if (forget_elsewhere(m, name, PARAMETERS) < 0)
        return -1;
    return call_register(m, S(register_parameter), name, value);
}

static int
assign_child(Module *m, PyObject *name, PyObject *value)
{
    if (module_slot(m, MODULES) == NULL)
        return not_initialised("module");
    if (forget_elsewhere(m, name, MODULES) < 0)   /* what this frees may run Python, even replace the dict */
        return -1;
    PyObject *children = module_members(m, MODULES);
    return children == NULL ? -1 : PyObject_SetItem(children, name, value);
}

/* An existing buffer keeps its place and whether it is saved. */
static int
assign_buffer(Module *m, PyObject *name, PyObject *value)
{
    if (value != Py_None && !tensor_check(value))
        return refuse_assignment(value, "buffer", name, "torch.nn.Buffer, torch.Tensor");
    PyObject *buffers = module_slot(m, BUFFERS);
    return PyObject_SetItem(buffers, name, value);
}

/* The slot that name is a member of, SLOT_COUNT if of none. */
static Slot
member_slot(Module *m, PyObject *name)
{
    for (Slot slot = PARAMETERS; slot <= MODULES; slot++) {
        PyObject *members = module_slot(m, slot);
        if (members != NULL && PyDict_Contains(members, name) == 1)
            return slot;
    }
    PyErr_Clear();
    return SLOT_COUNT;
}

static int
set_attribute(Module *m, PyObject *name, PyObject *value)
{
    if (parameter_check(value))
        return assign_parameter(m, name, value);
    Slot slot = member_slot(m, name);
    if (slot == PARAMETERS && value != Py_None)
        return refuse_assignment(value, "parameter", name, "torch.nn.Parameter");
    if (slot == PARAMETERS)
        return call_register(m, S(register_parameter), name, value);
    if (module_check(value))
        return assign_child(m, name, value);
    if (slot == MODULES && value != Py_None)
        return refuse_assignment(value, "child module", name, "torch.nn.Module");
    if (slot == MODULES)
        return PyObject_SetItem(module_slot(m, MODULES), name, value);
    if (slot == BUFFERS)
        return assign_buffer(m, name, value);
    return PyObject_GenericSetAttr((PyObject *)m, name, value);
}

static PyObject *
module_setattr(PyObject *self, PyObject *args)
{
    PyObject *name, *value;
    if (!PyArg_ParseTuple(args, "UO:__setattr__", &name, &value)
        || set_attribute((Module *)self, name, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
module_delattr(PyObject *self, PyObject *name)
{
    Module *m = (Module *)self;
    Slot slot = PyUnicode_Check(name) ? member_slot(m, name) : SLOT_COUNT;
    int status = slot == SLOT_COUNT ? PyObject_GenericSetAttr(self, name, NULL)
                                    : PyObject_DelItem(module_slot(m, slot), name);
    if (status == 0 && slot == BUFFERS)
        status = forget(module_slot(m, NON_PERSISTENT), name);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- copy and pickle */
static PyObject *
module_getstate(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Module *m = (Module *)self;
    PyObject *state = PyDict_New();
    if (state == NULL)
        return NULL;
    for (Slot slot = 0; slot < SLOT_COUNT; slot++) {
        PyObject *value = module_slot(m, slot);
        if (value != NULL && PyDict_SetItem(state, slot_keys[slot], value) < 0)
            goto fail;
    }
    if (m->dict != NULL && PyDict_Update(state, m->dict) < 0)
        goto fail;
    return state;
fail:
    Py_DECREF(state);
    return NULL;
}

static Slot
slot_of_key(PyObject *key)
{
    Slot slot = 0;
    while (slot < SLOT_COUNT && key != slot_keys[slot]
           && !(PyUnicode_Check(key) && PyUnicode_Compare(key, slot_keys[slot]) == 0))
        slot++;
    return slot;
}

/* Takes a dict of attributes; the slots that it lacks are made empty. */
static PyObject *
module_setstate(PyObject *self, PyObject *state)
{
    Module *m = (Module *)self;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (!PyDict_Check(state))
        return PyErr_Format(PyExc_TypeError, "__setstate__() expects a dict, not %s",
                            Py_TYPE(state)->tp_name);
    if (m->dict == NULL && (m->dict = PyDict_New()) == NULL)
        return NULL;
    while (PyDict_Next(state, &at, &key, &value)) {
        Slot slot = slot_of_key(key);
        if ((slot < SLOT_COUNT ? module_set_slot(m, slot, value) : PyDict_SetItem(m->dict, key, value)) < 0)
            return NULL;
    }
    if (module_slot(m, NON_PERSISTENT) == NULL) {
        PyObject *names = PySet_New(NULL);
        int status = names == NULL ? -1 : module_set_slot(m, NON_PERSISTENT, names);
        Py_XDECREF(names);
        if (status < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- life */
static int
set_new(Module *m, Slot slot, PyObject *value)
{
    int status = value == NULL ? -1 : module_set_slot(m, slot, value);
    Py_XDECREF(value);
    return status;
}

/* The slots of a fresh module, whatever was there before. */
int
nn_module_init(PyObject *self)
{
    Module *m = (Module *)self;
    if (module_set_slot(m, TRAINING, Py_True) < 0 || set_new(m, PARAMETERS, PyDict_New()) < 0
        || set_new(m, BUFFERS, PyDict_New()) < 0 || set_new(m, MODULES, PyDict_New()) < 0
        || set_new(m, NON_PERSISTENT, PySet_New(NULL)) < 0
        || module_set_slot(m, IS_FULL_BACKWARD_HOOK, Py_None) < 0)
        return -1;
    for (Slot slot = FORWARD_PRE_HOOKS; slot < SLOT_COUNT; slot++)
        if (module_slot(m, slot) != NULL && module_set_slot(m, slot, NULL) < 0)
            return -1;
    return 0;
}

static int
module_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    int super = nn_is_true_attr((PyObject *)Py_TYPE(self), S(call_super_init));
    if (super < 0 || (!super && nn_arguments(nn_class_name(self), 0, 0, NULL, args, kwargs, NULL) < 0) || nn_module_init(self) < 0)
        return -1;
    PyObject *done = super ? call_next(self, "__init__", args, kwargs) : Py_NewRef(Py_None);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
module_traverse(PyObject *self, visitproc visit, void *arg)
{
    Module *m = (Module *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(m->dict);
    for (int i = 0; i < SLOT_COUNT; i++)
        Py_VISIT(m->slots[i]);
    return 0;
}

static int
module_clear(PyObject *self)
{
    Module *m = (Module *)self;
    m->exposed = false;
    Py_CLEAR(m->dict);
    for (int i = 0; i < SLOT_COUNT; i++)
        Py_CLEAR(m->slots[i]);
    return 0;
}

static void
module_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, module_dealloc); /* models may be nested a hundred thousand deep */
    if (((Module *)self)->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    module_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

/* ---------------------------------------------------------------- the type */
static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Module, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Module, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef getset[SLOT_COUNT + 2] = {{"__dict__", get_dict, set_dict, NULL, NULL}};

/* Assigned to the finished class, as a class statement would: so Python's own rules for super().__setattr__
 * and object.__setattr__(module, ...) hold, which a C slot would forbid. */
static PyMethodDef attribute_methods[] = {
    {"__getattr__", module_getattr, METH_O, NULL},
    {"__setattr__", module_setattr, METH_VARARGS, NULL},
    {"__delattr__", module_delattr, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef methods[] = {
    {"__getstate__", module_getstate, METH_NOARGS, NULL},
    {"__setstate__", module_setstate, METH_O, NULL},
    {"__init_subclass__", (PyCFunction)(void (*)(void))module_init_subclass,
     METH_CLASS | METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(module_doc,
    "Base class of all layers and models.\n\n"
    "A subclass calls super().__init__(), assigns parameters, buffers and other modules as\n"
    "attributes, and defines forward(). Assigned Parameters are found by parameters(), assigned\n"
    "modules by modules(); calling the module runs its forward() and its hooks. training says\n"
    "whether it is in training mode.");

/* tp_new is object's: it knows abstract classes, and a mixin's __new__ is found before it. */
static PyType_Slot type_slots[] = {
    {Py_tp_doc, (void *)module_doc},
    {Py_tp_init, module_init},
    {Py_tp_dealloc, module_dealloc},
    {Py_tp_traverse, module_traverse},
    {Py_tp_clear, module_clear},
    {Py_tp_getattro, module_getattro},
    {Py_tp_call, module_call},
    {Py_tp_repr, module_repr},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "ctorch.nn.Module",
    .basicsize = sizeof(Module),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = type_slots,
};

static int
intern_names(void)
{
#define NN_INTERN(name) \
    if ((nn_names.name = PyUnicode_InternFromString(#name)) == NULL) \
        return -1;
    NN_NAMES(NN_INTERN)
    if ((nn_names.empty = PyUnicode_FromStringAndSize(NULL, 0)) == NULL)
        return -1;
    for (int i = 0; i < SLOT_COUNT; i++) {
        if ((slot_keys[i] = PyUnicode_InternFromString(slot_names[i])) == NULL)
            return -1;
        getset[i + 1] = (PyGetSetDef){slot_names[i], get_slot, set_slot, NULL, (void *)(intptr_t)i};
    }
    return 0;
}

static int
set_class_attribute(const char *name, PyObject *value)
{
    int status = value == NULL ? -1 : PyObject_SetAttrString((PyObject *)nn_ModuleType, name, value);
    Py_XDECREF(value);
    return status;
}

static int
add_methods(PyMethodDef *defs)
{
    for (PyMethodDef *def = defs; def->ml_name != NULL; def++)
        if (set_class_attribute(def->ml_name, PyDescr_NewMethod(nn_ModuleType, def)) < 0)
            return -1;
    return 0;
}

static int
module_type_init(PyObject *module)
{
    if (nn_add_type(module, &nn_ModuleType, &spec, NULL) < 0)
        return -1;
    PyMethodDef *tables[] = {nn_call_methods,    nn_member_methods, nn_walk_methods,
                             nn_hook_methods,    nn_save_methods,   nn_load_methods,
                             nn_convert_methods, nn_repr_methods,   attribute_methods};
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        if (add_methods(tables[i]) < 0)
            return -1;
    /* The assignment of __getattr__ made Python choose the slow path; see module_init_subclass. */
    nn_ModuleType->tp_getattro = module_getattro;
    if (set_class_attribute("_version", PyLong_FromLong(1)) < 0
        || set_class_attribute("call_super_init", PyBool_FromLong(0)) < 0
        || set_class_attribute("dump_patches", PyBool_FromLong(0)) < 0)
        return -1;
    return 0;
}

/* The classes stand in a module of their own, ctorch._C._layers: `from ctorch._C import *` shall not bring
 * them. */
int
nn_init(PyObject *module)
{
    static const char name[] = "ctorch._C._layers";
    PyObject *layers = PyModule_New(name);
    int status = -1;
    if (layers != NULL && PyModule_AddObjectRef(module, "_layers", layers) == 0
        && PyDict_SetItemString(PyImport_GetModuleDict(), name, layers) == 0 && intern_names() == 0
        && nn_hooks_init(module) == 0 && module_type_init(layers) == 0 && nn_sequential_init(layers) == 0
        && nn_linear_init(layers) == 0 && nn_layers_init(layers) == 0)
        status = 0;
    Py_XDECREF(layers);
    return status;
}
