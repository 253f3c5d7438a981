"""What nvcc made of the kernels, against tools/gpu/kernels.tsv: make cuda-lint, or python tools/gpu/lint.py.

    --release       builds the library for all architectures, compressed, as well: at most 4 MB (ten minutes)
    --show          prints what each kernel has, for writing the table
    FILES           some .cu files instead of all

Compiles for sm_90 and reads ptxas's figures and the PTX: no kernel spills; each has at most the table's registers; one
that the table calls contiguous (ld, st, ldst) has accesses of 16 bytes, and only those with "div" divide 64-bit integers.
A line of the table is a file, a pattern of names as --show prints them, registers, and these words; the first that
matches counts, and a line that matches nothing is an error.  What is up to date is not compiled again.
"""

import argparse
import fnmatch
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("kernels.tsv")
FOLDER = Path("build", "cuda-lint")
RELEASE_BYTES = 4_000_000

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '\w+'\n.*\n\s*\d+ bytes stack frame, "
                   r"(\d+) bytes spill stores, (\d+) bytes spill loads\nptxas info\s+: Used (\d+) registers")
WIDE = r"(?:\.\w+)*\.(?:v4\.[bfus]32|v2\.[bfus]64|b128)\b"
ELSEWHERE = r"(?!\.param|\.const|\.shared|\.local)"
LOAD16, STORE16 = re.compile(r"\bld" + ELSEWHERE + WIDE), re.compile(r"\bst" + ELSEWHERE + WIDE)
DIVISION = re.compile(r"\b(?:div|rem)\.[su]64\b")


class Rule(NamedTuple):
    file: str
    pattern: str
    registers: int
    words: frozenset


class Kernel(NamedTuple):
    file: str
    name: str
    registers: int
    spilled: int
    words: frozenset


def table(text):
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [Rule(file, pattern, int(registers), frozenset(words.split())) for file, pattern, registers, words in lines]


def short(mangled):
    """The function's name and, in brackets, its template arguments as they are mangled."""
    found = re.match(r"_Z(?:L)?(\d+)", mangled)
    start, length = found.end(), int(found[1])
    name, rest = mangled[start:start + length], mangled[start + length:]
    arguments = re.match(r"I(.*?)Ev", rest)
    return f"{name}<{re.sub(r'^[0-9]+', '', arguments[1])}>" if arguments else name


def bodies(ptx):
    """{mangled name: text} of the entries."""
    parts = re.split(r"\.entry (\w+)\(", ptx)
    return dict(zip(parts[1::2], parts[2::2]))


def words_of(body):
    wide = "ld" * bool(LOAD16.search(body)) + "st" * bool(STORE16.search(body))
    return frozenset(filter(None, (wide, "div" if DIVISION.search(body) else "")))


def kernels_of(file, log, ptx):
    text = bodies(ptx)
    return [Kernel(file, short(name), int(registers), int(stores) + int(loads), words_of(text[name]))
            for name, stores, loads, registers in ENTRY.findall(log)]


def faults(kernels, rules):
    """In words: kernels that break their rule, and rules without a kernel."""
    found, used = [], set()
    for kernel in kernels:
        name = f"{kernel.file}: {kernel.name}"
        rule = next((rule for rule in rules if rule.file == kernel.file
                     and fnmatch.fnmatchcase(kernel.name, rule.pattern)), None)
        if rule is None:
            found.append(f"{name} is not in kernels.tsv")
            continue
        used.add(rule)
        if kernel.spilled:
            found.append(f"{name} spills {kernel.spilled} bytes")
        if kernel.registers > rule.registers:
            found.append(f"{name} has {kernel.registers} registers, at most {rule.registers}")
        if "div" in kernel.words and "div" not in rule.words:
            found.append(f"{name} divides 64-bit integers")
        wanted, given = ("".join(words - {"div"}) for words in (rule.words, kernel.words))
        if any(way in wanted and way not in given for way in ("ld", "st")):
            found.append(f"{name}: accesses of 16 bytes are {given or 'none'}, not {wanted}")
    files = {kernel.file for kernel in kernels}
    found += [f"kernels.tsv: {rule.file} {rule.pattern} matches no kernel"
              for rule in rules if rule.file in files and rule not in used]
    return found


# ---- compiling ----


