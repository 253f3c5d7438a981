"""From what a sampler yields to a batch: for the serial iterator and, unchanged, inside worker processes."""

from ... import int64, tensor
from .collate import default_collate
from .dataset import IterableDataset, Subset, TensorDataset


def make_fetch(dataset, batched: bool, collate_fn, drop_last: bool):
    """A function of one item of the index sampler that returns the (collated) data.

    batched: the sampler yields lists of indices. For an IterableDataset the indices only say how many samples
    are wanted; its function raises StopIteration at the end of the stream.
    """
    if isinstance(dataset, IterableDataset):
        return _stream(dataset, batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    if collate_fn is default_collate and _tensors_below(dataset) is not None:
        return lambda indices: _gather(dataset, indices)
    return lambda indices: collate_fn(_samples(dataset, indices))


def _stream(dataset, batched: bool, collate_fn, drop_last: bool):
    stream = iter(dataset)

    def fetch(indices):
        if not batched:
            return collate_fn(next(stream))
        samples = [sample for _, sample in zip(indices, stream)]
        if not samples or (drop_last and len(samples) < len(indices)):
            raise StopIteration
        return collate_fn(samples)
    return fetch


def _samples(dataset, indices) -> list:
    getitems = getattr(dataset, "__getitems__", None)
    if getitems:
        return getitems(indices)
    return [dataset[index] for index in indices]


def _tensors_below(dataset):
    """The tensors of a TensorDataset or of one below Subsets; None for anything else, subclasses included."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return dataset.tensors if type(dataset) is TensorDataset else None


def _gather(dataset, indices) -> list:
    """What collating the samples would give, by one gather per tensor instead of a sample at a time."""
    tensors = _tensors_below(dataset)
    rows = indices
    while type(dataset) is Subset:
        rows = [dataset.indices[row] for row in rows]
        dataset = dataset.dataset
    if set(map(type, rows)) != {int}:
        return default_collate([dataset[row] for row in rows])
    index = tensor(rows, dtype=int64, device="cpu")    # whatever the default: a worker process may have no other
    return [rows_of[index] for rows_of in tensors]
