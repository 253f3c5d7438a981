"""Reductions against NumPy in float64 and, where it is installed, against PyTorch itself.

An expression is a string in which `torch` is the package under test and x, y, i, b ... are tensors made from the
arrays of `operands`; run under both packages it must give equal dtypes, shapes, values, gradients and second gradients.
"""

import math

import ctorch
import numpy as np
import pytest

try:
    import torch as pytorch
except ImportError:
    pytorch = None

needs_pytorch = pytest.mark.skipif(pytorch is None, reason="compares with an installed PyTorch")


def operands():
    r = np.random.default_rng(0)
    x = r.standard_normal((4, 5, 3))
    with_nan = x.copy()
    with_nan[1, 2, 0] = with_nan[3, :, 1] = math.nan
    with_zero = r.integers(-2, 3, (3, 4)).astype(np.float64)
    return {
        "x": x, "f": x.astype(np.float32), "nan": with_nan, "zero": with_zero, "row": r.standard_normal(1000),
        "i": r.integers(-9, 9, (4, 5)), "u8": r.integers(0, 255, (6, 7)).astype(np.uint8), "b": r.random((4, 5)) < 0.5,
        "i32": r.integers(-9, 9, (4, 5)).astype(np.int32), "s": np.array(1.5), "empty": np.zeros((0, 3)),
        "ties": r.integers(0, 3, (6, 8)).astype(np.float64), "big": r.standard_normal((300, 70)).astype(np.float32),
        "inf": np.array([[1.0, math.inf, -2.0], [-math.inf, -math.inf, -math.inf], [0.5, 2.0, -1.0]]),
    }


OPERANDS = operands()


def run(torch, expression, **more):
    names = {name: torch.from_numpy(array.copy()) if array.ndim else torch.tensor(float(array), dtype=torch.float64)
             for name, array in OPERANDS.items()}
    return eval(expression, {"torch": torch, **names, **more})


def tensors(result):
    return list(result) if isinstance(result, tuple) else [result]


def assert_same(ours, theirs, tolerance=1e-12):
    if not hasattr(theirs, "dtype"):
        assert ours == theirs
        return
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    a, b = ours.detach().double().numpy(), theirs.detach().double().numpy(force=True)
    np.testing.assert_allclose(a, b, rtol=3e-7 if str(theirs.dtype) == "torch.float32" else tolerance, atol=tolerance)


