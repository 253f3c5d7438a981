"""Runs tests/valgrind_smoke.py under valgrind's memcheck and reports the errors that have a frame of ours.

    python tools/valgrind.py FOLDER [N]      FOLDER holds the package, built with CTORCH_DEBUG=1; N: every Nth call

CPython and NumPy are not clean by themselves (they read past strings on purpose), so what lies only in their frames is
left out; nothing of ours is suppressed.  valgrind knows no AVX-512, hence CTORCH_CPU=avx2.  Memory that the process
still has at its end is no error.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def is_own(error, frames):
    """Whether a frame of ours led there.  The collector, which we may call, visits everybody's objects: CPython 3.11's
    int.from_bytes picks 0 by a digit that it has not set, and valgrind then takes the pointer for uninitialised."""
    if (error.findtext("kind") or "").startswith("Leak"):
        return False
    for frame in frames:
        if "/_C." in (frame.findtext("obj") or ""):
            return True
        if frame.findtext("fn") == "gc_collect_main":
            return False
    return False


def own_errors(report):
    """The errors of a valgrind report, as text, that a frame of ctorch's extension led to."""
    for error in ElementTree.parse(report).getroot().iter("error"):
        frames = list(error.iter("frame"))
        if is_own(error, frames):
            said = error.findtext("what") or error.findtext("xwhat/text")
            lines = [f"    {frame.findtext('fn') or frame.findtext('ip')} ({frame.findtext('file')}:{frame.findtext('line')})"
                     for frame in frames[:12]]
            yield "\n".join([said, *lines])


def main(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(folder).resolve()), "CTORCH_CPU": "avx2", "PYTHONMALLOC": "malloc"}
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        done = subprocess.run(
            ["valgrind", "--quiet", "--leak-check=no", "--xml=yes", f"--xml-file={report}", "--num-callers=25",
             sys.executable, str(ROOT / "tests" / "valgrind_smoke.py"), *arguments], env=environment)
        errors = list(own_errors(report))
    print(*errors, f"{len(errors)} errors in frames of ctorch", sep="\n")
    return 1 if errors or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
