/* Gradient texts of pointwise rows, run over tensors: what a loop computes element by element is computed here op by op
 * and so recorded, which makes gradients differentiable to any order.  The text is C; this is the part of C it uses:
 *
 *   choice  := or [ "?" choice ":" choice ]            or      := and { "||" and }
 *   and     := equal { "&&" equal }                    equal   := order { ("==" | "!=") order }
 *   order   := sum { ("<" | "<=" | ">" | ">=") sum }   sum     := product { ("+" | "-") product }
 *   product := prefix { ("*" | "/") prefix }           prefix  := "-" prefix | primary
 *   primary := number | letter | "K(" number ")" | row "(" choice { "," choice } ")" | "(" choice ")"
 *
 * letters: g the incoming gradient; x or a, b, c the operands; y the output; p q the parameters.  An operator is a row
 * like any other: + is add, < is lt.  Values without a tensor in them are folded as doubles, through the rows' own
 * loops.  A text is parsed when it is first asked for, and the tree is kept. */
#include "autograd/formula.h"

#include <ctype.h>
#include <string.h>

#include "core/cpu.h"
#include "core/dtype.h"
#include "ops/ops.h"
#include "ops/rows.h"

enum { NUMBER, LETTER, APPLY, CHOOSE };

typedef struct Term {
    uint8_t kind;
    int16_t op;                   /* APPLY: the row; LETTER: its index in LETTERS */
    int16_t args[3];
    double number;
} Term;

typedef struct Formula {
    int n, root;
    Term terms[];                 /* operands before the terms that use them */
} Formula;

static const char LETTERS[] = "abcygpq";
enum { LETTER_Y = 3, LETTER_G, LETTER_P, LETTER_Q, N_LETTERS };

/* ---------------------------------------------------------------- parsing */
typedef struct Parser {
    const char *at;
    Formula *formula;
    bool failed;
} Parser;

/* Longer spellings first; a higher power binds tighter. */
static const struct Operator {
    const char *text;
    int16_t op;
    int power;
} operators[] = {
    {"||", OP_logical_or, 2}, {"&&", OP_logical_and, 3}, {"==", OP_eq, 4}, {"!=", OP_ne, 4}, {"<=", OP_le, 5},
    {">=", OP_ge, 5}, {"<", OP_lt, 5}, {">", OP_gt, 5}, {"+", OP_add, 6}, {"-", OP_sub, 6}, {"*", OP_mul, 7},
    {"/", OP_div, 7}, {NULL, 0, 0},
};
enum { POWER_CHOICE = 1, POWER_PREFIX = 8 };

static int parse(Parser *p, int power);

static bool
accept(Parser *p, const char *text)
{
    while (*p->at == ' ')
        p->at++;
    if (strncmp(p->at, text, strlen(text)) != 0)
        return false;
    p->at += strlen(text);
    return true;
}

static void
expect(Parser *p, const char *text)
{
    p->failed |= !accept(p, text);
}

static int
term(Parser *p, int kind, int op, int a, int b, int c)
{
    p->formula->terms[p->formula->n] = (Term){(uint8_t)kind, (int16_t)op, {(int16_t)a, (int16_t)b, (int16_t)c}, 0};
    return p->formula->n++;
}

static int
row_by_name(const char *name, size_t length)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (strlen(rows[op].name) == length && memcmp(rows[op].name, name, length) == 0)
            return row_is_pointwise(&rows[op]) ? op : -1;
    return -1;
}

static int
parse_name(Parser *p)
{
    const char *start = p->at;
    while (isalnum((unsigned char)*p->at) || *p->at == '_')
        p->at++;
    size_t length = (size_t)(p->at - start);
    if (length == 1 && *start != 'K') {
        const char *letter = strchr(LETTERS, *start == 'x' ? 'a' : *start);
        p->failed |= letter == NULL;
        return term(p, LETTER, letter ? (int)(letter - LETTERS) : 0, 0, 0, 0);
    }
    expect(p, "(");
    if (length == 1) {
        int inner = parse(p, 0);
        expect(p, ")");
        return inner;
    }
    int op = row_by_name(start, length), args[3] = {0}, n = 0;
    p->failed |= op < 0;
    do {
        args[n++] = parse(p, 0);
    } while (!p->failed && n < rows[op].arity && accept(p, ","));
    expect(p, ")");
    return term(p, APPLY, op, args[0], args[1], args[2]);
}

static int
parse_prefix(Parser *p)
{
    if (p->failed)
        return 0;
    if (accept(p, "-")) {
        int operand = parse(p, POWER_PREFIX);
        Term *t = &p->formula->terms[operand];
        if (t->kind != NUMBER)
            return term(p, APPLY, OP_neg, operand, 0, 0);
        t->number = -t->number;
        return operand;
    }
    if (accept(p, "(")) {
        int inner = parse(p, 0);
        expect(p, ")");
        return inner;
    }
    if (isalpha((unsigned char)*p->at))
        return parse_name(p);
    char *end = NULL;
    double number = PyOS_string_to_double(p->at, &end, NULL);
    int t = term(p, NUMBER, 0, 0, 0, 0);
    p->formula->terms[t].number = number;
    p->failed |= PyErr_Occurred() != NULL;
    p->at = p->failed ? p->at : end;
    return t;
}

