"""Sorting, order statistics, groups and bins against NumPy and, where it is installed, against PyTorch itself."""

import math

import ctorch
import numpy as np
import pytest
from test_reduce import assert_same, needs_pytorch, pytorch, run, tensors

VALUES = """
x.sort() x.sort(0) x.sort(1,descending=True) x.sort(descending=True) nan.sort(1) nan.sort(0,True) i.sort() u8.sort(1) b.sort(dim=0,stable=True)
ties.sort(dim=1,stable=True) ties.sort(dim=0,descending=True,stable=True) s.sort() row.sort() row.sort(descending=True) f.half().sort(1) i32.sort(0)
empty.sort(0) empty.sort(1) x.permute(2,0,1).sort(1) torch.sort(x,dim=0,stable=True) big.sort(0) big.sort(1) inf.sort(1)
x.argsort() x.argsort(1,descending=True) ties.argsort(stable=True) torch.argsort(i,dim=0,stable=True) torch.msort(x) x.msort()
x.topk(2) x.topk(3,1) x.topk(2,0,largest=False) row.topk(10) row.topk(400) row.topk(0) s.topk(1) nan.topk(2,1)[0] i[0].topk(2)[0] big.topk(5,0)
big.topk(3) f.half().topk(2)[0] x.kthvalue(2) x.kthvalue(1,0) x.kthvalue(3,1,keepdim=True) s.kthvalue(1)
x.median() row.median() nan.median() i.median() x.median(1) x.median(0,keepdim=True) nan.median(1)[0] nan.nanmedian() nan.nanmedian(2)
row.nanmedian() i.nanmedian() torch.zeros(0).median() s.median(0) ties.mode() ties.mode(0) i.mode(1,keepdim=True) s.mode() u8.mode()[0]
x.quantile(0.3) x.quantile(0.5,1) x.quantile(torch.tensor([0.,.25,1.],dtype=torch.float64),0) f.quantile(0.7) f.quantile(torch.tensor([.1,.9]))
x.quantile(0.4,2,keepdim=True) x.quantile(torch.tensor([.1,.9],dtype=torch.float64),2,keepdim=True) x.quantile(0.3,interpolation='lower')
x.quantile(0.3,interpolation='higher') x.quantile(0.3,interpolation='nearest') x.quantile(0.3,interpolation='midpoint') nan.quantile(0.5,1)
nan.nanquantile(0.5,1) nan.nanquantile(0.2) s.quantile(0.5) x.quantile(0.1,keepdim=True)
ties.unique() torch.unique(i,return_inverse=True) torch.unique(i,return_counts=True) torch.unique(u8,return_inverse=True,return_counts=True)
b.unique() nan.unique() s.unique() empty.unique() torch.unique(ties,dim=0) torch.unique(ties[:,:1],dim=0,return_inverse=True,return_counts=True)
torch.unique(ties[:2],dim=1,return_inverse=True,return_counts=True) torch.unique(i,sorted=False) torch.unique_consecutive(ties.flatten())
torch.unique_consecutive(ties,return_inverse=True,return_counts=True) torch.unique_consecutive(ties[:,:1],dim=0,return_counts=True)
torch.bincount(u8.flatten()) torch.bincount(u8[0],minlength=300) torch.bincount(u8[0],u8[1].float()) torch.bincount(u8[0],weights=u8[1])
torch.bincount(torch.tensor([],dtype=torch.int64)) torch.histc(x,5) torch.histc(f,10,-1,1) torch.histc(row) torch.histc(x,bins=4,min=0,max=3)
torch.histc(torch.zeros(0),3) torch.histc(torch.ones(3),4)
torch.searchsorted(row.sort()[0],x) torch.searchsorted(row.sort()[0],row[:50],right=True) torch.searchsorted(x.sort()[0],x[:,:,:2])
torch.searchsorted(row.sort()[0],0.25) torch.searchsorted(i.sort()[0],i,side='right',out_int32=True) torch.searchsorted(row,x,sorter=row.argsort())
torch.bucketize(x,row.sort()[0]) torch.bucketize(3,i[0].sort()[0],right=True) torch.bucketize(nan,torch.tensor([0.,1.]))
""".split()


@needs_pytorch
@pytest.mark.parametrize("expression", VALUES)
def test_as_pytorch(expression):
    ours, theirs = run(ctorch, expression), run(pytorch, expression)
    assert isinstance(ours, tuple) == isinstance(theirs, tuple)
    for a, b in zip(tensors(ours), tensors(theirs), strict=True):
        assert_same(a, b)


GRADIENTS = ["x.sort(1)[0]", "x.sort(0,descending=True)[0]", "x.msort()", "x.topk(2,1)[0]", "x.kthvalue(2,0)[0]", "x.median()", "x.median(1)[0]",
             "x.nanmedian(0)[0]", "x.quantile(0.3,1)", "x.quantile(0.5)", "x.mode(1)[0]", "x.flatten().sort()[0]"]


