"""Functions of tensors that are naturally Python: compositions of ops, differentiable because the ops are."""

from . import _C
from ._C import Tensor
from ._einsum import einsum


def _check(function, *tensors):
    """Refuses what is no tensor, as ops in C do."""
    for k, tensor in enumerate(tensors, 1):
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{function}(): argument (position {k}) must be Tensor, not {type(tensor).__name__}"
            )


# ---------------------------------------------------------------- shapes
def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to. Raises RuntimeError if they do not."""
    for shape in shapes:
        if not isinstance(shape, (int, tuple, list)):
            raise RuntimeError(f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}")
    shapes = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    result = [1] * max((len(shape) for shape in shapes), default=0)
    for k, shape in enumerate(shapes):
        for i in range(-len(shape), 0):
            if shape[i] != 1 and result[i] not in (1, shape[i]):
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {shape[i]} at {i}! Mismatching argument "
                    f"at index {k} had {shape}; but expected shape should be broadcastable to {result}"
                )
            if shape[i] != 1:
                result[i] = shape[i]
    return _C.Size(result)


def _several(tensors):
    """The tensors of f(a, b) or f([a, b])."""
    return tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors


def broadcast_tensors(*tensors):
    """A tuple of the tensors expanded to their common shape, as views."""
    tensors = _several(tensors)
    for k, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected Tensor as element {k} in argument 0, but got {type(tensor).__name__}")
    shape = broadcast_shapes(*(tensor.shape for tensor in tensors))
    return tuple(tensor.expand(shape) for tensor in tensors)


def _at_least(ndim, widen):
    def function(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return tensors[0] if tensors[0].dim() >= ndim else widen(tensors[0])
        _check(f"atleast_{ndim}d", *_several(tensors))
        return tuple(function(tensor) for tensor in _several(tensors))

    function.__name__ = function.__qualname__ = f"atleast_{ndim}d"
    function.__doc__ = (
        f"The tensor seen with at least {ndim} dimension{'s' * (ndim > 1)}; a tuple for several tensors."
    )
    return function


atleast_1d = _at_least(1, lambda x: x.reshape(1))
atleast_2d = _at_least(2, lambda x: x.reshape(1, -1))
atleast_3d = _at_least(3, lambda x: x.unsqueeze(-1) if x.dim() == 2 else x.reshape(1, -1, 1))


def dstack(tensors):
    """Tensors joined along the third dimension; smaller ones are seen with three first."""
    return _C.cat([atleast_3d(tensor) for tensor in tensors], 2)


def column_stack(tensors):
    """Tensors joined as columns: 0-d and 1-d ones become a column each."""
    return _C.hstack([tensor.reshape(-1, 1) if tensor.dim() <= 1 else tensor for tensor in tensors])


def _split_along(input, indices_or_sections, dim, least, name):
    _check(name, input)
    if input.dim() < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but got a "
            f"tensor with {input.dim()} dimensions!"
        )
    sections = indices_or_sections if isinstance(indices_or_sections, int) else None
    if sections == 0 or sections is not None and input.size(dim) % sections:
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.size(dim)} is not divisible by the split_size {sections}!"
        )
    return _C.tensor_split(input, indices_or_sections, dim)


def hsplit(input, indices_or_sections):
    """input cut along its columns (a vector: its elements): into n equal parts, or at the given indices."""
    _check("hsplit", input)
    return _split_along(input, indices_or_sections, 0 if input.dim() == 1 else 1, 1, "hsplit")


def vsplit(input, indices_or_sections):
    """input cut along its rows: into n equal parts, or at the given indices."""
    return _split_along(input, indices_or_sections, 0, 2, "vsplit")


def dsplit(input, indices_or_sections):
    """input cut along dimension 2: into n equal parts, or at the given indices."""
    return _split_along(input, indices_or_sections, 2, 3, "dsplit")


def block_diag(*tensors):
    """A matrix with the given matrices along its diagonal and zeros elsewhere; vectors count as one row."""
    _check("block_diag", *tensors)
    for k, tensor in enumerate(tensors):
        if tensor.dim() > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                f"Input {k} has {tensor.dim()} dimensions"
            )
    blocks = [atleast_2d(tensor) for tensor in tensors]
    width = sum(block.size(1) for block in blocks)
    rows, left = [], 0
    for block in blocks:
        right = width - left - block.size(1)
        rows.append(
            _C.cat([block.new_zeros(block.size(0), left), block, block.new_zeros(block.size(0), right)], 1)
        )
        left += block.size(1)
    return _C.cat(rows)


def cartesian_prod(*tensors):
    """Every combination of one element of each vector: (n1 * n2 * ..., number of vectors)."""
    _check("cartesian_prod", *tensors)
    for tensor in tensors:
        if tensor.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(tensor.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([grid.reshape(-1) for grid in _C.meshgrid(*tensors, indexing="ij")], 1)


def combinations(input, r=2, with_replacement=False):
    """All choices of r elements of a vector, in order: (count, r)."""
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    import itertools

    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return input[_C.tensor(list(choose(range(len(input)), r)), dtype=_C.int64).reshape(-1, r)]


# ---------------------------------------------------------------- products
def tensordot(a, b, dims=2, out=None):
    """Product summed over dims: a number n (a's last with b's first n), or two lists of dimensions.

    A dimension of size 1 is multiplied with the sum along its partner; other unequal pairs raise RuntimeError.
    """
    _check("tensordot", a, b)
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if not isinstance(dims, (int, list, tuple)):
        raise RuntimeError("tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two "
                           f"lists, but got dims={dims}")
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = list(range(a.dim() - dims, a.dim())), list(range(dims))
    a_dims, b_dims = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(a_dims) != len(b_dims):
        raise RuntimeError("both dimension lists should have same length")
    for d, e in zip(a_dims, b_dims):
        if a.size(d) == 1:
            b = b.sum(e, True, dtype=b.dtype)
        elif b.size(e) == 1:
            a = a.sum(d, True, dtype=a.dtype)
        elif a.size(d) != b.size(e):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.size(d)} in dim {d} and "
                f"second has size {b.size(e)} in dim {e}"
            )
    a_dims, b_dims = [d % a.dim() for d in a_dims], [d % b.dim() for d in b_dims]
    for chosen in (a_dims, b_dims):
        for d in chosen:
            if chosen.count(d) > 1:
                raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    a_rest = [d for d in range(a.dim()) if d not in a_dims]
    b_rest = [d for d in range(b.dim()) if d not in b_dims]
    left = a.permute(a_rest + a_dims).reshape(_count(a, a_rest), _count(a, a_dims))
    right = b.permute(b_dims + b_rest).reshape(_count(b, b_dims), _count(b, b_rest))
    result = _C.mm(left, right).reshape([a.size(d) for d in a_rest] + [b.size(d) for d in b_rest])
    if out is None:
        return result
    if out.dtype != result.dtype:
        raise RuntimeError(f"tensordot: Expected the output tensor to have dtype {result.dtype}, but got an output tensor "
                           f"with dtype {out.dtype}")
    return out.resize_(result.shape).copy_(result)


def _count(tensor, dims):
    n = 1
    for d in dims:
        n *= tensor.size(d)
    return n


def kron(input, other):
    """Kronecker product: every element of input times the whole of other."""
    _check("kron", input, other)
    ndim = max(input.dim(), other.dim())
    a = input.reshape((1,) * (ndim - input.dim()) + tuple(input.shape))
    b = other.reshape((1,) * (ndim - other.dim()) + tuple(other.shape))
    shape = [m * n for m, n in zip(a.shape, b.shape)]
    for d in range(ndim):
        a, b = a.unsqueeze(2 * d + 1), b.unsqueeze(2 * d)
    return (a * b).reshape(shape)


def chain_matmul(*matrices):
    """The product of several matrices, from left to right."""
    product, *rest = _several(matrices)
    for matrix in rest:
        product = product @ matrix
    return product


def _euclidean(x1, x2):
    one, two = x1.pow(2).sum(-1, True), x2.pow(2).sum(-1, True)
    left = _C.cat([x1 * -2, one, _C.ones_like(one)], -1)
    right = _C.cat([x2, _C.ones_like(two), two], -1)
    return (left @ right.mT).clamp_min_(0).sqrt_()


def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distance of every row of x1 (..., m, d) to every row of x2 (..., n, d): (..., m, n).

    Without gradients, and where compute_mode has it (as it stands: m or n above 25), Euclidean distances come from one
    product, |a|^2 + |b|^2 - 2 a b, as PyTorch's do.
    """
    _check("cdist", x1, x2)
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dim() < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.dim()}D")
    if x1.size(-1) != x2.size(-1):
        raise RuntimeError(
            "X1 and X2 must have the same number of columns. " f"X1: {x1.size(-1)} X2: {x2.size(-1)}"
        )
    for x in (x1, x2):
        if x.dtype in (_C.float16, _C.bfloat16):
            raise NotImplementedError(f'"cdist" not implemented for {x.dtype}: convert it with .float()')
    if not p >= 0:
        raise RuntimeError("cdist only supports non-negative p values")
    by_product = compute_mode == "use_mm_for_euclid_dist" or (
        compute_mode == "use_mm_for_euclid_dist_if_necessary" and max(x1.size(-2), x2.size(-2)) > 25
    )
    recorded = _C.is_grad_enabled() and (x1.requires_grad or x2.requires_grad)
    if p == 2 and by_product and not recorded and x1.is_floating_point():
        return _euclidean(x1, x2)
    difference = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return difference.sign().abs().sum(-1) if p == 0 else difference.norm(p, -1)


