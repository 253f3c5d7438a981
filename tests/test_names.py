"""The names that scripts use exist: in the package, on Tensor, Module, Function and optimizers."""

from pathlib import Path

import pytest

import ctorch
from ctorch import nn

pytestmark = pytest.mark.cpu

FIXTURE = Path(__file__).parent / "fixtures" / "names.txt"
NAMES = [line for line in FIXTURE.read_text().split("\n") if line and not line.startswith("#")]


def owner_of(head):
    """What the first part of a name stands for: instances, so that attributes set by __init__ count."""
    return {
        "torch": ctorch,
        "Tensor": ctorch.ones(1, 1, requires_grad=True),
        "Module": nn.Linear(1, 1),
        "Function": ctorch.autograd.Function,
        "Optimizer": ctorch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1),
    }[head]


def exists(name):
    head, *path = name.split(".")
    thing = owner_of(head)
    for part in path:
        try:
            thing = getattr(thing, part)
        except AttributeError:
            return False
    return True


def test_every_name_of_the_list_exists():
    import ctorch.utils.data  # noqa: F401 - loads when first asked for, like any subpackage

    absent = [name for name in NAMES if not exists(name)]
    print("absent names:", ", ".join(absent) or "none")
    assert absent == []


def test_an_absent_name_says_so_and_names_the_nearest():
    with pytest.raises(AttributeError, match="ctorch does not have it; did you mean ctorch.zeros_like?"):
        ctorch.zeroes_like
    with pytest.raises(
        AttributeError, match=r"'ctorch.nn' has no attribute 'Linera'.*did you mean ctorch.nn.Linear\?"
    ):
        nn.Linera
    with pytest.raises(AttributeError, match="no attribute '__nothing__'$"):
        ctorch.__nothing__


@pytest.mark.parametrize(
    "module, name, sentence",
    [
        (ctorch, "save", "does not write files yet; pickle.dump"),
        (ctorch, "load", "does not read files yet; pickle.load"),
        (ctorch, "svd", "no matrix decompositions yet"),
        (ctorch, "complex64", "no complex numbers yet"),
        (nn, "Conv2d", "no convolutions and pooling yet"),
        (nn, "LSTM", "no recurrent layers yet"),
        (nn.functional, "layer_norm", "no normalisation layers yet"),
    ],
)
def test_a_part_that_is_missing_as_a_whole_is_named(module, name, sentence):
    with pytest.raises(AttributeError, match=sentence):
        getattr(module, name)


def test_dir_lists_lazy_subpackages():
    assert {"utils", "linalg", "Tensor", "einsum"} <= set(dir(ctorch))
