"""Every allocation fails once: each fault ends in MemoryError, and nothing has changed.

A scenario is run again and again with its 1st, 2nd, 3rd ... allocation failing, once or from then on, until it succeeds.
Two allocators fail: ctorch's own (tensors' memory, by _C._fail_after) and Python's (objects, by _testcapi.set_nomemory).
After each fault the operands hold what they held, and the bytes and tensors alive are as many as before.
"""

import gc

import pytest

import ctorch
from ctorch import nn
from ctorch.nn import functional as F

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no allocator that fails on demand")

# unsanitized: with every freelist off and PYTHONMALLOC=malloc the counted allocations are others than a user meets.
pytestmark = [pytest.mark.nomem, pytest.mark.unsanitized]

MOST = 3000  # allocations of a scenario at most
AFTER = 12  # successes in a row that end a scenario: later allocations do not exist


def operands():
    x = ctorch.arange(1.0, 7.0).view(2, 3).clone().requires_grad_()
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    for number, parameter in enumerate(net.parameters()):
        ctorch.nn.init.constant_(parameter, 0.1 * (number + 1))
        parameter.grad = ctorch.ones_like(parameter)
    return {"x": x, "y": ctorch.arange(6.0).view(2, 3), "v": ctorch.arange(3.0), "i": ctorch.tensor([1, 0]),
            "k": ctorch.tensor([[True, False, True], [False, True, True]]), "big": ctorch.ones(300, 300), "net": net,
            "sgd": ctorch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
            "adam": ctorch.optim.Adam(net.parameters(), lr=0.1),
            "loss": (x * x).sum(), "rows": [ctorch.arange(3.0), ctorch.arange(3.0)]}


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
    "deepcopy": lambda o: __import__("copy").deepcopy(o["net"]),
}
# These change their operands when they succeed: they get fresh ones each time, and a fault leaves them as they were.
CHANGING = {
    "backward": lambda o: o["loss"].backward(),
    "SGD step": lambda o: o["sgd"].step(),
    "Adam step": lambda o: o["adam"].step(),
    "zero_grad": lambda o: o["sgd"].zero_grad(),
    "load_state_dict": lambda o: o["net"].load_state_dict(o["net"].state_dict()),
    "copy_": lambda o: o["y"].copy_(o["v"]),
    "masked_fill_": lambda o: o["y"].masked_fill_(o["k"], 7.0),
    "requires_grad_": lambda o: o["y"].requires_grad_(),
}
# Nothing of ctorch's is allocated here; the others must see at least one fault of its allocator.
WITHOUT_TENSORS = {"tolist", "zero_grad", "requires_grad_", "repr", "numpy", "state_dict", "load_state_dict", "copy_",
                   "masked_fill_"}
ALL = {**SCENARIOS, **CHANGING}


def contents(value):
    """Tensors and containers as plain data, to be compared."""
    if isinstance(value, ctorch.Tensor):
        return value.detach().tolist(), value.requires_grad, value.grad is not None and value.grad.tolist()
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
        _testcapi.set_nomemory(n)
    else:
        _testcapi.set_nomemory(n, n + 1)


def attempt(run, given, fail, allow, n, persistent):
    """True if run succeeds with its n-th allocation failing, False after MemoryError; all else is passed on."""
    try:
        fail(n, persistent)
        run(given)
        return True
    except MemoryError:
        return False
    finally:
        allow()


def faults(name, fail, allow, persistent):
    """How many allocations of a scenario failed, each leaving everything as it was; in the end nothing is left."""
    gc.collect()
    at_first = ctorch._C._live()
    failed = faults_with_operands(name, fail, allow, persistent)
    gc.collect()
    assert ctorch._C._live() == at_first, "a failed call kept an operand"
    return failed


def faults_with_operands(name, fail, allow, persistent):
    run, given, failed, successes = ALL[name], operands(), 0, 0
    before = snapshot(given)
    if name in SCENARIOS:
        run(given)
        gc.collect()
    for n in range(1, MOST):
        if name in CHANGING:
            given = operands()
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


def test_enough_scenarios():
    assert len(ALL) >= 30


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", ALL)
def test_own_allocator(name, persistent):
    failed = faults(name, fail_own, allow_own, persistent)
    # One failure is survived: the allocator empties its cache and tries again.
    assert failed > 0 or not persistent or name in WITHOUT_TENSORS


# Scenarios that still fail where one of Python's own allocations does; each runs, and is to leave this list.
KNOWN = {
    "collate": "a batch that was half made stays in the frame of the failed call",
    "deepcopy": "tensors copied before the fault stay alive",
    "SGD step": "an error in the dict of states is lost on the way out",
    "Adam step": "an error in the dict of states is lost on the way out",
    "load_state_dict": "a failed lookup of _version hides the MemoryError",
}


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", ALL)
def test_pythons_allocators(name, persistent, request):
    if name in KNOWN:
        request.applymarker(pytest.mark.xfail(reason=KNOWN[name], strict=False))
    faults(name, fail_python, _testcapi.remove_mem_hooks, persistent)


def test_both_classes_catch_it():
    """Running out of memory is a MemoryError and, as in PyTorch, a RuntimeError."""
    for expected in (MemoryError, RuntimeError):
        with pytest.raises(expected):
            ctorch.empty(2**44)
