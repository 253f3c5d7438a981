"""Helpers for images: `transforms`."""

from . import transforms

__all__ = ["transforms"]
