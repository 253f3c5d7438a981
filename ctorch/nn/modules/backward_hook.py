"""What a module's backward hooks see: the gradients at the module's door.

A call with such hooks passes the input tensors and the output tensors through an identity each.  The gradient
that reaches the output's identity is grad_output, the one that reaches the input's is grad_input.
"""

from __future__ import annotations

from ... import Tensor, is_grad_enabled
from ...autograd import Function


class BackwardHookFunction(Function):
    """The identity of several tensors; its backward asks `watch` what the gradients shall be.  Its name is what
    grad_fn shows in PyTorch."""

    @staticmethod
    def forward(ctx, watch, *tensors):
        ctx.watch = watch
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx, *grads):
        return (None, *ctx.watch(grads))


def _pass(watch, values: tuple) -> tuple[tuple, list[int] | None]:
    """values with the tensors led through a door, and where they stand; None if no gradient can come back."""
    where = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not (is_grad_enabled() and any(values[i].requires_grad for i in where)):
        return values, None
    replaced = list(values)
    for i, tensor in zip(where, BackwardHookFunction.apply(watch, *(values[i] for i in where))):
        replaced[i] = tensor
    return tuple(replaced), where


def _spread(where: list[int], grads, size: int) -> tuple:
    """grads at their positions among `size` values, None for those that are no tensors."""
    full = [None] * size
    for i, grad in zip(where, grads):
        full[i] = grad
    return tuple(full)


class BackwardHook:
    """One call of a module with backward hooks: enter() before its forward, leave() after."""

    def __init__(self, module) -> None:
        self.module = module
        self.full = module._is_full_backward_hook is not False
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.inputs: list[int] | None = None
        self.n_inputs = 0
        self.outputs: list[int] | None = None
        self.n_outputs = 0
        self.grad_output: tuple | None = None

    def enter(self, args: tuple) -> tuple:
        if not (self.full or self.pre_hooks):
            return args
        self.n_inputs = len(args)
        args, self.inputs = _pass(self.at_input, args)
        return args

    def leave(self, result):
        if self.hooks and not self.full:
            self.hook_last_op(result)
            if not self.pre_hooks:
                return result
        alone = not isinstance(result, tuple)
        values = (result,) if alone else tuple(result)
        if not any(isinstance(value, Tensor) for value in values):
            import warnings

            warnings.warn("For backward hooks to be called, module output should be a Tensor or a tuple of "
                          f"Tensors but received {type(result)}", stacklevel=2)
            return result
        self.n_outputs = len(values)
        values, self.outputs = _pass(self.at_output, values)
        if alone:
            return values[0]
        return type(result)(*values) if hasattr(result, "_fields") else values

    def at_output(self, grads):
        """The gradients of the outputs arrive."""
        self.grad_output = _spread(self.outputs, grads, self.n_outputs)
        for hook in self.pre_hooks:
            answer = hook(self.module, self.grad_output)
            if answer is None:
                continue
            answer = answer if isinstance(answer, tuple) else (answer,)
            if len(answer) != self.n_outputs:
                raise RuntimeError("Backward pre hook returned an invalid number of grad_output, "
                                   f"got {len(answer)}, but expected {self.n_outputs}")
            self.grad_output = answer
        passed_on = tuple(self.grad_output[i] for i in self.outputs)
        if self.inputs is None and self.full:
            self.run_without_inputs()
        return passed_on

    def run_without_inputs(self) -> None:
        """No input requires a gradient, so the hooks run here, with grad_input all None."""
        if self.hooks:
            import warnings

            warnings.warn("Full backward hook is firing when gradients are computed with respect to module outputs since "
                          "no inputs require gradients: the hook's grad_input is all None; an input that requires grad "
                          "has its gradient there", stacklevel=4)
        for hook in self.hooks:
            answer = hook(self.module, (None,) * self.n_inputs, self.grad_output)
            if isinstance(answer, tuple) and all(grad is None for grad in answer):
                continue
            if answer is not None:
                raise RuntimeError("Backward hook for Modules where no input requires gradient should always "
                                   "return None or None for all gradients.")
        self.grad_output = None

    def at_input(self, grads):
        """The gradients of the inputs arrive.  If none came to the output, they passed it by."""
        if self.grad_output is None or not self.full:
            return grads
        grad_input = _spread(self.inputs, grads, self.n_inputs)
        for hook in self.hooks:
            answer = hook(self.module, grad_input, self.grad_output)
            if answer is None:
                continue
            answer = answer if isinstance(answer, tuple) else (answer,)
            if len(answer) != self.n_inputs:
                raise RuntimeError("Backward hook returned an invalid number of grad_input, "
                                   f"got {len(answer)}, but expected {self.n_inputs}")
            grad_input = answer
        self.grad_output = None
        return tuple(grad_input[i] for i in self.inputs)

    def hook_last_op(self, result) -> None:
        """The old kind of hook sees the gradients of the op that made the result."""
        while not isinstance(result, Tensor):
            result = next(iter(result.values())) if isinstance(result, dict) else result[0]
        if result.grad_fn is not None:
            for hook in self.hooks:
                result.grad_fn.register_hook(lambda grad_input, grad_output, hook=hook:
                                             hook(self.module, grad_input, grad_output))
