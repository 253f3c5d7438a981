"""Tests made from the op table: every pointwise row x dtype x layout, its special values, and its derivatives.

The rows come from csrc/abi/ops.def; what each computes stands below once more, in NumPy's float64.  A row without such
a reference fails: nobody adds an op that is not tested here.
"""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest

import ctorch
from ctorch.autograd import grad
from ctorch.nn import functional as F

TABLE = Path(__file__).resolve().parent.parent / "csrc" / "abi" / "ops.def"
FLOATS = ["float64", "float32", "float16", "bfloat16"]
INTS = ["int64", "int32", "int16", "int8", "uint8"]
DTYPES = [*FLOATS, *INTS, "bool"]
LAYOUTS = ["contiguous", "transposed", "expanded", "stepped", "offset", "0-d", "0-size"]
# Units in the last place that a result may be off; the formulas of float16 and bfloat16 are computed in float32.
ULP = {"float64": 16, "float32": 4, "float16": 1, "bfloat16": 1}


# ---------------------------------------------------------------- rows
def rows():
    """(kind, name, forms, class) of every pointwise row that Python can call."""
    pattern = re.compile(r"^(UNARY|BINARY|COMPARE|PREDICATE|TERNARY)\s*\((\w+),\s*(\w+),\s*(\w+)", re.M)
    return [row for row in pattern.findall(TABLE.read_text()) if row[2] != "NONE_FORM"]


ROWS = {name: (kind, forms, dtype_class) for kind, name, forms, dtype_class in rows()}
UNARY = [name for name, (kind, *_) in ROWS.items() if kind in ("UNARY", "PREDICATE")]
BINARY = [name for name, (kind, *_) in ROWS.items() if kind in ("BINARY", "COMPARE")]
TERNARY = [name for name, (kind, *_) in ROWS.items() if kind == "TERNARY"]


def vectorised(function):
    """A function of Python floats as one of arrays; what it refuses is NaN."""
    def guarded(*values):
        try:
            return function(*values)
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan
    return np.vectorize(guarded, otypes=[float])


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def softplus(x):
    return np.logaddexp(x, 0)


def erfinv(y):
    """By Newton's method on erf, from a start that is right near 0 and at the ends."""
    if abs(y) >= 1:
        return math.copysign(math.inf, y) if abs(y) == 1 else math.nan
    w = -math.log1p(-y * y)
    x = math.copysign(math.sqrt(max(w, 1e-300)), y) if w > 4 else y
    for _ in range(60):
        x -= (math.erf(x) - y) / (2 / math.sqrt(math.pi) * math.exp(-x * x))
    return x


def floor_mod(a, b):
    return np.where(np.isinf(b) & np.isfinite(a), np.where((a != 0) & ((a < 0) != (b < 0)), b, a), np.mod(a, b))


