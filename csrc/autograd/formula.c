/* Gradient texts of pointwise rows, run over tensors: what a loop computes element by element is computed
 * here op by op and so recorded, which makes gradients differentiable to any order.  Values without a tensor
 * in them are folded as doubles, through the rows' own loops.  What a text may say is in formula_text.c. */
#include "autograd/formula.h"

#include <string.h>

#include "autograd/formula_text.h"
#include "core/cpu.h"
#include "core/dtype.h"
#include "ops/ops.h"
#include "ops/rows.h"

/* A tensor, or, with tensor NULL, a number.  After an error both are empty. */
typedef struct Quantity {
    Tensor *tensor;
    double number;
} Quantity;

typedef struct Binding {
    Node *node;
    const Formula *formula;
    Dtype compute;
    bool bound[N_LETTERS], failed;
    Quantity letters[N_LETTERS];
} Binding;

static Quantity evaluate(Binding *b, int t);

static Scalar
scalar_of(double number)
{
    return (Scalar){{number, dtype_int_of_double(number)}, CATEGORY_FLOAT};
}

static Quantity
kept(Binding *b, Tensor *t)
{
    b->failed |= t == NULL;
    return (Quantity){t, 0};
}

/* Operands in the type the loop computes in, so that an integer or 0-d one does not decide how precise a part
 * is. */
static Quantity
letter(Binding *b, int k)
{
    if (b->bound[k])
        return b->letters[k];
    Quantity *q = &b->letters[k];
    int slot = row_saved_slot(&rows[b->node->op], k);
    if (k >= LETTER_P)
        q->number = node_params(b->node)[k - LETTER_P].f;
    else if ((q->tensor = node_saved(b->node, slot)) == NULL) {
        q->number = node_slot(b->node, slot)->number;
        b->failed |= PyErr_Occurred() != NULL;
    } else if (k != rows[b->node->op].bool_operand)
        *q = kept(b, op_to_dtype(q->tensor, b->compute));
    b->bound[k] = true;
    return *q;
}

/* The row's float64 loop on one element. */
static double
fold(int op, const Quantity *args)
{
    double result = 0, values[3] = {args[0].number, args[1].number, args[2].number};
    bool truth = false, to_bool = rows[op].kind == KIND_COMPARE || rows[op].kind == KIND_PREDICATE;
    char *at[4] = {to_bool ? (char *)&truth : (char *)&result, (char *)&values[0], (char *)&values[1],
                   (char *)&values[2]};
    const int64_t strides[4] = {sizeof(double), sizeof(double), sizeof(double), sizeof(double)};
    cpu_loops[op][PART_FORWARD][DTYPE_DOUBLE](at, strides, 1, rows[op].defaults);
    return to_bool ? truth : result;
}

static Quantity
call(Binding *b, Op op, const Operand *in, const Param *params)
{
    return kept(b, scope_keep(pointwise(op, in, params, NULL)));
}

static Operand
operand(Quantity q)
{
    return (Operand){q.tensor, scalar_of(q.number)};
}

/* other + sign * x * y in one rounding less, as compilers contract the loops; without it a gradient like
 * tanh's g * (1 - y * y) would differ from the loop's where it cancels. */
static Quantity
multiply_add(Binding *b, Quantity other, const Term *product, int sign)
{
    Quantity x = evaluate(b, product->args[0]);
    Quantity y = b->failed || product->op == OP_square ? x : evaluate(b, product->args[1]);
    if (b->failed)
        return (Quantity){NULL, 0};
    if (other.tensor == NULL && x.tensor == NULL && y.tensor == NULL)
        return (Quantity){NULL, other.number + sign * x.number * y.number};
    return call(b, OP_addcmul, (Operand[]){operand(other), operand(x), operand(y)},
                (Param[]){PARAM(sign), PARAM(1)});
}

static Quantity
negated(Binding *b, Quantity q)
{
    if (q.tensor == NULL)
        return (Quantity){NULL, -q.number};
    return call(b, OP_neg, (Operand[]){operand(q)}, rows[OP_neg].defaults);
}

static bool
is_product(const Binding *b, int t)
{
    const Term *term = &b->formula->terms[t];
    return term->kind == APPLY && (term->op == OP_mul || term->op == OP_square);
}

static Quantity
add_or_subtract(Binding *b, const Term *t)
{
    int left = t->args[0], right = t->args[1];
    bool right_is_product = is_product(b, right);
    Quantity other = evaluate(b, right_is_product ? left : right);
    if (!right_is_product && t->op == OP_sub && !b->failed)
        other = negated(b, other);
    if (b->failed)
        return (Quantity){NULL, 0};
    const Term *product = &b->formula->terms[right_is_product ? right : left];
    return multiply_add(b, other, product, right_is_product && t->op == OP_sub ? -1 : 1);
}

