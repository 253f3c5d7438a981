"""The class of grad_fn objects."""

from ctorch._C import _autograd

Node = _autograd.Node

__all__ = ["Node"]


def __getattr__(name):
    """Says of an absent name that it is absent, and what it belongs to."""
    from .._absent import absent

    raise absent("ctorch.autograd.graph", globals(), name)
