"""What runs under valgrind (tools/valgrind.py): every call of op_calls.py forwards and backwards, refused calls, training,
indexing, sorting, printing, pickling and loading, all on small operands, with their results checked.

With a number N only every Nth call of the tables.
"""

import contextlib
import pickle
import sys
import warnings

import numpy as np
from bad_calls import CALLS as BAD_CALLS
from bad_calls import refusal
from op_calls import CALLS, scope

import ctorch as torch
from ctorch.utils.data import DataLoader, TensorDataset

PLAIN = {
    "sum": lambda: torch.arange(7.0).sum().item() == 21,
    "scan": lambda: torch.arange(5).cumsum(0).tolist() == [0, 1, 3, 6, 10],
    "sort": lambda: torch.tensor([3, 1, 2]).sort()[1].tolist() == [1, 2, 0],
    "unique": lambda: torch.tensor([3, 1, 3]).unique().tolist() == [1, 3],
    "topk": lambda: torch.arange(33.0).topk(2)[0].tolist() == [32, 31],
    "matmul": lambda: (torch.ones(9, 17) @ torch.ones(17, 5)).tolist() == [[17.0] * 5] * 9,
    "half": lambda: torch.arange(9).half().bfloat16().double().tolist() == list(range(9)),
    "strided": lambda: torch.arange(24.0).view(2, 3, 4).permute(2, 0, 1)[::2].sum().item() == 132,
    "mask": lambda: torch.arange(5)[torch.arange(5) > 2].tolist() == [3, 4],
    "lists": lambda: torch.arange(5)[[0, -1]].tolist() == [0, 4],
    "cat": lambda: torch.cat([torch.ones(2), torch.zeros(0), torch.ones(1)]).tolist() == [1, 1, 1],
    "numpy": lambda: torch.from_numpy(np.arange(4.0)).numpy().tolist() == [0, 1, 2, 3],
    "print": lambda: str(torch.arange(3.0)) == "tensor([0., 1., 2.])",
    "pickle": lambda: pickle.loads(pickle.dumps(torch.arange(3))).tolist() == [0, 1, 2],
    "random": lambda: torch.rand(100).max().item() < 1 and sorted(torch.randperm(9).tolist()) == list(range(9)),
    "softmax": lambda: abs(torch.rand(3, 5).softmax(1).sum().item() - 3) < 1e-5,
    "loader": lambda: sum(len(x) for x, in DataLoader(TensorDataset(torch.ones(9, 2)), batch_size=4)) == 9,
    "einsum": lambda: torch.einsum("ij,kj->ik", torch.ones(2, 3), torch.ones(4, 3)).tolist() == [[3.0] * 4] * 2,
    "state": lambda: list(torch.nn.Linear(2, 2).state_dict()) == ["weight", "bias"],
}


def training():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    x, y = torch.randn(12, 4), torch.arange(12) % 3
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] < losses[0]


def main(every):
    warnings.simplefilter("ignore")
    for name, check in PLAIN.items():
        assert check(), name
    assert training()
    for text in CALLS[::every]:
        names = scope(torch)
        result = eval(text, names)
        if result.requires_grad:
            result.sum().backward()
    for text, *_ in BAD_CALLS[::every]:
        refusal(text, torch)
    with contextlib.suppress(RuntimeError):
        torch.empty(2 ** 60)
    print(f"{len(PLAIN) + 1} programs, {len(CALLS[::every])} calls, {len(BAD_CALLS[::every])} refusals at CPU level "
          f"{torch._C._cpu_level()}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
