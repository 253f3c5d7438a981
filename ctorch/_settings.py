"""Settings that scripts make at their start, each answered truthfully: some have an effect, others ask for
what ctorch does anyway, and what it cannot do raises."""

from . import _C

_matmul_precision = "highest"
_deterministic = False


def set_float32_matmul_precision(precision):
    """'highest': products of float32 are computed in float32; 'high' or 'medium': a GPU may use TF32 for them."""
    global _matmul_precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"{precision!r} is not one of 'highest', 'high', 'medium'")
    _matmul_precision = precision
    _C._cuda_allow_tf32(precision != "highest")


def get_float32_matmul_precision():
    """What set_float32_matmul_precision was last given."""
    return _matmul_precision


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Remembers mode; every op of ctorch is deterministic, for any number of threads."""
    global _deterministic
    _deterministic = bool(mode)


def are_deterministic_algorithms_enabled():
    """What use_deterministic_algorithms was last given."""
    return _deterministic


def set_default_device(device):
    """Where tensors are made from now on if no device is given; None: on the CPU."""
    _C._set_default_device("cpu" if device is None else device)


def set_default_tensor_type(t):
    """The old spelling of set_default_dtype: FloatTensor, DoubleTensor, or such a name as a string."""
    name = t if isinstance(t, str) else t.__name__
    kinds = {
        "FloatTensor": _C.float32,
        "DoubleTensor": _C.float64,
        "HalfTensor": _C.float16,
        "BFloat16Tensor": _C.bfloat16,
    }
    if "cuda" in name or name.rpartition(".")[2] not in kinds:
        raise TypeError(f"invalid type object: {name} is not a floating-point type of the CPU")
    _C.set_default_dtype(kinds[name.rpartition(".")[2]])


def get_num_interop_threads():
    """1: ops run one after another."""
    return 1


def set_num_interop_threads(number):
    """Accepted without effect: ops run one after another."""


def compile(model=None, **options):
    """model itself: ctorch has no compiler, calls run as written. Without model, such a decorator."""
    return (lambda function: function) if model is None else model


class autocast:
    """Context manager and decorator of mixed precision: no effect, ops compute in their own dtype."""

    def __init__(self, device_type="cuda", dtype=None, enabled=True, cache_enabled=None):
        self.device_type, self.dtype, self.enabled = device_type, dtype, enabled

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False

    def __call__(self, function):
        return function


__all__ = [name for name in globals() if not name.startswith("_")]
