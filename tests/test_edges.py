"""Corners in which ops do what PyTorch 2.13 does: integer bounds, negative paddings, kinks, draws with a history, in-place
forms that overwrite what their gradient reads, angles of any size."""

import ctorch
import ctorch.nn.functional as F
import numpy as np
import pytest


def grad(output, *inputs, **kwargs):
    return ctorch.autograd.grad(output.sum(), inputs, **kwargs)


# ---------------------------------------------------------------- integer results
@pytest.mark.parametrize("dtype, bounds, expected", [
    (ctorch.int64, (3.1,), [0, 1, 2]),
    (ctorch.int32, (3.1,), [0, 1, 2, 3]),
    (ctorch.int64, (0, 5, 1.5), [0, 1, 2, 3, 4]),
    (ctorch.int32, (0, 5, 1.5), [0, 1, 2, 3]),
    (ctorch.int64, (5, 0.5, -1.5), [5, 4, 3, 2, 1]),
    (ctorch.int64, (0.2, 0.9), []),
])
def test_arange_truncates_its_bounds(dtype, bounds, expected):
    assert ctorch.arange(*bounds, dtype=dtype).tolist() == expected


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "uint8", "float32", "float64"])
def test_long_ranges_count_on_from_block_to_block(dtype):
    for start, end, step in ((0, 5, 1), (3, 259, 1), (-7, 4000, 3), (900, -900, -7), (2**40, 2**40 + 600, 1)):
        expected = np.arange(start, end, step).astype(dtype)
        assert ctorch.arange(start, end, step, dtype=getattr(ctorch, dtype)).tolist() == expected.tolist()
    wide = [2**62 + i * 2**53 for i in range(-300, 300)]
    assert ctorch.arange(wide[0], wide[-1] + 1, 2**53).tolist() == wide


def test_other_integer_ranges_truncate_their_bounds():
    assert ctorch.linspace(0.9, 9.9, 5, dtype=ctorch.int64).tolist() == [0, 2, 4, 6, 9]
    assert ctorch.linspace(-3.7, 9.9, 7, dtype=ctorch.int64).tolist() == [-3, -1, 1, 3, 5, 7, 9]
    assert ctorch.logspace(0.5, 2.5, 5, dtype=ctorch.int64).tolist() == [1, 3, 10, 31, 100]
    assert ctorch.range(0, 4.9, 1.5, dtype=ctorch.int32).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="step must be nonzero"):
        ctorch.arange(0, 3, 0.5, dtype=ctorch.int64)


