"""Tensors print as PyTorch prints them, to the character.

tests/fixtures/print.json is made by tools/make_print_fixtures.py, which documents a case; in an expression
`torch` means ctorch.
"""

import json
from collections import Counter
from pathlib import Path

import ctorch as torch
import pytest

pytestmark = pytest.mark.cpu

CASES = json.loads((Path(__file__).parent / "fixtures" / "print.json").read_text())["cases"]


@pytest.fixture
def options():
    yield torch.set_printoptions
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}: {case[1][:60]}")
def test_as_pytorch(case, options):
    group, expression, chosen, text = case
    options(**chosen)
    assert repr(eval(expression, {"torch": torch})) == text


def test_every_group_has_forty_cases():
    counts = Counter(case[0] for case in CASES)
    assert len(CASES) >= 500
    assert len(counts) == 21
    assert min(counts.values()) >= 40


def test_str_is_repr():
    x = torch.tensor([1.5, 2.5])
    assert str(x) == repr(x) == f"{x}" == "tensor([1.5000, 2.5000])"


@pytest.mark.parametrize("spec", ["", ".3f", ">12", "8.1e", "%"])
def test_format_of_one_number_is_the_numbers(spec):
    assert format(torch.tensor(1.5), spec) == format(1.5, spec)


def test_format_spec_of_a_vector_is_refused():
    with pytest.raises(TypeError, match=r"unsupported format string passed to .*Tensor.__format__"):
        format(torch.tensor([1.5]), ".2f")


def test_format_spec_must_fit_the_number():
    assert format(torch.tensor(7), "03d") == "007"
    with pytest.raises(ValueError):
        format(torch.tensor(7.5), "d")


def test_meta_tensors_have_no_values():
    assert repr(torch.zeros(2, 3, device="meta")) == "tensor(..., device='meta', size=(2, 3))"
    assert (repr(torch.zeros((), device="meta", dtype=torch.int64))
            == "tensor(..., device='meta', size=(), dtype=torch.int64)")


def test_default_dtype_is_not_named():
    torch.set_default_dtype(torch.float64)
    try:
        assert repr(torch.tensor([1.5])) == "tensor([1.5000])"
        assert repr(torch.zeros(1, dtype=torch.float32)) == "tensor([0.], dtype=torch.float32)"
    finally:
        torch.set_default_dtype(torch.float32)


def test_subclasses_print_their_name():
    class Temperature(torch.Tensor):
        pass

    class Weight(torch.nn.Parameter):
        pass

    assert repr(torch.ones(2).as_subclass(Temperature)) == "Temperature([1., 1.])"
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    assert repr(frozen) == "Parameter containing:\ntensor([1., 1.])"
    assert (repr(Weight(torch.ones(2, 2)))
            == "Parameter containing:\nParameter(Weight([[1., 1.],\n        [1., 1.]], requires_grad=True))")


def test_names_of_any_alphabet_indent_by_characters():
    kind = type("Größe", (torch.Tensor,), {})
    assert repr(torch.ones(2, 2).as_subclass(kind)) == "Größe([[1., 1.],\n       [1., 1.]])"


def test_printing_leaves_the_graph_alone():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    repr(y)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_options_are_checked_before_any_is_set(options):
    for bad in ({"precision": -1}, {"edgeitems": -1}, {"linewidth": -1}, {"profile": "tiny"}):
        with pytest.raises(ValueError):
            options(threshold=2, **bad)
    with pytest.raises(TypeError):
        options(threshold=2, precision="4")
    with pytest.raises(TypeError):
        options(precision=2, threshold="many")
    assert repr(torch.arange(3)) == "tensor([0, 1, 2])"


def test_none_keeps_an_option_and_resets_sci_mode(options):
    options(precision=2, sci_mode=True)
    options(linewidth=40)
    assert repr(torch.tensor([1.5, 2.25])) == "tensor([1.50, 2.25])"
