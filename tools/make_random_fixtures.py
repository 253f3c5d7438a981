"""Writes tests/fixtures/random.json: what PyTorch's CPU generator gives for a list of expressions.

Run it with a Python that has PyTorch 2.13 or newer, on an x86-64 processor with AVX2 (without AVX2 PyTorch
itself draws other normals): python tools/make_random_fixtures.py [FILE].  tests/test_random_streams.py
evaluates the same expressions with `torch` bound to ctorch.

A case holds the expression, the seed, and of the result the dtype, the shape, a digest of all bytes and the
first values (to read a failure by); `state` is a digest of torch.get_rng_state() afterwards, which pins the
number of words drawn and the cached normal.  float16 and bfloat16 results are widened to float32 first.
What PyTorch computes in double (short randn, float64 normals, exponential_ and the like) goes through the C
library's sin, log1p, ..., so those digests belong to glibc 2.28 and newer.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch

FLOATS = ("float32", "float64", "float16", "bfloat16")
LENGTHS = (1, 2, 15, 16, 17, 31, 32, 33, 100, 1000, 4097)


def floating():
    for n in (*LENGTHS, 100003):
        for dtype in FLOATS if n < 1000 else ("float32", "float64"):
            yield f"torch.rand({n}, dtype=torch.{dtype})"
            yield f"torch.randn({n}, dtype=torch.{dtype})"
    for dtype in FLOATS:
        for n in (7, 50):
            yield f"torch.empty({n}, dtype=torch.{dtype}).uniform_(-0.3, 0.3)"
            yield f"torch.empty({n}, dtype=torch.{dtype}).normal_(0.7, 1.9)"
            yield f"torch.empty({n}, dtype=torch.{dtype}).exponential_(1.3)"
            yield f"torch.empty({n}, dtype=torch.{dtype}).log_normal_(1.0, 2.0)"
            yield f"torch.empty({n}, dtype=torch.{dtype}).cauchy_(0.3, 1.7)"
            yield f"torch.empty({n}, dtype=torch.{dtype}).geometric_(0.3)"
            yield f"torch.empty({n}, dtype=torch.{dtype}).random_()"


def sequences():
    """Several draws in a row, shapes, and layouts other than contiguous."""
    yield "[torch.randn(3), torch.randn(2), torch.rand(1), torch.randn(20)][-1]"
    yield "[torch.randn(5), torch.rand(3), torch.randn(1)][-1]"
    yield "[torch.randn(5), torch.manual_seed(3), torch.randn(1)][-1]"
    yield "torch.randn(4, 5)"
    yield "torch.randn(2, 3, 4, dtype=torch.float64)"
    yield "torch.randn(())"
    yield "torch.rand(0)"
    yield "torch.empty(6, 7).t().uniform_()"
    yield "torch.empty(6, 7).t().normal_()"
    yield "torch.empty(40, 2)[:, 0].normal_(1.0, 3.0)"
    yield "torch.rand_like(torch.empty(3, 4))"
    yield "torch.randn_like(torch.empty(5, 6))"
    yield "torch.normal(1.0, 2.0, size=(20,))"
    yield "torch.normal(torch.arange(20.0), 2.0)"
    yield "torch.normal(1.0, torch.arange(20.0))"
    yield "torch.normal(torch.arange(20.0), torch.arange(20.0))"


def integers():
    for low, high in ((0, 10), (-5, 100), (0, 1), (0, 2**28 - 1), (0, 2**28), (3, 2**40)):
        for n in (5, 700):
            yield f"torch.randint({low}, {high}, ({n},))"
    for dtype in ("uint8", "int8", "int16", "int32", "float32", "float64", "bfloat16"):
        yield f"torch.randint(0, 100, (50,), dtype=torch.{dtype})"
    for dtype in ("bool", "uint8", "int8", "int16", "int32", "int64"):
        yield f"torch.empty(50, dtype=torch.{dtype}).random_()"
    yield "torch.empty(50, dtype=torch.int64).random_(-2**63, None)"
    yield "torch.empty(50, dtype=torch.int64).random_(10)"
    yield "torch.empty(50, dtype=torch.float32).random_(-7, 12)"
    yield "torch.randint_like(torch.empty(4, 4), 10)"
    for n in (0, 1, 2, 10, 700, 5000):
        yield f"torch.randperm({n})"
    yield "torch.randperm(50, dtype=torch.int32)"


def choices():
    for p in (0.0, 0.1, 0.5, 1.0):
        for dtype in ("float32", "float64", "bool", "int64", "bfloat16"):
            yield f"torch.empty(700, dtype=torch.{dtype}).bernoulli_({p})"
    for dtype in FLOATS:
        yield f"torch.bernoulli((torch.arange(700.0) / 699).to(torch.{dtype}))"
    yield "torch.bernoulli(torch.ones(9), 0.5)"
    yield "torch.nn.functional.dropout(torch.arange(700.0), 0.3)"
    for dtype in ("float32", "float64"):
        probabilities = f"(torch.arange(33, dtype=torch.{dtype}) / 32)"
        yield f"torch.multinomial({probabilities}, 100, replacement=True)"
        yield f"torch.multinomial({probabilities}, 10)"
        yield f"torch.multinomial({probabilities}, 1)"
        yield f"torch.multinomial({probabilities}.reshape(3, 11), 5, replacement=True)"
        yield f"torch.poisson(torch.arange(100, dtype=torch.{dtype}) * 0.75)"


def initialisers():
    yield "torch.nn.Linear(3, 2).weight"
    yield "torch.nn.Linear(784, 512).weight"
    yield "torch.nn.Linear(784, 512).bias"
    yield "torch.nn.Embedding(10, 3).weight"
    yield "next(iter(torch.utils.data.DataLoader(range(10), batch_size=10, shuffle=True)))"


def case(expression, seed):
    torch.manual_seed(seed)
    result = eval(expression).detach()
    if result.dtype in (torch.float16, torch.bfloat16):
        values = result.float()
    else:
        values = result
    data = values.contiguous().numpy().tobytes()
    return {
        "expression": expression,
        "seed": seed,
        "dtype": str(result.dtype),
        "shape": list(result.shape),
        "digest": hashlib.sha256(data).hexdigest()[:16],
        "first": values.flatten()[:4].tolist(),
        "state": hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()[:16],
    }


def main():
    torch.set_num_threads(1)
    folder = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "random.json"
    groups = (floating, sequences, integers, choices, initialisers)
    cases = [case(expression, seed) for group in groups for seed in (0, 42) for expression in group()]
    cases.append(case("torch.randn(20)", 2**40 + 7))
    header = {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}
    lines = ",\n".join(json.dumps(entry) for entry in cases)
    path.write_text(f'{{"made_with": {json.dumps(header)}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
