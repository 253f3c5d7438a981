"""ctorch: PyTorch's programming model as one small C extension.

``import ctorch as torch`` and scripts written for PyTorch run: tensors with autograd, ``nn``, ``optim``, ``utils.data``.
Everything numeric is in the extension ``ctorch._C``; this package gives it PyTorch's names.
"""

try:
    from . import _C
except ImportError as problem:
    if "_C" not in str(problem) or "partially" not in str(problem) and "No module named" not in str(problem):
        raise
    raise ImportError(
        "ctorch's extension is not built: run `make` (or `pip install -e .`) in the folder that holds setup.py"
    ) from problem

from ._C import *  # noqa: F403 - every op is a name of PyTorch's
from ._C import Tensor

__version__ = "0.1.0"

from math import e, inf, nan, pi  # noqa: E402

newaxis = None

# Subpackages that cost nothing at import; the others load when first asked for (__getattr__ below).
from . import _tensor  # noqa: E402
from . import autograd  # noqa: E402
from . import cuda  # noqa: E402
from . import nn  # noqa: E402
from . import optim  # noqa: E402
from ._compat import install_as_torch  # noqa: E402
from .autograd import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled  # noqa: E402

_LAZY = ("utils", "vision", "testing", "linalg", "special", "backends", "version", "random", "types", "distributions",
         "fft", "amp", "hub", "jit", "distributed", "multiprocessing", "onnx", "library", "compiler")


def is_tensor(obj, /):
    """True if obj is a Tensor."""
    return isinstance(obj, Tensor)


def numel(input):
    """Number of elements of input, an int."""
    return input.numel()


def __getattr__(name):
    if name in _LAZY:
        from importlib import import_module

        try:
            module = import_module(f"ctorch.{name}")
        except ModuleNotFoundError as missing:
            if missing.name != f"ctorch.{name}":
                raise
            raise AttributeError(f"ctorch has no module '{name}': torch.{name} is not part of ctorch") from None
        globals()[name] = module
        return module
    if name.startswith("__"):
        raise AttributeError(f"module 'ctorch' has no attribute '{name}'")
    raise AttributeError(_absent(name))


def _absent(name):
    """A sentence about a name that does not exist, with the nearest one that does."""
    from difflib import get_close_matches

    near = get_close_matches(name, [n for n in globals() if not n.startswith("_")], n=1, cutoff=0.6)
    hint = f"; did you mean ctorch.{near[0]}?" if near else ""
    return f"module 'ctorch' has no attribute '{name}': ctorch does not have it (yet){hint}"


def __dir__():
    return sorted([n for n in globals() if not n.startswith("__")] + list(_LAZY))
