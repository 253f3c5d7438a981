/* Functions that users hang on tensors and nodes: registering them, and calling them during a backward pass.
 */
#ifndef CTORCH_AUTOGRAD_HOOKS_H
#define CTORCH_AUTOGRAD_HOOKS_H

#include "autograd/node.h"

/* ---- what the engine calls; -1 with an error, a hook's own error included ---- */
/* hooks: a leaf's dict, or NULL.  Each hook may replace *g (owned) by a tensor of the same shape and dtype.
 */
int hooks_call_tensor(PyObject *hooks, Tensor **g);
/* Hooks on the node's outputs, then .grad of outputs that retain it.  grads: owned, replaced in place. */
int hooks_call_outputs(Node *n, Tensor **grads);
/* Node.register_prehook's: autograd.grad(inputs=...) has taken its gradients before. */
int hooks_call_node(Node *n, Tensor **grads);
/* Node.register_hook's: out is replaced by scope-owned tensors. */
int hooks_call_post(Node *n, Tensor **grads, Tensor **out);
int hooks_call_post_accumulate(Tensor *leaf);
/* The AccumulateGrad node of a leaf if it has hooks, borrowed, or NULL; it lives as long as the leaf. */
Node *hooks_accumulator(Tensor *leaf);

/* ---- methods of Tensor (METH_O, METH_NOARGS) and of Node; new references ---- */
PyObject *tensor_register_hook(PyObject *self, PyObject *hook);
PyObject *tensor_register_post_accumulate_grad_hook(PyObject *self, PyObject *hook);
PyObject *tensor_retain_grad(PyObject *self, PyObject *ignored);
PyObject *node_register_hook(Node *n, PyObject *hook);
PyObject *node_register_prehook(Node *n, PyObject *hook);
/* Tensor t retains its grad and has just got a new node (an in-place op): the node must know. */
int hooks_retain(Tensor *t);

/* Makes what a hook or attribute holds visible to the collector: the tensors and nodes that `o` reaches
 * through closures, bound methods, attributes and containers, a few levels deep. */
void hooks_publish(PyObject *o);
int hooks_init(PyObject *module);

#endif