VALUES = """
x.sum() x.sum(0) x.sum((0,2)) x.sum(-1,keepdim=True) x.sum(()) x.sum(dim=[1]) x.permute(2,0,1).sum(1) x[:,::2].sum(2) f.sum()
f.sum(dtype=torch.float64) i.sum() i.sum(0,dtype=torch.int32) u8.sum() u8.sum(1) b.sum() b.sum(0) s.sum() s.sum(0) empty.sum()
empty.sum(0) empty.sum(1) x.sum(axis=1) x.sum(1,keepdims=True) f.half().sum(0) f.bfloat16().sum() x.expand(2,4,5,3).sum((0,1))
nan.nansum() nan.nansum(1) nan.nanmean() nan.nanmean(0) i.nansum() x.mean() x.mean(0) x.mean((0,1),keepdim=True) f.mean()
f.mean(dtype=torch.float64) empty.mean() empty.mean(0) f.half().mean(2) i.mean(dtype=torch.float32)
x.prod() x.prod(1) x.prod(0,keepdim=True) i.prod() u8[:2,:3].prod() zero.prod(1) b.prod() empty.prod() empty.prod(0)
x.amax() x.amax(1) x.amin((0,2)) x.amax((1,2),keepdim=True) nan.amax() nan.amax(1) nan.amin(0) i.amax(0) u8.amin() b.amax(0)
torch.aminmax(x) torch.aminmax(x,dim=1) torch.aminmax(nan,dim=2,keepdim=True) torch.aminmax(i)
x.max() x.min() x.max(1) x.min(0) x.max(-1,keepdim=True) nan.max(1) nan.min(0) i.max(0) u8.max(1) b.max(0) s.max(0) ties.max(0)
ties.max(1) ties.min(0) f.half().max(0) x.transpose(0,2).max(1) x[:,::2].max(1) big.max(0) big.max(1) big.t().min(0) empty.max(1)
torch.max(x,x*0.5) torch.min(x,x*0.5) u8.t().max(0) i32.min(1)
x.argmax() x.argmin() x.argmax(1) x.argmin(0,keepdim=True) x.argmax(keepdim=True) nan.argmax() nan.argmin(1) i.argmax(1) ties.argmax(0)
ties.argmin(1) big.argmax() big.argmax(0) row.argmax() row.argmin() u8.argmax(0) f.half().argmax(2) i.argmax(dim=None)
b.any() b.all() b.any(0) b.all(1,keepdim=True) x.any() zero.all(0) u8.any() u8.all(1) nan.any(2) b.any((0,1)) empty.any() empty.all(0)
x.var() x.var(0) x.var((0,1)) x.var(1,unbiased=False) x.var(unbiased=False) x.var(dim=2,correction=0,keepdim=True) x.std() x.std(True)
x.std(1,True,True) x.std(0,correction=2) f.std() f.std(1) s.std() empty.std() empty.std(0) torch.var_mean(x) torch.var_mean(x,1)
torch.std_mean(f,dim=0,correction=0) (f+1000).std() (f+1000).var(0) torch.var(f.half(),1) x[:1].std(0) torch.var(x,dim=())
x.norm() x.norm(1) x.norm(2,0) x.norm(0) x.norm(3,1) x.norm(0.5,2) x.norm(float('inf')) x.norm(-float('inf'),1) x.norm('fro')
x.norm(p=2,dim=(0,1)) x.norm(dim=1,keepdim=True) torch.norm(f,dtype=torch.float64) f.norm(1,(0,2)) nan.norm(float('inf'),1)
torch.dist(x,x*2) torch.dist(x,x[0],1) torch.dist(x,x*2,float('inf'))
torch.logsumexp(x,1) torch.logsumexp(x,(0,2)) x.logsumexp(2,keepdim=True) inf.logsumexp(0) inf.logsumexp(1) torch.logsumexp(i,0)
(x*1000).logsumexp(0) empty.logsumexp(0) (f*80).logsumexp(1)
torch.count_nonzero(zero) zero.count_nonzero(0) torch.count_nonzero(i,(0,1)) x.sum_to_size(1,5,1) x.sum_to_size(5,3) zero.trace()
i.trace() zero.t().trace()
x.cumsum(0) x.cumsum(1) x.cumsum(-1) f.cumsum(1) i.cumsum(0) b.cumsum(1) u8.cumsum(0) s.cumsum(0) f.half().cumsum(0) empty.cumsum(0)
x.cumsum(0,dtype=torch.float32) x.cumprod(1) zero.cumprod(0) i32.cumprod(1) x.logcumsumexp(1) inf.logcumsumexp(1) x.cummax(1) x.cummin(0)
nan.cummax(0) nan.cummin(1) ties.cummax(0) ties.cummin(1) i.cummax(1) big.cumsum(0) big.cummax(1) x.transpose(0,1).cumsum(0)
torch.isclose(x,x+1e-9) torch.isclose(nan,nan,equal_nan=True) torch.isclose(nan,nan) torch.isclose(i,i) torch.isclose(inf,inf)
torch.isclose(x,x*1.1,rtol=0.05) torch.allclose(x,x+1e-9) torch.allclose(x,x+1) torch.equal(x,x) torch.equal(x,x+1) torch.equal(x,f)
torch.equal(i,i32) x.equal(x.clone()) torch.allclose(x,x,0,0)
""".split()


@needs_pytorch
@pytest.mark.parametrize("expression", VALUES)
def test_as_pytorch(expression):
    ours, theirs = run(ctorch, expression), run(pytorch, expression)
    assert isinstance(ours, tuple) == isinstance(theirs, tuple)
    tolerance = 2e-3 if "half" in expression else 1e-2 if "bfloat16" in expression else 1e-12
    for a, b in zip(tensors(ours), tensors(theirs), strict=True):
        assert_same(a, b, tolerance)


