"""Laws of structure on generated operands: views, joining, indexing, sorting, scans and copies, against NumPy and each other.

    pytest -m prop --hypothesis-profile=ci        200 examples of each; nightly: 2,000; without a profile, a few
"""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from operands import DTYPES, WIDE, close, dtypes, elements, pairs, same, seeds, shapes, with_dims

import ctorch as torch

pytestmark = pytest.mark.prop


def whole(pair):
    return pair[0].numel() > 0


# ---- Views

@given(pairs())
def test_values_reach_numpy_and_lists(pair):
    x, a = pair
    same(x, a)
    assert x.tolist() == a.tolist()
    assert x.shape == a.shape and x.numel() == a.size and x.dim() == a.ndim


@given(pairs(), st.data())
def test_reshape(pair, data):
    x, a = pair
    sides, rest = [], a.size
    while rest > 1 and len(sides) < 4 and data.draw(st.booleans()):
        sides.append(data.draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0])))
        rest //= sides[-1]
    shape = (*sides, rest)
    same(x.reshape(shape), a.reshape(shape))
    same(x.reshape(shape).reshape(x.shape), a)
    if a.size:
        at = data.draw(st.integers(0, len(shape) - 1))
        same(x.reshape(*shape[:at], -1, *shape[at + 1:]), a.reshape(shape))


@given(pairs(expand=False), st.data())
def test_a_view_shares_memory_or_is_refused(pair, data):
    x, a = pair
    shape = data.draw(st.sampled_from([(a.size,), (*a.shape, 1), (1, *a.shape), a.shape[:-2] + (math.prod(a.shape[-2:]),)]))
    try:
        y = x.view(shape)
    except RuntimeError:
        assert not x.is_contiguous()
        return
    same(y, a.reshape(shape))
    y.fill_(1)
    same(x, y.reshape(x.shape))


