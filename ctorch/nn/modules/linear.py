"""Linear and Identity, which are written in C, under PyTorch's path; and LazyLinear."""

from ... import _C
from ..._C._layers import Identity, Linear


# What is allowed before the shape is known; state_dict() detaches.
_BEFORE_THE_SHAPE = ("bfloat16", "char", "cpu", "cuda", "detach", "double", "float", "get_device", "half", "int",
                     "is_complex", "is_floating_point", "long", "short", "size", "to")


def _unknown(name: str):
    """A method that an UninitializedParameter refuses."""
    function = getattr(_C.Tensor, name)

    def refuse(self, *args, **kwargs):
        return self.__torch_function__(function, (type(self),), (self, *args), kwargs)

    return refuse


class UninitializedParameter(_C.Parameter):
    """A Parameter whose shape is not known yet; it becomes a Parameter when it is given one.

    Its device and dtype can be read and changed.  Anything that depends on the shape raises ValueError, `shape`
    itself RuntimeError.
    """

    def materialize(self, shape, device=None, dtype=None):
        """Uninitialised memory of that shape; the object is an ordinary Parameter from now on."""
        self.data = _C.empty(shape, device=device or self.device, dtype=dtype or self.dtype)
        self.__class__ = _C.Parameter

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer: call forward with a batch first, "
            "which gives the lazy layer's parameters their shapes"
        )

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func.__name__ in _BEFORE_THE_SHAPE:
            self, *rest = args
            result = func(self.data, *rest, **(kwargs or {}))
            return cls(result, self.requires_grad) if isinstance(result, _C.Tensor) else result
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}: call the module with a dummy batch first, which "
            "gives the lazy layer's parameters their shapes"
        )

    # What is no op asks no __torch_function__.
    numel, nelement, dim, tolist = _unknown("numel"), _unknown("nelement"), _unknown("dim"), _unknown("tolist")
    __len__, __getitem__, __iter__ = _unknown("__len__"), _unknown("__getitem__"), _unknown("__iter__")

    def __repr__(self):
        return "<UninitializedParameter>"

    def __reduce_ex__(self, protocol):
        return type(self), (self.data, self.requires_grad)

    def __deepcopy__(self, memo):
        memo[id(self)] = copy = type(self)(self.data, self.requires_grad)
        return copy


class LazyLinear(Linear):
    """A Linear that takes in_features from its first input's last dimension, and is a Linear from then on.

    Until then its parameters have no shape: run one batch before counting or initialising them.
    """

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        super().__init__(0, 0, False)
        self.out_features = out_features
        self.weight = UninitializedParameter(_C.empty(0, device=device, dtype=dtype))
        if bias:
            self.bias = UninitializedParameter(_C.empty(0, device=device, dtype=dtype))

    def reset_parameters(self):
        """Draws the parameters, once there are any."""
        if self.in_features != 0:
            super().reset_parameters()

    def forward(self, input):
        self._become_linear(input.shape[-1])
        self.reset_parameters()
        return self.forward(input)

    def _become_linear(self, in_features):
        self.in_features = in_features
        self.weight.materialize((self.out_features, in_features))
        if self.bias is not None:
            self.bias.materialize((self.out_features,))
        self.__class__ = Linear

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        """Takes in_features from the weight that is loaded; one without a shape leaves the layer as it is."""
        weight = state_dict.get(f"{prefix}weight")
        if isinstance(weight, UninitializedParameter):
            return
        if isinstance(weight, _C.Tensor) and weight.dim() == 2:
            self._become_linear(weight.shape[1])
        Linear._load_from_state_dict(self, state_dict, prefix, *rest)


__all__ = ["Identity", "LazyLinear", "Linear"]
