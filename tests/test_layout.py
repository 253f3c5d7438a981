"""The shape of the source tree, held by tests: who may include whom, sizes, openings, symbols, paths.

Each rule is a function from a tree's root to a list of faults in words, and each has a test that plants a
fault in a small tree and sees the rule turn red.  What the rules are for stands in CONTRIBUTING.md.
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cpu

ROOT = Path(__file__).resolve().parent.parent

# Who may include whose headers; `ctorch.h` is what all Python-aware code shares.
BELOW_OPS = {"ops", "autograd", "core", "abi", "ctorch.h"}
MAY_INCLUDE = {
    "abi": {"abi"},
    "kernels": {"kernels", "abi"},
    "cuda": {"cuda", "abi"},
    "ctorch.h": {"core", "abi"},
    "core": {"core", "abi", "ctorch.h"},
    "ops": BELOW_OPS,
    "autograd": BELOW_OPS,
    "python": BELOW_OPS | {"python", "nn"},
    "nn": BELOW_OPS | {"python", "nn"},
    "module.c": BELOW_OPS | {"python", "nn"},
}
PYTHON_AWARE = set(MAY_INCLUDE) - {"abi", "kernels", "cuda"}
# Headers of the C language itself.  Kernels get those that bring neither allocation nor input and output.
PURE_C = {"float.h", "limits.h", "math.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
STANDARD_C = PURE_C | {"assert.h", "ctype.h", "errno.h", "inttypes.h", "stdarg.h", "stdatomic.h", "stdio.h",
                       "stdlib.h"}
VECTOR_C = {"immintrin.h", "arm_neon.h"}

LINES_PER_FILE = 800
LINES_PER_FUNCTION = 120
# Tables of constants and what a tool has written: their length is no one's reading.
EXEMPT = re.compile(r"\.def$|\.pyi$|_table\.\w+$")

PLACES = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users|opt|mnt)/[A-Za-z0-9_.]")


def c_files(root):
    kinds = (".c", ".h", ".inc", ".def", ".cu", ".cuh", ".cpp")
    return [path for path in sorted((root / "csrc").rglob("*")) if path.suffix in kinds]


def python_files(root):
    folders = ("ctorch", "tests", "tools", "examples", "benchmarks")
    return sorted(root.glob("setup*.py")) + [
        path for folder in folders for path in sorted((root / folder).rglob("*.py"))]


def includes(path):
    """(line number, bracket, name) of every include of a file."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line):
            yield number, *found.groups()


def layer(root, path):
    return path.relative_to(root / "csrc").parts[0]


def wrong_arrows(root):
    """Includes of the project's own headers that run against the layers, or name no file."""
    faults = []
    for path in c_files(root):
        mine = layer(root, path)
        for number, bracket, name in includes(path):
            found = [place for place in (path.parent / name, root / "csrc" / name) if place.exists()]
            if bracket == '"' and not found:
                faults.append(f"{path.relative_to(root)}:{number} includes {name}, which is not there")
            elif bracket == '"' and layer(root, found[0].resolve()) not in MAY_INCLUDE.get(mine, ()):
                faults.append(f"{path.relative_to(root)}:{number}: {mine} may not include {name}")
    return faults


def wrong_headers(root):
    """Python.h below the layers that know Python, system headers outside platform.c, libc in kernels."""
    faults = []
    for path in c_files(root):
        mine, name_of = layer(root, path), path.relative_to(root / "csrc").as_posix()
        allowed = set(PURE_C if mine in ("kernels", "abi") else STANDARD_C)
        allowed |= {"Python.h", "structmember.h"} if mine in PYTHON_AWARE else set()
        allowed |= VECTOR_C if mine == "kernels" else set()
        for number, bracket, name in includes(path):
            numpy = name.startswith("numpy/") and name_of == "python/numpy.c"
            system = name_of == "core/platform.c" and name != "Python.h"
            cuda = mine == "cuda" and name != "Python.h"
            if bracket == "<" and name not in allowed and not (numpy or system or cuda):
                faults.append(f"csrc/{name_of}:{number}: <{name}> does not belong here")
    return faults


