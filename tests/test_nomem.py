"""Every allocation fails once: each fault ends in MemoryError, and nothing has changed.

A scenario is run again and again with its 1st, 2nd, 3rd ... allocation failing, once or from then on, until it succeeds.
Two allocators fail: ctorch's own (tensors' memory, by _C._fail_after) and Python's (objects, by _testcapi.set_nomemory).
What ctorch keeps for later use is given back before each run, so that it has to allocate.  After each fault the operands
hold what they held, and the bytes and tensors alive are as many as before.  The scenarios are those named below, and every
call of op_calls.py with its gradients, for Python's allocators also those of the gradients.

The interpreter loses references of its own: where the start of a Python function fails in CPython 3.11 (the cells of
variables that an inner function uses, the tuple of *args), its arguments stay alive.  So Python's allocators do not fail
in the scenarios of INTERPRETED, which begin such functions; copy.deepcopy of a module does too (copy._reconstruct).
CPython 3.12 and 3.13 crash where the function of a generator expression or a lambda finds no memory: there Python's
allocators do not fail in calls that make one.
"""

import copy
import gc
import sys

import nomem_calls
import pytest
from op_calls import CALLS, scope

import ctorch
from ctorch import nn
from ctorch.nn import functional as F

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no allocator that fails on demand")

# unsanitized: with every freelist off and PYTHONMALLOC=malloc the counted allocations are others than a user meets.
pytestmark = [pytest.mark.unsanitized, pytest.mark.cpu]

MOST = 3000  # allocations of a scenario at most
AFTER = 12  # successes in a row that end a scenario: later allocations do not exist


def operands():
    ctorch.manual_seed(0)
    x = ctorch.arange(1.0, 7.0).view(2, 3).clone().requires_grad_()
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    for number, parameter in enumerate(net.parameters()):
        ctorch.nn.init.constant_(parameter, 0.1 * (number + 1))
        parameter.grad = ctorch.ones_like(parameter)
    return {"x": x, "y": ctorch.arange(6.0).view(2, 3), "v": ctorch.arange(3.0), "i": ctorch.tensor([1, 0]),
            "k": ctorch.tensor([[True, False, True], [False, True, True]]), "big": ctorch.ones(300, 300), "net": net,
            "sgd": ctorch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
            "adam": ctorch.optim.Adam(net.parameters(), lr=0.1),
            "loss": (x * x).sum(), "rows": [ctorch.arange(3.0), ctorch.arange(3.0)],
            "image": ctorch.arange(32.0).view(1, 2, 4, 4), "set": ctorch.utils.data.TensorDataset(ctorch.arange(6.0)),
            "deep": nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(2, 2), nn.Tanh())])}


class Square(ctorch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]


def rebuilt(module):
    """What copy.copy makes of a module, without its cells."""
    make, arguments, state = module.__reduce_ex__(4)[:3]
    made = make(*arguments)
    made.__setstate__(state)
    return made


def doubled(g):
    """Made once: CPython 3.12 crashes where there is no memory for a function object."""
    return g * 2


def hooked(x):
    y = x * 2
    y.register_hook(doubled)
    return ctorch.autograd.grad(y.sum(), x)


def long_chain(x):
    for _ in range(60):
        x = (x * 0.5 + 1).relu()
    return ctorch.autograd.grad(x.sum(), x)


def chain_in_place(y):
    y = y.clone()
    for k in range(60):
        y[k % 2].mul_(2).add_(y.sum(0))
    return y


def many_views(big):
    return [row.view(30, 10).t()[k % 10] for k, row in enumerate(big.unbind())]


def in_batches(dataset):
    return list(ctorch.utils.data.DataLoader(dataset, batch_size=2))