def exact_quotients(a, b):
    trunc = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return {"floor_divide": a // b, "remainder": a % b, "div": trunc, "fmod": a - trunc * b}


@pytest.mark.parametrize("dtype, bits", [("int64", 64), ("int32", 32), ("int16", 16), ("int8", 8), ("uint8", 8)])
@pytest.mark.parametrize("form", ["both", "divisor", "dividend", "in place"])
def test_quotients_of_integers_are_exact(dtype, bits, form):
    low, high = (0, 255) if dtype == "uint8" else (-(1 << bits - 1), (1 << bits - 1) - 1)
    near = [sign * (1 << n) + step for n in (7, 15, 24, 31, 50, 51, 52, 53, 62) for sign in (1, -1) for step in (-1, 0, 1)]
    ends = [v for v in {low, low + 1, high, high - 1, *near, *range(-5, 6)} if low <= v <= high]
    pairs = [(a, b) for a in ends for b in ends if b != 0] * 3
    if form == "divisor":
        pairs = [(a, 3) for a, _ in pairs]
    elif form == "dividend":
        pairs = [(high, b) for _, b in pairs]
    x, y = (ctorch.tensor(v, dtype=getattr(ctorch, dtype)) for v in zip(*pairs))
    y = 3 if form == "divisor" else y
    x = high if form == "dividend" else x
    wrapped = [{name: (q - low) % (1 << bits) + low for name, q in exact_quotients(a, b).items()} for a, b in pairs]
    for name in ("floor_divide", "remainder", "fmod", "div"):
        options = {"rounding_mode": "trunc"} if name == "div" else {}
        if form == "in place":
            got = getattr(x.clone(), name + "_")(y, **options)
        else:
            got = getattr(ctorch, name)(ctorch.tensor(x, dtype=y.dtype) if form == "dividend" else x, y, **options)
        assert got.tolist() == [w[name] for w in wrapped], name


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8"])
@pytest.mark.parametrize("n", [1, 7, 3000])
def test_a_zero_divisor_is_refused_wherever_it_stands(dtype, n):
    x = ctorch.ones(n, 2).to(getattr(ctorch, dtype))
    for divisor in (x.clone(), x.t().contiguous().t(), x[:, :1].clone(), x[:1].clone()):
        divisor[-1, -1] = 0
        for divide in (ctorch.floor_divide, ctorch.remainder, ctorch.fmod):
            with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                divide(x, divisor)


def test_truth_values():
    b, one = ctorch.tensor([[True, False]]), ctorch.tensor([True])
    assert b.square().tolist() == [[1, 0]] and b.square().dtype == ctorch.int64
    assert ctorch.addr(b, one, ctorch.tensor([False, False]), beta=3, alpha=2).tolist() == b.tolist()
    assert ctorch.addr(b, one, ctorch.tensor([False, True]), beta=0).tolist() == [[False, True]]
    assert ctorch.addr(b, one, ctorch.tensor([False, True]), alpha=0).tolist() == b.tolist()
    assert one[0].sum_to_size(()).dtype == ctorch.int64
    assert F.margin_ranking_loss(one.long(), one.long(), one.long(), margin=1).dtype == ctorch.float32


# ---------------------------------------------------------------- indices
def test_indices():
    x = ctorch.arange(5.0, requires_grad=True)
    nothing = ctorch.gather(x, 0, ctorch.empty(2, 0, dtype=ctorch.uint8))
    assert nothing.shape == (2, 0)
    assert grad(nothing, x)[0].tolist() == [0] * 5
    with pytest.raises(RuntimeError, match="Expected dtype int32/int64 for index"):
        ctorch.gather(x, 0, ctorch.zeros(1, dtype=ctorch.uint8))
    assert ctorch.take_along_dim(x, ctorch.tensor([-1, -5]), 0).tolist() == [4, 0]
    with pytest.raises(RuntimeError, match="index -1 is out of bounds"):
        ctorch.take_along_dim(x, ctorch.tensor([-1]))
    assert [part.tolist() for part in ctorch.tensor_split(x, ctorch.tensor([1, 3], device="cpu"))] == [[0], [1, 2], [3, 4]]
    assert [part.tolist() for part in x.tensor_split(ctorch.tensor(2, device="cpu"))] == [[0, 1, 2], [3, 4]]
    for wrong, phrase in [(ctorch.tensor([1.0], device="cpu"), "dtype of long"), (ctorch.tensor([[1]], device="cpu"), "tensor with 2 dims")]:
        with pytest.raises(RuntimeError, match=phrase):
            ctorch.tensor_split(x, wrong)


def test_a_value_that_fills_a_place_twice_counts_once():
    value = ctorch.tensor(1.0, requires_grad=True)
    filled = ctorch.zeros(2, 3).index_fill(1, ctorch.tensor([1, 1, -2]), value)
    assert grad(filled, value)[0].item() == 2


def test_diff_of_order_0_ignores_what_is_joined():
    assert ctorch.diff(ctorch.arange(3.0), 0, prepend=ctorch.ones(2)).tolist() == [0, 1, 2]


def test_tensordot_sums_against_a_size_of_1():
    a, b = ctorch.full((1, 2), 3.0), ctorch.arange(8.0).reshape(4, 2)
    assert ctorch.tensordot(a, b, dims=([0], [0])).tolist() == [[36, 48], [36, 48]]


@pytest.mark.parametrize("mode, pad, expected", [
    ("reflect", (-2, 3), [2, 3, 2, 1, 0]),
    ("reflect", (2, -1), [2, 1, 0, 1, 2]),
    ("replicate", (-4, 5), [3, 3, 3, 3, 3]),
    ("replicate", (3, -3), [0, 0, 0, 0]),
    ("circular", (-1, 1), [1, 2, 3, 1]),
    ("circular", (1, -3), [0, 0]),
    ("circular", (-2, -2), []),
])
def test_negative_paddings_cut_off(mode, pad, expected):
    assert F.pad(ctorch.arange(4.0).reshape(1, 4), pad, mode).tolist() == [expected]


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_paddings_that_leave_nothing(mode):
    with pytest.raises(RuntimeError, match="is too small. Calculated output"):
        F.pad(ctorch.ones(1, 4), (-2, -2), mode)


@pytest.mark.parametrize("dtype", [ctorch.float16, ctorch.bfloat16])
def test_histograms_of_16_bits(dtype):
    counts = ctorch.histc(ctorch.tensor([1, 2, 3, 2.5], dtype=dtype), 4)
    assert counts.tolist() == [1, 0, 1, 2] and counts.dtype == dtype


# ---------------------------------------------------------------- gradients
@pytest.mark.parametrize("form", ["cumprod_", "logit_", "nan_to_num_"])
def test_an_in_place_form_keeps_what_its_gradient_reads(form):
    x = ctorch.tensor([0.3, 0.6, 0.2], dtype=ctorch.float64, requires_grad=True)
    arguments = (0,) if form == "cumprod_" else ()
    results = []
    for name in (form[:-1], form):
        y = getattr(x * 1.5, name)(*arguments)
        (first,) = grad(y * y, x, create_graph=True)
        results.append((y, first, grad(first * first, x)[0]))
    for a, b in zip(*results):
        assert ctorch.equal(a, b)


@pytest.mark.parametrize("activation, second", [
    (F.elu, [0.36787944, 0, 0]),
    (F.celu, [0.36787944, 0, 0]),
    (F.selu, [0.64676863, 0, 0]),
    (lambda x: F.softplus(x, threshold=1), [0.19661193, 0.25, 0]),
])
def test_second_derivatives_at_kinks(activation, second):
    x = ctorch.tensor([-1.0, 0, 1], requires_grad=True)
    (first,) = grad(activation(x), x, create_graph=True)
    np.testing.assert_allclose(grad(first, x)[0].numpy(), second, rtol=1e-6)


def test_quantile_has_a_gradient_for_the_rank():
    x, q = ctorch.tensor([0.0, 1, 4]), ctorch.tensor([0.2, 0.7], requires_grad=True)
    assert grad(ctorch.quantile(x, q), q)[0].tolist() == [2, 6]
    assert not ctorch.quantile(x, q, interpolation="lower").requires_grad


def test_the_count_of_nonzeros_has_no_gradient():
    x = ctorch.ones(3, requires_grad=True)
    assert grad(x.norm(0), x, allow_unused=True) == (None,)
    assert grad(ctorch.cdist(x.reshape(1, 3), ctorch.zeros(2, 3), 0), x)[0].tolist() == [0, 0, 0]


def test_draws_have_a_history_and_no_slope():
    p = ctorch.full((2,), 0.5, requires_grad=True)
    s = ctorch.tensor(2.0, requires_grad=True)
    for draw, name in [(ctorch.normal(p, 1.0), "NormalBackward1"), (ctorch.normal(1.0, p), "NormalBackward2"),
                       (ctorch.normal(p, s), "NormalBackward3"), (ctorch.bernoulli(p), "BernoulliBackward0"),
                       (ctorch.poisson(p), "PoissonBackward0")]:
        assert draw.grad_fn.name() == name
        assert grad(draw, p)[0].tolist() == [0, 0]
    assert grad(ctorch.normal(p, s), s)[0].item() == 0


# ---------------------------------------------------------------- angles
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_of_any_size(name):
    bits = np.random.default_rng(0).integers(0x4E000000, 0x7F800000, 3000, dtype=np.uint32)
    x = np.concatenate([np.linspace(-9, 9, 700), bits.view(np.float32), [np.inf, np.nan]]).astype(np.float32)
    with np.errstate(invalid="ignore"):
        exact = getattr(np, name)(x.astype(np.float64))
        slope = {"sin": np.cos(x.astype(np.float64)), "cos": -np.sin(x.astype(np.float64)), "tan": 1 + exact**2}[name]
    t = ctorch.tensor(x, requires_grad=True)
    y = getattr(ctorch, name)(t)
    np.testing.assert_allclose(y.detach().numpy(), exact, rtol=3e-7)
    np.testing.assert_allclose(grad(y, t)[0].numpy(), slope, rtol=1e-6)
    changed = getattr(t.detach().clone(), name + "_")()
    assert np.array_equal(changed.numpy(), y.detach().numpy(), equal_nan=True)


# ---- in place without leaving the fast path's rules ----
def test_in_place_on_dense_tensors_keeps_the_rules():
    a, b = ctorch.ones(4), ctorch.arange(4.0)
    version, memory = a._version, a.data_ptr()
    assert a.add_(b) is a and a.tolist() == [1, 2, 3, 4] and a._version == version + 1 and a.data_ptr() == memory
    a += a
    a *= 2
    assert a.tolist() == [4, 8, 12, 16]
    whole = ctorch.arange(6.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        whole[:5].add_(whole[1:])
    whole[:3].add_(whole[3:])
    assert whole.tolist() == [3, 5, 7, 3, 4, 5]
    leaf = ctorch.ones(4, requires_grad=True)
    for refused in (lambda: leaf.add_(b), lambda: leaf[:2].add_(b[:2]), lambda: leaf.view(2, 2).mul_(2)):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            refused()
    with ctorch.no_grad():
        leaf -= 0.5 * b
        view = leaf[:2]
    assert leaf.tolist() == [1, 0.5, 0, -0.5]
    with pytest.raises(RuntimeError, match="no_grad mode"):
        view.add_(1)
    kept = ctorch.ones(4)
    product = leaf * kept
    kept.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()


@pytest.mark.parametrize("n", [3, 4, 2**63 - 1])
def test_diff_more_often_than_there_are_elements(n):
    assert ctorch.ones(2, 3).diff(n).shape == (2, 0)
    assert ctorch.ones(0, 3, dtype=ctorch.bfloat16).diff(n).shape == (0, 0)
    assert ctorch.ones(3, 0).diff(n).shape == (3, 0)


# ---------------------------------------------------------------- found by random calls beside PyTorch
def test_unsigned_numbers_wrap_as_operands_and_parameters():
    ones = ctorch.ones(2, dtype=ctorch.uint8)
    assert ones.add(2, alpha=-2).tolist() == [253, 253] and ones.sub(2, alpha=-2).tolist() == [5, 5]
    assert ctorch.rsub(ones, 2, alpha=-2).tolist() == [4, 4]
    assert ctorch.addcmul(ones, ones, ones, value=-2).tolist() == [255, 255]
    assert F.threshold(ones, 2, -2).tolist() == [254, 254]
    assert ones.fill_(-2).tolist() == [254, 254]
    truth = ctorch.tensor([True, False])
    assert truth.add(ctorch.tensor([False, True]), alpha=-1).tolist() == [True, True]


def test_infinities_fit_every_float_dtype():
    half = ctorch.ones(2, dtype=ctorch.float16)
    assert half.fill_(float("-inf")).tolist() == [-float("inf")] * 2 and half.fill_(65504.0).tolist() == [65504.0] * 2
    assert ctorch.tensor([1e39, 70000.0], dtype=ctorch.float16).tolist() == [float("inf")] * 2


def test_nan_bounds_replace_everything_on_one_side():
    nan, x = float("nan"), ctorch.tensor([1.0, float("nan")], requires_grad=True)
    for y in (x.clamp_min(nan), x.clamp_max(nan), x.clamp_max(ctorch.tensor([nan, 1.0])), x.clamp(max=nan)):
        assert y.isnan().all()
    assert grad(x.clamp_min(nan), x)[0].tolist() == [0.0, 0.0]
    assert x.clamp_min(2.0).isnan().tolist() == [False, True]


def test_bounds_of_clamp_are_promoted_together():
    small = ctorch.ones(3, dtype=ctorch.uint8)
    assert ctorch.clamp(small, small, small.char()).dtype == ctorch.int16
    assert ctorch.clamp(small > 0, small.double(), small > 0).dtype == ctorch.float64


def test_an_expanded_tensor_is_filled():
    base = ctorch.ones(3)
    assert base.expand(4, 3).fill_(2).shape == (4, 3) and base.tolist() == [2, 2, 2]
    base[:1].expand(5).zero_()
    assert base.tolist() == [0, 2, 2]
    with pytest.raises(RuntimeError, match="single memory location"):
        base.expand(4, 3).add_(1)


def test_products_and_integrals_without_elements():
    assert ctorch.inner(ctorch.ones(2, 3, 0), ctorch.ones(4, 0)).tolist() == [[[0.0] * 4] * 3] * 2
    assert ctorch.tensordot(ctorch.ones(2, 0), ctorch.ones(0, 3), 1).tolist() == [[0.0] * 3] * 2
    assert ctorch.trapezoid(ctorch.ones(2, 0)).tolist() == [0.0, 0.0]


def test_whole_numbers_meet_truth_values():
    truth = ctorch.tensor([True, False])
    assert ctorch.gcd(truth, ctorch.tensor([4, 6])).tolist() == [1, 6]
    assert ctorch.lcm(truth, ctorch.tensor(4)).tolist() == [4, 0] and ctorch.lcm(truth, ctorch.tensor(4)).dtype == ctorch.int64


def test_a_truth_value_is_a_float_parameter():
    assert ctorch.quantile(ctorch.tensor([1.0, 5.0]), True) == 5.0


@pytest.mark.cpu
def test_a_nameless_subclass_is_printed():
    nameless = type("", (ctorch.Tensor,), {})
    assert repr(ctorch.ones(2).as_subclass(nameless)) == "([1., 1.])"


@pytest.mark.parametrize("dtype", [ctorch.float32, ctorch.float64])
@pytest.mark.parametrize("name", ["exp", "log", "sin", "cos"])
def test_special_operands_leave_their_neighbours_bits_alone(name, dtype):
    special = [0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 88, -104, 131072, 3e9, 710, -746, -1]
    plain = np.linspace(0.01, 80, 3000)
    mixed = plain.copy()
    mixed[1500:1500 + len(special)] = special
    of = getattr(ctorch, name)
    results = [of(ctorch.tensor(x, dtype=dtype)).numpy() for x in (plain, mixed)]
    assert (results[0][:1500] == results[1][:1500]).all() and (results[0][1600:] == results[1][1600:]).all()
    x = mixed.astype(results[0].dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x.astype(np.float64)).astype(x.dtype)
    np.testing.assert_allclose(results[1], expected, rtol=4 * np.finfo(x.dtype).eps, atol=1e-45)
    at = ctorch.tensor(mixed, dtype=dtype)
    getattr(at, name + "_")()
    np.testing.assert_array_equal(at.numpy(), results[1])


AT_64_DIMENSIONS = ["stack([x[0], x[0]], 0)", "stack([x[0], x[0]], n // 2)", "stack([x[0], x[0]], n - 1)", "x[0].unsqueeze(n - 1)",
                    "x[..., 0].unsqueeze(0)", "cat([x, x], n - 1)", "x.permute(*range(n - 1, -1, -1))", "x.movedim(0, n - 1)",
                    "x.flip(0)", "x.sum(n - 1, keepdim=True)", "x.softmax(0)", "x.sort(n - 1)[0]", "x.cumsum(0)",
                    "x[0].unfold(n - 2, 2, 1)", "x @ x.transpose(-1, -2)", "x.roll(1, n - 1)", "x.repeat(2, *[1] * (n - 2), 3)",
                    "x.expand(*x.shape)", "x.tril()", "x[0].unflatten(n - 2, (1, 2))", "x.gather(n - 1, x.long())",
                    "x.index_select(0, tensor([1]))"]


@pytest.mark.parametrize("code", AT_64_DIMENSIONS)
def test_as_many_dimensions_as_there_may_be(code):
    """All but the outer two of size 1: results and gradients are those of the same numbers in 3."""
    results = []
    for n in (64, 3):
        x = ctorch.tensor([0.0, 1.0, 1.0, 0.5]).view(2, *[1] * (n - 2), 2).requires_grad_()
        y = eval(code, {**vars(ctorch), "range": range, "x": x, "n": n})
        assert y.dim() == n
        (y * y).sum().backward()
        results.append((y.squeeze().tolist(), x.grad.squeeze().tolist()))
    assert results[0] == results[1]


def test_a_refused_resize_changes_nothing():
    x = ctorch.ones(3)
    view, version = x[:2], x._version
    with pytest.raises(RuntimeError, match="not resizable"):
        x.resize_(5)
    assert x._version == version and x.shape == (3,) and view.tolist() == [1, 1]


@pytest.mark.parametrize("call", ["bincount(i)", "histc(x)", "searchsorted(x, x)", "unique(x)"])
def test_results_that_follow_from_values_need_them(call):
    names = {"x": ctorch.ones(3, device="meta"), "i": ctorch.ones(3, dtype=ctorch.int64, device="meta")}
    with pytest.raises(NotImplementedError, match="meta"):
        eval(f"ctorch.{call}", {"ctorch": ctorch, **names})


# ---------------------------------------------------------------- bools of other bytes
@pytest.mark.parametrize("expression, expected", {
    "x.sum()": 4, "x.count_nonzero()": 4, "x.nonzero().flatten()": [0, 2, 3, 4], "f[x]": [0, 2, 3, 4], "x.float()": [1, 0, 1, 1, 1],
    "x.long()": [1, 0, 1, 1, 1], "x.cumsum(0)": [1, 1, 2, 3, 4], "x.unique(return_counts=True)[1]": [1, 4], "x + f": [1, 1, 3, 4, 5],
    "f.masked_scatter(x, f)": [0, 1, 1, 2, 3], "~x": [False, True, False, False, False], "x == True": [True, False, True, True, True],
    "x == y": [True] * 5, "x < y": [False] * 5, "x & y": [True, False, True, True, True], "x ^ y": [False] * 5,
    "x * y": [True, False, True, True, True], "ctorch.minimum(x, y)": [True, False, True, True, True],
    "ctorch.where(y, x, ~y)": [True] * 5, "ctorch.where(x, y, ~y)": [True] * 5, "y.masked_fill(x, False)": [False] * 5,
}.items())
def test_bools_that_are_views_of_other_bytes_are_true(expression, expected):
    x = ctorch.tensor([2, 0, 3, 255, 1], dtype=ctorch.uint8).view(ctorch.bool)
    y = ctorch.tensor([True, False, True, True, True])
    assert eval(expression, {"ctorch": ctorch, "x": x, "y": y, "f": ctorch.arange(5.0)}).tolist() == expected
