"""Writes tests/fixtures/training.json: what PyTorch gives for pieces of training code.

Run it with a Python that has PyTorch 2.13: python tools/make_training_fixtures.py [FILE]. The tests run the
same code with `torch` bound to ctorch. A case's code leaves numbers in `result`, lists of int and float;
`tolerance` is the relative difference allowed, 0 where every bit counts.
"""

import json
import sys
from pathlib import Path

OPTIM_CODE = """\
torch.manual_seed(1)
weights = [torch.randn(*shape, dtype=torch.{dtype}).requires_grad_() for shape in ((5, 4), (4,), (3,))]
x = torch.randn(16, 5, dtype=torch.{dtype})
optimizer = torch.optim.{optimizer}
for step in range(50):
    optimizer.zero_grad()
    loss = ((x @ weights[0] + weights[1]).tanh() - 0.5).pow(2).sum()
    if step > 5:
        loss = loss + (weights[2] ** 2).sum()
    loss.backward()
    optimizer.step()
result = [weight.detach().flatten().tolist() for weight in weights]
"""

SCHEDULE_CODE = """\
weight = torch.zeros(2, requires_grad=True)
weight.grad = torch.ones(2)
optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
group = optimizer.param_groups[0]
scheduler = torch.optim.lr_scheduler.{scheduler}
result = [group["lr"]]
for step in range(25):
    optimizer.step()
    scheduler.step({metric})
    result.append([group["lr"], group["momentum"], *scheduler.get_last_lr()])
"""

INIT_CODE = """\
torch.manual_seed(3)
filled = torch.nn.init.{call}
result = [filled.flatten().tolist(), torch.rand(3).tolist()]
"""

LOADER_CODE = """\
torch.manual_seed(7)
data = torch.utils.data.TensorDataset(torch.arange(23) * 10)
loader = {loader}
result = [[batch.tolist() for (batch,) in loader] for epoch in range(2)]
result.append(torch.rand(2).tolist())
"""

SAMPLER_CODE = """\
torch.manual_seed(5)
result = [list(torch.utils.data.{sampler}) for epoch in range(2)]
result.append(torch.rand(2).tolist())
"""

SPLIT_CODE = """\
torch.manual_seed(2)
generator = torch.Generator().manual_seed(42)
parts = torch.utils.data.random_split(range(17), {lengths})
parts += torch.utils.data.random_split(range(17), {lengths}, generator=generator)
result = [list(part) for part in parts]
"""


def optimizers():
    for momentum in (0, 0.9):
        for dampening in (0, 0.3):
            for weight_decay in (0, 0.1):
                for nesterov in (False, True):
                    for maximize in (False, True):
                        if not nesterov or (momentum and not dampening):
                            yield (f"SGD(weights, lr=0.01, momentum={momentum}, dampening={dampening}, "
                                   f"weight_decay={weight_decay}, nesterov={nesterov}, maximize={maximize})")
    for name in ("Adam", "AdamW"):
        for weight_decay in (0, 0.1):
            for amsgrad in (False, True):
                for maximize in (False, True):
                    yield (f"{name}(weights, lr=0.01, weight_decay={weight_decay}, amsgrad={amsgrad}, "
                           f"maximize={maximize})")
    yield "RMSprop(weights)"
    yield "RMSprop(weights, momentum=0.9, centered=True, weight_decay=0.1)"
    yield "Adagrad(weights, lr_decay=0.1, initial_accumulator_value=0.2)"
    yield "Adadelta(weights, rho=0.5, maximize=True)"


def schedulers():
    yield "StepLR(optimizer, step_size=3)"
    yield "MultiStepLR(optimizer, milestones=[2, 5, 5, 9])"
    yield "ExponentialLR(optimizer, gamma=0.9)"
    yield "LinearLR(optimizer)"
    yield "LinearLR(optimizer, start_factor=0.5, end_factor=0.1, total_iters=7)"
    yield "CosineAnnealingLR(optimizer, T_max=7, eta_min=0.001)"
    yield "CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2)"
    yield "LambdaLR(optimizer, lambda epoch: 0.95 ** epoch)"
    yield "OneCycleLR(optimizer, max_lr=0.5, total_steps=30)"
    yield ("OneCycleLR(optimizer, max_lr=0.5, epochs=3, steps_per_epoch=10, three_phase=True, "
           "anneal_strategy='linear')")


