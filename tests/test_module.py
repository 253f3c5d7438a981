"""Module, Sequential and the layers that are written in C: what each method does, its errors, its repr.

Where PyTorch is installed, reprs, parameters, messages and hook orders are compared with it.
"""

import copy
import gc
import pickle
import threading
import warnings
import weakref
from collections import OrderedDict

import pytest

import ctorch
from ctorch import nn

try:
    import torch
except ImportError:
    torch = None

with_pytorch = pytest.mark.skipif(torch is None, reason="compared with PyTorch, which is not installed")

LAYERS = [
    "Linear(3, 4)", "Linear(3, 4, bias=False)", "Linear(3, 4, dtype=torch.float64)", "Identity()",
    "Identity(54, unused=1)", "Flatten()", "Flatten(0, 2)", "Unflatten(1, (2, 3))", "Dropout()",
    "Dropout(0.25, True)", "Dropout1d(0.1)", "Dropout2d(p=0.1)", "Dropout3d()", "AlphaDropout(0.2)",
    "ReLU()", "ReLU(inplace=True)", "ReLU6()", "ReLU6(True)", "LeakyReLU()", "LeakyReLU(0.2, True)",
    "PReLU()", "PReLU(3)", "ELU()", "ELU(2, inplace=True)", "CELU()", "SELU(True)", "GELU()",
    "GELU('tanh')", "GELU(approximate='tanh')", "SiLU()", "Mish()", "Sigmoid()", "Tanh()", "Softplus()",
    "Softplus(2, 10)", "Softsign()", "LogSigmoid()", "Hardtanh()", "Hardtanh(-2, 2.5, True)", "Hardswish()",
    "Hardsigmoid()", "Softmax()", "Softmax(dim=-1)", "Softmin(1)", "LogSoftmax(1)", "Threshold(0.1, 20)",
    "Threshold(threshold=1, value=2, inplace=True)", "Tanhshrink()", "Hardshrink()", "Softshrink(1)",
    "GLU()", "MSELoss()", "CrossEntropyLoss()", "BCEWithLogitsLoss()", "Sequential()",
    "Sequential(nn.Linear(1, 2), nn.Sequential(nn.ReLU(), nn.Tanh()))",
    "Sequential(OrderedDict(a=nn.Linear(1, 2), b=nn.Flatten()))",
    "ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])", "ModuleList()", "ModuleDict({'x': nn.ReLU()})",
    "ModuleDict()", "ParameterList([torch.zeros(2, 3), 5])",
    "ParameterDict({'b': torch.zeros(2), 'a': None})",
]


def make(framework, expression):
    return eval("nn." + expression, {"nn": framework.nn, "torch": framework, "OrderedDict": OrderedDict})


def mlp():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2), nn.Tanh()))


# ---------------------------------------------------------------- repr and construction
@pytest.mark.cpu
@with_pytorch
@pytest.mark.parametrize("expression", LAYERS)
def test_repr_is_pytorchs(expression):
    assert repr(make(ctorch, expression)) == repr(make(torch, expression))


@pytest.mark.parametrize("expression", LAYERS)
def test_layers_survive_pickle_and_deepcopy(expression):
    layer = make(ctorch, expression)
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), copy.copy(layer)):
        assert repr(other) == repr(layer) and type(other) is type(layer)
        assert list(other.state_dict()) == list(layer.state_dict())


@pytest.mark.cpu
@with_pytorch
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [(1, 10), (10, 1), (784, 100)])
def test_linear_draws_pytorchs_numbers(seed, size):
    ctorch.manual_seed(seed)
    ours = nn.Linear(*size)
    torch.manual_seed(seed)
    theirs = torch.nn.Linear(*size)
    assert ours.weight.tolist() == theirs.weight.tolist()
    assert ours.bias.tolist() == theirs.bias.tolist()


def test_modules_name_their_home():
    assert nn.Linear.__module__ == "ctorch.nn" and nn.Linear.__qualname__ == "Linear"
    assert nn.LeakyReLU.__text_signature__ == "(negative_slope=0.01, inplace=False)"
    assert issubclass(nn.ReLU6, nn.Hardtanh) and issubclass(nn.Sequential, nn.Module)


