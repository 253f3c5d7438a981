"""The memory behind tensors as one flat sequence: what views share."""

from . import _C


class TypedStorage:
    """All elements of a tensor's memory, in the tensor's dtype; writes reach every tensor that shares it."""

    def __init__(self, tensor):
        flat = tensor.detach()
        self._flat = flat.as_strided((flat._storage_bytes() // flat.element_size(),), (1,), 0)

    dtype = property(lambda self: self._flat.dtype, doc="Type of the elements.")
    device = property(lambda self: self._flat.device, doc="Where the memory lives.")

    def __len__(self):
        return self._flat.numel()

    def __getitem__(self, index):
        return self._flat[index].tolist()

    def __setitem__(self, index, value):
        self._flat[index] = value

    def __iter__(self):
        return iter(self._flat.tolist())

    def __eq__(self, other):
        return (
            isinstance(other, TypedStorage)
            and self.data_ptr() == other.data_ptr()
            and len(self) == len(other)
        )

    __hash__ = None

    def size(self):
        """Number of elements."""
        return len(self)

    def tolist(self):
        """The elements as a list of numbers."""
        return self._flat.tolist()

    def data_ptr(self):
        """Address of the first element."""
        return self._flat.data_ptr()

    def element_size(self):
        """Bytes of one element."""
        return self._flat.element_size()

    def nbytes(self):
        """Bytes of all elements."""
        return self._flat.numel() * self._flat.element_size()

    def untyped(self):
        """The same memory as bytes."""
        return UntypedStorage(self._flat)

    def __repr__(self):
        lines = "\n ".join(str(value) for value in self.tolist())
        kind = f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f" {lines}\n[{kind} of size {len(self)}]"


class UntypedStorage(TypedStorage):
    """All bytes of a tensor's memory."""

    def __init__(self, tensor):
        self._flat = TypedStorage(tensor)._flat.view(_C.uint8)

    def __repr__(self):
        lines = "\n ".join(str(value) for value in self.tolist())
        return f" {lines}\n[torch.storage.UntypedStorage(device={self.device}) of size {len(self)}]"


__all__ = ["TypedStorage", "UntypedStorage"]
