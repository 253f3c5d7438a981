"""Learning-rate schedules: they write `group["lr"]` of an optimizer, once per call of `step`.

Most schedules are computed from the group's present rate, in PyTorch's order of operations, so that the
digits agree and several schedulers can act on one optimizer; the closed form serves `step(epoch)` alone.
"""

import math

from .. import Tensor
from .optimizer import Optimizer


class LRScheduler:
    """Base of all schedules. A subclass defines `_next_lr(i, group)`, or overrides `get_lr`.

    Creating a scheduler performs its step 0. last_epoch >= 0 resumes, and needs "initial_lr" in every group.
    Raises TypeError for a thing that is not an Optimizer, KeyError for a group without "initial_lr".
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = _check_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _value(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                               "scheduler "
                               "with last_epoch >= 0: load the optimizer's state first, or start with "
                               "last_epoch=-1")
        self.base_lrs = [_value(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        _note_first_step(optimizer)
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def state_dict(self) -> dict:
        """Every attribute but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict) -> None:
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list:
        """The rates set by the latest step, one per parameter group."""
        return self._last_lr

    def get_lr(self) -> list:
        """The rates that `step` is about to set; meant for `step` alone."""
        if not self._get_lr_called_within_step:
            import warnings
            warnings.warn("To get the last learning rate computed by the scheduler, please use "
                          "`get_last_lr()`.",
                          UserWarning, stacklevel=2)
        return [self._next_lr(i, group) for i, group in enumerate(self.optimizer.param_groups)]

    def _next_lr(self, i: int, group: dict):
        raise NotImplementedError

    def step(self, epoch: "int | None" = None) -> None:
        """Sets the next rates. Call it after `optimizer.step()`. epoch: deprecated, jumps to that epoch."""
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", True):
            import warnings
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call `optimizer.step()` "
                "first: "
                "in this order the first value of the learning rate schedule is skipped, no update ever uses "
                "it.",
                UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            import warnings
            warnings.warn("The epoch parameter in `scheduler.step()` was not necessary and is being "
                          "deprecated; "
                          "call `scheduler.step()` without it.", UserWarning, stacklevel=2)
        self._advance(epoch)

    def _advance(self, epoch: "int | None") -> None:
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed_form = None if epoch is None else getattr(self, "_closed_form", None)
            if closed_form is None:
                rates = self.get_lr()
            else:
                rates = [base * closed_form() for base in self.base_lrs]
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates: list) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates):
            _set_lr(group, rate)
        self._last_lr = [_value(group["lr"]) for group in self.optimizer.param_groups]


class _LRScheduler(LRScheduler):
    """The older name of LRScheduler, still subclassed by scripts."""


