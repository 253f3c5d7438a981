"""Parameter initialisation: in-place fills that record no gradient and draw as PyTorch draws.

Fans are counted for a weight of shape (out, in, *kernel). Each function returns its tensor.
"""

import math

from .. import diag, empty_like, from_numpy, log, no_grad, randperm, where


def calculate_gain(nonlinearity: str, param: "float | None" = None) -> float:
    """The factor that keeps the variance of activations through a layer followed by `nonlinearity`.

    1 for linear, convolution and sigmoid; 5/3 for tanh; sqrt(2) for relu; sqrt(2 / (1 + param^2)) for
    leaky_relu (param: its slope, 0.01 by default); 3/4 for selu. Raises ValueError for any other name.
    """
    if nonlinearity in ("linear", "sigmoid", "conv1d", "conv2d", "conv3d",
                        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


@no_grad()
def uniform_(tensor, a: float = 0.0, b: float = 1.0, generator=None):
    """Fills from the uniform distribution on [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor, mean: float = 0.0, std: float = 1.0, generator=None):
    """Fills from the normal distribution with this mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor, val: float):
    """Fills with val."""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor):
    """Fills with ones."""
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor):
    """Fills with zeros."""
    return tensor.zero_()


@no_grad()
def eye_(tensor):
    """Makes a matrix the identity, as far as its shape allows. Raises ValueError unless it is a matrix."""
    if tensor.dim() != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, but got {tensor.dim()}")
    tensor.zero_()
    for i in range(min(tensor.shape)):
        tensor[i, i] = 1
    return tensor


@no_grad()
def dirac_(tensor, groups: int = 1):
    """Makes a convolution's weight (3 to 5 dimensions) pass its input channels through, group by group."""
    if tensor.dim() not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, but got {tensor.dim()}")
    if tensor.size(0) % groups != 0:
        raise ValueError(f"dim 0 must be divisible by groups, but {tensor.size(0)} is not by {groups}")
    per_group = tensor.size(0) // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    tensor.zero_()
    for group in range(groups):
        for channel in range(min(per_group, tensor.size(1))):
            tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def xavier_uniform_(tensor, gain: float = 1.0, generator=None):
    """Uniform on [-b, b) with b = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    # sqrt(3) times the standard deviation, in this order: the bound's last bit is PyTorch's.
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain: float = 1.0, generator=None):
    """Normal with std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def kaiming_uniform_(tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator=None):
    """Uniform on [-b, b) with b = gain * sqrt(3 / fan) (He et al., 2015); a: slope of a leaky_relu."""
    if 0 in tensor.shape:
        import warnings
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator=None):
    """Normal with std = gain / sqrt(fan) (He et al., 2015); a: slope of a leaky_relu."""
    if 0 in tensor.shape:
        import warnings
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


@no_grad()
def trunc_normal_(tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator=None):
    """Normal with this mean and std, values outside [a, b] drawn again.

    Where [a, b] holds much of the distribution, normal draws are rejected; where it holds little, uniform
    draws on [a, b] are accepted in proportion to the density.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        import warnings
        warnings.warn("mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
                      "The distribution of values may be incorrect.", stacklevel=3)
    if _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std) > 0.3:
        return _reject_normal(tensor, mean, std, a, b, generator)
    return _reject_uniform(tensor, mean, std, a, b, generator)


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _reject_normal(tensor, mean: float, std: float, a: float, b: float, generator):
    # The bounds as the tensor's dtype holds them.
    low, high = tensor.new_tensor(a).item(), tensor.new_tensor(b).item()
    result = tensor.normal_(mean, std, generator=generator)
    while (outside := (result < low) | (result > high)).any():
        result = where(outside, empty_like(result).normal_(mean, std, generator=generator), result)
    return tensor if result is tensor else tensor.copy_(result)


def _reject_uniform(tensor, mean: float, std: float, a: float, b: float, generator):
    """Von Neumann's rejection, the density scaled to 1 at its greatest value within [a, b]."""
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    candidates, accepts = empty_like(tensor), empty_like(tensor)
    pending = None
    while pending is None or pending.any():
        candidates.uniform_(a, b, generator=generator)
        if pending is None:
            tensor.copy_(candidates)
        else:
            tensor.copy_(where(pending, candidates, tensor))
        log_density = ((candidates - mean) / std).pow(2).mul(-0.5).sub(log_peak)
        rejected = log(accepts.uniform_(generator=generator)) > log_density
        pending = rejected if pending is None else pending & rejected
    return tensor


def orthogonal_(tensor, gain: float = 1, generator=None):
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    Dimensions after the first are taken as one. Q of a normal matrix, made unique by a positive diagonal of R
    (Mezzadri, 2007). Raises ValueError below 2 dimensions.
    """
    if tensor.dim() < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, but got {tensor.dim()}")
    if tensor.numel() == 0:
        return tensor
    from numpy.linalg import qr     # NumPy is imported by those who need a factorisation
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    with no_grad():
        matrix = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
        if rows < columns:
            matrix = matrix.t()
        q, r = (from_numpy(factor) for factor in qr(matrix.numpy()))
        q = q * diag(r, 0).sign()
        if rows < columns:
            q = q.t()
        return tensor.copy_(q.reshape(tensor.shape)).mul_(gain)


@no_grad()
def sparse_(tensor, sparsity: float, std: float = 0.01, generator=None):
    """Normal values of which each column keeps all but the fraction `sparsity` (Martens, 2010).

    Raises ValueError unless the tensor has 2 dimensions.
    """
    if tensor.dim() != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, but got {tensor.dim()}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        # From the default generator even if another is given, as in PyTorch.
        tensor[randperm(rows)[:zeros], column] = 0
    return tensor


def _calculate_fan_in_and_fan_out(tensor) -> "tuple[int, int]":
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
                         f"but got shape {tuple(tensor.shape)}")
    field = math.prod(tensor.shape[2:])
    return tensor.size(1) * field, tensor.size(0) * field


def _fan(tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def _old_name(function):
    """`function` without its underscore: a name that warns and still works."""
    name = function.__name__[:-1]

    def deprecated(*args, **kwargs):
        import warnings
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning,
                      stacklevel=2)
        return function(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = name
    deprecated.__doc__ = f"The older name of {name}_."
    return deprecated


uniform = _old_name(uniform_)
normal = _old_name(normal_)
constant = _old_name(constant_)
eye = _old_name(eye_)
dirac = _old_name(dirac_)
xavier_uniform = _old_name(xavier_uniform_)
xavier_normal = _old_name(xavier_normal_)
kaiming_uniform = _old_name(kaiming_uniform_)
kaiming_normal = _old_name(kaiming_normal_)
orthogonal = _old_name(orthogonal_)
sparse = _old_name(sparse_)


def __getattr__(name):
    """Says of an absent name that it is absent, and what it belongs to."""
    from .._absent import absent

    raise absent("ctorch.nn.init", globals(), name)
