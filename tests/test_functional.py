"""Functions made of other ops against NumPy in float64: einsum, products, shapes, statistics; ops that change
geometry in place; Embedding and PReLU."""

import numpy as np
import pytest

import ctorch
from ctorch import linalg, nn
from ctorch.autograd import gradcheck, gradgradcheck


def array(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def tensors(arrays):
    return [ctorch.from_numpy(np.array(a)) for a in arrays]


def check(result, expected):
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def check_gradients(function, *arrays):
    inputs = tuple(t.requires_grad_() for t in tensors(arrays))
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


# ---------------------------------------------------------------- einsum
EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ba", (2, 3)),
    ("i,j->ij", (3,), (4,)),
    ("i,i", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("iij->j", (3, 3, 2)),
    ("iji->j", (3, 2, 3)),
    ("...ij,...jk->...ik", (2, 5, 2, 3), (5, 3, 4)),
    ("...i->...", (2, 3, 4)),
    ("a...b->b...a", (2, 3, 4, 5)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("ab,bc,cd->ad", (2, 3), (3, 4), (4, 5)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,ij->", (2, 3), (2, 3)),
    (" i j , j k -> k i ", (2, 3), (3, 4)),
    ("ij,jk->ik", (0, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 4)),
    ("ijj,j->i", (2, 3, 3), (3,)),
]


@pytest.mark.parametrize("equation, shapes", [(e, s) for e, *s in EQUATIONS])
def test_einsum_is_numpy_s(equation, shapes):
    arrays = [array(*shape, seed=k) for k, shape in enumerate(shapes)]
    check(ctorch.einsum(equation, *tensors(arrays)), np.einsum(equation, *arrays))


def test_einsum_broadcasts_sizes_of_one_and_takes_lists():
    a, b = array(1, 3), array(4, 3, seed=1)
    check(ctorch.einsum("ij,ij->ij", *tensors([a, b])), a * b)
    check(ctorch.einsum("ij,ij->i", *tensors([a, b])), (a * b).sum(1))
    check(ctorch.einsum("ij,kj", tensors([a, b])), a @ b.T)
    a, b = tensors([a, b])
    check(ctorch.einsum(a, [0, 1], b, [2, 1], [2, 0]), (a @ b.T).T.numpy())


def test_einsum_of_whole_numbers():
    a, b = ctorch.arange(6).view(2, 3), ctorch.arange(12).view(3, 4)
    assert ctorch.einsum("ij,jk->ik", a, b).tolist() == (a @ b).tolist()


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("ij,jk->ik", [(2, 3), (3, 2)]),
        ("ii->i", [(3, 3)]),
        ("...ij,...jk->...ik", [(2, 1, 2, 3), (2, 3, 2)]),
        ("ab,bc,cd->ad", [(2, 2), (2, 3), (3, 2)]),
        ("bi,bi->b", [(2, 3), (2, 3)]),
    ],
)
def test_einsum_is_differentiable_twice(equation, shapes):
    check_gradients(
        lambda *xs: ctorch.einsum(equation, *xs), *(array(*s, seed=k) for k, s in enumerate(shapes))
    )


@pytest.mark.parametrize(
    "equation, shapes, phrase",
    [
        (
            "ij,jk->ik",
            [(2,), (2,)],
            r"number of subscripts in the equation \(2\) does not match the number of dimensions "
            r"\(1\) for operand 0 and no ellipsis was given",
        ),
        ("ij->ij", [(2, 3, 4)], "does not match the number of dimensions"),
        ("i,i->k", [(2,), (2,)], "output subscript k does not appear in the equation for any input operand"),
        ("i->ii", [(2,)], "output subscript i appears more than once in the output"),
        ("ii->i", [(2, 3)], "subscript i is repeated for operand 0 but the sizes don't match, 3 != 2"),
        (
            "i,i->i",
            [(2,), (3,)],
            "subscript i has size 3 for operand 1 which does not broadcast with previously seen size 2",
        ),
        ("i1->i", [(2, 3)], "invalid subscript given at index 1"),
        ("i,j->ij", [(2,)], "fewer operands were provided"),
        ("i->i", [(2,), (2,)], "more operands were provided"),
    ],
)
def test_einsum_refuses_an_equation_that_does_not_fit(equation, shapes, phrase):
    with pytest.raises(RuntimeError, match=phrase):
        ctorch.einsum(equation, *tensors(array(*shape) for shape in shapes))


# ---------------------------------------------------------------- products
@pytest.mark.parametrize(
    "a, b, dims",
    [
        ((2, 3, 4), (3, 4, 5), 2),
        ((2, 3), (4, 5), 0),
        ((3, 4), (4,), 1),
        ((2, 3, 4), (4, 3, 2), ([1, 2], [1, 0])),
    ],
)
def test_tensordot(a, b, dims):
    a, b = array(*a), array(*b, seed=1)
    check(ctorch.tensordot(*tensors([a, b]), dims=dims), np.tensordot(a, b, dims))


def test_tensordot_names_the_dimensions_that_differ():
    with pytest.raises(RuntimeError, match="first has size 3 in dim -?1 and second has size 2 in dim 0"):
        ctorch.tensordot(ctorch.ones(2, 3), ctorch.ones(2, 3), 1)


@pytest.mark.parametrize("a, b", [((2,), (3,)), ((2, 2), (3, 2)), ((2,), (2, 3)), ((2, 3, 2), (2, 2))])
def test_kron(a, b):
    a, b = array(*a), array(*b, seed=1)
    check(ctorch.kron(*tensors([a, b])), np.kron(a, b))


@pytest.mark.parametrize("p", [1, 2, 3, float("inf")])
def test_cdist(p):
    a, b = array(4, 3), array(5, 3, seed=1)
    check(ctorch.cdist(*tensors([a, b]), p), np.linalg.norm(a[:, None] - b[None], p, axis=-1))


def test_euclidean_distances_of_many_come_from_a_product():
    a, b = np.random.default_rng(1).standard_normal((2, 40, 7)).astype(np.float32), np.ones((1, 3, 7), np.float32)
    expected = np.linalg.norm(a[:, :, None] - b[:, None], axis=-1)
    x, y = tensors([a, b])
    assert np.allclose(ctorch.cdist(x, y).numpy(), expected, atol=1e-5)
    assert np.allclose(ctorch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").numpy(), expected, atol=1e-6)
    x.requires_grad_()
    distances = ctorch.cdist(x, x)
    distances.sum().backward()
    assert distances.diagonal(dim1=1, dim2=2).abs().max() == 0 and x.grad.isfinite().all()



def test_cross_product_and_its_gradients():
    a, b = array(4, 3), array(4, 3, seed=1)
    check(ctorch.cross(*tensors([a, b])), np.cross(a, b))
    check(linalg.cross(*tensors([a, b[:1]])), np.cross(a, b[:1]))
    check_gradients(linalg.cross, a, b[:1])
    with pytest.raises(RuntimeError, match="must have length 3"):
        linalg.cross(ctorch.ones(2), ctorch.ones(2))


@pytest.mark.parametrize("order", ["fro", 1, -1, np.inf, -np.inf])
def test_matrix_norm(order):
    a = array(3, 4)
    check(linalg.matrix_norm(*tensors([a]), order), np.linalg.norm(a, order))
    check(linalg.norm(*tensors([a]), order), np.linalg.norm(a, order))


def test_vector_norms_and_powers():
    a = array(3, 3)
    check(linalg.norm(*tensors([a])), np.linalg.norm(a))
    check(linalg.vector_norm(*tensors([a]), 3, 1), np.linalg.norm(a, 3, 1))
    check(linalg.matrix_power(*tensors([a]), 5), np.linalg.matrix_power(a, 5))
    check(linalg.multi_dot(tensors([a, a, a])), a @ a @ a)


# ---------------------------------------------------------------- shapes
def test_block_diag_and_atleast():
    a, b, c = tensors([array(2, 3), array(2, seed=1), np.array(5.0)])
    whole = ctorch.block_diag(a, b, c)
    assert whole.shape == (4, 6)
    assert ctorch.equal(whole[:2, :3], a) and ctorch.equal(whole[2, 3:5], b) and whole[3, 5] == 5
    assert whole.sum().item() == pytest.approx((a.sum() + b.sum() + c).item())
    for n, function in enumerate((ctorch.atleast_1d, ctorch.atleast_2d, ctorch.atleast_3d), 1):
        for x in (np.array(5.0), array(2), array(2, 3), array(2, 3, 4)):
            check(function(*tensors([x])), getattr(np, f"atleast_{n}d")(x))


def test_broadcasting_of_shapes_and_tensors():
    assert ctorch.broadcast_shapes((2, 1), (3,), 1) == ctorch.Size([2, 3])
    a, b = ctorch.broadcast_tensors(ctorch.ones(2, 1), ctorch.ones(3))
    assert a.shape == b.shape == (2, 3) and a.stride() == (1, 0)
    with pytest.raises(RuntimeError, match="broadcast a dimension of length 3"):
        ctorch.broadcast_tensors(ctorch.ones(2), ctorch.ones(3))


def test_products_and_choices_of_vectors():
    a, b = ctorch.tensor([1, 2]), ctorch.tensor([3, 4, 5])
    assert ctorch.cartesian_prod(a, b).tolist() == [[1, 3], [1, 4], [1, 5], [2, 3], [2, 4], [2, 5]]
    assert ctorch.combinations(b).tolist() == [[3, 4], [3, 5], [4, 5]]
    assert ctorch.combinations(a, 2, with_replacement=True).tolist() == [[1, 1], [1, 2], [2, 2]]


def test_stacks_and_splits():
    a, b = array(3), array(3, seed=1)
    check(ctorch.dstack(tensors([a, b])), np.dstack([a, b]))
    check(ctorch.column_stack(tensors([a, b])), np.column_stack([a, b]))
    x = array(4, 6, 2)
    for name in ("hsplit", "vsplit", "dsplit"):
        for result, expected in zip(
            getattr(ctorch, name)(*tensors([x]), 2), getattr(np, name)(x, 2), strict=True
        ):
            check(result, expected)
    with pytest.raises(RuntimeError, match="is not divisible by the split_size 4"):
        ctorch.hsplit(ctorch.ones(4, 6), 4)


# ---------------------------------------------------------------- statistics and calculus
def test_cov_and_corrcoef():
    x = array(3, 7)
    check(ctorch.cov(*tensors([x])), np.cov(x))
    check(ctorch.corrcoef(*tensors([x])), np.corrcoef(x))
    check(ctorch.cov(*tensors([x]), correction=0), np.cov(x, ddof=0))
    repeated, weights = np.array([1, 2, 1, 3, 1, 1, 2]), np.linspace(0.1, 1, 7)
    check(ctorch.cov(*tensors([x]), fweights=ctorch.tensor(repeated)), np.cov(x, fweights=repeated))
    check(ctorch.cov(*tensors([x]), aweights=ctorch.from_numpy(weights)), np.cov(x, aweights=weights))


def test_diff_trapezoid_and_vander():
    x, y = np.sort(array(5)), array(3, 5, seed=1)
    check(ctorch.diff(*tensors([y]), n=2, dim=0), np.diff(y, 2, 0))
    check(ctorch.diff(*tensors([y]), prepend=ctorch.zeros(3, 1, dtype=ctorch.float64)), np.diff(y, prepend=0))
    assert ctorch.tensor([True, False, False]).diff().tolist() == [True, False]
    check(ctorch.trapezoid(*tensors([y, x])), [np.sum((r[1:] + r[:-1]) * np.diff(x)) / 2 for r in y])
    check(ctorch.trapezoid(*tensors([y]), dx=0.5), (y[:, 1:] + y[:, :-1]).sum(1) * 0.25)
    check(ctorch.vander(*tensors([x]), 3), np.vander(x, 3))
    check_gradients(lambda v: ctorch.vander(v, 3, increasing=True), x)


def test_whole_numbers():
    a, b = np.array([4, 6, 0, -9, 7, 12]), np.array([6, 4, 5, 6, 0, 18])
    assert ctorch.gcd(*tensors([a, b])).tolist() == np.gcd(a, b).tolist()
    assert ctorch.lcm(*tensors([a, b])).tolist() == np.lcm(a, b).tolist()
    assert ctorch.isin(ctorch.tensor([1, 2, 3]), ctorch.tensor([2, 3])).tolist() == [False, True, True]
    with pytest.raises(NotImplementedError, match="needs whole numbers"):
        ctorch.gcd(ctorch.ones(2), ctorch.ones(2))


def test_what_is_no_tensor_is_refused_by_type():
    for call in (
        lambda: ctorch.kron(1, ctorch.ones(2)),
        lambda: ctorch.einsum("i->i", 3.0),
        lambda: ctorch.cov([1, 2]),
        lambda: ctorch.atleast_1d(2.0),
    ):
        with pytest.raises(TypeError, match="Tensor"):
            call()


# ---------------------------------------------------------------- pointwise
def test_bounds_that_are_tensors():
    x, low, high = array(3, 4), array(4, seed=1) - 0.5, array(4, seed=1) + 0.5
    t, a, b = tensors([x, low, high])
    check(t.clamp(a, b), np.clip(x, low, high))
    check(t.clamp(min=a), np.maximum(x, low))
    check(t.clamp_min(a), np.maximum(x, low))
    check(t.clamp_max(0.25), np.minimum(x, 0.25))
    assert ctorch.tensor([0, 3]).clamp_min(0.5).dtype == ctorch.float32
    check_gradients(ctorch.clamp_min, x, low)
    check_gradients(ctorch.clamp_max, x, high)
    check_gradients(ctorch.clamp, x, low, high)


def test_bounds_without_dims_are_tensors_all_the_same():
    """They have gradients and take part in promotion, where a number beside them does not."""
    low, x = ctorch.tensor(1.0, requires_grad=True), ctorch.arange(5.0).requires_grad_()
    (3 * ctorch.clamp(x, low, ctorch.tensor(3.0))).sum().backward()
    assert low.grad.item() == 3 and x.grad.tolist() == [0, 3, 3, 3, 0]
    whole, double = ctorch.ones(2, dtype=ctorch.uint8), ctorch.tensor(2.0, dtype=ctorch.float64)
    assert whole.clamp(double).dtype == whole.clamp(max=double).dtype == whole.clamp(double, double).dtype == ctorch.float64
    assert whole.clamp(double, 3).dtype == whole.clamp(2.5).dtype == ctorch.float32


def test_a_number_is_not_read_off_a_tensor_with_a_history():
    x, factor = ctorch.ones(2), ctorch.tensor(2.0, requires_grad=True)
    for call in (lambda: ctorch.add(x, x, alpha=factor * 1), lambda: ctorch.full((2,), factor), lambda: x.clamp(1, factor),
                 lambda: ctorch.addcmul(x, x, x, value=factor)):
        with pytest.raises(TypeError, match="not Tensor|combination of arguments"):
            call()
    assert ctorch.add(x, x, alpha=factor.detach()).tolist() == [3, 3]


def test_a_bound_in_place_keeps_its_gradient():
    leaf = ctorch.tensor([-1.0, 2.0], requires_grad=True)
    (leaf * 3).clamp_min_(0).sum().backward()
    assert leaf.grad.tolist() == [0, 3]


def test_logit_and_nan_to_num():
    x = np.random.RandomState(0).rand(5)
    check(ctorch.logit(*tensors([x])), np.log(x / (1 - x)))
    check_gradients(ctorch.logit, x)
    check_gradients(lambda t: ctorch.logit(t, 0.3), x)
    wild = ctorch.tensor([np.nan, np.inf, -np.inf, 1.0], requires_grad=True)
    calm = ctorch.nan_to_num(wild, 2.0)
    assert calm.tolist() == [2.0, np.finfo(np.float32).max, np.finfo(np.float32).min, 1.0]
    calm.sum().backward()
    assert wild.grad.tolist() == [0, 0, 0, 1]


def test_float_power_computes_in_float64():
    assert ctorch.float_power(ctorch.tensor([2, 3]), -1).tolist() == [0.5, 1 / 3]
    assert ctorch.float_power(2, ctorch.tensor([0.5])).dtype == ctorch.float64


def test_prelu():
    x, w = array(2, 3, 4), array(3, seed=1)
    check(nn.functional.prelu(*tensors([x, w])), np.where(x > 0, x, x * w[:, None]))
    check_gradients(nn.functional.prelu, x, w)
    assert nn.PReLU()(ctorch.tensor([-4.0, 2.0])).tolist() == [-1, 2]
    with pytest.raises(RuntimeError, match="Mismatch of parameter numbers and input channel size"):
        nn.functional.prelu(ctorch.ones(2, 3), ctorch.ones(2))


# ---------------------------------------------------------------- geometry in place, storage
def test_geometry_in_place_moves_no_element():
    x = ctorch.arange(6.0).view(1, 2, 3)
    address = x.data_ptr()
    assert x.squeeze_().t_().shape == (3, 2) and x.stride() == (1, 3)
    assert x.unsqueeze_(1).transpose_(0, 2).shape == (2, 1, 3)
    assert x.data_ptr() == address and x.reshape(-1).tolist() == list(range(6))


def test_geometry_in_place_has_a_gradient_and_refuses_leaves():
    leaf = ctorch.ones(2, 3, requires_grad=True)
    y = leaf * 2
    y.t_()
    (y * ctorch.arange(6.0).view(3, 2)).sum().backward()
    assert leaf.grad.tolist() == [[0, 4, 8], [2, 6, 10]]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"):
        leaf.t_()
    saved = leaf * 1
    product = saved * saved
    saved.t_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()


def test_storage_is_what_views_share():
    x = ctorch.arange(4.0)
    part = x[2:]
    assert part.storage().tolist() == [0, 1, 2, 3] and part.storage_offset() == 2
    assert part.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert x.untyped_storage().nbytes() == 16
    part.untyped_storage()[:4] = 0
    assert x.tolist() == [0, 1, 2, 3] and bytes(x.untyped_storage()[8:12]) == b"\0\0\0\x40"
    x.storage()[3] = 9
    assert part.tolist() == [2, 9]
    assert (
        repr(ctorch.ones(1).storage())
        == f" 1.0\n[torch.storage.TypedStorage(dtype=torch.float32, device={x.device}) of size 1]"
    )


def test_views_of_another_element_size():
    x = ctorch.arange(12, dtype=ctorch.float32).reshape(3, 4)
    bits = x.view(ctorch.int16)
    assert bits.shape == (3, 8) and bits[1, 1].item() == 0x4080 and bits.view(ctorch.float32).equal(x)
    assert x[:, 2:].view(ctorch.float64).stride() == (2, 1)
    bits[0, 1] = 0x3F80
    assert x[0, 0] == 1


@pytest.mark.parametrize("call, text", [
    ("x.t().view(ctorch.uint8)", r"self.stride\(-1\) must be 1 to view Float as Byte \(different element sizes\), but got 4"),
    ("x[:, :3].view(ctorch.float64)", r"self.size\(-1\) must be divisible by 2 to view Float as Double .*, but got 3"),
    ("x[:, 1:3].view(ctorch.float64)", r"self.storage_offset\(\) must be divisible by 2 to view Float as Double .*, but got 1"),
    ("ctorch.ones(3, 3)[:, :2].view(ctorch.float64)", r"self.stride\(0\) must be divisible by 2 .*, but got 3"),
    ("ctorch.tensor(1.0).view(ctorch.uint8)", r"self.dim\(\) cannot be 0 to view Float as Byte"),
])
def test_views_of_another_element_size_that_cannot_be(call, text):
    with pytest.raises(RuntimeError, match=text):
        eval(call, {"ctorch": ctorch, "x": ctorch.zeros(3, 4)})


def test_elements_by_a_python_function():
    assert ctorch.tensor([1.0, 2.0]).apply_(lambda v: v + 0.5).tolist() == [1.5, 2.5]
    assert ctorch.tensor([1.0, 2.0]).map_(ctorch.tensor([3.0, 4.0]), lambda a, b: a * b).tolist() == [3, 8]


# ---------------------------------------------------------------- Embedding
def test_embedding_looks_rows_up_and_trains_them():
    layer = nn.Embedding(5, 3, padding_idx=0)
    assert repr(layer) == "Embedding(5, 3, padding_idx=0)"
    assert layer.weight[0].tolist() == [0, 0, 0]
    out = layer(ctorch.tensor([[1, 0], [1, 4]]))
    assert out.shape == (2, 2, 3)
    out.sum().backward()
    assert layer.weight.grad[:, 0].tolist() == [0, 2, 0, 0, 1]
    with pytest.raises(IndexError, match="out of range"):
        layer(ctorch.tensor([5]))


def test_embedding_from_a_table():
    layer = nn.Embedding.from_pretrained(ctorch.arange(6.0).view(3, 2))
    assert layer(ctorch.tensor(2)).tolist() == [4, 5] and not layer.weight.requires_grad
    with pytest.raises(AssertionError, match="Padding_idx must be within num_embeddings"):
        nn.Embedding(3, 2, padding_idx=3)


# ---------------------------------------------------------------- layers in Python
def test_a_lazy_linear_takes_its_size_from_the_first_input():
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(1, bias=False))
    assert repr(model[0]) == "LazyLinear(in_features=0, out_features=4, bias=True)"
    parameters = list(model.parameters())
    optimizer = ctorch.optim.SGD(parameters, lr=0.1)
    assert model(ctorch.ones(2, 3)).shape == (2, 1)
    assert type(model[0]) is nn.Linear and model[0].in_features == 3
    assert parameters[0] is model[0].weight and type(parameters[0]) is nn.Parameter
    before = model[0].weight.detach().clone()
    model(ctorch.ones(2, 3)).sum().backward()
    optimizer.step()
    assert not ctorch.equal(before, model[0].weight)


def test_a_lazy_linear_draws_what_a_linear_draws():
    lazy = nn.LazyLinear(4)
    ctorch.manual_seed(3)
    lazy(ctorch.ones(1, 5))
    ctorch.manual_seed(3)
    plain = nn.Linear(5, 4)
    assert ctorch.equal(lazy.weight, plain.weight) and ctorch.equal(lazy.bias, plain.bias)


@pytest.mark.parametrize(
    "kind, mode", [("Zero", "constant"), ("Reflection", "reflect"), ("Replication", "edge"), ("Circular", "wrap")]
)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_padding_layers(kind, mode, dims):
    x = array(1, 2, *(3, 4, 5)[:dims])
    layer = getattr(nn, f"{kind}Pad{dims}d")(1)
    check(layer(*tensors([x])), np.pad(x, [(0, 0), (0, 0)] + [(1, 1)] * dims, mode=mode))
    assert repr(layer) == f"{kind}Pad{dims}d({(1,) * 2 * dims})"


def test_constant_padding_of_each_side():
    x = ctorch.ones(1, 1, 2, 2)
    assert nn.ConstantPad2d((1, 0, 0, 1), 7.0)(x).tolist() == [[[[7, 1, 1], [7, 1, 1], [7, 7, 7]]]]


def test_distances_and_their_losses():
    a, b = array(4, 3), array(4, 3, seed=1)
    x, y = tensors([a, b])
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    check(nn.CosineSimilarity()(x, y), cosine)
    check(nn.PairwiseDistance(1)(x, y), np.abs(a - b + 1e-6).sum(1))
    target = np.array([1.0, -1.0, 1.0, -1.0])
    expected = np.where(target == 1, 1 - cosine, np.maximum(0, cosine - 0.1)).mean()
    assert nn.CosineEmbeddingLoss(0.1)(x, y, *tensors([target])).item() == pytest.approx(expected)
    u, v = a[:, 0], b[:, 0]
    hinge = np.maximum(0, -target * (u - v) + 0.5).sum()
    ranked = nn.MarginRankingLoss(0.5, reduction="sum")(*tensors([u, v, target]))
    assert ranked.item() == pytest.approx(hinge)
    assert nn.TripletMarginLoss()(x, x, y).item() == pytest.approx(
        np.maximum(0, 1 + 1e-6 * 3**0.5 - np.linalg.norm(a - b + 1e-6, axis=1)).mean()
    )
    assert nn.SoftMarginLoss()(*tensors([u, target])).item() == pytest.approx(np.log1p(np.exp(-u * target)).mean())


def test_a_missing_bound_of_small_integers():
    for dtype in (ctorch.uint8, ctorch.int8, ctorch.int16, ctorch.int32, ctorch.int64):
        x = ctorch.tensor([0, 3, 7], dtype=dtype)
        assert x.clamp(min=1).tolist() == [1, 3, 7]
        assert x.clamp(max=5).tolist() == [0, 3, 5]
    assert ctorch.gcd(ctorch.tensor([12], dtype=ctorch.int32), ctorch.tensor([18], dtype=ctorch.int32)).item() == 6


def test_bounds_in_place_keep_all_gradients():
    x, low, high = (ctorch.tensor(values, requires_grad=True) for values in ([1.0, 2, 3], [2.0, 2, 2], [[2.5], [1.0]]))
    both = (x * 1).expand(2, 3).clone()
    both.clamp_(low, high).sum().backward()
    assert [t.grad.tolist() for t in (x, low, high)] == [[0, 1, 0], [1, 0, 0], [[1], [3]]]
    assert type(both.grad_fn).__name__ == "ClampBackward0"


@pytest.mark.cpu  # what lies in a device's memory is not read to be rounded
@pytest.mark.parametrize("dtype", [ctorch.half, ctorch.bfloat16])
def test_numbers_beside_halves_are_halves_but_in_products_and_quotients(dtype):
    tenth = ctorch.tensor([0.1], dtype=dtype)
    for number in (0.1, ctorch.tensor(0.1), ctorch.tensor(0.1, dtype=ctorch.float64)):
        assert (tenth == number).all() and (tenth <= number).all() and not (tenth - number).any()
    thirds = ctorch.arange(1, 200, dtype=dtype)
    assert ctorch.equal(thirds * 0.1, (thirds.float() * 0.1).to(dtype))
    assert ctorch.equal(thirds / 0.3, (thirds.float() / 0.3).to(dtype))
    assert ctorch.equal(thirds + 0.1, (thirds.float() + tenth.float()).to(dtype))
