"""PyTorch's own database of ops as a source of calls: its samples, turned into ctorch's tensors.

PyTorch describes most of its ops by OpInfo objects, which know the dtypes that an op takes and make sample arguments
for it: broadcast, transposed, empty and 0-d operands, keywords, special values.  Here live finding an op in ctorch,
converting a sample tensor by tensor, and comparing results; which ops run is decided in test_opdb_replay.py.

    python tests/hard/opdb.py            lists the ops of the database that ctorch does not have
"""

import functools
import itertools
import math
import operator
import random
import sys
import types
import warnings
from pathlib import Path

import numpy
import torch
from torch.testing._comparison import default_tolerances

import ctorch

try:
    import expecttest  # noqa: F401 - PyTorch's testing package imports it, though op_db makes no use of it
except ImportError:
    stub = types.ModuleType("expecttest")
    stub.TestCase, stub.ACCEPT = type("TestCase", (), {}), False
    sys.modules["expecttest"] = stub

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_utils import SEED

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
          torch.int8, torch.uint8, torch.bool]
LEFT_OUT = Path(__file__).with_name("opdb_left_out.txt")

# Results that are memory as it was found: dtype and shape alone are compared.
UNINITIALISED = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "resize_", "empty_permuted"}
# With equal elements PyTorch promises no order: an index is right if it leads to an equal element.
TIES = {"sort", "argsort", "topk", "argmax", "argmin", "kthvalue", "median", "nanmedian", "mode", "msort", "max", "min",
        "cummax", "cummin", "quantile"}
# How far 16-bit noise, or a sum in another order, may be off beyond PyTorch's own distance from float64.
ULPS = 2


class Unsupported(Exception):
    """A sample that holds what ctorch has no counterpart of: a complex number, a sparse tensor."""


def find(torch_like, name):
    """The attribute of that dotted name, or None; ctorch answers an absent name with AttributeError."""
    place = torch_like
    for part in name.split("."):
        place = getattr(place, part, None)
        if place is None:
            return None
    return place if callable(place) else None


def forms_of(op):
    """(form, PyTorch's callable, ctorch's callable) of every way that both have to call this op."""
    method = getattr(torch.Tensor, op.name, None)
    if method is not None and not callable(method):
        read = operator.attrgetter(op.name)
        return [("attribute", read, read)] if hasattr(ctorch.Tensor, op.name) else []
    forms = [("function", find(torch, op.name), find(ctorch, op.name)),
             ("method", method, getattr(ctorch.Tensor, op.name, None)),
             ("in-place", getattr(torch.Tensor, op.name + "_", None), getattr(ctorch.Tensor, op.name + "_", None))]
    return [(form, theirs, ours) for form, theirs, ours in forms if theirs is not None and ours is not None]


# ---------------------------------------------------------------- from PyTorch's values to ctorch's
def dtype_of(dtype):
    ours = getattr(ctorch, str(dtype).removeprefix("torch."), None)
    if ours is None or dtype not in DTYPES:
        raise Unsupported(f"dtype {dtype}")
    return ours


def whole_storage(t):
    """All elements of t's storage as a 1-d tensor, from element 0."""
    n = t.untyped_storage().nbytes() // t.element_size()
    return t.detach().as_strided((n,), (1,), 0)


def tensor_from(t):
    """A ctorch tensor of t's dtype, shape, strides, offset, values and requires_grad: a leaf with memory of its own."""
    if t.layout != torch.strided or t.is_quantized or t.device.type != "cpu":
        raise Unsupported(f"{t.layout} {t.device}")
    if t.is_conj() or t.is_neg():
        t = t.resolve_neg()
    dtype = dtype_of(t.dtype)
    flat = whole_storage(t)
    if t.dtype == torch.bfloat16:
        ours = ctorch.from_numpy(flat.view(torch.int16).numpy().copy()).view(dtype)
    else:
        ours = ctorch.from_numpy(flat.numpy().copy())
    ours = ours.as_strided(tuple(t.shape), tuple(t.stride()), t.storage_offset())
    return ours.requires_grad_() if t.requires_grad else ours


def torch_from(t):
    """A PyTorch tensor of the values of a ctorch tensor."""
    t = t.detach().contiguous()
    if t.dtype == ctorch.bfloat16:
        return torch.from_numpy(t.view(ctorch.int16).numpy().copy()).view(torch.bfloat16)
    return torch.from_numpy(t.numpy().copy())


def own_copy(t):
    """The PyTorch tensor again as a leaf of its own memory, with the same strides and offset."""
    copied = whole_storage(t).clone().as_strided(t.shape, t.stride(), t.storage_offset())
    return copied.requires_grad_() if t.requires_grad else copied