@given(st.lists(st.integers(2, 6), min_size=1, max_size=3), seeds, st.data())
def test_in_place_between_parts_of_one_tensor(shape, seed, data):
    """As NumPy does: every element is read before any is written.  Overlapping parts that are both dense are refused."""
    a = np.random.default_rng(seed).integers(1, 9, shape).astype(np.float32)
    windows = [[], []]
    for n in shape:
        step = data.draw(st.integers(1, n - 1))
        count = data.draw(st.integers(1, (n - 1) // step + 1))
        for window in windows:
            start = data.draw(st.integers(0, n - 1 - (count - 1) * step))
            window.append(slice(start, start + (count - 1) * step + 1, step))
    to, source = map(tuple, windows)
    if data.draw(st.booleans()):
        source = (*source[:-1], slice(source[-1].start, source[-1].start + 1))        # one column for all
    name = data.draw(st.sampled_from(["add_", "mul_", "copy_", "sub_"]))
    x, expected = torch.from_numpy(a.copy()), a.copy()
    if name == "copy_":
        expected[to] = a[source]
    else:
        expected[to] = getattr(np, {"add_": "add", "mul_": "multiply", "sub_": "subtract"}[name])(a[to], a[source])
    try:
        getattr(x[to], name)(x[source])
    except RuntimeError as error:
        assert "single memory location" in str(error)
        assert x[to].is_contiguous() and x[source].is_contiguous() and np.shares_memory(a[to], a[source])
        same(x, a)
        return
    same(x, expected)


@given(pairs(), st.data())
def test_permute_and_back(pair, data):
    x, a = pair
    order = data.draw(st.permutations(range(x.dim())))
    y = x.permute(order)
    same(y, a.transpose(order))
    assert y.stride() == tuple(x.stride(d) for d in order)
    same(y.permute([order.index(d) for d in range(x.dim())]), a)


@given(with_dims(), st.data())
def test_transpose_and_movedim(operand, data):
    x, a, one = operand
    two = data.draw(st.integers(-x.dim(), x.dim() - 1))
    same(x.transpose(one, two), a.swapaxes(one, two))
    same(x.transpose(one, two).transpose(one, two), a)
    same(x.movedim(one, two), np.moveaxis(a, one, two))
    same(x.movedim(one, two).movedim(two, one), a)


@given(pairs(), st.data())
def test_squeeze_undoes_unsqueeze(pair, data):
    x, a = pair
    dim = data.draw(st.integers(-x.dim() - 1, x.dim()))
    same(x.unsqueeze(dim), np.expand_dims(a, dim))
    same(x.unsqueeze(dim).squeeze(dim), a)
    same(x.squeeze(), a.squeeze())


@given(pairs(), shapes(0, 2))
def test_expand(pair, leading):
    x, a = pair
    shape = leading + tuple(a.shape)
    y = x.expand(shape)
    same(y, np.broadcast_to(a, shape))
    assert y.stride()[len(leading):] == x.stride() and set(y.stride()[:len(leading)]) <= {0}
    same(x.broadcast_to(shape), y)


@given(pairs())
def test_contiguous(pair):
    x, a = pair
    y = x.contiguous()
    same(y, a)
    assert y.is_contiguous() and y.contiguous() is y
    if x.is_contiguous():
        assert y is x
    elif whole(pair):
        assert y.data_ptr() != x.data_ptr()


@given(pairs())
def test_a_clone_is_independent(pair):
    x, a = pair
    y = x.clone()
    same(y, a)
    y.fill_(1)
    same(x, a)


@given(pairs(), st.data())
def test_flip(pair, data):
    x, a = pair
    dims = data.draw(st.lists(st.integers(0, x.dim() - 1), unique=True)) if x.dim() else []
    same(x.flip(dims), np.flip(a, dims) if dims else a)
    same(x.flip(dims).flip(dims), a)


@given(with_dims(), st.integers(-7, 7))
def test_roll(operand, k):
    x, a, dim = operand
    same(x.roll(k, dim), np.roll(a, k, dim))
    same(x.roll(k, dim).roll(-k, dim), a)
    same(x.roll(k), np.roll(a, k))


@given(pairs(shapes(2)), st.integers(-5, 5))
def test_rot90(pair, k):
    x, a = pair
    same(x.rot90(k), np.rot90(a, k))
    same(x.rot90(k, [1, 0]).rot90(k, [0, 1]), a)


@given(with_dims(), st.integers(1, 6))
def test_split_and_chunk_and_cat(operand, n):
    x, a, dim = operand
    pieces = x.split(n, dim)
    assert all(piece.shape[dim] == n for piece in pieces[:-1])
    same(torch.cat(pieces, dim), a)
    same(torch.cat(x.chunk(n, dim), dim), a)
    assert len(x.chunk(n, dim)) <= n
    for ours, theirs in zip(x.tensor_split(n, dim), np.array_split(a, n, dim), strict=True):
        same(ours, theirs)


@given(with_dims(dtype=st.sampled_from(WIDE)), st.lists(st.integers(0, 3), max_size=3), st.data())
def test_cat_of_different_sides(operand, sides, data):
    x, a, dim = operand
    more = [data.draw(pairs(a.shape[:dim % x.dim()] + (side,) + a.shape[dim % x.dim() + 1:], x.dtype)) for side in sides]
    y = torch.cat([x, *(t for t, _ in more)], dim)
    same(y, np.concatenate([a, *(b for _, b in more)], dim))
    for piece, b in zip(y.split([a.shape[dim], *sides], dim), [a, *(b for _, b in more)], strict=True):
        same(piece, b)


@given(pairs(), st.integers(1, 3), st.data())
def test_unbind_undoes_stack(pair, n, data):
    x, a = pair
    dim = data.draw(st.integers(-x.dim() - 1, x.dim()))
    y = torch.stack([x + i if x.dtype is not torch.bool else x for i in range(n)], dim)
    assert y.shape[dim] == n and y.dim() == x.dim() + 1
    same(y.unbind(dim)[0], a)
    same(y, np.stack([a + np.array(i, a.dtype) if a.dtype != bool else a for i in range(n)], dim))


@given(with_dims(expand=False), st.data())
def test_narrow_and_select_are_views(operand, data):
    x, a, dim = operand
    start = data.draw(st.integers(0, a.shape[dim]))
    length = data.draw(st.integers(0, a.shape[dim] - start))
    part = x.narrow(dim, start, length)
    index = (slice(None),) * (dim % x.dim()) + (slice(start, start + length),)
    same(part, a[index])
    part.zero_()
    a[index] = 0
    same(x, a)
    if a.shape[dim]:
        at = data.draw(st.integers(-a.shape[dim], a.shape[dim] - 1))
        x.select(dim, at).fill_(1)
        a[(slice(None),) * (dim % x.dim()) + (at,)] = 1
        same(x, a)


@given(with_dims(), st.data())
def test_unfold(operand, data):
    x, a, dim = operand
    assume(a.shape[dim])
    size = data.draw(st.integers(1, a.shape[dim]))
    windows = np.lib.stride_tricks.sliding_window_view(a, size, dim)
    for step in (1, 2, 3):
        steps = (slice(None),) * (dim % x.dim()) + (slice(None, None, step),)
        got = x.unfold(dim, size, step)
        same(got, windows[steps])


@given(pairs(shapes(2)), st.integers(-6, 6))
def test_diagonals_and_triangles(pair, k):
    x, a = pair
    if -a.shape[0] <= k <= a.shape[1]:
        same(x.diagonal(k), a.diagonal(k))
    same(x.tril(k), np.tril(a, k))
    same(x.triu(k), np.triu(a, k))
    same(torch.where(x.tril(k) != 0, x.tril(k), x.triu(k + 1)), a)
    if x.dim() == 2:
        same(x.diag(k), np.diag(a, k)) if -a.shape[0] <= k <= a.shape[1] else None


@given(pairs(shapes(1, 2)), st.integers(-3, 3))
def test_diag_embed_holds_its_diagonal(pair, k):
    x, a = pair
    y = x.diag_embed(k)
    same(y.diagonal(k, -2, -1), a)
    assert int(y.count_nonzero()) == np.count_nonzero(a)


@given(pairs(shapes(0, 3, 3)), st.data())
def test_repeat_and_tile(pair, data):
    x, a = pair
    times = data.draw(st.lists(st.integers(0, 2), min_size=x.dim(), max_size=x.dim() + 1))
    same(x.repeat(*times) if times else x.repeat(()), np.tile(a, times))
    same(x.tile(times), np.tile(a, times))


@given(with_dims(), st.integers(0, 3), st.data())
def test_repeat_interleave(operand, n, data):
    x, a, dim = operand
    same(x.repeat_interleave(n, dim), np.repeat(a, n, dim))
    each = data.draw(st.lists(st.integers(0, 3), min_size=a.shape[dim], max_size=a.shape[dim]))
    same(x.repeat_interleave(torch.tensor(each, dtype=torch.int64), dim), np.repeat(a, np.array(each, int), dim))


@given(with_dims(), st.data())
def test_unflatten_undoes_flatten(operand, data):
    x, a, start = operand
    end = data.draw(st.integers(start % x.dim(), x.dim() - 1))
    y = x.flatten(start, end)
    start %= x.dim()
    same(y, a.reshape(a.shape[:start] + (math.prod(a.shape[start:end + 1]),) + a.shape[end + 1:]))
    same(y.unflatten(start, a.shape[start:end + 1]), a)


@given(pairs())
def test_as_strided_with_its_own_strides(pair):
    x, a = pair
    same(x.as_strided(x.shape, x.stride(), x.storage_offset()), a)


# ---- Indexing

@st.composite
def basic_index(draw, shape):
    index = []
    for side in shape[:draw(st.integers(0, len(shape)))]:
        kinds = [st.slices(side).filter(lambda s: s.step is None or s.step > 0)] if side else [st.just(slice(None))]
        index.append(draw(st.one_of(*kinds, *([st.integers(-side, side - 1)] if side else []))))
        if draw(st.integers(0, 5)) == 0:
            index.append(None)
    if draw(st.integers(0, 3)) == 0:
        index.append(Ellipsis)
    return tuple(index)


@given(pairs(), st.data())
def test_basic_indexing(pair, data):
    x, a = pair
    index = data.draw(basic_index(a.shape))
    same(x[index], a[index])


@given(pairs(expand=False), st.data())
def test_basic_assignment(pair, data):
    x, a = pair
    index = data.draw(basic_index(a.shape))
    value, b = data.draw(pairs(a[index].shape, x.dtype))
    x[index] = value
    a[index] = b
    same(x, a)
    x[index] = 1
    a[index] = 1
    same(x, a)


@st.composite
def advanced_index(draw, shape, repeats=True):
    """(index for ctorch, numbers for NumPy, index for NumPy after them) with tensors and masks among slices and numbers.

    NumPy counts numbers among the lists that decide where the indexed dims go; PyTorch selects by them first.
    """
    ours, numbers, theirs, common = [], [], [], draw(shapes(0, 2, 3, 1))
    at = 0
    while at < len(shape):
        side = shape[at]
        kind = draw(st.sampled_from(["tensor", "slice", "number", "mask"]))
        if kind == "number" and side:
            ours.append(draw(st.integers(-side, side - 1)))
            numbers.append(ours[-1])
            at += 1
            continue
        elif kind == "tensor" and side and repeats:
            index = np.random.default_rng(draw(seeds)).integers(-side, side, common)
            ours.append(torch.from_numpy(np.array(index)))
            theirs.append(index)
        elif kind == "mask" and not any(isinstance(i, np.ndarray) for i in theirs):
            wide = draw(st.integers(1, len(shape) - at))
            mask = np.random.default_rng(draw(seeds)).random(shape[at:at + wide]) < 0.5
            ours.append(torch.from_numpy(mask))
            theirs.append(mask)
            break
        else:
            ours.append(slice(None))
            theirs.append(slice(None))
        numbers.append(slice(None))
        at += 1
    return tuple(ours), tuple(numbers), tuple(theirs)


@given(pairs(), st.data())
def test_advanced_indexing(pair, data):
    x, a = pair
    ours, numbers, theirs = data.draw(advanced_index(a.shape))
    try:
        expected = a[numbers][theirs]
    except IndexError:                       # a mask whose count does not broadcast with a list
        with pytest.raises(IndexError):
            x[ours]
        return
    same(x[ours], expected)


@given(pairs(expand=False), st.data())
def test_advanced_assignment(pair, data):
    x, a = pair
    ours, numbers, theirs = data.draw(advanced_index(a.shape, repeats=False))
    part = a[numbers + (...,)]
    value, b = data.draw(pairs(part[theirs].shape, x.dtype))
    x[ours] = value
    part[theirs] = b
    same(x, a)
    x[ours] = 0
    part[theirs] = 0
    same(x, a)


@given(with_dims(), st.data())
def test_index_select_and_gather(operand, data):
    x, a, dim = operand
    assume(a.shape[dim])
    index = data.draw(st.lists(st.integers(0, a.shape[dim] - 1), max_size=5))
    same(x.index_select(dim, torch.tensor(index, dtype=torch.int64)), a.take(np.array(index, int), dim))
    shape = list(a.shape)
    shape[dim] = data.draw(st.integers(0, 4))
    where = np.random.default_rng(data.draw(seeds)).integers(0, a.shape[dim], shape)
    same(x.gather(dim, torch.from_numpy(where)), np.take_along_axis(a, where, dim))
    same(x.take_along_dim(torch.from_numpy(where), dim), np.take_along_axis(a, where, dim))


@given(with_dims(), seeds)
def test_scatter_undoes_gather(operand, seed):
    x, a, dim = operand
    order = np.random.default_rng(seed).random(a.shape).argsort(dim)
    index = torch.from_numpy(order)
    same(torch.zeros_like(x).scatter(dim, index, x.gather(dim, index)), a)


@given(with_dims(dtype=st.sampled_from(WIDE)), st.integers(1, 4), seeds)
def test_scatter_add_and_index_add_keep_the_sum(operand, side, seed):
    x, a, dim = operand
    shape = list(a.shape)
    shape[dim] = side
    index = np.random.default_rng(seed).integers(0, side, a.shape)
    y = torch.zeros(shape, dtype=x.dtype).scatter_add(dim, torch.from_numpy(index), x)
    close(y.sum(dim), a.sum(dim))
    rows = np.random.default_rng(seed).integers(0, side, a.shape[dim])
    expected = np.zeros(shape, a.dtype)
    np.add.at(expected, (slice(None),) * (dim % x.dim()) + (rows,), a)
    close(torch.zeros(shape, dtype=x.dtype).index_add(dim, torch.from_numpy(rows), x), expected)


@given(pairs(), seeds)
def test_masks(pair, seed):
    x, a = pair
    m = np.array(np.random.default_rng(seed).random(a.shape) < 0.5)
    mask = torch.from_numpy(m)
    same(x.masked_select(mask), a[m])
    same(torch.zeros_like(x).masked_scatter(mask, x.masked_select(mask)), np.where(m, a, 0))
    same(x.masked_fill(mask, 1), np.where(m, np.array(1, a.dtype), a))
    same(torch.where(mask, x, torch.zeros_like(x)), np.where(m, a, np.zeros_like(a)))
    same(mask.nonzero(), np.argwhere(m))
    same(x.nonzero(), np.argwhere(a))
    assert int(mask.count_nonzero()) == m.sum()


@given(pairs(), st.data())
def test_take_and_put(pair, data):
    x, a = pair
    assume(a.size)
    index = data.draw(st.lists(st.integers(0, a.size - 1), unique=True, max_size=6))
    where = torch.tensor(index, dtype=torch.int64)
    same(x.take(where), a.take(index) if index else a.ravel()[:0])
    y = x.clone().put_(where, x.take(where).flip(0))
    b = a.copy()
    b.put(index, a.take(index)[::-1] if index else 0)
    same(y, b)


@given(with_dims())
def test_iteration_is_indexing(operand):
    x, a, _ = operand
    assert len(x) == len(a)
    for i, (row, expected) in enumerate(zip(x, a, strict=True)):
        same(row, expected)
        same(x[i], expected)


# ---- Order

@given(with_dims(), st.booleans())
def test_sort(operand, descending):
    x, a, dim = operand
    values, index = torch.sort(x, dim=dim, descending=descending, stable=True)
    key = -a.astype(np.float64) if descending else a
    same(index, key.argsort(dim, kind="stable"))
    same(values, np.take_along_axis(a, key.argsort(dim, kind="stable"), dim))
    same(x.gather(dim, index), values)
    same(torch.argsort(x, dim=dim, descending=descending, stable=True), index)
    same(values.sort(dim, descending)[0], values)


@given(with_dims(), st.data())
def test_topk_and_kthvalue_are_parts_of_sort(operand, data):
    x, a, dim = operand
    assume(x.dtype != torch.bool)  # has an order, but no topk
    k = data.draw(st.integers(0, a.shape[dim]))
    values, index = x.topk(k, dim)
    same(values, x.sort(dim, True)[0].narrow(dim, 0, k))
    same(x.gather(dim, index), values)
    if k:
        value, at = x.kthvalue(k, dim)
        same(value, np.sort(a, dim).take(k - 1, dim))
        same(x.gather(dim, at.unsqueeze(dim)).squeeze(dim), value)


@given(with_dims())
def test_median(operand):
    x, a, dim = operand
    assume(a.shape[dim] and x.dtype is not torch.bool)
    value, at = x.median(dim)
    same(value, np.sort(a, dim).take((a.shape[dim] - 1) // 2, dim))
    same(x.gather(dim, at.unsqueeze(dim)).squeeze(dim), value)


@given(pairs())
def test_unique(pair):
    x, a = pair
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    expected, numbers = np.unique(a, return_counts=True)
    same(values, expected)
    same(counts, numbers)
    same(values[inverse], a)


@given(pairs(shapes(1, 1, 5)), pairs(shapes(0, 3)), st.booleans())
def test_searchsorted(sequence, pair, right):
    assume(sequence[0].dtype is not torch.bool and pair[0].dtype == sequence[0].dtype)
    x, a = pair
    ordered = sequence[0].sort()[0]
    same(torch.searchsorted(ordered, x, right=right), np.searchsorted(np.sort(sequence[1]), a, "right" if right else "left"))
    same(torch.bucketize(x, ordered, right=right), torch.searchsorted(ordered, x, right=right))


# ---- Scans

@given(with_dims())
def test_cumulative_sums(operand):
    x, a, dim = operand
    wide = a.astype(np.int64 if x.dtype not in WIDE and not x.is_floating_point() else np.float64 if x.is_floating_point()
                    else np.int64)
    close(x.cumsum(dim), wide.cumsum(dim))
    close(x.cumprod(dim), wide.cumprod(dim))


@given(with_dims(dtype=st.sampled_from(WIDE)))
def test_diff_undoes_cumsum(operand):
    x, a, dim = operand
    side = a.shape[dim]
    assume(side)
    same(x.cumsum(dim).diff(dim=dim), x.narrow(dim, 1, side - 1))
    same(x.diff(dim=dim), np.diff(a, axis=dim))
    same(x.cumsum(dim).select(dim, side - 1), x.sum(dim))
    same(x.diff(n=2, dim=dim), np.diff(a, 2, dim))


@given(with_dims())
def test_cumulative_extremes(operand):
    x, a, dim = operand
    assume(a.shape[dim])
    for ours, theirs in ((x.cummax(dim), np.maximum), (x.cummin(dim), np.minimum)):
        same(ours.values, theirs.accumulate(a, dim))
        same(x.gather(dim, ours.indices), ours.values)


# ---- Copies, types, text

@given(pairs(), dtypes)
def test_conversion(pair, dtype):
    x, a = pair
    y = x.to(dtype)
    assert y.dtype is dtype and y.shape == x.shape
    if dtype.is_floating_point:
        same(y, a.astype(np.float64))
        same(y.to(x.dtype), a)
    elif dtype is torch.bool:
        same(y, a != 0)
    elif dtype is not torch.uint8:
        same(y, a.astype(np.float64).astype(np.int64))
    same(x.type(dtype), y)


@given(pairs(expand=False), st.data())
def test_copy_broadcasts_and_converts(pair, data):
    x, a = pair
    source, b = data.draw(pairs(a.shape[data.draw(st.integers(0, x.dim())):], st.sampled_from(DTYPES[4:8])))
    x.copy_(source)
    if x.dtype is torch.bool:
        same(x, np.broadcast_to(b != 0, a.shape))
    elif x.dtype is not torch.uint8:
        same(x, np.broadcast_to(b, a.shape))
    same(x, source.to(x.dtype).expand(x.shape))


@given(pairs(), st.booleans())
def test_pickle_and_copy(pair, grad):
    x, a = pair
    x = x.requires_grad_(grad and x.is_floating_point())
    for y in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x)):
        same(y, a)
        assert y.dtype is x.dtype and y.requires_grad == x.requires_grad and type(y) is type(x)
    assert copy.copy(x).data_ptr() == x.data_ptr()
    twice = pickle.loads(pickle.dumps([x, x]))
    assert twice[0] is twice[1]


@given(pairs())
def test_repr_evaluates(pair):
    x, a = pair
    assume(a.size)
    y = eval(repr(x), {"tensor": torch.tensor, "torch": torch})
    same(y.to(x.dtype), a)
    assert y.dtype is x.dtype
    assert eval(str(x.shape), {"torch": torch}) == x.shape


@given(pairs())
def test_a_list_makes_the_tensor_again(pair):
    x, a = pair
    y = torch.tensor(x.tolist(), dtype=x.dtype)
    if a.size:
        same(y, a)
        assert y.equal(x) and x.equal(x) and x.allclose(x)


@given(pairs(expand=False), st.data())
def test_a_change_of_a_view_is_the_base_s(pair, data):
    x, a = pair
    index = data.draw(basic_index(a.shape))
    version = x._version
    x[index].fill_(1)
    a[index] = 1
    same(x, a)
    assert x._version > version


@given(shapes(), dtypes, seeds)
def test_makers_agree(shape, dtype, seed):
    a = elements(shape, dtype, seed)
    x = torch.from_numpy(a).to(dtype)
    same(torch.zeros(shape, dtype=dtype), np.zeros_like(a))
    same(torch.ones_like(x), np.ones_like(a))
    same(x.new_full(shape, 1), np.ones_like(a))
    assert torch.empty_like(x).shape == x.shape and torch.empty(shape, dtype=dtype).dtype is dtype
    same(torch.as_tensor(a), a)


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 4), st.booleans())
def test_arange_and_linspace(start, end, step, down):
    step = -step if end < start else step
    same(torch.arange(start, end, step), np.arange(start, end, step))
    close(torch.arange(start, end, step / 4, dtype=torch.float64), np.arange(start, end, step / 4))
    close(torch.linspace(start, end, abs(step) + 1, dtype=torch.float64), np.linspace(start, end, abs(step) + 1))