# ---------------------------------------------------------------- statistics and calculus
def _check_weights(name, weights, kind, right, observations):
    if weights.dim() > 1:
        raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.dim()} dimensions")
    if not right:
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {weights.dtype} dtype")
    if weights.numel() != observations:
        raise RuntimeError(f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                           f"{weights.numel()} != {observations}")
    if (weights < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")


def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariance matrix of the variables in the rows of input (variables, observations); a vector's variance.

    fweights: how often each observation counts (int); aweights: its weight (float).
    """
    _check("cov", input)
    if input.dim() > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.dim()} dimensions"
        )
    if input.dtype == _C.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input.dim() < 2 else input
    if fweights is not None:
        whole = not fweights.is_floating_point() and fweights.dtype != _C.bool
        _check_weights("fweights", fweights, "integral", whole, x.size(1))
    if aweights is not None:
        _check_weights("aweights", aweights, "floating point", aweights.is_floating_point(), x.size(1))
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if weights is None:
        total = x.size(1)
        mean = x.mean(1, True, dtype=None if x.is_floating_point() else _C.get_default_dtype())
    else:
        total = weights.sum()
        mean = (x * weights).sum(1, keepdim=True) / total
    norm = (
        total - correction
        if aweights is None or correction == 0
        else (total - correction * (weights * aweights).sum() / total)
    )
    centred = x - mean
    scaled = centred if weights is None else centred * weights
    norm = max(norm, 0) if isinstance(norm, int) else norm.clamp(min=0)
    return (scaled @ centred.t() / norm).squeeze()


def corrcoef(input):
    """Pearson's correlation of the variables in the rows of input, limited to [-1, 1]."""
    _check("corrcoef", input)
    if input.dim() > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.dim()} dimensions"
        )
    c = cov(input)
    if c.dim() == 0:
        return c / c
    deviation = c.diagonal().sqrt()
    return (c / deviation.unsqueeze(1) / deviation.unsqueeze(0)).clamp(-1, 1)


