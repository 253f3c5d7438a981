/* A gradient's text as a tree; the grammar is in formula_text.c. */
#ifndef CTORCH_AUTOGRAD_FORMULA_TEXT_H
#define CTORCH_AUTOGRAD_FORMULA_TEXT_H

#include "ops/rows.h"

enum { NUMBER, LETTER, APPLY, CHOOSE };

typedef struct Term {
    uint8_t kind;
    int16_t op;      /* APPLY: the row; LETTER: LETTER_* */
    int16_t args[3]; /* APPLY: operands; CHOOSE: condition, then, otherwise */
    double number;
} Term;

/* Terms in postfix order: an expression's terms are contiguous, its own the last. */
typedef struct Formula {
    int n, root;
    Term terms[];
} Formula;

/* The gradient of row op's input k: parsed when first asked for, kept for ever.  NULL with SystemError. */
const Formula *formula_tree(int op, int k);

#endif