REFERENCE = {
    "neg": lambda x: -x, "abs": np.abs, "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)), "square": lambda x: x * x, "reciprocal": lambda x: 1 / x,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log,
    "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "erf": vectorised(math.erf), "erfc": vectorised(math.erfc),
    "erfinv": vectorised(erfinv), "floor": np.floor, "ceil": np.ceil, "round": np.round, "trunc": np.trunc,
    "frac": lambda x: x - np.trunc(x), "sigmoid": sigmoid, "relu": lambda x: np.where(x < 0, 0, x),
    "clamp": lambda x: np.clip(x, 1, 2), "bitwise_not": None, "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)), "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.where(x > 20, x, softplus(x)), "logsigmoid": lambda x: -softplus(-x),
    "softsign": lambda x: x / (1 + np.abs(x)), "tanhshrink": lambda x: x - np.tanh(x),
    "hardtanh": lambda x: np.clip(x, -1, 1), "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hardswish": lambda x: np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6)),
    "softshrink": lambda x: np.where(x > 0.5, x - 0.5, np.where(x < -0.5, x + 0.5, x * 0)),
    "hardshrink": lambda x: np.where((x >= -0.5) & (x <= 0.5), 0, x),
    "threshold": lambda x: np.where(x <= 1, 2, x), "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
    "signbit": np.signbit, "logical_not": lambda x: x == 0,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "rsub": lambda a, b: b - a, "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b, "floor_divide": lambda a, b: np.floor_divide(a, b), "remainder": floor_mod, "fmod": np.fmod,
    "pow": np.power, "maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin, "atan2": np.arctan2,
    "hypot": np.hypot, "xlogy": lambda a, b: np.where((a == 0) & ~np.isnan(b), 0, a * np.log(b)), "logaddexp": np.logaddexp,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
    "bitwise_left_shift": np.left_shift, "bitwise_right_shift": np.right_shift, "eq": np.equal, "ne": np.not_equal,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "logical_and": lambda a, b: (a != 0) & (b != 0), "logical_or": lambda a, b: (a != 0) | (b != 0),
    "logical_xor": lambda a, b: (a != 0) ^ (b != 0), "where": np.where,
    "masked_fill": lambda a, b, c: np.where(b, c, a), "lerp": lambda a, b, c: a + c * (b - a),
    "addcmul": lambda a, b, c: a + b * c, "addcdiv": lambda a, b, c: a + b / c,
}
REFERENCE["bitwise_not"] = np.invert
PARAMETERS = {"clamp": (1, 2), "threshold": (1, 2)}
# Where a formula cancels, or its operand is rounded before a steep function, an error relative to the operands counts.
CANCELS = {"tanhshrink", "lerp", "addcmul", "addcdiv", "frac", "logsigmoid", "softplus", "mish", "silu", "logaddexp", "pow",
           "erfinv", "remainder", "fmod", "tan", "erfc", "xlogy", "floor_divide", "add", "sub", "rsub"}


def call(name, *operands):
    home = F if ROWS[name][1] == "N" else ctorch
    return getattr(home, name)(*operands, *PARAMETERS.get(name, ()))


def test_every_row_has_a_reference():
    assert set(ROWS) - set(REFERENCE) == set()


# ---------------------------------------------------------------- operands
def values(dtype, n, salt=0):
    """n values of the dtype as float64, small and of both signs, none of them 0."""
    if dtype == "bool":
        return np.arange(salt, n + salt) % 3 % 2.0
    if dtype in INTS:
        low = 1 if dtype == "uint8" else -5
        v = (np.arange(n) * (3 + 2 * salt) + salt) % 11 + low
        return np.where(v == 0, 6, v).astype(float)
    return np.round(np.sin(np.arange(n) * (1.7 + salt) + 0.3 + salt) * 8) / 4 + 0.125


def to_tensor(array, dtype):
    return ctorch.from_numpy(np.ascontiguousarray(array)).to(getattr(ctorch, dtype)).view(array.shape)


def laid_out(dtype, layout, salt=0):
    """(tensor, its values in float64) in a layout; the shape depends on the layout alone."""
    shape = {"0-d": (), "0-size": (0, 3)}.get(layout, (6, 11))
    n = math.prod(shape)
    if layout in ("contiguous", "0-d", "0-size"):
        array = values(dtype, n, salt).reshape(shape)
        return to_tensor(array, dtype), array
    if layout == "transposed":
        array = values(dtype, n, salt).reshape(shape[::-1])
        return to_tensor(array, dtype).t(), array.T
    if layout == "expanded":
        array = values(dtype, shape[1], salt)
        return to_tensor(array, dtype).expand(*shape), np.broadcast_to(array, shape)
    if layout == "stepped":
        array = values(dtype, 2 * n, salt).reshape(shape[0], 2 * shape[1])
        return to_tensor(array, dtype)[:, ::2], array[:, ::2]
    array = values(dtype, n + 5, salt)
    return to_tensor(array, dtype)[5:].view(shape), array[5:].reshape(shape)


