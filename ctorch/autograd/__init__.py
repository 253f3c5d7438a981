"""Automatic differentiation: backward(), grad(), custom Functions, and the modes that switch recording off.

The graph and its engine are written in C (csrc/autograd); this package holds the names and what is naturally Python.
`functional` is loaded when it is first asked for.
"""

from ctorch._C import _autograd, is_grad_enabled, is_inference_mode_enabled
from ctorch.autograd import function, grad_mode, graph
from ctorch.autograd.function import Function
from ctorch.autograd.gradcheck import gradcheck, gradgradcheck
from ctorch.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from ctorch.autograd.variable import Variable

backward = _autograd.backward
grad = _autograd.grad

__all__ = [
    "Function",
    "Variable",
    "backward",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]


def __getattr__(name: str) -> object:
    if name == "functional":
        import importlib

        return importlib.import_module("ctorch.autograd.functional")
    from .._absent import absent

    raise absent("ctorch.autograd", globals(), name)
