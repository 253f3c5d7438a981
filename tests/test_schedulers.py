"""Optimizers follow PyTorch's trajectories for every combination of flags, schedulers its rates."""

import copy
import pickle
import warnings

import ctorch as torch
import pytest
import training_cases
from ctorch import optim


def parameter(*shape):
    weight = torch.zeros(*(shape or (2,)), requires_grad=True)
    weight.grad = torch.ones_like(weight)
    return weight


@training_cases.of_group("optim")
def test_trajectory(case):
    training_cases.assert_same(case, training_cases.run(case, torch), case["result"])


@training_cases.of_group("schedule")
def test_rates(case):
    training_cases.assert_same(case, training_cases.run(case, torch), case["result"])


@pytest.mark.parity
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_repr_and_state_are_as_in_pytorch(name):
    oracle = pytest.importorskip("torch")
    theirs = getattr(oracle.optim, name)([oracle.zeros(2, requires_grad=True)])
    mine = getattr(optim, name)([torch.zeros(2, requires_grad=True)])
    assert repr(mine) == repr(theirs)
    assert mine.state_dict()["param_groups"] == theirs.state_dict()["param_groups"]


def test_sgd_formula():
    weight = parameter()
    optimizer = optim.SGD([weight], lr=0.5, momentum=0.5, dampening=0.25)
    optimizer.step()
    assert weight.tolist() == [-0.5, -0.5]              # the first step is not dampened
    optimizer.step()
    assert weight.tolist() == [-1.125, -1.125]          # 0.5 + 0.5 * (0.5 * 1 + 0.75 * 1)


def test_closure_and_skipped_parameters():
    weight, unused = parameter(), torch.zeros(2, requires_grad=True)
    optimizer = optim.SGD([weight, unused], lr=0.5, momentum=0.9)

    def closure():
        optimizer.zero_grad()
        loss = (weight * 2).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 0.0
    assert weight.tolist() == [-1.0, -1.0] and unused.tolist() == [0.0, 0.0]


def test_zero_grad():
    weight = parameter()
    optimizer = optim.SGD([weight], lr=0.1)
    optimizer.zero_grad(set_to_none=False)
    assert weight.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert weight.grad is None


@pytest.mark.parametrize("make", [
    lambda weights: optim.SGD(weights, lr=0.1, momentum=0.9),
    lambda weights: optim.Adam(weights, amsgrad=True),
    lambda weights: optim.RMSprop(weights)])
def test_saved_state_continues_the_trajectory(make):
    def trained(steps, weight, optimizer):
        for _ in range(steps):
            weight.grad = weight.detach() * 2 + 1
            optimizer.step()

    straight = parameter()
    optimizer = make([straight])
    trained(3, straight, optimizer)
    saved = copy.deepcopy(optimizer.state_dict())
    resumed = straight.detach().clone().requires_grad_()
    trained(3, straight, optimizer)
    second = make([resumed])
    second.load_state_dict(saved)
    trained(3, resumed, second)
    assert straight.tolist() == resumed.tolist()


def test_pickle_and_deepcopy():
    optimizer = optim.Adam([parameter()])
    optimizer.step()
    for clone in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert clone.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        assert len(clone.state) == 1 and next(iter(clone.state)) is clone.param_groups[0]["params"][0]


def test_groups_have_their_own_options():
    first, second = parameter(), parameter()
    optimizer = optim.SGD([{"params": [first]}, {"params": second, "lr": 1.0}], lr=0.5)
    optimizer.step()
    assert first.tolist() == [-0.5, -0.5] and second.tolist() == [-1.0, -1.0]
    third = parameter()
    optimizer.add_param_group({"params": [third]})
    optimizer.step()
    assert third.tolist() == [-0.5, -0.5]


def test_named_parameters():
    model = torch.nn.Linear(2, 2)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][0] is model.weight


def test_step_hooks():
    weight, seen = parameter(), []
    optimizer = optim.SGD([weight], lr=0.5)
    before = optimizer.register_step_pre_hook(lambda *call: seen.append("before"))
    optimizer.register_step_post_hook(lambda *call: seen.append("after"))
    optimizer.step()
    before.remove()
    before.remove()
    optimizer.step()
    assert seen == ["before", "after", "after"] and weight.tolist() == [-1.0, -1.0]


