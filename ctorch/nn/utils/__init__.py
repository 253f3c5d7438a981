"""What is done to a model's parameters and gradients as a whole: clipping, and one vector of all of them.  `rnn` pads
sequences."""


from ... import Tensor, cat, clamp, isfinite, no_grad, stack, tensor


@no_grad()
def clip_grad_norm_(parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                    foreach: "bool | None" = None):
    """Scales the gradients in place by min(1, max_norm / (norm + 1e-6)) and returns their norm before that.

    The norm is that of all gradients as one vector. norm_type: a number or inf. foreach has no effect. Raises
    RuntimeError with error_if_nonfinite when the norm is infinite or NaN.
    """
    grads = _grads(parameters)
    norm = get_total_norm(grads, norm_type, error_if_nonfinite)
    if grads:
        # Multiplying by 1 is cheaper than asking whether the factor is 1, and the same.
        factor = clamp(float(max_norm) / (norm + 1e-6), max=1.0)
        for grad in grads:
            grad.mul_(factor)
    return norm


def clip_grad_norm(parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                   foreach: "bool | None" = None):
    """The older name of clip_grad_norm_."""
    import warnings

    warnings.warn("`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
                  FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def get_total_norm(tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                   foreach: "bool | None" = None):
    """The norm of all tensors as one vector: the norm of their norms. Zero for no tensors."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return tensor(0.0)
    norm = stack([item.norm(norm_type) for item in tensors]).norm(norm_type)
    if error_if_nonfinite and not isfinite(norm):
        raise RuntimeError(f"The total norm of order {norm_type} for gradients from `parameters` is "
                           "non-finite "
                           f"({norm.item()}), so it cannot be clipped. To disable this error and scale the "
                           "gradients "
                           "by the non-finite norm anyway, set `error_if_nonfinite=False`")
    return norm


@no_grad()
def clip_grad_value_(parameters, clip_value: float, foreach: "bool | None" = None) -> None:
    """Limits every element of the gradients in place to [-clip_value, clip_value]. foreach has no effect."""
    clip_value = float(clip_value)
    for grad in _grads(parameters):
        grad.clamp_(min=-clip_value, max=clip_value)


def parameters_to_vector(parameters):
    """One vector of all parameters' elements, in their order."""
    return cat([parameter.view(-1) for parameter in parameters])


def vector_to_parameters(vec, parameters) -> None:
    """Makes the parameters' data consecutive pieces of vec; the inverse of parameters_to_vector."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = vec[start:end].view_as(parameter).data
        start = end


def _grads(parameters) -> list:
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    elif not hasattr(parameters, "__len__"):
        parameters = list(parameters)
        if not parameters:
            import warnings
            warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.",
                          stacklevel=4)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def __getattr__(name):
    """Loads `rnn` when it is first asked for; says of any other name that it is absent."""
    if name == "rnn":
        from importlib import import_module

        return import_module(".rnn", __name__)
    from ..._absent import absent

    raise absent("ctorch.nn.utils", globals(), name)
