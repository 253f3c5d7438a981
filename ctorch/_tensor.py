"""Tensor's methods that are naturally Python: copying, pickling, and what needs the rest of the package."""

from . import _C
from ._C import Tensor


def _rebuild(cls, array_bytes, dtype, shape, requires_grad, attributes, device="cpu"):
    """What pickle calls: a tensor of `shape` from row-major bytes, on a device."""
    if device != "cpu" and _C._cuda_device_count() == 0:
        raise RuntimeError("Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. "
                           "If you are running on a CPU-only machine, please pickle tensors after .cpu()")
    tensor = _C.frombuffer(bytearray(array_bytes), dtype=dtype).reshape(shape) if array_bytes else _C.empty(
        shape, dtype=dtype, device="cpu")
    tensor = tensor.to(device)
    if cls is not Tensor:
        tensor = cls(tensor, requires_grad) if issubclass(cls, _C.Parameter) else tensor.as_subclass(cls)
    if requires_grad:
        tensor.requires_grad_(True)
    tensor.__dict__.update(attributes)
    return tensor


def _reduce_ex(self, protocol):
    """Pickles values, dtype, shape, requires_grad and attributes; history is not part of a pickle."""
    data = self.detach().cpu().contiguous()
    if data.element_size() <= 2:               # NumPy, which the buffer comes from, has neither bfloat16 nor our bool
        data = data.reshape(-1).view(_C.uint8 if data.element_size() == 1 else _C.int16)
    content = bytes(memoryview(data).cast("B")) if self.numel() else b""
    return (_rebuild, (type(self), content, self.dtype, tuple(self.shape),
                       self.requires_grad and self.is_leaf, dict(self.__dict__),
                       *([str(self.device)] if self.is_cuda else [])))


def _copy(self):
    """A leaf on the same memory, with the same attributes: changing one's elements changes the other's."""
    copied = self.detach()
    if type(self) is not Tensor:
        copied = Tensor._make_subclass(type(self), copied, self.requires_grad)
    copied.requires_grad_(self.requires_grad)
    if self.__dict__:
        copied.__dict__.update(self.__dict__)
    return copied


def _deepcopy(self, memo):
    """A copy of values, strides, grad and attributes; tensors that share memory share it in the copy too."""
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
            "moment: detach() first")
    if id(self) in memo:
        return memo[id(self)]
    from copy import deepcopy

    copied = self.detach().clone()
    if type(self) is not Tensor:
        copied = Tensor._make_subclass(type(self), copied, self.requires_grad)
    copied.requires_grad_(self.requires_grad)
    memo[id(self)] = copied
    if self.grad is not None:
        copied.grad = deepcopy(self.grad, memo)
    if self.__dict__:
        copied.__dict__.update(deepcopy(self.__dict__, memo))
    return copied


def _storage(self):
    """All elements of the memory that this tensor is a view of, as a TypedStorage."""
    from .storage import TypedStorage

    return TypedStorage(self)


def _untyped_storage(self):
    """All bytes of the memory that this tensor is a view of, as an UntypedStorage."""
    from .storage import UntypedStorage

    return UntypedStorage(self)


def _apply_(self, callable):
    """Replaces every element by callable(element), in place; slow, for the CPU and without gradient."""
    if self.requires_grad:
        raise TypeError("apply_() needs a tensor that does not require grad: use detach() first")
    values = [callable(value) for value in self.reshape(-1).tolist()]
    return self.copy_(_C.tensor(values, dtype=self.dtype).reshape(self.shape))


def _map_(self, other, callable):
    """Replaces every element by callable(element, other's element), in place; slow, without gradient."""
    if self.requires_grad or other.requires_grad:
        raise TypeError("map_() needs tensors that do not require grad: use detach() first")
    pairs = zip(self.reshape(-1).tolist(), other.expand_as(self).reshape(-1).tolist())
    return self.copy_(_C.tensor([callable(a, b) for a, b in pairs], dtype=self.dtype).reshape(self.shape))


def _share_memory_(self):
    """Raises NotImplementedError: tensors of two processes have their own memory."""
    raise NotImplementedError("share_memory_(): ctorch's tensors cannot share memory between processes; "
                              "DataLoader workers return their batches through shared memory on their own")


def _reversed(self):
    """The tensor with its first dimension in reverse order."""
    return self if self.dim() == 0 else self.flip(0)


def _itself(self):
    """The tensor itself: it is real and dense."""
    return self


_C._add_tensor_methods({
    "__reduce_ex__": _reduce_ex, "__copy__": _copy, "__deepcopy__": _deepcopy, "__reversed__": _reversed,
    "storage": _storage,
    "untyped_storage": _untyped_storage, "apply_": _apply_, "map_": _map_,
    "share_memory_": _share_memory_, "to_dense": _itself, "conj": _itself,
    "resolve_conj": _itself, "resolve_neg": _itself, "real": property(_itself),
    "layout": property(lambda self: _C.strided, doc="torch.strided: the only layout.")})
