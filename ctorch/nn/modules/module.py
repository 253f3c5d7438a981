"""Module, which is written in C, and the small Python classes that its methods return."""

from ..._C._layers import Module

__all__ = ["Module"]


class _IncompatibleKeys(tuple):
    """What load_state_dict() returns: the keys that only the model, and that only the state dict has.

    Written out, as a namedtuple would import half of the standard library's collections.
    """

    __slots__ = ()
    _fields = ("missing_keys", "unexpected_keys")

    def __new__(cls, missing_keys: list, unexpected_keys: list):
        return super().__new__(cls, (missing_keys, unexpected_keys))

    def __getnewargs__(self) -> tuple:
        return tuple(self)

    missing_keys = property(lambda self: self[0])
    unexpected_keys = property(lambda self: self[1])

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys!r}, unexpected_keys={self.unexpected_keys!r})"

    __str__ = __repr__
