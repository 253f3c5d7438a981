"""Layers, containers, losses, and what works on them: `from ctorch import nn`.

Module, Sequential, Linear, the activations and dropouts are written in C; see csrc/nn.
"""

from .._C import Parameter
from .._C._layers import (CELU, ELU, GELU, GLU, SELU, AlphaDropout, Dropout, Dropout1d, Dropout2d,
                          Dropout3d, Flatten, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, Identity,
                          LeakyReLU, Linear, LogSigmoid, LogSoftmax, Mish, Module, PReLU, ReLU, ReLU6,
                          Sequential, Sigmoid, SiLU, Softmax, Softmin, Softplus, Softshrink, Softsign, Tanh,
                          Tanhshrink, Threshold, Unflatten)
from . import functional, init, parameter, utils
from .modules import (BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, Embedding, HuberLoss, KLDivLoss, L1Loss,
                      LazyLinear, ModuleDict, ModuleList, MSELoss, NLLLoss, ParameterDict, ParameterList,
                      SmoothL1Loss)

__all__ = ["AlphaDropout", "BCELoss", "BCEWithLogitsLoss", "CELU", "CrossEntropyLoss", "Dropout",
           "Dropout1d", "Dropout2d", "Dropout3d", "ELU", "Embedding", "Flatten", "GELU", "GLU", "Hardshrink",
           "Hardsigmoid", "Hardswish", "Hardtanh", "HuberLoss", "Identity", "KLDivLoss", "L1Loss",
           "LazyLinear", "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax", "MSELoss", "Mish", "Module",
           "ModuleDict", "ModuleList", "NLLLoss", "PReLU", "Parameter", "ParameterDict", "ParameterList",
           "ReLU", "ReLU6", "SELU", "Sequential", "SiLU", "Sigmoid", "SmoothL1Loss", "Softmax", "Softmin",
           "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold", "Unflatten", "functional", "init",
           "parameter", "utils"]

# Layers that few scripts need, and the files of modules/ that hold them.
_LATE = {
    "distance": ("CosineEmbeddingLoss", "CosineSimilarity", "GaussianNLLLoss", "HingeEmbeddingLoss",
                 "MarginRankingLoss", "PairwiseDistance", "PoissonNLLLoss", "SoftMarginLoss",
                 "TripletMarginLoss"),
    "padding": tuple(f"{kind}Pad{n}d" for n in (1, 2, 3)
                     for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular")),
}


def __getattr__(name):
    """Loads a late layer; says of an absent name that it is absent, and what it belongs to."""
    from importlib import import_module

    for file, names in _LATE.items():
        if name in names:
            return getattr(import_module(f".modules.{file}", __name__), name)
    from .._absent import absent

    raise absent("ctorch.nn", [*globals(), *(n for names in _LATE.values() for n in names)], name)
