"""The accelerator of this process: there is none, this version computes on the CPU."""


def is_available():
    """False"""
    return False


def device_count():
    """0"""
    return 0


def current_accelerator(check_available=False):
    """None: no accelerator."""
    return None


def synchronize(device=None):
    """Waits for nothing."""


__all__ = ["current_accelerator", "device_count", "is_available", "synchronize"]
