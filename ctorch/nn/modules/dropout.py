"""The dropout layers, which are written in C, under PyTorch's path."""

from ..._C._layers import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]
