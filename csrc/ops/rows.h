/* The op table in memory: what ops.def says of each row, and what is derived from it at start. */
#ifndef CTORCH_OPS_ROWS_H
#define CTORCH_OPS_ROWS_H

#include "autograd/node.h"
#include "ops/args.h"

typedef enum Kind { KIND_UNARY, KIND_BINARY, KIND_COMPARE, KIND_PREDICATE, KIND_TERNARY, KIND_OP } Kind;
typedef enum Class { CLASS_FLOAT, CLASS_REAL, CLASS_NUMBER, CLASS_INT, CLASS_WHOLE, CLASS_TRUTH, CLASS_ANY } Class;
enum { BOOL_NONE = -1, BOOL_A = 0, BOOL_B = 1 };          /* which operand of a TERNARY is bool */

/* What a gradient formula is, besides text for a loop. */
enum { GRADIENT_NONE, GRADIENT_ZERO, GRADIENT_PASS, GRADIENT_LOOP };
/* Letters a formula reads: what the node must save. */
enum { SAVES_A = 1, SAVES_B = 2, SAVES_C = 4, SAVES_Y = 8 };

typedef struct Row {
    const char *name;
    const char *python;           /* the name users call; rows of one name are overloads and stand together */
    const char *shown;            /* the name in errors: python's, or that of the op whose inner part the row is */
    uint8_t kind, forms, class, arity;
    int8_t bool_operand;
    const char *source;           /* signature, or its tail */
    const char *gradient_text[3];
    PyObject *(*call)(const Value *v);                      /* KIND_OP: new reference */
    BackwardFunction backward;                              /* KIND_OP: NULL if not differentiable */
    /* derived by rows_init */
    uint8_t gradient_kind[3];
    uint8_t gradients;            /* which operands have one, as bits; none of a comparison's */
    uint8_t saves[3];
    uint8_t n_params;
    bool overloaded;              /* the next row has the same name in Python */
    Param defaults[2];
    Signature signature;
} Row;

extern Row rows[OP_COUNT];
int rows_init(PyObject *module, PyTypeObject *tensor_type); /* fills rows; adds functions and methods */
const char *row_node_name(int op);                          /* "Add": what stands before BackwardN */
PyObject *op_python(Op op, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, bool inplace);

/* The row whose loop computes x ** exponent, as in PyTorch, or pow itself. */
static inline Op
power_kernel(double exponent, Dtype compute)
{
    if (exponent == 2 && compute != DTYPE_BOOL)
        return OP_square;
    if (!dtype_is_float(compute))
        return OP_pow;
    return exponent == 0.5 ? OP_sqrt : exponent == -0.5 ? OP_rsqrt : exponent == -1 ? OP_reciprocal : OP_pow;
}

/* The letters of a gradient's text; x is a. */
enum { LETTER_A, LETTER_B, LETTER_C, LETTER_Y, LETTER_G, LETTER_P, LETTER_Q, N_LETTERS };

/* The slot of a pointwise row's node that holds what a, b, c or y names: the output stands behind the operands. */
static inline int
row_saved_slot(const Row *row, int letter)
{
    return letter == LETTER_Y ? row->arity : letter;
}

static inline bool
row_is_pointwise(const Row *row)
{
    return row->kind != KIND_OP;
}

#endif
