"""Type promotion is PyTorch's: all 460 entries of the table, and which dtypes an in-place op may write.

An entry is a pair of operands: tensors with dimensions and 0-d tensors of every dtype in every combination (400), and
either kind with a Python bool, int or float (60).  Each is asked of result_type and of a live addition.
"""

import itertools

import pytest

pytest.importorskip("torch", reason="PyTorch is the oracle here: not installed")

import torch

import ctorch

pytestmark = pytest.mark.parity

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
RANKS = [(2,), ()]
NUMBERS = [True, 2, 2.5]
# An op of each way in which a result's dtype is found: kept, made floating, made bool, with a number of its own.
OPS = ["add", "mul", "div", "pow", "eq", "maximum", "floor_divide", "fmod", "atan2"]


def tensor_of(torch, dtype, shape):
    return torch.ones(shape, dtype=getattr(torch, dtype))


def tensors():
    """(dtype, shape) of every operand with a dtype."""
    return list(itertools.product(DTYPES, RANKS))


PAIRS = list(itertools.product(tensors(), tensors()))
WITH_NUMBERS = list(itertools.product(tensors(), NUMBERS))


def operands(torch, pair):
    return [tensor_of(torch, *each) if isinstance(each, tuple) else each for each in pair]


def result_dtype(torch, pair, op):
    """The name of the dtype that op gives, or of the class of its error."""
    try:
        if op == "result_type":
            return str(torch.result_type(*operands(torch, pair)))
        return str(getattr(torch, op)(*operands(torch, pair)).dtype)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        return type(error).__name__.replace("NotImplementedError", "RuntimeError")


def test_the_table_has_460_entries():
    assert len(PAIRS) + len(WITH_NUMBERS) == 460


@pytest.mark.parametrize("op", ["result_type", *OPS])
def test_two_operands(op):
    wrong = []
    for pair in PAIRS + WITH_NUMBERS:
        got, expected = result_dtype(ctorch, pair, op), result_dtype(torch, pair, op)
        if got != expected:
            wrong.append(f"{op}{pair}: got {got}, expected {expected}")
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong[:20])


def test_number_first():
    wrong = []
    for (dtype, shape), number in WITH_NUMBERS:
        got, expected = (str((number + tensor_of(t, dtype, shape)).dtype) for t in (ctorch, torch))
        if got != expected:
            wrong.append(f"{number} + {dtype}{shape}: got {got}, expected {expected}")
    assert not wrong, "\n".join(wrong)


def test_promote_types_and_can_cast():
    for first, second in itertools.product(DTYPES, DTYPES):
        ours, theirs = ((getattr(t, first), getattr(t, second)) for t in (ctorch, torch))
        assert str(ctorch.promote_types(*ours)) == str(torch.promote_types(*theirs)), (first, second)
        assert ctorch.can_cast(*ours) == torch.can_cast(*theirs), (first, second)


def in_place(torch, pair, op):
    """What an in-place op leaves: the dtype and the values as text, or the error's class."""
    target, other = operands(torch, pair)
    try:
        getattr(target, op)(other)
    except RuntimeError as error:
        assert target.tolist() == tensor_of(torch, *pair[0]).tolist(), "the target changed"
        return "can't be cast" if "can't be cast" in str(error) else type(error).__name__
    return str(target.dtype), target.tolist()


@pytest.mark.parametrize("op", ["add_", "mul_", "div_", "copy_", "eq_"])
def test_in_place_casts(op):
    """A result may be written if its category is not above the target's."""
    same_rank = [pair for pair in PAIRS if pair[0][1] == (2,)]
    pairs = same_rank + (WITH_NUMBERS if op != "copy_" else [])
    wrong = []
    for pair in pairs:
        got, expected = in_place(ctorch, pair, op), in_place(torch, pair, op)
        if got != expected:
            wrong.append(f"{op}{pair}: got {got}, expected {expected}")
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong[:20])
