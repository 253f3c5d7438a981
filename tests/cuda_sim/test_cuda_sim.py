"""The simulated CUDA device finds every bug that is planted in bugs.cu, and nothing in the correct kernels.

Each planted bug is looked for twice: as it stands, and with the detector that is to find it switched off or left
out.  The second run must find nothing, so a test cannot pass for another reason than its detector.  The programs are
built by the commands of setup_cuda.py: plainly, for AddressSanitizer and UBSan, and for ThreadSanitizer.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.unsanitized,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("g++"),
                       reason="the simulated device needs g++ and Linux"),
]

PROGRAMS = sorted(path.relative_to(ROOT) for path in HERE.glob("*.cu"))
SANITIZERS = {"plain": "", "ucontext": "", "asan": "address,undefined", "tsan": "thread"}
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0",
    "TSAN_OPTIONS": "exitcode=66:atexit_sleep_ms=0:report_signal_unsafe=0",
}


def load_setup():
    spec = importlib.util.spec_from_file_location("ctorch_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = ROOT / "build" / "cuda_sim"


def build(kind):
    """The test programs of one kind.  Objects stay in build/, so only the first run compiles."""
    setup = load_setup()
    sanitize = SANITIZERS[kind]
    checks = [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer"] if sanitize else []

    def finish(sanitize=True):
        return ["-O1", "-g", "-Werror", *(checks if sanitize else [])]

    def compile_in(folder, pairs):
        (BUILD / folder).mkdir(parents=True, exist_ok=True)
        units = [setup.Unit(path, "", BUILD / folder, command, library.version) for path, command in pairs]
        return setup.compile_all(units, BUILD / folder, library.version, os.cpu_count())

    host = setup.setup_cuda.Host(["gcc"], "gcc", setup.LANGUAGE, setup.NUMERICS, finish, False, sanitize)
    library = setup.setup_cuda.sim_library(host)
    simulator = [(path, command) for path, command in library.units if path.suffix == ".cpp"]
    kernels = setup.setup_cuda.sim_kernel_command(host)
    objects = compile_in("simulator", simulator)
    objects += compile_in(kind if sanitize else "plain", [(path, kernels) for path in PROGRAMS])
    if kind == "ucontext":           # the switch for other processors than x86-64
        fibers = [(path, [*command, "-DCTSIM_UCONTEXT"]) for path, command in simulator if path.stem == "fiber"]
        objects = [name for name in objects if "fiber" not in name] + compile_in(kind, fibers)
    command = setup.setup_cuda.cxx(host)
    return setup.link(BUILD / kind, "programs", [*command, "-pthread", *checks], objects, [])


class Programs:
    """Runs programs by name, each kind built when it is first needed."""

    def __init__(self):
        self.built = {}

    def __call__(self, name, kind="plain", **settings):
        if kind not in self.built:
            before = os.getcwd()
            os.chdir(ROOT)               # setup.py's paths are relative
            try:
                self.built[kind] = build(kind).resolve()
            finally:
                os.chdir(before)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CTSIM_", "CTORCH_", "LD_PRELOAD"))}
        # ThreadSanitizer's shadow memory cannot bear an address space that is laid out at random.
        steady = ["setarch", "-R"] if kind == "tsan" and shutil.which("setarch") else []
        return subprocess.run([*steady, self.built[kind], name], cwd=ROOT, env={**clean, **OPTIONS, **settings},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


@pytest.fixture(scope="module")
def programs():
    return Programs()


def line_of(label):
    """Where bugs.cu has the comment that names a line."""
    lines = (HERE / "bugs.cu").read_text().splitlines()
    return next(f"tests/cuda_sim/bugs.cu:{n}" for n, line in enumerate(lines, 1) if f"line: {label} */" in line)


LINE = re.compile(r"<([\w-]+)>")


def expand(pattern):
    """<label> stands for the file and line that the label marks."""
    return LINE.sub(lambda found: re.escape(line_of(found[1])), pattern)


KERNELS = {
    "add": "error 0.0e+00\n",
    "sum": "error 6.8e-08\nvalue -42.8711815\n",
    "softmax": "error 1.3e-07\n",
    "transpose": "error 0.0e+00\n",
    "graph": "captured 1\nnodes 2 inside 36 outside 1\n",
    "broken_captures": "synchronize 900\nend 901\nmalloc 900\nend 901\nunjoined 904\nrelaxed malloc 0\nend 0\n"
                       "not begun 903\n",
    "votes": "49249249 92492492 16 16 6 329 \n",
    "atomics": "1000 250 999\n",
    "blocks": "wrong 0\n",
    "beside_an_argument": "flag 1\n",
    "products": "error 0.0e+00\n" * 6 + "statuses 7 15 1\n",
    "events": "query 0 called 1 elapsed 1\nafter reset 400\n",
    "pinned": "types 0 1 2\nregistered 712 0 713\nwritten 5\n",
    "present_barrier": "nans 0\n",
    "present_event_wait": "wrong 0\n",
}
SCHEDULES = [{}, {"CTSIM_SCHED": "reverse", "CTSIM_STREAMS": "lazy"},
             {"CTSIM_SCHED": "random:3", "CTSIM_STREAMS": "lazy:7"}]


@pytest.mark.parametrize("settings", SCHEDULES, ids=["forward", "reverse", "random"])
@pytest.mark.parametrize("name", KERNELS)
def test_correct_kernels(name, settings, programs):
    done = programs(name, **settings)
    assert (done.stdout, done.stderr, done.returncode) == (KERNELS[name], "", 0)


@pytest.mark.parametrize("kind, settings", [("ucontext", {}), ("asan", {}), ("tsan", SCHEDULES[2]),
                                            ("tsan", {"CTSIM_BLOCKS": "unordered"})],
                         ids=["ucontext", "asan", "tsan", "tsan-unordered"])
@pytest.mark.parametrize("name", KERNELS)
def test_correct_kernels_raise_no_alarm(name, kind, settings, programs):
    done = programs(name, kind, **settings)
    assert (done.stdout, done.stderr, done.returncode) == (KERNELS[name], "", 0)


# Each row: the program, what must be said, the setting that switches its detector off, what is said then.
BUGS = [
    ("missing_barrier", r"nans 32\n", "poison", r"nans 0\n"),
    ("unwritten_shared", r"nans 1\n", "poison", r"nans 0\n"),
    ("unwritten_global", r"nans 1\n", "poison", r"nans 0\n"),
    ("divergent_barrier", r"divergent __syncthreads: thread \(0,0,0\) is at __syncthreads at <barrier-1>, thread "
     r"\(32,0,0\) at __syncthreads at <barrier-2>; kernel diverge, block \(0,0,0\)\nlaunch 0\nsynchronize 719\n",
     "lines", r"launch 0\nsynchronize 0\n"),
    ("barrier_and_shuffle", r"deadlock: thread \(0,0,0\) is at __syncthreads at <deadlock-1>, thread \(1,0,0\) at "
     r"a shuffle at <deadlock-2>; kernel wait_for_each_other, .*\nsynchronize 719\n",
     "deadlock", r"synchronize 999\n"),
    ("mask_of_exited_lanes", r"lane ended that is in the mask .* at <exited-lanes>; kernel shuffle_after_return, "
     r"block \(0,0,0\), thread \(20,0,0\)\nsynchronize 719\n", "masks,deadlock", r"synchronize 999\n"),
    ("mask_of_absent_lanes", r"the mask of a collective names lanes that have ended or never were at <short-warp>; kernel .*\n"
     r"synchronize 719\n", "masks,deadlock", r"synchronize 999\n"),
    ("dynamic_shared_out_of_bounds", r"illegal write at 0x\w+, behind the block's dynamic shared memory; kernel "
     r"dynamic_index, block \(0,0,0\), thread \(32,0,0\)\nsynchronize 700\n", "guard", r"synchronize 0\n"),
    ("write_past_the_end", r"illegal write at 0x\w+, byte 256 of a block of 256 bytes on device 0; kernel fill, "
     r"block \(1,0,0\), thread \(0,0,0\)\nlaunch 0\nsynchronize 700\nsynchronize 700\nreset 0\nafter 5\n",
     "guard", r"launch 0\nsynchronize 0\nsynchronize 0\nreset 0\nafter 5\n"),
    ("write_into_the_slack", r"bytes behind a block of 244 bytes at 0x\w+ were written by kernel fill\n"
     r"synchronize 700\n", "slack", r"synchronize 0\n"),
    ("write_before_the_start", r"bytes in front of a block of 256 bytes at 0x\w+ were written by kernel write_at\n"
     r"synchronize 700\n", "slack", r"synchronize 0\n"),
    ("use_after_free", r"illegal write at 0x\w+, byte 12 of a freed block of 256 bytes on device 0; kernel "
     r"write_at, .*\nsynchronize 700\n", "guard", r"synchronize 0\n"),
    ("misaligned_vector", r"16 bytes at 0x\w+, which is not aligned to 16, at <misaligned>; kernel load_vector, "
     r".*\nsynchronize 716\n", "align", r"((?!.*bugs\.cu).*\n)*"),
    ("launch_limits", r"(.*\n)*threads 9\ngrid 9\nshared 1\nopted in 0\nempty 9\n", "validate", r""),
    ("host_pointer_argument", r"launch of write_at: argument 0, 0x\w+, is a pointer to host memory\n"
     r"launch 1\nx 7\n", "args", r"launch 0\nx 1\n"),
    ("host_pointer_in_a_struct", r"launch of write_slot: 0x\w+ in a struct of its arguments is a pointer to host memory\n"
     r"launch 1\nx 7\n", "args", r"launch 0\nx 1\n"),
    ("host_reads_device_memory", r"host code touched device memory: 0x\w+, byte 4 of a block of 12 bytes on "
     r"device 0\n", "host", r""),
]


@pytest.mark.parametrize("name, said, detector, otherwise", BUGS, ids=[bug[0] for bug in BUGS])
def test_planted_bug(name, said, detector, otherwise, programs):
    done = programs(name)
    assert re.fullmatch("(ctsim: )?" + expand(said), done.stderr + done.stdout)
    done = programs(name, CTSIM_OFF=detector)
    assert re.fullmatch(otherwise, done.stderr + done.stdout)


# Bugs that a setting brings to light: without it, the same program ends well.
SETTINGS = [
    ("pinned_read_too_early", {"CTSIM_STREAMS": "lazy"}, "early 0\nlate 10\n", "early 10\nlate 10\n"),
    ("pinned_reused_too_early", {"CTSIM_STREAMS": "lazy"}, "copied 2\n", "copied 1\n"),
    ("missing_event_wait", {"CTSIM_STREAMS": "lazy:1"}, "wrong 20\n", "wrong 0\n"),
    ("missing_barrier", {"CTSIM_SCHED": "reverse"}, "nans 32\n", "nans 32\n"),
    ("out_of_memory", {"CTSIM_MEM": "1048576"}, "first 0\nsecond 2\nsmall 0\nfree 331776 of 1048576\n",
     "first 0\nsecond 0\nsmall 0\nfree 2146152448 of 2147483648\n"),
    ("calls_that_fail", {"CTSIM_FAIL": "cudaMalloc:2:2"}, "malloc 0\nmalloc 2\nmalloc 0\nlast 2\nlast 0\n",
     "malloc 0\nmalloc 0\nmalloc 0\nlast 0\nlast 0\n"),
    ("calls_that_fail", {"CTSIM_FAIL": "cudaFree:1:1,cudaMalloc:2+:999"},
     "malloc 0\nmalloc 999\nmalloc 999\nlast 999\nlast 0\n", "malloc 0\nmalloc 0\nmalloc 0\nlast 0\nlast 0\n"),
    ("devices", {"CTSIM_DEVICES": "-1"}, "status 35\ncount 0\nmalloc 35\nsecond 35\n",
     "status 0\ncount 1\nmalloc 0\nsecond 101\n"),
    ("devices", {"CTSIM_DEVICES": "0"}, "status 100\ncount 0\nmalloc 100\nsecond 100\n",
     "status 0\ncount 1\nmalloc 0\nsecond 101\n"),
    ("devices", {"CTORCH_CUDA": "sim:2"}, "status 0\ncount 2\nmalloc 0\nsecond 0\n",
     "status 0\ncount 1\nmalloc 0\nsecond 101\n"),
    ("products", {"CTSIM_BLAS": "0"}, "no cuBLAS\n", KERNELS["products"]),
]


@pytest.mark.parametrize("name, settings, with_it, without", SETTINGS,
                         ids=[f"{row[0]}-{'-'.join(row[1].values())}" for row in SETTINGS])
def test_setting(name, settings, with_it, without, programs):
    assert programs(name, **settings).stdout == with_it
    assert programs(name).stdout == without


def test_memory_of_another_device(programs):
    done = programs("memory_of_another_device", CTSIM_DEVICES="2")
    assert re.fullmatch(r"ctsim: illegal write at 0x\w+, byte 0 of a block of 16 bytes on device 0; kernel write_at, "
                        r".*\nsynchronize 700\nthe other 0\n", done.stderr + done.stdout)


@pytest.mark.parametrize("name, said", [
    ("free_twice", r"cudaFree\(0x\w+\): byte 0 of a freed block of 256 bytes on device 0\nfree 1\n"),
    ("copy_out_of_range", r"cudaMemcpy: 260 bytes from 0x\w+ do not lie in one block; it is byte 0 of a block of "
     r"256 bytes on device 0\nctsim: cudaMemcpy: from host .*\ncopy 1\ndirection 1\n"),
    ("product_out_of_range", r"cublasDgemm: 72 bytes from 0x\w+ do not lie in one block; it is byte 0 of a block of 64 "
     r"bytes on device 0\nstatus 0\nsynchronize 700\n"),
    ("division_by_zero", r"integer division by zero; kernel divide, .*\nsynchronize 719\n"),
    ("stack_overflow", r"a thread's stack overflowed; kernel dive, .*\nsynchronize 700\n"),
])
def test_misuse(name, said, programs):
    done = programs(name)
    assert re.fullmatch("ctsim: " + said, done.stderr + done.stdout)


def test_index_of_a_shared_array(programs):
    found = programs("shared_out_of_bounds", "asan")
    assert f"{line_of('shared-index')}:" in found.stderr
    assert "index 32 out of bounds for type 'float [32]'" in found.stderr
    assert programs("shared_out_of_bounds").stderr == ""


def test_race_within_a_block(programs):
    found = programs("missing_barrier", "tsan")
    assert found.returncode == 66 and "data race" in found.stderr
    assert re.search(r"#0 reverse\(.*\) tests/cuda_sim/bugs\.cu:\d+", found.stderr)
    assert programs("present_barrier", "tsan").returncode == 0


def test_race_between_blocks(programs):
    found = programs("blocks_write_one_word", "tsan", CTSIM_BLOCKS="unordered")
    assert found.returncode == 66 and "data race" in found.stderr and line_of("block-race") in found.stderr
    assert programs("blocks_write_one_word", "tsan").returncode == 0


def test_a_failed_kernel_under_the_race_detector(programs):
    done = programs("divergent_barrier", "tsan")
    assert done.returncode == 0 and "divergent" in done.stderr and "data race" not in done.stderr


def test_wrong_settings_are_refused(programs):
    for name, value in [("CTSIM_SCHED", "sideways"), ("CTSIM_STREAMS", "slow"), ("CTSIM_DEVICES", "9"),
                        ("CTSIM_FAIL", "cudaMalloc")]:
        done = programs("atomics", **{name: value})
        assert done.returncode < 0 and f"ctsim: {name}={value} is not one of" in done.stderr


PYTHON = """
import ctypes, faulthandler, sys
faulthandler.enable()
library = ctypes.CDLL(sys.argv[1])
library.twelve_bytes.restype = ctypes.c_void_p
ctypes.string_at(library.twelve_bytes(), 4)    # the mistake
"""


def test_python_shows_its_line(programs, tmp_path):
    """faulthandler's turn comes after the simulator's: the report, then Python's line."""
    programs("atomics")
    objects = [path for folder in ("simulator", "plain")
               for path in sorted((BUILD / folder).glob("*.o"))]
    library, script = tmp_path / "programs.so", tmp_path / "script.py"
    subprocess.run(["g++", "-shared", *objects, "-o", library], check=True)
    script.write_text(PYTHON)
    done = subprocess.run([sys.executable, script, library], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    assert re.search(r"ctsim: host code touched device memory: 0x\w+, byte 0 of a block of 12 bytes", done.stdout)
    assert re.search(r'script\.py", line 6 in <module>', done.stdout)
