"""Names of types for annotations."""

from ._C import Size, Tensor, device, dtype

Device = device
Number = (int, float, bool)

__all__ = ["Device", "Number", "Size", "Tensor", "device", "dtype"]