def accepts(name, dtype):
    if (name, dtype) == ("hardtanh", "uint8"):
        return False  # its limits are negative
    dtype_class = ROWS[name][2]
    return {"FLOAT": True, "REAL": dtype in FLOATS, "NUMBER": dtype != "bool", "INT": dtype not in FLOATS,
            "WHOLE": dtype not in (*FLOATS, "bool"), "TRUTH": True, "ANY": True}[dtype_class]


def numpy_of(t):
    return t.detach().to(ctorch.float64).numpy() if t.is_floating_point() else t.detach().numpy()


def spacing(expected, dtype):
    """The distance between neighbouring numbers of the dtype at each expected value."""
    digits = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}[dtype]
    least = {"float64": -1022, "float32": -126, "float16": -14, "bfloat16": -126}[dtype]
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log2(np.abs(np.where(np.isfinite(expected) & (expected != 0), expected, 2.0**least))))
    return 2.0 ** (np.maximum(exponent, least) - digits)


def check_values(name, got, expected, operands):
    """Every element within the row's number of units in the last place, NaN and infinities where they belong."""
    dtype = str(got.dtype).removeprefix("torch.")
    assert tuple(got.shape) == expected.shape
    got = numpy_of(got)
    if dtype not in FLOATS:
        if expected.dtype.kind == "f":
            expected = np.trunc(expected)
        bits = {"uint8": 8, "int8": 8, "int16": 16}.get(dtype)
        if bits:  # integers wrap
            expected = expected.astype(np.int64).astype(got.dtype)
        np.testing.assert_array_equal(got, expected.astype(got.dtype))
        return
    limit = {"float16": 65504.0, "bfloat16": 3.3895e38, "float32": 3.4028e38}.get(dtype, math.inf)
    unit = spacing(expected, dtype)
    if name in CANCELS:
        for operand in operands:
            unit = np.maximum(unit, spacing(np.asarray(operand, float), dtype))
    with np.errstate(all="ignore"):
        near = np.abs(got - expected) <= ULP[dtype] * unit
        overflow = (np.abs(expected) > limit) & (np.isinf(got)) & (np.sign(got) == np.sign(expected))
        same = (got == expected) | (np.isnan(got) & np.isnan(expected)) | overflow
    wrong = ~(near | same)
    assert not wrong.any(), (f"{name} {dtype}: {wrong.sum()} wrong, first at {np.argwhere(wrong)[0]}: "
                             f"got {got[wrong][:3]}, expected {expected[wrong][:3]}")


def reference(name, *arrays, dtype):
    """The row in float64, or in integers of the dtype where bits matter."""
    if ROWS[name][2] in ("INT", "WHOLE"):
        arrays = [a.astype(bool if dtype == "bool" else dtype) for a in arrays]
    with np.errstate(all="ignore"):
        return np.asarray(REFERENCE[name](*arrays))


# ---------------------------------------------------------------- values
CASES = [(name, dtype) for name in ROWS for dtype in DTYPES if accepts(name, dtype)]


def operands_of(name, dtype, layout):
    """Tensors and arrays that row `name` is called with."""
    count = {"UNARY": 1, "PREDICATE": 1, "BINARY": 2, "COMPARE": 2, "TERNARY": 3}[ROWS[name][0]]
    mask = {"where": 0, "masked_fill": 1}.get(name)
    pairs = [laid_out("bool" if k == mask else dtype, layout, k) for k in range(count)]
    tensors, arrays = [t for t, _ in pairs], [a.astype(bool) if k == mask else a for k, (_, a) in enumerate(pairs)]
    if name == "masked_fill":
        tensors[2], arrays[2] = 1, np.float64(1)
    if name in ("pow", "bitwise_left_shift", "bitwise_right_shift") and dtype not in FLOATS:
        tensors[1], arrays[1] = tensors[1].abs() % 4 if dtype != "bool" else tensors[1], np.abs(arrays[1]) % 4
    if name == "pow" and dtype in FLOATS:
        tensors[0], arrays[0] = tensors[0].abs(), np.abs(arrays[0])
    return tensors, arrays