SCENARIOS = {
    "tensor": lambda o: ctorch.tensor([[1.0, 2.0], [3.0, 4.0]]),
    "zeros": lambda o: ctorch.zeros(3, 4),
    "arange": lambda o: ctorch.arange(10),
    "randn": lambda o: ctorch.randn(3, 3),
    "randperm": lambda o: ctorch.randperm(20),
    "add": lambda o: o["y"] + o["y"],
    "add a row": lambda o: o["y"] + o["v"],
    "add ints": lambda o: o["y"] + o["i"].view(2, 1),
    "recorded mul": lambda o: o["x"] * o["x"],
    "chain": lambda o: ((o["x"] + 1) * o["x"]).exp().mean(),
    "in place": lambda o: o["y"].clone().mul_(2),
    "view": lambda o: o["x"].view(3, 2).t().unsqueeze(0),
    "contiguous": lambda o: o["x"].t().contiguous(),
    "to": lambda o: o["y"].to(ctorch.float64),
    "sum": lambda o: o["y"].sum(0),
    "max": lambda o: o["y"].max(1),
    "sort": lambda o: o["y"].sort(1, descending=True),
    "matmul": lambda o: o["x"] @ o["y"].t(),
    "large matmul": lambda o: o["big"] @ o["big"],
    "softmax": lambda o: F.softmax(o["x"], 1),
    "cat": lambda o: ctorch.cat([o["y"], o["y"]], 1),
    "stack": lambda o: ctorch.stack(o["rows"]),
    "split": lambda o: o["x"].split(1),
    "index": lambda o: o["x"][o["i"]],
    "mask": lambda o: o["y"][o["k"]],
    "assign": lambda o: o["y"].clone().__setitem__((slice(None), 0), 5.0),
    "gather": lambda o: o["y"].gather(0, o["i"].view(1, 2)),
    "where": lambda o: ctorch.where(o["k"], o["x"], o["y"]),
    "repr": lambda o: repr(o["x"]),
    "tolist": lambda o: o["y"].tolist(),
    "grad": lambda o: ctorch.autograd.grad(o["loss"], o["x"], retain_graph=True),
    "second order": lambda o: ctorch.autograd.grad(ctorch.autograd.grad((o["x"] ** 3).sum(), o["x"], create_graph=True)[0].sum(),
                                                   o["x"]),
    "linear": lambda o: F.linear(o["y"], ctorch.ones(2, 3), ctorch.ones(2)),
    "network": lambda o: o["net"](o["y"]),
    "dropout": lambda o: F.dropout(o["y"], 0.5),
    "cross entropy": lambda o: F.cross_entropy(o["x"], o["i"]),
    "mse": lambda o: F.mse_loss(o["x"], o["y"]),
    "module": lambda o: nn.Linear(3, 2),
    "state_dict": lambda o: o["net"].state_dict(),
    "collate": lambda o: ctorch.utils.data.default_collate(o["rows"]),
    "numpy": lambda o: o["y"].numpy(),
    "deepcopy": lambda o: copy.deepcopy([o["x"].detach(), o["net"][0].weight]),
    "rebuilt module": lambda o: rebuilt(o["net"]),
    "full": lambda o: ctorch.full((2, 3), 7.0),
    "linspace": lambda o: ctorch.linspace(0, 1, 9),
    "eye": lambda o: ctorch.eye(4),
    "from_numpy": lambda o: ctorch.from_numpy(o["y"].numpy()) + 1,
    "multinomial": lambda o: ctorch.multinomial(o["y"], 2),
    "half add": lambda o: o["y"].half() + o["y"].half(),
    "compare": lambda o: (o["y"] > 2) & o["k"],
    "mean over dims": lambda o: o["x"].mean((0, 1)),
    "variance": lambda o: o["x"].var(1),
    "norm": lambda o: o["x"].norm(),
    "cumsum": lambda o: o["x"].cumsum(1),
    "topk": lambda o: o["x"].topk(2),
    "unique": lambda o: o["y"].unique(return_counts=True),
    "median": lambda o: o["y"].median(1),
    "bmm": lambda o: ctorch.bmm(o["x"].view(1, 2, 3), o["y"].view(1, 3, 2)),
    "baddbmm": lambda o: ctorch.baddbmm(o["v"].sum(), o["x"].view(1, 2, 3), o["y"].view(1, 3, 2)),
    "einsum": lambda o: ctorch.einsum("ij,kj->ik", o["x"], o["y"]),
    "log_softmax": lambda o: o["x"].log_softmax(0),
    "chunk": lambda o: o["x"].chunk(3, 1),
    "repeat": lambda o: o["x"].repeat(2, 2),
    "roll": lambda o: o["x"].roll(1, 1),
    "triangle": lambda o: o["x"].tril(),
    "unfold": lambda o: o["x"].unfold(1, 2, 1),
    "nonzero": lambda o: o["y"].nonzero(),
    "index_select": lambda o: o["x"].index_select(0, o["i"]),
    "scatter": lambda o: o["x"].scatter(0, o["i"].view(1, 2), 1.0),
    "take_along": lambda o: o["x"].take(o["i"]),
    "embedding": lambda o: F.embedding(o["i"], o["x"]),
    "one_hot": lambda o: F.one_hot(o["i"]),
    "pad": lambda o: F.pad(o["x"], (1, 1)),
    "gelu": lambda o: F.gelu(o["x"]),
    "binary cross entropy": lambda o: F.binary_cross_entropy_with_logits(o["x"], o["y"].clamp(0, 1)),
    "custom function": lambda o: ctorch.autograd.grad(Square.apply(o["x"]).sum(), o["x"]),
    "tensor hook": lambda o: hooked(o["x"]),
    "network's gradients": lambda o: ctorch.autograd.grad(o["net"](o["y"]).sum(), list(o["net"].parameters())),
    "no_grad": lambda o: ctorch.no_grad()(doubled)(o["x"]),
    "named parameters": lambda o: list(o["net"].named_parameters()),
    "modules": lambda o: list(o["net"].modules()),
    "clip": lambda o: nn.utils.clip_grad_norm_(o["net"].parameters(), 1e9),
    "parameters to vector": lambda o: nn.utils.parameters_to_vector(o["net"].parameters()),
    "sequential": lambda o: nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Dropout(0.2)),
    "repr of a module": lambda o: repr(o["net"]),
    "data loader": lambda o: in_batches(o["set"]),
    "optimizer": lambda o: ctorch.optim.AdamW(o["net"].parameters()),
    "optimizer's state_dict": lambda o: o["adam"].state_dict(),
    # Long ones: hundreds of allocations each.
    "long chain": lambda o: long_chain(o["x"]),
    "chain in place": lambda o: chain_in_place(o["y"]),
    "many views": lambda o: many_views(o["big"]),
    "many rows": lambda o: ctorch.stack([row.exp() for row in o["big"].unbind()]),
    "deep network": lambda o: o["deep"](ctorch.ones(3, 2)),
    "deep network's gradients": lambda o: ctorch.autograd.grad(o["deep"](ctorch.ones(3, 2)).sum(),
                                                               list(o["deep"].parameters())),
    "deep state_dict": lambda o: o["deep"].state_dict(),
    "deep names": lambda o: dict(o["deep"].named_parameters()),
    "deep repr": lambda o: repr(o["deep"]),
    "new deep network": lambda o: nn.Sequential(*[nn.Linear(2, 2) for _ in range(20)]),
    "large tolist": lambda o: o["big"][:4].tolist(),
    "large nested list": lambda o: ctorch.tensor([[float(k) for k in range(20)] for _ in range(20)]),
    "large repr": lambda o: repr(o["big"][:2]),
    "many zeros": lambda o: [ctorch.zeros_like(p) for p in o["deep"].parameters() for _ in range(10)],
}
# These change their operands when they succeed: they get fresh ones each time, and a fault leaves them as they were.
CHANGING = {
    "backward": lambda o: o["loss"].backward(),
    "SGD step": lambda o: o["sgd"].step(),
    "Adam step": lambda o: o["adam"].step(),
    "zero_grad": lambda o: o["sgd"].zero_grad(),
    "load_state_dict": lambda o: o["net"].load_state_dict(o["net"].state_dict()),
    "deep load_state_dict": lambda o: o["deep"].load_state_dict(o["deep"].state_dict()),
    "copy_": lambda o: o["y"].copy_(o["v"]),
    "masked_fill_": lambda o: o["y"].masked_fill_(o["k"], 7.0),
    "requires_grad_": lambda o: o["y"].requires_grad_(),
    "add_": lambda o: o["y"].add_(o["v"], alpha=2),
    "in place on a view": lambda o: o["y"][0].mul_(o["v"]),
    "index_put_": lambda o: o["y"].index_put_((o["i"],), o["v"]),
    "fill": lambda o: o["y"].__setitem__(0, 1.0),
    "squeeze_": lambda o: o["y"].unsqueeze_(0),
    "normal_": lambda o: nn.init.normal_(o["net"][0].weight),
    "train": lambda o: o["net"].train(False),
    "register_buffer": lambda o: o["net"].register_buffer("extra", o["v"]),
}
# Nothing of ctorch's is allocated here; the others must see at least one fault of its allocator.
WITHOUT_TENSORS = {"tolist", "zero_grad", "requires_grad_", "repr", "numpy", "state_dict", "load_state_dict", "copy_",
                   "masked_fill_", "named parameters", "modules", "repr of a module", "add_", "in place on a view",
                   "index_put_", "fill", "squeeze_", "normal_", "train", "register_buffer", "optimizer",
                   "optimizer's state_dict", "rebuilt module", "deep state_dict", "deep names", "deep repr",
                   "deep load_state_dict", "large tolist", "large repr", "many views"}
