"""No op computes on the host: with a device from which no more than a number can be read at a time, every op runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from device_calls import CALLS as FURTHER
from op_calls import CALLS

import ctorch

ROOT = Path(__file__).resolve().parent.parent
SIM = Path(ctorch.__file__).parent / "_cuda_sim.so"
pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not SIM.exists(), reason="make cuda-sim builds the simulated device")]

# What may be read: 8 bytes, which is a number that decides a size, an error or a Python value; and beyond that
TWO_NUMBERS = {"i.bincount()", "i.bincount(v.detach())", "F.one_hot(i, 3)"}              # the range of indices
ALL_OF_IT = ["x.tolist()", "x.cpu()", "x.to('cpu')", "str(x)"]
# Rows that users do not call: other ops of the lists reach them.
INNER = re.compile(r"_|linalg_|(?:bce|mse|huber|smooth_l1|soft_margin|prelu|gelu|div)_")

PROGRAM = f"""
import os, sys, warnings
sys.path.insert(0, {str(ROOT / "tests")!r})
import ctorch as torch
from op_calls import CALLS, scope
from device_calls import CALLS as FURTHER
import test_cuda_readback as lists
warnings.simplefilter("ignore")
torch.set_default_device("cuda")

def refused(text, most):
    names = scope(torch)
    os.environ["CTSIM_READBACK"] = str(most)
    try:
        result = eval(text, names)
        parts = result if isinstance(result, (tuple, list)) else [result]
        for part in parts:
            if isinstance(part, torch.Tensor) and part.requires_grad:
                part.sum().backward(retain_graph=True)
    except RuntimeError as problem:
        assert "CUDA error" in str(problem), (text, problem)
        return True
    finally:
        os.environ["CTSIM_READBACK"] = ""
    return False

for text in CALLS + FURTHER:
    if refused(text, 16 if text in lists.TWO_NUMBERS else 8):
        print(text)
for text in lists.TWO_NUMBERS:
    assert refused(text, 8), text
for text in lists.ALL_OF_IT:
    assert refused(text, 8), text
"""


def test_no_op_reads_its_operands_on_the_host():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "CTORCH_CUDA": "sim", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == [""]


def test_every_op_is_among_the_calls():
    rows = set()
    for path in (ROOT / "csrc/abi").glob("ops*.def"):
        table = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
        rows |= set(re.findall(r"^OP\s*\(\s*\w+\s*,\s*(\w+)", table, re.M))
        rows |= set(re.findall(r"^(?:UNARY|BINARY|TERNARY|COMPARE|PREDICATE)\s*\(\s*(\w+)", table, re.M))
    called = set(re.findall(r"\w+", "\n".join(CALLS + FURTHER)))
    assert len(rows) > 300
    assert sorted(row for row in rows if not {row, row + "_", row.rstrip("_")} & called and not INNER.match(row)) == []
