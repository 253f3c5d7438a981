"""Adam. The arithmetic, AdamW's included, is csrc's `_adam_step`: one call per group."""

from .. import _C, float32, zeros, zeros_like
from .optimizer import Optimizer, check_range, check_unsupported, evaluate, params_with_grad


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015); with amsgrad as Reddi et al. (2018).

        g = grad + weight_decay * p                       (grad negated with maximize)
        m = beta1 * m + (1 - beta1) * g                   v = beta2 * v + (1 - beta2) * g * g
        p = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    amsgrad puts the greatest v so far in v's place. decoupled_weight_decay multiplies p by 1 - lr *
    weight_decay instead of adding to the gradient: AdamW. Raises ValueError for options out of range.
    """

    def __init__(self, params, lr: float = 1e-3, betas: "tuple[float, float]" = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
                 foreach: "bool | None" = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False, fused: "bool | None" = None,
                 decoupled_weight_decay: bool = False) -> None:
        check_range(lr >= 0.0, "learning rate", lr)
        check_range(eps >= 0.0, "epsilon value", eps)
        check_range(0.0 <= betas[0] < 1.0, "beta parameter at index 0", betas[0])
        check_range(0.0 <= betas[1] < 1.0, "beta parameter at index 1", betas[1])
        check_range(weight_decay >= 0.0, "weight_decay value", weight_decay)
        check_unsupported(differentiable, capturable)
        super().__init__(params, dict(
            lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
            foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=decoupled_weight_decay))

    def step(self, closure=None):
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            params, grads = params_with_grad(group)
            amsgrad = group["amsgrad"]
            states = list(map(self.state.__getitem__, params))
            filing = ()
            if not all(states):
                _fill(states, params, amsgrad)
                filing = zip(params, states)  # made before the update: what follows it needs no memory
            beta1, beta2 = group["betas"]
            _C._adam_step(
                params, grads,
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [state["max_exp_avg_sq"] for state in states] if amsgrad else None,
                [state["step"] for state in states],
                group["lr"], beta1, beta2, group["eps"], group["weight_decay"],
                amsgrad, group["maximize"], group["decoupled_weight_decay"])
            for param, state in filing:
                self.state[param] = state
        return loss


def _fill(states: list, params: list, amsgrad: bool) -> None:
    """Puts a parameter's first state where states has none."""
    for i, param in enumerate(params):
        if not states[i]:
            states[i] = {"step": zeros((), dtype=float32)}
            for name in ("exp_avg", "exp_avg_sq") + ("max_exp_avg_sq",) * amsgrad:
                states[i][name] = zeros_like(param, requires_grad=False)
