"""Reading and writing parts of tensors: [] and the gather/scatter family, against NumPy, and against PyTorch if it is here.

NumPy decides values; PyTorch decides the names of graph nodes, first and second gradients.
"""

import random
import warnings

import numpy as np
import pytest

import ctorch as torch

DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
          torch.float32, torch.float64]


@pytest.fixture
def x():
    return torch.arange(24.).view(2, 3, 4)


def random_key(rng, shape):
    """A key that NumPy and PyTorch read alike, as a function of `integers(list)` that makes an index tensor."""
    items, d, n_arrays = [], 0, 0
    array_shape = rng.choice([(2,), (2, 2), (1,)])
    while d < len(shape):
        size, kind = shape[d], rng.choice("iissseena")
        if kind == "i":
            items.append(rng.randrange(-size, size))
        elif kind == "s":
            items.append(slice(rng.choice([None, rng.randrange(-size, size)]), rng.choice([None, rng.randrange(-size, size + 2)]),
                               rng.choice([None, 1, 2])))
        elif kind == "n":
            items.append(None)
            continue
        elif kind == "e":
            if Ellipsis in [item for item in items if not isinstance(item, np.ndarray)]:
                break
            items.append(Ellipsis)
            break
        else:
            items.append(np.array([rng.randrange(-size, size) for _ in range(int(np.prod(array_shape)))]).reshape(array_shape))
            n_arrays += 1
        d += 1
    # An integer beside arrays is an array for NumPy and a select for PyTorch, which may place dimensions differently.
    if n_arrays:
        items = [slice(None) if isinstance(item, int) else item for item in items]
    return tuple(items)


def as_torch(key):
    return tuple(torch.from_numpy(item) if isinstance(item, np.ndarray) else item for item in key)


@pytest.mark.parametrize("seed", range(300))
def test_random_keys_read_and_write(seed):
    rng = random.Random(seed)
    shape = tuple(rng.randrange(1, 5) for _ in range(rng.randrange(1, 5)))
    a = np.arange(float(np.prod(shape))).reshape(shape)
    order = rng.sample(range(len(shape)), len(shape))
    a = a.transpose(order)
    t = torch.from_numpy(a)
    key = random_key(rng, a.shape)
    assert np.array_equal(t[as_torch(key)].numpy(), a[key])
    b = a.copy()
    t = torch.from_numpy(b.copy())
    b[key] = -1
    t[as_torch(key)] = -1
    assert np.array_equal(t.numpy(), b)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", ["dense", "transposed", "stepped", "expanded"])
def test_every_dtype_and_layout(dtype, layout):
    base = (torch.arange(24) % 2 == 0 if dtype is torch.bool else torch.arange(24)).to(dtype)
    t = {"dense": lambda: base.view(4, 6), "transposed": lambda: base.view(6, 4).t(),
         "stepped": lambda: base.view(4, 6)[:, ::2], "expanded": lambda: base[:6].expand(4, 6)}[layout]()
    a = np.array(t.tolist())
    assert t[2].tolist() == a[2].tolist()
    assert t[1:, ::2].tolist() == a[1:, ::2].tolist()
    i = torch.tensor([3, 0, -1])
    assert t[i].tolist() == a[[3, 0, -1]].tolist()
    assert t[i, torch.tensor([0, 1, 2])].tolist() == a[[3, 0, -1], [0, 1, 2]].tolist()
    mask = torch.tensor([True, False, True, True])
    assert t[mask].tolist() == a[[0, 2, 3]].tolist()
    assert t.index_select(1, torch.tensor([2, 0])).tolist() == a[:, [2, 0]].tolist()
    assert t.gather(1, torch.tensor([[0, 1], [2, 0]])).tolist() == [a[0, :2].tolist(), [a[1, 2], a[1, 0]]]
    assert t.take(torch.tensor([5, -1])).tolist() == [a.reshape(-1)[5], a.reshape(-1)[-1]]
    assert t.nonzero().tolist() == np.argwhere(a).tolist()
    assert t.masked_select(t != 0).tolist() == a[a != 0].tolist()
    if layout == "expanded":
        with pytest.raises(RuntimeError, match="single memory location"):
            t[:, 0] = 1
        return
    written = t.clone()
    written[i] = 1
    assert written[1].tolist() == a[1].tolist() and written[0].tolist() == [1] * a.shape[1]
    added = t.index_add(0, torch.tensor([0, 0]), t[:2])
    expected = a.copy()
    if dtype is torch.bool:
        expected[0] |= a[0] | a[1]
    else:
        expected[0] += a[0] + a[1]
    assert added.tolist() == expected.tolist()


