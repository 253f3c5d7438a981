"""The CUDA backend on the simulated device, under everything that finds mistakes: each leg must end well and report nothing.

    python tools/cuda_hostile.py [--quick] [LEG ...]

--quick: tests/cuda_walk.py alone, and only a part of its calls where they are slow.  The legs of the sanitizers first build
the backend and its kernels with them, and run that beside the ordinary core: build/hostile/LEG/ctorch.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WALK = [sys.executable, str(ROOT / "tests" / "cuda_walk.py")]
# A sanitizer that ends the process has written its report past pytest, if pytest leaves the file descriptor alone.
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--capture=sys"]
SUITE = [*PYTEST, "--device=cuda",
         *(str(ROOT / "tests" / f"test_{name}.py")
           for name in ("table", "autograd", "softmax_loss", "indexing", "optim", "edges"))]
STREAMS = [*PYTEST, str(ROOT / "tests" / "test_cuda.py")]
SANITIZED = {"asan": "address,undefined", "tsan": "thread"}
REPORT = re.compile(r"^ctsim:|ERROR: AddressSanitizer|runtime error:|WARNING: ThreadSanitizer", re.M)


def load_setup(leg):
    """setup.py as a module that makes sanitised objects."""
    os.environ.update(CC="gcc", CTORCH_SANITIZE=SANITIZED[leg])
    spec = importlib.util.spec_from_file_location("ctorch_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(leg):
    """A folder with a ctorch that is the ordinary one but for its simulated device."""
    os.chdir(ROOT)                   # setup.py's paths are relative
    setup, folder = load_setup(leg), Path("build", "hostile", leg)
    package = folder / "ctorch"
    package.mkdir(parents=True, exist_ok=True)
    cc, version, _ = setup.compiler()
    host = setup.setup_cuda.Host(cc, version, setup.LANGUAGE + setup.WARNINGS, setup.NUMERICS, setup.finishing_flags, False,
                                 SANITIZED[leg])
    made = setup.setup_cuda.sim_library(host)
    units = [setup.Unit(source, "", folder, command, made.version) for source, command in made.units]
    objects = setup.compile_all(units, folder, made.version, os.cpu_count())
    setup.place(setup.link(folder, made.name, made.link[0], objects, made.link[1]), package / made.name)
    for path in (ROOT / "ctorch").iterdir():
        if not path.name.startswith("_cuda") and not (package / path.name).is_symlink():
            (package / path.name).symlink_to(path)


def library(name):
    return subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()


def address_sanitizer():
    return {"PYTHONPATH": str(ROOT / "build/hostile/asan"), "PYTHONMALLOC": "malloc", "CTORCH_CUDA_ALLOC": "direct",
            "LD_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')}", "UBSAN_OPTIONS": "print_stacktrace=1",
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=0:handle_sigbus=0"}


def thread_sanitizer(blocks):
    return {"PYTHONPATH": str(ROOT / "build/hostile/tsan"), "LD_PRELOAD": library("libtsan.so"), "CTSIM_BLOCKS": blocks,
            "TSAN_OPTIONS": "exitcode=66:report_signal_unsafe=0"}


def runs_of(leg, quick):
    """(command, environment) of everything that a leg runs.  ThreadSanitizer's shadow memory needs fixed addresses."""
    suite = [] if quick else [SUITE]
    if leg == "asan":
        return [(command, address_sanitizer()) for command in [WALK, [*WALK, "--mixed"], [*WALK, "--failures", "10"], *suite]]
    if leg == "tsan":
        part = [*WALK, "5"] if quick else WALK
        return [(["setarch", "-R", *part], thread_sanitizer(blocks)) for blocks in ("ordered", "unordered")]
    if leg in ("reverse", "random"):
        order = {"CTSIM_SCHED": leg if leg == "reverse" else "random:7", "CTORCH_CUDA_ALLOC": "poison"}
        return [(command, order) for command in [WALK, *suite]]
    if leg == "lazy":
        lazy = [{"CTSIM_STREAMS": f"lazy:{seed}", "CTORCH_CUDA_ALLOC": "poison"} for seed in range(1, 6)]
        return [(WALK, settings) for settings in lazy] + ([] if quick else [(STREAMS, lazy[0])])
    return [([*WALK, "--failures", *(["5"] if quick else [])], {"CTORCH_CUDA_ALLOC": "direct"})]


LEGS = {
    "asan": "AddressSanitizer and UBSan, each tensor in memory of its own",
    "tsan": "ThreadSanitizer within blocks, and between them",
    "reverse": "blocks and threads from the last to the first",
    "random": "blocks and threads in random order",
    "lazy": "work that runs only when it is waited for, streams taking turns at random",
    "failures": "the n-th allocation or launch fails",
}


def run_leg(leg, quick):
    """Whether it ended well, without a report."""
    if leg in SANITIZED:
        build(leg)
    start, reports, good, said = time.monotonic(), 0, True, []
    for command, settings in runs_of(leg, quick):
        environment = {**os.environ, "CTORCH_CUDA": "sim", "PYTHONPATH": str(ROOT), **settings}
        done = subprocess.run(command, env=environment, cwd=ROOT / "tests", capture_output=True, text=True, errors="replace")
        found = len(REPORT.findall(done.stderr + done.stdout))
        reports += found
        good = good and done.returncode == 0 and found == 0
        said.append(done.stdout.strip().rpartition("\n")[2])
        if done.returncode != 0 or found:
            print(" ".join(command), settings, done.stdout[-6000:], done.stderr[-6000:], sep="\n")
    print(f"{leg:9}{reports} reports, {time.monotonic() - start:4.0f} s, {'passed' if good else 'FAILED'}: {'; '.join(said)}",
          flush=True)
    return good


def main(arguments):
    quick = "--quick" in arguments
    legs = [leg for leg in arguments if leg in LEGS] or [leg for leg in LEGS if not (leg == "tsan" and not has_setarch())]
    return 0 if all([run_leg(leg, quick) for leg in legs]) else 1


def has_setarch():
    if shutil.which("setarch"):
        return True
    print("tsan: SKIPPED, setarch is not here")
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
