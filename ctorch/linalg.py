"""Linear algebra that products and norms are enough for; decompositions are not there yet."""

from . import _C
from ._C import _nn, _linalg_cross, diagonal, matmul, outer


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    """The ord-norm of x along dim (one or several; None: of all elements)."""
    result = _nn.linalg_vector_norm(x, ord, dim, keepdim, dtype=dtype)
    return result if out is None else out.copy_(result)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """A norm of the matrices in A: 'fro', or the largest (smallest) sum of magnitudes of a column, 1 (-1), or
    of a row, inf (-inf). Raises RuntimeError for 'nuc', 2 and -2, which need singular values."""
    if A.dim() < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    rows, columns = (d % A.dim() for d in dim)
    if ord == "fro":
        result = vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype)
    elif ord in (1, -1, float("inf"), -float("inf")):
        summed, taken = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(A, 1, summed, True, dtype=dtype)
        result = sums.amax(taken, True) if ord > 0 else sums.amin(taken, True)
        result = result if keepdim else result.squeeze((rows, columns))
    else:
        raise RuntimeError(
            f"linalg.matrix_norm: ord={ord!r} needs singular values, which ctorch does not have yet"
        )
    return result if out is None else out.copy_(result)


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None, out=None):
    """vector_norm of A, or matrix_norm where dim names two dimensions or A is a matrix and ord is given."""
    if ord is not None and (
        isinstance(ord, str)
        or (dim is None and A.dim() == 2)
        or (isinstance(dim, (tuple, list)) and len(dim) == 2)
    ):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype, out=out)


def cross(input, other, *, dim=-1, out=None):
    """Cross product of vectors of three elements along dim."""
    result = _linalg_cross(input, other, dim)
    return result if out is None else out.copy_(result)


def vecdot(x, y, *, dim=-1, out=None):
    """Dot products of vectors along dim."""
    result = (x * y).sum(dim)
    return result if out is None else out.copy_(result)


def multi_dot(tensors, *, out=None):
    """The product of several matrices; the first and last may be vectors."""
    product = tensors[0]
    for tensor in tensors[1:]:
        product = product @ tensor
    return product if out is None else out.copy_(product)


def matrix_power(A, n, *, out=None):
    """A multiplied n times with itself. Raises RuntimeError for n < 0, which needs an inverse."""
    if n < 0:
        raise RuntimeError(
            "linalg.matrix_power: negative powers need an inverse, which ctorch does not have yet"
        )
    result = _C.eye(A.size(-1), dtype=A.dtype, device=A.device).expand_as(A).clone()
    for bit in bin(n)[2:]:
        result = result @ result
        if bit == "1":
            result = result @ A
    return result if out is None else out.copy_(result)


def __getattr__(name):
    from ._absent import absent

    raise absent(__name__, globals(), name)


__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "outer",
    "vecdot",
    "vector_norm",
]