def gradient(torch, expression):
    x = torch.tensor(np.random.default_rng(2).standard_normal((4, 5)), requires_grad=True)
    y = eval(expression, {"x": x, "torch": torch})
    weight = torch.linspace(1, 2, y.numel(), dtype=torch.float64).reshape(y.shape)
    (first,) = torch.autograd.grad((y * y * weight).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first * first).sum(), x)
    return y.grad_fn.name(), first, second


@needs_pytorch
@pytest.mark.parametrize("expression", GRADIENTS)
def test_gradients_as_pytorch(expression):
    name, first, second = gradient(ctorch, expression)
    their_name, their_first, their_second = gradient(pytorch, expression)
    assert name == their_name or "quantile" in expression
    assert_same(first, their_first)
    assert_same(second, their_second)


ERRORS = """
torch.zeros(3).topk(4) torch.zeros(3).kthvalue(4) torch.zeros(3).kthvalue(0) torch.zeros(0,3).median(0) torch.zeros(0).mode() x.sort(3)
i.quantile(0.5) x.quantile(2.) torch.zeros(0).quantile(0.5) x.quantile(0.5,interpolation='x') torch.bincount(i) torch.bincount(x) torch.bincount(i[0]-9)
torch.bincount(i[0].abs(),minlength=-1) torch.histc(i) torch.histc(x,0) torch.histc(x,3,2,1) torch.histc(inf) torch.searchsorted(s,x)
torch.searchsorted(x,0.5) torch.searchsorted(row,x,side='x') torch.searchsorted(row,x,right=True,side='left') torch.bucketize(x,x)
torch.searchsorted(x,x[:2])
""".split()


@needs_pytorch
@pytest.mark.parametrize("expression", ERRORS)
def test_errors_as_pytorch(expression):
    with pytest.raises(Exception) as theirs:
        run(pytorch, expression)
    with pytest.raises(theirs.type) as ours:
        run(ctorch, expression)
    assert str(theirs.value).split("\n")[0].split(".")[0][:40] in str(ours.value)


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 33, 511, 512, 513, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool"])
@pytest.mark.parametrize("descending", [False, True])
def test_sorts_stably(n, dtype, descending):
    a = (np.random.default_rng(n).standard_normal(n) * 20).astype(dtype)
    values, indices = ctorch.from_numpy(a).sort(descending=descending, stable=True)
    key = a.astype(np.float64)
    order = np.argsort(-key if descending else key, kind="stable")
    assert np.array_equal(indices.numpy(), order)
    assert np.array_equal(values.numpy(), a[order])


# around where rows are cut into parts (2 * 2**14), where digits become wider (2**16), and of part lengths that differ
LENGTHS = (2**15 - 1, 2**15, 2**15 + 1, 2**16 - 1, 2**16, 100_003)


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = ctorch.get_num_threads()
    ctorch.set_num_threads(request.param)
    yield
    ctorch.set_num_threads(before)


