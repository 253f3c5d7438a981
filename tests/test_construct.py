"""Tensors from Python data and from nothing: dtypes, shapes, errors, hostile objects; against PyTorch if it is here."""

import gc
import math
import sys

import numpy as np
import pytest

import ctorch as torch

INFERRED = [
    ("[]", "float32", (0,)), ("[[], []]", "float32", (2, 0)), ("[1, 2]", "int64", (2,)), ("[1, 2.]", "float32", (2,)),
    ("[True, 1]", "int64", (2,)), ("[True, False]", "bool", (2,)), ("1", "int64", ()), ("1.", "float32", ()),
    ("[[1, 2], (3, 4)]", "int64", (2, 2)), ("range(3)", "int64", (3,)), ("np.float64(1)", "float64", ()),
    ("[np.float64(1)]", "float64", (1,)), ("[np.float32(1), 2.]", "float32", (2,)), ("np.int32(3)", "int32", ()),
    ("[np.int16(3)]", "int16", (1,)), ("np.bool_(True)", "bool", ()), ("np.arange(3, dtype=np.uint8)", "uint8", (3,)),
    ("[np.arange(2), np.arange(2)]", "int64", (2, 2)), ("[torch.tensor(1.), torch.tensor(2)]", "float32", (2,)),
    ("[torch.tensor(1., dtype=torch.float64), 1]", "float64", (2,)), ("[torch.ones(1), torch.ones(1)]", "float32", (2,)),
    ("[[torch.tensor(1), 2], [3, 4]]", "int64", (2, 2)), ("bytearray(b'ab')", "int64", (2,)), ("np.array(5)", "int64", ()),
]


@pytest.mark.parametrize("data, dtype, shape", INFERRED, ids=[case[0] for case in INFERRED])
def test_inference(data, dtype, shape):
    value = eval(data, {"np": np, "torch": torch})
    t = torch.tensor(value)
    assert str(t.dtype) == f"torch.{dtype}" and tuple(t.shape) == shape and not t.requires_grad
    assert t.is_contiguous()


BAD_DATA = [
    ("[[1, 2], [3, 4, 5]]", ValueError, "expected sequence of length 2 at dim 1 (got 3)"),
    ("[[1, 2], [3]]", ValueError, "expected sequence of length 2 at dim 1 (got 1)"), ("[[1], 2]", TypeError, "not a sequence"),
    ("[1, [2]]", TypeError, "'list' object cannot be interpreted"), ("'abc'", TypeError, "invalid data type 'str'"),
    ("['a']", ValueError, "too many dimensions 'str'"), ("[1.5, 'a']", TypeError, "invalid data type 'str'"),
    ("None", RuntimeError, "Could not infer dtype of NoneType"), ("{}", RuntimeError, "Could not infer dtype of dict"),
    ("object()", RuntimeError, "Could not infer dtype of object"), ("iter([1])", RuntimeError, "Could not infer dtype"),
    ("[2**63]", ValueError, "Overflow"), ("2**70", ValueError, "Overflow"),
    ("[torch.ones(2), torch.ones(2)]", ValueError, "only one element tensors"),
    ("np.array(['a'])", TypeError, "can't convert np.ndarray"), ("np.array([1, 2])[::-1]", ValueError, "negative"),
    ("np.array([1], dtype='>i4')", ValueError, "byte order"), ("np.array([object()])", TypeError, "can't convert np.ndarray"),
]


@pytest.mark.parametrize("data, kind, phrase", BAD_DATA, ids=[case[0] for case in BAD_DATA])
def test_refused_data(data, kind, phrase, nothing_left):
    with pytest.raises(kind) as caught:
        torch.tensor(eval(data, {"np": np, "torch": torch}))
    assert phrase in str(caught.value)


def test_deep_and_self_containing_lists():
    deep = 1.
    for _ in range(10_000):
        deep = [deep]
    own = []
    own.append(own)
    for data in (deep, own, [own, 1]):
        with pytest.raises(ValueError, match="too many dimensions"):
            torch.tensor(data)
    assert torch.tensor([[[[[[[[1.]]]]]]]]).ndim == 8


def test_lists_that_change_while_they_are_read():
    class Shrinks:
        def __init__(self, target):
            self.target = target

        def __index__(self):
            self.target.clear()
            return 1

    class Raises:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            raise KeyError("mine")

    data = [[1, 2], [3, 4]]
    data[0][0] = Shrinks(data[0])
    with pytest.raises((TypeError, ValueError, IndexError, RuntimeError)):
        torch.tensor(data, dtype=torch.int64)
    data = [1, 2, 3, 4]
    data[1] = Shrinks(data)
    with pytest.raises((TypeError, ValueError, IndexError, RuntimeError)):
        torch.tensor(data, dtype=torch.float32)
    with pytest.raises(KeyError, match="mine"):
        torch.tensor(Raises())


