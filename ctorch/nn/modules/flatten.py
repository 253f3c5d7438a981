"""Flatten and Unflatten, which are written in C, under PyTorch's path."""

from ..._C._layers import Flatten, Unflatten

__all__ = ["Flatten", "Unflatten"]
