"""Runs the test suite on the CPU and on the simulated CUDA device, both at once, and compares what passed.

    python tools/suite.py [pytest's options]

A test that passes on one of the two alone must be marked `cpu` or be named cuda: the rest of the difference is printed,
and fails.  The suite is for two cores: a run on each, the CPU's in the terminal, the other's shown when it has ended.
Where the simulated device cannot be built (it takes Linux and g++) only the CPU's run is left.
"""

import collections
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "suite"
NOTHING_COLLECTED = 5


def build_simulator():
    environment = {**os.environ, "CTORCH_BUILD_SIM": "1"}
    subprocess.run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=ROOT, env=environment, check=True)


def start(device, options, **settings):
    """The suite's process on a device, its outcomes going to outcomes_of(device)."""
    (FOLDER / f"{device}.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--device={device}", f"--outcomes={FOLDER / device}.json",
               "tests", "--ignore=tests/hard", "-m", "not slow", "-o", f"cache_dir={FOLDER / device}", *options]
    output = None if device == "cpu" else open(FOLDER / f"{device}.log", "w")
    return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output and subprocess.STDOUT,
                            env={**os.environ, **settings})


def outcomes_of(device):
    return json.loads((FOLDER / f"{device}.json").read_text())


def difference(cpu, cuda):
    """What is no fault of the difference, counted by reason, and the tests that pass on one device for no such reason."""
    passed_on_cpu, passed_on_cuda = ({test for test, outcome in run.items() if outcome == "passed"} for run in (cpu, cuda))
    reasons, unexplained = collections.Counter(), []
    for test in sorted(passed_on_cpu ^ passed_on_cuda):
        if "cuda" in test:
            reasons["named cuda"] += 1
        elif cuda.get(test) == "cpu":
            reasons["marked cpu"] += 1
        else:
            unexplained.append(f"{test}: {cpu.get(test, 'not run')} on cpu, {cuda.get(test, 'not run')} on cuda")
    return len(passed_on_cpu & passed_on_cuda), reasons, unexplained


def compare():
    both, reasons, unexplained = difference(outcomes_of("cpu"), outcomes_of("cuda"))
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    print(f"passed on cpu and on cuda: {both}; on one alone: {listed or 'none'}, {len(unexplained)} others")
    for line in unexplained:
        print("    " + line)
    return 1 if unexplained else 0


def main(options):
    FOLDER.mkdir(parents=True, exist_ok=True)
    if sys.platform != "linux" or not shutil.which("g++"):
        print("the simulated device takes Linux and g++: SKIPPED, the suite runs on the CPU alone")
        return start("cpu", options).wait()
    build_simulator()
    begin = time.monotonic()
    cuda = start("cuda", options, CTORCH_CUDA="sim", CTORCH_NUM_THREADS="1")
    statuses = [start("cpu", options).wait(), cuda.wait()]
    print((FOLDER / "cuda.log").read_text())
    if statuses == [NOTHING_COLLECTED] * 2:
        return NOTHING_COLLECTED
    status = compare()
    print(f"both together: {time.monotonic() - begin:.0f} s")
    return max(status, *(0 if code == NOTHING_COLLECTED else code for code in statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
