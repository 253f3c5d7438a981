"""The CUDA side of the build: which libraries there are besides ctorch._C, and the commands that make them.

Two can be made of csrc/cuda, none while it holds no backend.  Neither has Python symbols.  setup.py compiles,
links and places them beside ctorch/_C*.so.

    ctorch/_cuda.so       kernels by nvcc, host logic by the C compiler, the runtime linked in; made where
                          nvcc is found, and part of wheels that are built there
    ctorch/_cuda_sim.so   the same sources for the simulated device of csrc/cuda/sim, by the host's compilers;
                          for tests, never in a wheel

Environment:
    CTORCH_BUILD_CUDA=0|1     never make _cuda.so, or fail where it cannot be made
    CTORCH_NVCC, CUDA_HOME    where nvcc is (else PATH, else the folder of pip's nvidia-cuda-nvcc)
    CTORCH_CUDA_ARCH          "90", "80;90", "all" for a release; else the card that is here, else 75 and PTX
    CTORCH_BUILD_SIM=1        make _cuda_sim.so; once it is there, builds in place keep it up to date
    CXX                       the C++ compiler of the simulated device (else g++, or clang++ if CC is clang)
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

REAL, SIMULATED = "_cuda.so", "_cuda_sim.so"
CUDA = Path("csrc/cuda")
SIM = CUDA / "sim"
# PTX and what is made of it.  PTX of 9.0 also for later cards: that of 10.0 and 12.0 comes from a newer front end and is
# twice as long, and nothing here is only theirs.
RELEASE = {"75": ["sm_75", "sm_80"], "90": ["sm_90", "sm_100", "sm_120", "compute_90"]}
PORTABLE = {"75": ["sm_75", "compute_75"]}

CXX_LANGUAGE = ["-std=c++20", "-fPIC", "-pthread", "-fvisibility=hidden", "-fwrapv", "-fno-exceptions",
                "-fno-rtti", "-fno-threadsafe-statics"]
CXX_WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wno-type-limits", "-Wno-int-in-bool-context"]
# For the host compiler inside nvcc.  Without exceptions, RTTI and guards the library needs no libstdc++; what launches
# kernels never unwinds, and is there once for each.
NVCC_HOST = ("-Xcompiler=-fPIC,-fvisibility=hidden,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics,"
             "-fno-asynchronous-unwind-tables,-Os")


class Library(NamedTuple):
    name: str
    units: list          # (source, compile command without its output)
    link: list           # the link command as (what precedes the objects, what follows)
    version: str         # identifies the compilers


class Host(NamedTuple):
    """What setup.py knows: the C compiler, and the flags that every file gets."""

    cc: list
    version: str
    c_flags: list
    numerics: list
    finish: object       # finish(sanitize=True): optimisation and checking, the last flags of a command
    strip: bool
    sanitize: str


class NoNvcc(Exception):
    """In words: why there is no CUDA build."""


def sources(*suffixes):
    return sorted(path for path in CUDA.iterdir() if path.suffix in suffixes) if CUDA.is_dir() else []


def files():
    """All that a source distribution must hold for these builds."""
    kinds = {".c", ".cu", ".cuh", ".cpp", ".h", ".inc", ".def", ".map"}
    return [str(path) for path in sorted(CUDA.rglob("*")) if path.suffix in kinds] + ["setup_cuda.py"]


def version_of(command):
    """The line that tells two versions of a compiler apart."""
    lines = subprocess.run([*command, "--version"], capture_output=True, text=True).stdout.splitlines()
    return next((line for line in lines if re.search(r"\d+\.\d+", line) and "(c)" not in line), "")


# ---- the simulated device ----


def cxx(host):
    named = os.environ.get("CXX") or ("clang++" if "clang" in Path(host.cc[0]).name else "g++")
    return shlex.split(named)


def sim_command(host):
    return [*cxx(host), *CXX_LANGUAGE, *CXX_WARNINGS, "-O2", f"-I{SIM}", "-Icsrc", f"-I{CUDA}"]


def sim_kernel_command(host):
    return [*sim_command(host), *host.numerics, *host.finish(), "-x", "c++"]


def sim_library(host):
    """Kernels and host logic take part in a sanitised build; the simulator tells the sanitizers of fibers."""
    simulator = [*sim_command(host), *host.finish(sanitize=False)]
    logic = [*host.cc, *host.c_flags, "-O2", f"-I{SIM}", "-Icsrc", f"-I{CUDA}", *host.finish()]
    units = [(path, simulator) for path in sorted(SIM.glob("*.cpp"))]
    units += [(path, sim_kernel_command(host)) for path in sources(".cu")]
    units += [(path, logic) for path in [*sources(".c"), Path("csrc/abi/erf_table.c")]]
    sanitize = [f"-fsanitize={host.sanitize}"] if host.sanitize else ["-Wl,-z,defs"]
    after = [*sanitize, f"-Wl,--version-script={CUDA / 'exports.map'}", "-pthread", "-lm"]
    compilers = f"{host.version}, {version_of(cxx(host))}"
    return Library(SIMULATED, units, [[*cxx(host), "-shared"], after], compilers)


# ---- the real one ----


def nvcc_candidates():
    """Each place where nvcc may be, in the order in which they count."""
    if named := os.environ.get("CTORCH_NVCC"):
        yield named
        return
    if home := os.environ.get("CUDA_HOME"):
        yield str(Path(home, "bin", "nvcc"))
    yield "nvcc"
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or [] if spec else []:
        yield str(Path(folder, "cu13", "bin", "nvcc"))


def find_nvcc():
    found = next((path for path in map(shutil.which, nvcc_candidates()) if path), None)
    if not found:
        raise NoNvcc("nvcc is not found (CTORCH_NVCC, CUDA_HOME or PATH name it)")
    return found


def toolkit(nvcc):
    """The toolkit's folder, as nvcc itself sees it: what is on the PATH may be a link or a script."""
    plan = subprocess.run([nvcc, "--dryrun", "-x", "cu", "-c", os.devnull], capture_output=True, text=True)
    top = re.search(r"^#\$ TOP=(.+)$", plan.stderr, re.M)
    if not top:
        raise NoNvcc(f"{nvcc} does not work")
    return Path(top[1]).resolve()


