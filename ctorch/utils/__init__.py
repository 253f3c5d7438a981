"""Helpers around training; `ctorch.utils.data` loads on first use."""


def __getattr__(name: str):
    if name == "data":
        from importlib import import_module
        return import_module(".data", __name__)
    from .._absent import absent

    raise absent("ctorch.utils", globals(), name)
