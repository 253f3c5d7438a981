"""Models trained from the same seed: parameters are equal bit by bit, losses agree to 1e-5 relative."""

import pytest

pytest.importorskip("torch", reason="PyTorch is the oracle here: not installed")

import torch

import ctorch

pytestmark = pytest.mark.parity


def losses(torch, seed, optimizer):
    """100 training losses of Linear-ReLU-Dropout-Linear on a regression whose gradients stay away from zero."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(16, 3))
    x, y = torch.randn(32, 8), 3 * torch.randn(32, 3)
    optimizer = optimizer(torch, net.parameters())
    criterion, seen = torch.nn.MSELoss(), []
    for _ in range(100):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_100_losses(seed, name):
    # Adam divides by sqrt(v) + eps: with its own eps the last bit of a tiny gradient would decide the sign of a step.
    settings = {"SGD": {"lr": 0.05, "momentum": 0.9}, "Adam": {"lr": 0.01, "eps": 1e-2}}[name]

    def optimizer(torch, parameters):
        return getattr(torch.optim, name)(parameters, **settings)

    ours, theirs = losses(ctorch, seed, optimizer), losses(torch, seed, optimizer)
    worst = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))
    assert worst <= 1e-5, f"largest relative difference {worst:.2e}, first losses {ours[:3]} and {theirs[:3]}"


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_the_lectures_network_starts_equal(seed):
    states = []
    for framework in (ctorch, torch):
        nn = framework.nn
        framework.manual_seed(seed)
        net = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
        states.append({name: value.tolist() for name, value in net.state_dict().items()})
    assert states[0] == states[1]


@pytest.mark.parametrize("seed", [0, 3])
def test_dropout_draws_the_same_mask(seed):
    masks = []
    for framework in (ctorch, torch):
        framework.manual_seed(seed)
        masks.append(framework.nn.functional.dropout(framework.ones(7, 9), 0.3).tolist())
    assert masks[0] == masks[1]
