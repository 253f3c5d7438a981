/* Gradients that are not a C function of their own in ops/: those of pointwise rows, whose text stands in
 * abi/ops.def, and those of the nodes that are not rows at all. */
#ifndef CTORCH_AUTOGRAD_FORMULA_H
#define CTORCH_AUTOGRAD_FORMULA_H

#include "autograd/node.h"

/* Gradients of a pointwise row's inputs, those that are needed, from g, the gradient of its output.  By the
 * row's loops, or, in grad mode, by running the text over tensors, which records a graph. */
void pointwise_backward(Node *n, Tensor *g, Tensor **out);
/* The gradient of input k by the text alone: scope-owned, in the node's compute dtype (float for half types).
 */
Tensor *formula_gradient(Node *n, int k, Tensor *g);
/* g's shape, every element `value`; no history. */
Tensor *formula_constant(Tensor *g, double value, Dtype dtype);

/* A custom Function: calls its backward (function.c). */
void function_backward(Node *n, Tensor **grads, Tensor **out);
/* An in-place op on a view: `run` is engine_call (inplace.c). */
void backward_copy_slices(Node *n, Tensor **grads, Tensor **out, void (*run)(Node *, Tensor **, Tensor **));

#endif