REFUSED = (NotImplementedError, RuntimeError)


@pytest.mark.kernels
@pytest.mark.parametrize("name, dtype", CASES, ids=[f"{name}-{dtype}" for name, dtype in CASES])
def test_values(name, dtype):
    """Every layout gives what float64 gives; in place too, where the result fits."""
    for layout in LAYOUTS:
        tensors, arrays = operands_of(name, dtype, layout)
        if name in ("pow", "bitwise_left_shift", "bitwise_right_shift") and dtype == "bool":
            with pytest.raises(NotImplementedError, match="for 'Bool'"):
                call(name, *tensors)
            continue
        got = call(name, *tensors)
        if ROWS[name][2] == "FLOAT" and dtype not in FLOATS:
            assert got.dtype == ctorch.float32
        check_values(name, got, reference(name, *arrays, dtype=dtype), arrays)
        if "I" in ROWS[name][1] and layout != "expanded" and got.dtype == tensors[0].dtype:
            target = tensors[0].clone()
            assert getattr(target, name + "_")(*tensors[1:], *PARAMETERS.get(name, ())) is target
            np.testing.assert_array_equal(numpy_of(target), numpy_of(got))


@pytest.mark.kernels
@pytest.mark.parametrize("name", UNARY + BINARY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_in_every_lane(name, dtype):
    """NaN, infinities and zeros of both signs at every place of vectors and tails are what they are alone."""
    if not accepts(name, dtype):
        pytest.skip("takes no floats")
    count = 1 if name in UNARY else 2
    for length, special in itertools.product((1, 3, 16, 37), (math.nan, math.inf, -math.inf, 0.0, -0.0)):
        plain = [to_tensor(values(dtype, length, k), dtype) for k in range(count)]
        with np.errstate(all="ignore"):
            expected = numpy_of(call(name, *plain))
        for operand in range(count):
            alone = [p.clone() for p in plain]
            alone[operand] = ctorch.full((length,), special, dtype=getattr(ctorch, dtype))
            replaced = numpy_of(call(name, *alone))
            for lane in range(length):
                mixed = [p.clone() for p in plain]
                mixed[operand][lane] = special
                wanted = expected.copy()
                wanted[lane] = replaced[lane]
                np.testing.assert_array_equal(numpy_of(call(name, *mixed)), wanted, err_msg=f"{special} in lane {lane}")


@pytest.mark.kernels
@pytest.mark.parametrize("name", UNARY + BINARY)
def test_special_values(name):
    """Operands without finite neighbours: NaN and infinities come out where float64 has them."""
    if not accepts(name, "float32"):
        pytest.skip("takes no floats")
    special = np.array([0.0, -0.0, 1, -1, math.inf, -math.inf, math.nan, 1e30, -1e30, 1e-40, -1e-40, 20, -20, 100, -100, 0.5])
    grid = [special] if name in UNARY else [a.ravel() for a in np.meshgrid(special, special)]
    arrays = [g.astype(np.float32).astype(float) for g in grid]
    got = numpy_of(call(name, *[to_tensor(a, "float32") for a in arrays])).astype(float)
    with np.errstate(all="ignore"):
        expected = np.asarray(reference(name, *arrays, dtype="float32")).astype(np.float32).astype(float)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))


@pytest.mark.kernels
@pytest.mark.parametrize("name", UNARY + BINARY)
def test_one_thread_and_two_give_the_same_bits(name):
    threads = ctorch.get_num_threads()
    dtype = ctorch.float32 if accepts(name, "float32") else ctorch.int64
    operands = [ctorch.arange(1, 400001).to(dtype) / 1000 if dtype == ctorch.float32 else ctorch.arange(1, 400001) % 7
                for _ in range(1 if name in UNARY else 2)]
    results = []
    try:
        for n in (1, 2):
            ctorch.set_num_threads(n)
            results.append(call(name, *operands).numpy().tobytes())
    finally:
        ctorch.set_num_threads(threads)
    assert results[0] == results[1]


