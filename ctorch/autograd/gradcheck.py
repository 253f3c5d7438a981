"""gradcheck and gradgradcheck: gradients by backward against gradients by central differences, in float64.

For y = f(x) the numerical Jacobian is d y_i / d x_j = (f_i(x + eps e_j) - f_i(x - eps e_j)) / (2 eps), whose error is of
order eps^2 from the curvature plus 1e-16 / eps from rounding: about 1e-10 for the default eps = 1e-6.
"""

from ctorch._C import Tensor, _autograd, allclose, float64, no_grad, promote_types

grad = _autograd.grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """Raised by gradcheck and gradgradcheck when gradients disagree."""


def _tuple_of(value) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable(values) -> list:
    return [v for v in values if isinstance(v, Tensor) and v.requires_grad]


def _outputs(function, inputs: tuple) -> tuple:
    """What the function returns, as a tuple of tensors."""
    outputs = _tuple_of(function(*inputs))
    for y in outputs:
        if not isinstance(y, Tensor):
            raise AttributeError(
                f"'{type(y).__name__}' object has no attribute 'requires_grad': the function that is checked must "
                "return a Tensor or a tuple of Tensors"
            )
    return outputs


def _floating(values) -> list:
    return [v for v in values if v.is_floating_point()]


def _positions(t: Tensor):
    from itertools import product

    return product(*[range(size) for size in t.shape])


def _numerical(function, inputs: tuple, x: Tensor, eps: float, chosen) -> list:
    """For each output that `chosen` keeps, its Jacobian with respect to x: a row for each element of x."""
    data = x.detach()

    def outputs():
        return [y.detach().clone() for y in chosen(_outputs(function, inputs))]

    jacobians = [y.new_zeros(x.numel(), y.numel()) for y in outputs()]
    for row, position in enumerate(_positions(x)):
        original = data[position].item()
        with no_grad():
            data[position] = original + eps
        above = outputs()
        with no_grad():
            data[position] = original - eps
        below = outputs()
        with no_grad():
            data[position] = original
        for jacobian, a, b in zip(jacobians, above, below):
            jacobian[row] = ((a - b) / (2 * eps)).reshape(-1)
    return jacobians


def _analytical(y: Tensor, inputs: list) -> list:
    """For each input, the Jacobian of y: a column for each element of y; zeros where no path leads."""
    jacobians = [x.detach().new_zeros(x.numel(), y.numel()) for x in inputs]
    for column, position in enumerate(_positions(y)):
        weight = y.detach().clone().zero_()
        weight[position] = 1.0
        for jacobian, g in zip(jacobians, grad(y, inputs, weight, retain_graph=True, allow_unused=True)):
            if g is not None:
                jacobian[:, column] = g.reshape(-1)
    return jacobians


def _all_close(a: Tensor, b: Tensor, atol: float, rtol: float) -> bool:
    dtype = promote_types(a.dtype, b.dtype)
    return allclose(a.to(dtype), b.to(dtype).to(a.device), rtol, atol)