def diff(input, n=1, dim=-1, prepend=None, append=None):
    """Differences of neighbours along dim, n times; prepend and append are joined to input first."""
    _check("diff", input)
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    if prepend is not None or append is not None:
        input = _C.cat([part for part in (prepend, input, append) if part is not None], dim)
    for _ in range(min(n, max(input.size(dim), 1))):     # by then nothing is left
        last = max(input.size(dim) - 1, 0)
        later, earlier = input.narrow(dim, input.size(dim) - last, last), input.narrow(dim, 0, last)
        input = later ^ earlier if input.dtype == _C.bool else later - earlier
    return input


def trapezoid(y, x=None, *, dx=None, dim=-1):
    """Integral of y along dim by the trapezoidal rule, at the points x or at the distance dx (1)."""
    if y.dtype == _C.bool:
        raise RuntimeError("trapezoid: received a bool input for `y`, but bool is not supported: convert it with .float()")
    n = max(y.size(dim) - 1, 0)
    pairs = y.narrow(dim, y.size(dim) - n, n) + y.narrow(dim, 0, n)
    if x is None:
        return pairs.sum(dim) * ((1 if dx is None else dx) / 2)
    if dx is not None:
        raise TypeError("trapezoid() takes x or dx, not both")
    if x.dim() == 1:
        if x.size(0) != y.size(dim):
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        x = x.reshape((-1,) + (1,) * (y.dim() - dim % y.dim() - 1))
    steps = diff(x, dim=dim if x.dim() == y.dim() else dim % y.dim() - y.dim())
    return (pairs * steps).sum(dim) / 2.0