def library(archs):
    """setup_cuda's library for these architectures, and setup.py's module."""
    os.environ["CTORCH_CUDA_ARCH"] = archs
    sys.path.insert(0, str(ROOT))
    spec = importlib.util.spec_from_file_location("ctorch_setup", ROOT / "setup.py")
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    cc, version, _ = setup.compiler()
    host = setup.setup_cuda.Host(cc, version, setup.LANGUAGE + setup.WARNINGS, setup.NUMERICS,
                                 lambda sanitize=True: ["-DNDEBUG", "-Werror"], True, "")
    return setup, setup.setup_cuda.cuda_library(host)


def compiled(source, command, version):
    """(ptxas's figures, PTX); from an earlier run where the preprocessed text is the same.  None if it fails."""
    folder = FOLDER / source.stem
    folder.mkdir(parents=True, exist_ok=True)
    plain = subprocess.run([*command, "-E", "-Xcompiler=-P", str(source)], capture_output=True)
    stamp = hashlib.sha256(repr((command, version)).encode() + plain.stdout).hexdigest()
    files = log, ptx, mark = folder / "ptxas.log", folder / f"{source.stem}.ptx", folder / "stamp"
    if not all(path.exists() for path in files) or mark.read_text() != stamp:
        mark.unlink(missing_ok=True)
        whole = [*command, "-Xptxas=-v", "--keep", "--keep-dir", str(folder), "-c", str(source),
                 "-o", str(folder / "object.o")]
        done = subprocess.run(whole, capture_output=True, text=True)
        log.write_text(done.stdout + done.stderr)
        for path in folder.iterdir():
            if path not in files:
                path.unlink()
        if done.returncode:
            print(f"{source} does not compile:\n{log.read_text()}")
            return None
        mark.write_text(stamp)
    return log.read_text(), ptx.read_text()


def host_logic(made):
    """Whether the C files, which say how kernels are launched, compile against the toolkit's headers."""
    commands = [[*command, "-fsyntax-only", str(source)] for source, command in made.units if source.suffix == ".c"]
    return all([subprocess.run(command).returncode == 0 for command in commands])


def lint(names, show):
    _, made = library("90")
    if not names and not host_logic(made):
        return 1
    units = [(source, command) for source, command in made.units if source.suffix == ".cu"]
    # Those that take longest first.
    units.sort(key=lambda unit: not unit[0].stem.startswith(("pointwise", "reduce")))
    units = [unit for unit in units if not names or unit[0].name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda unit: compiled(*unit, made.version), units))
    if None in results:
        return 1
    kernels = [kernel for (source, _), result in zip(units, results) for kernel in kernels_of(source.stem, *result)]
    if show:
        for kernel in kernels:
            print(*kernel[:3], kernel.spilled, " ".join(sorted(kernel.words)), sep="\t")
    found = faults(kernels, table(TABLE.read_text()))
    for fault in found:
        print(f"FAULT {fault}")
    print(f"{len(kernels)} kernels for sm_90: {len(found)} faults")
    return 1 if found or not kernels else 0


def linking_faults(path):
    """In words: libraries that it needs beside the C library, symbols that it shows beside the table, Python's that it wants."""
    dynamic = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"NEEDED.*\[(.+)\]", dynamic)
    found = [f"needs {name}" for name in needed if not re.match(r"(?:libc|libm|libdl|librt|libpthread|ld-linux[\w-]*)\.so", name)]
    symbols = subprocess.run(["nm", "-D", path], capture_output=True, text=True, check=True).stdout
    shown = re.findall(r"^\w+ [A-TV-Z] (\w+)", symbols, re.M)
    found += [f"shows {name}" for name in shown if name != "ct_cuda_backend"]
    return found + [f"wants {name}" for name in re.findall(r" U (_?Py\w+)", symbols)]


def release():
    """Builds as a release is built, and weighs the result."""
    setup, made = library("all")
    folder = FOLDER / "release"
    folder.mkdir(parents=True, exist_ok=True)
    units = [setup.Unit(source, "", folder, command, made.version) for source, command in made.units]
    objects = setup.compile_all(units, folder, made.version, os.cpu_count())
    size = setup.link(folder, made.name, made.link[0], objects, made.link[1]).stat().st_size
    found = linking_faults(folder / made.name)
    for fault in found:
        print(f"FAULT {fault}")
    print(f"release {made.name}: {size} bytes, at most {RELEASE_BYTES}")
    return 1 if size > RELEASE_BYTES or found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    os.chdir(ROOT)
    return lint(options.files, options.show) or (release() if options.release else 0)


if __name__ == "__main__":
    sys.exit(main())
