"""How ctorch is built: what setup.py compiles and when, what the wheel holds, whether the stubs are fresh.

The compiling is tried on a tree of four small C files, so that a test takes seconds and can break things.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.cpu

ROOT = Path(__file__).resolve().parent.parent
WHEEL_LIMIT = 1_500_000

SIX = "int six(void);\nint six(void) {{ {} }}\n"
TREE = {
    "README.md": "A small tree.\n",
    "ctorch/__init__.py": '__version__ = "9.8.7"\nfrom ctorch._C import answer\n',
    "ctorch/_C.pyi": "def answer() -> int: ...\n",
    "csrc/abi/isa.h": """#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define ISA_NAME(x) JOIN(x, ISA)
""",
    "csrc/ctorch.h": "#include <Python.h>\nint seven_baseline(void);\n",
    "csrc/kernels/seven.c": """#include "abi/isa.h"
int ISA_NAME(seven)(void);
int ISA_NAME(seven)(void) { return 7; }
""",
    "csrc/core/six.c": SIX.format("return 6;"),
    "csrc/module.c": """#include "ctorch.h"
int six(void);
static PyObject *answer(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return PyLong_FromLong(six() * seven_baseline());
}
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", NULL, 0, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
""",
}


def output_of(command, **options):
    """The finished process, with both of its streams in stdout."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


