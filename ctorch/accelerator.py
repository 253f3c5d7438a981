"""The accelerator of this process: a CUDA device, if there is one."""

from . import _C, cuda
from .cuda import current_device as current_device_index
from .cuda import device_count, is_available, set_device, synchronize

set_device_index = set_device


def current_accelerator(check_available=False):
    """device(type='cuda') if a GPU can be used, else None."""
    return _C.device("cuda") if cuda.is_available() else None


class device_index(cuda.device):
    """Context manager: inside, "cuda" means the GPU of that number."""


__all__ = ["current_accelerator", "current_device_index", "device_count", "device_index", "is_available", "set_device",
           "set_device_index", "synchronize"]