@pytest.mark.parametrize("call, error, words", [
    (lambda: nn.Linear(3), TypeError, "argument"),
    (lambda: nn.Linear(3, -1), RuntimeError, "negative dimension"),
    (lambda: nn.Linear(3, 2, dtype=1), TypeError, ""),
    (lambda: nn.Dropout(1.5), ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda: nn.Dropout("x"), TypeError, ""),
    (lambda: nn.ReLU(False, 1), TypeError, "positional arguments but"),
    (lambda: nn.ReLU(slope=1), TypeError, "got an unexpected keyword argument 'slope'"),
    (lambda: nn.LeakyReLU(0.1, negative_slope=1), TypeError, "multiple values for argument 'negative_slope'"),
    (lambda: nn.Threshold(1), TypeError, "missing 1 required positional argument: 'value'"),
    (lambda: nn.Hardtanh(1, 1), AssertionError, "max_val"),
    (lambda: nn.Module(1), TypeError, "takes 1 positional argument but 2 were given"),
    (lambda: nn.Module(a=1), TypeError, "got an unexpected keyword argument 'a'"),
    (lambda: nn.Sequential(1), TypeError, "is not a Module subclass"),
    (lambda: nn.Module()(1), NotImplementedError, "is missing the required \"forward\" function"),
    (lambda: nn.ReLU()(), TypeError, "missing 1 required positional argument: 'input'"),
    (lambda: nn.ReLU()(1, 2), TypeError, "takes 2 positional arguments but 3 were given"),
    (lambda: nn.ReLU()(ctorch.ones(1), other=2), TypeError, "unexpected keyword argument"),
])
def test_errors_of_construction_and_call(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


CALLED = [expression for expression in LAYERS if not expression.startswith((
    "Linear", "Dropout", "AlphaDropout", "Unflatten", "PReLU(3", "Module", "Parameter", "Sequential(nn",
    "Sequential(Ord", "MSE", "Cross", "BCE", "Softmax()"))]


@with_pytorch
@pytest.mark.parametrize("expression", CALLED)
def test_values_are_pytorchs(expression):
    numbers = [[-3.5, -0.5, 0.0, 0.25], [0.75, 1.0, 3.0, 25.0]]
    results = []
    for framework in (ctorch, torch):
        x = framework.tensor(numbers, dtype=framework.float64).reshape(2, 2, 2)
        layer = make(framework, expression).double()
        results.append(layer(x).reshape(-1).tolist())
    assert results[0] == pytest.approx(results[1], rel=1e-12, abs=1e-15)


def test_inplace_layers_return_their_input():
    for layer in (nn.ReLU(True), nn.LeakyReLU(0.1, True), nn.ELU(inplace=True), nn.SiLU(True)):
        x = ctorch.tensor([-1.0, 2.0])
        assert layer(x) is x and x.tolist() != [-1, 2]


def test_dropout_follows_training():
    x = ctorch.ones(1000)
    for layer in (nn.Dropout(0.5), nn.AlphaDropout(0.5)):
        assert layer.eval()(x).tolist() == x.tolist() and layer.train()(x).tolist() != x.tolist()
    assert set(nn.Dropout(0.5)(x).tolist()) == {0.0, 2.0}
    channels = nn.Dropout2d(0.5)(ctorch.ones(8, 8, 3, 3)).reshape(64, 9)
    assert all(len(set(row)) == 1 for row in channels.tolist())


def test_unflatten_undoes_flatten():
    x = ctorch.arange(24.0).reshape(2, 3, 4)
    assert nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 4)))(x).tolist() == x.tolist()


# ---------------------------------------------------------------- attributes
def test_assignment_before_init_is_refused():
    class Early(nn.Module):
        def __init__(self, value):
            self.plain = 3
            self.value = value

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Early(nn.ReLU())
    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Early(nn.Parameter(ctorch.ones(1)))
    assert Early(5).plain == 3


@pytest.mark.cpu
def test_assignment_moves_between_kinds():
    model = nn.Module()
    model.x = 1
    model.x = nn.Parameter(ctorch.ones(1))
    assert "x" not in vars(model) and list(model._parameters) == ["x"]
    with pytest.raises(TypeError, match="cannot assign 'ctorch.nn.ReLU' as parameter 'x'"):
        model.x = nn.ReLU()
    model.x = None
    assert model.x is None and list(model._parameters) == ["x"]
    model.x = nn.Parameter(ctorch.ones(1))
    model.y = nn.ReLU()
    model.y = None
    assert model.y is None and list(model._modules) == ["y"]
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'y'"):
        model.y = 3
    model.p = nn.Parameter(ctorch.ones(1))
    with pytest.raises(TypeError, match="cannot assign 'torch.FloatTensor' as parameter 'p'"):
        model.p = ctorch.ones(1)
    model.register_buffer("b", ctorch.ones(1), persistent=False)
    with pytest.raises(TypeError, match="cannot assign 'str' as buffer 'b'"):
        model.b = "text"
    model.b = nn.Parameter(ctorch.ones(1))
    assert "b" not in model._buffers and not model._non_persistent_buffers_set
    del model.b
    assert not hasattr(model, "b")
    with pytest.raises(AttributeError):
        del model.b


