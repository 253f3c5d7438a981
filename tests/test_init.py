"""nn.init fills with PyTorch's draws, bit for bit; bounds, errors and warnings follow their formulas."""

import math

import ctorch as torch
import numpy as np
import pytest
import training_cases
from ctorch import nn


@pytest.mark.cpu
@training_cases.of_group("init")
def test_fixture(case):
    training_cases.assert_same(case, training_cases.run(case, torch), case["result"])


@pytest.mark.cpu
@pytest.mark.parity
@training_cases.of_group("init")
def test_live(case):
    oracle = pytest.importorskip("torch")
    training_cases.assert_same(case, training_cases.run(case, torch), training_cases.run(case, oracle))


@pytest.mark.parametrize("name, param, gain", [
    ("linear", None, 1), ("conv2d", None, 1), ("sigmoid", None, 1), ("tanh", None, 5 / 3),
    ("relu", None, math.sqrt(2)), ("leaky_relu", None, math.sqrt(2 / (1 + 0.01 ** 2))),
    ("leaky_relu", 2, math.sqrt(2 / 5)), ("selu", None, 0.75)])
def test_gain(name, param, gain):
    assert nn.init.calculate_gain(name, param) == gain


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6), (3, 2, 2, 2)])
def test_orthogonal(shape):
    torch.manual_seed(0)
    weight = torch.empty(*shape, dtype=torch.float64)
    assert nn.init.orthogonal_(weight, gain=2.0) is weight
    matrix = weight.reshape(shape[0], -1).numpy() / 2.0
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert np.allclose(small, np.eye(len(small)), atol=1e-12)


def test_kaiming_bound_is_reached_and_kept():
    torch.manual_seed(0)
    weight = nn.init.kaiming_uniform_(torch.empty(200, 50), nonlinearity="relu")
    bound = math.sqrt(6 / 50)
    assert 0.999 * bound < weight.abs().max().item() <= bound


def test_trunc_normal_stays_inside():
    torch.manual_seed(0)
    for low, high in ((-1.0, 0.5), (1.5, 1.7)):
        values = nn.init.trunc_normal_(torch.empty(5000), a=low, b=high)
        assert low <= values.min().item() and values.max().item() <= high


def test_fills_record_no_gradient():
    weight = torch.zeros(3, 3, requires_grad=True)
    for fill in (nn.init.uniform_, nn.init.eye_, nn.init.xavier_normal_, nn.init.orthogonal_, nn.init.ones_):
        assert fill(weight) is weight
    assert weight.is_leaf and weight.requires_grad and weight.grad_fn is None


@pytest.mark.parametrize("call, text", [
    (lambda: nn.init.xavier_uniform_(torch.empty(3)), "fewer than 2 dimensions"),
    (lambda: nn.init.eye_(torch.empty(3)), "Only tensors with 2 dimensions"),
    (lambda: nn.init.orthogonal_(torch.empty(3)), "2 or more dimensions"),
    (lambda: nn.init.sparse_(torch.empty(3), 0.5), "Only tensors with 2 dimensions"),
    (lambda: nn.init.dirac_(torch.empty(3, 3)), "3, 4, or 5 dimensions"),
    (lambda: nn.init.dirac_(torch.empty(3, 3, 3), groups=2), "divisible by groups"),
    (lambda: nn.init.kaiming_normal_(torch.empty(3, 3), mode="fan"), "not supported"),
    (lambda: nn.init.calculate_gain("swish"), "Unsupported nonlinearity"),
    (lambda: nn.init.calculate_gain("leaky_relu", True), "not a valid number")])
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_warnings():
    with pytest.warns(UserWarning, match="zero-element tensors"):
        nn.init.kaiming_uniform_(torch.empty(0, 3))
    with pytest.warns(UserWarning, match="more than 2 std"):
        nn.init.trunc_normal_(torch.empty(3), mean=5.0)
    with pytest.warns(FutureWarning, match="`nn.init.xavier_uniform` is now deprecated"):
        nn.init.xavier_uniform(torch.empty(3, 3))
