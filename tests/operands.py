"""Hypothesis strategies: tensors of every shape, dtype and layout, each beside its twin in NumPy.

A layout is drawn first (permuted, stepped, offset, expanded), then one and the same views are taken of one and the
same base in both libraries.  Elements come from a seeded generator: drawn one by one they would be most of the time.
Floats are multiples of 1/4 up to 4 in size: sums and products of a few are exact in every dtype.
"""

import numpy as np
from hypothesis import strategies as st

import ctorch as torch

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
DTYPES = FLOATS + INTEGERS + (torch.bool,)
WIDE = (torch.float32, torch.float64, torch.int64)
# bfloat16 has no dtype in NumPy: its twin is float32.
NUMPY = {dtype: np.dtype("float32" if dtype is torch.bfloat16 else str(dtype).partition(".")[2]) for dtype in DTYPES}

dtypes = st.sampled_from(DTYPES)
seeds = st.integers(0, 2**32 - 1)


def shapes(low=0, high=4, most=5, least=0):
    return st.lists(st.integers(least, most), min_size=low, max_size=high).map(tuple)


def elements(shape, dtype, seed):
    draw = np.random.default_rng(seed)
    if dtype is torch.bool:
        values = draw.random(shape) < 0.5
    elif dtype in INTEGERS:
        values = draw.integers(0 if dtype is torch.uint8 else -9, 10, shape)
    else:
        values = draw.integers(-16, 17, shape) / 4
    return np.array(values, NUMPY[dtype])


@st.composite
def pairs(draw, shape=shapes(), dtype=dtypes, expand=True):
    """(tensor, array): equal values, equal layout; the tensor's memory is its own."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else tuple(shape)
    dtype = draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype
    n = len(shape)
    order = draw(st.permutations(range(n)))
    steps = draw(st.lists(st.sampled_from((1, 1, 1, 2, 3)), min_size=n, max_size=n))
    starts = draw(st.lists(st.sampled_from((0, 0, 1)), min_size=n, max_size=n))
    repeated = draw(st.lists(st.sampled_from((False, False, False, expand)), min_size=n, max_size=n))
    sides = [1 if r else (start + (side - 1) * step + 1 if side else start)
             for side, start, step, r in zip(shape, starts, steps, repeated)]
    index = tuple(slice(None) if r else slice(start, None, step) for start, step, r in zip(starts, steps, repeated))
    base = elements([sides[d] for d in order], dtype, draw(seeds))
    back = [order.index(d) for d in range(n)]
    array = np.broadcast_to(base.transpose(back)[index], shape).copy()
    tensor = torch.from_numpy(base.copy()).to(dtype).permute(back)[index].expand(shape)
    return tensor, array


@st.composite
def with_dims(draw, low=1, pair=None, **options):
    """(tensor, array, dim) with a dim of the tensor, negative half the time."""
    tensor, array = draw(pair if pair is not None else pairs(shapes(low), **options))
    n = max(tensor.dim(), 1)
    return tensor, array, draw(st.integers(-n, n - 1))


def sides_to_broadcast(shape):
    """Shapes that broadcast with the given one: leading sides left off, some sides 1."""
    keep = st.lists(st.booleans(), min_size=len(shape), max_size=len(shape))
    return st.tuples(keep, st.integers(0, len(shape))).map(
        lambda drawn: tuple(s if k else 1 for s, k in zip(shape, drawn[0]))[drawn[1]:])


@st.composite
def broadcast_pairs(draw, dtype=dtypes, second=None):
    """Two pairs of one dtype (or the second of another) whose shapes broadcast."""
    shape, dtype = draw(shapes()), draw(dtype)
    one, two = draw(sides_to_broadcast(shape)), draw(sides_to_broadcast(shape))
    return draw(pairs(one, dtype)) + draw(pairs(two, draw(second) if second is not None else dtype))


def array_of(tensor):
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def same(tensor, expected):
    """Equal shape and values, NaN equal to NaN."""
    got, expected = array_of(tensor), array_of(expected) if isinstance(expected, torch.Tensor) else np.asarray(expected)
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


def close(tensor, expected, rtol=None):
    got, expected = array_of(tensor), array_of(expected) if isinstance(expected, torch.Tensor) else np.asarray(expected)
    assert got.shape == expected.shape
    unit = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 2e-6}.get(tensor.dtype, 1e-13)
    np.testing.assert_allclose(got.astype(np.float64), expected.astype(np.float64), rtol=rtol or unit, atol=unit)
