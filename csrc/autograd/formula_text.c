/* Reading gradient texts.  The text is C; this is the part of C it uses:
 *
 *   choice  := or [ "?" choice ":" choice ]            or      := and { "||" and }
 *   and     := equal { "&&" equal }                    equal   := order { ("==" | "!=") order }
 *   order   := sum { ("<" | "<=" | ">" | ">=") sum }   sum     := product { ("+" | "-") product }
 *   product := prefix { ("*" | "/") prefix }           prefix  := "-" prefix | primary
 *   primary := number | letter | "K(" number ")" | row "(" choice { "," choice } ")" | "(" choice ")"
 *
 * letters: g the incoming gradient; x or a, b, c the operands; y the output; p q the parameters.  An operator
 * is a row like any other: + is add, < is lt. */
#include "autograd/formula_text.h"

#include <ctype.h>
#include <string.h>

#include "ops/rows.h"

static const char letters[] = "abcygpq"; /* in the order of LETTER_* */

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
    {">=", OP_ge, 5},         {"<", OP_lt, 5},           {">", OP_gt, 5},  {"+", OP_add, 6}, {"-", OP_sub, 6},
    {"*", OP_mul, 7},         {"/", OP_div, 7},          {NULL, 0, 0},
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
    p->formula->terms[p->formula->n] =
        (Term){(uint8_t)kind, (int16_t)op, {(int16_t)a, (int16_t)b, (int16_t)c}, 0};
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
        const char *letter = strchr(letters, *start == 'x' ? 'a' : *start);
        p->failed |= letter == NULL;
        return term(p, LETTER, letter ? (int)(letter - letters) : 0, 0, 0, 0);
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

const Formula *
formula_tree(int op, int k)
{
    static Formula *formulas[OP_COUNT][3];
    if (formulas[op][k] != NULL)
        return formulas[op][k];
    const char *text = rows[op].gradient_text[k];
    Formula *f =
        PyMem_Calloc(1, sizeof *f + (strlen(text) + 1) * sizeof f->terms[0]); /* a term has a character */
    if (f == NULL)
        return (const Formula *)PyErr_NoMemory();
    Parser p = {text, f, false};
    f->root = parse(&p, 0);
    if (p.failed || (accept(&p, ""), *p.at != '\0')) {
        PyErr_Format(PyExc_SystemError, "gradient of %s: cannot read \"%s\" at \"%s\"", rows[op].name, text,
                     p.at);
        PyMem_Free(f);
        return NULL;
    }
    formulas[op][k] = f;
    return f;
}
