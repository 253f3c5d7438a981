"""Devices as the functions of ctorch.cuda take them."""

from __future__ import annotations

from .. import _C


def index_of(device: object, optional: bool = False) -> int:
    """The number of a CUDA device given as one, a string or a number; -1 for the current one.

    Another kind of device is refused with ValueError, as PyTorch does; with `optional` it counts as -1.
    """
    if device is None:
        return -1
    if isinstance(device, int):
        if device < 0 and not optional:
            raise ValueError(f"Expected a cuda device, but got: {device}")
        return max(device, -1)
    device = _C.device(device)
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return -1 if device.index is None else device.index