GRADIENTS = """
x.sum() x.sum(1) x.sum((0,2),keepdim=True) x.mean() x.mean(1) x.prod() x.prod(1) zero.prod() zero.prod(0) zero.prod(1,keepdim=True)
nan.nansum(1) x.amax() x.amax(1) ties.amax(0) ties.amin((0,1)) ties.max() ties.min() x.max(1) x.min(0) ties.max(0) x.max(2,keepdim=True)
s.max(0) torch.aminmax(x,dim=1) torch.max(x,x*x) x.var() x.var(1) x.std() x.std((0,1)) x.std(0,unbiased=False,keepdim=True)
torch.var_mean(x,1) torch.std_mean(x) x.norm() x.norm(1) x.norm(2,1) x.norm(3,(0,1)) x.norm(1.5,0) x.norm(float('inf'),2)
x.norm(-float('inf')) x.norm(0.5,1) torch.dist(x,x*x) torch.dist(x,x[0]*2,1) torch.dist(x,x[0]*2,3) x.logsumexp(1)
x.logsumexp((0,2)) x.trace() zero.trace() x.sum_to_size(5,1) x.cumsum(1) x.cumprod(1) zero.cumprod(0) zero.cumprod(1) x.logcumsumexp(0)
x.cummax(1) x.cummin(0) x.sum(0).prod() x.t().sum(0) s.cumprod(0) s.prod(0) x.nanmean(0) x.mean(dtype=torch.float64)
""".replace("x.trace()", "x[:,:,0].trace()").replace("x.t()", "x[0].t()").split()


def gradients(torch, expression):
    """Of a weighted sum of the float results, then of a weighted sum of those gradients' squares."""
    base = "nan" if expression.startswith("nan") else "zero" if expression.startswith("zero") else \
        "ties" if expression.startswith("ties") else "s" if expression.startswith("s.") else "x"
    leaf = torch.tensor(OPERANDS[base], dtype=torch.float64, requires_grad=True)
    result = eval(expression, {"torch": torch, base: leaf})
    total = 0
    for k, part in enumerate(t for t in tensors(result) if t.is_floating_point()):
        weight = torch.linspace(1, 2, max(part.numel(), 1), dtype=torch.float64)[:part.numel()].reshape(part.shape)
        total = total + (part * weight).sum() * (k + 1)
    names = [t.grad_fn.name() for t in tensors(result) if t.grad_fn is not None]
    (first,) = torch.autograd.grad(total, leaf, create_graph=True)
    second = torch.autograd.grad((first * first).sum(), leaf, allow_unused=True)[0] if first.requires_grad else None
    return names, first, second


@needs_pytorch
@pytest.mark.parametrize("expression", GRADIENTS)
def test_gradients_as_pytorch(expression):
    names, first, second = gradients(ctorch, expression)
    their_names, their_first, their_second = gradients(pytorch, expression)
    assert names == their_names
    assert_same(first, their_first, 1e-10)
    if their_second is None:
        their_second = pytorch.zeros_like(their_first)
    if second is None:
        second = ctorch.zeros_like(first)
    assert_same(second, their_second, 1e-8)


CHECKED = ["x.prod(1)", "x.var(1)", "x.std(0)", "x.norm(3,1)", "x.norm(dim=0)", "x.logsumexp(1)", "x.cumprod(1)", "x.logcumsumexp(0)",
           "x.amax(1)", "x.max(1)[0]", "x.cumsum(0)", "x.mean(1)", "torch.dist(x,x*x)", "x.trace()"]


@pytest.mark.parametrize("expression", CHECKED)
def test_gradcheck(expression):
    x = ctorch.tensor(np.random.default_rng(1).standard_normal((3, 4)) + 0.1, requires_grad=True)

    def function(x):
        return eval(expression, {"torch": ctorch, "x": x})

    assert ctorch.autograd.gradcheck(function, (x,))
    assert ctorch.autograd.gradgradcheck(function, (x,))


ERRORS = """
torch.zeros(0).max() torch.zeros(0,3).max(0) torch.zeros(0).argmax() torch.zeros(0,3).argmax(0) torch.zeros(0,3).amax(0) torch.zeros(0).amax()
torch.zeros(3).max(2) x.sum((0,0)) x.sum(5) x.argmax(5) i.mean() i.std() i.norm() b.argmax() torch.zeros(0).aminmax() x.prod((0,1))
torch.zeros(0).norm(float('inf')) torch.zeros(0).norm(-1) i.logcumsumexp(0) x.cummax(3) torch.isclose(i,x) x.sum_to_size(7) x.trace()
i.nanmean() torch.isclose(x,x,rtol=-1) x.cumsum() x.norm('abc')
""".split()


@needs_pytorch
@pytest.mark.parametrize("expression", ERRORS)
def test_errors_as_pytorch(expression):
    with pytest.raises(Exception) as theirs:
        run(pytorch, expression)
    with pytest.raises(theirs.type) as ours:
        run(ctorch, expression)
    phrase = str(theirs.value).split("\n")[0].split(".")[0].split(",")[0][:40]
    assert phrase in str(ours.value)


