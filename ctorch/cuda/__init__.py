"""CUDA devices: which there are, what they hold, and in which order they work.

Nothing here touches a driver until it is asked for.  CTORCH_CUDA=sim chooses the simulated device, sim:2 two of them.
"""

from __future__ import annotations


from .. import _C
from .._C import OutOfMemoryError
from ._device import index_of as _index_of
from ._memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_max_memory_allocated,
    reset_peak_memory_stats,
)
from ._stream import Event, Stream, StreamContext, current_stream, default_stream, set_stream, stream


def is_available() -> bool:
    """True if tensors can live on a GPU; never raises."""
    return _C._cuda_device_count() > 0


def device_count() -> int:
    """Number of GPUs that tensors can use; 0 without a driver."""
    return _C._cuda_device_count()


def is_initialized() -> bool:
    """True if a GPU was used in this process."""
    return _C._cuda_is_initialized()


def init() -> None:
    """Starts using the current GPU, which the first tensor on it would do too."""
    _C._cuda_current_device()


def current_device() -> int:
    """Index of the GPU that "cuda" means."""
    return _C._cuda_current_device()


def set_device(device: object) -> None:
    """Chooses the GPU that "cuda" means from now on."""
    _C._cuda_set_device(_index_of(device, optional=True))


def synchronize(device: object = None) -> None:
    """Waits until a GPU has done all its work; raises what its kernels met."""
    if device is None and not is_initialized():
        return
    _C._cuda_synchronize(_index_of(device))


def get_device_properties(device: object = None) -> object:
    """Name, memory and sizes of a GPU, as attributes."""
    from types import SimpleNamespace

    return SimpleNamespace(**_C._cuda_properties(_index_of(device)))


def get_device_name(device: object = None) -> str:
    """Name of a GPU."""
    return get_device_properties(device).name


def get_device_capability(device: object = None) -> tuple[int, int]:
    """Compute capability of a GPU: (9, 0) for an H100."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """True if a GPU is there: every one computes with bfloat16 tensors."""
    return is_available()


def ipc_collect() -> None:
    """Nothing: GPU memory is not shared between processes."""


class device:
    """Context manager: inside, "cuda" means the given GPU."""

    def __init__(self, device: object):
        self.index = _index_of(device, optional=True)

    def __enter__(self) -> device:
        self.previous = current_device() if self.index >= 0 else -1
        _C._cuda_set_device(self.index)
        return self

    def __exit__(self, *exception: object) -> None:
        _C._cuda_set_device(self.previous)


def manual_seed(seed: int) -> None:
    """Seeds the current GPU's generator; remembered if none was used yet."""
    if device_count() > 1:
        _C._cuda_generator(current_device()).manual_seed(seed)
    else:
        _C._cuda_manual_seed_all(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds all GPUs' generators; remembered if none was used yet."""
    _C._cuda_manual_seed_all(seed)


def seed() -> None:
    """Seeds the current GPU's generator unpredictably."""
    _C._cuda_generator(current_device()).seed()


def initial_seed() -> int:
    """The seed of the current GPU's generator."""
    return _C._cuda_generator(current_device()).initial_seed()


def get_rng_state(device: object = "cuda"):
    """State of a GPU's generator: seed and offset as 16 bytes."""
    return _C._cuda_generator(_index_of(device)).get_state()


def set_rng_state(new_state, device: object = "cuda") -> None:
    """Puts a GPU's generator into a state of get_rng_state."""
    _C._cuda_generator(_index_of(device)).set_state(new_state)


def _tensor_class(name: str, dtype) -> type:
    def make(cls, *args):
        return _C.tensor(*args, dtype=dtype, device="cuda") if args and not isinstance(args[0], int) else _C.empty(
            *args, dtype=dtype, device="cuda"
        )

    return type(name, (), {"__new__": make, "__module__": __name__, "dtype": dtype, "__doc__": f"{dtype} on a GPU."})


FloatTensor = _tensor_class("FloatTensor", _C.float32)
DoubleTensor = _tensor_class("DoubleTensor", _C.float64)
HalfTensor = _tensor_class("HalfTensor", _C.float16)
BFloat16Tensor = _tensor_class("BFloat16Tensor", _C.bfloat16)
LongTensor = _tensor_class("LongTensor", _C.int64)
IntTensor = _tensor_class("IntTensor", _C.int32)
ShortTensor = _tensor_class("ShortTensor", _C.int16)
CharTensor = _tensor_class("CharTensor", _C.int8)
ByteTensor = _tensor_class("ByteTensor", _C.uint8)
BoolTensor = _tensor_class("BoolTensor", _C.bool)


def __getattr__(name: str):
    """Loads amp when it is asked for; says of an absent name that it is absent."""
    if name == "amp":
        from importlib import import_module

        return import_module(".amp", __name__)
    from .._absent import absent

    raise absent("ctorch.cuda", globals(), name)
