"""Turning a list of samples into a batch.

NumPy is never imported here: a sample can only be NumPy's if the data set has imported it.
"""

import sys
from collections.abc import Mapping, Sequence

from ... import Tensor, as_tensor, float64, stack, tensor


def default_collate(batch):
    """Puts a batch dimension in front: tensors and arrays are stacked, numbers become a tensor.

    Mappings, named tuples and sequences are collated item by item (a tuple gives a list); strings and bytes
    stay a list. Python floats give float64. Raises RuntimeError for sequences of unequal length, TypeError
    for anything else.
    """
    elem = batch[0]
    if isinstance(elem, Tensor):
        return stack(batch, 0)
    if isinstance(elem, float):
        return tensor(batch, dtype=float64)
    if isinstance(elem, int):
        return tensor(batch)
    if isinstance(elem, (str, bytes)):
        return batch
    if _is_numpy(elem):
        return _collate_numpy(batch)
    if isinstance(elem, Mapping):
        return _collate_mappings(batch)
    if isinstance(elem, Sequence):
        return _collate_sequences(batch)
    raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
                    f"found {type(elem)}")


def default_convert(data):
    """NumPy arrays and scalars within `data` become tensors; the rest stays. The default without batching."""
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if _is_numpy(data):
        return data if _dtype_kind(data) in "SUaO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence):
        return _rebuild(data, [default_convert(item) for item in data])
    return data


def _is_numpy(elem) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(elem, (numpy.ndarray, numpy.generic))


def _dtype_kind(elem) -> str:
    return elem.dtype.kind


def _collate_mappings(batch):
    elem = batch[0]
    return _rebuild(elem, {key: default_collate([sample[key] for sample in batch]) for key in elem})


def _collate_sequences(batch):
    lengths = {len(sample) for sample in batch}
    if len(lengths) > 1:
        raise RuntimeError("each element in list of batch should be of equal size, but their lengths are "
                           f"{sorted(lengths)}")
    return _rebuild(batch[0], [default_collate(column) for column in zip(*batch)])


def _collate_numpy(batch):
    elem = batch[0]
    if _dtype_kind(elem) in "SUaO":
        raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
                        f"found {elem.dtype}")
    numpy = sys.modules["numpy"]
    if not isinstance(elem, numpy.ndarray):
        return as_tensor(numpy.array(batch))
    return stack([as_tensor(array) for array in batch], 0)


def _rebuild(original, items):
    """`items` in a container like `original`; for a plain tuple, or if that fails, as they are."""
    kind = type(original)
    if hasattr(original, "_fields"):
        return kind(*items)
    if isinstance(original, tuple):
        return items
    try:
        return kind(items)
    except TypeError:
        return items
