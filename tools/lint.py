"""Static checks, each of which must say nothing:  python tools/lint.py [gcc] [clang] [cppcheck] [stubs]

    gcc       what -Wall -Wextra of setup.py do not ask: lossy conversions, prototypes, equal branches ...
    clang     clang --analyze: every path through a function
    cppcheck  warnings, performance, portability
    stubs     mypy's stubtest: ctorch/_C.pyi against the extension

A tool that is not installed is an error, not a pass.  Kernels are checked in their baseline build.
"""

import importlib.util
import os
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
# Left out: idioms of CPython's C API that the checker takes for mistakes, and its notes on itself.
CPPCHECK = ("--quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability "
            "--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=preprocessorErrorDirective "
            "--max-configs=1").split()


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


def gcc():
    return run_each(lambda source, flags: ["gcc", *flags, "-fsyntax-only", *GCC, source])


def clang():
    """Dead stores are left out: a macro that serves many dtypes computes what one of them does not read."""
    return run_each(lambda source, flags: ["clang", *[flag for flag in flags if not flag.startswith("-W")], "--analyze",
                                           "--analyzer-output", "text", "-Xclang", "-analyzer-disable-checker=deadcode.DeadStores",
                                           "-Wno-unknown-warning-option", source])


def cppcheck():
    def command(source, flags):
        includes = [flag for flag in flags if flag.startswith(("-I", "-D"))]
        return ["cppcheck", *CPPCHECK, *includes, source]

    return run_each(command)


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
