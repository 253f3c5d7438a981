"""Mixed precision as scripts write it: autocast changes nothing, losses need no scaling, since no op computes
in less than its own dtype's precision."""

from ._settings import autocast


class GradScaler:
    """Passes everything through: what PyTorch's does where there is no GPU."""

    def __init__(
        self,
        device="cuda",
        init_scale=65536.0,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        pass

    def scale(self, outputs):
        """outputs themselves."""
        return outputs

    def step(self, optimizer, *args, **kwargs):
        """optimizer.step()"""
        return optimizer.step(*args, **kwargs)

    def unscale_(self, optimizer):
        """Nothing: the gradients were not scaled."""

    def update(self, new_scale=None):
        """Nothing: there is no scale."""

    def get_scale(self):
        """1.0"""
        return 1.0

    def is_enabled(self):
        """False"""
        return False

    def state_dict(self):
        """An empty dict."""
        return {}

    def load_state_dict(self, state_dict):
        """Nothing to load."""


__all__ = ["GradScaler", "autocast"]
