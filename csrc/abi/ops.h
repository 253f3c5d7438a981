/* The op enum made from ops.def, and the part numbers of a row's loops. */
#ifndef CTORCH_ABI_OPS_H
#define CTORCH_ABI_OPS_H

typedef enum Op {
#define ROW(kind, name, ...) OP_##name,
#include "abi/ops.def"
    OP_COUNT
} Op;

/* A pointwise row's loops: its value, and its gradient with respect to each operand. */
enum { PART_FORWARD, PART_GRADIENT_A, PART_GRADIENT_B, PART_GRADIENT_C, PART_COUNT };

/* Operands of a gradient loop, in this order: out, g, a (or x), b, c, y. */
enum { GRAD_OUT, GRAD_G, GRAD_A, GRAD_B, GRAD_C, GRAD_Y, GRAD_OPERANDS };

/* form bits of a row */
enum { FORM_FUNCTION = 1, FORM_METHOD = 2, FORM_INPLACE = 4, FORM_NN = 8 };
#endif