# ---------------------------------------------------------------- derivatives
# Operands at which a row is smooth, where 0.35 to 0.85 is not.
SMOOTH = {"acosh": 1.5, "where": 0.4, "hardtanh": 0.3, "softshrink": 0.9, "hardshrink": 0.9, "threshold": 1.4, "clamp": 1.2}
DIFFERENTIABLE = [name for name, (kind, _, dtype_class) in ROWS.items()
                  if kind in ("UNARY", "BINARY", "TERNARY") and dtype_class not in ("INT", "WHOLE") and name != "floor_divide"]


def leaves_of(name, layout):
    """Float64 leaves, apart from masks, in a layout; and the call on them."""
    count = {"UNARY": 1, "BINARY": 2, "TERNARY": 3}[ROWS[name][0]]
    mask = {"where": 0, "masked_fill": 1}.get(name)
    shape = {"0-d": (), "0-size": (0, 2)}.get(layout, (2, 3))
    operands = []
    for k in range(count):
        n = math.prod(shape)
        array = (SMOOTH.get(name, 0.35) + 0.11 * k + 0.07 * np.arange(n)).reshape(shape)
        if layout == "transposed" and len(shape) == 2:
            x = to_tensor(array.T, "float64").t()
        else:
            x = to_tensor(array, "float64")
        operands.append(x > SMOOTH.get(name, 0.35) + 0.3 if k == mask else x.detach().requires_grad_())
    if name == "masked_fill":
        operands[2] = 2.0

    def run(*leaves):
        given = iter(leaves)
        return call(name, *[next(given) if isinstance(o, ctorch.Tensor) and o.requires_grad else o for o in operands])

    return run, [o for o in operands if isinstance(o, ctorch.Tensor) and o.requires_grad]


@pytest.mark.gradcheck
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "0-d", "0-size"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradcheck(name, layout):
    run, leaves = leaves_of(name, layout)
    assert ctorch.autograd.gradcheck(run, leaves)
    assert ctorch.autograd.gradgradcheck(run, leaves)


@pytest.mark.gradcheck
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradcheck_of_a_broadcast_operand(name):
    """An operand that is expanded by the op gets the sum of its gradients."""
    run, leaves = leaves_of(name, "contiguous")
    row = leaves[-1][0].detach().clone().requires_grad_()
    assert ctorch.autograd.gradcheck(lambda *xs: run(*xs[:-1], xs[-1].expand(2, 3)), [*leaves[:-1], row])


EXTREME = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 20.0, -20.0, 100.0, -100.0, 1e30, -1e30, math.inf, -math.inf, math.nan, 5e-324,
           1e-40, -1e-40, 0.5, 2.0]


@pytest.mark.kernels
@pytest.mark.gradcheck
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_loop_and_formula_agree(name, dtype):
    """The fused gradient loop and the formula that create_graph evaluates: within 4 units in the last place."""
    count = {"UNARY": 1, "BINARY": 2, "TERNARY": 3}[ROWS[name][0]]
    mask = {"where": 0, "masked_fill": 1}.get(name)
    if count == 1:
        grid = [np.array(EXTREME)]
    else:
        grid = [g.ravel() for g in np.meshgrid(*[EXTREME[:16]] * 2)]
        grid += [np.resize(np.array([1.0, -2.0, 0.5]), grid[0].shape)] * (count - 2)
    operands = [to_tensor(g, "float64") > 0 if k == mask else to_tensor(g, dtype).detach().requires_grad_()
                for k, g in enumerate(grid)]
    if name == "masked_fill":
        operands[2] = 2.0
    leaves = [o for o in operands if isinstance(o, ctorch.Tensor) and o.requires_grad]
    y = call(name, *operands)
    weight = to_tensor(np.linspace(0.5, 2, y.numel()).reshape(y.shape), dtype)
    fused = grad(y, leaves, weight, retain_graph=True)
    by_formula = grad(y, leaves, weight, create_graph=True)
    for ours, theirs in zip(fused, by_formula):
        a, b = numpy_of(ours).astype(float), numpy_of(theirs).astype(float)
        with np.errstate(all="ignore"):
            same = (np.abs(a - b) <= 4 * spacing(b, dtype)) | (a == b) | (np.isnan(a) & np.isnan(b))
        wrong = ~same
        assert not wrong.any(), f"at {[g[wrong][:3] for g in grid]}: loop {a[wrong][:3]}, formula {b[wrong][:3]}"


