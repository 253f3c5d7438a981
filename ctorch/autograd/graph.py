"""The class of grad_fn objects."""

from ctorch._C import Node

__all__ = ["Node"]