def _check_inputs(inputs: tuple) -> list:
    checked = _differentiable(inputs)
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for k, x in enumerate(inputs):
        if not (isinstance(x, Tensor) and x.requires_grad):
            continue
        if x.dtype != float64:
            import warnings

            warnings.warn(
                f"Input #{k} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
        if any(stride == 0 and size > 1 for stride, size in zip(x.stride(), x.shape)):
            raise RuntimeError(
                f"The {k}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
    return checked


def _check_constant(function, inputs: tuple, checked: list, eps: float) -> None:
    """Where no output requires grad, none may change with the inputs.  Integers have no gradient to miss."""
    for x in checked:
        for jacobian in _numerical(function, inputs, x, eps, _floating):
            if (jacobian != 0).any():
                raise GradcheckError(
                    "Numerical gradient for function expected to be zero: no output requires grad, but the outputs "
                    "change with the inputs; detach(), .data, .item() and NumPy cut the graph"
                )


def _check_output(function, inputs: tuple, checked: list, nth: int, numerical: list, eps_tolerances: tuple) -> None:
    atol, rtol, nondet_tol = eps_tolerances
    y = _differentiable(_outputs(function, inputs))[nth]
    analytical, again = _analytical(y, checked), _analytical(y, checked)
    for k in range(len(checked)):
        wanted, got = numerical[k][nth], analytical[k]
        if not _all_close(got, wanted, atol, rtol):
            raise GradcheckError(
                f"Jacobian mismatch for output {nth} with respect to input {k},\n"
                f"numerical:{wanted}\nanalytical:{got}\n"
                "(a row for each element of the input, a column for each of the output)"
            )
        if not _all_close(again[k], got, nondet_tol, 0.0):
            raise GradcheckError(
                f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
                f"different values, although analytical gradient matches numerical gradient (output {nth}, input {k})."
            )


def gradcheck(
    func,
    inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_batched_grad: bool = False,
    fast_mode: bool = False,
) -> bool:
    """True if the gradients of func(*inputs) agree with central differences for every input that requires grad.

    Inputs should be float64: the differences of float32 values have no digits left.  check_undefined_grad asks that
    an output whose gradient is absent does not disturb the others; fast_mode is accepted, the whole Jacobian is
    compared all the same.  If no output requires grad, the differences must be zero.

    Raises GradcheckError (a RuntimeError) on a mismatch, or returns False if raise_exception is false; ValueError if no
    input requires grad; AttributeError if the function returns no tensors; NotImplementedError for check_batched_grad.
    """
    if check_batched_grad:
        raise NotImplementedError("gradcheck: check_batched_grad is not supported")
    inputs = _tuple_of(inputs)
    checked = _check_inputs(inputs)
    try:
        count = len(_differentiable(_outputs(func, inputs)))
        if count == 0:
            _check_constant(func, inputs, checked, eps)
        numerical = [_numerical(func, inputs, x, eps, _differentiable) for x in checked] if count else []
        for nth in range(count):
            _check_output(func, inputs, checked, nth, numerical, (atol, rtol, nondet_tol))
        if check_undefined_grad and count > 1:
            outputs = _differentiable(_outputs(func, inputs))
            grad(outputs[:1], checked, outputs[0].detach(), allow_unused=True)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    fast_mode: bool = False,
) -> bool:
    """gradcheck of the gradients themselves: second derivatives, with respect to inputs and grad_outputs.

    grad_outputs weight the outputs; if absent they are drawn from the default generator.  gen_non_contig_grad_outputs
    makes those that are drawn non-contiguous.  check_grad_dtypes is accepted: dtypes are always the inputs'.

    Raises what gradcheck raises.
    """
    from ctorch._C import randn

    inputs = _tuple_of(inputs)
    outputs = _differentiable(_outputs(func, inputs))
    if not outputs:  # there are no gradients to differentiate; gradcheck tells whether there should be
        return gradcheck(func, inputs, eps=eps, raise_exception=raise_exception)
    if grad_outputs is None:
        grad_outputs = []
        for y in outputs:
            shape = (*y.shape, 2) if gen_non_contig_grad_outputs else tuple(y.shape)
            weight = randn(shape, dtype=y.dtype, device=y.device)
            weight = weight[..., 0] if gen_non_contig_grad_outputs else weight
            grad_outputs.append(weight.detach().requires_grad_())
    grad_outputs = _tuple_of(grad_outputs)

    def gradient(*values):
        xs, weights = values[: len(inputs)], values[len(inputs) :]
        outputs = _differentiable(_tuple_of(func(*xs)))
        checked = _differentiable(xs)
        return tuple(g for g in grad(outputs, checked, weights, create_graph=True, allow_unused=True) if g is not None)

    return gradcheck(
        gradient,
        inputs + grad_outputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
    )
