"""Functions of layers, `import ctorch.nn.functional as F`.

Most are rows of the op table and come from C as they are.  Here stand those that are naturally Python:
options that choose between ops, and compositions of ops, which are differentiable because the ops are.
"""

from __future__ import annotations


from .. import _C
from .._C import _nn, sigmoid, tanh  # noqa: F401 - the last two are names of this module

globals().update({name: function for name, function in vars(_nn).items() if not name.startswith("_")})


# ---------------------------------------------------------------- activations
def relu(input, inplace: bool = False):
    """max(0, input), a NaN staying NaN."""
    return input.relu_() if inplace else _C.relu(input)


def relu_(input):
    """relu(input, inplace=True)"""
    return input.relu_()


def relu6(input, inplace: bool = False):
    """input limited to [0, 6]."""
    return _nn.hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu_(input, negative_slope: float = 0.01):
    """leaky_relu(input, negative_slope, inplace=True)"""
    return _nn.leaky_relu(input, negative_slope, True)


def elu_(input, alpha: float = 1.0):
    """elu(input, alpha, inplace=True)"""
    return _nn.elu(input, alpha, True)


# ---------------------------------------------------------------- dropout of channels
def _check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise (RuntimeError if p != p else ValueError)(f"dropout probability has to be between 0 and 1, but got {p}")


def _channel_dropout(input, p: float, training: bool, inplace: bool, batch_dims: int):
    """Zeroes whole channels: the first batch_dims dimensions of input each get one draw."""
    _check_probability(p)
    if not training or p == 0:
        return input
    shape = input.shape[:batch_dims] + (1,) * (input.dim() - batch_dims)
    noise = input.new_empty(shape).bernoulli_(1 - p)
    if p < 1:
        noise.div_(1 - p)
    return input.mul_(noise) if inplace else input * noise


def dropout1d(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zeroes each channel of (N, C, L) or (C, L) with probability p and scales the rest by 1 / (1 - p)."""
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input")
    return _channel_dropout(input, p, training, inplace, input.dim() - 1)


def dropout2d(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zeroes each channel of (N, C, H, W), or each (N, C) of any shape, with probability p."""
    if input.dim() not in (3, 4):
        import warnings
        warnings.warn(f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated: use "
                      "dropout", stacklevel=2)
    return _channel_dropout(input, p, training, inplace, 2)


def dropout3d(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zeroes each channel of (N, C, D, H, W), or else each entry of dimension 0, with probability p."""
    if input.dim() not in (4, 5):
        import warnings
        warnings.warn(f"dropout3d: Received a {input.dim()}-D input to dropout3d, which is deprecated: use "
                      "dropout", stacklevel=2)
    return _channel_dropout(input, p, training, inplace, 2 if input.dim() == 5 else 1)


def alpha_dropout(input, p: float = 0.5, training: bool = False, inplace: bool = False):
    """Dropout to SELU's negative limit, not to 0, rescaled to keep mean and variance (arXiv:1706.02515)."""
    _check_probability(p)
    if not training or p == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    limit = 1.7580993408473766
    scale = 1 / ((limit * limit * p + 1) * (1 - p)) ** 0.5
    kept = input.new_empty(input.shape).bernoulli_(1 - p)
    noise = (kept - 1) * (limit * scale) + limit * scale * p
    kept.mul_(scale)
    return input.mul_(kept).add_(noise) if inplace else input * kept + noise


# ---------------------------------------------------------------- padding
def _border_index(size: int, before: int, after: int, mode: str, like):
    """For each position of the padded dimension, the position that it is copied from."""
    if mode == "reflect" and (before >= size or after >= size):
        raise RuntimeError("Padding size should be less than the corresponding input dimension, but got: "
                           f"padding ({before}, {after}) at a dimension of size {size}")
    if mode == "circular" and (before > size or after > size):
        raise RuntimeError("Padding value causes wrapping around more than once: "
                           f"padding ({before}, {after}) at a dimension of size {size}")
    if size + before + after < (mode != "circular"):
        raise RuntimeError(f"input (size {size}) is too small. Calculated output size: {size + before + after}, "
                           f"with padding ({before}, {after})")
    if mode == "circular":  # what negative paddings cut off does not come back on the other side
        first, kept = max(-before, 0), size + min(before, 0) + min(after, 0)
        return _C.arange(-max(before, 0), kept + max(after, 0), device=like.device) % max(kept, 1) + first
    index = _C.arange(-before, size + after, device=like.device)
    if mode == "replicate":
        return index.clamp(0, size - 1)
    return size - 1 - (size - 1 - index.abs()).abs()


def _pad_constant(input, pairs, value: float):
    """pairs: (before, after) of the last dimensions, the last first; negative ones cut off."""
    shape = list(input.shape)
    inner = [slice(None)] * input.dim()
    for k, (before, after) in enumerate(pairs, 1):
        kept = slice(max(0, -before), shape[-k] - max(0, -after))
        if kept.stop < kept.start:
            raise RuntimeError(f"The input size {shape[-k]}, plus negative padding {before} and {after}, "
                               "resulted in a negative output size")
        input = input.narrow(-k, kept.start, kept.stop - kept.start)
        inner[-k] = slice(max(0, before), max(0, before) + kept.stop - kept.start)
        shape[-k] += before + after
    padded = input.new_full(shape, value)
    padded[tuple(inner)] = input
    return padded


def _whole_numbers(input, pad, mode) -> list:
    """pad as ints, after the types of pad()'s arguments are checked."""
    start = "pad(): argument "
    if not isinstance(input, _C.Tensor):
        raise TypeError(f"{start}'input' (position 1) must be Tensor, not {type(input).__name__}")
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"{start}'pad' (position 2) must be tuple of ints, not {type(pad).__name__}: one (before, after) "
                        "pair for each padded dimension, the last dimension first")
    for k, n in enumerate(pad):
        if isinstance(n, bool) or not hasattr(n, "__index__"):
            raise TypeError(f"{start}'pad' (position 2) must be tuple of ints, but found element of type "
                            f"{type(n).__name__} at pos {k}")
    if not isinstance(mode, str):
        raise TypeError(f"{start}'mode' (position 3) must be str, not {type(mode).__name__}")
    return [n.__index__() for n in pad]


def pad(input, pad, mode: str = "constant", value: float | None = None):
    """Adds borders: pad is (left, right) of the last dimension, then of the one before, and so on.

    mode: 'constant' fills with value (0); 'reflect', 'replicate' and 'circular' copy from the input.  Negative
    numbers cut off.
    Raises TypeError for a pad that is no tuple of ints, RuntimeError for an odd or too long one,
    NotImplementedError for an unknown mode.
    """
    pad = _whole_numbers(input, pad, mode)
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, but got {len(pad)}")
    if len(pad) // 2 > input.dim():
        raise RuntimeError("Padding length should be less than or equal to two times the input dimension but "
                           f"got padding length {len(pad)} and input of dimension {input.dim()}")
    pairs = list(zip(pad[::2], pad[1::2]))
    if mode == "constant":
        return _pad_constant(input, pairs, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    for k, (before, after) in enumerate(pairs, 1):
        input = input.index_select(-k, _border_index(input.size(-k), before, after, mode, input))
    return input


def __getattr__(name):
    """Says of an absent name that it is absent, and what it belongs to."""
    from .._absent import absent

    raise absent("ctorch.nn.functional", globals(), name)
