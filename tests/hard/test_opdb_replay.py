"""Every op of PyTorch's database that ctorch has, replayed: results, dtypes, shapes and gradients are PyTorch's.

One test an op; a failure lists the samples that differ, a line each.  Samples that cannot be compared stand in
opdb_left_out.txt with a reason each.
"""

import warnings
from collections import Counter

import pytest

pytest.importorskip("torch", reason="PyTorch is the oracle here: not installed")

import opdb
import torch

import ctorch

pytestmark = pytest.mark.parity

OPS = opdb.present_ops()
LIMIT = {torch.float32: 32}  # of samples an op and dtype
LIMIT_OTHERS = 6
SHOWN = 6

left_out = opdb.LeftOut()
counts = Counter()
finished = set()


@pytest.fixture(autouse=True)
def quiet():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(threads)


def replay(op, sample, form, theirs, ours):
    """What differs, in a line; "" if nothing does, None if PyTorch itself refuses this form of the call."""
    inplace = form == "in-place"
    their_call = opdb.Call(sample, opdb.own_copy)
    try:
        opdb.seed()
        expected = their_call.run(theirs, inplace)
    except Exception:
        return None
    our_call, exact = opdb.Call(sample, opdb.tensor_from), opdb.Exact(sample, theirs, inplace)
    try:
        ctorch.manual_seed(0)
        got = our_call.run(ours, inplace)
        problem = opdb.compare_results(op.name, their_call, got, expected, exact)
        if not problem and our_call.leaves:
            order = 2 if form == "function" and all(t.dtype == torch.float64 for t in their_call.leaves) else 1
            problem = opdb.compare_gradients(op.name, got, expected, our_call.leaves, their_call.leaves, exact, order)
        return problem
    except Exception as error:
        return f"raised {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def replay_sample(op, dtype, sample, forms):
    """The failures of one sample in all its forms; counts it."""
    text = opdb.say_sample(sample)
    try:
        opdb.Call(sample, opdb.tensor_from)
        reason = left_out.reason(op.name, dtype, text)
    except opdb.Unsupported as unsupported:
        reason = left_out.reason("*", dtype, f"holds {unsupported}")
        if reason is None:
            return [f"{op.name}({text}): holds {unsupported}, which opdb_left_out.txt does not name"]
    if reason is not None:
        counts["left out"] += 1
        return []
    outcomes = {form: replay(op, sample, form, theirs, ours) for form, theirs, ours in forms}
    if all(outcome is None for outcome in outcomes.values()):
        return []
    counts["samples"] += 1
    return [f"{form} {op.name}({text}): {outcome}" for form, outcome in outcomes.items() if outcome]


@pytest.mark.parametrize("op", OPS, ids=[op.formatted_name for op in OPS])
def test_replay(op):
    forms = opdb.forms_of(op)
    failures, before = [], counts["samples"]
    for dtype in opdb.DTYPES:
        if dtype in op.supported_dtypes("cpu"):
            for sample in opdb.samples_of(op, dtype, LIMIT.get(dtype, LIMIT_OTHERS)):
                failures += replay_sample(op, dtype, sample, forms)
    finished.add(op.formatted_name)
    if counts["samples"] > before:
        counts[f"op {op.name}"] += 1
    assert not failures, f"{len(failures)} differences:\n" + "\n".join(failures[:SHOWN])


def test_enough_was_replayed():
    if len(finished) < len(OPS):
        pytest.skip("only some ops were replayed")
    ops = sum(1 for key in counts if key.startswith("op "))
    share = counts["left out"] / (counts["samples"] + counts["left out"])
    print(f"{ops} ops, {counts['samples']} samples, {counts['left out']} left out ({share:.1%})")
    assert ops >= 170
    assert counts["samples"] >= 5000
    assert share <= 0.02