def test_zero_size_and_scalar():
    empty = torch.zeros(0, 3)
    assert empty[:, 1].shape == (0,)
    assert empty[torch.tensor([], dtype=torch.int64)].shape == (0, 3)
    with pytest.raises(IndexError, match="index 0 is out of bounds for dimension 0 with size 0"):
        empty[torch.tensor([0])]
    scalar = torch.tensor(5.)
    assert scalar[...].item() == 5 and scalar[None].shape == (1,) and scalar[True].shape == (1,)
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        scalar[0]
    scalar[...] = 3
    scalar[()] += 1
    assert scalar.item() == 4
    assert torch.tensor(1.).nonzero().shape == (1, 0)


def test_many_index_tensors():
    a = np.arange(2 ** 9).reshape((2,) * 9)
    t, key = torch.from_numpy(a), [np.array([0, 1, -1]) for _ in range(9)]
    key[3] = np.array([1, 0, 0])
    assert np.array_equal(t[as_torch(key)].numpy(), a[tuple(key)])
    b, u = a.copy(), torch.from_numpy(a.copy())
    b[tuple(key)] = 7
    u[as_torch(key)] = 7
    assert np.array_equal(u.numpy(), b)


def test_masks():
    a = np.arange(24.).reshape(2, 3, 4)
    t, mask = torch.from_numpy(a), a[:, :, 0] > 3
    assert np.array_equal(t[torch.from_numpy(mask)].numpy(), a[mask])
    assert np.array_equal(t[torch.from_numpy(mask), 1:3].numpy(), a[mask, 1:3])
    assert np.array_equal(t[:, torch.tensor([True, False, True])].numpy(), a[:, [0, 2]])
    big = np.random.default_rng(0).standard_normal((300, 300))
    assert np.array_equal(torch.from_numpy(big)[torch.from_numpy(big > 1)].numpy(), big[big > 1])
    with pytest.raises(IndexError, match="does not match the shape of the indexed tensor"):
        t[torch.tensor([True, False, True])]
    with pytest.warns(UserWarning, match="uint8"):
        assert t[torch.tensor([1, 0], dtype=torch.uint8)].shape == (1, 3, 4)