def inits():
    for name in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "xavier_uniform_", "xavier_normal_",
                 "kaiming_uniform_", "kaiming_normal_", "trunc_normal_"):
        for dtype in ("float32", "float64"):
            yield f"{name}(torch.empty(5, 7, dtype=torch.{dtype}))"
    yield "constant_(torch.empty(3), 0.3)"
    yield "uniform_(torch.empty(20), -3.0, 5.0)"
    yield "normal_(torch.empty(20), 2.0, 0.1)"
    yield "xavier_uniform_(torch.empty(5, 7), gain=torch.nn.init.calculate_gain('relu'))"
    yield "kaiming_uniform_(torch.empty(5, 3, 2, 2), a=5 ** 0.5)"
    yield "kaiming_normal_(torch.empty(5, 3, 2, 2), mode='fan_out', nonlinearity='relu')"
    for bounds in ((0.5, 0.6), (2.0, 3.0), (-0.1, 0.1), (-1.0, 5.0)):
        yield f"trunc_normal_(torch.empty(8, 9), 0.0, 1.0, *{bounds})"
    yield "trunc_normal_(torch.empty(20), std=0.02)"
    yield "sparse_(torch.empty(6, 4), sparsity=0.4)"
    yield "dirac_(torch.empty(4, 2, 3, 3), groups=2)"


def loaders():
    for options in ("batch_size=5", "batch_size=4, shuffle=True",
                    "batch_size=4, shuffle=True, drop_last=True",
                    "batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(9)",
                    "batch_size=3, sampler=torch.utils.data.RandomSampler(data, num_samples=50)",
                    "batch_size=3, sampler=torch.utils.data.WeightedRandomSampler([0.1, 0.2, 3.0] * 7, 10)"):
        yield f"torch.utils.data.DataLoader(data, {options})"


def samplers():
    yield "RandomSampler(range(20))"
    yield "RandomSampler(range(20), replacement=True, num_samples=70)"
    yield "RandomSampler(range(6), num_samples=20, generator=torch.Generator().manual_seed(4))"
    yield "SubsetRandomSampler([3, 1, 4, 15, 9])"
    yield "WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 8)"
    yield "WeightedRandomSampler([0.9, 0.4, 0.05, 0.2, 0.3, 0.1], 5, replacement=False)"
    yield "BatchSampler(torch.utils.data.SequentialSampler(range(10)), 3, False)"
    yield "BatchSampler(torch.utils.data.SequentialSampler(range(10)), 3, True)"


def cases():
    """(group, name, tolerance, code) of each case."""
    for optimizer in optimizers():
        for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-5)):
            code = OPTIM_CODE.format(optimizer=optimizer, dtype=dtype)
            yield "optim", f"{dtype}-{optimizer}", tolerance, code
    for scheduler in schedulers():
        # A last digit may differ between C libraries' cos and pow.
        yield "schedule", scheduler, 1e-14, SCHEDULE_CODE.format(scheduler=scheduler, metric="")
    for options in ("", "mode='max', threshold_mode='abs', cooldown=2, min_lr=0.001, patience=2"):
        scheduler = f"ReduceLROnPlateau(optimizer, {options})"
        yield "schedule", scheduler, 1e-14, SCHEDULE_CODE.format(scheduler=scheduler, metric="step * 7 % 10")
    for call in inits():
        yield "init", call, 0, INIT_CODE.format(call=call)
    for loader in loaders():
        yield "data", loader, 0, LOADER_CODE.format(loader=loader)
    for sampler in samplers():
        yield "data", sampler, 0, SAMPLER_CODE.format(sampler=sampler)
    for lengths in ("[10, 7]", "[0.5, 0.3, 0.2]"):
        yield "data", f"random_split {lengths}", 0, SPLIT_CODE.format(lengths=lengths)


def run(code: str, torch):
    """What `code` leaves in `result`, with `torch` bound to the given module."""
    names = {"torch": torch}
    exec(code, names)
    return names["result"]


def main() -> None:
    import torch
    here = Path(__file__).resolve().parent
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "tests" / "fixtures" / "training.json"
    made = [{"group": group, "name": name, "tolerance": tolerance, "code": code, "result": run(code, torch)}
            for group, name, tolerance, code in cases()]
    lines = ",\n".join(json.dumps(case) for case in made)
    target.write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
