"""The class of grad_fn objects."""

from ctorch._C._autograd import Node

__all__ = ["Node"]