@pytest.mark.cpu
@pytest.mark.parametrize("n", LENGTHS)
def test_threads_sort_stably(threads, n):
    rng = np.random.default_rng(n)
    rows = {
        "few": rng.integers(-500, 500, n), "equal": np.full(n, -7), "apart": rng.integers(0, 3, n) << 62 >> 1,
        "wide": rng.integers(-2**63, 2**63 - 1, n), "gap": rng.integers(0, 4, n) * (2**40 + 1) - 3,
        "48 bits": rng.integers(-2**47, 2**47, n), "int32": rng.integers(-2**31, 2**31, n).astype("int32"),
        "float32": rng.standard_normal(n).astype("float32").round(1), "float64": rng.standard_normal(n).round(2),
        "int8": rng.integers(-128, 128, n).astype("int8"), "bool": rng.integers(0, 2, n) > 0,
    }
    for name, a in rows.items():
        x, order = ctorch.from_numpy(a), np.argsort(a, kind="stable")
        values, indices = x.sort(stable=True)
        assert np.array_equal(indices.numpy(), order) and np.array_equal(values.numpy(), a[order]), name
        down = n - 1 - np.argsort(a[::-1], kind="stable")[::-1]
        assert np.array_equal(x.sort(stable=True, descending=True).indices.numpy(), down), name
        assert np.array_equal(x.unique().numpy(), np.unique(a)), name
        if a.dtype != bool:
            assert np.array_equal(x.topk(n // 5, largest=False).indices.numpy(), order[:n // 5]), name
            assert np.array_equal(x.topk(n // 2).indices.numpy(), down[:n // 2]), name


def test_extreme_values_sort():
    a = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, -1e-45, 3.4e38, -3.4e38, -math.nan], np.float32)
    values, indices = ctorch.from_numpy(a).sort(stable=True)
    assert indices.tolist() == [3, 8, 6, 0, 1, 5, 7, 2, 4, 9]
    assert np.array_equal(values.numpy(), a[indices.numpy()], equal_nan=True)
    ints = np.array([2**63 - 1, -(2**63), 0, -1, 1])
    assert ctorch.from_numpy(ints).sort().values.tolist() == sorted(ints.tolist())


@pytest.mark.parametrize("k", [1, 5, 32, 33, 999])
def test_topk_is_the_head_of_the_sorted(k):
    a = np.random.default_rng(k).standard_normal((7, 1000))
    values, indices = ctorch.from_numpy(a).topk(k)
    assert np.array_equal(values.numpy(), -np.sort(-a, axis=1)[:, :k])
    assert np.array_equal(np.take_along_axis(a, indices.numpy(), 1), values.numpy())


@pytest.mark.cpu
def test_named_results():
    pair = ctorch.tensor([2.0, 1.0]).sort()
    assert repr(pair) == "torch.return_types.sort(\nvalues=tensor([1., 2.]),\nindices=tensor([1, 0]))"
    assert ctorch.tensor([2.0, 1.0]).topk(1).indices.tolist() == [0]


def test_nothing_is_left_behind(nothing_left):
    x = ctorch.rand(5, 6, requires_grad=True)
    for expression in ("x.sort()[0]", "x.topk(2)[0]", "x.median(0)[0]", "x.kthvalue(2)[0]", "x.quantile(0.5, 1)"):
        eval(expression, {"x": x}).sum().backward()
    x.grad = None
    ctorch.unique(x, return_inverse=True, return_counts=True)


def test_order_statistics_at_the_edges():
    for x in (ctorch.tensor(3), ctorch.tensor(3.0)):
        for k in (0, 1):
            assert [t.tolist() for t in x.topk(k)] == [3, 0]
    b = ctorch.tensor([True, False])
    for call in (lambda: b.median(), lambda: b.median(0), lambda: b.nanmedian(0), lambda: b.kthvalue(1)):
        with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
            call()
    with pytest.raises(RuntimeError, match="topk does not support bool"):
        b.topk(1)
    assert ctorch.zeros(0, dtype=ctorch.int32).median().item() == -2 ** 31
    assert ctorch.zeros(0, dtype=ctorch.int16).median().item() == 0
    with pytest.raises(IndexError, match="tensor has no dimensions"):
        ctorch.ones(()).roll(1, 0)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8"])
@pytest.mark.parametrize("n", [0, 1, 3, 1000])
def test_unique_bytes_are_numpys(dtype, n):
    numbers = np.random.default_rng(n).integers(-100, 250, n).astype("uint8").view(dtype if dtype == "int8" else "uint8")
    x = numbers > 90 if dtype == "bool" else numbers
    for values in (x, np.sort(x)[::-1].copy(), np.full_like(x, x[:1].any())):
        got = ctorch.from_numpy(values).unique(return_inverse=True, return_counts=True)
        expected = np.unique(values, return_inverse=True, return_counts=True)
        assert [g.tolist() for g in got] == [e.tolist() for e in expected]
        assert ctorch.from_numpy(values).unique().tolist() == expected[0].tolist()


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "float64", "float16"])
@pytest.mark.parametrize("n", [1, 2, 31, 128, 129, 300, 1000])
def test_any_place_of_a_row_is_that_of_its_sort(dtype, n):
    rng = np.random.default_rng(n)
    wide = rng.integers(-2**62, 2**62, (3, n)) if dtype == "int64" else rng.normal(size=(3, n)) * 100
    for values in (wide, rng.integers(0, 4, (3, n))):
        x = ctorch.from_numpy(np.ascontiguousarray(values)).to(getattr(ctorch, dtype))
        ordered, indices = x.sort(1, stable=True)
        for k in {1, 2, 3, n // 4, n // 2, n - 1, n}:
            if 1 <= k <= n:
                value, index = x.kthvalue(k, 1)
                assert value.tolist() == ordered[:, k - 1].tolist()
                assert index.tolist() == indices[:, k - 1].tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_many_halves_fall_into_the_bins_of_few(dtype):
    x = ctorch.from_numpy(np.random.default_rng(0).normal(size=70_000)).to(getattr(ctorch, dtype))
    x[::1000] = float("nan")
    parts = [ctorch.histc(x[i:i + 100], 7, -1.5, 2).float() for i in range(0, 70_000, 100)]
    counts = ctorch.stack(parts).sum(0).to(x.dtype)
    assert ctorch.histc(x, 7, -1.5, 2).tolist() == counts.tolist()
