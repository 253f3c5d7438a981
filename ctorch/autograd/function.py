"""Operations with a gradient of one's own: `class Square(Function)` with static methods forward and backward."""

from ctorch._C import Tensor, _autograd, is_grad_enabled, no_grad

Function = _autograd.Function
FunctionCtx = _autograd.FunctionCtx

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


def _bind_arguments(forward, *args, **kwargs) -> tuple:
    """All of forward's arguments by position, defaults filled in: what Function.apply passes on with setup_context."""
    code = getattr(forward, "__code__", None)
    if code is not None and not kwargs and len(args) == code.co_argcount:
        return args
    import inspect

    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


class _RefuseSecond(Function):
    """Passes gradients on, and raises when they are differentiated."""

    @staticmethod
    def forward(ctx, *tensors):
        return tensors

    @staticmethod
    def backward(ctx, *gradients):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable: its backward is not "
            "written in operations that are recorded"
        )


def once_differentiable(backward):
    """Decorates a Function's backward that cannot be differentiated itself: trying to raises RuntimeError."""

    import functools

    @functools.wraps(backward)
    def wrapper(ctx, *gradients):
        with no_grad():
            outputs = backward(ctx, *gradients)
        recorded = is_grad_enabled() and any(isinstance(g, Tensor) and g.requires_grad for g in gradients)
        if not recorded:
            return outputs
        several = isinstance(outputs, tuple)
        outputs = list(outputs) if several else [outputs]
        places = [k for k, output in enumerate(outputs) if output is not None]
        guarded = _RefuseSecond.apply(*[outputs[k].detach().requires_grad_() for k in places])
        for k, output in zip(places, guarded):
            outputs[k] = output
        return tuple(outputs) if several else outputs[0]

    return wrapper
