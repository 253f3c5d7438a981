"""Laws of arithmetic and of gradients on generated operands; those of structure are test_properties.py's."""

import math
import operator

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from operands import (DTYPES, FLOATS, INTEGERS, WIDE, broadcast_pairs, close, dtypes, elements, pairs, same, seeds, shapes,
                      sides_to_broadcast, with_dims)

import ctorch as torch

pytestmark = pytest.mark.prop

wide = st.sampled_from(WIDE)
integers = st.sampled_from(INTEGERS)
floats = st.sampled_from(FLOATS)
reals = st.sampled_from((torch.float32, torch.float64))
doubles = pairs(dtype=torch.float64)


def some_dims(ndim):
    return st.lists(st.integers(0, ndim - 1), unique=True, min_size=1) if ndim else st.just([])


# ---- Elementwise

@given(broadcast_pairs(wide))
def test_arithmetic_broadcasts_as_numpy(operands):
    x, a, y, b = operands
    for op in (operator.add, operator.sub, operator.mul, np.maximum, np.minimum):
        ours = getattr(torch, op.__name__)(x, y)
        same(ours, op(a, b))
    same(torch.where(x < y, x, y), np.where(a < b, a, b))
    assert torch.broadcast_shapes(x.shape, y.shape) == np.broadcast_shapes(a.shape, b.shape)


@given(broadcast_pairs(st.sampled_from(INTEGERS + FLOATS)))
def test_addition_commutes_and_subtraction_undoes_it(operands):
    x, _, y, _ = operands
    same(x + y, y + x)
    same(x * y, y * x)
    same((x + y) - y, x.expand((x + y).shape))
    same(x - y, -(y - x) if x.dtype is not torch.uint8 else (y - x) * 255)


@given(broadcast_pairs())
def test_comparisons_are_a_trichotomy(operands):
    x, a, y, b = operands
    for op in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        same(op(x, y), op(a, b))
    same((x < y) | (x == y) | (x > y), np.ones(np.broadcast_shapes(a.shape, b.shape), bool))
    same(x <= y, ~(x > y))
    same(torch.logical_xor(x, y), np.logical_xor(a, b))
    same(torch.logical_and(x, y), np.logical_and(a, b))
    same(torch.logical_or(x, y), np.logical_or(a, b))


