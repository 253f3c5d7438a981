"""ctorch under PyTorch's name: ``import torch`` finds ctorch, submodules included."""

import sys


class _TorchFinder:
    """A meta-path finder that answers torch and torch.* with the ctorch module of the same path."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        if fullname != "torch" and not fullname.startswith("torch."):
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(fullname, _TorchFinder, is_package=True)

    @staticmethod
    def create_module(spec):
        """An empty module, which stands in for the real one until that is imported."""

    @staticmethod
    def exec_module(module):
        """Puts ctorch's module in the place of the empty one: it keeps its own name and spec throughout."""
        from importlib import import_module

        shown = module.__name__
        name = "ctorch" + shown[len("torch") :]
        try:
            sys.modules[shown] = import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name != name:
                raise
            raise ModuleNotFoundError(
                f"No module named '{shown}': ctorch has no module of that name", name=shown
            ) from None


def install_as_torch():
    """From now on ``import torch`` gives ctorch in this process; a second call changes nothing.

    Raises RuntimeError if the real torch is loaded: two frameworks under one name would mix their tensors.
    """
    import ctorch

    loaded = sys.modules.get("torch")
    if loaded is ctorch:
        return
    if loaded is not None:
        raise RuntimeError(
            "install_as_torch(): PyTorch is already loaded as 'torch'; call this before anything imports it"
        )
    sys.meta_path.insert(0, _TorchFinder)
    sys.modules["torch"] = ctorch
