"""Copies that are more than a loop over elements: transposed planes, fills, half types."""

import itertools

import numpy as np
import pytest

import ctorch

DTYPES = {"bool": 1, "int16": 2, "float32": 4, "float64": 8}
SHAPES = [(8, 8), (7, 9), (16, 16), (17, 33), (3, 40, 50), (2, 3, 16, 31), (300, 300), (1, 20, 20)]


def numbered(shape, dtype):
    n = int(np.prod(shape))
    values = np.arange(n) % 3 == 0 if dtype == "bool" else np.arange(n)
    return values.astype(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_transposed_copy(shape, dtype):
    array = numbered(shape, dtype)
    tensor = ctorch.from_numpy(array)
    for order in itertools.islice(itertools.permutations(range(len(shape))), 24):
        permuted = tensor.permute(order)
        assert np.array_equal(permuted.contiguous().numpy(), array.transpose(order))
        target = ctorch.empty(shape, dtype=tensor.dtype).permute(order)
        assert np.array_equal(target.copy_(permuted).numpy(), array.transpose(order))
        step = permuted[..., ::2]
        assert np.array_equal(step.contiguous().numpy(), array.transpose(order)[..., ::2])


def test_transposed_copy_of_flipped_and_broadcast():
    array = numbered((40, 50), "float32")
    tensor = ctorch.from_numpy(array)
    assert np.array_equal(tensor.flip(0).t().contiguous().numpy(), array[::-1].T)
    wide = tensor.t().unsqueeze(0).expand(3, 50, 40)
    assert np.array_equal(wide.contiguous().numpy(), np.broadcast_to(array.T, (3, 50, 40)))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 511, 512, 1023, 1024, 1025, 5000, 100_000])
@pytest.mark.parametrize("value, dtype", [(0, "float32"), (2.5, "float32"), (-1, "int64"), (7, "int16"),
                                          (1.1, "float64"), (3, "uint8"), (True, "bool"), (257, "int32")])
def test_fill(n, value, dtype):
    whole = ctorch.zeros(n + 2, dtype=getattr(ctorch, dtype))
    whole[1:n + 1].fill_(value)
    expected = np.zeros(n + 2, dtype)
    expected[1:n + 1] = value
    assert np.array_equal(whole.numpy(), expected)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("n", [1, 7, 8, 17, 1000])
def test_half_there_and_back(name, n):
    dtype = getattr(ctorch, name)
    values = ctorch.linspace(-3, 70000, n)
    there = values.to(dtype)
    one_by_one = ctorch.stack([v.to(dtype) for v in values])
    assert ctorch.equal(there, one_by_one)
    assert ctorch.equal(there.float(), ctorch.stack([v.float() for v in there]))
    assert ctorch.equal(there.float().to(dtype), there)


def test_every_half_survives_float():
    bits = ctorch.from_numpy(np.arange(-32768, 32768).astype(np.int16))
    for dtype in (ctorch.float16, ctorch.bfloat16):
        half = bits.view(dtype)
        back = half.float().to(dtype)
        number = ~half.isnan()
        assert ctorch.equal(back.view(ctorch.int16)[number], bits[number])
        assert back[~number].isnan().all()


# ---------------------------------------------------------------- parts of short rows
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("widths", [(1, 1), (1, 1, 1), (2, 1), (1, 30), (5, 1019), (0, 3), (300, 400)])
def test_parts_of_short_rows_join(widths, dtype):
    rng = np.random.default_rng(sum(widths))
    arrays = [rng.integers(0, 200, (70, 64, width)).astype(dtype) for width in widths]
    parts = [ctorch.from_numpy(a) for a in arrays]
    assert np.array_equal(ctorch.cat(parts, 2).numpy(), np.concatenate(arrays, 2))
    inner = [a[:, :, a.shape[2] // 3:] for a in arrays]         # rows at a stride of their own
    assert np.array_equal(ctorch.cat([p[:, :, p.shape[2] // 3:] for p in parts], 2).numpy(), np.concatenate(inner, 2))
    outer = [a[::2] for a in arrays]                            # no one stride from row to row
    assert np.array_equal(ctorch.cat([p[::2] for p in parts], 2).numpy(), np.concatenate(outer, 2))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("n", [2, 3, 17])
def test_stacks_interleave(n, dim, dtype):
    arrays = [np.random.default_rng(k).integers(0, 200, (70, 64)).astype(dtype) for k in range(n)]
    parts = [ctorch.from_numpy(a) for a in arrays]
    assert np.array_equal(ctorch.stack(parts, dim).numpy(), np.stack(arrays, dim))
    assert np.array_equal(ctorch.stack([p.t() for p in parts], dim).numpy(), np.stack([a.T for a in arrays], dim))
