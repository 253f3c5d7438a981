"""Checks an installed wheel from outside the checkout:  python smoke.py PREFIX

PREFIX is the environment that the wheel went into; a ctorch imported from anywhere else fails the check.
"""

import sys
from pathlib import Path

import ctorch as torch

prefix = Path(sys.argv[1]).resolve()
assert prefix in Path(torch.__file__).resolve().parents, f"{torch.__file__} is not in {prefix}"

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
(x * x).sum().backward()
assert x.grad.tolist() == [2.0, 4.0, 6.0]

net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
loss = net(torch.ones(4, 2)).square().mean()
loss.backward()
optimizer.step()
assert net(torch.ones(4, 2)).square().mean().item() < loss.item()

import numpy  # after the work above, which must not need it

assert torch.from_numpy(numpy.arange(3)).sum().item() == 3
print(f"ctorch {torch.__version__} from {prefix.name}: smoke test passed")
