"""A few seconds of bad-argument fuzzing; tools/fuzz_args.py runs longer."""

import os
import subprocess
import sys
from pathlib import Path

import ctorch
import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "fuzz_args.py"


@pytest.mark.cpu
@pytest.mark.slow
def test_no_call_kills_the_process():
    same = {**os.environ, "PYTHONPATH": str(Path(ctorch.__file__).parent.parent)}  # the ctorch that is under test
    done = subprocess.run([sys.executable, TOOL, "--n", "30000", "--seed", "0"], env=same, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    calls, succeeded = done.stdout.splitlines()[-1].split(" calls of ")[0], done.stdout.splitlines()[-1].split(", ")[1]
    assert int(calls) == 30000
    assert int(succeeded.partition("%")[0]) >= 20, "too few calls succeed for the fuzzing to reach the kernels"
