"""What ctorch means to reach, and how far the figures are from it.

REASONS says what is in the way of rows that are slower than PyTorch's.  A target holds for some rows.  `ratio` is
PyTorch's figure over ctorch's: the geometric mean over the rows where the target is `mean`, else that of the worst row;
`most` bounds ctorch's own figure, `share` asks for a part of the machine's limit.  `limit` says what is in the way where
a target was missed.
"""

import math
import re
from typing import Callable, NamedTuple

TRANSCENDENTAL = ("exp", "log", "tanh", "sigmoid", "gelu", "erf")
CLOCK = "a time, which the host's clock at that moment stretches; the ratio says what PyTorch took beside it"
BEYOND = ("4 M", "16 M")
IN_CACHE = ("1 K", "16 K", "256 K")


class Target(NamedTuple):
    name: str
    rows: Callable  # of a row: whether the target is about it
    ratio: float = 0
    most: float = math.inf  # in the row's unit
    share: float = 0
    mean: bool = False
    limit: str = ""


def named(*names):
    return lambda row: row.name in names


def of_group(*groups):
    return lambda row: row.group in groups


TARGETS = [
    Target("a + b on 2x2", named("a + b, 2x2"), 10, 60, limit=CLOCK),
    Target("a + b on 2x2, recorded", named("w + b, 2x2, recorded"), 10, 90, limit=CLOCK),
    Target("calls on small tensors", of_group("call", "recorded call", "scalar access"), 10, mean=True),
    Target("lecture snippet with backward", named("lecture snippet with backward"), 20, 1500, limit=CLOCK),
    Target("lecture Sequential, SGD step", named("lecture Sequential, batch 32, SGD step"), 8, 20_000,
           limit=CLOCK),
    Target("MLP 784-128-10, SGD step", named("MLP 784-128-10, batch 64, SGD step"), 1.5),
    Target("MLP 784-128-10, Adam step", named("MLP 784-128-10, batch 64, Adam step"), 1.6),
    Target("MLP 784-512-512-10, SGD step", named("MLP 784-512-512-10, batch 128, SGD step"), 1.1),
    Target("MLP 784-512-512-10, Adam step", named("MLP 784-512-512-10, batch 128, Adam step"), 1.4),
    Target("products", of_group("product"), 0.95,
           limit="the packing of B and the ends of tiles: tiles whose operands were packed before run at the peak"),
    Target("square products from 256, of the FMA peak",
           named(*(f"{n}x{n} @ {n}x{n}" for n in (256, 512, 1024, 2048))), share=0.9,
           limit="the peak is measured once, before the rows, at the host's clock of that moment"),
    Target("elementwise beyond the cache", lambda row: row.group == "elementwise" and row.name.endswith(BEYOND), 2,
           mean=True, limit="glibc recycles PyTorch's memory too, up to 32 MB (the rows of 4 M): there both run at the memory's "
                            "bandwidth"),
    Target("add, mul, relu beyond the cache, of a copy's bandwidth",
           lambda row: row.group == "elementwise" and row.name.endswith(BEYOND)
           and row.name.startswith(("add", "mul", "relu")), share=0.85,
           limit="the copy is measured once, before the rows, at the host's speed of that moment"),
    Target("transcendental functions in the cache",
           lambda row: row.group in ("elementwise", "elementwise in place") and row.name.endswith(IN_CACHE)
           and row.name.startswith(TRANSCENDENTAL), 1.3, mean=True),
    Target("softmax, cross-entropy", of_group("softmax"), 1.5, mean=True),
    Target("random numbers, dropout", of_group("random"), 3, mean=True),
    Target("optimizer steps", of_group("optimizer"), 1.5, mean=True),
    Target("DataLoader over tensors, shuffled", of_group("data"), 10, mean=True),
    Target("chain of 100,000 ops, time", named("chain of 100,000 recorded ops with backward"), 4),
    Target("chain of 100,000 ops, memory", named("memory of a recorded op in a chain of 100,000"), 4),
    Target("import with nn and optim", named("import with nn and optim, time"), 40, 15e6, limit=CLOCK),
    Target("wheel", named("installed files, deflated as in a wheel"), most=1.5e6),
    Target("every row", lambda row: row.group != "process", 0.95,
           limit="for each row see the end of this page"),
]

# Of rows surely below the bar, by their names; the first that fits.
REASONS = [(re.compile(pattern), reason) for pattern, reason in (
    (r"float16|half\(\)", "halves become floats and halves again in blocks, where PyTorch keeps them in registers; "
     "loops of their own would not fit in the wheel's 1.5 MB"),
    (r"roll\(", "two copies for each row, one of them of a few bytes, neither of whole lines"),
    (r"prod\(", "floats are multiplied as doubles, which do not overflow between"),
    (r"@.*int64", "PyTorch's library uses AVX-512 whatever is forced; AVX2 has no product of 64 bits"),
    (r"@|^linear|^batch|MLP", "the packing of B and the ends of tiles: tiles whose operands were packed before run at the peak"),
    (r"^(sigmoid|float64 (exp|log|pow|sin|cos|tan|asin|acos|atan|sigmoid|erf))", "as many operations as PyTorch's library takes, "
     "which its authors tuned for this instruction set"),
    (r"^(add|mul|relu|clamp|lerp|x |mse_loss|t\.(sum|mean)\(|g\.(copy|fill)_|torch\.(cat|stack))",
     "both wait for the cache or the memory, whose speed differs between two processes by where the arrays lie"),
)]


def reason_of(name):
    """What is in the way of a row, or ""."""
    return next((reason for pattern, reason in REASONS if pattern.search(name)), "")