@pytest.fixture
def setup_py():
    """setup.py as a module; it does nothing unless it is the program."""
    spec = importlib.util.spec_from_file_location("ctorch_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Tree:
    def __init__(self, root):
        self.root = root
        for name, text in TREE.items():
            self.write(name, text)
        for name in ("setup.py", "setup_cuda.py", "pyproject.toml", "LICENSE"):
            shutil.copy(ROOT / name, root)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *command, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CTORCH_") and "FLAGS" not in k}
        return output_of([sys.executable, *command], cwd=self.root, env={**clean, **environment})

    def build(self, **environment):
        """Builds in place and returns the names of the objects that were compiled."""
        done = self.run("setup.py", "--quiet", "build_ext", "--inplace", **environment)
        assert done.returncode == 0, done.stdout
        return sorted(re.findall(r"^  csrc/(\S+(?: \w+)?)$", done.stdout, re.M))

    def library(self):
        return next((self.root / "ctorch").glob("_C*.so"))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_builds_each_kernel_per_instruction_set_and_only_what_changed(tree, setup_py):
    kernels = sorted(f"kernels/seven.c {isa}" for isa in setup_py.ISAS)
    assert tree.build() == sorted(["core/six.c", "module.c", *kernels])
    assert tree.run("-c", "import ctorch; print(ctorch.answer())").stdout == "42\n"

    before = tree.library().stat().st_ino
    assert tree.build() == []
    assert tree.library().stat().st_ino == before

    os.utime(tree.root / "csrc/ctorch.h")
    assert tree.build() == ["module.c"]
    os.utime(tree.root / "csrc/abi/isa.h")
    assert tree.build() == kernels
    tree.write("csrc/core/six.c", SIX.format("return 5;"))
    assert tree.build() == ["core/six.c"]
    assert tree.run("-c", "import ctorch; print(ctorch.answer())").stdout == "35\n"

    everything = tree.build(CFLAGS="-DUNUSED")
    assert len(everything) == len(kernels) + 2
    assert len(tree.build(CTORCH_DEBUG="1")) == len(everything)
    assert tree.build(CTORCH_DEBUG="1") == []


def test_an_interrupted_build_is_finished_by_the_next(tree):
    tree.build()
    tree.write("csrc/core/six.c", SIX.format("return 4;"))
    tree.write("csrc/module.c", TREE["csrc/module.c"] + "#error stop\n")
    done = tree.run("setup.py", "--quiet", "build_ext", "--inplace")
    assert done.returncode != 0 and "#error stop" in done.stdout
    assert "1 of" in done.stdout.splitlines()[-1]
    tree.write("csrc/module.c", TREE["csrc/module.c"])
    assert tree.build() == ["module.c"]
    assert tree.run("-c", "import ctorch; print(ctorch.answer())").stdout == "28\n"


def test_warnings_are_errors_only_when_asked(tree):
    tree.write("csrc/core/six.c", SIX.format("int unused; return 6;"))
    assert "core/six.c" in tree.build()
    done = tree.run("setup.py", "--quiet", "build_ext", "--compile-only", CTORCH_WERROR="1")
    assert done.returncode != 0 and "unused" in done.stdout


def test_kernels_cannot_include_python(tree):
    tree.write("csrc/kernels/seven.c", "#include <Python.h>\n" + TREE["csrc/kernels/seven.c"])
    done = tree.run("setup.py", "--quiet", "build_ext", "--inplace")
    assert done.returncode != 0 and "Python.h" in done.stdout


PLANTED = {
    "out of bounds": "static int a[6]; volatile int i = 6; return a[i];",
    "heap-buffer-overflow": "int *volatile a = malloc(24); int i = a[6]; free(a); return i;",
    "heap-use-after-free": "int *volatile a = malloc(24); free(a); return a[0];",
}


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc"), reason="needs gcc's sanitisers")
@pytest.mark.parametrize("report", PLANTED)
def test_the_hostile_build_reports(report, tree):
    tree.write("csrc/core/six.c", "#include <stdlib.h>\n" + SIX.format(PLANTED[report]))
    tree.build(CC="gcc", CTORCH_SANITIZE="address,undefined")
    runtimes = [output_of(["gcc", f"-print-file-name={name}"]).stdout.strip()
                for name in ("libasan.so", "libubsan.so")]
    done = tree.run("-c", "import ctorch; ctorch.answer()", LD_PRELOAD=" ".join(runtimes),
                    PYTHONMALLOC="malloc", ASAN_OPTIONS="detect_leaks=0")
    assert done.returncode != 0 and "six.c:3" in done.stdout and report in done.stdout


def test_what_is_optimised_when_linked_is_there(setup_py):
    assert all(Path(setup_py.__file__).parent.joinpath(name).exists() for name in setup_py.CALL_PATH)
    for name, gcc, at_link_time in (("frame", True, True), ("frame", False, False), ("sort", True, False)):
        assert ("-flto" in setup_py.flags_of(Path(f"csrc/ops/{name}.c"), "", gcc)) == at_link_time


def test_random_kernels_alone_never_fuse(setup_py):
    def contraction(name):
        flags = setup_py.flags_of(Path("csrc/kernels", name), "baseline")
        return [flag for flag in flags if flag.startswith("-ffp-contract")][-1]

    assert contraction("random.c") == "-ffp-contract=off"
    assert contraction("pointwise.c") == "-ffp-contract=fast"


# ---- the CUDA libraries, on a tree with a backend of two files and a toolkit that is a shell script ----

BACKEND = {
    "csrc/abi/erf_table.c": "const double erf_table[1] = {0};\n",
    "csrc/cuda/backend.c": """#include <cuda_runtime_api.h>
int launch(void);
__attribute__((visibility("default"))) int ct_cuda_backend;
__attribute__((constructor)) static void begin(void) { ct_cuda_backend = launch() + DEVICE; }
""",
    "csrc/cuda/launch.cu": """#ifdef __cplusplus
extern "C"
#endif
int launch(void);
int launch(void) { return 40; }
""",
    "csrc/cuda/sim/cuda_runtime_api.h": "#define DEVICE 1\n",
    "csrc/cuda/sim/device.cpp": "namespace { [[maybe_unused]] int device; }\n",
    "csrc/cuda/exports.map": "{ global: ct_cuda_backend; local: *; };\n",
    "toolkit/include/cuda_runtime_api.h": "#define DEVICE 2\n",
}
NVCC = """#!/bin/sh
top=$(dirname "$(dirname "$0")")
echo "$@" >> "$top/calls"
case "$*" in
--version) echo "release 13.0, V13.0.0"; exit ;;
*--dryrun*) echo "#$ TOP=$top/bin/.." >&2; exit ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
    -MF) depfile=$2 ;;
    -c) source=$2 ;;
    -o) object=$2 ;;
    esac
    shift
done
gcc -x c -fPIC -MMD -MF "$depfile" -c "$source" -o "$object"
"""


@pytest.fixture
def cuda_tree(tree):
    if sys.platform != "linux" or not shutil.which("g++"):
        pytest.skip("the CUDA libraries are built on Linux, here by g++")
    for name, text in {**BACKEND, "toolkit/bin/nvcc": NVCC}.items():
        tree.write(name, text)
    (tree.root / "toolkit/bin/nvcc").chmod(0o755)
    (tree.root / "toolkit/lib").mkdir()             # as pip's packages have it; a toolkit has lib64
    subprocess.run(["ar", "rc", tree.root / "toolkit/lib/libcudart_static.a"], check=True)
    return tree


def backend_value(library):
    program = "from ctypes import *; import sys; print(c_int.in_dll(CDLL(sys.argv[1]), 'ct_cuda_backend').value)"
    return int(output_of([sys.executable, "-c", program, library]).stdout)


def test_cuda_library_is_built_where_nvcc_is(cuda_tree):
    nvcc = str(cuda_tree.root / "toolkit/bin/nvcc")
    cuda_tree.build(CC="gcc", CTORCH_NVCC=nvcc, CTORCH_CUDA_ARCH="80;90")
    library = cuda_tree.root / "ctorch/_cuda.so"
    assert backend_value(library) == 42
    listing = output_of(["nm", "-D", "--defined-only", library]).stdout
    assert re.fullmatch(r"\w+ B ct_cuda_backend\n", listing)
    calls = cuda_tree.root / "toolkit/calls"
    assert "-gencode=arch=compute_80,code=[sm_80] -gencode=arch=compute_90,code=[sm_90]" in calls.read_text()
    assert cuda_tree.build(CC="gcc", CTORCH_NVCC=nvcc, CTORCH_CUDA_ARCH="80;90") == []
    assert cuda_tree.build(CC="gcc", CTORCH_NVCC=nvcc, CTORCH_CUDA_ARCH="all") == ["cuda/launch.cu"]
    assert "code=[sm_75,sm_80] -gencode=arch=compute_90,code=[sm_90,sm_100,sm_120,compute_90]" in calls.read_text()

    cuda_tree.build(CC="gcc", CTORCH_BUILD_CUDA="0", CTORCH_NVCC=nvcc)
    assert not library.exists() and not list((cuda_tree.root / "build").glob("lib*/ctorch/_cuda*"))


CARDS = [("8.6\n9.0\n9.0\n", "-gencode=arch=compute_86,code=[sm_86] -gencode=arch=compute_90,code=[sm_90]"),
         ("", "-gencode=arch=compute_75,code=[sm_75,compute_75]")]


@pytest.mark.parametrize("said, flags", CARDS, ids=["cards", "no card"])
def test_kernels_are_for_the_cards_that_are_here(said, flags, cuda_tree):
    """Without one: for the oldest, with PTX from which the driver of any other makes its own."""
    cuda_tree.write("toolkit/bin/nvidia-smi", f"#!/bin/sh\nprintf '{said}'\n")
    (cuda_tree.root / "toolkit/bin/nvidia-smi").chmod(0o755)
    cuda_tree.build(CC="gcc", PATH=f"{cuda_tree.root / 'toolkit/bin'}:{os.environ['PATH']}")
    calls = (cuda_tree.root / "toolkit/calls").read_text()
    assert f"{flags} -Icsrc" in calls and "compress" not in calls


def test_a_release_is_for_every_generation(setup_py, monkeypatch):
    monkeypatch.setenv("CTORCH_CUDA_ARCH", "all")
    flags = " ".join(setup_py.setup_cuda.arch_flags())
    assert re.findall(r"sm_\d+", flags) == ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"]
    assert re.findall(r",(compute_\d+)", flags) == ["compute_90"] and "-compress-mode=size" in flags


def test_nvcc_of_pip_s_packages_is_found(cuda_tree):
    shutil.copytree(cuda_tree.root / "toolkit", cuda_tree.root / "packages/nvidia/cu13")
    empty = cuda_tree.root / "empty"
    empty.mkdir()
    for tool in ("gcc", "g++", "ld", "as", "ar", "dirname", "sh"):
        (empty / tool).symlink_to(shutil.which(tool))
    cuda_tree.build(CC="gcc", PATH=str(empty), PYTHONPATH=str(cuda_tree.root / "packages"))
    assert (cuda_tree.root / "ctorch/_cuda.so").exists()


def test_cuda_home_and_path_name_nvcc(cuda_tree):
    toolkit = cuda_tree.root / "toolkit"
    for environment in ({"CUDA_HOME": str(toolkit)}, {"PATH": f"{toolkit / 'bin'}:{os.environ['PATH']}"}):
        cuda_tree.build(CC="gcc", **environment)
        assert (cuda_tree.root / "ctorch/_cuda.so").exists()
        cuda_tree.build(CC="gcc", CTORCH_BUILD_CUDA="0", **environment)


def test_without_nvcc_one_line_is_said(cuda_tree):
    build = ["setup.py", "--quiet", "build_ext", "--inplace"]
    absent = {"CC": "gcc", "CTORCH_NVCC": "no-such-nvcc"}
    done = cuda_tree.run(*build, **absent)
    assert done.returncode == 0 and done.stdout.count("without CUDA: nvcc is not found") == 1
    assert "CUDA" not in cuda_tree.run(*build, **absent, CTORCH_BUILD_CUDA="0").stdout
    done = cuda_tree.run(*build, **absent, CTORCH_BUILD_CUDA="1")
    assert done.returncode != 0 and "nvcc is not found" in done.stdout
    shutil.rmtree(cuda_tree.root / "toolkit/lib")
    nvcc = str(cuda_tree.root / "toolkit/bin/nvcc")
    done = cuda_tree.run(*build, CC="gcc", CTORCH_NVCC=nvcc)
    assert done.returncode == 0 and "lacks libcudart_static.a" in done.stdout


def test_simulated_device_is_built_in_place_and_never_in_a_wheel(cuda_tree):
    library = cuda_tree.root / "ctorch/_cuda_sim.so"
    options = {"CC": "gcc", "CTORCH_BUILD_CUDA": "0"}
    cuda_tree.build(**options)
    assert not library.exists()
    assert "cuda/sim/device.cpp" in cuda_tree.build(**options, CTORCH_BUILD_SIM="1")
    assert backend_value(library) == 41

    cuda_tree.write("csrc/cuda/sim/cuda_runtime_api.h", "#define DEVICE 3\n")
    assert cuda_tree.build(**options) == ["cuda/backend.c"]
    assert backend_value(library) == 43

    pip = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "wheels", "."]
    assert cuda_tree.run(*pip, **options, CTORCH_BUILD_SIM="1").returncode == 0
    wheel = next((cuda_tree.root / "wheels").glob("*.whl"))
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "cuda" in name]
    cuda_tree.build(**options, CTORCH_BUILD_SIM="0")
    assert not library.exists()


