"""Layers that add borders; loaded when the first of them is asked for."""

from .. import functional as F
from ..._C._layers import Module


class _Pad(Module):
    """padding: a number for every side, or (left, right, top, bottom, ...) from the last dimension on."""

    mode, dims, value = "constant", 1, 0.0

    def __init__(self, padding):
        super().__init__()
        self.padding = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self.mode, self.value if self.mode == "constant" else None)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """Borders of one value."""

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


def _layers(base, mode, name):
    """The layers name1d to name3d."""
    return [
        type(
            f"{name}{n}d",
            (base,),
            {
                "mode": mode,
                "dims": n,
                "__module__": __name__,
                "__doc__": f"{name} of the last {n} dimension{'s' * (n > 1)}.",
            },
        )
        for n in (1, 2, 3)
    ]


ZeroPad1d, ZeroPad2d, ZeroPad3d = _layers(_Pad, "constant", "ZeroPad")
ConstantPad1d, ConstantPad2d, ConstantPad3d = _layers(_ConstantPad, "constant", "ConstantPad")
ReflectionPad1d, ReflectionPad2d, ReflectionPad3d = _layers(_Pad, "reflect", "ReflectionPad")
ReplicationPad1d, ReplicationPad2d, ReplicationPad3d = _layers(_Pad, "replicate", "ReplicationPad")
CircularPad1d, CircularPad2d, CircularPad3d = _layers(_Pad, "circular", "CircularPad")