BAD_KEYS = [
    ("x[5]", IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
    ("x[0, -4]", IndexError, "index -4 is out of bounds for dimension 1 with size 3"),
    ("x[0, 0, 0, 0]", IndexError, "too many indices for tensor of dimension 3"),
    ("x[torch.tensor([0, 2])]", IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
    ("x[torch.tensor([0, 1]), torch.tensor([0, 1, 2])]", IndexError, "could not be broadcast together"),
    ("x[torch.tensor([.5])]", IndexError, "tensors used as indices must be long, int, byte or bool"),
    ("x[1.5]", IndexError, "only integers, slices"),
    ("x['a']", TypeError, "invalid data type 'str'"),
    ("x[::-1]", ValueError, "step must be greater than zero"),
    ("x[::0]", ValueError, "slice step cannot be zero"),
    ("x[2**70]", ValueError, "Overflow"),
    ("x['a':]", TypeError, "slice indices must be integers"),
    ("x[(None,) * 100]", RuntimeError, "64 dimensions"),
    ("x.gather(0, torch.tensor([[[7]]]))", RuntimeError, "index 7 is out of bounds for dimension 0 with size 2"),
    ("x.gather(0, torch.tensor([[[-1]]]))", RuntimeError, "index -1 is out of bounds"),
    ("x.gather(0, torch.tensor([0]))", RuntimeError, "same number of dimensions"),
    ("x.scatter(0, torch.tensor([[[-1]]]), 1.)", RuntimeError, "index -1 is out of bounds"),
    ("x.scatter(0, torch.zeros(2, 1, 1).long(), torch.ones(1, 1, 1))", RuntimeError, "no larger than self"),
    ("x.scatter_reduce(0, torch.zeros(1, 1, 1).long(), torch.ones(1, 1, 1), 'median')", RuntimeError, "sum, prod, mean, amax or amin"),
    ("x.index_select(0, torch.tensor([2]))", IndexError, "index out of range in self"),
    ("x.index_select(0, torch.tensor([[0]]))", IndexError, "vector"),
    ("x.index_add(0, torch.tensor([3]), torch.ones(1, 3, 4))", RuntimeError, "index 3 is out of bounds"),
    ("x.index_copy(0, torch.tensor([0, 1]), torch.ones(1, 3, 4))", IndexError, "Number of indices"),
    ("x.index_fill(0, torch.tensor([2]), 1.)", IndexError, "index 2 is out of bounds"),
    ("x.take(torch.tensor([24]))", IndexError, "out of range"),
    ("x.put_(torch.tensor([1, 2]), torch.tensor([1.]))", IndexError, "same number of elements"),
    ("x.masked_select(torch.tensor([1]))", RuntimeError, "expected BoolTensor"),
    ("x.masked_scatter(x > 3, torch.ones(2))", RuntimeError, "source < number of ones in mask"),
    ("x.__setitem__(0, 'a')", TypeError, "can't assign a str to a torch.FloatTensor"),
    ("x.__setitem__(0, torch.ones(5))", RuntimeError, "must match the existing size"),
    ("x.__setitem__(torch.tensor([0]), torch.ones(5))", RuntimeError, "shape mismatch: value tensor of shape [5]"),
    ("x.__setitem__(torch.tensor([0]), torch.ones(4).double())", RuntimeError, "source and destination dtypes match"),
    ("x.long().__setitem__(0, float('inf'))", RuntimeError, "without overflow"),
    ("x.__delitem__(0)", TypeError, "deleting"),
    ("'a' in x", RuntimeError, "only supports Tensor or scalar"),
    ("len(torch.tensor(1))", TypeError, "0-d tensor"),
    ("iter(torch.tensor(1))", TypeError, "0-d tensor"),
]


@pytest.mark.parametrize("call, kind, phrase", BAD_KEYS, ids=[case[0] for case in BAD_KEYS])
def test_refused(x, call, kind, phrase):
    before = x.tolist()
    with pytest.raises(kind) as caught:
        eval(call, {"torch": torch, "x": x})
    assert phrase in str(caught.value)
    assert x.tolist() == before


def test_a_bad_index_writes_nothing(x):
    for call in (lambda: x.scatter_(0, torch.tensor([[[0, 1, 9]]]), 5.), lambda: x.__setitem__(torch.tensor([0, 9]), 5.),
                 lambda: x.index_add_(0, torch.tensor([0, 9]), torch.ones(2, 3, 4)),
                 lambda: x.put_(torch.tensor([0, 99]), torch.ones(2))):
        before = x.tolist()
        with pytest.raises((IndexError, RuntimeError), match="9"):
            call()
        assert x.tolist() == before


def test_items_that_run_python(x):
    class Index:
        def __index__(self):
            return 1

    class Bad:
        def __index__(self):
            raise KeyError("mine")

    assert x[Index()].tolist() == x[1].tolist()
    assert x[np.int64(1), np.array([0, 2])].tolist() == x[1, [0, 2]].tolist()
    with pytest.raises(KeyError, match="mine"):
        x[Bad()]
    with pytest.raises(KeyError, match="mine"):
        x[0:Bad()]
    with pytest.raises(RuntimeError, match="Could not infer dtype of Bad"):
        x[[0, Bad()]]


def test_writes(x):
    x[0] = 1
    x[1, :, ::2] = torch.tensor([7., 8.])
    x[1, 0] += 1
    x[None, 1, ..., 1] = torch.tensor([[1, 2, 3]])
    assert x[0].unique().tolist() == [1]
    assert x[1].tolist() == [[8, 1, 9, 16], [7, 2, 8, 19], [7, 3, 8, 23]]
    x[x > 8] = 0
    assert x.max() == 8
    x[:, [0, 1]] = x[:, [1, 0]]
    assert x[1, 0].tolist() == [7, 2, 8, 0]


@pytest.mark.cpu    # a device's threads write in any order
def test_the_last_of_several_writes_to_one_place_stays(x):
    x[torch.tensor([0, 0]), 0] = torch.tensor([[5.], [6.]])
    assert x[0, 0].tolist() == [6] * 4


def test_overlapping_operands_are_read_before_they_are_written():
    t = torch.arange(6.)
    t[torch.tensor([1, 2, 3, 4, 5])] = t[:5]
    assert t.tolist() == [0, 0, 1, 2, 3, 4]
    t = torch.arange(4)
    t[t] = torch.tensor([3, 2, 1, 0])
    assert t.tolist() == [3, 2, 1, 0]
    t = torch.arange(6.).view(3, 2)
    t.index_add_(0, torch.tensor([0, 1, 2]), t)
    assert t.flatten().tolist() == [0, 2, 4, 6, 8, 10]


@pytest.mark.cpu
def test_accumulation_does_not_depend_on_threads():
    torch.manual_seed(1)
    index, rows = torch.randint(0, 50, (4000,)), torch.randn(4000, 64)
    threads = torch.get_num_threads()
    results = []
    try:
        for n in (1, 2, 4):
            torch.set_num_threads(n)
            results.append(torch.zeros(50, 64).index_add(0, index, rows))
            results.append(torch.zeros(50, 64).index_put((index,), rows, accumulate=True))
            results.append(torch.zeros(50, 64).scatter_add(0, index[:, None].expand(4000, 64), rows))
    finally:
        torch.set_num_threads(threads)
    expected = np.zeros((50, 64))
    np.add.at(expected, index.numpy(), rows.double().numpy())
    assert np.allclose(results[0].numpy(), expected, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_views_and_lists(x):
    assert x[...] is not x and x[...].data_ptr() == x[:, :].data_ptr() == x.data_ptr()
    assert x[torch.tensor(1)].data_ptr() == x[1].data_ptr()
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert x[[slice(0, 1), 0]].shape == (1, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x[[0, 1, 1]].shape == (3, 3, 4)
    assert 5 in x and 99 not in x and torch.tensor(5.) in x
    assert [row.shape for row in x] == [(3, 4), (3, 4)]


def test_meta():
    t = torch.ones(3, 4, device="meta")
    i = torch.zeros(2, dtype=torch.int64, device="meta")
    assert t[0].shape == (4,) and t[i].shape == (2, 4) and t[:, i].device.type == "meta"
    t[i] = 1.
    t[0] = 2.
    assert t.index_select(1, i).shape == (3, 2)
    with pytest.raises(NotImplementedError, match="meta"):
        t.nonzero()


def test_in_place_rules():
    leaf = torch.ones(3, requires_grad=True)
    for write in (lambda: leaf.__setitem__(0, 1.), lambda: leaf.__setitem__([0], 1.), lambda: leaf.index_fill_(0, torch.tensor([0]), 1.)):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            write()
    with torch.no_grad():
        leaf[0] = 5
    assert leaf.tolist() == [5, 1, 1]


def test_subclass_is_kept():
    class Mine(torch.Tensor):
        pass

    t = torch.arange(6.).view(2, 3).as_subclass(Mine)
    assert type(t[0]) is Mine and type(t[[0]]) is Mine and type(t[t > 2]) is Mine


@pytest.mark.parametrize("call", [
    "x[0]", "x[torch.tensor([0, 1]), :, torch.tensor([1, 1])]", "x[x > 3]", "x.gather(0, torch.zeros(1, 3, 4).long())",
    "x.index_add(0, torch.tensor([0]), torch.ones(1, 3, 4))", "x.scatter_reduce(0, torch.zeros(1, 3, 4).long(), x[:1], 'prod')",
    "x.masked_scatter(x > 3, torch.ones(24))", "x.take(torch.tensor([1]))", "torch.where(x > 3)", "x[5]", "x[torch.tensor([9])]",
])
def test_nothing_is_left(call, nothing_left):
    x = torch.arange(24.).view(2, 3, 4).clone().requires_grad_()
    try:
        result = eval(call, {"torch": torch, "x": x})
        if isinstance(result, torch.Tensor):
            torch.autograd.grad((result * result).sum(), x, create_graph=True)[0].sum().backward()
    except IndexError:
        pass


# What PyTorch records and differentiates: f(torch, x, y) of two float64 tensors of shape (3, 4, 5).
def written(z, key, value):
    z[key] = value
    return z


GRADIENTS = {
    "select": lambda t, x, y: x[1],
    "slice": lambda t, x, y: x[:, 1:4:2],
    "full slice": lambda t, x, y: x[:],
    "ellipsis": lambda t, x, y: x[..., ::2],
    "alias": lambda t, x, y: x[...],
    "none": lambda t, x, y: x[None, :, None],
    "true": lambda t, x, y: x[True],
    "false": lambda t, x, y: x[False],
    "list": lambda t, x, y: x[[0, 2]],
    "repeated": lambda t, x, y: x[t.tensor([0, 2, 0])],
    "separated": lambda t, x, y: x[t.tensor([0, 2, 0]), :, t.tensor([1, 1, -1])],
    "broadcast": lambda t, x, y: x[:, t.tensor([[0, 2], [1, 1]]), t.tensor([3])],
    "mask": lambda t, x, y: x[x.detach() > 0],
    "row mask": lambda t, x, y: x[:, t.tensor([True, False, True, True]), 1:3],
    "transposed": lambda t, x, y: x.transpose(0, 2)[t.tensor([0, 2]), 1:],
    "index_put accumulate": lambda t, x, y: x.index_put((t.tensor([0, 2, 2]),), y[:1], accumulate=True),
    "index_put": lambda t, x, y: x.index_put((t.tensor([0, 2]), t.tensor([1, 3])), y[0, 0]),
    "set row": lambda t, x, y: written(x * 1, 0, y[0]),
    "set number": lambda t, x, y: written(x * 1, (slice(None), 1), 2.5),
    "set indices": lambda t, x, y: written(x * 1, (slice(None), t.tensor([0, 1])), y[0, 0, 0]),
    "set part by indices": lambda t, x, y: written(x * 1, (slice(1, 3), t.tensor([0, 1])), y[1:3, :2] * 2),
    "set mask": lambda t, x, y: written(x * 1, x.detach() > 0, 0.),
    "set mask tensor": lambda t, x, y: written(x * 1, x.detach() > 0, y[0, 0, 0]),
    "gather": lambda t, x, y: x.gather(1, t.tensor([[[0, 1, 2, 3, 1], [1, 1, 1, 1, 1]]] * 2)),
    "scatter": lambda t, x, y: x.scatter(1, t.tensor([[[0, 1, 2, 3, 1]]] * 2), y[:2, :1]),
    "scatter value": lambda t, x, y: x.scatter(0, t.tensor([[[0, 1, 2]]]), 2.5),
    "scatter_": lambda t, x, y: (x * 1).scatter_(1, t.tensor([[[0, 1, 2, 3, 1]]] * 2), y[:2, :1]),
    "scatter_add": lambda t, x, y: x.scatter_add(1, t.tensor([[[0, 1, 2, 3, 1], [0, 1, 0, 0, 0]]] * 3), y[:, :2]),
    "scatter_add_": lambda t, x, y: (x * 1).scatter_add_(1, t.tensor([[[0, 1, 2, 3, 1], [0, 1, 0, 0, 0]]] * 3), y[:, :2]),
    "take_along_dim": lambda t, x, y: t.take_along_dim(x, t.tensor([[[1]], [[0]], [[2]]]), 1),
    "index_select": lambda t, x, y: x.index_select(-1, t.tensor([0, 3, 0])),
    "index_add": lambda t, x, y: x.index_add(1, t.tensor([0, 3, 0, 1]), y, alpha=2.5),
    "index_add_": lambda t, x, y: (x * 1).index_add_(0, t.tensor([0, 2, 0]), y),
    "index_copy": lambda t, x, y: x.index_copy(1, t.tensor([0, 3]), y[:, :2]),
    "index_copy_": lambda t, x, y: (x * 1).index_copy_(1, t.tensor([0, 3]), y[:, :2]),
    "index_fill": lambda t, x, y: x.index_fill(2, t.tensor([0, 3]), 1.5),
    "index_fill tensor": lambda t, x, y: x.index_fill(2, t.tensor([0, 3]), y[0, 0, 0]),
    "take": lambda t, x, y: x.transpose(0, 1).take(t.tensor([[0, 5], [-1, 5]])),
    "put": lambda t, x, y: x.put(t.tensor([1, 7, -2]), y[0, 0, :3]),
    "put accumulate": lambda t, x, y: x.put(t.tensor([1, 7, 1]), y[0, 0, :3], accumulate=True),
    "put_": lambda t, x, y: (x * 1).transpose(0, 1).put_(t.tensor([1, 7, 1]), y[0, 0, :3], accumulate=True),
    "masked_select": lambda t, x, y: x[0, 0].masked_select(y.detach() > 0),
    "masked_scatter": lambda t, x, y: x.masked_scatter(t.tensor([True, False, True, False, True]), y),
    "masked_scatter_": lambda t, x, y: (x * 1).masked_scatter_(x.detach() > 0, y),
    "as_strided overlapping": lambda t, x, y: (x * y)[0].as_strided((3, 3), (2, 1), 2),
    "int32": lambda t, x, y: x[t.tensor([0, 2], dtype=t.int32)],
}
for _reduce in ("sum", "prod", "mean", "amax", "amin"):
    for _include in (True, False):
        for _name in ("scatter_reduce", "scatter_reduce_"):
            GRADIENTS[f"{_name} {_reduce} {_include}"] = lambda t, x, y, n=_name, r=_reduce, i=_include: getattr(x * 1, n)(
                1, t.tensor([[[0, 1, 2, 3, 1], [0, 1, 0, 0, 0], [0, 1, 3, 3, 2]]] * 3), y[:, :3] * 1, r, include_self=i)


def program(t, f):
    rng = np.random.default_rng(0)
    x, y = (t.tensor(rng.standard_normal((3, 4, 5)), requires_grad=True) for _ in range(2))
    out = f(t, x, y)
    weight = t.linspace(1, 2, out.numel(), dtype=t.float64).reshape(out.shape)
    first = t.autograd.grad((out * out * weight).sum(), [x, y], create_graph=True, allow_unused=True)
    weight = t.linspace(-1, 3, 60, dtype=t.float64).reshape(3, 4, 5)
    second = t.autograd.grad(sum((g * g * weight).sum() for g in first if g is not None), [x, y], allow_unused=True)
    arrays = [None if g is None else np.array(g.tolist()) for g in [out, *first, *second]]
    return type(out.grad_fn).__name__, [np.zeros((3, 4, 5)) if a is None else a for a in arrays]


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_as_pytorch(name):
    oracle = pytest.importorskip("torch")
    expected_name, expected = program(oracle, GRADIENTS[name])
    got_name, got = program(torch, GRADIENTS[name])
    assert got_name == expected_name
    for a, b in zip(got, expected):
        assert a.shape == b.shape
        assert np.allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_numerically(name):
    rng = np.random.default_rng(1)
    x, y = (torch.tensor(rng.standard_normal((3, 4, 5)), requires_grad=True) for _ in range(2))
    order = 0 if torch.get_default_device().type == "cpu" else 1e-12      # a device multiplies into one place in any order
    assert torch.autograd.gradcheck(lambda a, b: GRADIENTS[name](torch, a, b) * 1, (x, y), nondet_tol=order)


def test_reversed():
    x = torch.arange(6.0, requires_grad=True)
    assert reversed(x.view(2, 3)).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert type(reversed(x).grad_fn).__name__ == "FlipBackward0"
    assert reversed(torch.tensor(1)).item() == 1


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.int32, torch.int16, torch.bfloat16])
@pytest.mark.parametrize("length", [1, 5, 64, 1031, 5000])
def test_long_rows_of_indices(dtype, length):
    """Every index, and the same one again and again, is used in order; the layouts take different loops.  Which of several
    values for one place stays is left open on a device."""
    rng = np.random.default_rng(length)
    k, source = rng.integers(0, 7, (3, length)), rng.integers(-9, 9, (3, length))
    small = rng.integers(-9, 9, (3, 7))
    index, values, table = torch.tensor(k), torch.tensor(source).to(dtype), torch.tensor(small).to(dtype)
    assert table.gather(1, index).tolist() == np.take_along_axis(small, k, 1).tolist()
    assert table.t().contiguous().gather(0, index.t()).t().tolist() == np.take_along_axis(small, k, 1).tolist()
    last, summed = small.copy(), small.copy()
    for row in range(3):
        for column in range(length):
            last[row, k[row, column]] = source[row, column]
        np.add.at(summed[row], k[row], source[row])
    if table.device.type == "cpu":
        assert table.scatter(1, index, values).tolist() == last.tolist()
        assert table.t().contiguous().t().scatter(1, index.t().contiguous().t(), values).tolist() == last.tolist()
    if dtype != torch.bfloat16:
        assert table.scatter_add(1, index, values).tolist() == summed.tolist()


@pytest.mark.kernels
@pytest.mark.parametrize("bad", [7, -1, 1 << 62, -(1 << 63)])
@pytest.mark.parametrize("place", [0, 3, 2047, 2048, 4999])
def test_one_index_out_of_range(bad, place):
    index, table, values = torch.zeros(5000, dtype=torch.int64), torch.arange(7.), torch.ones(5000)
    index[place] = bad
    for call in (lambda: table.gather(0, index), lambda: table.scatter(0, index, values),
                 lambda: table.scatter_add(0, index, values), lambda: table.scatter_(0, index, values),
                 lambda: table.scatter_add_(0, index, values), lambda: table.scatter_(0, index, 5.0),
                 lambda: table.scatter_reduce(0, index, values, "prod")):
        with pytest.raises(RuntimeError, match=f"index {bad} is out of bounds for dimension 0 with size 7"):
            call()
    assert table.tolist() == [0, 1, 2, 3, 4, 5, 6]
    wide = torch.zeros(5000, 2, dtype=torch.int64)
    wide[:, 1] = index
    with pytest.raises(RuntimeError, match=f"index {bad} is out of bounds"):
        table.gather(0, wide[:, 1])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"])
@pytest.mark.parametrize("reduce", ["sum", "prod", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_in_every_dtype(dtype, reduce, include_self):
    """Against a loop over NumPy's scalars: several elements meet, some none; a NaN wins over what is greater or less."""
    kind = getattr(torch, dtype)
    draw = np.random.default_rng(3)
    start, source = draw.integers(0, 3, (4, 5)).astype(float), draw.integers(0, 3, (6, 5)).astype(float)
    at = draw.integers(0, 4, (6, 5))
    at[at == 2] = 1
    if kind.is_floating_point:
        source[1, 1], source[4, 2] = np.nan, -np.inf
    meet = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
    if dtype == "bool":
        start, source = start > 1, source > 1
        meet = {"sum": np.logical_or, "prod": np.logical_and, "amax": np.logical_or, "amin": np.logical_and}[reduce]
    expected, met = start.copy(), np.zeros((4, 5), bool)
    for i, j in np.ndindex(6, 5):
        first = not include_self and not met[at[i, j], j]
        with np.errstate(invalid="ignore"):
            expected[at[i, j], j] = source[i, j] if first else meet(expected[at[i, j], j], source[i, j])
        met[at[i, j], j] = True
    got = torch.tensor(start).to(kind).scatter_reduce(0, torch.tensor(at), torch.tensor(source).to(kind), reduce, include_self=include_self)
    np.testing.assert_array_equal(got.double().numpy(), expected.astype(np.float64))


@pytest.mark.parametrize("write", [
    "x.scatter_add_(0, x, torch.tensor([10 ** 12, 0]))", "x.scatter_(0, x, 10 ** 13)", "x.scatter_(0, x, torch.tensor([10 ** 12, 5]))",
    "x.index_add_(0, x, torch.tensor([10 ** 12, 5]))", "x.index_copy_(0, x, torch.tensor([10 ** 12, 5]))", "x.index_fill_(0, x, 10 ** 12)",
    "x.put_(x, torch.tensor([10 ** 12, 5]))", "x.scatter_reduce_(0, x, torch.tensor([10 ** 12, 5]), 'amax')",
])
def test_an_index_that_is_written_is_read_first(write):
    """PyTorch refuses these; reading while writing would leave the tensor's memory."""
    x, y = torch.tensor([1, 0]), torch.tensor([1, 0])
    eval(write, {"torch": torch, "x": x})
    eval(write.replace("0, x", "0, i").replace("(x", "(i"), {"torch": torch, "x": y, "i": torch.tensor([1, 0])})
    assert x.tolist() == y.tolist()


def test_a_mask_that_is_written_is_read_first():
    x = torch.tensor([True] + [False] * 1000)
    x[1:].masked_scatter_(x[:-1], torch.tensor([True]))
    assert x.tolist() == [True, True] + [False] * 999


@pytest.mark.cpu
@pytest.mark.parametrize("bad", [10**12, 3, -1])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_embedding_indices_written_since_are_checked_in_backward(bad, by_frequency):
    array = np.array([1, 0, 2])
    table = torch.rand(3, 4, requires_grad=True)
    y = torch.nn.functional.embedding(torch.from_numpy(array), table, scale_grad_by_freq=by_frequency)
    array[:] = bad
    with pytest.raises(IndexError, match="index out of range in self"):
        y.sum().backward()


def test_masked_scatter_with_a_mask_that_grew_since():
    mask = torch.zeros(10**6, dtype=torch.bool)
    mask[0] = True
    source = torch.ones(1, requires_grad=True)
    y = torch.zeros(10**6).masked_scatter(mask, source)
    mask.data.fill_(True)
    with pytest.raises(RuntimeError, match=r"shape '\[1\]' is invalid for input of size 1000000"):
        y.sum().backward()