def test_source_distribution_builds_the_cuda_libraries(cuda_tree):
    done = cuda_tree.run("setup.py", "--quiet", "sdist", CTORCH_BUILD_CUDA="0")
    assert done.returncode == 0, done.stdout
    with tarfile.open(next((cuda_tree.root / "dist").glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup_cuda.py", *(name for name in BACKEND if name.startswith("csrc"))} <= names


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's own wheel for the CPU, made from the objects that are built already.  The simulated device is
    asked for, and has no place in a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = output_of([*pip, "-w", folder, ROOT],
                     env={**os.environ, "CTORCH_BUILD_CUDA": "0", "CTORCH_BUILD_SIM": "1"})
    assert done.returncode == 0, done.stdout
    return next(folder.glob("ctorch-*.whl"))


def test_wheel_is_small(wheel):
    assert wheel.stat().st_size <= WHEEL_LIMIT


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    expected = {str(path.relative_to(ROOT)) for kind in ("*.py", "*.pyi", "py.typed")
                for path in (ROOT / "ctorch").rglob(kind)}
    libraries = package - expected
    assert expected <= package
    assert len(libraries) == 1 and re.fullmatch(r"ctorch/_C\.\S+\.so", libraries.pop())


def test_cuda_extra_brings_cublas(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    assert [line for line in lines if 'extra == "cuda"' in line] == ['Requires-Dist: nvidia-cublas>=13; extra == "cuda"']


def test_wheel_names_no_place_of_this_machine(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)] == []


def test_installed_version_is_the_packages():
    import ctorch

    assert importlib.metadata.version("ctorch") == ctorch.__version__


def test_stubs_are_fresh():
    done = output_of([sys.executable, ROOT / "tools/make_stubs.py", "--check"])
    assert done.returncode == 0, f"run `make stubs`: {done.stdout}"


def test_a_missing_compiler_is_one_line():
    done = output_of([sys.executable, ROOT / "tools/venv.py"], env={**os.environ, "CC": "no-such-compiler"})
    assert done.returncode == 1
    assert re.fullmatch(r"make: CC=no-such-compiler is not here; type: .+\n", done.stdout)
