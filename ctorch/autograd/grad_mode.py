"""no_grad, enable_grad, set_grad_enabled and inference_mode: context managers and decorators.

They are C types (csrc/autograd/modes.c).  What a decorator makes is here: a function that enters a mode of its own
each time it is called, so that it may recurse and run on several threads.
"""

from ctorch._C import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]

_GENERATOR = 0x20  # inspect.CO_GENERATOR, without importing inspect


def _resemble(wrapper, function):
    """What functools.update_wrapper does; importing that module, and what it imports, would slow `import ctorch`."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"):
        if hasattr(function, name):
            setattr(wrapper, name, getattr(function, name))
    wrapper.__dict__.update(getattr(function, "__dict__", {}))
    wrapper.__wrapped__ = function
    return wrapper


def _wrap(mode, function):
    """`function`, run in `mode` each time it is called."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & _GENERATOR:
        return _wrap_generator(mode, function)

    def wrapper(*args, **kwargs):
        with mode.clone():
            return function(*args, **kwargs)

    return _resemble(wrapper, function)


def _wrap_generator(mode, function):
    """The generator's body runs in the mode; the caller, between two values, does not."""

    def wrapper(*args, **kwargs):
        generator = function(*args, **kwargs)
        with mode.clone():
            value = next(generator, wrapper)
        try:
            while value is not wrapper:
                try:
                    sent = yield value
                except GeneratorExit:
                    with mode.clone():
                        generator.close()
                    raise
                except BaseException as problem:
                    resume, argument = generator.throw, problem
                else:
                    resume, argument = generator.send, sent
                with mode.clone():
                    value = resume(argument)
        except StopIteration as stop:
            return stop.value

    return _resemble(wrapper, function)
