"""Bad calls: the class of PyTorch's error, its key phrase, and nothing changed.

Each call of bad_calls.py is evaluated by both frameworks.  ctorch's exception must be an instance of PyTorch's class
every time; the phrase must be in its text in 90 % of the calls.  Afterwards the operands and .grad are what they were
(test_leaks.py counts the living objects after the same calls).
"""

import ast
import warnings

import pytest

pytest.importorskip("torch", reason="PyTorch is the oracle here: not installed")

import torch
from bad_calls import CALLS, names, refusal

import ctorch

pytestmark = pytest.mark.parity

without_phrase = {}
tried = set()


def snapshot(values):
    return {name: (t.dtype, tuple(t.shape), t.tolist(), t.requires_grad, None if t.grad is None else t.grad.tolist())
            for name, t in values.items()}


def callable_of(text):
    """What a call is about: the name of the function, or of the operator's syntax."""
    node = ast.parse(text.strip(), mode="eval").body
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Call):
        node = node.func
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).rpartition(".")[2]
    return type(getattr(node, "op", node)).__name__


@pytest.mark.parametrize("text, phrase", CALLS, ids=[text for text, _ in CALLS])
def test_refused_as_by_pytorch(text, phrase):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = refusal(text, torch)
        assert isinstance(theirs, Exception) and phrase in str(theirs), f"PyTorch: {theirs!r}"
        ours, values = refusal(text, ctorch)
    tried.add(text)
    expected = type(theirs).__mro__
    public = next(cls for cls in expected if cls.__module__ == "builtins")
    assert isinstance(ours, public), f"expected {public.__name__}: {theirs}\ngot {ours!r}"
    fresh, _ = names(ctorch)
    assert snapshot(values) == snapshot(fresh), "the operands changed"
    if phrase not in str(ours):
        without_phrase[text] = str(ours)


def test_enough_calls():
    assert len(CALLS) >= 400
    assert len({callable_of(text) for text, _ in CALLS}) >= 80


def test_phrases():
    if len(tried) < len(CALLS):
        pytest.skip("only some calls were tried")
    listed = "\n".join(f"{text}: {message}" for text, message in without_phrase.items())
    assert len(without_phrase) <= 0.1 * len(CALLS), f"{len(without_phrase)} of {len(CALLS)} lack the phrase:\n{listed}"
