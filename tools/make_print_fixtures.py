"""Writes tests/fixtures/print.json: how PyTorch prints the value of a list of expressions.

Run it with a Python that has PyTorch 2.13 for CPU: python tools/make_print_fixtures.py [FILE].
tests/test_print.py evaluates the same expressions with `torch` bound to ctorch and compares the text.

A case is [group, expression, options, text]; options go to set_printoptions before, and the default
profile comes back afterwards.  The expressions are drawn with fixed seeds, so that a second run writes
the same file.
"""

import json
import math
import random
import sys
from pathlib import Path

import torch

PER_GROUP = 42
INTS = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-2**15, 2**15 - 1), "int32": (-2**31, 2**31 - 1),
        "int64": (-2**63, 2**63 - 1)}
FLOATS = ("float16", "bfloat16", "float32", "float64")
DTYPES = ("bool", *INTS, *FLOATS)
SHAPES = ((1,), (3,), (7,), (30,), (2, 3), (4, 1), (3, 12), (1, 25), (2, 2, 3), (1, 1, 2))


def literal(value):
    """Python text that evaluates to a float, NaN and infinities too."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    return repr(value)


def tensor(values, dtype=None, shape=None):
    items = values if isinstance(values, str) else "[" + ", ".join(map(literal, values)) + "]"
    suffix = "" if dtype is None else f", dtype=torch.{dtype}"
    reshape = "" if shape is None or len(shape) == 1 else f".reshape{tuple(shape)}"
    return f"torch.tensor({items}{suffix}){reshape}"


def numbers(rng, n):
    """n floats of one style: small, whole, halves, large, tiny, of mixed size."""
    style = rng.randrange(6)
    scale = (1.0, 100.0, 1.0, 10.0 ** rng.randint(3, 6), 10.0 ** -rng.randint(2, 6), 1.0)[style]
    values = [float(f"{rng.gauss(0, 1) * scale:.5g}") for _ in range(n)]
    if style == 1:
        values = [float(round(value)) for value in values]
    if style == 2:
        values = [round(2 * value) / 2 for value in values]
    if style == 5:
        values = [float(f"{value * 10.0 ** rng.randint(-3, 4):.4g}") for value in values]
    return values


def scalars(rng):
    for dtype in DTYPES:
        for _ in range(5):
            if dtype == "bool":
                value = rng.random() < 0.5
            elif dtype in INTS:
                value = rng.randint(*INTS[dtype])
            else:
                value = numbers(rng, 1)[0]
            yield tensor(literal(value), dtype)


def empties(rng):
    for dtype in DTYPES:
        for shape in ((0,), (0, 3), (2, 0), (1, 0, 2), (0, 0, 0, 1)):
            yield f"torch.zeros({shape}, dtype=torch.{dtype})"


def bools(rng):
    for _ in range(PER_GROUP):
        shape = rng.choice(SHAPES)
        kind = rng.choice(((True, False), (True, False), (True,), (False,)))
        yield tensor([rng.choice(kind) for _ in range(math.prod(shape))], None, shape)


def integers(dtype):
    def group(rng):
        low, high = INTS[dtype]
        for _ in range(PER_GROUP):
            shape = rng.choice(SHAPES)
            width = rng.choice((1, 9, 99, high))
            values = [rng.randint(max(low, -width), min(high, width)) for _ in range(math.prod(shape))]
            yield tensor(values, dtype, shape)
    return group


def floats(dtype):
    def group(rng):
        for _ in range(PER_GROUP):
            shape = rng.choice(SHAPES)
            yield tensor(numbers(rng, math.prod(shape)), dtype, shape)
    return group


def specials(rng):
    for _ in range(PER_GROUP):
        shape = rng.choice(SHAPES)
        values = numbers(rng, math.prod(shape))
        for _ in range(rng.randint(1, 3)):
            values[rng.randrange(len(values))] = rng.choice((math.nan, math.inf, -math.inf))
        yield tensor(values, rng.choice(FLOATS), shape)


def scientific(rng):
    for _ in range(PER_GROUP):
        shape = rng.choice(SHAPES)
        base = rng.choice((1e-7, 1e-5, 1.0, 1e5, 1e9))
        values = [float(f"{rng.gauss(0, 1) * base * 10.0 ** rng.randint(-4, 4):.5g}")
                  for _ in range(math.prod(shape))]
        yield tensor(values, rng.choice(("float32", "float64", "bfloat16")), shape)


def negative_zeros(rng):
    for _ in range(PER_GROUP):
        shape = rng.choice(SHAPES)
        others = rng.choice(((0.0,), (1.0, 0.0), (0.5, -3.25), (1e-6, 2.0), (1e10, math.nan), (-1.0,)))
        values = [rng.choice((-0.0, rng.choice(others))) for _ in range(math.prod(shape))]
        yield tensor(values, rng.choice(FLOATS), shape)


def summarised(rng):
    shapes = ((1001,), (2000,), (40, 30), (2, 600), (600, 2), (7, 150), (1, 1100), (11, 10, 10),
              (3, 4, 5, 20))
    for _ in range(PER_GROUP):
        shape = rng.choice(shapes)
        n = math.prod(shape)
        values = rng.choice((f"torch.arange({n})", f"torch.arange({n}) - 500", f"torch.arange({n}) * 0.25",
                             f"torch.arange({n}) * 1000000.5", f"torch.arange({n}) > 4",
                             f"torch.arange({n}, dtype=torch.float64) * 0.125 - 7", f"torch.zeros({n})"))
        view = rng.choice(("", "", ".t()")) if len(shape) == 2 else ""
        yield f"({values}).reshape{shape}{view}"


def many_dims(ndim):
    def group(rng):
        for _ in range(PER_GROUP):
            shape = tuple(rng.randint(1, 4 if ndim == 3 else 2) for _ in range(ndim))
            n = math.prod(shape)
            choice = rng.randrange(4)
            if choice == 0:
                text = tensor([rng.randint(-99, 99) for _ in range(n)], rng.choice(("int64", "int32")), shape)
            elif choice == 1:
                text = tensor([rng.random() < 0.5 for _ in range(n)], None, shape)
            else:
                text = tensor(numbers(rng, n), rng.choice(FLOATS), shape)
            yield text + rng.choice(("", "", f".permute{tuple(rng.sample(range(ndim), ndim))}"))
    return group


def leaves(rng):
    for _ in range(PER_GROUP):
        shape = rng.choice((*SHAPES, (13,), (2, 11), (26,)))
        dtype = rng.choice(FLOATS)
        text = tensor(numbers(rng, math.prod(shape)), dtype, shape)
        yield rng.choice((f"{text}.requires_grad_()", f"torch.nn.Parameter({text})"))
    yield "torch.zeros(0, 2, requires_grad=True)"
    yield "torch.tensor(1.5, requires_grad=True)"


def graphs(rng):
    """Every kind of node that an expression of one or two ops leaves."""
    a = tensor([0.25, 0.5, 0.75, 0.125]) + ".requires_grad_()"
    m = tensor([0.5, -1.0, 2.0, 0.25, 3.0, -0.75], None, (2, 3)) + ".requires_grad_()"
    unary = ("-{}", "abs({})", "{}.exp()", "{}.log()", "{}.sin()", "{}.cos()", "{}.tanh()", "{}.sigmoid()",
             "{}.sqrt()", "{}.rsqrt()", "{}.relu()", "{} + 1", "1 - {}", "{} * 2", "{} / 3", "2 / {}",
             "{} ** 2", "2 ** {}", "{}.square()", "{}.clamp(0, 1)", "{}.sum()", "{}.mean()", "{}.clone()",
             "{}.floor()", "{}.erf()", "{}.log1p()", "{}.expm1()", "{}.reciprocal()", "{}.double()",
             "{}.max()", "{}.prod()")
    matrix = ("{}.t()", "{}.reshape(3, 2)", "{}.view(6)", "{}.sum(0)", "{}.mean(1)", "{}.unsqueeze(0)",
              "{}[0]", "{}[:, 1:]", "{}.permute(1, 0)", "{}.expand(2, 2, 3)", "{} @ {}.t()", "{}.softmax(1)",
              "{}.log_softmax(1)", "{}.flatten()", "{}.transpose(0, 1)", "torch.cat([{}, {}])",
              "torch.stack([{}, {}])", "{}.narrow(1, 0, 2)", "{}.sum(1, keepdim=True)", "({} * {}).sum()")
    yield from (text.replace("{}", f"{a}") if text[0] != "-" else f"-({a})" for text in unary)
    yield from (text.replace("{}", f"{m}") for text in matrix)


def optioned(rng):
    """Expressions with options; the group's cases are pairs."""
    choices = ({"profile": "short"}, {"profile": "full"}, {"sci_mode": True}, {"sci_mode": False},
               {"precision": 0}, {"precision": 2}, {"precision": 8}, {"linewidth": 30},
               {"linewidth": 140, "precision": 3}, {"threshold": 5}, {"threshold": 5, "edgeitems": 1},
               {"threshold": 3, "edgeitems": 0}, {"edgeitems": 4, "threshold": 9},
               {"precision": 6, "sci_mode": True, "linewidth": 50})
    for options in choices:
        for _ in range(4):
            shape = rng.choice(SHAPES)
            yield tensor(numbers(rng, math.prod(shape)), rng.choice(FLOATS), shape), options
        yield f"torch.arange({rng.randint(8, 40)})", options


GROUPS = {
    "0-d": scalars, "0-size": empties, "bool": bools,
    **{dtype: integers(dtype) for dtype in INTS}, **{dtype: floats(dtype) for dtype in FLOATS},
    "nan and inf": specials, "scientific": scientific, "negative zero": negative_zeros,
    "summarised": summarised, "3-d": many_dims(3), "5-d": many_dims(5),
    "requires_grad": leaves, "grad_fn": graphs, "set_printoptions": optioned,
}


def text_of(expression, options):
    torch.set_printoptions(**options)
    try:
        return repr(eval(expression, {"torch": torch}))
    finally:
        torch.set_printoptions(profile="default")


def cases():
    for group, make in GROUPS.items():
        for item in make(random.Random(group)):
            expression, options = item if isinstance(item, tuple) else (item, {})
            yield [group, expression, options, text_of(expression, options)]


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/print.json")
    rows = ",\n".join(json.dumps(case) for case in cases())
    path.write_text(f'{{"torch": "{torch.__version__.partition("+")[0]}", "cases": [\n{rows}\n]}}\n')
