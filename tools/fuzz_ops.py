"""Differential fuzzing: random calls, made for PyTorch and ctorch alike, must agree in result, dtype, shape, gradient and
refusal.

    python tools/fuzz_ops.py --n 100000 --seed 1        prints every difference with the call, and how to run it again
    python tools/fuzz_ops.py --seed 1 --only 4711       runs one call again

Operands have 0 to 4 dimensions with sides 0 to 5, every dtype, and strides that are transposed, expanded, stepped or
offset.  PyTorch must be installed; comparing is that of tests/hard/opdb.py.  What differs on purpose is listed in
tests/hard/fuzz_deliberate.txt, and counted apart.
"""

import argparse
import os
import random
import re
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "hard"))

import opdb
import torch

import ctorch

# What each op takes: x a tensor, b one that broadcasts with the first, B a bool one, f a float one, d a dim, D a list of
# dims, k keepdim, s a shape of as many elements, n a small number, r a real, i an index tensor, l a list of tensors, m a
# matrix, o an ordered vector, A alpha=.  A name with a trailing _ is the in-place method.
OPS = {
    **dict.fromkeys("abs neg sign exp expm1 exp2 log log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh erf erfc floor "
                    "ceil round trunc frac sigmoid relu square reciprocal isnan isinf isfinite logical_not bitwise_not t "
                    "flatten squeeze nonzero unique clone ravel fliplr flipud argmax argmin max min any all sum mean prod var "
                    "std median numel tril triu diag count_nonzero acosh asinh atanh log10 log2 sgn signbit deg2rad rad2deg logit erfinv "
                    "positive isneginf isposinf nan_to_num nanmean nansum nanmedian msort trace aminmax argwhere bincount histc cov "
                    "corrcoef atleast_2d unique_consecutive mode std_mean var_mean vander fix abs_ neg_ exp_ sqrt_ relu_ floor_ "
                    "zero_ squeeze_ sigmoid_ logical_not_".split(), "x"),
    **dict.fromkeys("add sub mul div pow fmod remainder floor_divide maximum minimum fmax fmin atan2 eq ne lt le gt ge "
                    "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor xlogy logaddexp hypot isclose "
                    "copysign float_power gcd lcm true_divide bitwise_left_shift bitwise_right_shift kron inner isin is_same_size add_ sub_ "
                    "mul_ div_ pow_ fmod_ remainder_ floor_divide_ lt_ logical_and_ bitwise_and_ copy_ maximum_ expand_as "
                    "view_as".split(), "xb"),
    **dict.fromkeys("add sub mul div pow fmod remainder floor_divide eq lt ge rsub".split(), "x?"),
    **dict.fromkeys(["add.number", "mul.number", "div.number", "pow.number", "remainder.number", "lt.number", "floor_divide.number", "add_.number", "mul_.number", "div_.number", "pow_.number", "remainder_.number",
                   "fill_", "clamp_min", "clamp_max", "full_like", "eq.number", "fmod.number", "bitwise_and.number"], "xr"),
    **dict.fromkeys(["add.alpha", "sub.alpha", "rsub.alpha", "add_.alpha", "sub_.alpha"], "xbA"),
    **dict.fromkeys("cummin logcumsumexp mode.dim median.dim nanmedian.dim".split(), "xd"),
    **dict.fromkeys(["nanmean.dim", "nansum.dim", "std_mean.dim", "var_mean.dim"], "xD"), "diff": "xnd", "rot90": "xnD",
    "swapaxes": "xdd", "tensor_split": "xnd", "diag_embed": "xndd", "permute": "xD", "trapezoid": "x", "index_fill": "xdir",
    "scatter": "xdib", "scatter_add": "xdib", "index_add": "xdib", "index_copy": "xdib", "put": "xib", "take_along_dim": "xid",
    "bucketize": "xo", "searchsorted": "ox", "masked_scatter": "xBx", "cdist": "ff", "cross": "xb", "vdot": "xb", "bmm": "xb",
    "mv": "xx", "clamp.tensors": "xbb", "where.number": "Bxr", "index_fill_": "xdir", "scatter_": "xdir", "masked_fill_": "xBr",
    "unflatten": "xds", "unfold": "xdnn", "repeat": "xD", "expand": "xs", "view": "xs", "as_strided": "xss", "tensordot": "xbn",
    "vstack": "l", "hstack": "l", "block_diag": "l", "quantile": "fr", "addcmul_": "xbb",
    "lerp_": "ffr", "hardshrink": "fr", "renorm": "frdr",
    **dict.fromkeys("sum mean prod amax amin all any logsumexp".split(), "xDk"), "max.dim": "xdk", "min.dim": "xdk",
    "argmax.dim": "xdk", "var.dim": "xD", "std.dim": "xD", "cumsum": "xd", "cumprod": "xd", "sort": "xd", "argsort": "xd",
    "softmax": "fd", "log_softmax": "fd", "transpose": "xdd", "unsqueeze": "xd", "squeeze.dim": "xd", "select": "xdn",
    "narrow": "xdnn", "flip": "xD", "roll": "xnd", "unbind": "xd", "chunk": "xnd", "split": "xnd", "diagonal": "xndd",
    "reshape": "xs", "broadcast_to": "xs", "movedim": "xdd", "matmul": "xb", "mm": "mm", "where": "Bxb", "masked_select": "xB",
    "masked_fill": "xBr", "gather": "xdi", "index_select": "xdi", "take": "xi", "cat": "ld", "stack": "ld", "outer": "xx",
    "dot": "xx", "clamp": "xrr", "lerp": "ffr", "addcmul": "xbb", "topk": "xnd", "kthvalue": "xnd", "repeat_interleave": "xn",
    "tile": "xD", "allclose": "fb", "equal": "xb", "one_hot": "i", "norm": "f", "dist": "fb", "cummax": "xd",
}
# Their orders or last digits are free, or they draw differently.
LOOSE = {"unique"}
DELIBERATE = Path(opdb.__file__).with_name("fuzz_deliberate.txt")


