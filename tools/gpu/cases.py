"""Calls that reach every kernel, as text that ctorch and PyTorch both understand.

A Case names the kernels that it verifies (kernels.py).  Letters in its text are operands (OPERANDS); floating
ones take every dtype of the case and, in the dtypes of `grads`, a gradient each.  `strided` cases run again on
operands whose rows are not adjacent.  A text without operands is a statement about random numbers, true or false.
"""

from typing import NamedTuple

import numpy as np

FLOATS = ("float32", "float64", "float16", "bfloat16")
WIDE = ("float32", "float64")
INTS = ("int64", "int32", "int16", "int8", "uint8")


class Case(NamedTuple):
    text: str
    kernels: tuple
    dtypes: tuple = FLOATS
    grads: tuple = FLOATS
    strided: bool = True

    @property
    def letters(self):
        return sorted(set(compile(self.text, "case", "eval").co_names) & set(OPERANDS))


class Size(NamedTuple):
    rows: int
    columns: int
    draws: int          # random numbers in a statement about them


TINY, FULL = Size(5, 67, 2000), Size(259, 517, 1_000_000)


def uniform(low, high):
    return lambda draw, n, m: draw.uniform(low, high, (n, m))


# letter: what NumPy draws, float64 or integer; those of FLOATING take the case's dtype
FLOATING = {
    "x": uniform(0.1, 0.9), "y": uniform(0.1, 0.9), "z": uniform(0.5, 1.5), "o": uniform(1.1, 3.0),
    "n": lambda draw, n, m: draw.standard_normal((n, m)), "t": lambda draw, n, m: draw.standard_normal((n, m)),
    "w": lambda draw, n, m: draw.standard_normal((70, m)) / 8, "b": lambda draw, n, m: draw.standard_normal(70),
    "r": lambda draw, n, m: draw.uniform(0.5, 1.5, (1, m)), "c": lambda draw, n, m: draw.uniform(0.5, 1.5, (n, 1)),
    "s": lambda draw, n, m: np.sign(draw.standard_normal((n, m))), "p": lambda draw, n, m: draw.uniform(0.5, 2, m),
    "e": lambda draw, n, m: draw.standard_normal((3, n, 40)), "f": lambda draw, n, m: draw.standard_normal((3, 40, 33)),
}
FIXED = {
    "k": lambda draw, n, m: draw.random((n, m)) < 0.5, "i": lambda draw, n, m: draw.integers(0, n, 2 * n),
    "g": lambda draw, n, m: draw.integers(0, n, (n, m)), "h": lambda draw, n, m: draw.integers(0, m, n),
    "a": lambda draw, n, m: draw.integers(1, 9, (n, m)), "d": lambda draw, n, m: draw.integers(1, 6, (n, m)),
}
OPERANDS = FLOATING | FIXED

ROWS = """
neg abs:n sign:n square:n reciprocal sqrt rsqrt exp:n exp2:n expm1:n log log2 log10 log1p sin:n cos:n tan asin acos atan:n
sinh:n cosh:n tanh:n asinh:n acosh:o atanh erf:n erfc:n erfinv floor:o ceil:o round:o trunc:o frac:o sigmoid:n relu:n
deg2rad rad2deg
"""
OF_FUNCTIONAL = ("silu mish leaky_relu elu celu selu softplus logsigmoid softsign tanhshrink hardtanh hardsigmoid "
                 "hardswish softshrink hardshrink")