def runtime(root):
    """The static runtime and the headers: a toolkit has lib64, pip's packages have lib."""
    archives = [root / name / "libcudart_static.a" for name in ("lib64", "lib")]
    archives = [path for path in archives if path.exists()]
    if not archives or not (root / "include" / "cuda_runtime_api.h").exists():
        raise NoNvcc(f"{root} lacks libcudart_static.a or its headers (nvidia-cuda-runtime)")
    return archives[0], root / "include"


def present_archs():
    """The compute capabilities of the cards in this machine."""
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return sorted(set(re.findall(r"^(\d+)\.(\d)$", done.stdout, re.M)))


def arch_flags():
    chosen = os.environ.get("CTORCH_CUDA_ARCH", "")
    archs = re.split(r"[;, ]+", chosen) if chosen else [major + minor for major, minor in present_archs()]
    made = RELEASE if chosen == "all" else {arch: [f"sm_{arch}"] for arch in archs} or PORTABLE
    flags = [f"-gencode=arch=compute_{ptx},code=[{','.join(code)}]" for ptx, code in made.items()]
    return flags + (["-compress-mode=size", "--threads=2"] if chosen == "all" else [])


def cuda_library(host):
    nvcc = find_nvcc()
    archive, include = runtime(toolkit(nvcc))
    headers = ["-Icsrc", f"-I{CUDA}"]
    kernels = [nvcc, "-std=c++20", "-O3", NVCC_HOST, *arch_flags(), *headers]
    kernels += [flag for flag in host.finish(sanitize=False) if flag in ("-g", "-DNDEBUG")]
    kernels += ["-Werror=all-warnings"] if "-Werror" in host.finish() else []
    logic = [*host.cc, *host.c_flags, "-O2", *headers, "-isystem", str(include), *host.finish(sanitize=False)]
    units = [(path, kernels) for path in sources(".cu")] + [(path, logic) for path in sources(".c")]
    after = [str(archive), "-lrt", "-lpthread", "-ldl", "-lm", "-Wl,--exclude-libs,ALL", "-Wl,--as-needed",
             "-Wl,-z,defs", f"-Wl,--version-script={CUDA / 'exports.map'}", *(["-s"] if host.strip else [])]
    return Library(REAL, units, [[*host.cc, "-shared"], after], f"{host.version}, {version_of([nvcc])}")


def libraries(host, simulated):
    """Those to make here and now.  Says in one line why _cuda.so is not among them."""
    made = []
    if not sources(".c", ".cu") or sys.platform != "linux":
        return made
    wanted = os.environ.get("CTORCH_BUILD_CUDA", "")
    if wanted != "0":
        try:
            made.append(cuda_library(host))
        except NoNvcc as reason:
            if wanted == "1":
                raise
            sys.stderr.write(f"ctorch is built without CUDA: {reason}\n")
    if simulated:
        made.append(sim_library(host))
    return made