@given(broadcast_pairs(integers))
def test_integer_division(operands):
    x, a, y, b = operands
    b = np.where(b == 0, np.array(3, b.dtype), b)
    y = torch.where(y == 0, torch.tensor(3, dtype=y.dtype), y)
    same(x // y, a // b)
    same(x % y, a % b)
    same((x // y) * y + x % y, x.expand((x % y).shape))
    same(torch.fmod(x, y), np.fmod(a, b))
    same(torch.div(x, y, rounding_mode="trunc") * y + torch.fmod(x, y), x.expand((x % y).shape))
    close(x / y, (a / b).astype(np.float32), 1e-6)


@given(broadcast_pairs(reals))
def test_float_division(operands):
    x, a, y, b = operands
    with np.errstate(all="ignore"):
        same(x / y, a / b)
    b = np.where(b == 0, np.array(0.75, b.dtype), b)
    y = torch.where(y == 0, torch.tensor(0.75, dtype=y.dtype), y)
    same(x // y, a // b)
    same(x % y, a % b)
    assert bool(((x % y) * y >= 0).all())
    close((x / y) * y, np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape)), 1e-6)


@given(broadcast_pairs(st.sampled_from(INTEGERS + (torch.bool,))))
def test_bits(operands):
    x, a, y, b = operands
    same(x & y, a & b)
    same(x | y, a | b)
    same(x ^ y, a ^ b)
    same(~(x & y), ~x | ~y)
    same((x ^ y) ^ y, x.expand((x ^ y).shape))
    same(~x, ~a)


@given(pairs(dtype=st.sampled_from(INTEGERS)), st.integers(0, 6))
def test_shifts(pair, n):
    x, a = pair
    same(x << n, (a.astype(np.int64) << n).astype(a.dtype))
    same(x >> n, a >> n)


UNARY = ["sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "exp2", "floor", "ceil", "trunc", "square", "abs", "sign",
         "arctan", "arcsinh", "deg2rad"]


@given(pairs(dtype=reals), st.sampled_from(UNARY))
def test_functions_of_numpy(pair, name):
    x, a = pair
    close(getattr(torch, name)(x), getattr(np, name)(a), 3e-6 if x.dtype is torch.float32 else 1e-13)


@given(pairs(dtype=reals))
def test_inverse_functions(pair):
    x, a = pair
    y = x.abs() + 0.5
    for there, back in (("log", "exp"), ("log2", "exp2"), ("sqrt", "square"), ("reciprocal", "reciprocal"), ("log1p", "expm1"),
                        ("asinh", "sinh"), ("atan", "tan")):
        close(getattr(getattr(y, there)(), back)(), np.abs(a) + 0.5, 2e-5 if x.dtype is torch.float32 else 1e-12)
    close(x.sin().square() + x.cos().square(), np.ones_like(a), 1e-6)
    close(x.sigmoid() + (-x).sigmoid(), np.ones_like(a), 1e-6)
    close(x.erf() + x.erfc(), np.ones_like(a), 1e-6)
    same(x.trunc() + x.frac(), a)


IN_PLACE = ["add", "sub", "mul", "maximum", "copysign", "fmod", "remainder", "eq", "lt", "atan2", "hypot", "div", "pow"]


@given(broadcast_pairs(st.sampled_from(FLOATS)), st.sampled_from([n for n in IN_PLACE if hasattr(torch.Tensor, n + "_")]))
def test_in_place_equals_out_of_place(operands, name):
    x, _, y, _ = operands
    expected = getattr(x, name)(y)
    target = x.expand(expected.shape).clone().transpose(0, -1) if expected.dim() else x.clone()
    target = target.transpose(0, -1) if expected.dim() else target
    getattr(target, name + "_")(y)
    same(target, expected.to(target.dtype))


@given(pairs(dtype=st.sampled_from(FLOATS), expand=False),
       st.sampled_from([n for n in dir(torch.Tensor) if n.endswith("_") and n[:-1] in
                        "abs neg exp sqrt sigmoid relu tanh floor ceil round trunc square sin cos erf sign log1p".split()]))
def test_in_place_on_any_layout(pair, name):
    x, _ = pair
    expected, version, strides = getattr(x, name[:-1])(), x._version, x.stride()
    assert getattr(x, name)() is x
    same(x, expected)
    assert x._version == version + 1 and x.stride() == strides


@given(dtypes, dtypes, dtypes)
def test_promotion_is_symmetric_and_associative(one, two, three):
    assert torch.promote_types(one, two) is torch.promote_types(two, one)
    assert torch.promote_types(one, one) is one
    left = torch.promote_types(torch.promote_types(one, two), three)
    half = {one, two, three} >= {torch.float16, torch.bfloat16}          # their sum is wider than either
    assert left is torch.promote_types(one, torch.promote_types(two, three)) or half
    x, y = torch.ones(2, dtype=one), torch.ones(2, 2, dtype=two)
    assert torch.result_type(x, y) is torch.promote_types(one, two) and (x * y).dtype is torch.promote_types(one, two)
    assert torch.can_cast(one, torch.promote_types(one, two))


@given(broadcast_pairs(st.sampled_from(DTYPES), st.sampled_from(DTYPES)))
def test_mixed_dtypes_are_converted_first(operands):
    x, _, y, _ = operands
    dtype = torch.result_type(x, y)
    for op in (torch.mul, torch.add, torch.maximum):
        got = op(x, y)
        assert got.dtype is dtype
        same(got, op(x.to(dtype), y.to(dtype)))


@given(pairs(dtype=st.sampled_from(INTEGERS + FLOATS)), st.integers(0, 9), st.integers(0, 9))
def test_clamp(pair, low, high):
    x, a = pair
    same(x.clamp(low, high), np.minimum(np.maximum(a, low), high))
    same(x.clamp(min=low), np.maximum(a, low))
    same(x.clamp(max=high), np.minimum(a, high))
    same(x.clamp(torch.tensor(low, dtype=x.dtype), torch.tensor(high, dtype=x.dtype)), x.clamp(low, high))


@given(broadcast_pairs(reals), st.floats(-2, 2, width=16))
def test_combined_forms(operands, k):
    x, a, y, b = operands
    close(torch.add(x, y, alpha=k), a + k * b)
    close(torch.sub(x, y, alpha=k), a - k * b)
    close(torch.lerp(x, y, k), a + k * (b - a))
    close(torch.addcmul(x, x, y, value=k), a + k * a * b)
    close(torch.addcdiv(x, x, y.abs() + 1, value=k), a + k * a / (np.abs(b) + 1))


@given(pairs(dtype=st.sampled_from(FLOATS), expand=False), seeds)
def test_nan_is_kept_and_found(pair, seed):
    x, a = pair
    m = np.array(np.random.default_rng(seed).random(a.shape) < 0.3)
    x[torch.from_numpy(m)] = math.nan
    same(x.isnan(), m)
    same((x * 0 + 1).isnan(), m)
    same(x.nan_to_num(7), np.where(m, 7, a))
    same(x != x, m)
    if a.size:
        assert math.isnan(x.max().item()) == m.any() and math.isnan(x.sum().item()) == m.any()


# ---- Products

@given(st.data(), wide, shapes(0, 2, 3), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_matmul(data, dtype, batch, m, k, n):
    x, a = data.draw(pairs(data.draw(sides_to_broadcast(batch)) + (m, k), dtype))
    y, b = data.draw(pairs(data.draw(sides_to_broadcast(batch)) + (k, n), dtype))
    close(x @ y, a @ b)
    close((x @ y).mT, y.mT @ x.mT)
    close(torch.einsum("...ij,...jk->...ik", x, y), a @ b)
    if n and y.dim() == 2:
        close(x @ y[:, 0], a @ b[:, 0])


@given(pairs(shapes(2, 2), wide), st.data())
def test_products_of_vectors_and_matrices(pair, data):
    x, a = pair
    y, b = data.draw(pairs((a.shape[1],), x.dtype))
    z, c = data.draw(pairs((a.shape[0],), x.dtype))
    close(x.mv(y), a @ b)
    close(torch.outer(z, y), np.outer(c, b))
    close(z @ x @ y, c @ a @ b)
    close(x.mm(x.t()), a @ a.T)
    close(torch.addmm(z, x, x.t()), c + a @ a.T)
    close(x.trace(), np.trace(a))


@given(pairs(shapes(0, 3, 3), wide), pairs(shapes(0, 3, 3), wide))
def test_kron_and_tensordot(one, two):
    x, a = one
    y, b = two
    assume(x.dtype is y.dtype)
    close(torch.tensordot(x, y, 0), np.tensordot(a, b, 0))
    close(torch.kron(x, y), np.kron(a, b))


# ---- Reductions

@given(pairs(), st.data(), st.booleans())
def test_reductions_over_dims(pair, data, keep):
    x, a = pair
    dims = tuple(data.draw(some_dims(x.dim())))
    exact = a.astype(np.float64 if x.is_floating_point() else np.int64)
    over = dims or None
    close(x.sum(dims, keepdim=keep), exact.sum(axis=over, keepdims=keep and x.dim() > 0))
    same(x.any(dims, keepdim=keep) if dims else x.any(), a.any(axis=over, keepdims=keep and x.dim() > 0))
    same(x.all(dims, keepdim=keep) if dims else x.all(), a.all(axis=over, keepdims=keep and x.dim() > 0))
    same(x.count_nonzero(dims) if dims else x.count_nonzero(), np.count_nonzero(a, axis=over))
    if a.size:
        same(x.amax(dims, keep), a.max(axis=over, keepdims=keep and x.dim() > 0))
        same(x.amin(dims, keep), a.min(axis=over, keepdims=keep and x.dim() > 0))


@given(pairs(dtype=wide), st.data())
def test_a_sum_by_parts_is_the_sum(pair, data):
    x, a = pair
    same(x.sum(), a.sum())
    if x.dim():
        dim = data.draw(st.integers(0, x.dim() - 1))
        cut = data.draw(st.integers(0, a.shape[dim]))
        same(x.sum(dim).sum(), a.sum())
        same(x.narrow(dim, 0, cut).sum(dim) + x.narrow(dim, cut, a.shape[dim] - cut).sum(dim), a.sum(dim))
        same(x.flip(dim).sum(dim), a.sum(dim))
        dims = data.draw(some_dims(x.dim()))
        rest = [d for d in range(x.dim()) if d not in dims]
        same(x.sum(dims, keepdim=True).sum(rest, keepdim=True) if rest else x.sum(dims, keepdim=True), a.sum(keepdims=True))


@given(pairs(dtype=st.sampled_from((torch.float32, torch.float64))), st.data(), st.integers(0, 1))
def test_moments(pair, data, correction):
    x, a = pair
    dims = tuple(data.draw(some_dims(x.dim())))
    exact, over = a.astype(np.float64), dims or None
    count = exact.size if over is None else math.prod(a.shape[d] for d in dims)
    assume(count > correction and a.size)
    close(x.mean(dims), exact.mean(axis=over))
    close(x.var(dims, correction=correction), exact.var(axis=over, ddof=correction), 1e-5)
    close(x.std(dims, correction=correction), exact.std(axis=over, ddof=correction), 1e-5)
    var, mean = torch.var_mean(x, dims, correction=correction)
    same(var, x.var(dims, correction=correction))
    close(mean, x.mean(dims))


@given(with_dims())
def test_extremes_and_where_they_are(operand):
    x, a, dim = operand
    assume(a.shape[dim])
    for name in ("max", "min"):
        values, index = getattr(x, name)(dim)
        same(values, getattr(a, name)(dim))
        same(x.gather(dim, index.unsqueeze(dim)).squeeze(dim), values)
    if x.dtype is not torch.bool:
        same(x.argmax(dim), a.argmax(dim))
        same(x.argmin(dim, True), np.expand_dims(a.argmin(dim), dim))
    low, high = torch.aminmax(x, dim=dim)
    same(low, a.min(dim))
    same(high, a.max(dim))


@given(with_dims(dtype=reals), st.sampled_from((1, 2, 3, math.inf, -math.inf)))
def test_norms(operand, p):
    x, a, dim = operand
    assume(a.size)
    close(x.norm(p, dim), np.linalg.norm(a.astype(np.float64), p, dim), 1e-5)
    close(x.norm(), np.linalg.norm(a.astype(np.float64).ravel()), 1e-5)
    close(x.prod(dim), a.astype(np.float64).prod(dim), 1e-4)


@given(with_dims(dtype=reals))
def test_softmax(operand):
    x, a, dim = operand
    assume(a.size)
    y = x.softmax(dim)
    close(y.sum(dim), np.ones(y.sum(dim).shape), 1e-6)
    close((x + 64).softmax(dim), y)
    close(x.log_softmax(dim).exp(), y, 1e-5)
    close(x.log_softmax(dim) + x.logsumexp(dim, True), a)
    close(x.logsumexp(dim), np.log(np.exp(a.astype(np.float64)).sum(dim)), 1e-5)
    close(x.logcumsumexp(dim), np.logaddexp.accumulate(a.astype(np.float64), dim), 1e-5)


# ---- Gradients

def gradient(of, *leaves, **options):
    return torch.autograd.grad(of, leaves, **options)


def weights(shape, seed=0):
    return torch.from_numpy(elements(shape, torch.float64, seed))


LINEAR = {
    "reshape": lambda x: x.reshape(-1), "sum_dim": lambda x: x.sum(-1), "flip": lambda x: x.flip(0), "t": lambda x: x.transpose(0, -1),
    "cumsum": lambda x: x.cumsum(0), "roll": lambda x: x.roll(2, -1), "narrow": lambda x: x[1:], "step": lambda x: x[..., ::2],
    "expand": lambda x: x.expand(3, *x.shape), "repeat": lambda x: x.repeat(2, *[1] * x.dim()), "cat": lambda x: torch.cat([x, x * 2]),
    "stack": lambda x: torch.stack([x, -x], -1), "mean": lambda x: x.mean(0), "unfold": lambda x: x.unfold(0, 2, 1),
    "index": lambda x: x[torch.tensor([0, -1, 0])], "mask": lambda x: x[x.detach() > 0], "tril": lambda x: x.unsqueeze(0).tril(1),
    "diff": lambda x: x.diff(dim=0), "diagonal": lambda x: x.unsqueeze(0).diagonal(), "take": lambda x: x.take(torch.tensor([0, 0])),
    "sort": lambda x: x.sort(0)[0], "squeeze": lambda x: x.squeeze(), "split": lambda x: x.split(1)[0], "trace": lambda x: x.sum(),
    "gather": lambda x: x.gather(0, torch.zeros(x.shape, dtype=torch.int64)), "clone": lambda x: x.contiguous() + x.clone(),
    "scatter_add": lambda x: torch.zeros_like(x).scatter_add(0, torch.zeros(x.shape, dtype=torch.int64), x),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 0), "movedim": lambda x: x.movedim(0, -1), "select": lambda x: x[-1],
    "where": lambda x: torch.where(x.detach() < 0, x, -x), "float": lambda x: x.float().double(),
}


@given(pairs(shapes(1, 4, 4, 2), torch.float64), st.sampled_from(sorted(LINEAR)), seeds)
def test_backward_of_a_linear_op_is_its_adjoint(pair, name, seed):
    """<op(x), v> = <x, backward(v)>, which for multiples of 1/4 holds to the last digit."""
    x = pair[0].requires_grad_()
    y = LINEAR[name](x)
    v = weights(y.shape, seed)
    g, = gradient(y, x, grad_outputs=v)
    assert g.shape == x.shape
    close((y * v).sum(), (x * g).sum(), 1e-12)


@given(pairs(dtype=torch.float64))
def test_gradient_of_sum_is_ones(pair):
    x = pair[0].requires_grad_()
    same(gradient(x.sum(), x)[0], np.ones(x.shape))
    x.reshape(-1).sum().backward()
    same(x.grad, np.ones(x.shape))
    x.sum().backward()
    same(x.grad, np.full(x.shape, 2.0))


@given(pairs(dtype=torch.float64), st.integers(-4, 4), st.integers(-4, 4))
def test_gradients_are_linear(pair, k, n):
    x = pair[0].requires_grad_()
    f, g = (x * x * x).sum(), (x * 2).square().sum()
    (df,), (dg,) = gradient(f, x, retain_graph=True), gradient(g, x, retain_graph=True)
    same(gradient(k * f + n * g, x)[0], k * df + n * dg)


@given(broadcast_pairs(st.just(torch.float64)))
def test_gradients_of_products(operands):
    x, y = operands[0].requires_grad_(), operands[2].requires_grad_()
    out = x * y
    v = weights(out.shape)
    dx, dy = gradient(out, x, y, grad_outputs=v)
    same(dx, (v * y).sum_to_size(x.shape))
    same(dy, (v * x).sum_to_size(y.shape))


@given(shapes(), st.data())
def test_sum_to_size_is_the_adjoint_of_expand(shape, data):
    small = data.draw(sides_to_broadcast(shape))
    x, a = data.draw(pairs(small, torch.float64))
    v = weights(shape, 1)
    x.requires_grad_()
    g, = gradient(x.expand(shape), x, grad_outputs=v)
    same(g, v.sum_to_size(small))
    same((x.expand(shape) * v).sum(), (a * g.numpy()).sum())
    w = v.clone().requires_grad_()
    same(gradient(w.sum_to_size(small), w, grad_outputs=x.detach())[0], np.broadcast_to(a, shape))


@given(pairs(dtype=torch.float64))
def test_second_derivatives(pair):
    x = pair[0].requires_grad_()
    first, = gradient((x ** 3).sum(), x, create_graph=True)
    second, = gradient(first.sum(), x, create_graph=True)
    third, = gradient(second.sum(), x)
    same(first, 3 * pair[1] ** 2)
    same(second, 6 * pair[1])
    same(third, np.full(x.shape, 6.0))


@given(pairs(shapes(1, 2, 4, 1), torch.float64), seeds)
def test_hessians_are_symmetric(pair, seed):
    x = pair[0].requires_grad_()
    u, v = weights(x.shape, seed), weights(x.shape, seed + 1)
    f = (x.sin() * x.sum(0)).sum() + (x * x.flip(0)).prod(0).sum() + x.softmax(0).square().sum()
    g, = gradient(f, x, create_graph=True)
    hu, = gradient((g * u).sum(), x, retain_graph=True)
    hv, = gradient((g * v).sum(), x)
    close((hu * v).sum(), (hv * u).sum(), 1e-9)


@given(pairs(dtype=torch.float64), st.sampled_from(["mul_", "add_", "sub_", "div_"]))
def test_in_place_ops_have_the_same_gradient(pair, name):
    x = pair[0].requires_grad_()
    y = weights(x.shape).abs() + 1
    plain, = gradient(getattr(x.sin(), name[:-1])(y).exp().sum(), x)
    changed, = gradient(getattr(x.sin(), name)(y).exp_().sum(), x)
    close(plain, changed)


@given(pairs(shapes(1, 3, 4, 2), torch.float64), st.integers(0, 1))
def test_in_place_on_a_view_reaches_the_base(pair, at):
    x = pair[0].requires_grad_()
    y = x * 1
    y[at].mul_(3)
    factors = np.ones(x.shape)
    factors[at] = 3
    same(y, pair[1] * factors)
    same(gradient(y, x, grad_outputs=torch.ones_like(y))[0], factors)


@given(pairs(dtype=torch.float64))
def test_what_detach_and_no_grad_cut(pair):
    x = pair[0].requires_grad_()
    with torch.no_grad():
        assert not (x * 2).requires_grad
    same(gradient((x * x.detach()).sum(), x)[0], pair[1])
    y = weights(x.shape).requires_grad_()
    assert gradient(x.sum(), y, allow_unused=True)[0] is None


@given(with_dims(pair=pairs(shapes(1, 4, 5, 1), torch.float64)))
def test_gradient_of_softmax_sums_to_zero(operand):
    x, _, dim = operand
    x.requires_grad_()
    v = weights(x.shape)
    for y in (x.softmax(dim), x.log_softmax(dim)):
        g, = gradient(y, x, grad_outputs=v)
        close(g.sum(dim), np.zeros(g.sum(dim).shape), 1e-12)


@given(st.data(), shapes(0, 2, 3), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
def test_gradients_of_matmul(data, batch, m, k, n):
    x, _ = data.draw(pairs(data.draw(sides_to_broadcast(batch)) + (m, k), torch.float64))
    y, _ = data.draw(pairs(data.draw(sides_to_broadcast(batch)) + (k, n), torch.float64))
    x.requires_grad_(), y.requires_grad_()
    out = x @ y
    v = weights(out.shape)
    dx, dy = gradient(out, x, y, grad_outputs=v)
    same(dx, (v @ y.mT).sum_to_size(x.shape))
    same(dy, (x.mT @ v).sum_to_size(y.shape))


@given(pairs(dtype=torch.float64), seeds)
def test_a_sum_of_paths(pair, seed):
    """Any number of uses adds up, whatever the order."""
    x = pair[0].requires_grad_()
    factors = np.random.default_rng(seed).integers(-3, 4, 6).tolist()
    y = sum(x * k for k in factors)
    same(gradient(y, x, grad_outputs=torch.ones_like(y))[0], np.full(x.shape, float(sum(factors))))
    y = x
    for _ in range(5):
        y = y + y
    same(gradient(y, x, grad_outputs=torch.ones_like(y))[0], np.full(x.shape, 32.0))


@given(pairs(shapes(2, 2, 5, 1), torch.float64), st.integers(1, 4), st.booleans())
def test_a_layer_is_its_formula(pair, features, bias):
    x, a = pair
    layer = torch.nn.Linear(a.shape[1], features, bias=bias, dtype=torch.float64)
    w = layer.weight.detach().numpy()
    close(layer(x), a @ w.T + (layer.bias.detach().numpy() if bias else 0), 1e-12)
    layer(x).sum().backward()
    close(layer.weight.grad, np.tile(a.sum(0), (features, 1)), 1e-12)
    again = torch.nn.Linear(a.shape[1], features, bias=bias, dtype=torch.float64)
    again.load_state_dict(layer.state_dict())
    same(again(x), layer(x))