def test_missing_attribute():
    with pytest.raises(AttributeError, match="'ReLU' object has no attribute 'wieght'"):
        nn.ReLU().wieght


def test_vars_shows_and_changes_everything():
    layer = nn.Linear(2, 2)
    shown = vars(layer)
    assert shown["in_features"] == 2 and shown["training"] is True
    assert shown["_parameters"] is layer._parameters
    shown["_parameters"] = {"weight": None}
    assert layer.weight is None and list(layer.parameters()) == []
    layer._parameters = {}
    assert shown["_parameters"] == {}
    layer.p = 0.3
    assert shown["p"] == 0.3
    layer.__dict__ = {"p": 4}
    assert layer.p == 4
    with pytest.raises(AttributeError):
        layer._parameters
    with pytest.raises(TypeError, match="must be a dict"):
        layer._modules = 3


def test_hyper_parameters_are_plain_attributes():
    layer = nn.Dropout(0.5)
    layer.p = 0
    x = ctorch.arange(4.0)
    assert layer(x).tolist() == x.tolist()
    slope = nn.LeakyReLU(0.5)
    slope.negative_slope = 2
    assert slope(ctorch.tensor([-1.0])).tolist() == [-2.0]


@pytest.mark.parametrize("name, error, words", [
    (3, TypeError, "name should be a string. Got int"), ("a.b", KeyError, "can't contain"),
    ("", KeyError, "empty string"), ("forward", KeyError, "attribute 'forward' already exists")])
def test_bad_names(name, error, words):
    model = nn.Module()
    for register in (model.register_parameter, model.register_buffer, model.add_module):
        with pytest.raises(error) as caught:
            register(name, None)
        assert words in caught.value.args[0]


@pytest.mark.cpu
def test_bad_members():
    model = nn.Module()
    with pytest.raises(TypeError, match="cannot assign 'torch.FloatTensor' object to parameter 'w'"):
        model.register_parameter("w", ctorch.ones(1))
    changed = nn.Parameter(ctorch.ones(2), requires_grad=False)
    changed.mul_(ctorch.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        model.register_parameter("w", changed)
    with pytest.raises(TypeError, match="cannot assign 'int' object to buffer 'b'"):
        model.register_buffer("b", 3)
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        model.add_module("m", 3)


def test_finding_by_path():
    model = mlp()
    assert model.get_submodule("2.0") is model[2][0] and model.get_submodule("") is model
    assert model.get_parameter("2.0.weight") is model[2][0].weight
    model[2].register_buffer("b", ctorch.ones(1))
    assert model.get_buffer("2.b") is model[2].b
    model.set_submodule("2.1", nn.ReLU())
    assert repr(model[2][1]) == "ReLU()"
    model.set_submodule("2.new", nn.Tanh())
    assert repr(model[2].new) == "Tanh()"
    for call, words in [(lambda: model.get_submodule("7"), "Sequential has no attribute `7`"),
                        (lambda: model.get_submodule("0.weight"), "`weight` is not an nn.Module"),
                        (lambda: model.get_parameter("0.nothing"), "Linear has no attribute `nothing`"),
                        (lambda: model.get_parameter("0.in_features"), "is not an nn.Parameter"),
                        (lambda: model.get_buffer("0.weight"), "`weight` is not a buffer"),
                        (lambda: model.set_submodule("9.1", nn.ReLU()), "has no attribute"),
                        (lambda: model.set_submodule("2.7", nn.ReLU(), strict=True), "has no attribute `7`")]:
        with pytest.raises(AttributeError, match=words):
            call()


# ---------------------------------------------------------------- walking
def test_walks_see_shared_things_once():
    shared = nn.Linear(2, 2)
    model = nn.ModuleList([shared, shared, nn.Linear(2, 2)])
    model[2].weight = shared.weight
    assert len(list(model.parameters())) == 3
    assert len(list(model.named_parameters(remove_duplicate=False))) == 6
    assert [name for name, _ in model.named_modules()] == ["", "0", "2"]
    assert [name for name, _ in model.named_modules(remove_duplicate=False)] == ["", "0", "1", "2"]
    assert [name for name, _ in model.named_children()] == ["0", "2"]
    assert [name for name, _ in model.named_parameters("m", recurse=False)] == []
    assert [name for name, _ in model.named_parameters("m")] == ["m.0.weight", "m.0.bias", "m.2.bias"]


def test_a_model_may_change_while_it_is_walked():
    model = mlp()
    for name, _ in model.named_modules():
        if name:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, nn.Identity())
            break
    for name, child in model.named_children():
        setattr(model, name + "x", child)
    assert len(model) == 6