trapz = trapezoid


def vander(x, N=None, increasing=False):
    """The Vandermonde matrix of a vector: its powers N - 1 .. 0 (0 .. N - 1 if increasing) as columns."""
    if x.dim() != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    powers = _C.arange(len(x) if N is None else N)
    return x.unsqueeze(-1) ** (powers if increasing else powers.flip(0))


# ---------------------------------------------------------------- whole numbers
def _whole(name, *tensors):
    """The tensors, broadcast, in their common dtype, which must be one of whole numbers."""
    _check(name, *tensors)
    dtype = _C.result_type(*tensors)
    if dtype.is_floating_point or dtype == _C.bool:
        raise NotImplementedError(f'"{name}" not implemented for {dtype}: it needs whole numbers')
    return broadcast_tensors(*(tensor.to(dtype) for tensor in tensors))


def gcd(input, other):
    """Greatest common divisor of two integer tensors, element by element (Euclid's algorithm)."""
    a, b = [tensor.abs() for tensor in _whole("gcd", input, other)]
    while b.any():
        a, b = _C.where(b == 0, a, b), _C.where(b == 0, b, a % b.clamp(min=1))
    return a.clone()


def lcm(input, other):
    """Least common multiple of two integer tensors, element by element."""
    input, other = _whole("lcm", input, other)
    divisor = gcd(input, other)
    return (input // divisor.clamp(min=1) * other).abs()


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element occurs in test_elements, a bool tensor of elements' shape."""
    elements, test_elements = (
        value if isinstance(value, Tensor) else _C.tensor(value) for value in (elements, test_elements)
    )
    if _C.bool in (elements.dtype, test_elements.dtype):
        raise RuntimeError("Unsupported input type encountered for isin(): Bool; logical ops compare bools")
    found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)
    return ~found if invert else found


# ---------------------------------------------------------------- questions
def is_tensor(obj, /):
    """True if obj is a Tensor."""
    return isinstance(obj, Tensor)


def _check_tensor(function, input):
    if not isinstance(input, Tensor):
        raise TypeError(f"{function}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


def numel(input):
    """Number of elements of input, an int. Raises TypeError if input is no Tensor."""
    _check_tensor("numel", input)
    return input.numel()


def is_floating_point(input):
    """True if input's dtype is a floating-point one. Raises TypeError if input is no Tensor."""
    _check_tensor("is_floating_point", input)
    return input.is_floating_point()


def is_complex(input):
    """False: no dtype is complex."""
    return input.is_complex()


def is_nonzero(input):
    """The truth of a one-element tensor. Raises RuntimeError for any other number of elements."""
    if input.numel() != 1:
        raise RuntimeError(
            "Boolean value of Tensor with more than one value is ambiguous"
            if input.numel()
            else "Boolean value of Tensor with no values is ambiguous"
        )
    return bool(input)


def get_device(input):
    """Index of input's CUDA device, -1 on the CPU."""
    return input.get_device()


def detach_(input):
    """input.detach_()"""
    return input.detach_()


def isreal(input):
    """True everywhere: no dtype is complex."""
    return _C.ones_like(input, dtype=_C.bool)


def isposinf(input):
    """Where input is +infinity."""
    return input == float("inf")


def isneginf(input):
    """Where input is -infinity."""
    return input == float("-inf")


_C._add_tensor_methods(
    {
        function.__name__: function
        for function in (
            hsplit,
            vsplit,
            dsplit,
            kron,
            cov,
            corrcoef,
            diff,
            gcd,
            lcm,
            is_nonzero,
            isreal,
            isposinf,
            isneginf,
        )
    }
)

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "column_stack",
    "combinations",
    "corrcoef",
    "cov",
    "detach_",
    "diff",
    "dsplit",
    "dstack",
    "einsum",
    "gcd",
    "get_device",
    "hsplit",
    "is_complex",
    "is_floating_point",
    "is_nonzero",
    "is_tensor",
    "isin",
    "isneginf",
    "isposinf",
    "isreal",
    "kron",
    "lcm",
    "numel",
    "tensordot",
    "trapezoid",
    "trapz",
    "vander",
    "vsplit",
]
