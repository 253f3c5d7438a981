"""Nothing is left behind: after an op's forward, backward and refused calls the counts of living things are what they were.

The counters of _C._live() see tensors, storages, graph nodes and bytes; sys.getallocatedblocks sees every Python object.
Reference counts alone must free tensors, storages and nodes: the garbage collector is off for them, except where
create_graph makes cycles.
"""

import gc
import sys
import warnings

import pytest
from bad_calls import CALLS as BAD_CALLS
from bad_calls import refusal
from conftest import live
from op_calls import CALLS, scope

import ctorch

pytestmark = [pytest.mark.refleak, pytest.mark.cpu]    # a device's memory: cuda_walk.py, after each call and failure

ROUNDS = 3


@pytest.fixture(autouse=True)
def without_collector():
    gc.collect()
    gc.freeze()  # what earlier tests have left need not be walked either
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    gc.enable()


def forward(text):
    return eval(text, scope(ctorch))


def backward(text):
    result = forward(text)
    if result.requires_grad:
        result.sum().backward()


def twice_differentiated(text):
    names = scope(ctorch)
    result = eval(text, names)
    leaves = [t for t in names.values() if isinstance(t, ctorch.Tensor) and t.requires_grad]
    first = [g for g in ctorch.autograd.grad(result.sum(), leaves, create_graph=True, allow_unused=True) if g is not None]
    if any(g.requires_grad for g in first):
        sum(g.sum() for g in first if g.requires_grad).backward()


def blocks_left(run, argument, rounds):
    """Python memory blocks that so many further calls leave."""
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(rounds):
        run(argument)
    gc.collect()
    return sys.getallocatedblocks() - before


def check(run, argument):
    for _ in range(ROUNDS):
        run(argument)
    before = ctorch._C._live()
    run(argument)
    assert ctorch._C._live() == before
    # Free lists and caches take a few blocks once; a leak takes at least one block every time.
    if blocks_left(run, argument, ROUNDS) > 0:
        assert blocks_left(run, argument, 1000) < 1000


@pytest.mark.parametrize("text", CALLS)
def test_forward(text):
    check(forward, text)


@pytest.mark.parametrize("text", CALLS)
def test_backward(text):
    check(backward, text)


@pytest.mark.parametrize("text", [text for text, _ in BAD_CALLS])
def test_refused(text):
    check(lambda text: refusal(text, ctorch) and None, text)


@pytest.mark.parametrize("text", CALLS)
def test_create_graph(text):
    if not forward(text).requires_grad:
        pytest.skip("has no gradient")
    twice_differentiated(text)
    before = live()
    twice_differentiated(text)
    assert live() == before


@pytest.mark.unsanitized
def test_ten_thousand_training_steps_stay_in_place():
    """The memory of the process grows by less than 1 MB."""
    torch = ctorch
    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x, y = torch.randn(16, 8), torch.randn(16, 1)

    def steps(n):
        for _ in range(n):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(net(x), y).backward()
            optimizer.step()

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    steps(500)
    counts, memory = ctorch._C._live(), resident()
    steps(10000)
    assert ctorch._C._live() == counts
    assert resident() - memory < 1 << 20


def test_a_planted_leak_is_seen():
    kept = []

    def leaky(text):
        kept.append(forward(text))

    with pytest.raises(AssertionError):
        check(leaky, "x + y")