def find(package, name):
    """The function of that name, or else the method."""
    return opdb.find(package, name) or opdb.find(package.Tensor, name)


OPS = {name: kinds for name, kinds in OPS.items() if find(ctorch, name.partition(".")[0]) and find(torch, name.partition(".")[0])}


class Draw(random.Random):
    """The random choices of one call."""

    def shape(self):
        return tuple(self.choice([0, 1, 1, 2, 3, 3, 4, 5]) for _ in range(self.choice([0, 1, 1, 2, 2, 2, 3, 3, 4])))

    def fill(self, n, dtype):
        if dtype == torch.bool:
            return torch.tensor([self.random() < 0.5 for _ in range(n)], dtype=dtype)
        if dtype.is_floating_point:
            special = [0.0, -0.0, 1.0, float("inf"), -float("inf"), float("nan"), 1e-3, 100.0]
            return torch.tensor([self.choice(special) if self.random() < 0.05 else self.uniform(-4, 4) for _ in range(n)],
                                dtype=dtype)
        low = 0 if dtype == torch.uint8 else -7
        return torch.tensor([self.randint(low, 7) for _ in range(n)], dtype=dtype)

    def tensor(self, shape=None, dtype=None):
        shape = self.shape() if shape is None else shape
        dtype = dtype or self.choice(opdb.DTYPES)
        n = 1
        for side in shape:
            n *= side
        layout = self.choice(["plain", "plain", "plain", "transposed", "expanded", "stepped", "offset"])
        if layout == "transposed" and len(shape) >= 2:
            return self.fill(n, dtype).view(*shape[:-2], shape[-1], shape[-2]).transpose(-1, -2)
        if layout == "expanded" and shape:
            return self.fill(n // shape[0] if shape[0] else 0, dtype).view(1, *shape[1:]).expand(shape) if n else \
                self.fill(0, dtype).view(shape)
        if layout == "stepped" and shape:
            return self.fill(2 * n, dtype).view(*shape[:-1], 2 * shape[-1])[..., ::2]
        if layout == "offset":
            return self.fill(n + 3, dtype)[3:].view(shape)
        return self.fill(n, dtype).view(shape)

    def broadcast(self, shape):
        """A shape that usually broadcasts with the given one."""
        other = [1 if self.random() < 0.25 else side for side in shape]
        other = other[self.randrange(len(other) + 1):] if self.random() < 0.3 else other
        return tuple(side + (self.random() < 0.03) for side in other)

    def argument(self, kind, first):
        """An argument of that kind, beside the first tensor of the call."""
        ndim = first.dim() if first is not None else 2
        if kind in "xf":
            return self.tensor(dtype=self.choice(opdb.DTYPES[:4]) if kind == "f" else None)
        if kind == "b":
            shape = self.broadcast(tuple(first.shape)) if first is not None else None
            return self.tensor(shape, first.dtype if first is not None and self.random() < 0.6 else None)
        if kind == "B":
            return self.tensor(tuple(first.shape) if first is not None else None, torch.bool)
        if kind == "o":
            return self.tensor((self.randint(0, 4),)).nan_to_num().sort()[0]  # a NaN has no order
        if kind == "?":
            return self.tensor((), None)
        if kind == "d":
            return self.randint(-ndim, ndim - 1) if ndim and self.random() < 0.95 else self.randint(-6, 6)
        if kind == "D":
            return tuple(self.sample(range(ndim), self.randint(1, ndim))) if ndim else ()
        if kind == "k":
            return self.random() < 0.5
        if kind == "s":
            return tuple(reversed(first.shape)) if self.random() < 0.8 else self.shape()
        if kind == "n":
            return self.randint(0, 3) if self.random() < 0.9 else self.randint(-4, 9)
        if kind == "r":
            return self.choice([0, 1, 2, -1, True, 0.5, -2.5, 3.0, float("nan"), float("inf")])
        if kind == "i":
            shape = tuple(first.shape) if first is not None and self.random() < 0.7 else (self.randint(0, 3),)
            return torch.tensor([self.randint(0, 2) for _ in range(torch.Size(shape).numel())], dtype=torch.int64).view(shape)
        if kind == "m":
            return self.tensor((3, 4) if first is None else (4, 2), torch.float32 if self.random() < 0.5 else torch.int64)
        shape, dtype = self.shape(), self.choice(opdb.DTYPES)
        return [self.tensor(shape, dtype) for _ in range(self.randint(1, 3))]


class Sample:
    """What opdb.Call reads: the arguments of one call."""

    def __init__(self, arguments, keywords):
        self.input, self.args, self.kwargs = arguments[0], tuple(arguments[1:]), keywords

    def is_empty(self):
        return any(t.numel() == 0 for t in opdb.flatten([self.input, *self.args]) if isinstance(t, torch.Tensor))


def call_of(seed, number):
    draw = Draw(f"{seed}:{number}")
    name, kinds = draw.choice(sorted(OPS.items()))
    arguments, first = [], None
    for kind in kinds.removesuffix("A"):
        arguments.append(draw.argument(kind, first))
        first = arguments[0] if isinstance(arguments[0], torch.Tensor) else None
    keywords = {"alpha": draw.argument("r", first)} if kinds.endswith("A") else {}
    function = name.partition(".")[0]
    for t in opdb.flatten(arguments):
        if isinstance(t, torch.Tensor) and t.is_floating_point() and not function.endswith("_"):
            t.requires_grad_(draw.random() < 0.5)
    return function, Sample(arguments, keywords)


def attempt(function, call):
    """(result, error) of one framework."""
    try:
        return call.run(function, False), None
    except Exception as error:
        return None, error


def compare(seed, number):
    """How the frameworks differ on call `number`, in a line; "" if they agree."""
    name, sample = call_of(seed, number)
    function = find(torch, name)
    theirs, ours = opdb.Call(sample, opdb.own_copy), opdb.Call(sample, opdb.tensor_from)
    expected, refused = attempt(function, theirs)
    got, refusal = attempt(find(ctorch, name), ours)
    if refused is not None:
        problem = "" if refusal is not None else f"accepted; PyTorch: {type(refused).__name__}: {str(refused):.120}"
    elif refusal is not None:
        problem = f"refused: {type(refusal).__name__}: {str(refusal):.120}"
    elif name in LOOSE:
        problem = ""
    else:
        exact = opdb.Exact(sample, function, False)
        problem = opdb.compare_results(name, theirs, got, expected, exact)
        if not problem and theirs.leaves:
            problem = opdb.compare_gradients(name, got, expected, ours.leaves, theirs.leaves, exact)
    return f"{name}({opdb.say_sample(sample)}): {problem}" if problem else ""


def deliberate_rules():
    """(when, pattern) of every line of the committed list."""
    lines = [line for line in DELIBERATE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [(when.strip(), re.compile(pattern.strip())) for when, pattern, _ in (line.split(" | ") for line in lines)]


def is_deliberate(rules, line, seed, number):
    empty = call_of(seed, number)[1].is_empty()
    return any((when == "any" or empty) and pattern.match(line) for when, pattern in rules)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=20000, help="number of calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="compare this one call")
    parser.add_argument("--most", type=int, default=50, help="stop after so many differences")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    numbers = range(options.n) if options.only is None else [options.only]
    rules, forgiven, differences, done = deliberate_rules(), 0, 0, 0
    for number in numbers:
        line = compare(options.seed, number)
        done += 1
        if line and is_deliberate(rules, line, options.seed, number):
            forgiven += 1
        elif line:
            differences += 1
            print(f"{line}\n    python {os.path.relpath(__file__)} --seed {options.seed} --only {number}", flush=True)
            if differences == options.most:
                break
    print(f"{done} calls of {len(OPS)} ops, {differences} differences, {forgiven} deliberate, seed {options.seed}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
