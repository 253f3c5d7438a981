"""What PyTorch's scripts ask of backends, answered truthfully: ctorch computes with kernels of its own."""

import sys

from .. import _settings


class _Backend(type(sys)):
    """A backend that is not there, as a module; its switches may be set and change nothing."""

    allow_tf32 = False

    def __init__(self, name):
        super().__init__(f"{__name__}.{name}", "A backend that is not part of ctorch.")
        self.enabled = self.benchmark = False
        self.deterministic = True
        sys.modules[self.__name__] = self  # so that `import ctorch.backends.cudnn` finds it

    def is_available(self):
        """True if the backend can be used."""
        return False

    def is_built(self):
        """True if this build contains the backend."""
        return False

    def version(self):
        """None: there is no version of what is not there."""
        return None


cudnn, mps, mkl, mkldnn, openmp, cuda = map(_Backend, ("cudnn", "mps", "mkl", "mkldnn", "openmp", "cuda"))


class _Matmul(_Backend):
    """How products of float32 are computed on a GPU; set_float32_matmul_precision says the same in words."""

    @property
    def allow_tf32(self):
        """True if products of float32 may round their operands to TF32, which is several times faster."""
        return _settings.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allowed):
        _settings.set_float32_matmul_precision("high" if allowed else "highest")


cuda.matmul = _Matmul("cuda.matmul")

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
