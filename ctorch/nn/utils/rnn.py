"""Sequences of different lengths as one padded tensor, and back."""

from ... import Tensor, full


def pad_sequence(sequences, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"):
    """Sequences of shapes (L, *) as one tensor (T, B, *), or (B, T, *) if batch_first; T is the longest L.

    sequences: a list of B Tensors whose dimensions behind the first agree, or a Tensor, whose rows they are.
    padding_value fills what is missing at the padding_side, 'right' or 'left'.  The dtype is the first sequence's.
    Raises RuntimeError for no sequences, another padding_side, or dimensions that differ.
    """
    try:
        sequences = list(sequences)
    except TypeError:
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        ) from None
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    for k, sequence in enumerate(sequences):
        if not isinstance(sequence, Tensor):
            raise TypeError(f"expected Tensor as element {k} in argument 0, but got {type(sequence).__name__}")
        if sequence.dim() == 0:
            raise RuntimeError(f"pad_sequence: sequence {k} has no dimension, so it has no length")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first, longest = sequences[0], max(len(sequence) for sequence in sequences)
    sizes = (len(sequences), longest) if batch_first else (longest, len(sequences))
    padded = full((*sizes, *first.shape[1:]), padding_value, dtype=first.dtype, device=first.device)
    for k, sequence in enumerate(sequences):
        start = longest - len(sequence) if padding_side == "left" else 0
        padded.select(0 if batch_first else 1, k).narrow(0, start, len(sequence)).copy_(sequence)
    return padded


def unpad_sequence(padded_sequences, lengths, batch_first: bool = False) -> list:
    """The sequences of a padded tensor (T, B, *), or (B, T, *) if batch_first, cut to their lengths: copies.

    lengths: a Tensor of B ints.  Raises ValueError for another number of them.
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)].clone() for row, length in zip(rows, lengths, strict=True)]


def __getattr__(name):
    """Says of an absent name that it is absent, and what it belongs to."""
    from ..._absent import absent

    raise absent("ctorch.nn.utils.rnn", globals(), name)
