"""The class of grad_fn objects."""

from ctorch._C import _autograd

Node = _autograd.Node

__all__ = ["Node"]