@pytest.mark.gradcheck
@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if ROWS[name][0] == "UNARY"])
def test_second_derivative_is_finite_far_out(name):
    """At 20 and 100 of either sign nothing is NaN that the first derivative is not: the trap of 0 * inf in a branch."""
    x = ctorch.tensor([20.0, -20.0, 100.0, -100.0, 3.0, -3.0], dtype=ctorch.float64, requires_grad=True)
    first = grad(call(name, x).sum(), x, create_graph=True)[0]
    if not first.requires_grad:
        pytest.skip("the gradient is constant")
    second = grad(first.sum(), x)[0]
    assert (numpy_of(second)[np.isfinite(numpy_of(first))] ** 2 >= 0).all(), f"{second.tolist()} where {first.tolist()}"


def test_bounds_of_clamp_take_part_in_promotion():
    x = ctorch.tensor([4, 5, 1], dtype=ctorch.uint8)
    assert x.clamp(0.5, 2).tolist() == [2, 2, 1] and x.clamp(0.5, 2).dtype is ctorch.float32
    assert x.clamp(True, 4).dtype is ctorch.uint8
    b = ctorch.tensor([True, False])
    assert b.clamp(0, 1).tolist() == [1, 0] and b.clamp(0, 1).dtype is ctorch.int64
    assert b.clamp(0.5).tolist() == [1, 0.5]
    with pytest.raises(RuntimeError, match="result type Float can't be cast"):
        x.clamp_(0.5, 2)
    for bounds in ((0, 1000), (-300, 1), (None, float("inf"))):
        if bounds[1] == float("inf"):
            assert x.clamp(*bounds).dtype is ctorch.float32
            continue
        with pytest.raises(RuntimeError, match="without overflow"):
            x.clamp(*bounds)
    assert x.clamp(-1, 3).tolist() == [3, 3, 3]                         # -1 is 255 there
    nan = float("nan")
    assert all(v != v for v in ctorch.ones(2).clamp(nan, 2).tolist() + ctorch.ones(2).clamp(max=nan).tolist())


def test_filling_values_fit_or_are_refused():
    x, mask = ctorch.tensor([4, 5, 1], dtype=ctorch.uint8), ctorch.tensor([True, True, False])
    assert x.masked_fill(mask, -1).tolist() == [255, 255, 1] and x.masked_fill(mask, 2.5).tolist() == [2, 2, 1]
    for value in (300, -300, float("inf"), ctorch.tensor(300), ctorch.tensor(float("nan"))):
        with pytest.raises(RuntimeError, match="without overflow"):
            x.masked_fill(mask, value)
    no = ctorch.tensor([False, False])
    assert no.masked_fill(ctorch.tensor([True, False]), 0.5).tolist() == [True, False]
    assert no.clone().fill_(0.5).tolist() == [True, True]


def test_empty_expanded_tensors_can_be_written():
    x = ctorch.zeros(0, 1).expand(0, 4)
    assert x.fill_(1).add_(1).copy_(ctorch.ones(4)).shape == (0, 4)