def double_copy(t):
    """own_copy in float64: what the same numbers give without rounding on the way."""
    return own_copy(t).detach().double().requires_grad_(t.requires_grad) if t.is_floating_point() else own_copy(t)


def convert(value, tensor, seen):
    """value with every tensor replaced by tensor(t), once each, and PyTorch's other objects by their namesakes."""
    again = functools.partial(convert, tensor=tensor, seen=seen)
    ours = tensor is tensor_from
    if isinstance(value, torch.Tensor):
        if id(value) not in seen:
            seen[id(value)] = tensor(value)
        return seen[id(value)]
    if isinstance(value, torch.Size):
        return tuple(value) if ours else value
    if isinstance(value, (list, tuple)):
        items = [again(v) for v in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {k: again(v) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(again(value.start), again(value.stop), again(value.step))
    if isinstance(value, complex):
        raise Unsupported("a complex number")
    if tensor is double_copy and isinstance(value, torch.dtype) and value.is_floating_point:
        return torch.float64
    if not ours or value is None or isinstance(value, (bool, int, float, str, type(...))):
        return value
    if isinstance(value, torch.dtype):
        return dtype_of(value)
    if isinstance(value, torch.device):
        return ctorch.device(str(value))
    if isinstance(value, (torch.memory_format, torch.layout)):
        return getattr(ctorch, str(value).removeprefix("torch."))
    raise Unsupported(f"a {type(value).__name__}")


class Call:
    """One sample of an op in one framework: fresh arguments, and what became of them."""

    def __init__(self, sample, tensor):
        seen = {}
        self.input = convert(sample.input, tensor, seen)
        self.args = convert(tuple(sample.args), tensor, seen)
        self.kwargs = convert(dict(sample.kwargs), tensor, seen)
        self.leaves = [t for t in seen.values() if t.requires_grad]

    def run(self, function, inplace):
        """function's result; in place it works on a copy, which may have history."""
        target = self.input.clone() if inplace else self.input
        return function(target, *self.args, **self.kwargs)


# ---------------------------------------------------------------- saying what a sample is
def say(value):
    if isinstance(value, torch.Tensor):
        text = f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        if value.layout == torch.strided and value.numel() and not value.is_contiguous():
            text += f"/stride{list(value.stride())}"
        offset = value.storage_offset() if value.layout == torch.strided else 0
        return text + f"+{offset}" * bool(offset)
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(say, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    return repr(value)


def say_sample(sample):
    arguments = [say(sample.input), *map(say, sample.args), *(f"{k}={say(v)}" for k, v in sample.kwargs.items())]
    return ", ".join(arguments)


# ---------------------------------------------------------------- comparing
def flatten(result):
    """A result as a flat list of tensors and plain values."""
    if isinstance(result, (list, tuple)):
        return [leaf for item in result for leaf in flatten(item)]
    return [result]


def leads_to_equal(call, ours, theirs):
    """True if two index results pick equal elements of the input along some dimension."""
    source = call.input.detach()
    if ours.dtype != torch.int64 or ours.shape != theirs.shape or source.dim() == 0:
        return False
    if any(i.numel() and (int(i.min()) < 0 or int(i.max()) >= max(source.numel(), 1)) for i in (ours, theirs)):
        return False
    flat = source.reshape(-1)
    if ours.dim() == 0:
        return torch.equal(flat[ours], flat[theirs]) or bool(flat[ours].isnan() and flat[theirs].isnan())
    for dim in range(source.dim()):
        index, other = (i if i.dim() == source.dim() else i.unsqueeze(dim) for i in (ours, theirs))
        sizes_fit = all(a <= b for k, (a, b) in enumerate(zip(index.shape, source.shape)) if k != dim)
        if index.numel() and (int(index.max()) >= source.shape[dim] or int(other.max()) >= source.shape[dim]):
            continue
        if sizes_fit and torch.allclose(source.gather(dim, index).double(), source.gather(dim, other).double(),
                                        rtol=0, atol=0, equal_nan=True):
            return True
    return False


def values_differ(ours, theirs, exact):
    """assert_close's verdict in a line, or "".

    PyTorch rounds float16 and bfloat16 after every step, and loses digits that a fused multiply-add keeps.  So an
    element may also agree with PyTorch's float64 result of the same call, at the same tolerance; or the error against
    that result (its 2-norm) may exceed PyTorch's own by no more than ULPS units in the last place.
    """
    theirs = theirs.detach()
    try:
        torch.testing.assert_close(ours, theirs, equal_nan=True)
    except AssertionError as error:
        if isinstance(exact, torch.Tensor) and exact.shape == theirs.shape and theirs.is_floating_point():
            exact = exact.detach()
            rtol, atol = default_tolerances(theirs.dtype)
            near = [torch.isclose(ours, t, rtol=rtol, atol=atol, equal_nan=True)
                    for t in (theirs, exact.to(theirs.dtype))]
            near = near[0] | near[1]
            if bool(near.all()) or error_of(ours, exact, near) <= (
                    error_of(theirs, exact, ~theirs.isfinite())
                    + ULPS * torch.finfo(theirs.dtype).eps * exact.nan_to_num(0, 0, 0).norm()):
                return ""
        lines = [line for line in str(error).splitlines() if line.strip()]
        a, b = (t.reshape(-1)[:6].tolist() for t in (ours, theirs))
        return f"values: {'; '.join(lines[1:3] or lines[:1])}; got {a}, expected {b}"
    return ""


def error_of(t, exact, forgiven):
    """The 2-norm of t's error; an infinite or NaN element counts as an infinite error unless forgiven."""
    error = t.double() - exact
    return error.where(error.isfinite(), 0.0).where(forgiven | error.isfinite(), math.inf).norm()


def difference(ours, theirs, exact=None, values=True):
    """What distinguishes a ctorch result from PyTorch's in a line, or ""."""
    if not isinstance(theirs, torch.Tensor):
        if isinstance(theirs, torch.dtype):
            ours, theirs = str(ours), str(theirs)
        same = ours == theirs or (isinstance(theirs, float) and math.isnan(theirs) and math.isnan(ours))
        return "" if same and type(ours).__name__ == type(theirs).__name__ else f"got {ours!r}, expected {theirs!r}"
    if not isinstance(ours, ctorch.Tensor):
        return f"got a {type(ours).__name__}, expected a tensor"
    if str(ours.dtype) != str(theirs.dtype):
        return f"dtype: got {ours.dtype}, expected {theirs.dtype}"
    if tuple(ours.shape) != tuple(theirs.shape):
        return f"shape: got {tuple(ours.shape)}, expected {tuple(theirs.shape)}"
    return values_differ(torch_from(ours), theirs, exact) if values else ""


def differentiable(result):
    return [r for r in flatten(result) if hasattr(r, "requires_grad") and r.requires_grad]


def weights_of(outputs):
    """Cotangents that differ from element to element."""
    return [torch.linspace(-1, 2, max(y.numel(), 1), dtype=torch.float64)[: y.numel()].reshape(y.shape).to(y.dtype)
            for y in outputs]


class Exact:
    """PyTorch's float64 result and gradients of a call, computed when first asked for; [] where it has none."""

    def __init__(self, sample, function, inplace):
        self.sample, self.function, self.inplace = sample, function, inplace

    @functools.cached_property
    def call(self):
        return Call(self.sample, double_copy)

    @functools.cached_property
    def results(self):
        try:
            seed()
            return flatten(self.call.run(self.function, self.inplace))
        except Exception:
            return []

    @functools.cached_property
    def gradients(self):
        outputs = differentiable(self.results)
        try:
            return torch.autograd.grad(outputs, self.call.leaves, weights_of(outputs), allow_unused=True)
        except Exception:
            return []


def at(items, position):
    return items[position] if position < len(items) else None


def compare_results(op_name, call, ours, theirs, exact):
    if isinstance(theirs, (list, tuple)) and not isinstance(ours, (list, tuple)):
        return f"got a {type(ours).__name__}, expected a {type(theirs).__name__}"
    ours, theirs = flatten(ours), flatten(theirs)
    if len(ours) != len(theirs):
        return f"{len(ours)} results, expected {len(theirs)}"
    for position, (a, b) in enumerate(zip(ours, theirs)):
        problem = difference(a, b, None, op_name not in UNINITIALISED)
        if problem.startswith("values"):
            problem = difference(a, b, at(exact.results, position))
        if problem.startswith("values") and op_name in TIES and b.dtype == torch.int64:
            problem = "" if leads_to_equal(call, torch_from(a), b) else problem
        if problem:
            return f"result {position}: {problem}" if len(ours) > 1 else problem
    return ""


def sorted_values(t):
    """t with its elements in order: where equal elements may change places, so may their gradients."""
    return t if t is None else t.reshape(-1).sort()[0].reshape(t.shape)


def compare_gradients(op_name, ours, theirs, our_leaves, their_leaves, exact, order=1):
    """Gradients of all leaves; with order 2 also those of the gradients, by the leaves and by the cotangents."""
    our_outputs, their_outputs = differentiable(ours), differentiable(theirs)
    if len(our_outputs) != len(their_outputs):
        return f"{len(our_outputs)} results require grad, expected {len(their_outputs)}"
    if not their_outputs:
        return ""
    weights = [w.requires_grad_(order > 1) for w in weights_of(their_outputs)]
    our_weights = [tensor_from(w) for w in weights]
    again = {"create_graph": order > 1, "allow_unused": True}
    try:
        expected = torch.autograd.grad(their_outputs, their_leaves, weights, **again)
    except (NotImplementedError, RuntimeError):  # PyTorch has no derivative of some forms
        return ""
    got = ctorch.autograd.grad(our_outputs, our_leaves, our_weights, **again)
    for position, (a, b) in enumerate(zip(got, expected)):
        if (a is None) != (b is None):
            return f"gradient of argument {position}: got {say_gradient(a)}, expected {say_gradient(b)}"
        problem = difference(a, b) if b is not None else ""
        if problem.startswith("values"):
            problem = difference(a, b, at(exact.gradients, position))
        if problem.startswith("values") and op_name in TIES:
            problem = difference(sorted_values(a), sorted_values(b), sorted_values(at(exact.gradients, position)))
        if problem:
            return f"gradient of argument {position}: {problem}"
    return "" if order == 1 else compare_second(got, expected, our_leaves + our_weights, their_leaves + weights)


def compare_second(ours, theirs, our_leaves, their_leaves):
    """Gradients of gradients, in float64, where PyTorch has them.  None and zeros are the same here: which zeros have a
    history depends on how a formula is written."""
    pairs = [(a, b) for a, b in zip(ours, theirs) if b is not None and b.requires_grad]
    if not pairs:
        return ""
    weights = weights_of([b for _, b in pairs])
    try:
        expected = torch.autograd.grad([b for _, b in pairs], their_leaves, weights, allow_unused=True)
    except (NotImplementedError, RuntimeError):
        return ""
    recorded = [(a, tensor_from(w)) for (a, _), w in zip(pairs, weights) if a.requires_grad]
    got = [None] * len(our_leaves)
    if recorded:
        got = ctorch.autograd.grad([a for a, _ in recorded], our_leaves, [w for _, w in recorded], allow_unused=True)
    for position, (a, b, leaf) in enumerate(zip(got, expected, their_leaves)):
        zeros = torch.zeros_like(leaf)
        problem = values_differ(zeros if a is None else torch_from(a), zeros if b is None else b, None)
        if problem:
            return f"second gradient of argument {position}: {problem}"
    return ""


def say_gradient(gradient):
    return "none" if gradient is None else f"{gradient.reshape(-1)[:6].tolist()}"


# ---------------------------------------------------------------- samples, and which of them are left out
class LeftOut:
    """The committed list: `op | dtype | part of the sample | reason` a line, * for any dtype or sample."""

    def __init__(self, path=LEFT_OUT):
        self.rules = {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                fields = [field.strip() for field in line.split("|")]
                if len(fields) != 4 or not all(fields):
                    raise ValueError(f"{path.name}:{number}: not four fields: op | dtype | part of the sample | reason")
                self.rules.setdefault(fields[0], []).append(fields[1:])

    def reason(self, op_name, dtype, text):
        for wanted, part, reason in self.rules.get(op_name, []) + self.rules.get("*", []):
            if wanted in ("*", str(dtype).removeprefix("torch.")) and (part == "*" or part in text):
                return reason
        return None


def seed(number=0):
    """PyTorch's stream of the CPU from its start; torch.manual_seed notes a stack trace for each absent device."""
    torch.default_generator.manual_seed(number)


def reseeded(samples):
    """The samples, every one from the same streams of random numbers, as by the database's own iterator; which walks
    the stack for each op."""
    while True:
        seed(SEED)
        random.seed(SEED)
        numpy.random.seed(SEED)
        try:
            sample = next(samples)
        except StopIteration:
            return
        yield sample


def samples_of(op, dtype, limit):
    """At most `limit` samples, spread evenly over the first 5 * limit of the database; the same ones in every run."""
    differentiable_here = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
    made = op.sample_inputs_func(op, "cpu", dtype, differentiable_here and dtype.is_floating_point)
    samples = list(itertools.islice(reseeded(iter(made)), 5 * limit))
    if len(samples) <= limit:
        return samples
    return [samples[int(k * len(samples) / limit)] for k in range(limit)]


def present_ops():
    return [op for op in op_db if forms_of(op)]


def absent_names():
    return sorted({op.name for op in op_db} - {op.name for op in present_ops()})


if __name__ == "__main__":
    absent = absent_names()
    print(f"{len({op.name for op in present_ops()})} of {len({op.name for op in op_db})} ops; absent:")
    print("\n".join(absent))
