/* Running the graph backwards: what autograd/api.c asks of the engine, and the engine of nodes. */
#ifndef CTORCH_AUTOGRAD_ENGINE_H
#define CTORCH_AUTOGRAD_ENGINE_H

#include "autograd/node.h"

/* Gradients of roots (with root_grads[k] the incoming gradient, never NULL) flow to every leaf's .grad, or, if inputs
 * is not NULL, only to those: into .grad if accumulate, else into results[k] (new references; NULL: unused).
 * -1 with an error. */
typedef struct BackwardCall {
    int n_roots;
    Tensor **roots, **root_grads;
    int n_inputs;
    Tensor **inputs, **results;
    bool accumulate, keep_graph, create_graph;
} BackwardCall;

int engine_run(const BackwardCall *call);
/* The gradient of one node: what `out` gets is scope-owned.  Opens no scope and checks nothing. */
void engine_call(Node *n, Tensor **grads, Tensor **out);
/* g as the meta asks: summed to its shape where it was broadcast, cast to its dtype; NULL with an error. */
Tensor *engine_conform(Tensor *g, const Meta *meta, const char *name, int index);

#endif
