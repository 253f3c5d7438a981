"""Static checks, each of which must say nothing:  python tools/lint.py [gcc] [clang] [cppcheck] [stubs]

    gcc       what -Wall -Wextra of setup.py do not ask: lossy conversions, prototypes, equal branches ...
    clang     clang --analyze: every path through a function
    cppcheck  warnings, performance, portability
    stubs     mypy's stubtest: ctorch/_C.pyi against the extension

A tool that is not installed is an error, not a pass.  Kernels are checked in their baseline build.  What the tools say
in error stands in tools/lint_known.txt with the reason; a line of it that forgives nothing is a complaint too.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Without -Wsign-conversion (sizes are signed here, the C library's are not) and -Wwrite-strings (CPython's keyword lists are
# char *[]), which have about a hundred harmless sites each.
GCC = ("-Werror -Wconversion -Wno-sign-conversion -Wformat=2 -Wundef -Wstrict-prototypes -Wold-style-definition -Wvla -Walloca "
       "-Wpointer-arith -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wcast-function-type").split()
# Without Python's headers, which would take it a minute a file.  Left out: missing returns, which gcc sees and this tool
# takes Py_RETURN_NONE for; casts of char * to an element's type, which is what a tensor's memory is; its notes on itself.
CPPCHECK = ["--quiet", "--std=c11", "--enable=warning,performance,portability", "--max-configs=1",
            "--template={file}:{line}: {message} [{id}]",
            *(f"--suppress={name}" for name in "missingInclude missingIncludeSystem unknownMacro preprocessorErrorDirective "
                                               "missingReturn invalidPointerCast internalAstError".split())]
KNOWN = ROOT / "tools" / "lint_known.txt"
COMPLAINT = re.compile(r"^(?P<path>\S+?):(?P<line>\d+):.* \[(?P<check>[\w.]+)\]$", re.M)


def setup_py():
    spec = importlib.util.spec_from_file_location("ctorch_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def units():
    """(source, flags without those that only gcc or a build knows) of every file once."""
    setup = setup_py()
    for path, isa in setup.c_sources():
        if isa in ("", "baseline"):
            yield str(path), [flag for flag in setup.flags_of(path, isa) if not flag.startswith("-Wno-pass")]


def run_each(command_of):
    """Runs command_of(source, flags) for every file; returns what they printed."""
    def run(unit):
        done = subprocess.run(command_of(*unit), capture_output=True, text=True)
        said = (done.stdout + done.stderr).strip()
        return said if said or done.returncode == 0 else f"{unit[0]}: exit status {done.returncode}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [text for text in pool.map(run, list(units())) if text]


def known():
    """(tool, file, check, part of the source line) of every line of the committed list."""
    lines = [line for line in KNOWN.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(field.strip() for field in line.split(" | "))[:4] for line in lines]


def unknown(tool, texts):
    """The complaints in texts that the committed list does not forgive, once each, and the lines that forgave none."""
    rules, used, left = [rule for rule in known() if rule[0] == tool], set(), []
    for text in texts:
        found = list(COMPLAINT.finditer(text))
        if not found:
            left.append(text)
        for complaint in found:
            path, number = os.path.relpath(complaint["path"], ROOT), int(complaint["line"])
            source = Path(path).read_text().splitlines()[number - 1] if number else ""
            fits = [rule for rule in rules if rule[1] == path and rule[2] == complaint["check"] and rule[3] in source]
            used.update(fits)
            if not fits:
                left.append(f"{complaint[0]}\n    {source.strip()}")
    return sorted(set(left)) + [f"{KNOWN.name} forgives nothing: {' | '.join(rule)}" for rule in rules if rule not in used]


def gcc():
    return run_each(lambda source, flags: ["gcc", *flags, "-fsyntax-only", *GCC, source])


def clang():
    """Dead stores are left out: a macro that serves many dtypes computes what one of them does not read."""
    return unknown("clang", run_each(lambda source, flags: [
        "clang", *[flag for flag in flags if not flag.startswith("-W")], "--analyze", "-o", os.devnull, "-fno-caret-diagnostics",
        "-Xclang", "-analyzer-disable-checker=deadcode.DeadStores", "-Wno-unknown-warning-option", source]))


def cppcheck():
    return unknown("cppcheck", run_each(lambda source, flags: [
        "cppcheck", *CPPCHECK, *[flag for flag in flags if flag.startswith(("-I", "-D"))], source]))


def stubs():
    done = subprocess.run([sys.executable, "-m", "mypy.stubtest", "ctorch._C", "--concise", "--ignore-missing-stub",
                           "--ignore-disjoint-bases", "--mypy-config-file", "pyproject.toml"], capture_output=True, text=True)
    return [done.stdout + done.stderr] if done.returncode else []


def main(wanted):
    os.chdir(ROOT)
    status = 0
    for check, tool in ((gcc, "gcc"), (clang, "clang"), (cppcheck, "cppcheck"), (stubs, None)):
        if wanted and check.__name__ not in wanted:
            continue
        said = check() if tool is None or shutil.which(tool) else [f"{tool} is not installed"]
        print(*said, f"{check.__name__}: {len(said) or 'no'} complaints", sep="\n", flush=True)
        status |= bool(said)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