def test_train_eval_apply_requires_grad():
    model, seen = mlp(), []
    assert model.eval() is model and not any(module.training for module in model.modules())
    assert model.train() is model and all(module.training for module in model.modules())
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        model.train(1)
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["Linear", "ReLU", "Linear", "Tanh", "Sequential", "Sequential"]
    assert model.requires_grad_(False) is model and not any(p.requires_grad for p in model.parameters())


def test_zero_grad():
    layer = nn.Linear(2, 1)
    layer(ctorch.ones(1, 2)).sum().backward()
    grad = layer.weight.grad
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0, 0]] and grad.tolist() == [[0, 0]]
    layer.zero_grad()
    assert layer.weight.grad is None and layer.bias.grad is None


def test_self_containing_models_end_in_an_error():
    model = nn.Sequential()
    model.add_module("0", model)
    for call in (lambda: model(ctorch.ones(1)), lambda: repr(model), model.train, model.state_dict,
                 model.double, lambda: model.apply(id)):
        with pytest.raises(RecursionError):
            call()
    assert len(list(model.modules())) == 1


# ---------------------------------------------------------------- converting
def test_to_converts_floats_in_place():
    model = mlp()
    model.register_buffer("count", ctorch.zeros(1, dtype=ctorch.int64))
    weight = model[0].weight
    weight.grad = ctorch.ones(3, 4)
    assert model.to(ctorch.float64) is model
    assert model[0].weight is weight
    assert weight.dtype == ctorch.float64 and weight.grad.dtype == ctorch.float64
    assert model.count.dtype == ctorch.int64
    for call, dtype in [(model.float, ctorch.float32), (model.double, ctorch.float64),
                        (model.half, ctorch.float16), (model.bfloat16, ctorch.bfloat16)]:
        assert call()[0].weight.dtype == dtype
    assert model.to("cpu", ctorch.float32)[0].weight.dtype == ctorch.float32
    assert model.to(device="cpu", dtype=ctorch.float64, non_blocking=True)[0].weight.dtype == ctorch.float64
    assert model.to(ctorch.ones(1))[0].weight.dtype == ctorch.float32
    assert model.cpu() is model and isinstance(weight, nn.Parameter) and weight.is_leaf


@pytest.mark.parametrize("args, kwargs, error", [
    ((ctorch.int64,), {}, TypeError), (("nowhere",), {}, RuntimeError), ((), {"colour": 1}, TypeError)])
def test_to_refuses(args, kwargs, error):
    with pytest.raises(error):
        nn.Linear(2, 2).to(*args, **kwargs)


# ---------------------------------------------------------------- state dict
def test_state_dict_round_trip():
    model, other = mlp(), mlp()
    state = model.state_dict()
    assert isinstance(state, OrderedDict) and list(state) == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]
    assert state._metadata["2.0"] == {"version": 1} and not state["0.weight"].requires_grad
    assert state["0.weight"].data_ptr() == model[0].weight.data_ptr()
    assert model.state_dict(keep_vars=True)["0.weight"] is model[0].weight
    assert list(model.state_dict(prefix="m."))[0] == "m.0.weight"
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert other[0].weight.tolist() == model[0].weight.tolist() and other[0].weight is not model[0].weight


def test_load_state_dict_assign():
    model = nn.Linear(2, 2)
    weight = ctorch.zeros(2, 2, dtype=ctorch.float64)
    model.weight.requires_grad_(False)
    model.load_state_dict({"weight": weight, "bias": ctorch.ones(2)}, assign=True)
    assert model.weight.dtype == ctorch.float64
    assert not model.weight.requires_grad and model.bias.requires_grad
    assert isinstance(model.weight, nn.Parameter)


