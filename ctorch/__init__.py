"""ctorch: PyTorch's programming model as one small C extension.

``import ctorch as torch`` and scripts written for PyTorch run: tensors with autograd, ``nn``, ``optim`` and
``utils.data``.
Everything numeric is in the extension ``ctorch._C``; this package gives it PyTorch's names.
"""

try:
    from . import _C
except ImportError as problem:
    if "_C" not in str(problem) or "partially" not in str(problem) and "No module named" not in str(problem):
        raise
    raise ImportError(
        "ctorch's extension is not built: run `make` (or `pip install -e .`) where setup.py is"
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
from . import functional  # noqa: E402
from . import nn  # noqa: E402
from . import optim  # noqa: E402
from ._absent import absent as _absent  # noqa: E402
from ._compat import install_as_torch  # noqa: E402
from ._settings import *  # noqa: E402, F403
from .autograd import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402
from .autograd import is_grad_enabled, is_inference_mode_enabled  # noqa: E402
from .functional import *  # noqa: E402, F403

_LAZY = ("accelerator", "amp", "backends", "linalg", "random", "special", "storage", "testing", "types",
         "utils", "version", "vision")


def __getattr__(name):
    """Loads a subpackage when it is first asked for; says of any other name that it is absent."""
    if name in _LAZY:
        from importlib import import_module

        return import_module(f"ctorch.{name}")
    if name in ("TypedStorage", "UntypedStorage"):
        from . import storage

        return getattr(storage, name)
    raise _absent("ctorch", [*globals(), *_LAZY], name)


def __dir__():
    return sorted([n for n in globals() if not n.startswith("__")] + list(_LAZY))
