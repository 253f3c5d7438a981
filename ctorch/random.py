"""Random state: what torch.random offers beside the functions of the package itself."""

from . import get_rng_state, initial_seed, manual_seed, seed, set_rng_state


class fork_rng:
    """Context manager: afterwards the default stream goes on as if nothing had been drawn inside."""

    def __init__(self, devices=None, enabled=True):
        self.enabled = enabled

    def __enter__(self):
        self.state = get_rng_state() if self.enabled else None

    def __exit__(self, *exception):
        if self.enabled:
            set_rng_state(self.state)


__all__ = ["fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]
