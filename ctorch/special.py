"""Special functions, under the names of scipy.special."""

from ._C import (
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    log1p,
    log_softmax,
    logit,
    logsumexp,
    round,
    sigmoid as expit,
    softmax,
    xlogy,
)

__all__ = [
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "log1p",
    "log_softmax",
    "logit",
    "logsumexp",
    "round",
    "softmax",
    "xlogy",
]


def __getattr__(name):
    from ._absent import absent

    raise absent(__name__, globals(), name)
