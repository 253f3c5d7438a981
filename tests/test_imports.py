"""What `import ctorch` loads: nothing that is slow to import and that not every script needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cpu

ROOT = Path(__file__).resolve().parent.parent

SLOW = ["numpy", "typing", "inspect", "dataclasses", "multiprocessing", "tempfile", "zipfile", "difflib"]


def loaded(statement):
    """Which of SLOW a fresh interpreter has loaded after the statement and had not before."""
    code = (
        f"import sys; before = set(sys.modules); {statement}; "
        f"print(*[name for name in {SLOW} if name in sys.modules and name not in before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.stdout.split()


def test_import_loads_no_slow_module():
    assert loaded("import ctorch, ctorch.nn, ctorch.optim, ctorch.nn.functional") == []


def test_a_first_training_step_loads_none_either():
    step = (
        "import ctorch as torch; net = torch.nn.Linear(2, 1); "
        "optimizer = torch.optim.SGD(net.parameters(), lr=0.1); net(torch.ones(3, 2)).sum().backward(); "
        "optimizer.step(); repr(net); repr(net.weight)"
    )
    assert loaded(step) == []


@pytest.mark.parametrize("name", ["utils", "utils.data", "vision", "linalg", "testing", "nn.utils.rnn"])
def test_subpackages_load_when_first_asked_for(name):
    code = (
        f"import sys, ctorch; print('ctorch.{name}' in sys.modules, ctorch.{name}.__name__, "
        f"'ctorch.{name}' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == f"False ctorch.{name} True\n"
