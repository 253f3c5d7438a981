"""Every form of module_forms.py with PyTorch and with ctorch: same output, same state dict, same repr.

And the same again after copy, deepcopy and pickle. `observe` turns what a model does into plain data.
"""

import copy
import importlib.util
import pickle
import sys
from pathlib import Path

import pytest

import ctorch

reference = pytest.importorskip("torch", reason="the forms are compared with PyTorch: not installed")


def load(name):
    """The forms as a module of that name, findable by pickle."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("module_forms.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


THEIRS = load("forms_of_torch")
OURS = load("forms_of_ctorch")
NAMES = [cls.__name__ for cls in OURS.FORMS]


def fill(torch, model):
    """The same values for both frameworks, without any random stream."""
    with torch.no_grad():
        for i, parameter in enumerate(model.state_dict().values()):
            if parameter.dim() > 0:
                values = torch.arange(parameter.numel()).reshape(parameter.shape) % 7 - 3.0
                parameter.copy_(values / (i + 4))


def plain(value):
    """Tensors as nested lists, tuples kept."""
    if isinstance(value, tuple):
        return [type(value).__name__, *map(plain, value)]
    return [round(x, 5) for x in value.detach().reshape(-1).tolist()]


def observe(torch, model):
    model.train()
    x = torch.arange(6).reshape(2, 3) / 4 - 0.5
    text = repr(model).replace("torch.cuda.", "torch.").replace(" (cuda:0)", "")  # PyTorch's model lives on the CPU
    seen = {"repr": text, "output": plain(model(x))}
    seen["state"] = [(key, plain(value)) for key, value in model.state_dict().items()]
    seen["parameters"] = [name for name, _ in model.named_parameters()]
    seen["buffers"] = [name for name, _ in model.named_buffers()]
    seen["modules"] = [(name, type(module).__name__) for name, module in model.named_modules()]
    seen["children"] = [name for name, _ in model.named_children()]
    seen["training"] = [module.training for module in model.modules()]
    model.eval()
    seen["evaluating"] = [module.training for module in model.modules()]
    seen["loaded"] = repr(model.load_state_dict(model.state_dict()))
    return seen


def built(torch, forms, name):
    model = getattr(forms, name)()
    fill(torch, model)
    return model


def repickled(model):
    return pickle.loads(pickle.dumps(model))


def test_there_are_enough_forms():
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_as_in_pytorch(name):
    assert observe(ctorch, built(ctorch, OURS, name)) == observe(reference, built(reference, THEIRS, name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, repickled], ids=["deepcopy", "copy", "pickle"])
def test_copies(name, copied):
    ours, theirs = built(ctorch, OURS, name), built(reference, THEIRS, name)
    assert observe(ctorch, copied(ours)) == observe(reference, copied(theirs))


@pytest.mark.parametrize("name", NAMES)
def test_copies_are_separate(name):
    model = built(ctorch, OURS, name)
    before = observe(ctorch, model.eval())
    other = copy.deepcopy(model)
    again = observe(ctorch, copy.deepcopy(model))
    assert not {id(p) for p in model.parameters()} & {id(p) for p in other.parameters()}
    with ctorch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert observe(ctorch, model)["output"] == again["output"]
    assert observe(ctorch, model)["state"] == before["state"]


def test_abstract_classes_cannot_be_built():
    with pytest.raises(TypeError, match="abstract"):
        OURS.Abstract()


def test_a_property_that_raises_keeps_its_own_error():
    class Broken(ctorch.nn.Module):
        @property
        def value(self):
            return self.absent

    with pytest.raises(AttributeError, match="absent"):
        Broken().value


def test_handles_are_copied_with_their_hooks():
    model = copy.deepcopy(built(ctorch, OURS, "Hooked"))
    assert len(model.fc._forward_hooks) == 3
    model.handle.remove()
    model.handle.remove()
    assert len(model.fc._forward_hooks) == 2
    assert len(built(ctorch, OURS, "Hooked").fc._forward_hooks) == 3
