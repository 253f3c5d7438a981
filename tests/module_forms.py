"""Forms in which people subclass Module; test_module_forms.py runs each with PyTorch and with ctorch.

The file is loaded twice, as forms_of_torch and as forms_of_ctorch, and takes its framework from its name.
Every class of FORMS can be built without arguments and called with a tensor of shape (2, 3).
"""

import abc
import dataclasses
import importlib
from collections import OrderedDict, namedtuple
from typing import Generic, TypeVar

torch = importlib.import_module(__name__.removeprefix("forms_of_"))
nn = torch.nn

T = TypeVar("T")
Pair = namedtuple("Pair", "first second")


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


class MixinFirst(Scale, nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.scaled(self.fc(x))


class MixinLast(nn.Linear, Scale):
    def __init__(self):
        super().__init__(3, 3)

    def forward(self, x):
        return self.scaled(super().forward(x))


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


class Concrete(Abstract):
    def forward(self, x):
        return x + 1


class OfType(nn.Module, Generic[T]):
    def forward(self, x):
        return x * len(type(self).__parameters__ + type(self).__mro__[:2])


class OfInt(OfType[int]):
    def forward(self, x):
        return super().forward(x) + 1


@dataclasses.dataclass(eq=False)
class Data(nn.Module):
    width: int = 3
    slope: float = 0.5

    def __post_init__(self):
        super().__init__()
        self.fc = nn.Linear(3, self.width)

    def forward(self, x):
        return self.fc(x) * self.slope


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


class GetattrLate(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x) * self.imagined


def imagine(self, name):
    return 7.0 if name == "imagined" else nn.Module.__getattr__(self, name)


GetattrLate.__getattr__ = imagine


class InstanceForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.fc.forward = negated

    def forward(self, x):
        return self.fc(x)


class SuperForward(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x):
        return super().forward(x) + 1


class OwnCall(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

    def __call__(self, x):
        return super().__call__(x) - 1


class OwnCallImpl(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

    def _call_impl(self, x):
        return super()._call_impl(x) - 2


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


class Registered(Registry, key="here"):
    def forward(self, x):
        return x * len(Registry.known)


class LateRegistry:
    known = []

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        LateRegistry.known.append(cls)


class RegisteredLate(nn.Module, LateRegistry):
    def forward(self, x):
        return x * (self.known == [RegisteredLate])


class MadeByMixin:
    def __new__(cls):
        made = super().__new__(cls)
        made.mixed = 4
        return made


class NewAfter(nn.Module, MadeByMixin):
    def forward(self, x):
        return x * self.mixed


class Meta(type):
    def __call__(cls, *args):
        made = super().__call__(*args)
        made.made_by_meta = True
        return made


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


class InitsMixin(nn.Module, Named):
    call_super_init = True

    def __init__(self):
        super().__init__("a name")

    def forward(self, x):
        return x * len(self.name)


class OwnNew(nn.Module):
    def __new__(cls):
        made = super().__new__(cls)
        made.early = 5
        return made

    def forward(self, x):
        return x * self.early


class MaybeParameter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_parameter("bias", None)
        self.weight = nn.Parameter(torch.ones(3))
        self.scale = None
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x * self.weight * self.scale if self.bias is None else x


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


class OwnState(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "version"] = torch.tensor(1.0)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        state_dict.pop(prefix + "version")
        super()._load_from_state_dict(state_dict, prefix, *args)


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


class Keywords(nn.Module):
    def forward(self, x, *, shift=0, **rest):
        return Pair(x + shift, x * len(rest))

    def __call__(self, x):
        return super().__call__(x=x, shift=2, a=1, b=2)


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


class Shadowed(nn.Module):
    weight = "from the class"

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x) * len(self.weight)


class Bypass(nn.Module):
    def __init__(self):
        super().__init__()
        object.__setattr__(self, "hidden", nn.Linear(3, 3))
        self.__dict__["other"] = 3
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x) * self.other


class Reclassed(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()
        self.act.__class__ = nn.Tanh

    def forward(self, x):
        return self.act(x)


class Deleted(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.register_buffer("c", torch.ones(3))
        self.d = 1
        del self.a, self.c, self.d

    def forward(self, x):
        return self.b(x) * (not any(hasattr(self, name) for name in "acd"))


class Replaced(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self._modules["layer"] = nn.Linear(3, 4)
        self._parameters = OrderedDict(w=nn.Parameter(torch.ones(4)))
        self._modules["none"] = None

    def forward(self, x):
        return self.layer(x) * self.w


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


class Restored(nn.Module):
    @classmethod
    def build(cls):
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made.fc = nn.Linear(3, 3)
        return made

    def __init__(self):
        super().__init__()
        self.__dict__.update(self.build().__dict__)
        vars(self)["seen"] = True

    def forward(self, x):
        return self.fc(x) if self.seen else x


FORMS = [
    RegisteredLate, NewAfter, OfInt,
    Plain, MixinFirst, MixinLast, TwoLayers, Concrete, OfType, Data, WithProperty, Slots, Wrapper,
    GetattributeCounts, GetattrLate, InstanceForward, SuperForward, OwnCall, OwnCallImpl, OwnSetattr,
    OwnGetstate, OwnReduce, Registered, OfMeta, Diamond, InitsMixin, OwnNew, MaybeParameter, Tied,
    Buffers, Containers, OwnState, ExtraState, OwnWalks, Keywords, Multiline, ListLike, ByValue,
    Shadowed, Bypass, Reclassed, Deleted, Replaced, Hooked, Restored,
]
