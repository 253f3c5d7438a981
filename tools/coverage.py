"""What of csrc the quick suite executes:  python tools/coverage.py FOLDER [pytest arguments]

FOLDER holds the package built with CTORCH_COVERAGE=1 (see the Makefile).  Prints lines and branches of every file, the
lines that never ran of the least covered, and the totals.  A file built once per instruction set counts once: a line or
branch is covered if any build ran it.  Branches that only a failed allocation takes are the harness's of test_nomem.py,
which is part of the suite.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The two files about the tree and the build say nothing of csrc.
SUITE = ["tests", *(f"--ignore={ROOT}/tests/{name}" for name in ("hard", "test_build.py", "test_layout.py"))]


def reports(objects):
    """gcov's JSON of every object that ran."""
    with tempfile.TemporaryDirectory() as scratch:
        for counts in sorted(objects.glob("*.gcda")):
            subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--object-directory", str(objects), str(counts)],
                           cwd=scratch, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for made in Path(scratch).glob("*.gcov.json.gz"):
                yield json.loads(gzip.decompress(made.read_bytes()))
                made.unlink()


def merged(objects):
    """{file: ({line: runs}, {(line, branch): runs})} for the files of csrc."""
    lines, branches = defaultdict(lambda: defaultdict(int)), defaultdict(lambda: defaultdict(int))
    for report in reports(objects):
        for source in report["files"]:
            name = os.path.relpath(os.path.join(report["current_working_directory"], source["file"]), ROOT)
            if not name.startswith("csrc"):
                continue
            for line in source["lines"]:
                number = line["line_number"]
                lines[name][number] = max(lines[name][number], line["count"])
                for k, branch in enumerate(line["branches"]):
                    branches[name][number, k] = max(branches[name][number, k], branch["count"])
    return {name: (lines[name], branches[name]) for name in lines}


def ranges(numbers):
    """[3, 4, 5, 9] as 3-5 9."""
    texts, start = [], None
    for number in [*sorted(numbers), None]:
        if start is None or number != last + 1:
            if start is not None:
                texts.append(f"{start}-{last}" if last > start else str(start))
            start = number
        last = number
    return " ".join(texts)


def percent(part, whole):
    return 100 * part / whole if whole else 100.0


def show(files):
    rows, total = [], [0, 0, 0, 0]
    for name, (lines, branches) in files.items():
        row = [sum(n > 0 for n in lines.values()), len(lines), sum(n > 0 for n in branches.values()), len(branches)]
        rows.append((row[1] - row[0], name, row, [number for number, n in lines.items() if not n]))
        total = [a + b for a, b in zip(total, row)]
    for missing, name, row, never in sorted(rows, reverse=True):
        print(f"{name:34} lines {percent(*row[:2]):5.1f} % of {row[1]:4}   branches {percent(*row[2:]):5.1f} % of {row[3]:4}"
              + (f"   never: {ranges(never)}" if missing else ""))
    print(f"{len(rows)} files: {percent(*total[:2]):.2f} % of {total[1]} lines, {percent(*total[2:]):.2f} % of {total[3]} branches")


def main(folder, *arguments):
    objects = next((ROOT / "build" / "objects").glob(f"{sys.implementation.cache_tag}-*coverage*"))
    for old in objects.glob("*.gcda"):
        old.unlink()
    environment = {**os.environ, "PYTHONPATH": str(Path(folder).resolve())}
    wanted = [str(ROOT / a) if (ROOT / a).exists() else a for a in arguments or SUITE]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *wanted], cwd=folder, env=environment)
    show(merged(objects))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
