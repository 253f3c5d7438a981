"""The lecture, script and notebook: it prints what the slides print, and what it trains can read."""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import ctorch
import pytest

ROOT = Path(__file__).parent.parent
SLIDE = """\
x = tensor([[1., 1.],
        [1., 1.]], requires_grad=True)
y = tensor([[3., 3.],
        [3., 3.]], grad_fn=<AddBackward0>)
z = tensor([[27., 27.],
        [27., 27.]], grad_fn=<MulBackward0>)
o = tensor(27., grad_fn=<MeanBackward0>)
x.grad = tensor([[4.5000, 4.5000],
        [4.5000, 4.5000]])
"""


@pytest.fixture
def device(pytestconfig):
    return pytestconfig.getoption("--device")


def lecture(folder, device, *options):
    """What the script prints when it is run in `folder`."""
    for extra in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(extra)
    command = [sys.executable, str(ROOT / "examples" / "lecture.py"), "--device", device, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(output):
    """The MLP's last test accuracy, in per cent."""
    return float(re.search(r"^MLP: .* test accuracy ([\d.]+) %", output, re.MULTILINE).group(1))


def test_slides_and_plot(tmp_path, device):
    printed = lecture(tmp_path, device)
    assert printed.startswith(SLIDE)
    assert "Can't call numpy() on Tensor that requires grad" in printed
    where, name, epochs = ("cpu", "the CPU", 20) if device == "cpu" else ("cuda:0", ctorch.cuda.get_device_name(device), 5)
    assert f"computed on {where}: ndarray of shape (3, 2)\n" in printed and f"training on {name}\n" in printed
    assert len(re.findall(r"MLP epoch +\d+: loss", printed)) == epochs
    assert accuracy(printed) >= (96.0 if device == "cpu" else 93.0)
    assert (tmp_path / "lecture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.cpu
@pytest.mark.slow
def test_accuracy(tmp_path):
    outputs = [lecture(tmp_path, "cpu", "--seed", str(seed)) for seed in range(5)]
    reached = [accuracy(output) for output in outputs]
    assert statistics.median(reached) >= 97.0 and min(reached) >= 96.0, reached


def test_shuffled_labels_teach_nothing(tmp_path, device):
    epochs = "10" if device == "cpu" else "2"
    assert accuracy(lecture(tmp_path, device, "--shuffle-labels", "--epochs", epochs)) <= 20.0


@pytest.mark.cpu
def test_notebook_is_up_to_date():
    command = [sys.executable, str(ROOT / "tools" / "make_notebook.py"), "--check"]
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.cpu
def test_notebook_runs(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(ROOT / "examples" / "lecture.ipynb", as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
                      if output.get("name") == "stdout")  # a slow machine's warnings come on stderr, at any time
    assert printed.startswith(SLIDE) and accuracy(printed) >= 96.0
    assert os.path.exists(tmp_path / "lecture.png")
