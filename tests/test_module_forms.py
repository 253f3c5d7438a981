"""The forms in which people subclass Module, each run with PyTorch and with ctorch.

The two agree on output, state dict and repr, and again after copy, deepcopy and pickle.

`define(torch)` makes all classes from the framework that it is given; they are put into a module of their own,
so that pickle finds them. `observe` turns what a model does into plain data.
"""

import abc
import copy
import dataclasses
import pickle
import sys
import types
from collections import OrderedDict, namedtuple
from typing import Generic, TypeVar

import pytest

import ctorch

reference = pytest.importorskip("torch", reason="the forms are compared with PyTorch: not installed")

T = TypeVar("T")
Pair = namedtuple("Pair", "first second")


def define(torch):
    """All forms as {name: class}; every class can be built without arguments."""
    nn = torch.nn
    forms = {}

    def form(cls):
        forms[cls.__name__] = cls
        return cls

    @form
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.p = 0.25

        def forward(self, x):
            return self.fc(x) * self.p

    class Scale:
        factor = 2.0

        def scaled(self, x):
            return x * self.factor

    @form
    class MixinFirst(Scale, nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return self.scaled(self.fc(x))

    @form
    class MixinLast(nn.Linear, Scale):
        def __init__(self):
            super().__init__(3, 3)

        def forward(self, x):
            return self.scaled(super().forward(x))

    @form
    class TwoLayers(nn.Linear, nn.ReLU):
        def __init__(self):
            nn.Linear.__init__(self, 3, 3)
            self.inplace = False

        def forward(self, x):
            return nn.ReLU.forward(self, nn.Linear.forward(self, x))

    class Abstract(nn.Module, abc.ABC):
        @abc.abstractmethod
        def forward(self, x):
            ...

    @form
    class Concrete(Abstract):
        def forward(self, x):
            return x + 1

    @form
    class OfType(nn.Module, Generic[T]):
        def forward(self, x):
            return x * 3

    @form
    @dataclasses.dataclass(eq=False)
    class Data(nn.Module):
        width: int = 3
        slope: float = 0.5

        def __post_init__(self):
            super().__init__()
            self.fc = nn.Linear(3, self.width)

        def forward(self, x):
            return self.fc(x) * self.slope

    @form
    class WithProperty(nn.Module):
        def __init__(self):
            super().__init__()
            self._gain = 3.0
            self.fc = nn.Linear(3, 3)

        @property
        def gain(self):
            return self._gain

        @gain.setter
        def gain(self, value):
            self._gain = value + 1

        @property
        def device(self):
            return next(self.parameters()).device

        def forward(self, x):
            self.gain = 1.0
            return self.fc(x.to(self.device)) * self.gain

    @form
    class Slots(nn.Module):
        __slots__ = ("extra",)

        def __init__(self):
            super().__init__()
            self.extra = 2.0
            self.fc = nn.Linear(3, 3)

        def __getstate__(self):
            return {**super().__getstate__(), "extra": self.extra}

        def __setstate__(self, state):
            self.extra = state.pop("extra")
            super().__setstate__(state)

        def forward(self, x):
            return self.fc(x) * self.extra

    @form
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(3, 3)

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                if name == "module":
                    raise
                return getattr(self.module, name)

        def forward(self, x):
            return self.module(x) * self.in_features + self.weight.sum()

    @form
    class GetattributeCounts(nn.Module):
        seen = 0

        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def __getattribute__(self, name):
            if name == "fc":
                type(self).seen += 1
            return super().__getattribute__(name)

        def forward(self, x):
            return self.fc(x)

    @form
    class GetattrLate(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return self.fc(x) * self.imagined

    GetattrLate.__getattr__ = lambda self, name: 7.0 if name == "imagined" else nn.Module.__getattr__(self, name)

    @form
    class InstanceForward(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.fc.forward = negated

        def forward(self, x):
            return self.fc(x)

    @form
    class SuperForward(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))

        def forward(self, x):
            return super().forward(x) + 1

    @form
    class OwnCall(nn.Linear):
        def __init__(self):
            super().__init__(3, 3)

        def __call__(self, x):
            return super().__call__(x) - 1

    @form
    class OwnCallImpl(nn.Linear):
        def __init__(self):
            super().__init__(3, 3)

        def _call_impl(self, x):
            return super()._call_impl(x) - 2

    @form
    class OwnSetattr(nn.Module):
        def __init__(self):
            super().__init__()
            self.log = []
            self.fc = nn.Linear(3, 3)
            self.number = 4

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if "log" in self.__dict__:
                self.log.append(name)

        def forward(self, x):
            return self.fc(x) * len(self.log)

    @form
    class OwnGetstate(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.cache = [1]

        def __getstate__(self):
            state = self.__dict__.copy()
            del state["cache"]
            return state

        def __setstate__(self, state):
            self.__dict__.update(state)
            self.cache = [2]

        def forward(self, x):
            return self.fc(x)

    @form
    class OwnReduce(nn.Linear):
        def __init__(self, size=3):
            super().__init__(size, size)
            self.size = size

        def __reduce__(self):
            return type(self), (self.size,), self.__getstate__()

    class Registry(nn.Module):
        known = {}

        def __init_subclass__(cls, key=None, **kwargs):
            super().__init_subclass__(**kwargs)
            Registry.known[key] = cls

    @form
    class Registered(Registry, key="here"):
        def forward(self, x):
            return x * len(Registry.known)

    class Meta(type):
        def __call__(cls, *args):
            made = super().__call__(*args)
            made.made_by_meta = True
            return made

    @form
    class OfMeta(nn.Module, metaclass=Meta):
        def forward(self, x):
            return x if self.made_by_meta else -x

    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.left = nn.Linear(3, 3)

    class Right(nn.Module):
        def __init__(self):
            super().__init__()
            self.right = nn.Linear(3, 3)

    @form
    class Diamond(Left, Right):
        def __init__(self):
            super().__init__()
            Right.__init__(self)
            self.left = nn.Linear(3, 3)

        def forward(self, x):
            return self.left(self.right(x))

    class Named:
        def __init__(self, name):
            self.name = name

    @form
    class InitsMixin(nn.Module, Named):
        call_super_init = True

        def __init__(self):
            super().__init__("a name")

        def forward(self, x):
            return x * len(self.name)

    @form
    class OwnNew(nn.Module):
        def __new__(cls):
            made = super().__new__(cls)
            made.early = 5
            return made

        def forward(self, x):
            return x * self.early

    @form
    class MaybeParameter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_parameter("bias", None)
            self.weight = nn.Parameter(torch.ones(3))
            self.scale = None
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.weight * self.scale if self.bias is None else x

    @form
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)
            self.b = nn.Linear(3, 3)
            self.b.weight = self.a.weight
            self.again = self.a

        def forward(self, x):
            assert self.b.weight is self.a.weight and self.again is self.a
            return self.b(self.again(self.a(x)))

    @form
    class Buffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.ones(3))
            self.register_buffer("hidden", torch.zeros(3), persistent=False)
            self.register_buffer("nothing", None)
            self.mean = torch.full((3,), 2.0)
            self.hidden = torch.full((3,), 3.0)
            self.plain = torch.full((3,), 4.0)

        def forward(self, x):
            return x * self.mean + self.hidden + self.plain

    @form
    class Containers(nn.Module):
        def __init__(self):
            super().__init__()
            self.list = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU()])
            self.dict = nn.ModuleDict({"act": nn.Tanh(), "out": nn.Linear(3, 2)})
            self.extra = nn.ParameterList([nn.Parameter(torch.ones(2))])
            self.named = nn.ParameterDict({"b": torch.ones(2), "a": torch.zeros(2)})

        def forward(self, x):
            for layer in self.list[:2]:
                x = self.dict["act"](layer(x))
            return self.dict["out"](self.list[-1](x)) * self.extra[0] + self.named["a"]

    @form
    class OwnState(nn.Linear):
        def __init__(self):
            super().__init__(3, 3)

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "version"] = torch.tensor(1.0)

        def _load_from_state_dict(self, state_dict, prefix, *args):
            state_dict.pop(prefix + "version")
            super()._load_from_state_dict(state_dict, prefix, *args)

    @form
    class ExtraState(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 3)
            self.counted = 7

        def get_extra_state(self):
            return torch.tensor(float(self.counted))

        def set_extra_state(self, state):
            self.counted = int(state)

        def forward(self, x):
            return self.inner(x) * self.counted

    @form
    class OwnWalks(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.frozen = nn.Linear(3, 3)

        def named_parameters(self, *args, **kwargs):
            return (pair for pair in super().named_parameters(*args, **kwargs) if "frozen" not in pair[0])

        def train(self, mode=True):
            super().train(mode)
            self.frozen.eval()
            return self

        def forward(self, x):
            return self.fc(x) * len(list(self.parameters())) + self.frozen.training

    @form
    class Keywords(nn.Module):
        def forward(self, x, *, shift=0, **rest):
            return Pair(x + shift, x * len(rest))

        def __call__(self, x):
            return super().__call__(x=x, shift=2, a=1, b=2)

    @form
    class Multiline(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))

        def extra_repr(self):
            return "one\ntwo"

        def _get_name(self):
            return "Renamed"

        def forward(self, x):
            return self.inner(x)

    @form
    class ListLike(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(3, 3)] * 2)

        def __len__(self):
            return 0

        def __getitem__(self, i):
            return self.layers[i]

        def forward(self, x):
            return self[1](x)

    @form
    class ByValue(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def __eq__(self, other):
            return isinstance(other, ByValue)

        def __hash__(self):
            return 1

        def forward(self, x):
            return self.fc(x) * (self == ByValue())

    @form
    class Shadowed(nn.Module):
        weight = "from the class"

        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return self.fc(x) * len(self.weight)

    @form
    class Bypass(nn.Module):
        def __init__(self):
            super().__init__()
            object.__setattr__(self, "hidden", nn.Linear(3, 3))
            self.__dict__["other"] = 3
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return self.fc(x) * self.other

    @form
    class Reclassed(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
            self.act.__class__ = nn.Tanh

        def forward(self, x):
            return self.act(x)

    @form
    class Deleted(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.register_buffer("c", torch.ones(3))
            self.d = 1
            del self.a, self.c, self.d

        def forward(self, x):
            return self.b(x) * (not any(hasattr(self, name) for name in "acd"))

    @form
    class Replaced(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self._modules["layer"] = nn.Linear(3, 4)
            self._parameters = OrderedDict(w=nn.Parameter(torch.ones(4)))
            self._modules["none"] = None

        def forward(self, x):
            return self.layer(x) * self.w

    @form
    class Hooked(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.calls = []
            self.fc.register_forward_pre_hook(first_pre)
            self.fc.register_forward_pre_hook(second_pre, prepend=True)
            self.fc.register_forward_hook(first_post)
            self.fc.register_forward_hook(second_post, prepend=True)
            self.handle = self.fc.register_forward_hook(third_post)

        def forward(self, x):
            return self.fc(x)

    @form
    class Restored(nn.Module):
        @classmethod
        def build(cls):
            made = cls.__new__(cls)
            nn.Module.__init__(made)
            return made

        def __init__(self):
            super().__init__()
            self.child = Plain.build() if hasattr(Plain, "build") else Plain()
            vars(self)["seen"] = True

        def forward(self, x):
            return self.child(x) if self.seen else x

    return forms


def negated(x):
    return -x


def first_pre(module, args):
    return args[0] * 2


def second_pre(module, args):
    return (args[0] + 1,)


def first_post(module, args, output):
    return output * 3


def second_post(module, args, output):
    return output + 10


def third_post(module, args, output):
    return None


def install(torch, name):
    """A module of that name, findable by pickle, with all forms made from torch."""
    module = types.ModuleType(name)
    for key, cls in define(torch).items():
        cls.__module__, cls.__qualname__ = name, key
        setattr(module, key, cls)
    sys.modules[name] = module
    return module


THEIRS = install(reference, "forms_of_torch")
OURS = install(ctorch, "forms_of_ctorch")
NAMES = [name for name in vars(OURS) if isinstance(vars(OURS)[name], type)]


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
    seen = {"repr": repr(model), "output": plain(model(x))}
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


def test_there_are_enough_forms():
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_as_in_pytorch(name):
    assert observe(ctorch, built(ctorch, OURS, name)) == observe(reference, built(reference, THEIRS, name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))],
                         ids=["deepcopy", "copy", "pickle"])
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
