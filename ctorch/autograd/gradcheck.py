"""gradcheck and gradgradcheck: gradients by backward against gradients by central differences, in float64.

For y = f(x) the numerical Jacobian is d y_i / d x_j = (f_i(x + eps e_j) - f_i(x - eps e_j)) / (2 eps), whose error is of
order eps^2 from the curvature plus 1e-16 / eps from rounding: about 1e-10 for the default eps = 1e-6.
"""

from ctorch._C import Tensor, _autograd, no_grad

grad = _autograd.grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """Raised by gradcheck and gradgradcheck when gradients disagree."""


def _tuple_of(value) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable(values) -> list:
    return [v for v in values if isinstance(v, Tensor) and v.requires_grad]


def _positions(t: Tensor):
    from itertools import product

    return product(*[range(size) for size in t.shape])


def _numerical(function, inputs: tuple, x: Tensor, eps: float) -> list:
    """For each output, its Jacobian with respect to x: a list of columns, one for each element of x."""
    columns = []
    data = x.detach()

    def outputs():
        return [y.detach().clone() for y in _differentiable(_tuple_of(function(*inputs)))]

    for position in _positions(x):
        original = data[position].item()
        with no_grad():
            data[position] = original + eps
        above = outputs()
        with no_grad():
            data[position] = original - eps
        below = outputs()
        with no_grad():
            data[position] = original
        columns.append([((a - b) / (2 * eps)).reshape(-1) for a, b in zip(above, below)])
    return [list(column) for column in zip(*columns)]


def _analytical(y: Tensor, inputs: list) -> list:
    """For each input, the Jacobian of y: a list of rows, one for each element of y; None where no path leads."""
    rows = []
    for position in _positions(y):
        weight = y.detach().clone().zero_()
        weight[position] = 1.0
        rows.append(grad(y, inputs, weight, retain_graph=True, allow_unused=True))
    return [[None if g is None else g.reshape(-1) for g in column] for column in zip(*rows)]


def _values(rows: list, n_columns: int) -> list:
    return [[0.0] * n_columns if row is None else row.tolist() for row in rows]


def _close(a: float, b: float, atol: float, rtol: float) -> bool:
    return a == b or (a != a and b != b) or abs(a - b) <= atol + rtol * abs(b)


def _all_close(a: list, b: list, atol: float, rtol: float) -> bool:
    return all(_close(x, y, atol, rtol) for row_a, row_b in zip(a, b) for x, y in zip(row_a, row_b))


def _check_inputs(inputs: tuple) -> list:
    checked = _differentiable(inputs)
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for k, x in enumerate(checked):
        if any(stride == 0 and size > 1 for stride, size in zip(x.stride(), x.shape)):
            raise RuntimeError(
                f"gradcheck: the input number {k} that requires gradient has elements that share memory (expand); "
                "they cannot be varied one by one"
            )
    return checked


def _check_output(function, inputs: tuple, checked: list, nth: int, numerical: list, eps_tolerances: tuple) -> None:
    atol, rtol, nondet_tol = eps_tolerances
    y = _differentiable(_tuple_of(function(*inputs)))[nth]
    analytical, again = _analytical(y, checked), _analytical(y, checked)
    for k, x in enumerate(checked):
        columns = [column.tolist() for column in numerical[k][nth]] if x.numel() else []
        wanted = [list(row) for row in zip(*columns)]
        got = _values(analytical[k], x.numel()) if y.numel() else []
        if not _all_close(got, wanted, atol, rtol):
            raise GradcheckError(
                f"Jacobian mismatch for output {nth} with respect to input {k},\n"
                f"numerical:{wanted}\nanalytical:{got}\n(a row for each element of the output, a column for each of "
                "the input)"
            )
        if y.numel() and not _all_close(_values(again[k], x.numel()), got, nondet_tol, 0.0):
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
    compared all the same.

    Raises GradcheckError (a RuntimeError) on a mismatch, or returns False if raise_exception is false; ValueError if no
    input requires grad; NotImplementedError for check_batched_grad.
    """
    if check_batched_grad:
        raise NotImplementedError("gradcheck: check_batched_grad is not supported")
    inputs = _tuple_of(inputs)
    try:
        checked = _check_inputs(inputs)
        count = len(_differentiable(_tuple_of(func(*inputs))))
        numerical = [_numerical(func, inputs, x, eps) for x in checked]
        for nth in range(count):
            _check_output(func, inputs, checked, nth, numerical, (atol, rtol, nondet_tol))
        if check_undefined_grad and count > 1:
            outputs = _differentiable(_tuple_of(func(*inputs)))
            grad(outputs[:1], checked, outputs[0].detach(), allow_unused=True)
    except (GradcheckError, ValueError):
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
    if grad_outputs is None:
        grad_outputs = []
        for y in _differentiable(_tuple_of(func(*inputs))):
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