/* Operator precedence: takes operators that bind tighter than `power`. */
static int
parse(Parser *p, int power)
{
    int left = parse_prefix(p);
    while (!p->failed) {
        const struct Operator *o = operators;
        const char *before = p->at;
        while (o->text != NULL && !accept(p, o->text))
            o++;
        if (o->text != NULL && o->power > power)
            left = term(p, APPLY, o->op, left, parse(p, o->power), 0);
        else if (o->text == NULL && power < POWER_CHOICE && accept(p, "?")) {
            int chosen = parse(p, 0);
            expect(p, ":");
            left = term(p, CHOOSE, 0, left, chosen, parse(p, 0));
        } else {
            p->at = before;
            break;
        }
    }
    return left;
}

/* The row's tree for input k; kept for ever, as the row is. */
static const Formula *
formula_of(int op, int k)
{
    static Formula *formulas[OP_COUNT][3];
    if (formulas[op][k] != NULL)
        return formulas[op][k];
    const char *text = rows[op].gradient_text[k];
    Formula *f = PyMem_Calloc(1, sizeof *f + (strlen(text) + 1) * sizeof f->terms[0]);    /* a term has a character */
    if (f == NULL)
        return (const Formula *)PyErr_NoMemory();
    Parser p = {text, f, false};
    f->root = parse(&p, 0);
    if (p.failed || (accept(&p, ""), *p.at != '\0')) {
        PyErr_Format(PyExc_SystemError, "gradient of %s: cannot read \"%s\" at \"%s\"", rows[op].name, text, p.at);
        PyMem_Free(f);
        return NULL;
    }
    formulas[op][k] = f;
    return f;
}

/* ---------------------------------------------------------------- evaluating */
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

/* Operands in the type the loop computes in, so that an integer or 0-d one does not decide how precise a part is. */
static Quantity
letter(Binding *b, int k)
{
    if (b->bound[k])
        return b->letters[k];
    Quantity *q = &b->letters[k];
    if (k >= LETTER_P)
        q->number = b->node->params[k - LETTER_P].f;
    else if ((q->tensor = node_saved(b->node, k)) == NULL) {
        q->number = b->node->saved[k].number.f;
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
apply(Binding *b, const Term *t)
{
    Quantity args[3] = {{NULL, 0}};
    Operand in[3];
    bool any = false;
    int n = rows[t->op].arity;
    for (int k = 0; k < n && !b->failed; k++) {
        args[k] = evaluate(b, t->args[k]);
        in[k] = (Operand){args[k].tensor, scalar_of(args[k].number)};
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
    return kept(b, scope_keep(pointwise((Op)t->op, in, rows[t->op].defaults, NULL)));
}

static Quantity
choose(Binding *b, const Term *t)
{
    Quantity mask = evaluate(b, t->args[0]);
    if (b->failed)
        return mask;
    if (mask.tensor == NULL)
        return evaluate(b, t->args[mask.number != 0 ? 1 : 2]);
    Operand in[3] = {{.tensor = mask.tensor}};
    for (int k = 1; k < 3; k++) {
        Quantity q = evaluate(b, t->args[k]);
        if (k == 2 && q.tensor == NULL && in[1].tensor == NULL)       /* two numbers would not say which dtype */
            q = kept(b, scope_keep(tensor_from_scalar(scalar_of(q.number).value, b->compute, mask.tensor->device)));
        in[k] = (Operand){q.tensor, scalar_of(q.number)};
        if (b->failed)
            return (Quantity){NULL, 0};
    }
    return kept(b, scope_keep(pointwise(OP_where, in, rows[OP_where].defaults, NULL)));
}

static Quantity
evaluate(Binding *b, int t)
{
    const Term *part = &b->formula->terms[t];
    switch (part->kind) {
    case NUMBER:
        return (Quantity){NULL, part->number};
    case LETTER:
        return letter(b, part->op);
    case APPLY:
        return apply(b, part);
    default:
        return choose(b, part);
    }
}

Tensor *
formula_gradient(Node *n, int k, Tensor *g)
{
    Dtype compute = n->dtype == DTYPE_HALF || n->dtype == DTYPE_BF16 ? DTYPE_FLOAT : (Dtype)n->dtype;
    Binding b = {.node = n, .formula = formula_of(n->op, k), .compute = compute};
    if (b.formula == NULL)
        return NULL;
    b.letters[LETTER_G] = kept(&b, op_to_dtype(g, compute));
    b.bound[LETTER_G] = true;
    if (b.failed)
        return NULL;
    Quantity result = evaluate(&b, b.formula->root);
    if (b.failed)
        return NULL;
    return result.tensor ? result.tensor : formula_constant(g, result.number, compute);
}
