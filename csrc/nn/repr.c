/* What a module shows of itself: repr with its children indented, extra_repr, dir. */
#include "nn/nn.h"

static PyObject *
get_name(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyUnicode_FromString(nn_class_name(self));
}

static PyObject *
extra_repr(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(S(empty));
}

/* text with two spaces after every newline. */
static PyObject *
indented(PyObject *text)
{
    PyObject *newline = PyUnicode_FromString("\n"), *deeper = PyUnicode_FromString("\n  "), *result = NULL;
    if (newline != NULL && deeper != NULL)
        result = PyUnicode_Replace(text, newline, deeper, -1);
    Py_XDECREF(newline);
    Py_XDECREF(deeper);
    return result;
}

/* "(name): " and the child's repr */
static PyObject *
child_line(PyObject *name, PyObject *child)
{
    PyObject *text = PyObject_Repr(child), *inner = text == NULL ? NULL : indented(text);
    PyObject *line = inner == NULL ? NULL : PyUnicode_FromFormat("(%S): %U", name, inner);
    Py_XDECREF(text);
    Py_XDECREF(inner);
    return line;
}

/* extra's lines, none if it is empty. */
static PyObject *
extra_lines(PyObject *self)
{
    PyObject *extra = PyObject_CallMethodNoArgs(self, S(extra_repr)), *lines = NULL;
    if (extra != NULL && !PyUnicode_Check(extra))
        PyErr_Format(PyExc_TypeError, "extra_repr() must return a str, not %s", Py_TYPE(extra)->tp_name);
    else if (extra != NULL)
        lines = PyUnicode_GET_LENGTH(extra) == 0 ? PyList_New(0) : PyUnicode_Splitlines(extra, 0);
    Py_XDECREF(extra);
    return lines;
}

static int
append_children(PyObject *self, PyObject *lines)
{
    PyObject *children = module_members((Module *)self, MODULES);
    PyObject *items = children == NULL ? NULL : nn_items(children);
    int status = items == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        PyObject *line = child_line(PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1));
        status = line == NULL ? -1 : PyList_Append(lines, line);
        Py_XDECREF(line);
    }
    Py_XDECREF(items);
    return status;
}

static PyObject *
bracketed(PyObject *name, PyObject *lines, bool one_line)
{
    PyObject *separator = PyUnicode_FromString("\n  ");
    PyObject *body = separator == NULL ? NULL : PyUnicode_Join(separator, lines), *result = NULL;
    if (body != NULL)
        result = PyUnicode_FromFormat(one_line ? "%S(%U)" : "%S(\n  %U\n)", name, body);
    Py_XDECREF(separator);
    Py_XDECREF(body);
    return result;
}

/* Everything on one line if there are no children and extra_repr gives at most one line. */
PyObject *
module_repr(PyObject *self)
{
    PyObject *name = NULL, *result = NULL;
    if (Py_EnterRecursiveCall(" while getting the repr of a Module"))
        return NULL;
    PyObject *lines = extra_lines(self);
    Py_ssize_t extra = lines == NULL ? 0 : PyList_GET_SIZE(lines);
    if (lines != NULL && append_children(self, lines) == 0)
        name = PyObject_CallMethodNoArgs(self, S(_get_name));
    if (name != NULL)
        result = bracketed(name, lines, extra <= 1 && PyList_GET_SIZE(lines) == extra);
    Py_LeaveRecursiveCall();
    Py_XDECREF(lines);
    Py_XDECREF(name);
    return result;
}

/* list.extend(names), which is consumed. */
static int
extend(PyObject *list, PyObject *names)
{
    PyObject *done = names == NULL ? NULL : PyObject_CallMethod(list, "extend", "O", names);
    Py_XDECREF(names);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Names of the class, of __dict__ and of the members, sorted, without those that no program could write after
 * a dot. */
static PyObject *
module_dir(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *all = PyObject_Dir((PyObject *)Py_TYPE(self)), *names = NULL, *dict = ((Module *)self)->dict;
    int status = all == NULL ? -1 : dict == NULL ? 0 : extend(all, PyMapping_Keys(dict));
    for (Slot slot = PARAMETERS; status == 0 && slot <= MODULES; slot++) {
        PyObject *members = module_slot((Module *)self, slot);
        status = members == NULL ? 0 : extend(all, PyMapping_Keys(members));
    }
    if (status == 0)
        names = PyList_New(0);
    for (Py_ssize_t i = 0; names != NULL && i < PyList_GET_SIZE(all); i++) {
        PyObject *name = PyList_GET_ITEM(all, i);
        bool digit = PyUnicode_Check(name) && PyUnicode_GET_LENGTH(name) > 0
                     && Py_UNICODE_ISDIGIT(PyUnicode_READ_CHAR(name, 0));
        if (!digit && PyList_Append(names, name) < 0)
            Py_CLEAR(names);
    }
    if (names != NULL && PyList_Sort(names) < 0)
        Py_CLEAR(names);
    Py_XDECREF(all);
    return names;
}

PyMethodDef nn_repr_methods[] = {
    {"_get_name", get_name, METH_NOARGS, "_get_name($self)\n--\n\nThe name that repr shows."},
    {"extra_repr", extra_repr, METH_NOARGS,
     "extra_repr($self)\n--\n\nDefined by a class: what repr shows between the brackets."},
    {"__dir__", module_dir, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