PAIRS = "add sub rsub mul div remainder fmod pow xlogy"
OF_TENSORS = "atan2 hypot logaddexp maximum minimum fmax fmin"
COMPARED = "eq ne lt le gt ge"
WITH_WORDS = [
    ("torch.clamp(n, -0.5, 0.7)", "clamp"), ("F.threshold(n, 0.1, 2.0)", "threshold"),
    ("F.gelu(n)", "gelu_erf"),
    ("F.gelu(n, approximate='tanh')", "gelu_tanh"), ("F.prelu(n, p)", "prelu_kernel"),
    ("torch.add(x, y, alpha=2)", "add"), ("torch.mul(x, r)", "mul"), ("torch.mul(x, c)", "mul"),
    ("x + 1", "add"),
    ("torch.where(k, x, y)", "where"), ("torch.masked_fill(x, k, 0.5)", "masked_fill"),
    ("torch.lerp(x, y, z)", "lerp"), ("torch.addcmul(x, y, z, value=2)", "addcmul"),
    ("torch.addcdiv(x, y, z, value=2)", "addcdiv"),
    ("F.mse_loss(n, t)", "mse_values mse_gradient"),
    ("F.smooth_l1_loss(n, t)", "smooth_l1_values smooth_l1_gradient"),
    ("F.huber_loss(n, t, delta=0.7)", "huber_values huber_gradient"),
    ("F.binary_cross_entropy(x, y)", "bce_values bce_gradient"),
    ("F.binary_cross_entropy_with_logits(n, y.detach())", "bce_logits_values bce_logits_gradient"),
    ("F.binary_cross_entropy_with_logits(n, y.detach(), pos_weight=p.detach())",
     "bce_logits_weighted bce_logits_slope"),
    ("F.soft_margin_loss(n, s.detach())", "soft_margin_values soft_margin_gradient"),
]
OF_INTEGERS = ("add sub mul remainder fmod floor_divide maximum bitwise_and bitwise_or bitwise_xor bitwise_left_shift "
               "bitwise_right_shift pow")
