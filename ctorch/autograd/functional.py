"""Jacobians, Hessians and their products with vectors, by one or two reverse passes.

Every function takes func and its inputs, a Tensor or a tuple of them, and works on copies: no .grad is touched.
J v costs two reverse passes: u -> J^T u is linear in u, so differentiating <J^T u, v> with respect to u gives J v.
"""

from ctorch._C import Tensor, _autograd, enable_grad, stack

grad = _autograd.grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _as_tuple(value, what: str, function: str) -> tuple:
    values = value if isinstance(value, tuple) else (value,)
    for k, v in enumerate(values):
        if not isinstance(v, Tensor):
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the value at index "
                f"{k} has type {type(v)}."
            )
    return values


def _fresh(inputs: tuple, create_graph: bool) -> tuple:
    """Inputs to differentiate by: views of the user's if the result is to be differentiated too, else leaves."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _evaluate(func, inputs: tuple, function: str) -> tuple:
    """(outputs as a tuple, were they a tuple)"""
    outputs = func(*inputs)
    return _as_tuple(outputs, "outputs of the user-provided function", function), isinstance(outputs, tuple)


def _gradients(outputs: tuple, inputs: tuple, weights: tuple, create_graph: bool) -> tuple:
    """Zeros where there is no path; outputs that depend on nothing are left out."""
    used = [(y, w) for y, w in zip(outputs, weights) if y.requires_grad]
    if not used:
        return tuple(x.detach().clone().zero_() for x in inputs)
    return grad(
        [y for y, _ in used],
        inputs,
        [w for _, w in used],
        retain_graph=True,
        create_graph=create_graph,
        materialize_grads=True,
    )


def _finish(values: tuple, create_graph: bool) -> tuple:
    return values if create_graph else tuple(v.detach() for v in values)


def _vectors(v, like: tuple, what: str, function: str) -> tuple:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the user-provided function has a single {what} with one element "
                f"({function})"
            )
        return tuple(x.detach().clone().fill_(1) for x in like)
    vs = _as_tuple(v, "v", function)
    for k, (a, b) in enumerate(zip(vs, like)):
        if a.shape != b.shape:
            raise RuntimeError(f"Entry {k} in v has invalid size: should be {b.shape} but got {a.shape}.")
    if len(vs) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vs)}.")
    return vs


def vjp(func, inputs, v=None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), J^T v) where v has the outputs' shapes; v may be absent for one scalar output.

    strict: a RuntimeError instead of zeros if an output does not depend on the inputs.
    """
    with enable_grad():
        one = not isinstance(inputs, tuple)
        xs = _fresh(_as_tuple(inputs, "inputs", "vjp"), create_graph)
        ys, several = _evaluate(func, xs, "vjp")
        _check_strict(ys, strict, "vjp")
        vs = _vectors(v, ys, "output", "vjp")
        products = _finish(_gradients(ys, xs, vs, create_graph), create_graph)
        ys = _finish(ys, create_graph)
    return ys if several else ys[0], products[0] if one else products


def jvp(func, inputs, v=None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), J v) where v has the inputs' shapes; v may be absent for one input with one element."""
    with enable_grad():
        xs = _fresh(_as_tuple(inputs, "inputs", "jvp"), create_graph)
        vs = _vectors(v, xs, "input", "jvp")
        ys, several = _evaluate(func, xs, "jvp")
        _check_strict(ys, strict, "jvp")
        us = tuple(y.detach().clone().zero_().requires_grad_() for y in ys)
        transposed = _gradients(ys, xs, us, True)
        products = _finish(_gradients(transposed, us, vs, create_graph), create_graph)
        ys = _finish(ys, create_graph)
    return (ys, products) if several else (ys[0], products[0])


def _check_strict(outputs: tuple, strict: bool, function: str) -> None:
    for k, y in enumerate(outputs):
        if strict and not y.requires_grad:
            raise RuntimeError(
                f"Output {k} of the user-provided function does not require gradients. The outputs must be computed in a "
                f"differentiable manner from the input when running {function} in strict mode."
            )


def _jacobian_block(y: Tensor, xs: tuple, create_graph: bool) -> tuple:
    """For each x a tensor of y's shape followed by x's."""
    flat = y.reshape(-1)
    rows = [_gradients((flat[i],), xs, (flat[i].detach().clone().fill_(1),), create_graph) for i in range(flat.numel())]
    if not rows:
        return tuple(x.detach().new_zeros((*y.shape, *x.shape)) for x in xs)
    return tuple(stack(list(column)).view((*y.shape, *x.shape)) for column, x in zip(zip(*rows), xs))


def jacobian(func, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False):
    """The Jacobian of func: for output y and input x a tensor of shape (*y.shape, *x.shape).

    Tuples of outputs or inputs give tuples, outputs outermost.  vectorize is accepted: rows are computed one by one.
    """
    with enable_grad():
        one = not isinstance(inputs, tuple)
        xs = _fresh(_as_tuple(inputs, "inputs", "jacobian"), create_graph)
        ys, several = _evaluate(func, xs, "jacobian")
        _check_strict(ys, strict, "jacobian")
        blocks = tuple(_finish(_jacobian_block(y, xs, create_graph), create_graph) for y in ys)
    blocks = tuple(block[0] if one else block for block in blocks)
    return blocks if several else blocks[0]


def hessian(func, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False):
    """The Hessian of a func with one scalar output: for inputs x and z a tensor of shape (*x.shape, *z.shape)."""

    def gradient(*xs):
        ys, several = _evaluate(func, xs, "hessian")
        if several or ys[0].numel() != 1:
            raise RuntimeError("The output of the user-provided function to hessian must be a single scalar Tensor.")
        gradients = _gradients((ys[0].reshape(()),), xs, (ys[0].detach().reshape(()).clone().fill_(1),), True)
        return gradients if isinstance(inputs, tuple) else gradients[0]

    return jacobian(gradient, inputs, create_graph=create_graph, strict=strict, vectorize=vectorize)


def vhp(func, inputs, v=None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), v^T H) for a func with one scalar output."""
    with enable_grad():
        one = not isinstance(inputs, tuple)
        xs = _fresh(_as_tuple(inputs, "inputs", "vhp"), create_graph)
        vs = _vectors(v, xs, "input", "vhp")
        ys, _ = _evaluate(func, xs, "vhp")
        _check_strict(ys, strict, "vhp")
        gradients = _gradients(ys, xs, tuple(y.detach().clone().fill_(1) for y in ys), True)
        products = _finish(_gradients(gradients, xs, vs, create_graph), create_graph)
        ys = _finish(ys, create_graph)
    return ys[0], products[0] if one else products


def hvp(func, inputs, v=None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), H v): the Hessian is symmetric, so this is vhp."""
    return vhp(func, inputs, v, create_graph, strict)
