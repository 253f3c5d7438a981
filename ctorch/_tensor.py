"""Tensor's methods that are naturally Python: copying, pickling, and what needs the rest of the package."""

from . import _C
from ._C import Tensor


def _rebuild(cls, array_bytes, dtype, shape, requires_grad, attributes):
    """What pickle calls: a tensor of `shape` from row-major bytes."""
    tensor = _C.frombuffer(bytearray(array_bytes), dtype=dtype).reshape(shape) if array_bytes else _C.empty(
        shape, dtype=dtype)
    if cls is not Tensor:
        tensor = cls(tensor, requires_grad) if issubclass(cls, _C.Parameter) else tensor.as_subclass(cls)
    if requires_grad:
        tensor.requires_grad_(True)
    tensor.__dict__.update(attributes)
    return tensor


def _reduce_ex(self, protocol):
    """Pickles values, dtype, shape, requires_grad and attributes; history is not part of a pickle."""
    data = self.detach().contiguous()
    return (_rebuild, (type(self), bytes(memoryview(data.view(-1).view(_C.uint8) if data.element_size() == 1 else data)
                                         .cast("B")) if self.numel() else b"",
                       self.dtype, tuple(self.shape), self.requires_grad and self.is_leaf, dict(self.__dict__)))


def _deepcopy(self, memo):
    """A copy of values, strides, grad and attributes; tensors that share memory share it in the copy too."""
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment: "
            "detach() first")
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


_C._add_tensor_methods({"__reduce_ex__": _reduce_ex, "__deepcopy__": _deepcopy})