@pytest.mark.parametrize("value, dtype, phrase", [
    (300, torch.uint8, "without overflow"), (300., torch.uint8, "without overflow"), (1e20, torch.int64, "without overflow"),
    (math.nan, torch.int32, "without overflow"), (2 ** 31, torch.int32, "without overflow"), (-129, torch.int8, "without overflow"),
])
def test_numbers_that_do_not_fit(value, dtype, phrase):
    for make in (lambda: torch.tensor([value], dtype=dtype), lambda: torch.full((2,), value, dtype=dtype)):
        with pytest.raises(RuntimeError, match=phrase):
            make()


def test_conversions():
    assert torch.tensor([1.7, -1.7], dtype=torch.int64).tolist() == [1, -1]
    assert torch.tensor([-1], dtype=torch.uint8).tolist() == [255]
    assert torch.tensor([2, 0, .5], dtype=torch.bool).tolist() == [True, False, True]
    assert torch.tensor([1, 2], dtype=torch.bfloat16).tolist() == [1, 2]
    assert torch.tensor([1e400]).tolist() == [math.inf]
    assert torch.tensor([1, 2], dtype=float).dtype is torch.float64
    assert torch.tensor([1., 2.], device="meta").device.type == "meta"


def test_keywords():
    assert torch.tensor(data=[1.], requires_grad=True).requires_grad
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([1], requires_grad=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        torch.tensor([1], foo=1)
    with pytest.raises(TypeError, match="missing 1 required"):
        torch.tensor()
    with pytest.raises(TypeError, match="positional"):
        torch.tensor([1], torch.float32)
    with pytest.warns(UserWarning, match="sourceTensor.detach"):
        source = torch.ones(2, requires_grad=True)
        copy = torch.tensor(source)
    assert not copy.requires_grad and copy.data_ptr() != source.data_ptr()


@pytest.mark.cpu
def test_as_tensor_and_asarray_share_what_they_can():
    t, a = torch.ones(2), np.ones(2, dtype=np.float32)
    assert torch.as_tensor(t) is t
    assert torch.as_tensor(t, dtype=torch.float64).dtype is torch.float64
    shared = torch.as_tensor(a)
    a[0] = 5
    assert shared[0] == 5
    assert torch.asarray(a).data_ptr() == shared.data_ptr() != torch.asarray(a, copy=True).data_ptr()
    with pytest.raises(ValueError, match="alias"):
        torch.asarray([1], copy=False)
    assert torch.asarray(t, requires_grad=True).requires_grad and not t.requires_grad


def test_frombuffer():
    data = bytearray(8)
    t = torch.frombuffer(data, dtype=torch.float32)
    t[1] = 1
    assert data[4:] == np.float32(1).tobytes()
    with pytest.raises(BufferError):
        data.extend(b"x")                                # the tensor holds the memory
    del t
    data.extend(b"x")
    assert torch.frombuffer(b"abcd", dtype=torch.uint8, offset=1, count=2).tolist() == [98, 99]
    with pytest.raises(RuntimeError, match="read-only"):
        torch.frombuffer(b"abcd", dtype=torch.uint8).add_(1)
    for size, options in ((7, {}), (0, {}), (8, {"offset": 9}), (8, {"count": 3}), (8, {"offset": -1}), (8, {"count": 2 ** 62})):
        with pytest.raises(ValueError):
            torch.frombuffer(bytearray(size), dtype=torch.float32, **options)
    with pytest.raises(ValueError, match="buffer protocol"):
        torch.frombuffer([1], dtype=torch.int8)


LEGACY = [
    ("torch.Tensor()", "float32", (0,)), ("torch.Tensor(2, 3)", "float32", (2, 3)), ("torch.Tensor([1, 2])", "float32", (2,)),
    ("torch.Tensor((2, 3))", "float32", (2,)), ("torch.Tensor(torch.Size([2, 3]))", "float32", (2, 3)),
    ("torch.LongTensor([1.5])", "int64", (1,)), ("torch.FloatTensor(2, 2)", "float32", (2, 2)), ("torch.BoolTensor([1, 0])", "bool", (2,)),
    ("torch.DoubleTensor(np.arange(2))", "float64", (2,)), ("torch.ones(2, dtype=torch.int32).new([1, 2])", "int32", (2,)),
    ("torch.ones(2).new(2, 3)", "float32", (2, 3)), ("torch.ones(2, dtype=torch.int32).new_tensor([1.5])", "int32", (1,)),
    ("torch.Tensor(2, 3, device='cpu')", "float32", (2, 3)),
]


@pytest.mark.parametrize("call, dtype, shape", LEGACY, ids=[case[0] for case in LEGACY])
def test_legacy_constructors(call, dtype, shape):
    t = eval(call, {"torch": torch, "np": np})
    assert type(t) is torch.Tensor and str(t.dtype) == f"torch.{dtype}" and tuple(t.shape) == shape


@pytest.mark.cpu
def test_legacy_classes():
    assert isinstance(torch.ones(1), torch.FloatTensor) and not isinstance(torch.ones(1), torch.LongTensor)
    assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>"
    for call in (lambda: torch.Tensor(2.5), lambda: torch.Tensor(True), lambda: torch.Tensor(None), lambda: torch.Tensor("a"),
                 lambda: torch.LongTensor(torch.ones(2)), lambda: torch.Tensor(2, foo=1)):
        with pytest.raises(TypeError):
            call()

    class Mine(torch.Tensor):
        def __init__(self, data, name="none"):
            self.name = name

    assert type(Mine([1., 2.])) is Mine and Mine([1.], name="a").name == "a"


CREATED = [
    "torch.zeros(2, 3)", "torch.zeros((2, 3))", "torch.zeros(())", "torch.zeros(torch.tensor(2))", "torch.ones(2, dtype=torch.bool)",
    "torch.full((2,), 5)", "torch.full((2,), 5.)", "torch.full((2,), True)", "torch.full((2,), torch.tensor(5))",
    "torch.eye(3)", "torch.eye(2, 3)", "torch.eye(3, 2, dtype=torch.int32)", "torch.arange(5)", "torch.arange(5.)", "torch.arange(1, 4, 2)",
    "torch.arange(0, 1, 0.1)", "torch.arange(5, 0, -2)", "torch.arange(start=1, end=3)", "torch.arange(0)", "torch.arange(5, dtype=torch.float16)",
    "torch.arange(0.1, 1, 0.3, dtype=torch.int32)", "torch.arange(300, dtype=torch.uint8)",
    "torch.linspace(0, 1, 7)", "torch.linspace(3, -1, 5, dtype=torch.float64)", "torch.linspace(0, 10, steps=3, dtype=torch.int32)",
    "torch.linspace(0, 1, 1)", "torch.linspace(0, 1, 0)", "torch.linspace(3, 10, 5, dtype=torch.bfloat16)", "torch.logspace(0, 2, 5)",
    "torch.logspace(0, 2, 3, base=2, dtype=torch.float64)", "torch.zeros_like(x)", "torch.ones_like(x, dtype=torch.int8)",
    "torch.full_like(x.long(), 3.7)", "torch.zeros_like(x, memory_format=torch.contiguous_format)", "torch.zeros_like(torch.ones(3).expand(2, 3))",
    "torch.ones_like(x, requires_grad=True)", "x.new_zeros(2, 2)", "x.new_ones((2,), dtype=torch.int16)", "x.new_full((2,), 3)",
    "torch.tril_indices(3, 4, 1)", "torch.triu_indices(3, 3, -1)", "torch.triu_indices(2, 4, 1)", "torch.tril_indices(0, 3)",
    "torch.meshgrid(torch.arange(2), torch.arange(3), indexing='xy')[1]", "torch.meshgrid([torch.ones(2), torch.tensor(1.)], indexing='ij')[0]",
    "torch.cartesian_prod(torch.arange(2), torch.arange(3))", "torch.cartesian_prod(torch.arange(2))", "torch.combinations(torch.arange(4))",
    "torch.combinations(torch.arange(4.), r=3, with_replacement=True)", "torch.combinations(torch.arange(2), r=3)", "torch.scalar_tensor(2)",
]


@pytest.mark.parametrize("call", CREATED)
def test_created_as_pytorch(call):
    oracle = pytest.importorskip("torch")
    got, expected = (eval(call, {"torch": t, "x": t.arange(6.).view(2, 3).t()}) for t in (torch, oracle))
    assert str(got.dtype) == str(expected.dtype) and tuple(got.shape) == tuple(expected.shape)
    assert got.stride() == expected.stride() and got.requires_grad == expected.requires_grad
    if got.dtype.is_floating_point:
        one_ulp = {torch.float64: 2e-16, torch.float32: 2e-7, torch.float16: 1e-3, torch.bfloat16: 8e-3}[got.dtype]
        assert np.allclose(got.tolist(), expected.tolist(), rtol=one_ulp, atol=one_ulp)
    else:
        assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("call, kind, phrase", [
    ("torch.zeros(2.)", TypeError, "must be tuple of ints, not float"), ("torch.zeros('a')", TypeError, "must be tuple of ints"),
    ("torch.zeros(2, 'a')", TypeError, "size"), ("torch.zeros(True)", TypeError, "bool"), ("torch.zeros(-1)", RuntimeError, "negative dimension"),
    ("torch.zeros((2, 3), 4)", TypeError, "positional"), ("torch.zeros(2**62, 4)", RuntimeError, "calculation overflowed"),
    ("torch.zeros(2**61)", RuntimeError, "calculation overflowed"),
    pytest.param("torch.empty(2**45)", MemoryError, "can't allocate memory", marks=pytest.mark.cpu),
    ("torch.empty(0, 2**62, 2**62)", RuntimeError, "overflowed"), ("torch.zeros(2, dtype='float')", TypeError, "must be torch.dtype"),
    ("torch.zeros(2, dtype=torch.int8, requires_grad=True)", RuntimeError, "floating point"), ("torch.zeros(2, names=1)", TypeError, "names"),
    ("torch.full((2,))", TypeError, "missing"), ("torch.full((2,), 'a')", TypeError, "must be Number"), ("torch.eye(-1)", RuntimeError, "greater or equal to 0"),
    ("torch.arange(0, 5, 0)", RuntimeError, "step must be nonzero"), ("torch.arange(0, 5, -1)", RuntimeError, "inconsistent with step sign"),
    ("torch.arange(float('inf'))", RuntimeError, "unsupported range: 0 -> inf"), ("torch.arange(1e20)", RuntimeError, "invalid size"),
    ("torch.arange(2, dtype=torch.bool)", NotImplementedError, "'Bool'"), ("torch.linspace(0, 1, -1)", RuntimeError, "non-negative"),
    ("torch.empty_strided((2, 3), (1,))", RuntimeError, "dimensionality of sizes (2)"), ("torch.empty_strided((2,), (-1,))", RuntimeError, "overflowed"),
    ("torch.zeros_like([1])", TypeError, "must be Tensor, not list"), ("torch.triu_indices(-1, 4)", RuntimeError, "row must be non-negative"),
    ("torch.meshgrid(torch.ones(2, 2))", RuntimeError, "Expected 0D or 1D tensor"), ("torch.meshgrid()", RuntimeError, "non-empty TensorList"),
    ("torch.meshgrid(torch.ones(2), indexing='zz')", RuntimeError, "indexing must be one of"), ("torch.combinations(torch.ones(2, 2))", RuntimeError, "1D vector"),
    ("torch.set_default_dtype(torch.int32)", TypeError, "only floating-point types"), ("torch.set_default_dtype(5)", TypeError, "invalid dtype object"),
])
def test_refused_creation(call, kind, phrase, nothing_left):
    with pytest.raises(kind) as caught:
        eval(call, {"torch": torch})
    assert phrase in str(caught.value)


def test_refused_cuda(nothing_left):
    """Without the library, as PyTorch's build for the CPU; with it and no device, as its build for CUDA."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    built = torch._C._cuda_is_built()
    with pytest.raises(RuntimeError if built else AssertionError) as caught:
        torch.zeros(2, device="cuda")
    assert ("no NVIDIA driver" if built else "not compiled with CUDA") in str(caught.value)


def test_allocation_error_is_both():
    with pytest.raises(MemoryError):
        torch.empty(2 ** 45)
    with pytest.raises(RuntimeError):
        torch.empty(2 ** 45)


def test_default_dtype():
    assert torch.get_default_dtype() is torch.float32
    try:
        torch.set_default_dtype(torch.float64)
        assert torch.tensor(1.).dtype is torch.float64 and torch.zeros(1).dtype is torch.float64
        assert torch.arange(2.).dtype is torch.float64 and torch.Tensor(1).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_arange_counts_integers_exactly():
    assert torch.arange(-2 ** 62, 2 ** 62, 2 ** 61).tolist() == [-2 ** 62, -2 ** 61, 0, 2 ** 61]
    assert torch.arange(2 ** 53, 2 ** 53 + 3).tolist() == [2 ** 53, 2 ** 53 + 1, 2 ** 53 + 2]


def test_out():
    out = torch.empty(3)
    assert torch.zeros(3, out=out) is out and out.tolist() == [0, 0, 0]


def test_data_is_not_kept():
    data = [1.5, 2.5]
    before = sys.getrefcount(data)
    for _ in range(10):
        torch.tensor(data)
        torch.tensor([data, data])
    gc.collect()
    assert sys.getrefcount(data) == before