INTERPRETED = {"einsum", "no_grad", "clip", "data loader", "optimizer", "optimizer's state_dict"}
# What the quick suite tries, with Python's allocators failing from then on.
QUICK = ["tensor", "cat", "state_dict", "module", "deepcopy", "SGD step", "Adam step", "load_state_dict"]
ALL = {**SCENARIOS, **CHANGING}


def contents(value):
    """Tensors and containers as plain data, to be compared."""
    if isinstance(value, ctorch.Tensor):
        return value.detach().numpy().tobytes(), value.requires_grad, value.is_leaf and contents(value.grad)
    if isinstance(value, nn.Module):
        return [contents(p) for p in value.parameters()]
    return [contents(v) for v in value] if isinstance(value, list) else None


def snapshot(operands):
    return {name: contents(value) for name, value in operands.items()}


def fail_own(n, persistent):
    ctorch._C._fail_after(n - 1, persistent)


def allow_own():
    ctorch._C._fail_after(-1)


def fail_python(n, persistent):
    if persistent:
        _testcapi.set_nomemory(n - 1)            # as many succeed before
    else:
        _testcapi.set_nomemory(n - 1, n)


def attempt(run, given, fail, allow, n, persistent):
    """True if run succeeds with its n-th allocation failing, False after MemoryError; all else is passed on."""
    ctorch._C._empty_cache()
    try:
        fail(n, persistent)
        run(given)
        return True
    except MemoryError:
        return False
    finally:
        allow()


