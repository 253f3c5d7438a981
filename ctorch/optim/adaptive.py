"""RMSprop, Adagrad and Adadelta: adaptive step sizes, written with tensor operations for their readers.

Adam and AdamW, which scripts use a hundred times more often, have a fused step in C (adam.py).
"""

from .. import float32, full_like, no_grad, zeros, zeros_like
from .optimizer import Optimizer, check_range, check_unsupported, evaluate, params_with_grad


class _PerParameter(Optimizer):
    """An optimizer whose `_update(param, grad, state, group)` treats one parameter at a time."""

    @no_grad()
    def step(self, closure=None):
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            for param, grad in zip(*params_with_grad(group)):
                state = self.state[param] or self._init_state(param, group)
                state["step"] += 1
                if group["maximize"]:
                    grad = -grad
                if group["weight_decay"] != 0:
                    grad = grad.add(param, alpha=group["weight_decay"])
                self._update(param, grad, state, group)
        return loss

    def _init_state(self, param, group: dict) -> dict:
        state = self.state[param]
        state["step"] = zeros((), dtype=float32)
        for name in self._state_names(group):
            state[name] = zeros_like(param, requires_grad=False)
        return state


class RMSprop(_PerParameter):
    """RMSprop (Hinton's lecture notes, 2012); centered as Graves (2013).

        v = alpha * v + (1 - alpha) * g * g      p = p - lr * g / (sqrt(v) + eps)

    centered subtracts the square of g's running mean from v; momentum > 0 accumulates the steps.
    """

    def __init__(self, params, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0, momentum: float = 0, centered: bool = False,
                 capturable: bool = False, foreach: "bool | None" = None, maximize: bool = False,
                 differentiable: bool = False) -> None:
        check_range(lr >= 0.0, "learning rate", lr)
        check_range(eps >= 0.0, "epsilon value", eps)
        check_range(momentum >= 0.0, "momentum value", momentum)
        check_range(weight_decay >= 0.0, "weight_decay value", weight_decay)
        check_range(alpha >= 0.0, "alpha value", alpha)
        check_unsupported(differentiable, capturable)
        super().__init__(params, dict(
            lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay,
            capturable=capturable, foreach=foreach, maximize=maximize, differentiable=differentiable))

    def _state_names(self, group: dict) -> list:
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return names

    def _update(self, param, grad, state: dict, group: dict) -> None:
        alpha, lr = group["alpha"], group["lr"]
        square_avg = state["square_avg"].mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"].lerp_(grad, 1 - alpha)
            scale = square_avg.addcmul(mean, mean, value=-1).sqrt_()
        else:
            scale = square_avg.sqrt()
        scale.add_(group["eps"])
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(grad, scale)
            param.add_(buffer, alpha=-lr)
        else:
            param.addcdiv_(grad, scale, value=-lr)


class Adagrad(_PerParameter):
    """Adagrad (Duchi et al., 2011).

        s = s + g * g      p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)
    """

    def __init__(self, params, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: "bool | None" = None, *,
                 maximize: bool = False, differentiable: bool = False, fused: "bool | None" = None) -> None:
        check_range(lr >= 0.0, "learning rate", lr)
        check_range(lr_decay >= 0.0, "lr_decay value", lr_decay)
        check_range(weight_decay >= 0.0, "weight_decay value", weight_decay)
        check_range(initial_accumulator_value >= 0.0, "initial_accumulator_value value",
                    initial_accumulator_value)
        check_range(eps >= 0.0, "epsilon value", eps)
        check_unsupported(differentiable)
        super().__init__(params, dict(
            lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, foreach=foreach, maximize=maximize,
            differentiable=differentiable, fused=fused))
        # Unlike the other optimizers' state this one exists before the first step: scripts call
        # `share_memory` on it and save it untrained.
        for group in self.param_groups:
            for param in group["params"]:
                self._init_state(param, group)

    def _init_state(self, param, group: dict) -> dict:
        state = self.state[param]
        state["step"] = zeros((), dtype=float32)
        state["sum"] = full_like(param, group["initial_accumulator_value"], requires_grad=False)
        return state

    def _update(self, param, grad, state: dict, group: dict) -> None:
        lr = group["lr"] / (1 + (state["step"].item() - 1) * group["lr_decay"])
        total = state["sum"].addcmul_(grad, grad, value=1)
        param.addcdiv_(grad, total.sqrt().add_(group["eps"]), value=-lr)


class Adadelta(_PerParameter):
    """Adadelta (Zeiler, 2012).

        v = rho * v + (1 - rho) * g * g          d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d * d          p = p - lr * d
    """

    def __init__(self, params, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
                 foreach: "bool | None" = None, *, capturable: bool = False, maximize: bool = False,
                 differentiable: bool = False) -> None:
        check_range(lr >= 0.0, "learning rate", lr)
        check_range(0.0 <= rho <= 1.0, "rho value", rho)
        check_range(eps >= 0.0, "epsilon value", eps)
        check_range(weight_decay >= 0.0, "weight_decay value", weight_decay)
        check_unsupported(differentiable, capturable)
        super().__init__(params, dict(
            lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable,
            foreach=foreach, differentiable=differentiable))

    def _state_names(self, group: dict) -> list:
        return ["square_avg", "acc_delta"]

    def _update(self, param, grad, state: dict, group: dict) -> None:
        rho, eps = group["rho"], group["eps"]
        square_avg = state["square_avg"].mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta = state["acc_delta"].add(eps).sqrt_().div_(square_avg.add(eps).sqrt_()).mul_(grad)
        state["acc_delta"].mul_(rho).addcmul_(delta, delta, value=1 - rho)
        param.add_(delta, alpha=-group["lr"])
