"""The printed grad_fn of an expression is PyTorch's: the node's type, its name, and the end of the tensor's text."""

import re
import warnings

import pytest

pytest.importorskip("torch", reason="PyTorch is the oracle here: not installed")

import torch
from op_calls import CALLS, scope

import ctorch

pytestmark = pytest.mark.parity

def seen(torch, text):
    """What a user sees of the result's history."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            result = eval(text, scope(torch))
    except RuntimeError as error:
        return f"RuntimeError: {str(error)[:60]}"
    if result.grad_fn is None:
        return None
    printed = re.search(r"grad_fn=<\w+>", repr(result))
    return (type(result.grad_fn).__name__, result.grad_fn.name(), re.sub(r"0x[0-9a-f]+", "0x", repr(result.grad_fn)),
            printed and printed.group())


def test_enough_expressions():
    assert len(CALLS) >= 120


@pytest.mark.parametrize("text", CALLS)
def test_same_grad_fn(text):
    expected = seen(torch, text)
    if isinstance(expected, str):
        pytest.fail(f"PyTorch: {expected}")
    assert seen(ctorch, text) == expected
