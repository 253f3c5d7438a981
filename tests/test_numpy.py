"""Tensors and NumPy arrays: memory shared both ways, lifetimes, operators in both orders, protocols."""

import gc
import hashlib
import subprocess
import sys
import weakref

import numpy as np
import pytest

import ctorch as torch

pytestmark = pytest.mark.cpu

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_ways_share_memory(dtype):
    a = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    t = torch.from_numpy(a)
    assert str(t.dtype) == f"torch.{dtype}" and t.tolist() == a.tolist()
    a[0, 0] = 1
    assert t[0, 0] == 1
    t[1] = 0
    assert a[1].tolist() == [0, 0, 0]
    back = t.numpy()
    assert back.dtype == a.dtype and back.ctypes.data == a.ctypes.data
    assert np.shares_memory(np.asarray(t), a)


@pytest.mark.parametrize("view", ["a.T", "a[:, ::2]", "a[1:]", "a[:0]", "a[0, 0:1].reshape(())", "np.broadcast_to(a[0], (4, 3))", "a[..., None]"])
def test_layouts(view):
    a = np.arange(6.).reshape(2, 3)
    b = eval(view, {"a": a, "np": np})
    t = torch.from_numpy(b)
    assert tuple(t.shape) == b.shape and t.tolist() == b.tolist()
    assert t.numpy().tolist() == b.tolist()
    if b.size and b.ndim:
        assert t.numpy().strides == b.strides


@pytest.mark.parametrize("array, kind, phrase", [
    ("[1]", TypeError, "expected np.ndarray"), ("np.float32(1)", TypeError, "expected np.ndarray"), ("np.array(['a'])", TypeError, "can't convert"),
    ("np.array([None])", TypeError, "can't convert"), ("np.array([1j])", TypeError, "can't convert"), ("np.arange(3)[::-1]", ValueError, "negative"),
    ("np.arange(3, dtype='>i4')", ValueError, "byte order"), ("np.zeros(3, dtype='f4,i1')['f0']", ValueError, "multiple of the element"),
    ("np.frombuffer(bytearray(9), dtype='u1')[1:].view('f4')", ValueError, "aligned"),
])
def test_arrays_that_are_refused(array, kind, phrase, nothing_left):
    with pytest.raises(kind, match=phrase):
        torch.from_numpy(eval(array, {"np": np}))


def test_read_only_arrays_are_protected():
    a = np.arange(3.)
    a.flags.writeable = False
    t = torch.from_numpy(a)
    for write in (lambda: t.add_(1), lambda: t.__setitem__(0, 1.), lambda: t.copy_(torch.ones(3)), lambda: t[1:].zero_()):
        with pytest.raises(RuntimeError, match="read-only"):
            write()
    assert t.sum() == 3 and not t.numpy().flags.writeable
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.from_numpy(np.lib.stride_tricks.as_strided(np.zeros(1), (3,), (0,))).add_(1)


def test_lifetimes():
    class Array(np.ndarray):                             # takes weak references, so its death is seen
        pass

    a = np.arange(1000.).view(Array)
    alive = weakref.ref(a)
    t = torch.from_numpy(a)[10:20]
    del a
    gc.collect()
    assert alive() is not None and t[0] == 10
    del t
    gc.collect()
    assert alive() is None

    before = torch._C._live()
    t = torch.arange(1000.)
    b = t.numpy()[5:]
    del t
    gc.collect()
    torch.zeros(1000)                                    # would get the memory, had it been freed
    assert b[0] == 5
    del b
    gc.collect()
    assert torch._C._live() == before


def test_an_array_forbids_resizing():
    t = torch.zeros(100)
    a = t.numpy()
    with pytest.raises(RuntimeError, match="resiz"):
        t.resize_(1000)
    assert a.shape == (100,)


def test_numpy_method():
    t = torch.ones(2, requires_grad=True)
    for export in (t.numpy, lambda: np.asarray(t), lambda: np.array(t), lambda: t.__array__()):
        with pytest.raises(RuntimeError, match="Can't call numpy\\(\\) on Tensor that requires grad"):
            export()
    with pytest.raises(BufferError, match="requires grad"):
        memoryview(t)
    assert t.numpy(force=True).tolist() == [1, 1]
    with pytest.raises(TypeError, match="BFloat16"):
        torch.ones(2, dtype=torch.bfloat16).numpy()
    with pytest.raises(TypeError, match="meta device"):
        torch.ones(2, device="meta").numpy()


