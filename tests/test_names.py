"""The names that scripts use exist: in the package, on Tensor, Module, Function and optimizers."""

import operator
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
    "asked, meant",
    [
        ("nn.Relu", "nn.ReLU"),
        ("nn.relu", "nn.ReLU"),
        ("nn.functional.ReLU", "nn.functional.relu"),
        ("nn.functional.Relu", "nn.functional.relu"),
        ("nn.functional.mse", "nn.functional.mse_loss"),
        ("nn.MseLoss", "nn.MSELoss"),
        ("nn.MSE", "nn.MSELoss"),
        ("nn.ZeroPad2D", "nn.ZeroPad2d"),
        ("optim.ADAM", "optim.Adam"),
        ("optim.Sgd", "optim.SGD"),
        ("nn.init.Kaiming_uniform_", "nn.init.kaiming_uniform_"),
        ("optim.lr_scheduler.StepLr", "optim.lr_scheduler.StepLR"),
        ("utils.data.Dataloader", "utils.data.DataLoader"),
        ("Arange", "arange"),
        ("sgd", "optim.SGD"),
    ],
)
def test_the_case_of_letters_does_not_hide_a_name(asked, meant):
    with pytest.raises(AttributeError, match=rf"ctorch does not have it; did you mean ctorch\.{meant}\?$"):
        operator.attrgetter(asked)(ctorch)


@pytest.mark.parametrize(
    "asked, home",
    [
        ("Linear", "nn.Linear"),
        ("DataLoader", "utils.data.DataLoader"),
        ("utils.DataLoader", "utils.data.DataLoader"),
        ("optim.StepLR", "optim.lr_scheduler.StepLR"),
        ("optim.lr_scheduler.Adam", "optim.Adam"),
        ("nn.cross_entropy", "nn.functional.cross_entropy"),
        ("nn.functional.MSELoss", "nn.MSELoss"),
        ("ZeroPad2d", "nn.ZeroPad2d"),
        ("autograd.jacobian", "autograd.functional.jacobian"),
        ("nn.arange", "arange"),
    ],
)
def test_a_name_that_another_module_has_is_found(asked, home):
    with pytest.raises(AttributeError, match=rf"has no attribute '\w+': it is ctorch\.{home}$"):
        operator.attrgetter(asked)(ctorch)


def test_a_name_like_nothing_gets_no_suggestion():
    for name in ("math", "annotations", "xqzw"):
        with pytest.raises(AttributeError, match=f"'{name}': ctorch does not have it$"):
            getattr(ctorch, name)


@pytest.mark.parametrize(
    "module, name, sentence",
    [
        (ctorch, "save", "does not write files yet; pickle.dump"),
        (ctorch, "load", "does not read files yet; pickle.load"),
        (ctorch, "svd", "no matrix decompositions yet"),
        (ctorch, "complex64", "no complex numbers yet"),
        (ctorch, "func", "no function transforms yet; autograd.functional has jacobian"),
        (ctorch, "vmap", "no vmap yet; an op over a batch dimension"),
        (nn.utils.rnn, "pack_padded_sequence", "no packed sequences yet"),
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
