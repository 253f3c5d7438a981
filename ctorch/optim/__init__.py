"""Optimizers and learning-rate schedulers.

SGD, Adam and AdamW make one call into C per parameter group and step; RMSprop, Adagrad and Adadelta are
written with tensor operations. The arithmetic of the former lives in csrc, none of it here.
"""

from .optimizer import Optimizer
from .sgd import SGD
from .adam import Adam
from .adamw import AdamW
from .adaptive import RMSprop, Adagrad, Adadelta
from . import lr_scheduler

__all__ = ["Optimizer", "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "lr_scheduler"]


def __getattr__(name):
    """Says of an absent name that it is absent, and what it belongs to."""
    from .._absent import absent

    raise absent("ctorch.optim", globals(), name)