def long_files(root):
    paths = [path for path in c_files(root) + python_files(root) if not EXEMPT.search(path.name)]
    lengths = [(len(path.read_text().splitlines()), path) for path in paths]
    return [f"{path.relative_to(root)} has {n} lines" for n, path in lengths if n > LINES_PER_FILE]


def c_functions(text):
    """(first line, lines) of every function body, from the brace at the left margin to its partner."""
    start = None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\{|[A-Za-z_].*\)\s*\{$", line):
            start = number
        elif line.startswith("}") and start:
            yield start, number - start + 1
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def long_functions(root):
    faults = []
    for paths, functions in ((c_files(root), c_functions), (python_files(root), python_functions)):
        for path in paths:
            if not EXEMPT.search(path.name):
                faults += [f"{path.relative_to(root)}:{first}: a function of {n} lines"
                           for first, n in functions(path.read_text()) if n > LINES_PER_FUNCTION]
    return faults


def bare_openings(root):
    """C files that do not open with a comment of at least a sentence."""
    faults = []
    for path in c_files(root):
        opening = re.match(r"/\*.*?\*/|(//[^\n]*\n)+", path.read_text(), re.S)
        if not opening or len(opening[0].split()) < 8:
            faults.append(f"{path.relative_to(root)} does not open with a paragraph on what lives here")
    return faults


def project_files(root):
    """The text files of the project: what git tracks or would track, else everything."""
    if shutil.which("git") and (root / ".git").exists():
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listing, cwd=root, capture_output=True, text=True, check=True).stdout
        return [root / name for name in names.split("\0") if name and (root / name).is_file()]
    made = re.compile(r"\.(?!ci)|build/|.*(__pycache__|\.egg-info|\.so$)")
    paths = [path for path in root.rglob("*") if not made.match(path.relative_to(root).as_posix())]
    return [path for path in paths if path.is_file()]


def machine_paths(root):
    """Absolute paths of somebody's machine."""
    faults = []
    for path in project_files(root):
        content = path.read_bytes()
        if b"\0" not in content:
            lines = content.decode("utf-8", "replace").splitlines()
            faults += [f"{path.relative_to(root)}:{n}: {line.strip()[:80]}"
                       for n, line in enumerate(lines, 1) if PLACES.search(line)]
    return faults


def exported_symbols(library):
    """What the dynamic linker sees of an extension."""
    options = ["-gU"] if sys.platform == "darwin" else ["-D", "--defined-only"]
    listing = subprocess.run(["nm", *options, str(library)], capture_output=True, text=True, check=True)
    return [line.split()[-1].lstrip("_") for line in listing.stdout.splitlines()]


RULES = [wrong_arrows, wrong_headers, long_files, long_functions, bare_openings, machine_paths]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_project(rule):
    assert rule(ROOT) == []


def test_one_exported_symbol():
    from ctorch import _C

    assert exported_symbols(_C.__file__) == ["PyInit__C"]


OPENING = "/* What lives here, in a sentence of some length.  What does not is elsewhere. */\n"
GOOD_TREE = {
    "csrc/abi/iter.h": OPENING + "#include <stdint.h>\n",
    "csrc/ctorch.h": OPENING + '#include <Python.h>\n#include "abi/iter.h"\n',
    "csrc/core/tensor.h": OPENING + '#include "../ctorch.h"\n',
    "csrc/core/platform.c": OPENING + "#include <pthread.h>\n",
    "csrc/kernels/pointwise.c": OPENING + '#include "abi/iter.h"\n#include <immintrin.h>\n',
    "csrc/cuda/launch.h": OPENING + "#include <cuda_runtime.h>\n",
    "csrc/cuda/pointwise.cu": OPENING + '#include "abi/iter.h"\n#include "launch.h"\n',
    "csrc/ops/frame.h": OPENING + '#include "core/tensor.h"\n',
    "csrc/python/numpy.c": OPENING + '#include "ops/frame.h"\n#include <numpy/arrayobject.h>\n',
    "csrc/module.c": OPENING + '#include "ctorch.h"\n\nstatic int\none(void)\n{\n    return 1;\n}\n',
    "ctorch/__init__.py": '"""Thin."""\n',
}


def plant(root, changes=()):
    for name, text in {**GOOD_TREE, **dict(changes)}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_good_tree(rule, tmp_path):
    assert rule(plant(tmp_path)) == []


