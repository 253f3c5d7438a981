"""einsum: a sum of products written with one letter a dimension.

The equation becomes a list of labels an operand; operands are then contracted from left to right, each pair
as one batched matrix product.  An ellipsis stands for the labels "...0", "...1" and so on, counted from the
last dimension.
"""

from . import _C


def einsum(equation, *operands):
    """Sum of products: einsum("bij,bjk->bik", a, b), einsum("ii->i", a), einsum("...i,i", a, v).

    Without "->" the result has the ellipsis's dimensions, then the letters that occur once, in alphabetical
    order.  Sizes under one letter must be equal or 1.  The form einsum(a, [0, 1], b, [1, 2], [0, 2]) names
    dimensions by numbers 0 .. 51.  Raises RuntimeError for an equation that does not fit the operands.
    """
    if not isinstance(equation, str):
        equation, operands = _from_sublists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    if not operands:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand "
            "and its subscripts list"
        )
    for k, tensor in enumerate(operands):
        if not isinstance(tensor, _C.Tensor):
            raise TypeError(f"einsum(): expected Tensor as operand {k}, but got {type(tensor).__name__}")
    labels, result = _parse(equation.replace(" ", ""), operands)
    sizes = _sizes(labels, operands)
    operands = [_diagonals(tensor, names, k) for k, (tensor, names) in enumerate(zip(operands, labels))]
    tensor, names = operands[0]
    for k, (other, other_names) in enumerate(operands[1:], 2):
        later = set(result).union(*(n for _, n in operands[k:]))
        tensor, names = _contract(tensor, names, other, other_names, later, sizes)
    tensor, names = _sum_out(tensor, names, set(result))
    tensor = tensor.permute([names.index(name) for name in result])
    summed = len(operands) > 1 and len(sizes) > len(result)
    return tensor.view(tensor.shape) if summed else tensor  # the step that PyTorch ends with


def _from_sublists(arguments):
    """The equation that einsum(a, [0, 1], b, [1, 2], [0, 2]) means, and its operands."""

    def letters(numbers):
        return "".join(
            "..." if n is Ellipsis else chr(ord("A") + n if n < 26 else ord("a") + n - 26) for n in numbers
        )

    pairs = len(arguments) // 2
    equation = ",".join(letters(arguments[2 * k + 1]) for k in range(pairs))
    if len(arguments) % 2:
        equation += "->" + letters(arguments[-1])
    return equation, arguments[: 2 * pairs : 2]


def _labels(text, ndim, what):
    """The labels of a term such as "b...ij"; ndim is the operand's, None for the result (its "..." stays)."""
    before, ellipsis, after = text.partition("...")
    for index, letter in enumerate(before + after):
        if not (letter.isascii() and letter.isalpha()):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {index} in the equation string, subscripts "
                "must be in [a-zA-Z]"
            )
    if ndim is None:
        return list(before) + (["..."] if ellipsis else []) + list(after)
    hidden = ndim - len(before) - len(after)
    if hidden < 0 or (hidden > 0 and not ellipsis):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({len(before) + len(after)}) does not "
            f"match the number of dimensions ({ndim}) for operand {what}"
            + ("" if ellipsis else " and no ellipsis was given")
        )
    return list(before) + [f"...{k}" for k in reversed(range(hidden))] + list(after)


def _parse(equation, operands):
    """The labels of every operand, and those of the result."""
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        many = "more" if len(operands) > len(terms) else "fewer"
        raise RuntimeError(f"einsum(): {many} operands were provided than specified in the equation")
    labels = [_labels(term, tensor.dim(), k) for k, (term, tensor) in enumerate(zip(terms, operands))]
    every = [name for names in labels for name in names]
    dots = sorted({name for name in every if len(name) > 1}, key=lambda name: -int(name[3:]))
    if not arrow:
        return labels, dots + sorted(name for name in set(every) if len(name) == 1 and every.count(name) == 1)
    result = []
    for name in _labels(output, None, "the result"):
        if name != "..." and name not in every:
            raise RuntimeError(
                f"einsum(): output subscript {name} does not appear in the equation for any input operand"
            )
        if name in result:
            raise RuntimeError(f"einsum(): output subscript {name} appears more than once in the output")
        result += dots if name == "..." else [name]
    return labels, result


def _sizes(labels, operands):
    """Label -> size; a 1 broadcasts."""
    sizes = {}
    for k, (names, tensor) in enumerate(zip(labels, operands)):
        for name, size in zip(names, tensor.shape):
            seen = sizes.setdefault(name, size)
            if size != seen and 1 not in (size, seen):
                if names.count(name) > 1:
                    raise RuntimeError(
                        f"einsum(): subscript {name} is repeated for operand {k} but the sizes don't "
                        f"match, {size} != {seen}"
                    )
                raise RuntimeError(
                    f"einsum(): subscript {name} has size {size} for operand {k} which does not broadcast "
                    f"with previously seen size {seen}"
                )
            if seen == 1:
                sizes[name] = size
    return sizes


def _diagonals(tensor, names, operand):
    """A letter that occurs twice in one term stands for a diagonal."""
    names = list(names)
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            if tensor.shape[first] != tensor.shape[second]:
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated for operand {operand} but the sizes don't "
                    f"match, {tensor.shape[second]} != {tensor.shape[first]}"
                )
            tensor = tensor.diagonal(0, first, second).movedim(-1, first)
            del names[second]
    return tensor, names


def _sum_out(tensor, names, keep):
    """Sums over every label that nothing else needs."""
    gone = [k for k, name in enumerate(names) if name not in keep]
    return (tensor.sum(gone) if gone else tensor), [name for name in names if name in keep]


def _contract(a, a_names, b, b_names, later, sizes):
    """a b summed over the labels that only these two have; labels in `later` stay."""
    a, a_names = _sum_out(a, a_names, later.union(b_names))
    b, b_names = _sum_out(b, b_names, later.union(a_names))
    batch = [name for name in a_names if name in b_names and name in later]
    summed = [name for name in a_names if name in b_names and name not in later]
    rows = [name for name in a_names if name not in b_names]
    columns = [name for name in b_names if name not in a_names]
    a = a.permute([a_names.index(name) for name in batch + rows + summed])
    b = b.permute([b_names.index(name) for name in batch + summed + columns])
    if not summed:
        a = a.reshape(a.shape + (1,) * len(columns))
        b = b.reshape(b.shape[: len(batch)] + (1,) * len(rows) + b.shape[len(batch) :])
        return a * b, batch + rows + columns

    def full(part):
        return [sizes[name] for name in part]

    def product(part):
        total = 1
        for name in part:
            total *= sizes[name]
        return total

    a = a.expand(full(batch) + list(a.shape[len(batch) : len(batch) + len(rows)]) + full(summed))
    b = b.expand(full(batch + summed) + list(b.shape[len(batch) + len(summed) :]))
    rows_shape, columns_shape = (
        a.shape[len(batch) : len(batch) + len(rows)],
        b.shape[len(batch) + len(summed) :],
    )
    out = _C.bmm(
        a.reshape(product(batch), rows_shape.numel(), product(summed)),
        b.reshape(product(batch), product(summed), columns_shape.numel()),
    )
    return out.reshape(full(batch) + list(rows_shape) + list(columns_shape)), batch + rows + columns
