"""Stochastic gradient descent with momentum. The arithmetic is csrc's `_sgd_step`, one call per group."""

from .. import _C, zeros_like
from .optimizer import Optimizer, check_range, check_unsupported, evaluate, params_with_grad


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's momentum as in Sutskever et al. (2013).

        g = grad + weight_decay * p                      (grad negated with maximize)
        b = momentum * b + (1 - dampening) * g           (b = g at a parameter's first step)
        p = p - lr * (g + momentum * b  if nesterov else  b)

    Raises ValueError for a negative lr, momentum or weight_decay, and for nesterov without momentum.
    """

    def __init__(self, params, lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False,
                 foreach: "bool | None" = None, differentiable: bool = False,
                 fused: "bool | None" = None) -> None:
        check_range(lr >= 0.0, "learning rate", lr)
        check_range(momentum >= 0.0, "momentum value", momentum)
        check_range(weight_decay >= 0.0, "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening, but got "
                             f"momentum={momentum} and dampening={dampening}")
        check_unsupported(differentiable)
        super().__init__(params, dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
            maximize=maximize, foreach=foreach, differentiable=differentiable, fused=fused))

    def step(self, closure=None):
        loss = None if closure is None else evaluate(closure)
        state = self.state
        for group in self.param_groups:
            params, grads = params_with_grad(group)
            if group["momentum"] == 0:
                _update(group, params, grads, None, 0.0)
                continue
            buffers = [entry.get("momentum_buffer") for entry in map(state.__getitem__, params)]
            known = [buffer for buffer in buffers if buffer is not None]
            if len(known) == len(buffers):
                _update(group, params, grads, known, group["dampening"])
            else:
                self._first_step(group, params, grads, buffers)
        return loss

    def _first_step(self, group: dict, params: list, grads: list, buffers: list) -> None:
        """A step in which some parameters have no buffer yet.

        Their buffer becomes the gradient itself, undampened: the update of a zero buffer without dampening.
        """
        state = self.state
        known = _columns([(p, g, b) for p, g, b in zip(params, grads, buffers) if b is not None])
        fresh = _columns([(p, g, zeros_like(p, requires_grad=False))
                          for p, g, b in zip(params, grads, buffers) if b is None])
        entries = [{**entry, "momentum_buffer": buffer}
                   for entry, buffer in zip(map(state.__getitem__, fresh[0]), fresh[2])]
        filing = zip(fresh[0], entries)  # made before the updates: what follows them needs no memory
        _update(group, *known, group["dampening"])
        _update(group, *fresh, 0.0)
        for param, entry in filing:
            state[param] = entry


def _columns(rows: list) -> "tuple[list, list, list]":
    """Three lists of the first, second and third of each row."""
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _update(group: dict, params: list, grads: list, buffers: "list | None", dampening: float) -> None:
    _C._sgd_step(params, grads, buffers, group["lr"], group["momentum"], dampening, group["weight_decay"],
                 group["nesterov"], group["maximize"])