@pytest.mark.parametrize("call, kind, text", [
    (lambda: optim.SGD([parameter()], lr=-1.0), ValueError, "Invalid learning rate: -1.0"),
    (lambda: optim.SGD([parameter()], lr=float("nan")), ValueError, "Invalid learning rate"),
    (lambda: optim.SGD([parameter()], momentum=-1.0), ValueError, "Invalid momentum value"),
    (lambda: optim.SGD([parameter()], nesterov=True), ValueError, "Nesterov momentum requires"),
    (lambda: optim.Adam([parameter()], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0"),
    (lambda: optim.Adam([parameter()], eps=-1), ValueError, "Invalid epsilon value"),
    (lambda: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (lambda: optim.SGD(parameter()), TypeError, "should be an iterable of Tensors or dicts"),
    (lambda: optim.SGD([1.0]), TypeError, "can only optimize Tensors"),
    (lambda: optim.SGD([{"params": {parameter()}}]), TypeError, "ordered collections"),
    (lambda: optim.SGD([parameter() * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda: optim.SGD([parameter()]).add_param_group([]), TypeError, "param_group must be a dict"),
    (lambda: optim.lr_scheduler.StepLR(None, 3), TypeError, "is not an Optimizer"),
    (lambda: optim.lr_scheduler.StepLR(optim.SGD([parameter()]), 3, last_epoch=2), KeyError, "initial_lr"),
    (lambda: optim.lr_scheduler.ReduceLROnPlateau(optim.SGD([parameter()]), factor=1.0), ValueError,
     "Factor should be < 1.0")])
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_a_parameter_in_two_groups_is_refused():
    weight = parameter()
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": [weight]}, {"params": [weight]}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([weight, weight])


def test_state_of_another_shape_is_refused():
    optimizer = optim.SGD([parameter()])
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})


def test_scheduler_before_optimizer_warns_on_the_users_line():
    scheduler = optim.lr_scheduler.StepLR(optim.SGD([parameter()]), 3)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`") as record:
        scheduler.step()
    assert record[0].filename == __file__


def test_the_right_order_is_silent_and_leaves_step_alone():
    optimizer = optim.SGD([parameter()])
    schedulers = [optim.lr_scheduler.StepLR(optimizer, 3), optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            optimizer.step()
            for scheduler in schedulers:
                scheduler.step()
    assert "step" not in vars(optimizer)


def test_scheduler_state_resumes():
    optimizer = optim.SGD([parameter()], lr=1.0)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2)
    optimizer.step()
    scheduler.step()
    other = optim.SGD([parameter()], lr=1.0)
    resumed = optim.lr_scheduler.StepLR(other, 2)
    resumed.load_state_dict(scheduler.state_dict())
    other.step()
    resumed.step()
    assert resumed.get_last_lr() == [0.1] and other.param_groups[0]["lr"] == 0.1


def test_own_scheduler_overrides_get_lr():
    class Halving(optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / 2 ** self.last_epoch for base in self.base_lrs]

    optimizer = optim.SGD([parameter()], lr=1.0)
    scheduler = Halving(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5]


GROUPS = """SGD (
Parameter Group 0
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 1.0
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0

Parameter Group 1
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 0.5
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0
)"""


def test_repr_of_two_groups():
    assert repr(optim.SGD([{"params": [parameter()]}, {"params": [parameter()], "lr": 0.5}], lr=1.0)) == GROUPS


def test_a_wrapped_step_keeps_its_name():
    """Neither a scheduler's note of the first step nor a step hook shows."""
    for prepare in (lambda o: optim.lr_scheduler.StepLR(o, 2), lambda o: o.register_step_pre_hook(lambda *_: None)):
        optimizer = optim.SGD([parameter()], lr=1.0)
        prepare(optimizer)
        for _ in range(2):
            assert (optimizer.step.__name__, optimizer.step.__qualname__) == ("step", "SGD.step")
            optimizer.step()


def test_scheduler_state_has_the_keys_of_pytorch():
    scheduler = optim.lr_scheduler.StepLR(optim.SGD([parameter()], lr=1.0), 2)
    assert scheduler.state_dict() == {
        "step_size": 2, "gamma": 0.1, "base_lrs": [1.0], "last_epoch": 0, "_step_count": 1, "_is_initial": False,
        "_get_lr_called_within_step": False, "_last_lr": [1.0],
    }
