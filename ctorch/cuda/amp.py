"""The older place of ctorch.amp: mixed precision on a GPU, of which there is none."""

from .. import amp
from ..amp import GradScaler


class autocast(amp.autocast):
    """amp.autocast("cuda")"""

    def __init__(self, enabled=True, dtype=None, cache_enabled=True):
        super().__init__("cuda", dtype, enabled, cache_enabled)


__all__ = ["GradScaler", "autocast"]
