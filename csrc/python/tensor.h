/* What the files of Tensor's Python face share. */
#ifndef CTORCH_PYTHON_TENSOR_H
#define CTORCH_PYTHON_TENSOR_H

#include "ctorch.h"

/* number.c */
extern PyNumberMethods tensor_number_methods;
PyObject *tensor_richcompare(PyObject *a, PyObject *b, int operation);
PyObject *tensor_number(Tensor *t);              /* the one element as a Python number */

/* indexing.c */
extern PyMappingMethods tensor_mapping_methods;
extern PySequenceMethods tensor_sequence_methods;
PyObject *tensor_iter(PyObject *self);

/* numpy.c: nothing here imports NumPy before an array is seen. */
bool numpy_is_array(PyObject *o);
Tensor *numpy_to_tensor(PyObject *array);        /* shares memory where from_numpy would; new reference */
extern PyMethodDef numpy_methods[];              /* of Tensor: numpy, __array__, tolist ... */
extern PyGetSetDef numpy_getset[];
extern PyBufferProcs tensor_buffer_procs;
int numpy_init(PyObject *module);

/* construct.c: tensor(), as_tensor(), Tensor(...) from Python data */
Tensor *tensor_from_data(PyObject *data, Dtype dtype, Device device, bool copy);    /* new reference */
PyObject *tensor_legacy_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
int construct_init(PyObject *module);

/* convert.c */
extern PyMethodDef cuda_methods[];               /* of Tensor: pin_memory, record_stream ... (python/cuda.c) */
extern PyGetSetDef cuda_getset[];
int cuda_init(PyObject *module);
extern PyMethodDef convert_methods[];
int convert_init(PyObject *module);

/* tensor_type.c */
int tensor_type_init(PyObject *module);

/* generator_type.c */
int generator_type_init(PyObject *module);

#endif
