"""What PyTorch's scripts ask of backends, answered truthfully: ctorch runs on the CPU."""


class _Backend:
    """A backend that is not there: is_available() is False; its switches may be set and change nothing."""

    enabled = False
    benchmark = False
    deterministic = True
    allow_tf32 = False

    @staticmethod
    def is_available():
        """True if the backend can be used."""
        return False

    @staticmethod
    def is_built():
        """True if this build contains the backend."""
        return False


class _Cuda(_Backend):
    matmul = _Backend()


cudnn = _Backend()
mps = _Backend()
mkl = _Backend()
mkldnn = _Backend()
openmp = _Backend()
cuda = _Cuda()
