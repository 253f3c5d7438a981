"""Inverses, singular values and what is made of them, against NumPy in float64; gradients against differences."""

import ctorch
import numpy as np
import pytest

SHAPES = [(3, 3), (2, 4, 4), (1, 1), (6, 6), (2, 0, 0)]


def matrices(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def differences(function, array, weight, step=1e-6):
    """d sum(function(array) * weight) / d array by central differences; function takes and gives a ctorch tensor."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(*array.shape):
        ends = []
        for sign in (1, -1):
            moved = array.copy()
            moved[place] += sign * step
            ends.append(float((function(ctorch.tensor(moved)) * weight).sum()))
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def check_gradients(function, array):
    x = ctorch.tensor(array, requires_grad=True)
    y = function(x)
    weight = ctorch.tensor(matrices(*y.shape, seed=1))
    (first,) = ctorch.autograd.grad((y * weight).sum(), x, create_graph=True)
    np.testing.assert_allclose(first.detach().numpy(), differences(function, array, weight), rtol=1e-5, atol=1e-7)
    if not first.requires_grad:  # a linear function
        return

    def gradient(t):
        t.requires_grad_()
        return ctorch.autograd.grad((function(t) * weight).sum(), t)[0]

    across = ctorch.tensor(matrices(*array.shape, seed=2))
    (second,) = ctorch.autograd.grad((first * across).sum(), x)
    np.testing.assert_allclose(second.numpy(), differences(gradient, array, across), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_inverse(shape):
    a = matrices(*shape)
    np.testing.assert_allclose(ctorch.linalg.inv(ctorch.tensor(a)).numpy(), np.linalg.inv(a), rtol=1e-9, atol=1e-12)
    assert ctorch.equal(ctorch.tensor(a).inverse(), ctorch.inverse(ctorch.tensor(a)))
    check_gradients(ctorch.linalg.inv, a)


def test_a_singular_matrix_has_no_inverse():
    with pytest.raises(ctorch.linalg.LinAlgError, match="The diagonal element 2 is zero"):
        ctorch.linalg.inv(ctorch.ones(2, 2))
    with pytest.raises(RuntimeError, match="Batch element 1"):
        ctorch.linalg.inv(ctorch.stack([ctorch.eye(2), ctorch.zeros(2, 2)]))
    with pytest.raises(RuntimeError, match="batches of square matrices, but they are 2 by 3"):
        ctorch.linalg.inv(ctorch.ones(2, 3))
    with pytest.raises(RuntimeError, match="Low precision dtypes not supported. Got Half"):
        ctorch.linalg.inv(ctorch.ones(2, 2).half())


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 2), (0, 3), (1, 1), (40, 30)])
def test_singular_values(shape):
    a = matrices(*shape)
    np.testing.assert_allclose(ctorch.linalg.svdvals(ctorch.tensor(a)).numpy(),
                               np.linalg.svd(a, compute_uv=False), rtol=1e-12)
    if a.size < 30:
        check_gradients(ctorch.linalg.svdvals, a)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_singular_values_of_any_size(scale):
    a = matrices(4, 3) * scale
    np.testing.assert_allclose(ctorch.linalg.svdvals(ctorch.tensor(a)).numpy(),
                               np.linalg.svd(a, compute_uv=False), rtol=1e-12)


def test_singular_values_of_a_matrix_without_full_rank():
    values = ctorch.linalg.svdvals(ctorch.tensor([[1.0, 2], [2, 4], [3, 6]], dtype=ctorch.float64))
    np.testing.assert_allclose(values.numpy(), [70**0.5, 0], atol=1e-14)
    zero = ctorch.zeros(2, 3, requires_grad=True)
    ctorch.linalg.matrix_norm(zero, "nuc").backward()
    assert zero.grad.tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(ctorch.linalg.LinAlgError, match="non-finite"):
        ctorch.linalg.svdvals(ctorch.tensor([[float("nan")]]))


@pytest.mark.parametrize("order", ["nuc", 2, -2])
def test_norms_of_singular_values(order):
    a = matrices(3, 2, 4)
    x = ctorch.tensor(a)
    np.testing.assert_allclose(ctorch.linalg.matrix_norm(x, order).numpy(), np.linalg.norm(a, order, (1, 2)))
    kept = ctorch.linalg.matrix_norm(x, order, dim=(2, 0), keepdim=True)
    np.testing.assert_allclose(kept.numpy(), np.linalg.norm(a, order, (2, 0), keepdims=True))
    check_gradients(lambda t: ctorch.linalg.matrix_norm(t, order), a)
    with pytest.raises(RuntimeError, match="dims must be different"):
        ctorch.linalg.matrix_norm(x, order, dim=(1, 1))


def test_the_nuclear_norm_by_name():
    a = matrices(3, 4)
    assert float(ctorch.tensor(a).norm("nuc")) == pytest.approx(np.linalg.norm(a, "nuc"))
    with pytest.raises(RuntimeError, match="dim must be a 2-tuple"):
        ctorch.ones(2, 2, 2).norm("nuc")


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5])
def test_matrix_power(n):
    a = matrices(2, 3, 3)
    np.testing.assert_allclose(ctorch.linalg.matrix_power(ctorch.tensor(a), n).numpy(), np.linalg.matrix_power(a, n))
    check_gradients(lambda t: ctorch.linalg.matrix_power(t, n), a)


def test_multi_dot_takes_the_cheapest_order():
    parts = [matrices(*shape, seed=k) for k, shape in enumerate([(2,), (2, 9), (9, 1), (1, 7), (7,)])]
    product = ctorch.linalg.multi_dot([ctorch.tensor(part) for part in parts])
    assert product.shape == ()
    assert float(product) == pytest.approx(np.linalg.multi_dot(parts))
    assert ctorch.linalg._best_splits([1, 9, 1, 9])[0, 2] == 1
    assert ctorch.linalg._best_splits([9, 1, 9, 1])[0, 2] == 0
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        ctorch.linalg.multi_dot([ctorch.ones(2, 3), ctorch.ones(2, 3)])


@pytest.mark.parametrize("dtype", [ctorch.float64, ctorch.float16, ctorch.int64])
@pytest.mark.parametrize("name, shapes", [("mm", [(2, 3), (3, 2)]), ("mv", [(2, 3), (3,)]), ("dot", [(2,), (2,)]),
                                          ("matmul", [(2, 3), (3,)]), ("bmm", [(1, 2, 3), (1, 3, 2)]),
                                          ("addmm", [(2, 2), (2, 3), (3, 2)]), ("tensordot", [(1, 2, 3), (2, 3, 1)])])
def test_a_product_is_not_converted_into_out(name, shapes, dtype):
    operands = [ctorch.ones(shape) for shape in shapes]
    out = ctorch.zeros(7, dtype=dtype)
    with pytest.raises(RuntimeError, match="xpected.*to have dtype.*float32, but got"):
        getattr(ctorch, name)(*operands, out=out)
    assert out.tolist() == [0] * 7
    same = ctorch.zeros(7)
    assert getattr(ctorch, name)(*operands, out=same) is same
    assert same.equal(getattr(ctorch, name)(*operands))


@pytest.mark.parametrize("name", ["beta", "alpha"])
def test_addr_of_integers_takes_whole_factors(name):
    v = ctorch.tensor([1, 2])
    with pytest.raises(RuntimeError, match=f"For integral input tensors, argument {name} must not be a floating point"):
        ctorch.addr(ctorch.ones(2, 2, dtype=ctorch.int64), v, v, **{name: 0.5})
    assert ctorch.addr(ctorch.ones(2, 2, dtype=ctorch.int64), v, v, **{name: 2.0}).dtype == ctorch.int64


@pytest.mark.parametrize("name, shapes", [("addmm", [(2, 4), (2, 3), (3, 4)]), ("addmv", [(2,), (2, 3), (3,)]),
                                          ("addr", [(2, 3), (2,), (3,)]),
                                          ("baddbmm", [(2, 2, 4), (2, 2, 3), (2, 3, 4)])])
def test_factors_of_a_sum_and_a_product_reach_their_own_gradients(name, shapes):
    operands = [ctorch.rand(shape, dtype=ctorch.float64, requires_grad=True) for shape in shapes]
    both = getattr(ctorch, name)(*operands, beta=3, alpha=0.5)
    apart = 3 * operands[0] + getattr(ctorch, name)(0 * operands[0].detach(), *operands[1:]) / 2
    assert ctorch.allclose(both, apart)
    weight = ctorch.rand_like(both)
    for ours, theirs in zip(ctorch.autograd.grad((both * weight).sum(), operands),
                            ctorch.autograd.grad((apart * weight).sum(), operands), strict=True):
        assert ctorch.allclose(ours, theirs)


# Sizes on both sides of what the products decide by: dots or tiles, in place or packed, one block or several.
PRODUCTS = [(1, 1, 1), (1, 2, 5), (2, 3, 1), (1, 40, 1), (1, 300, 7), (1, 70, 300), (3, 64, 5), (5, 64, 3), (7, 5000, 2), (2, 5000, 7),
            (13, 33, 17), (4, 900, 4), (64, 1, 64), (64, 3, 40), (100, 20, 3), (130, 600, 70), (40, 1030, 700), (700, 64, 6),
            (205, 512, 100)]
LAYOUTS = {"rows": lambda a: a, "columns": lambda a: a.t().contiguous().t(),
           "stepped": lambda a: a.repeat_interleave(2, 0).repeat_interleave(3, 1)[::2, ::3]}


@pytest.mark.kernels
@pytest.mark.cpu
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("dtype", [ctorch.float32, ctorch.float64, ctorch.int64])
def test_products_of_whole_numbers_are_exact(dtype, left, right):
    """Of every size and layout, alone, with what is added before, and as a layer with its bias and ReLU."""
    draw = np.random.default_rng(0)
    for m, k, n in PRODUCTS:
        a, b, c = draw.integers(-3, 4, (m, k)), draw.integers(-3, 4, (k, n)), draw.integers(-9, 10, (m, n))
        x, y = LAYOUTS[left](ctorch.tensor(a).to(dtype)), LAYOUTS[right](ctorch.tensor(b).to(dtype))
        exact = a.astype(np.float64) @ b
        assert ((x @ y).double().numpy() == exact).all(), (m, k, n)
        assert (ctorch.addmm(ctorch.tensor(c).to(dtype), x, y, beta=2).double().numpy() == 2 * c + exact).all(), (m, k, n)
        assert (ctorch.mv(x, y[:, 0]).double().numpy() == exact[:, 0]).all(), (m, k)
        layer = ctorch.nn.functional.linear(x, y.t(), ctorch.tensor(c[0]).to(dtype))
        assert (layer.double().numpy() == exact + c[0]).all(), (m, k, n)
        if dtype.is_floating_point:
            net = ctorch.nn.Sequential(ctorch.nn.Linear(k, n, dtype=dtype), ctorch.nn.ReLU())
            with ctorch.no_grad():
                net[0].weight.copy_(y.t()), net[0].bias.copy_(ctorch.tensor(c[0]))
                assert (net(x).double().numpy() == np.maximum(exact + c[0], 0)).all(), (m, k, n)