def makes_functions(run, given):
    """Whether ctorch's Python evaluates a generator expression or a lambda in it."""
    made = set()
    sys.setprofile(lambda frame, *_: made.add((frame.f_code.co_name, frame.f_code.co_filename)))
    try:
        run(given)
    finally:
        sys.setprofile(None)
    return any(name in ("<genexpr>", "<lambda>") and path.startswith(ctorch.__path__[0]) for name, path in made)


def faults(run, fresh, fail, allow, persistent, changing=False):
    """How many allocations of a scenario failed, each leaving everything as it was; in the end nothing is left."""
    if fail is fail_python and sys.version_info >= (3, 12) and makes_functions(run, fresh()):
        pytest.skip("this interpreter crashes where a function finds no memory")
    gc.collect()
    gc.freeze()                                  # what earlier tests left is not looked through at each collection
    at_first = ctorch._C._live()
    failed = faults_with_operands(run, fresh, fail, allow, persistent, changing)
    gc.collect()
    assert ctorch._C._live() == at_first, "a failed call kept an operand"
    return failed


def faults_with_operands(run, fresh, fail, allow, persistent, changing):
    given, failed, successes = fresh(), 0, 0
    before = snapshot(given)
    if not changing:
        run(given)
        gc.collect()
    for n in range(1, MOST):
        if changing:
            given = fresh()
            gc.collect()
        live = ctorch._C._live()
        ctorch.manual_seed(0)
        succeeded = attempt(run, given, fail, allow, n, persistent)
        if succeeded:
            successes += 1
            if successes == AFTER:
                return failed
            continue
        failed, successes = failed + 1, 0
        assert snapshot(given) == before, f"allocation {n}: the operands changed"
        if ctorch._C._live() != live:
            gc.collect()
        assert ctorch._C._live() == live, f"allocation {n}: something is left"
    raise AssertionError(f"still failing after {MOST} allocations")