STATES = {
    "missing": lambda t: {"weight": t.zeros(2, 2)},
    "unexpected": lambda t: {"weight": t.zeros(2, 2), "bias": t.zeros(2), "x": t.zeros(1), "a.b": t.zeros(1)},
    "shape": lambda t: {"weight": t.zeros(3, 2), "bias": t.zeros(1, 2)},
    "kind": lambda t: {"weight": 3, "bias": t.zeros(2)},
    "everything": lambda t: {"weight": t.zeros(1), "x": t.zeros(1)},
}


@with_pytorch
@pytest.mark.parametrize("name", STATES)
def test_load_errors_are_pytorchs(name):
    messages = []
    for framework in (ctorch, torch):
        with pytest.raises(RuntimeError) as caught:
            framework.nn.Linear(2, 2).load_state_dict(STATES[name](framework))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_load_not_strict_reports():
    state = {"weight": ctorch.zeros(2, 2), "x": ctorch.zeros(1)}
    result = nn.Linear(2, 2).load_state_dict(state, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["x"]
    assert repr(result) == "_IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['x'])"
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        nn.Linear(2, 2).load_state_dict([1])


def test_state_dict_hooks():
    model, log = mlp(), []
    model.register_state_dict_pre_hook(lambda module, prefix, keep: log.append(("pre", prefix, keep)))

    def post(module, state, prefix, metadata):
        state["extra"] = ctorch.ones(1)

    handle = model.register_state_dict_post_hook(post)
    state = model.state_dict()
    assert log == [("pre", "", False)] and "extra" in state
    model.register_load_state_dict_pre_hook(lambda module, state, *rest: state.pop("extra"))
    model.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    del state["0.bias"]
    model.load_state_dict(state)
    assert "0.bias" not in state and "extra" in state
    handle.remove()
    assert "extra" not in model.state_dict()
    model._register_state_dict_hook(lambda module, state, prefix, metadata: {"replaced": 1})
    assert model.state_dict() == {"replaced": 1}


# ---------------------------------------------------------------- hooks
def run_hooks(framework):
    """Everything that hooks can do in forward, as a log."""
    log = []

    class Sum(framework.nn.Module):
        def forward(self, x, *, scale=1):
            log.append(("forward", x.tolist(), scale))
            return x * scale

    def hook(name, answer=None):
        def run(module, *args):
            log.append((name, *[plain(arg) for arg in args]))
            return answer
        return run

    def plain(value):
        if isinstance(value, framework.Tensor):
            return value.tolist()
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value

    model, x = Sum(), framework.ones(2)
    model.register_forward_pre_hook(hook("pre a", x * 2))
    model.register_forward_pre_hook(hook("pre b", ((x * 3,), {"scale": 5})), with_kwargs=True)
    model.register_forward_pre_hook(hook("pre c"), prepend=True)
    model.register_forward_hook(hook("post a", x * 7))
    model.register_forward_hook(hook("post b"), with_kwargs=True)
    handle = model.register_forward_hook(hook("post c"), prepend=True, always_call=True)
    log.append(plain(model(x, scale=2)))
    handle.remove()
    with model.register_forward_hook(hook("post d")):
        log.append(plain(model(x)))
    log.append(plain(model(x)))
    return log


@with_pytorch
def test_hooks_run_in_pytorchs_order():
    assert run_hooks(ctorch) == run_hooks(torch)


def test_always_called_hooks_run_after_an_error():
    layer, seen = nn.Linear(2, 2), []
    layer.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    layer.register_forward_hook(lambda module, args, output: 1 / 0, always_call=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            layer(ctorch.ones(3, 3))
    assert seen == [None] and "division by zero" in str(caught[0].message)


def test_pre_hook_with_kwargs_must_return_a_pair():
    layer = nn.ReLU()
    layer.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple"):
        layer(ctorch.ones(1))


def run_backward_hooks(framework):
    log = []
    layer = framework.nn.Linear(2, 2)
    with framework.no_grad():
        layer.weight.copy_(framework.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.bias.zero_()
    layer.register_full_backward_pre_hook(lambda m, out: log.append(("pre", out[0].tolist())))
    layer.register_full_backward_pre_hook(lambda m, out: (out[0] * 2,))
    layer.register_full_backward_hook(lambda m, inp, out: log.append((inp[0].tolist(), out[0].tolist())))
    layer.register_full_backward_hook(lambda m, inp, out: (inp[0] * 10,))
    x = framework.ones(1, 2, requires_grad=True)
    layer(x * 1).sum().backward()
    return log, x.grad.tolist(), layer.weight.grad.tolist()


@with_pytorch
def test_backward_hooks_as_in_pytorch():
    assert run_backward_hooks(ctorch) == run_backward_hooks(torch)


def test_backward_hooks_are_of_one_kind():
    layer = nn.Linear(2, 2)
    layer.register_full_backward_hook(print)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        layer.register_backward_hook(print)


# ---------------------------------------------------------------- Sequential
def passed_on(model, x):
    """Output, gradients and the names of the graph's nodes."""
    y = model(x)
    names, node = [], y.grad_fn
    while node is not None and node.name() != "torch::autograd::AccumulateGrad":
        names.append(node.name())
        node = next((below for below, _ in node.next_functions[::-1] if below is not None and below.next_functions), None)
    wanted = [x, *model.parameters()]
    return [y, *ctorch.autograd.grad((y * y).sum(), wanted)], names


@pytest.mark.parametrize("dtype", [ctorch.float32, ctorch.float64, ctorch.float16])
@pytest.mark.parametrize("shape", [(5, 7), (1, 7), (0, 7), (3, 5, 7), (7,)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_relu_behind_a_linear_changes_no_bit_and_no_node(dtype, shape, bias):
    layers = [nn.Linear(7, 9, bias), nn.ReLU(), nn.Linear(9, 33, bias), nn.ReLU()]
    model = nn.Sequential(*layers).to(dtype)
    x = ctorch.randn(*shape).to(dtype).requires_grad_()
    one_by_one = nn.Sequential(*[nn.Sequential(layer) for layer in layers])
    (ours, names), (theirs, other_names) = passed_on(model, x), passed_on(one_by_one, x)
    assert names == other_names and names.count("ReluBackward0") == 2
    assert all(map(ctorch.equal, ours, theirs))
    with ctorch.no_grad():
        assert model(x).equal(theirs[0]) and model(x).grad_fn is None


def test_a_relu_behind_a_linear_keeps_nan_and_is_seen_by_hooks():
    model, seen = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), []
    with ctorch.no_grad():
        model[0].bias.copy_(ctorch.tensor([float("nan"), -100.0]))
    x = ctorch.ones(1, 2)
    assert model(x)[0, 0].isnan() and model(x)[0, 1] == 0
    for layer in model:
        with_hook = layer.register_forward_hook(lambda layer, args, output: seen.append(output.tolist()[0][1]))
        model(x)
        with_hook.remove()
    assert seen[0] < -90 and seen[1] == 0


def test_a_relu_behind_a_linear_may_be_another():
    class Loud(nn.ReLU):
        def forward(self, x):
            return super().forward(x) + 1

    for change in (lambda m: setattr(m[1], "forward", lambda x: x), lambda m: m.__setitem__(1, Loud()),
                   lambda m: setattr(m[0], "forward", lambda x: -x)):
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        change(model)
        x = ctorch.randn(3, 2)
        assert model(x).equal(model[1](model[0](x)))


def test_sequential_is_a_list():
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Tanh())
    linear, relu, tanh = model
    assert len(model) == 3 and model[-1] is tanh and list(model[1:]) == [relu, tanh] and model[::2][1] is tanh
    assert list(reversed(model)) == [tanh, relu, linear] and relu in model and nn.Tanh() not in model
    assert isinstance(model[:1], nn.Sequential) and list(model[1:]._modules) == ["1", "2"]
    model[1] = nn.Sigmoid()
    assert repr(model[1]) == "Sigmoid()"
    del model[0]
    assert list(model._modules) == ["0", "1"]
    assert model.append(relu) is model and model.insert(0, linear) is model
    assert [type(m).__name__ for m in model] == ["Linear", "Sigmoid", "Tanh", "ReLU"]
    assert model.pop(1).__class__ is nn.Sigmoid and len(model) == 3
    assert model.extend([relu, tanh]) is model and len(model) == 5
    del model[1:4]
    assert list(model) == [linear, tanh] and list(model._modules) == ["0", "1"]
    assert len(model + model) == 4 and len(model * 3) == 6 and len(2 * model) == 4
    model += nn.Sequential(relu)
    model *= 2
    assert list(model) == [linear, tanh, relu] * 2


@pytest.mark.parametrize("call, error, words", [
    (lambda m: m[7], IndexError, "index 7 is out of range"), (lambda m: m["a"], TypeError, ""),
    (lambda m: m.__delitem__(-3), IndexError, "index -3 is out of range"),
    (lambda m: m + 1, ValueError, "add operator supports only objects"),
    (lambda m: m * 0, ValueError, "Non-positive multiplication factor 0"),
    (lambda m: m * 1.5, TypeError, "unsupported operand type"),
    (lambda m: m.append(1), TypeError, "not a Module"),
    (lambda m: m.insert(5, nn.ReLU()), IndexError, "Index out of range: 5"),
    (lambda m: m.insert(0, 5), AssertionError, "module should be of type"),
    (lambda m: m.__setitem__(0, 5), TypeError, "cannot assign 'int' as child module '0'"),
])
def test_sequential_refuses(call, error, words):
    with pytest.raises(error) as caught:
        call(nn.Sequential(nn.ReLU(), nn.Tanh()))
    assert words in str(caught.value)


def test_sequential_calls_what_is_there():
    class Twice(nn.Module):
        def forward(self, x):
            return x * 2

    relu = nn.ReLU()
    model = nn.Sequential(relu, Twice(), nn.Identity())
    assert model(ctorch.tensor([-1.0, 2.0])).tolist() == [0, 4]
    relu.forward = lambda x: x + 1
    assert model(ctorch.tensor([-1.0, 2.0])).tolist() == [0, 6]
    del relu.forward
    relu.register_forward_hook(lambda module, args, output: output - 1)
    assert model(input=ctorch.tensor([-1.0, 2.0])).tolist() == [-2, 2]
    assert nn.Sequential()(5) == 5


def test_patching_a_class_is_seen(monkeypatch):
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: x + 5)
    assert nn.Sequential(nn.ReLU())(ctorch.zeros(1)).tolist() == [5]
    monkeypatch.undo()
    monkeypatch.setattr(nn.ReLU, "__call__", lambda self, x: x + 6)
    assert nn.Sequential(nn.ReLU())(ctorch.zeros(1)).tolist() == [6]
    monkeypatch.undo()
    assert nn.Sequential(nn.ReLU())(ctorch.zeros(1)).tolist() == [0]


# ---------------------------------------------------------------- errors that name their place
def test_errors_name_their_place():
    x = ctorch.randn(64, 12)
    inner = nn.Sequential(nn.ReLU(), nn.Linear(10, 5))
    line = ("Linear(in_features=10, out_features=5, bias=True): "
            "input is (64, 12), its last dimension must be 10")
    words = "mat1 and mat2 shapes cannot be multiplied (64x12 and 10x5)\nin "

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = inner

        def forward(self, x):
            return self.layers(x)

    for model, place in [(inner[1], ""), (inner, "Sequential[1]: "),
                         (nn.Sequential(inner), "Sequential[0][1]: "), (Net(), "Net.layers[1]: "),
                         (nn.Sequential(Net()), "Sequential[0].layers[1]: "),
                         (nn.Sequential(OrderedDict(a=inner)), "Sequential.a[1]: ")]:
        with pytest.raises(RuntimeError) as caught:
            model(x)
        assert str(caught.value) == words + place + line
        assert type(caught.value) is RuntimeError


def test_errors_name_dtypes():
    with pytest.raises(RuntimeError, match="input is torch.float64 but the weight is torch.float32"):
        nn.Sequential(nn.Linear(2, 2))(ctorch.ones(1, 2, dtype=ctorch.float64))


def test_a_models_own_errors_keep_class_and_first_words():
    class Own(Exception):
        pass

    class Raises(nn.Module):
        def __init__(self, error):
            super().__init__()
            self.error = error

        def forward(self, x):
            raise self.error

    for error in (Own("mine"), KeyError("k"), ValueError("a", "b"), StopIteration()):
        with pytest.raises(type(error)) as caught:
            nn.Sequential(Raises(error))(1)
        assert caught.value is error and caught.value.args == error.args
    with pytest.raises(ValueError, match=r"^mine$"):
        Raises(ValueError("mine"))(1)
    with pytest.raises(ValueError, match=r"^mine\nin Sequential\[0\]: Raises\(\)$"):
        nn.Sequential(Raises(ValueError("mine")))(1)


# ---------------------------------------------------------------- memory
def test_cycles_are_collected():
    model = mlp()
    model.itself = [model]
    model[0].register_forward_hook(lambda *args, model=model: None)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_deep_models_are_freed_without_recursion():
    def build():
        model = nn.Sequential()
        for _ in range(100_000):
            model = nn.Sequential(model)
        del model

    thread = threading.Thread(target=build)
    thread.start()
    thread.join()


def test_weak_references_and_hash():
    layer = nn.ReLU()
    assert weakref.ref(layer)() is layer and len({layer, nn.ReLU(), layer}) == 2


def test_dir_names_members_but_no_numbers():
    names = dir(nn.Sequential(nn.ReLU()))
    assert "forward" in names and "_modules" in names and "0" not in names and names == sorted(names)
    assert {"weight", "bias", "in_features"} <= set(dir(nn.Linear(1, 1)))


def test_paths_that_scripts_use():
    from ctorch.nn.modules.loss import _Loss, _WeightedLoss
    from ctorch.nn.parameter import Parameter

    assert Parameter is nn.Parameter and issubclass(nn.NLLLoss, _WeightedLoss) and issubclass(_WeightedLoss, _Loss)
    assert nn.modules.linear.Linear is nn.Linear and nn.modules.activation.ReLU is nn.ReLU
    assert nn.modules.dropout.Dropout is nn.Dropout and nn.modules.flatten.Flatten is nn.Flatten
    assert nn.modules.module.Module is nn.Module and nn.modules.container.Sequential is nn.Sequential
    with pytest.raises(AttributeError):
        nn.modules.nothing


def test_a_handle_that_comes_back_keeps_its_number_to_itself():
    """The numbers of hooks made later are others, and removing one hook leaves the other."""
    layer = nn.Linear(1, 1)
    handle = layer.register_forward_hook(lambda *_: None)
    hooks, extra, number = handle.__reduce__()[2]
    handle.__setstate__((hooks, extra, number + 5))
    later = [layer.register_forward_hook(lambda *_: None) for _ in range(3)]
    assert len({number + 5, *(h.id for h in later)}) == 4
    for state, kind, words in ((3, TypeError, "expects a tuple"), ((hooks, extra, -1), ValueError, "cannot be negative"), ((1, 2, 3), TypeError, "dict")):
        with pytest.raises(kind, match=words):
            handle.__setstate__(state)
    later[0].remove()
    assert len(layer._forward_hooks) == 3


def test_a_lazy_linear_has_no_shape_before_its_first_input():
    model = nn.Sequential(nn.LazyLinear(3))
    weight = model[0].weight
    for use in (lambda w: w.numel(), lambda w: w.dim(), lambda w: w + 1, lambda w: w[0], len, list, ctorch.sum, nn.init.zeros_):
        with pytest.raises(ValueError, match="^Attempted to use an uninitialized parameter in .*: call the module"):
            use(weight)
    with pytest.raises(RuntimeError, match="^Can't access the shape of an uninitialized parameter or buffer"):
        weight.shape
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), nn.Sequential(nn.LazyLinear(3))):
        assert repr(same[0].weight) == repr(same.double().state_dict()["0.weight"]) == "<UninitializedParameter>"
        assert same(ctorch.ones(2, 4, dtype=ctorch.float64)).shape == (2, 3) and same[0].weight.numel() == 12
    model.load_state_dict(nn.Sequential(nn.LazyLinear(3)).state_dict())
    assert model[0].weight is weight and type(model[0]) is nn.LazyLinear
    model.load_state_dict(same.state_dict())
    assert ctorch.equal(model[0].weight, same[0].weight.float()) and type(model[0]) is nn.Linear


def test_a_full_backward_hook_shows_and_warns_as_in_pytorch():
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda *_: None)
    y = layer(ctorch.ones(1, 2))
    assert repr(y).endswith("grad_fn=<BackwardHookFunctionBackward>)")
    with pytest.warns(UserWarning, match="^Full backward hook is firing when gradients are computed with respect to") as caught:
        y.backward()
    assert caught[0].filename == __file__


def test_a_linear_of_nothing_is_its_bias():
    with pytest.warns(UserWarning, match="zero-element"):
        layer = nn.Linear(0, 3)
    assert layer(ctorch.zeros(2, 0)).tolist() == [layer.bias.tolist()] * 2