STATEMENT = "    x = x + 1;\n"
BODY = STATEMENT * 119
FAULTS = [
    (wrong_arrows, "csrc/core/shape.c", OPENING + '#include "ops/frame.h"\n'),
    (wrong_arrows, "csrc/core/shape.c", OPENING + '#include "../ops/frame.h"\n'),
    (wrong_arrows, "csrc/kernels/cpu.c", OPENING + '#include "core/tensor.h"\n'),
    (wrong_arrows, "csrc/kernels/cpu.c", OPENING + '#  include "ctorch.h"\n'),
    (wrong_arrows, "csrc/cuda/backend.c", OPENING + '#include "ctorch.h"\n'),
    (wrong_arrows, "csrc/cuda/pointwise.cu", OPENING + '#include "ops/frame.h"\n'),
    (wrong_arrows, "csrc/cuda/sim/fiber.cpp", OPENING + '#include "core/tensor.h"\n'),
    (wrong_arrows, "csrc/kernels/cpu.c", OPENING + '#include "cuda/launch.h"\n'),
    (wrong_arrows, "csrc/abi/backend.h", OPENING + '#include "core/tensor.h"\n'),
    (wrong_arrows, "csrc/ops/sum.c", OPENING + '#include "gone.h"\n'),
    (wrong_arrows, "csrc/extra/new.c", OPENING + '#include "abi/iter.h"\n'),
    (wrong_headers, "csrc/kernels/cpu.c", OPENING + "#include <Python.h>\n"),
    (wrong_headers, "csrc/kernels/cpu.c", OPENING + "#include <stdlib.h>\n"),
    (wrong_headers, "csrc/cuda/backend.c", OPENING + "#include <Python.h>\n"),
    (wrong_headers, "csrc/cuda/sim/fiber.cpp", OPENING + "#include <Python.h>\n"),
    (wrong_headers, "csrc/abi/backend.h", OPENING + "#include <Python.h>\n"),
    (wrong_headers, "csrc/core/parallel.c", OPENING + "#include <pthread.h>\n"),
    (wrong_headers, "csrc/ops/frame.c", OPENING + "#include <numpy/arrayobject.h>\n"),
    (long_files, "csrc/ops/sum.c", OPENING + "int x;\n" * 800),
    (long_files, "ctorch/nn.py", "x = 1\n" * 801),
    (long_functions, "csrc/ops/sum.c", OPENING + "int\nf(int x)\n{\n" + BODY + "}\n"),
    (long_functions, "csrc/ops/sum.c", OPENING + "int f(int x) {\n" + BODY + "}\n"),
    (long_functions, "ctorch/nn.py", "def f(x):\n" + "    x += 1\n" * 120),
    (bare_openings, "csrc/ops/sum.c", '#include "ctorch.h"\n' + OPENING),
    (bare_openings, "csrc/ops/sum.c", "/* sum */\n"),
    (machine_paths, "ctorch/nn.py", "data = '/" + "home/someone/digits'\n"),
    (machine_paths, "Makefile", "PYTHON = /" + "opt/python\n"),
]


@pytest.mark.parametrize("rule, name, text", FAULTS, ids=lambda value: getattr(value, "__name__", "fault"))
def test_planted_fault(rule, name, text, tmp_path):
    assert len(rule(plant(tmp_path, [(name, text)]))) == 1


def test_length_limits_are_exact(tmp_path):
    plant(tmp_path, [("csrc/ops/sum.c", OPENING + "int\nf(int x)\n{\n" + STATEMENT * 118 + "}\n"),
                     ("csrc/ops/max.c", OPENING + "int x;\n" * 799),
                     ("csrc/abi/ops.def", OPENING + "UNARY(exp)\n" * 900)])
    assert long_functions(tmp_path) == [] and long_files(tmp_path) == []


def test_planted_symbol(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    source = tmp_path / "two.c"
    source.write_text("int PyInit__C(void) { return 0; }\nint leaked(void) { return 1; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(tmp_path / "two.so")], check=True)
    assert sorted(exported_symbols(tmp_path / "two.so")) == ["PyInit__C", "leaked"]
