"""The lecture, script and notebook: it prints what the slides print, and what it trains can read."""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

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


def lecture(folder, *options):
    """What the script prints when it is run in `folder`."""
    for extra in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(extra)
    command = [sys.executable, str(ROOT / "examples" / "lecture.py"), "--device", "cpu", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(output):
    """The MLP's last test accuracy, in per cent."""
    return float(re.search(r"^MLP: .* test accuracy ([\d.]+) %", output, re.MULTILINE).group(1))


def test_slides_accuracy_and_plot(tmp_path):
    outputs = [lecture(tmp_path, "--seed", str(seed)) for seed in range(5)]
    assert outputs[0].startswith(SLIDE)
    assert "Can't call numpy() on Tensor that requires grad" in outputs[0]
    assert len(re.findall(r"MLP epoch +\d+: loss", outputs[0])) == 20
    reached = [accuracy(output) for output in outputs]
    assert statistics.median(reached) >= 97.0 and min(reached) >= 96.0, reached
    assert (tmp_path / "lecture.png").read_bytes().startswith(b"\x89PNG")


def test_shuffled_labels_teach_nothing(tmp_path):
    assert accuracy(lecture(tmp_path, "--shuffle-labels", "--epochs", "10")) <= 20.0


def test_notebook_is_up_to_date():
    command = [sys.executable, str(ROOT / "tools" / "make_notebook.py"), "--check"]
    assert subprocess.run(command, capture_output=True).returncode == 0


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