def test_arguments_of_the_way_to_numpy():
    for wrong, phrase in [(lambda t: t.numpy(1), "takes no positional arguments"), (lambda t: t.__array__("nonsense"), "nonsense")]:
        with pytest.raises(TypeError, match=phrase):
            wrong(torch.ones(2))


def test_array_protocols():
    t = torch.arange(6, dtype=torch.int32).view(2, 3).t()
    interface = t.__array_interface__
    assert interface["shape"] == (3, 2) and interface["typestr"] == "<i4" and interface["data"] == (t.data_ptr(), False)
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert np.array(t, copy=True).ctypes.data != t.data_ptr()
    assert t.__array__(copy=True).ctypes.data != t.data_ptr() == t.__array__(copy=False).ctypes.data
    with pytest.raises(ValueError, match="avoid copy"):
        t.__array__(np.float64, copy=False)
    view = memoryview(t)
    assert (view.shape, view.strides, view.format, view.readonly) == ((3, 2), (4, 12), "i", False)
    assert view.tolist() == t.tolist()
    assert bytes(torch.tensor([1, 2], dtype=torch.uint8)) == b"\1\2"
    with pytest.raises(BufferError, match="contiguous"):
        hashlib.sha256(t)
    assert np.concatenate([torch.ones(2), torch.zeros(1)]).tolist() == [1, 1, 0]
    assert np.array([torch.tensor(1.), torch.tensor(2.)]).tolist() == [1, 2]


OPERATORS = ["a + b", "a - b", "a * b", "a / b", "a // b", "a % b", "a ** b", "a < b", "a <= b", "a > b", "a >= b", "a == b", "a != b", "a @ b"]


@pytest.mark.parametrize("operation", OPERATORS)
def test_operators_in_both_orders(operation):
    x, y = np.array([[1., 2.], [3., 4.]]), np.array([[2., 1.], [1., 3.]])
    expected = eval(operation, {"a": x, "b": y})
    for a, b in ((torch.from_numpy(x), y), (x, torch.from_numpy(y)), (x.T.copy().T, torch.from_numpy(y)), (torch.from_numpy(x), y[::-1][::-1])):
        result = eval(operation, {"a": a, "b": b})
        assert type(result) is torch.Tensor
        assert np.allclose(result.numpy(), expected, rtol=1e-15)


def test_gradients_flow_through_array_operands():
    for f in (lambda t, a: t * a, lambda t, a: a * t, lambda t, a: a - t, lambda t, a: a / t, lambda t, a: a[::-1] + t):
        t = torch.tensor([2., 4.], dtype=torch.float64, requires_grad=True)
        out = f(t, np.array([3., 5.]))
        assert out.requires_grad
        out.sum().backward()
        assert t.grad is not None


def test_scalars_and_ufuncs():
    t = torch.ones(2)
    assert (t * np.float64(2)).dtype is torch.float32 and (np.float64(2) * t).dtype is torch.float32
    assert type(np.exp(t)) is torch.Tensor and np.exp(t).tolist() == np.exp(np.ones(2, dtype=np.float32)).tolist()
    assert np.isnan(t).tolist() == [False, False]
    with pytest.raises(TypeError):
        torch.add(t, np.ones(2))
    t += np.ones(2, dtype=np.float32)
    assert t.tolist() == [2, 2]
    a = b = np.ones(2)
    a += torch.ones(2)                                   # the array lets the tensor add: a is bound to the sum
    assert type(a) is torch.Tensor and a.tolist() == [2, 2] and b.tolist() == [1, 1]


def test_tolist():
    assert torch.tensor(3.5).tolist() == 3.5 and type(torch.tensor(True).tolist()) is bool
    assert torch.arange(6).view(2, 3).t().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert torch.ones(2, 0).tolist() == [[], []] and torch.ones(0, 2).tolist() == []
    assert torch.tensor([.1], dtype=torch.float32).tolist() == [0.10000000149011612]


def test_numpy_is_not_imported():
    code = ("import sys, ctorch as torch; x = torch.tensor([[1., 2.], [3., 4.]]); y = (x[0] * 2 + x[:, [0]]).tolist(); x[x > 2] = 0; "
            "5 in x; print('numpy' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
