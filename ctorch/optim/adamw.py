"""AdamW: Adam with decoupled weight decay, as a class of its own because scripts name it."""

from .adam import Adam


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter, not the gradient (Loshchilov and Hutter, 2019)."""

    def __init__(self, params, lr: float = 1e-3, betas: "tuple[float, float]" = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
                 maximize: bool = False, foreach: "bool | None" = None, capturable: bool = False,
                 differentiable: bool = False, fused: "bool | None" = None) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
                         capturable=capturable, differentiable=differentiable, fused=fused,
                         decoupled_weight_decay=True)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        # State saved by an Adam must not silently switch the decay back to the gradient.
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
