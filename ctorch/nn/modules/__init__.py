"""The layers, under the paths that scripts import them from."""

from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .loss import (BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, KLDivLoss, L1Loss, MSELoss,
                   NLLLoss, SmoothL1Loss)
from .linear import LazyLinear
from .module import Module
from .sparse import Embedding

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "Embedding", "HuberLoss", "KLDivLoss",
           "L1Loss", "LazyLinear", "MSELoss", "Module", "ModuleDict", "ModuleList", "NLLLoss",
           "ParameterDict", "ParameterList", "Sequential", "SmoothL1Loss"]


def __getattr__(name):
    """The modules that only list C layers load when first asked for: torch.nn.modules.linear.Linear."""
    if name in ("activation", "dropout", "flatten"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
