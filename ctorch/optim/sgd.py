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
            try:
                buffers = [state[param]["momentum_buffer"] for param in params]
            except KeyError:
                self._first_step(group, params, grads)
            else:
                _update(group, params, grads, buffers, group["dampening"])
        return loss

    def _first_step(self, group: dict, params: list, grads: list) -> None:
        """A step in which some parameters have no buffer yet.

        Their buffer becomes the gradient itself, undampened: the update of a zero buffer without dampening.
        """
        state = self.state
        fresh = [i for i, param in enumerate(params) if "momentum_buffer" not in state[param]]
        made = [zeros_like(params[i], requires_grad=False) for i in fresh]
        known = [i for i, param in enumerate(params) if "momentum_buffer" in state[param]]
        try:
            for i, buffer in zip(fresh, made):
                state[params[i]]["momentum_buffer"] = buffer
            _update(group, [params[i] for i in fresh], [grads[i] for i in fresh], made, 0.0)
        except BaseException:  # nothing was updated: forget the buffers too
            for i in fresh:
                state[params[i]].pop("momentum_buffer", None)
            raise
        _update(group, [params[i] for i in known], [grads[i] for i in known],
                [state[params[i]]["momentum_buffer"] for i in known], group["dampening"])


def _update(group: dict, params: list, grads: list, buffers: "list | None", dampening: float) -> None:
    _C._sgd_step(params, grads, buffers, group["lr"], group["momentum"], dampening, group["weight_decay"],
                 group["nesterov"], group["maximize"])