# text, kernels separated by |, dtypes
INTEGER = [
    *[(f"torch.{name}(a, d)", name, INTS) for name in OF_INTEGERS.split()],
    ("torch.bitwise_not(a)", "bitwise_not", INTS), ("torch.neg(a)", "neg", INTS),
    ("a // 2", "floor_divide", INTS), ("a // d", "pointwise_int find_zero", INTS),
    ("torch.div(a, d, rounding_mode='floor')", "div_floor", INTS),
    ("torch.div(a, d, rounding_mode='trunc')", "div_trunc", INTS),
    ("a.sum()", "fold sum", INTS), ("a.prod(1)", "fold prod", ("int64",)), ("a.amax(0)", "fold amax", INTS),
    ("a.argmax(1)", "reduce find_extreme", INTS), ("a.cumsum(1)", "scan scan_by_blocks", INTS),
    ("k | (a > 3)", "bitwise_or", ("int64",)),
    ("torch.bincount(i)", "fold sum", ("int64",)), ("F.one_hot(h)", "reduce find_range", ("int64",)),
    ("a.sort(1)[0]", "sort make_items|sort sort_in_shared|sort take_best", INTS),
    ("a.double()", "cast convert", INTS),
    ("a[i]", "index pick", INTS), ("a.half()", "cast convert", INTS),
]
# text, kernels, dtypes, those with a gradient: not the short ones where equal elements could change places
STRUCTURAL = [
    ("x.sum()", "fold sum|reduce fold_elements", FLOATS, FLOATS),
    ("x.sum(0)", "fold sum", FLOATS, FLOATS),
    ("x.sum(1)", "fold sum", FLOATS, FLOATS), ("x.mean()", "fold sum", FLOATS, FLOATS),
    ("x.nansum(1)", "fold nansum", FLOATS, FLOATS),
    ("z.prod(1)", "fold prod", WIDE, WIDE), ("x.amax(1)", "fold amax", FLOATS, FLOATS),
    ("x.amin(0)", "fold amin", FLOATS, FLOATS),
    ("(n > 0).any(1)", "fold any", FLOATS, ()), ("(n > 0).all(0)", "fold all", FLOATS, ()),
    ("torch.count_nonzero(n > 0)", "fold nonzeros", FLOATS, ()), ("n.nanmean(1)", "fold numbers", WIDE, WIDE),
    ("torch.linalg.vector_norm(n, 1)", "fold abs_sum", FLOATS, FLOATS),
    ("torch.linalg.vector_norm(n, float('inf'), 1)", "fold abs_max", FLOATS, FLOATS),
    ("torch.linalg.vector_norm(n, float('-inf'), 1)", "fold abs_min", FLOATS, FLOATS),
    ("n.norm()", "fold squares", FLOATS, FLOATS), ("n.var(1)", "fold deviation", FLOATS, FLOATS),
    ("n.std()", "fold deviation", FLOATS, FLOATS), ("n.logsumexp(1)", "fold exp_sum", FLOATS, FLOATS),
    ("n.argmax(1)", "reduce find_extreme", WIDE, ()), ("n.max(0)[0]", "reduce find_extreme", FLOATS, WIDE),
    ("n.cumsum(0)", "scan scan_by_threads", WIDE, WIDE), ("n.cumsum(1)", "scan scan_by_blocks", WIDE, WIDE),
    ("z.cumprod(1)", "scan scan_by_blocks", WIDE, WIDE),
    ("n.cummax(1)[0]", "scan scan_by_blocks", FLOATS, WIDE),
    ("n.logcumsumexp(0)", "scan scan_by_threads", WIDE, WIDE),
    ("n.softmax(1)", "softmax line_of_a_block", FLOATS, FLOATS),
    ("n.softmax(0)", "softmax line_of_a_thread", FLOATS, FLOATS),
    ("n.log_softmax(1)", "softmax line_of_a_block", FLOATS, FLOATS),
    ("n.log_softmax(0)", "softmax line_of_a_thread", FLOATS, FLOATS),
    ("F.cross_entropy(n, h)", "nll sum_lines|nll check_lines|softmax line_of_a_block", FLOATS, FLOATS),
    ("F.cross_entropy(n, h, reduction='none', label_smoothing=0.1)", "nll each_line", FLOATS, FLOATS),
    ("F.nll_loss(n, h, weight=p.detach(), reduction='sum')", "nll sum_lines", WIDE, WIDE),
    ("n.sort(1)[0]", "sort make_items|sort sort_in_shared|sort take_best", FLOATS, WIDE),
    ("n.flatten().sort()[0]", "sort sort_step", FLOATS, WIDE),
    ("n.topk(3, 1)[0]", "sort take_best", FLOATS, WIDE),
    ("torch.searchsorted(n.sort(1)[0], t)", "sort search_rows", WIDE, ()),
    ("torch.inverse(n @ n.T + 9 * torch.eye(len(n)).to(n))", "linalg invert", WIDE, ()),
    ("torch.linalg.svdvals(n[:, :5])", "linalg decompose", WIDE, ()),
    ("n[i]", "index pick", FLOATS, FLOATS), ("n.gather(0, g)", "index pick", FLOATS, FLOATS),
    ("n.index_select(0, i)", "index pick", FLOATS, FLOATS),
    ("torch.zeros_like(n).scatter(0, g, 1.0)", "index pick", FLOATS, ()),
    ("torch.zeros_like(n).scatter_add(0, g, t)", "index pick", WIDE, WIDE),
    ("F.embedding(i, n)", "index pick", WIDE, WIDE),
    ("torch.index_put(n, (h % 3,), n[0], accumulate=True)", "index pick", WIDE, WIDE),
    ("n[k]", "index count_chunk|index add_up|index move_chunk", FLOATS, FLOATS),
    ("n.masked_select(k)", "index move_chunk", FLOATS, FLOATS), ("k.nonzero()", "index find_chunk", WIDE, ()),
    ("n @ w.t()", "", FLOATS, FLOATS), ("F.linear(n, w, b)", "gemm finish", FLOATS, FLOATS),
    ("e @ f", "", FLOATS, FLOATS),
    ("n[:, ::2] @ w[:, ::2].t()", "gemm multiply", WIDE, WIDE), ("torch.outer(b, b)", "", WIDE, WIDE),
    ("n.double()", "cast convert", FLOATS, FLOATS), ("n.half()", "cast convert", FLOATS, FLOATS),
    ("n.bfloat16()", "cast convert", WIDE, WIDE), ("(n * 9).long()", "cast convert", WIDE, ()),
    ("n.t().contiguous()", "cast move", FLOATS, FLOATS), ("n.clone()", "cast move", FLOATS, FLOATS),
    ("torch.full_like(n, 0.5)", "cast move", FLOATS, ()), ("torch.cat((n, t))", "cast move", FLOATS, FLOATS),
    ("n.flip(1)", "cast move", FLOATS, FLOATS), ("n.tril()", "", FLOATS, FLOATS),
]
STEPS = ("SGD([{}], 0.1)", "SGD([{}], 0.1, momentum=0.9, weight_decay=0.1, nesterov=True)", "Adam([{}], 0.1)",
         "AdamW([{}], 0.1, amsgrad=True)")
