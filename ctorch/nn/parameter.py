"""Parameter under the name that scripts import it from."""

from .._C import Parameter

__all__ = ["Parameter"]
