"""Linear and Identity, which are written in C, under PyTorch's path; and LazyLinear."""

from ... import _C
from ..._C._layers import Identity, Linear


class UninitializedParameter(_C.Parameter):
    """A Parameter whose shape is not known yet; it becomes a Parameter when it is given one."""

    def materialize(self, shape, device=None, dtype=None):
        """Uninitialised memory of that shape; the object is an ordinary Parameter from now on."""
        self.data = _C.empty(shape, device=device, dtype=dtype)
        self.__class__ = _C.Parameter

    def __repr__(self):
        return "<UninitializedParameter>"


class LazyLinear(Linear):
    """A Linear that takes in_features from its first input's last dimension, and is a Linear from then on.

    Until then its parameters have no shape: run one batch before counting or initialising them.
    """

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        super().__init__(0, 0, False)
        self.out_features = out_features
        self._options = {"device": device, "dtype": dtype}
        self.weight = UninitializedParameter(_C.empty(0))
        if bias:
            self.bias = UninitializedParameter(_C.empty(0))

    def reset_parameters(self):
        """Draws the parameters, once there are any."""
        if self.in_features != 0:
            super().reset_parameters()

    def forward(self, input):
        self.in_features = input.shape[-1]
        self.weight.materialize((self.out_features, self.in_features), **self._options)
        if self.bias is not None:
            self.bias.materialize((self.out_features,), **self._options)
        del self._options
        self.__class__ = Linear
        self.reset_parameters()
        return self.forward(input)


__all__ = ["Identity", "LazyLinear", "Linear"]
