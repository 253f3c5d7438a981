"""Builds and tests under every Python that ctorch supports:  python tools/matrix.py [3.12 ...] [pytest arguments]

Each interpreter found on PATH or among pyenv's gets an environment and an extension of its own (build/matrix/VERSION);
one that is not here is skipped with a line that says so.  Without pytest arguments the tests of CORE run: those that meet
CPython's C API, where versions differ; the loops over numbers are the same code in each.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
CORE = [f"tests/test_{name}.py" for name in ("names table construct indexing numpy print compat autograd module optim data "
                                             "leaks imports nomem edges".split())]


def interpreter(version):
    """The python of that version, or None.  pyenv's shims answer for versions that are not installed: asked, not trusted."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
    for candidate in filter(None, candidates):
        said = subprocess.run([candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True)
        if said.stdout.strip() == version:
            return str(candidate)
    return None


def check(version, arguments):
    """What became of that version, in a word."""
    python = interpreter(version)
    if python is None:
        return "SKIPPED: no such interpreter here"
    environment = {**os.environ, "CTORCH_VENV": f"build/matrix/{version}"}
    if subprocess.run([python, "tools/venv.py", "matrix"], env=environment).returncode:
        return "FAILED to build"
    wanted = arguments or [name for name in CORE if Path(name).exists()]
    tested = subprocess.run([f"build/matrix/{version}/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *wanted])
    return "passed" if tested.returncode == 0 else "FAILED"


def main(arguments):
    os.chdir(ROOT)
    versions = [a for a in arguments if a in VERSIONS] or VERSIONS
    arguments = [a for a in arguments if a not in VERSIONS]
    results = {}
    for version in versions:
        print(f"\n==== Python {version}", flush=True)
        results[version] = check(version, arguments)
    print(*[f"Python {version}: {result}" for version, result in results.items()], sep="\n")
    if not any(result == "passed" for result in results.values()):
        return 1
    return any(result.startswith("FAILED") for result in results.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