def faults_of(name, fail, allow, persistent):
    return faults(ALL[name], operands, fail, allow, persistent, name in CHANGING)


@pytest.fixture(scope="module", autouse=True)
def unfrozen_in_the_end():
    yield
    gc.unfreeze()


counted = {}


@pytest.mark.nomem
@pytest.mark.parametrize("persistent", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", ALL)
def test_own_allocator(name, persistent):
    failed = counted["own", name, persistent] = faults_of(name, fail_own, allow_own, persistent)
    # One failure is survived: the allocator empties its cache and tries again.
    assert failed > 0 or not persistent or name in WITHOUT_TENSORS


@pytest.mark.nomem
@pytest.mark.parametrize("persistent", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", [name for name in ALL if name not in INTERPRETED])
def test_pythons_allocators(name, persistent):
    counted["python", name, persistent] = faults_of(name, fail_python, _testcapi.remove_mem_hooks, persistent)


@pytest.mark.nomem
def test_enough_faults():
    """Behind the others: how many faults they made (pytest -rP shows it)."""
    print(f"{len(ALL)} scenarios, {sum(counted.values())} faults")
    assert len(ALL) >= 60
    if len(counted) == 4 * len(ALL) - 2 * len(INTERPRETED):
        assert sum(counted.values()) >= 10_000


@pytest.mark.parametrize("name", QUICK)
def test_quickly(name):
    assert faults_of(name, fail_python, _testcapi.remove_mem_hooks, True) > 0, f"{name} allocates nothing"


def gradients(code, names, twice):
    leaves = [value for value in names.values() if isinstance(value, ctorch.Tensor) and value.requires_grad]
    result = eval(code, {}, names)
    if not result.requires_grad:
        return
    for g in ctorch.autograd.grad(result.sum(), leaves, allow_unused=True, create_graph=twice):
        if g is not None and g.requires_grad:
            ctorch.autograd.grad(g.sum(), leaves, allow_unused=True, retain_graph=True)


PYTHON = (fail_python, _testcapi.remove_mem_hooks)
WAYS = {"python from then on": (*PYTHON, True), "python once": (*PYTHON, False), "own from then on": (fail_own, allow_own, True)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", [text for text in CALLS if "einsum" not in text])
@pytest.mark.filterwarnings("ignore")
def test_calls_with_gradients(text, way):
    code = compile(text, "a call", "eval")
    failed = faults(lambda given: gradients(code, given, way.startswith("python")), lambda: scope(ctorch), *WAYS[way])
    assert failed > 0 or text == "x.detach()" and way.startswith("own")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", nomem_calls.CALLS)
def test_calls(text, way):
    code = compile(text, "a call", "eval")
    changing = "out=" in text or "backward" in text
    faults(lambda given: eval(code, {}, given), nomem_calls.names, *WAYS[way], changing=changing)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", nomem_calls.CHANGING)
@pytest.mark.filterwarnings("ignore")
def test_calls_that_change(text, way):
    code = compile(text, "a call", "eval")
    faults(lambda given: eval(code, {}, given), nomem_calls.names_to_change, *WAYS[way], changing=True)


def test_both_classes_catch_it():
    """Running out of memory is a MemoryError and, as in PyTorch, a RuntimeError."""
    for expected in (MemoryError, RuntimeError):
        with pytest.raises(expected):
            ctorch.empty(2**44)
