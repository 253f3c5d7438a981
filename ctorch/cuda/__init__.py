"""CUDA devices.  This build has no CUDA backend: it answers at once, without touching a driver."""

from .. import _C


def is_available():
    """True if tensors can live on a GPU: False, for this build has no CUDA backend."""
    return False


def device_count():
    """Number of GPUs that tensors can use, an int."""
    return 0


def is_initialized():
    """True if CUDA was used in this process."""
    return False


def _absent(what):
    raise RuntimeError(f"torch.cuda.{what}: this build of ctorch has no CUDA backend; "
                       "ask torch.cuda.is_available() first")


def current_device():
    """Index of the current GPU.  Raises RuntimeError without a CUDA backend."""
    _absent("current_device()")


def get_device_name(device=None):
    """Name of a GPU.  Raises RuntimeError without a CUDA backend."""
    _absent("get_device_name()")


def get_device_properties(device=None):
    """Properties of a GPU.  Raises RuntimeError without a CUDA backend."""
    _absent("get_device_properties()")


def get_device_capability(device=None):
    """Compute capability of a GPU.  Raises RuntimeError without a CUDA backend."""
    _absent("get_device_capability()")


def set_device(device):
    """Chooses the current GPU; a device that is not there is refused with RuntimeError."""
    if _C.device(device).type == "cuda":
        _absent("set_device()")


def synchronize(device=None):
    """Waits for the GPU: nothing to wait for here."""


def empty_cache():
    """Returns cached GPU memory: there is none."""


def manual_seed(seed):
    """Seeds the GPUs' generators: without a GPU nothing is seeded."""


def manual_seed_all(seed):
    """Seeds all GPUs' generators: without a GPU nothing is seeded."""


def memory_allocated(device=None):
    """Bytes that tensors hold on the GPU."""
    return 0


def max_memory_allocated(device=None):
    """Largest number of bytes that tensors held on the GPU."""
    return 0


def memory_reserved(device=None):
    """Bytes that the GPU allocator holds."""
    return 0


def reset_peak_memory_stats(device=None):
    """Starts counting the peak anew."""


def is_bf16_supported(including_emulation=True):
    """False: no GPU computes anything."""
    return False


def _tensor_class(name):
    def refuse(cls, *args):
        _absent(f"{name}()")

    return type(name, (), {"__new__": refuse, "__module__": __name__, "__doc__": "No tensor is an instance."})


FloatTensor, DoubleTensor, HalfTensor, LongTensor, IntTensor, ByteTensor, BoolTensor = map(_tensor_class, (
    "FloatTensor", "DoubleTensor", "HalfTensor", "LongTensor", "IntTensor", "ByteTensor", "BoolTensor"))


def __getattr__(name):
    """Loads amp when it is asked for; says of an absent name that it is absent."""
    if name == "amp":
        from importlib import import_module

        return import_module(".amp", __name__)
    from .._absent import absent

    raise absent("ctorch.cuda", globals(), name)