# ---- against NumPy, with or without PyTorch


@pytest.mark.parametrize("n", [0, 1, 7, 31, 32, 33, 63, 64, 65, 127, 2048, 2049, 5000, 100_003])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"])
def test_sum_of_every_length(n, dtype):
    a = (np.random.default_rng(n).standard_normal(n) * 4).astype(dtype)
    exact = a.astype(np.float64).sum()
    error = {"float32": 4e-8, "float64": 1e-15, "float16": 1e-3}.get(dtype, 0) * np.abs(a.astype(np.float64)).sum()
    ours = float(ctorch.from_numpy(a).sum().item())
    assert abs(ours - exact) <= error + abs(exact) * error


@pytest.mark.parametrize("shape", [(3, 5), (1, 9), (70, 33), (257, 300), (40_000, 3), (3, 40_000), (17, 3, 65), (600, 2, 129), (3, 2, 1500)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int16", "bool"])
def test_sums_and_extremes_over_every_dim(shape, dtype):
    if ctorch.get_default_device().type != "cpu":
        shape = tuple(min(size, 4000 if len(shape) == 2 else 70) for size in shape)     # the simulated device takes a second for 100,000 elements
    a = (np.random.default_rng(7).standard_normal(shape) * 9).astype(dtype)
    t = ctorch.from_numpy(a)
    wide = a.astype(np.float64)
    for order in (tuple(range(len(shape))), tuple(reversed(range(len(shape))))):
        v, w = t.permute(order), wide.transpose(order)
        for dim in range(len(shape)):
            np.testing.assert_allclose(v.sum(dim).double().numpy(), w.sum(dim), rtol=0, atol=2e-7 * np.abs(w).sum(dim).max())
            assert np.array_equal(v.amax(dim).double().numpy(), w.max(dim))
            values, indices = v.min(dim)
            assert np.array_equal(values.double().numpy(), w.min(dim))
            assert np.array_equal(indices.numpy(), w.argmin(dim))


@pytest.mark.parametrize("lane", [*range(70), 130, 2047, 2048, 4000, 4099])
def test_nan_wins_in_every_lane(lane):
    a = np.full(4100, 2.0, np.float32)
    a[lane] = math.nan
    t = ctorch.from_numpy(a)
    assert math.isnan(t.max().item()) and math.isnan(t.amin().item())
    assert t.argmax().item() == t.argmin().item() == lane
    columns = t.reshape(50, 82)
    assert columns.max(0).indices[lane % 82].item() == lane // 82
    assert math.isnan(columns.max(0).values[lane % 82].item())


def test_a_mean_far_from_zero_does_not_cancel():
    a = (np.random.default_rng(3).standard_normal(100_000) + 1e4).astype(np.float32)
    exact = a.astype(np.float64)
    assert math.isclose(ctorch.from_numpy(a).std().item(), exact.std(ddof=1), rel_tol=1e-7)
    assert math.isclose(ctorch.from_numpy(a).mean().item(), exact.mean(), rel_tol=6e-8)


def test_float32_norms_neither_overflow_nor_vanish():
    a = np.array([3e30, 4e30], np.float32)
    assert math.isclose(ctorch.from_numpy(a).norm().item(), 5e30, rel_tol=1e-6)
    assert math.isclose(ctorch.from_numpy(np.array([3e-30, 4e-30], np.float32)).norm().item(), 5e-30, rel_tol=1e-6)


def test_float32_sums_are_nearly_exact():
    a = np.random.default_rng(4).random(1_000_000, np.float32)
    exact = math.fsum(a.tolist())
    assert abs(ctorch.from_numpy(a).sum().item() - exact) <= 0.04


@pytest.mark.cpu
def test_bits_do_not_depend_on_the_number_of_threads():
    a = ctorch.from_numpy(np.random.default_rng(5).standard_normal((3000, 700)).astype(np.float32))
    before = ctorch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            ctorch.set_num_threads(threads)
            results.append([r.numpy().tobytes() for r in (a.sum(), a.sum(0), a.sum(1), a.std(0), a.t().sum(0), a.cumsum(0))])
    finally:
        ctorch.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.cpu
def test_named_results():
    pair = ctorch.tensor([[1.0, 3.0, 2.0]]).max(1)
    values, indices = pair
    assert isinstance(pair, tuple) and pair.values is values and pair.indices is indices
    assert repr(pair) == "torch.return_types.max(\nvalues=tensor([3.]),\nindices=tensor([1]))"
    low, high = ctorch.aminmax(ctorch.tensor([2.0, 1.0]))
    assert (low.item(), high.item()) == (1.0, 2.0)


def test_out_arguments():
    x = ctorch.tensor([[1.0, 2.0], [3.0, 4.0]])
    out = ctorch.empty(2)
    assert ctorch.sum(x, 0, out=out) is out and out.tolist() == [4.0, 6.0]
    values, indices = ctorch.empty(2), ctorch.empty(2, dtype=ctorch.int64)
    ctorch.max(x, 1, out=(values, indices))
    assert values.tolist() == [2.0, 4.0] and indices.tolist() == [1, 1]


@pytest.mark.parametrize("expression", ["x.sum()", "x.sum(0)", "x.max(1)", "x.std()", "x.norm(dim=0)", "x.cumsum(1)", "x.logsumexp(0)",
                                        "x.argmax(1)", "x.prod(0)", "x.any()"])
def test_meta_has_shapes(expression):
    real = eval(expression, {"x": ctorch.zeros(3, 4)})
    meta = eval(expression, {"x": ctorch.zeros(3, 4, device="meta")})
    for a, b in zip(tensors(meta), tensors(real), strict=True):
        assert a.device.type == "meta" and a.shape == b.shape and a.dtype == b.dtype


def test_nothing_is_left_behind(nothing_left):
    x = ctorch.ones(5, 6, requires_grad=True)
    for expression in ("x.sum()", "x.max(1)[0].sum()", "x.std()", "x.norm()", "x.cumprod(0).sum()", "x.logsumexp(0).sum()", "x.amax()"):
        eval(expression, {"x": x}).backward()
    x.grad = None
    for wrong in ("x.sum((0, 0))", "x.max(7)", "x.argmax(-9)"):
        with pytest.raises((RuntimeError, IndexError)):
            eval(wrong, {"x": x})


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
@pytest.mark.parametrize("length", [1, 31, 33, 64, 257, 2048, 5003])
def test_extremes_of_long_rows_and_columns(dtype, length):
    """Ties, NaN in any place, and infinities: NumPy finds the same first place."""
    rng = np.random.default_rng(length)
    x = rng.integers(-3, 4, (40, length)).astype(dtype)
    if x.dtype.kind == "f":
        x[:10] = -np.inf
        x[10:20, rng.integers(0, length)] = np.inf
        x[np.arange(20, 30), rng.integers(0, length, 10)] = np.nan
        x[25:28, rng.integers(0, length)] = np.nan
    t = ctorch.from_numpy(x)
    for values, places, largest in ((np.max, np.argmax, "max"), (np.min, np.argmin, "min")):
        for layout, dim in ((t, 1), (t.t().contiguous(), 0)):
            found = getattr(layout, largest)(dim)
            assert found.indices.tolist() == places(x, 1).tolist()
            np.testing.assert_array_equal(found.values.numpy(), values(x, 1))
            np.testing.assert_array_equal(getattr(layout, "a" + largest)(dim).numpy(), values(x, 1))
            assert getattr(layout, "arg" + largest)(dim).tolist() == places(x, 1).tolist()


# ---------------------------------------------------------------- halves, whose rows are added while they are widened
@pytest.mark.kernels
@pytest.mark.parametrize("dtype", [ctorch.half, ctorch.bfloat16])
@pytest.mark.parametrize("shape", [(70, 100), (33, 37), (5, 1000), (3, 129), (200, 32), (1, 64), (2, 67, 33), (4099,), (130, 1030)])
def test_sums_of_halves(shape, dtype):
    exact = np.random.default_rng(len(shape)).integers(-8, 9, shape).astype("float32")
    x = ctorch.from_numpy(exact).to(dtype)
    spacing = 2.0 ** (-10 if dtype is ctorch.half else -7)
    for layout in (x, x.t().contiguous().t() if x.ndim == 2 else x):
        for dim in (None, *range(x.ndim)):
            got, expected = layout.sum() if dim is None else layout.sum(dim), exact.sum(dim, dtype="float64")
            assert np.abs(got.double().numpy() - expected).max() <= spacing * max(1, np.abs(expected).max())
    x.view(-1)[-1] = math.inf
    assert x.sum().item() == math.inf and x.sum(0).flatten()[-1].item() == math.inf
    x.view(-1)[-1] = math.nan
    assert math.isnan(x.sum()) and math.isnan(x.sum(-1).flatten()[-1])