static Quantity
apply(Binding *b, const Term *t)
{
    if ((t->op == OP_add || t->op == OP_sub) && (is_product(b, t->args[0]) || is_product(b, t->args[1])))
        return add_or_subtract(b, t);
    Quantity args[3] = {{NULL, 0}};
    Operand in[3];
    bool any = false;
    int n = rows[t->op].arity;
    for (int k = 0; k < n && !b->failed; k++) {
        args[k] = evaluate(b, t->args[k]);
        in[k] = operand(args[k]);
        any |= args[k].tensor != NULL;
    }
    if (b->failed)
        return (Quantity){NULL, 0};
    if (!any)
        return (Quantity){NULL, fold(t->op, args)};
    if (t->op == OP_mul)
        for (int k = 0; k < 2; k++)
            if (args[k].tensor == NULL && args[k].number == 1)
                return args[1 - k];
    return call(b, (Op)t->op, in, rows[t->op].defaults);
}

/* Which letters the terms first..last name, as bits. */
static unsigned
letters_in(const Formula *f, int first, int last)
{
    unsigned bits = 0;
    for (int t = first; t <= last; t++)
        if (f->terms[t].kind == LETTER)
            bits |= 1u << f->terms[t].op;
    return bits;
}

static Quantity
where(Binding *b, Tensor *mask, Quantity x, Quantity otherwise)
{
    if (x.tensor == NULL && otherwise.tensor == NULL) /* two numbers would not say which dtype */
        x = kept(b, scope_keep(tensor_from_scalar(scalar_of(x.number).value, b->compute, mask->device)));
    if (b->failed)
        return (Quantity){NULL, 0};
    return call(b, OP_where, (Operand[]){{.tensor = mask}, operand(x), operand(otherwise)},
                rows[OP_where].defaults);
}

/* One branch of a choice by tensor.  Where the other branch is taken this one's letters are 1: its gradient
 * there is 0 times something, which must not be infinite (the derivative of g * log(a) at a = 0 would be
 * NaN). */
static Quantity
branch(Binding *b, Tensor *mask, bool chosen, int first, int last)
{
    const Quantity one = {NULL, 1};
    Quantity outer[LETTER_G];
    unsigned used = first < last ? letters_in(b->formula, first, last) : 0, replaced = 0;
    for (int k = 0; k < LETTER_G && !b->failed; k++) {
        if (!(used & 1u << k) || (outer[k] = letter(b, k)).tensor == NULL
            || k == rows[b->node->op].bool_operand)
            continue;
        b->letters[k] = where(b, mask, chosen ? outer[k] : one, chosen ? one : outer[k]);
        replaced |= 1u << k;
    }
    Quantity result = b->failed ? (Quantity){NULL, 0} : evaluate(b, last);
    for (int k = 0; k < LETTER_G; k++)
        if (replaced & 1u << k)
            b->letters[k] = outer[k];
    return result;
}

static Quantity
choose(Binding *b, const Term *t)
{
    int condition = t->args[0], then = t->args[1], otherwise = t->args[2];
    Quantity mask = evaluate(b, condition);
    if (b->failed)
        return mask;
    if (mask.tensor == NULL)
        return evaluate(b, mask.number != 0 ? then : otherwise);
    Quantity x = branch(b, mask.tensor, true, condition + 1, then);
    Quantity y = b->failed ? x : branch(b, mask.tensor, false, then + 1, otherwise);
    return b->failed ? (Quantity){NULL, 0} : where(b, mask.tensor, x, y);
}

/* relu's gradient, y <= 0 ? 0 : g, is constant in x wherever it has a derivative; yet it was computed from x,
 * and a second derivative must be zeros, not "unused": a choice that always takes the result lets x be seen.
 */
static Quantity
tied(Binding *b, Quantity result)
{
    const Formula *f = b->formula;
    const Term *root = &f->terms[f->root];
    if (rows[b->node->op].arity != 1 || root->kind != CHOOSE || result.tensor == NULL)
        return result;
    const unsigned data = 1u << LETTER_A | 1u << LETTER_Y;
    unsigned asked = letters_in(f, 0, root->args[0]) & data;
    if (asked == 0 || (letters_in(f, root->args[0] + 1, f->root) & data) != 0)
        return result;
    Tensor *truth = scope_keep(tensor_from_scalar(PARAM(1), DTYPE_BOOL, result.tensor->device));
    if (truth == NULL)
        return kept(b, truth);
    return where(b, truth, result, letter(b, asked & 1u << LETTER_A ? LETTER_A : LETTER_Y));
}

static Quantity
evaluate(Binding *b, int t)
{
    const Term *part = &b->formula->terms[t];
    switch (part->kind) {
    case NUMBER: return (Quantity){NULL, part->number};
    case LETTER: return letter(b, part->op);
    case APPLY: return apply(b, part);
    default: return choose(b, part);
    }
}

Tensor *
formula_gradient(Node *n, int k, Tensor *g)
{
    Dtype compute = dtype_half_compute((Dtype)n->dtype);
    Binding b = {.node = n, .formula = formula_tree(n->op, k), .compute = compute};
    if (b.formula == NULL)
        return NULL;
    b.letters[LETTER_G] = kept(&b, op_to_dtype(g, compute));
    b.bound[LETTER_G] = true;
    if (b.failed)
        return NULL;
    Quantity result = evaluate(&b, b.formula->root);
    if (!b.failed)
        result = tied(&b, result);
    if (b.failed)
        return NULL;
    return result.tensor ? result.tensor : formula_constant(g, result.number, compute);
}
