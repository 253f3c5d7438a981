"""ctorch under PyTorch's name: install_as_torch(), `python -m ctorch script.py`, the forms of import in use.

Each case is a process of its own: what `import torch` means can be decided once only.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cpu

ROOT = Path(__file__).resolve().parent.parent

IMPORTS = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.optim.lr_scheduler as lr_scheduler
import torch.utils.data as data
import torch.utils.data
import torch.nn.init as init
import torch.nn.utils
import torch.autograd
import torch.autograd.functional
import torch.backends.cudnn as cudnn
import torch.cuda, torch.linalg, torch.special, torch.testing, torch.functional, torch.random
from torch import nn, optim, Tensor, autograd, cuda
from torch import einsum, no_grad
from torch.nn import functional as F, Module, Linear, Parameter
from torch.nn.functional import relu, cross_entropy
from torch.nn.parameter import Parameter
from torch.nn.modules.module import Module
from torch.nn.modules import linear
from torch.nn.utils import clip_grad_norm_
from torch.nn.init import xavier_uniform_
from torch.optim import SGD, Adam, lr_scheduler
from torch.optim.lr_scheduler import StepLR
from torch.optim.optimizer import Optimizer
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split
from torch.utils import data
from torch.autograd import Variable, Function, grad
from torch.autograd.variable import Variable
from torch.cuda.amp import autocast, GradScaler
"""


def python(*arguments, code=None):
    """The finished process of a fresh interpreter that finds this ctorch first."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments, *(["-c", code] if code is not None else [])],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )


def printed(code):
    done = python(code=code)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["torch", "ctorch"])
def test_every_form_of_import_works_under_both_names(name):
    start = "import ctorch; ctorch.install_as_torch()\n" if name == "torch" else ""
    assert printed(start + IMPORTS.replace("torch", name) + "print('done')") == "done\n"


def test_modules_keep_their_identity_and_their_specs():
    code = """
import ctorch
ctorch.install_as_torch()
ctorch.install_as_torch()
import sys, torch, torch.nn.functional, torch.utils.data
print(torch is ctorch, torch.nn is ctorch.nn)
for name in ("nn", "nn.functional", "nn.modules.linear", "utils.data", "optim.lr_scheduler"):
    __import__("torch." + name)
    module = sys.modules["torch." + name]
    own = "ctorch." + name
    print(module is sys.modules[own], module.__name__ == module.__spec__.name == own)
"""
    assert printed(code) == "True True\n" * 6


def test_pickles_name_ctorch_and_load_under_either_name():
    code = """
import ctorch, pickle
ctorch.install_as_torch()
import torch
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
blob = pickle.dumps((model, torch.ones(2), torch.float32, model.state_dict()))
print(b"ctorch" in blob)
loaded = pickle.loads(blob)
print(torch.equal(loaded[0][0].weight, model[0].weight), type(loaded[0]) is torch.nn.Sequential, loaded[1:3])
print(pickle.loads(pickle.dumps(torch.nn.Linear)) is ctorch.nn.Linear)
"""
    assert printed(code) == "True\nTrue True (tensor([1., 1.]), torch.float32)\nTrue\n"


def test_another_torch_that_is_loaded_is_refused():
    code = """
import sys, types
sys.modules["torch"] = types.ModuleType("torch")
import ctorch
try:
    ctorch.install_as_torch()
except RuntimeError as error:
    print(error)
"""
    assert "PyTorch is already loaded as 'torch'" in printed(code)


def test_a_module_that_is_absent_is_an_import_error_that_names_it():
    code = """
import ctorch
ctorch.install_as_torch()
for name in ("torch.distributions", "torch.nn.quantized"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error, "|", error.name)
"""
    assert printed(code) == (
        "No module named 'torch.distributions': ctorch has no module of that name | "
        "torch.distributions\nNo module named 'torch.nn.quantized': ctorch has no module of "
        "that name | torch.nn.quantized\n"
    )


def test_imports_pass_where_warnings_are_errors():
    code = """
import warnings
import ctorch
ctorch.install_as_torch()
warnings.simplefilter("error")
import torch.special, torch.linalg, torch.autograd.functional, torch.utils.data.dataloader
from torch.nn.utils import rnn
for module in (torch.special, torch.linalg, torch.autograd.functional, rnn):
    assert module.__spec__.parent == module.__package__, module
print(torch.special is ctorch.special, torch.linalg.__name__)
"""
    assert printed(code) == "True ctorch.linalg\n"


# ---------------------------------------------------------------- python -m ctorch
SCRIPT = """
import sys
import helper
import torch
from torch import nn, optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


if __name__ == "__main__":
    torch.manual_seed(0)
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(16, 2)
    y = x.sum(1, keepdim=True)
    for _ in range(200):
        loss = nn.functional.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    import pickle
    same = pickle.loads(pickle.dumps(net))
    print(helper.VALUE, sys.argv[1:], loss.item() < 1e-6, type(same).__module__)
"""


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "script.py"
        path.write_text(text)
        return str(path)

    (tmp_path / "helper.py").write_text("VALUE = 'beside the script'\n")
    return write


def test_a_script_runs_unchanged_with_its_arguments_and_its_neighbours(script):
    done = python("-m", "ctorch", script(SCRIPT), "--epochs", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "beside the script ['--epochs', '3'] True __main__\n"


def test_a_script_that_fails_shows_its_own_lines_only(script):
    path = script("import torch\ntorch.ones(2) @ torch.ones(3)\n")
    done = python("-m", "ctorch", path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f'Traceback (most recent call last):\n  File "{path}", line 2, in <module>\n'
    )
    assert "runpy" not in done.stderr and "__main__.py" not in done.stderr


def test_a_script_s_exit_status_is_the_process_s(script):
    assert python("-m", "ctorch", script("raise SystemExit(3)")).returncode == 3
    done = python("-m", "ctorch", "no_such_script.py")
    assert done.returncode == 2 and "there is no file 'no_such_script.py'" in done.stderr
    assert python("-m", "ctorch").returncode == 2
    assert "usage: python -m ctorch script.py" in python("-m", "ctorch", "--help").stdout