class LambdaLR(LRScheduler):
    """lr = initial lr * lr_lambda(epoch); lr_lambda is one function or a list with one per group."""

    def __init__(self, optimizer: Optimizer, lr_lambda, last_epoch: int = -1) -> None:
        count = len(_check_optimizer(optimizer).param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * count
        if len(self.lr_lambdas) != count:
            raise ValueError(f"Expected {count} lr_lambdas, but got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        return self.base_lrs[i] * self.lr_lambdas[i](self.last_epoch)

    def state_dict(self) -> dict:
        """Functions are left out (as None); of callable objects the attributes are kept."""
        state = super().state_dict()
        state["lr_lambdas"] = [None if hasattr(f, "__code__") else dict(f.__dict__) for f in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        functions = self.lr_lambdas
        self.__dict__.update(state_dict)
        self.lr_lambdas = functions
        for function, attributes in zip(functions, state_dict["lr_lambdas"]):
            if attributes is not None:
                function.__dict__.update(attributes)


class StepLR(LRScheduler):
    """lr is multiplied by gamma every step_size epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1,
                 last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return group["lr"]
        return group["lr"] * self.gamma

    def _closed_form(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """lr is multiplied by gamma at every epoch named in milestones, once for each time it is named."""

    def __init__(self, optimizer: Optimizer, milestones, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        times = self.milestones.count(self.last_epoch)
        return group["lr"] * self.gamma ** times if times else group["lr"]

    def _closed_form(self) -> float:
        return self.gamma ** sum(milestone <= self.last_epoch for milestone in self.milestones)


class ExponentialLR(LRScheduler):
    """lr is multiplied by gamma every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        return group["lr"] if self._is_initial else group["lr"] * self.gamma

    def _closed_form(self) -> float:
        return self.gamma ** self.last_epoch


class LinearLR(LRScheduler):
    """lr goes from start_factor to end_factor times the initial lr along a line of total_iters epochs."""

    def __init__(self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0,
                 total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal "
                             "to 1.")
        if not 0 <= end_factor <= 1:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        if self.last_epoch == 0:
            return group["lr"] * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return group["lr"]
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return group["lr"] * (1.0 + rise / before)

    def _closed_form(self) -> float:
        rise = self.end_factor - self.start_factor
        return self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (initial lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2.

    Loshchilov and Hutter (2017). Computed from the present rate; past T_max the rate climbs again, with
    period 2 * T_max.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        epoch, period, low, base = self.last_epoch, self.T_max, self.eta_min, self.base_lrs[i]
        if self._is_initial:
            return group["lr"]
        if self._step_count == 1 and epoch > 0:
            return low + (base - low) * (1 + math.cos(epoch * math.pi / period)) / 2
        if (epoch - 1 - period) % (2 * period) == 0:
            # The quotient below would divide by zero one epoch after the minimum.
            return group["lr"] + (base - low) * (1 - math.cos(math.pi / period)) / 2
        return ((1 + math.cos(math.pi * epoch / period)) / (1 + math.cos(math.pi * (epoch - 1) / period))
                * (group["lr"] - low) + low)

    def _advance(self, epoch: "int | None") -> None:
        if epoch is None:
            return super()._advance(None)
        self.last_epoch = epoch
        fall = (1 + math.cos(math.pi * epoch / self.T_max)) / 2
        self._set([self.eta_min + (base - self.eta_min) * fall for base in self.base_lrs])


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing that restarts after T_0 epochs; each period is T_mult times as long as the one before.

    `step(epoch)` may be called with fractions, once per batch: scheduler.step(epoch + i / batches).
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0,
                 last_epoch: int = -1) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        self.T_0, self.T_mult, self.T_i, self.T_cur, self.eta_min = T_0, T_mult, T_0, last_epoch, eta_min
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        height = self.base_lrs[i] - self.eta_min
        return self.eta_min + height * (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2

    def step(self, epoch: "float | None" = None) -> None:
        if epoch is None and self.last_epoch >= 0:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            self._locate(0 if epoch is None else epoch)
        self._get_lr_called_within_step = True
        try:
            self._set(self.get_lr())
        finally:
            self._get_lr_called_within_step = False

    def _locate(self, epoch: float) -> None:
        """Sets the period that holds epoch and the place in it, from the geometric series of the periods."""
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        first, ratio = self.T_0, self.T_mult
        if epoch < first:
            self.T_i, self.T_cur = first, epoch
        elif ratio == 1:
            self.T_cur = epoch % first
        else:
            restarts = int(math.log(epoch / first * (ratio - 1) + 1, ratio))
            self.T_cur = epoch - first * (ratio ** restarts - 1) / (ratio - 1)
            self.T_i = first * ratio ** restarts
        self.last_epoch = math.floor(epoch)


class OneCycleLR(LRScheduler):
    """One rise to max_lr and one fall far below the start, with momentum moving the other way (Smith, 2018).

    Step it after every batch. The length is total_steps, or epochs * steps_per_epoch. lr starts at
    max_lr / div_factor and ends at that divided by final_div_factor; momentum (beta1 of Adam) cycles between
    max_momentum and base_momentum unless cycle_momentum is False.
    """

    def __init__(self, optimizer: Optimizer, max_lr, total_steps: "int | None" = None,
                 epochs: "int | None" = None, steps_per_epoch: "int | None" = None, pct_start: float = 0.3,
                 anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum=0.85,
                 max_momentum=0.95, div_factor: float = 25.0, final_div_factor: float = 1e4,
                 three_phase: bool = False, last_epoch: int = -1) -> None:
        _check_optimizer(optimizer)
        self.total_steps = _cycle_length(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got "
                             f"{anneal_strategy}")
        self._anneal = anneal_strategy
        self._phases = _cycle_phases(pct_start, self.total_steps, three_phase)
        self.cycle_momentum = cycle_momentum
        self.use_beta1 = "betas" in optimizer.defaults
        if cycle_momentum and not self.use_beta1 and "momentum" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        peaks = _per_group("max_lr", optimizer, max_lr)
        lows = _per_group("base_momentum", optimizer, base_momentum)
        highs = _per_group("max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            for group, peak, low, high in zip(optimizer.param_groups, peaks, lows, highs):
                group["initial_lr"] = peak / div_factor
                group["max_lr"] = peak
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    group["base_momentum"], group["max_momentum"] = low, high
        super().__init__(optimizer, last_epoch)

    def _next_lr(self, i: int, group: dict):
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is "
                             f"{self.total_steps}")
        start = 0.0
        for phase in self._phases:
            end, from_lr, to_lr, from_momentum, to_momentum = phase
            if step <= end or phase is self._phases[-1]:
                break
            start = end
        part = (step - start) / (end - start)
        if self.cycle_momentum:
            momentum = self._between(group[from_momentum], group[to_momentum], part)
            if self.use_beta1:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return self._between(group[from_lr], group[to_lr], part)

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


class ReduceLROnPlateau(LRScheduler):
    """lr is multiplied by factor once `step(metric)` has seen no improvement for more than patience epochs.

    An improvement is a metric below best * (1 - threshold) ("rel") or best - threshold ("abs"); mode "max"
    turns it round. After a reduction, cooldown epochs pass before bad ones count again. min_lr: a floor, one
    for all groups or one each; a change below eps is not made.
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr=0,
                 eps: float = 1e-8) -> None:
        if factor >= 1.0:
            raise ValueError(f"Factor should be < 1.0, but got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown! It is 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown! It is 'rel' or 'abs'")
        self.optimizer = _check_optimizer(optimizer)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.min_lr = min_lr
        self.min_lrs = _per_group("min_lr", optimizer, min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = self.last_epoch = 0
        self._last_lr = [_value(group["lr"]) for group in optimizer.param_groups]

    def step(self, metrics, epoch: "int | None" = None) -> None:
        """metrics: the watched number, a float or a Tensor of one element."""
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = [_value(group["lr"]) for group in self.optimizer.param_groups]

    @property
    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def _is_better(self, current: float) -> bool:
        step = -self.threshold if self.mode == "min" else self.threshold
        bar = self.best * (1.0 + step) if self.threshold_mode == "rel" else self.best + step
        return current < bar if self.mode == "min" else current > bar

    def _reduce(self) -> None:
        if len(self.min_lrs) != len(self.optimizer.param_groups):
            self.min_lrs = _per_group("min_lr", self.optimizer, self.min_lr)
        for group, floor in zip(self.optimizer.param_groups, self.min_lrs):
            old = float(group["lr"])
            new = max(old * self.factor, floor)
            if old - new > self.eps:
                _set_lr(group, new)


def _check_optimizer(optimizer) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def _note_first_step(optimizer: Optimizer) -> None:
    """Makes the optimizer's first `step` leave a mark; the wrapper then removes itself and costs nothing."""
    if hasattr(optimizer, "_opt_called"):
        return
    optimizer._opt_called = False
    shadowed = optimizer.__dict__.get("step")
    step = optimizer.step
    from functools import wraps

    @wraps(step)
    def first_step(*args, **kwargs):
        optimizer._opt_called = True
        if optimizer.__dict__.get("step") is first_step:
            if shadowed is None:
                del optimizer.step
            else:
                optimizer.step = shadowed
        return step(*args, **kwargs)

    optimizer.step = first_step


def _value(rate):
    """A rate that later steps do not change: a Tensor is copied."""
    return rate.clone() if isinstance(rate, Tensor) else rate


def _set_lr(group: dict, rate) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(float(rate))
    else:
        group["lr"] = rate


def _per_group(name: str, optimizer: Optimizer, value) -> list:
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name} must have the same length as optimizer.param_groups. "
                         f"{name} has {len(value)} values, param_groups has {count}.")
    return list(value)


def _cycle_length(total_steps, epochs, steps_per_epoch) -> int:
    if total_steps is None:
        if epochs is None or steps_per_epoch is None:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        numbers = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    else:
        numbers = {"total_steps": total_steps}
    for name, number in numbers.items():
        if not isinstance(number, int) or number <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {number}")
    return math.prod(numbers.values())


def _cycle_phases(pct_start: float, total_steps: int, three_phase: bool) -> list:
    """OneCycleLR's phases: (last step, lr from, lr to, momentum from, momentum to), as keys of the group."""
    peak = float(pct_start * total_steps) - 1
    rise = (peak, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three_phase:
        return [rise, (total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    return [rise,
            (float(2 * pct_start * total_steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum")]


def __getattr__(name):
    """Says of an absent name that it is absent, and what it belongs to."""
    from .._absent import absent

    raise absent("ctorch.optim.lr_scheduler", globals(), name)
