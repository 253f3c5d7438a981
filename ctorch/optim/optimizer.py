"""The base class of all optimizers: parameter groups, state and its saving and loading, step hooks.

An update rule lives in the subclass's `step`. Nothing is cached between steps: `param_groups` and `state` are
the only truth, so a script may change both at any time.
"""


from .. import Tensor, enable_grad


class _Required:
    """Default of an option that every parameter group must name itself."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """Base of all optimizers.

    params: an iterable of Tensors, of (name, Tensor) pairs, or of dicts with a key "params" that overrides
    options for its group. defaults: the options' values where a group does not name them.
    Raises TypeError for a bare Tensor or a set, ValueError for an empty list, a non-leaf or a parameter that
    appears in two groups.
    """

    def __init__(self, params, defaults: dict) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or "
                            "dicts, "
                            f"but got {params.type()}; wrap it in a list")
        from collections import defaultdict

        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        self._init_hooks()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _init_hooks(self) -> None:
        self._step_pre_hooks = {}
        self._step_post_hooks = {}

    def __getstate__(self) -> dict:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if "_step_pre_hooks" not in self.__dict__:
            self._init_hooks()
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            options = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            text += f"\nParameter Group {i}\n" + "".join(options)
        return text + ")"

    def add_param_group(self, param_group: dict) -> None:
        """Adds a dict with the key "params" and any options; missing options take their defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _split_names(param_group)
        for param in param_group["params"]:
            _check_param(param)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter "
                                 f"{name}")
            param_group.setdefault(name, default)
        self._check_disjoint(param_group)
        self.param_groups.append(param_group)

    def _check_disjoint(self, param_group: dict) -> None:
        fresh = set(param_group["params"])
        if len(fresh) != len(param_group["params"]):
            import warnings
            warnings.warn("optimizer contains a parameter group with duplicate parameters: each of them is "
                          "updated "
                          "once per mention; in future, this will cause an error", stacklevel=4)
        for group in self.param_groups:
            if ("param_names" in group) != ("param_names" in param_group):
                kind = "with names" if "param_names" in param_group else "without names"
                raise ValueError("all optimizer param groups should be with/without names. "
                                 f"cannot add param group {kind} to the optimizer")
            if not fresh.isdisjoint(group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients: sets each `.grad` to None, or to zeros with set_to_none=False."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = param.grad.detach()
                    param.grad.zero_()

    def step(self, closure=None):
        """One update. closure: re-evaluates the model and returns the loss, which `step` then returns."""
        raise NotImplementedError

    def state_dict(self) -> dict:
        """A dict of "state" and "param_groups" in which parameters are numbered from 0, group after group."""
        number = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                number.setdefault(param, len(number))
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [number[param] for param in group["params"]]
            groups.append(packed)
        state = {number.get(key, key): value for key, value in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict) -> None:
        """Takes over what `state_dict` returned; tensors are copied to each parameter's dtype and device.

        Raises ValueError when the groups differ in number or size.
        """
        from copy import deepcopy
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups: "
                             f"{len(saved)}, the optimizer has {len(self.param_groups)}")
        by_number = {}
        for i, (group, new) in enumerate(zip(self.param_groups, saved)):
            if len(group["params"]) != len(new["params"]):
                raise ValueError("loaded state dict contains a parameter group that doesn't match the size "
                                 "of "
                                 f"optimizer's group: group {i} has {len(group['params'])} parameters, "
                                 f"the loaded one {len(new['params'])}")
            by_number.update(zip(new["params"], group["params"]))
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        state = type(self.state)(dict)
        for key, value in state_dict["state"].items():
            param = by_number.get(key)
            state[key if param is None else param] = value if param is None else _cast_like(param, value)
        self.__setstate__({"state": state, "param_groups": saved})

    def register_step_pre_hook(self, hook):
        """hook(optimizer, args, kwargs) runs before each step; it may return new (args, kwargs)."""
        return self._register(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        """hook(optimizer, args, kwargs) runs after each step."""
        return self._register(self._step_post_hooks, hook)

    def _register(self, hooks, hook):
        # An optimizer without hooks pays nothing: the first hook puts a wrapper before the class's step.
        if not isinstance(self.__dict__.get("step"), _HookedStep):
            self.step = _HookedStep(self, self.step)
        return _HookHandle(hooks, hook)


class _HookedStep:
    """An optimizer's `step` with its hooks around it."""

    def __init__(self, optimizer, step) -> None:
        from functools import update_wrapper

        self.optimizer, self.step = optimizer, step
        update_wrapper(self, step)

    def __call__(self, *args, **kwargs):
        optimizer = self.optimizer
        for hook in list(optimizer._step_pre_hooks.values()):
            result = hook(optimizer, args, kwargs)
            if result is None:
                continue
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError("a step pre-hook must return None or a tuple of (new_args, new_kwargs), "
                                   f"but got {result}.")
            args, kwargs = result
        out = self.step(*args, **kwargs)
        for hook in list(optimizer._step_post_hooks.values()):
            hook(optimizer, args, kwargs)
        return out


class _HookHandle:
    """Removes a hook; a second `remove` does nothing. A context manager that removes at exit."""

    def __init__(self, hooks, hook) -> None:
        self.hooks = hooks
        hooks[self] = hook

    def remove(self) -> None:
        self.hooks.pop(self, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        self.remove()


def evaluate(closure):
    """The loss of `closure`, run with gradients on."""
    with enable_grad():
        return closure()


def check_range(ok: bool, what: str, value) -> None:
    """Raises ValueError "Invalid <what>: <value>" unless ok; a NaN is never ok."""
    if not ok:
        raise ValueError(f"Invalid {what}: {value}")


def check_unsupported(differentiable: bool, capturable: bool = False) -> None:
    """`foreach` and `fused` only choose an implementation and are ignored; these two would change results."""
    if differentiable:
        raise RuntimeError("differentiable=True is not supported: an optimizer step records no graph")
    if capturable:
        raise RuntimeError("capturable=True is not supported")


def params_with_grad(group: dict) -> "tuple[list, list]":
    """The group's parameters that have a gradient, and these gradients."""
    params = [param for param in group["params"] if param.grad is not None]
    return params, [param.grad for param in params]


def _split_names(group: dict) -> None:
    """Makes group["params"] a list of tensors; names given with them go to group["param_names"]."""
    params = group["params"]
    if isinstance(params, Tensor):
        params = [params]
    elif isinstance(params, set):
        raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering "
                        "of "
                        "tensors in sets will change between runs. Please use a list instead.")
    params = list(params)
    names = [param[0] for param in params if isinstance(param, tuple)]
    if names and len(names) != len(params):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    if names:
        group["param_names"] = names
    group["params"] = [param[1] if isinstance(param, tuple) else param for param in params]


def _check_param(param) -> None:
    if not isinstance(param, Tensor):
        raise TypeError(f"optimizer can only optimize Tensors, but one of the params is "
                        f"{type(param).__name__}")
    if not (param.is_leaf or param.retains_grad):
        raise ValueError("can't optimize a non-leaf Tensor: it is the result of "
                         f"{type(param.grad_fn).__name__}; pass the Tensor it was computed from, or detach() "
                         "it")


def _cast_like(param, value, key: "str | None" = None):
    """A copy of saved state with its tensors in param's dtype and device; step counters keep theirs."""
    if isinstance(value, Tensor):
        if key == "step":
            return value.clone()
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device, copy=True)
        return value.to(device=param.device, copy=True)
    if isinstance(value, dict):
        return {name: _cast_like(param, item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast_like(param, item) for item in value)
    return value
