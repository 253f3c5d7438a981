"""Linear algebra: products, norms, inverses and singular values; other decompositions are not there yet."""

from . import _C
from ._C import LinAlgError, _nn, _linalg_cross, diagonal, matmul, outer


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    """The ord-norm of x along dim (one or several; None: of all elements)."""
    result = _nn.linalg_vector_norm(x, ord, dim, keepdim, dtype=dtype)
    return result if out is None else out.copy_(result)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """A norm of the matrices in A: 'fro'; the largest (smallest) sum of magnitudes of a column, 1 (-1), or of a row,
    inf (-inf); the largest (smallest) singular value, 2 (-2), or their sum, 'nuc'."""
    if A.dim() < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    rows, columns = [d % A.dim() for d in dim]
    if ord == "fro":
        result = vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype)
    elif ord in (1, -1, float("inf"), -float("inf")):
        summed, taken = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(A, 1, summed, True, dtype=dtype)
        result = sums.amax(taken, True) if ord > 0 else sums.amin(taken, True)
        result = result if keepdim else result.squeeze((rows, columns))
    elif ord in ("nuc", 2, -2):
        result = _C._singular_norm(A, ord if ord == "nuc" else str(int(ord)), dim, keepdim, dtype)
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
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


def _best_splits(sizes):
    """How to multiply a chain of matrices, sizes[k] by sizes[k + 1], with the fewest products: splits[i, j] is where
    the chain i .. j is cut in two."""
    n = len(sizes) - 1
    cost, splits = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = [
                cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)
            ]
            cost[i, j] = min(options)
            splits[i, j] = i + options.index(cost[i, j])
    return splits


def multi_dot(tensors, *, out=None):
    """The product of several matrices, multiplied in the cheapest order; the first and last may be vectors."""
    if len(tensors) < 2:
        raise RuntimeError("multi_dot(): expected at least 2 tensors but got 1")
    first, last = tensors[0].dim() == 1, tensors[-1].dim() == 1
    chain = list(tensors)
    chain[0] = chain[0].unsqueeze(0) if first else chain[0]
    chain[-1] = chain[-1].unsqueeze(-1) if last else chain[-1]
    for a, b in zip(chain, chain[1:]):
        if a.dim() != 2 or b.dim() != 2 or a.size(1) != b.size(0):
            raise RuntimeError(
                f"multi_dot(): tensors of shapes {list(a.shape)} and {list(b.shape)} cannot be multiplied"
            )
    splits = _best_splits([a.size(0) for a in chain] + [chain[-1].size(1)])

    def product(i, j):
        return chain[i] if i == j else product(i, splits[i, j]) @ product(splits[i, j] + 1, j)

    result = product(0, len(chain) - 1)
    result = result.squeeze(-1) if last else result
    result = result.squeeze(0) if first else result
    return result if out is None else out.copy_(result)


def inv(A, *, out=None):
    """The inverse of every matrix in A; a singular one raises LinAlgError."""
    result = _C._linalg_inv(A)
    return result if out is None else out.copy_(result)


def svdvals(A, *, out=None):
    """The singular values of every matrix in A, in descending order."""
    result = _C._linalg_svdvals(A)
    return result if out is None else out.copy_(result)


def matrix_power(A, n, *, out=None):
    """A multiplied n times with itself, its inverse for n < 0; a singular one raises LinAlgError."""
    if A.dim() < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if A.size(-1) != A.size(-2):
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{A.size(-2)} by {A.size(-1)} matrices"
        )
    factor = A if n >= 0 else _C._linalg_inv(A)
    bits = bin(abs(n))[2:]
    result = factor.clone()
    if n == 0:
        result.copy_(_C.eye(A.size(-1), dtype=A.dtype, device=A.device))
    for bit in bits[1:]:
        result = result @ result
        if bit == "1":
            result = result @ factor
    return result if out is None else out.copy_(result)


def __getattr__(name):
    from ._absent import absent

    raise absent(__name__, globals(), name)


__all__ = [
    "LinAlgError",
    "cross",
    "diagonal",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "outer",
    "svdvals",
    "vecdot",
    "vector_norm",
]
