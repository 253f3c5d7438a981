"""Memory of CUDA devices, as the caching allocator counts it."""

from __future__ import annotations

from .. import _C
from ._device import index_of


def _stats(device: object) -> dict[str, int]:
    """All zero as long as no GPU was used."""
    if not _C._cuda_is_initialized():
        return dict.fromkeys(
            "allocated allocated_peak reserved reserved_peak allocations frees device_allocations device_frees retries "
            "out_of_memory".split(),
            0,
        )
    return _C._cuda_memory_stats(index_of(device))


def memory_allocated(device: object = None) -> int:
    """Bytes that tensors hold on a GPU, in units of 512."""
    return _stats(device)["allocated"]


def max_memory_allocated(device: object = None) -> int:
    """Largest number of bytes that tensors held on a GPU."""
    return _stats(device)["allocated_peak"]


def memory_reserved(device: object = None) -> int:
    """Bytes that the allocator holds on a GPU, for tensors and for later ones."""
    return _stats(device)["reserved"]


def max_memory_reserved(device: object = None) -> int:
    """Largest number of bytes that the allocator held on a GPU."""
    return _stats(device)["reserved_peak"]


def memory_stats(device: object = None) -> dict[str, int]:
    """The allocator's counters under PyTorch's names."""
    s = _stats(device)
    names = {
        "allocated_bytes.all.current": s["allocated"],
        "allocated_bytes.all.peak": s["allocated_peak"],
        "reserved_bytes.all.current": s["reserved"],
        "reserved_bytes.all.peak": s["reserved_peak"],
        "allocation.all.allocated": s["allocations"],
        "allocation.all.freed": s["frees"],
        "allocation.all.current": s["allocations"] - s["frees"],
        "segment.all.allocated": s["device_allocations"],
        "segment.all.freed": s["device_frees"],
        "segment.all.current": s["device_allocations"] - s["device_frees"],
        "num_alloc_retries": s["retries"],
        "num_ooms": s["out_of_memory"],
    }
    return dict(sorted(names.items()))


def memory_summary(device: object = None, abbreviated: bool = False) -> str:
    """The counters as a table."""
    return "\n".join(f"{name:32} {value:>16}" for name, value in memory_stats(device).items())


def reset_peak_memory_stats(device: object = None) -> None:
    """Starts counting the peaks anew."""
    if _C._cuda_is_initialized():
        _C._cuda_reset_peak(index_of(device))


def reset_max_memory_allocated(device: object = None) -> None:
    """The older name of reset_peak_memory_stats."""
    reset_peak_memory_stats(device)


def mem_get_info(device: object = None) -> tuple[int, int]:
    """Free and total bytes of a GPU."""
    return _C._cuda_memory_info(index_of(device))


def empty_cache() -> None:
    """Returns memory that no tensor uses to the driver."""
    if _C._cuda_is_initialized():
        _C._cuda_empty_cache(-1)
