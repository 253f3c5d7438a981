"""What PyTorch's scripts ask of backends, answered truthfully: ctorch computes with kernels of its own."""

import sys


class _Backend(type(sys)):
    """A backend that is not there, as a module; its switches may be set and change nothing."""

    def __init__(self, name):
        super().__init__(f"{__name__}.{name}", "A backend that is not part of ctorch.")
        self.enabled = self.benchmark = self.allow_tf32 = False
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
cuda.matmul = _Backend("cuda.matmul")

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