# Five standard errors: fails by chance once in a million draws.
RANDOM = ("(torch.rand(N, device=D).mean() - 0.5).abs() < 5 * 0.2887 / N ** 0.5",
          "torch.randn(N, device=D).mean().abs() < 5 / N ** 0.5",
          "(torch.randn(N, device=D).std() - 1).abs() < 5 / (2 * N) ** 0.5",
          "(torch.randint(10, (N,), device=D).double().mean() - 4.5).abs() < 5 * 2.88 / N ** 0.5",
          "(F.dropout(torch.ones(N, device=D), 0.25).count_nonzero().item() / N - 0.75) ** 2 < 25 * 0.1875 / N",
          "torch.randperm(N, device=D).sort()[0].equal(torch.arange(N, device=D))",
          "(torch.empty(N, device=D).exponential_().mean() - 1).abs() < 5 / N ** 0.5")


def unary():
    for word in ROWS.split():
        name, _, letter = word.partition(":")
        yield Case(f"torch.{name}({letter or 'x'})", (name,))
    for name in OF_FUNCTIONAL.split():
        yield Case(f"F.{name}(n)", (name,))
    for name in ("isnan", "isinf", "isfinite", "signbit", "logical_not"):
        yield Case(f"torch.{name}(n)", (name,), grads=())


def binary():
    for name in PAIRS.split():
        yield Case(f"torch.{name}(x, z)", (name,))
        yield Case(f"torch.{name}(x, 0.75)", (name,))
    for name in OF_TENSORS.split():
        yield Case(f"torch.{name}(x, y)", (name,))
    for name in COMPARED.split():
        yield Case(f"torch.{name}(n, t)", (name,), grads=())
    for name in ("logical_and", "logical_or", "logical_xor"):
        yield Case(f"torch.{name}(n > 0, t)", (name,), grads=())
    for mode in ("floor", "trunc"):
        yield Case(f"torch.div(o, x, rounding_mode='{mode}')", (f"div_{mode}",), WIDE, grads=())
    yield Case("torch.floor_divide(o, x)", ("floor_divide",), WIDE, grads=())


def cases():
    made = [*unary(), *binary()]
    made += [Case(text, tuple(names.split())) for text, names in WITH_WORDS]
    made += [Case(text, tuple(names.split("|")), dtypes, ()) for text, names, dtypes in INTEGER]
    made += [Case(text, tuple(filter(None, names.split("|"))), dtypes, grads)
             for text, names, dtypes, grads in STRUCTURAL]
    made += [Case(f"stepped(torch.optim.{rule.format('n')}, n, t)", ("optim step",), WIDE, (), False) for rule in STEPS]
    made += [Case(text, ("philox fill_elements",), ("float32",), (), False) for text in RANDOM]
    return made


# ---- operands ----


def stepped(optimizer, parameter, gradient):
    """The parameter after three steps with one gradient."""
    parameter.grad = gradient.detach()
    for _ in range(3):
        optimizer.step()
    return parameter.detach()


def arrays(case, size, strided, seed):
    """{letter: array}; with one column more if strided, which the views leave out."""
    draw = np.random.default_rng(seed)
    return {letter: OPERANDS[letter](draw, size.rows, size.columns + strided) for letter in case.letters}


def rounded(torch, array, dtype):
    """A CPU tensor of the dtype."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(getattr(torch, dtype))


def scope(torch, case, values, dtype, device, size, strided, exact=False):
    """Names for the case's text.  exact: the same values in float64, for the reference."""
    names = {"torch": torch, "F": torch.nn.functional, "stepped": stepped, "D": device, "N": size.draws}
    for letter, array in values.items():
        takes = letter in FLOATING or (letter in "ad" and dtype in INTS)
        tensor = rounded(torch, array, dtype if takes else str(array.dtype))
        tensor = (tensor.double() if exact and letter in FLOATING else tensor).to(device)
        if strided and letter not in "bcefhi":
            tensor = tensor[..., 1:]
        if letter in FLOATING and (dtype in case.grads or "stepped" in case.text):
            tensor = tensor.detach().requires_grad_()
        names[letter] = tensor
    return names
