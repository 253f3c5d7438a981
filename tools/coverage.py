"""What of csrc (without csrc/cuda) the quick suite executes:  python tools/coverage.py FOLDER [options] [pytest arguments]

FOLDER holds the package built with CTORCH_COVERAGE=1 and the simulated device (see the Makefile).  The suite runs in
pieces, a test file each, two at a time; then its kernel tests on the lower CPU levels, and the files of ON_THE_DEVICE on the
simulated device, as `make test` does.  The counts are on disk after every piece: a run that is cut reports what it had,
and --add continues.  --report runs nothing.  --gaps FILE writes every line and branch that never ran, with its text.

What counts.  Lines and branches are gcov's, of a build that inlines nothing, so that a branch is an outcome of a condition: each side
of an `if`, of a loop's condition, of `&&`, `||`, `?:`, and each case of a `switch`.  One in a macro counts where the macro
is used.  A file built once per instruction set counts once, and so do a header's function in every file that includes it
and the functions that a table makes on one line: a line or branch is covered if any of them ran it.  Nothing is left
out: branches that only a failed allocation takes are the harness's of test_nomem.py, which is part of the suite.
"""

import argparse
import collections
import concurrent.futures
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# About the tree, the build, the tools and the examples: they say nothing of csrc that the others do not.
LEFT_OUT = {f"test_{name}.py" for name in "benchmarks build gpu_tools layout lecture readme suite".split()}
LEVELS = ["baseline", "avx2"]                     # beside the machine's own
ON_THE_DEVICE = ["test_construct.py", "test_copy.py", "test_data.py", "test_module.py", "test_numpy.py", "test_print.py"]
Piece = collections.namedtuple("Piece", "title arguments environment")


def suite():
    files = sorted(path for path in (ROOT / "tests").glob("test_*.py") if path.name not in LEFT_OUT)
    pieces = [Piece(path.name, [str(path)], {}) for path in files]
    pieces += [Piece(f"kernels on {level}", [*map(str, files), "-m", "kernels and not slow"], {"CTORCH_CPU": level}) for level in LEVELS]
    return pieces + [Piece(f"{name} on the device", [str(ROOT / "tests" / name), "--device=cuda"], {"CTORCH_CUDA": "sim"})
                     for name in ON_THE_DEVICE]


def run(piece, folder):
    """What became of a piece, in a line."""
    start = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(folder), **piece.environment}
    chosen = [] if "-m" in piece.arguments else ["-m", "not slow"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, *piece.arguments], cwd=folder,
                          env=environment, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or ["nothing said"])[-1]
    return f"{piece.title:32} {time.monotonic() - start:5.0f} s  {last}" + ("" if done.returncode in (0, 5) else f"\n{done.stdout[-3000:]}")


def run_all(pieces, folder):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        try:
            for said in pool.map(run, pieces, [folder] * len(pieces)):
                print(said, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            print("cut: the counts so far")


def report_of(counts):
    """gcov's JSON of an object that ran."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--object-directory", str(counts.parent), str(counts)],
                       cwd=scratch, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [json.loads(gzip.decompress(made.read_bytes())) for made in Path(scratch).glob("*.gcov.json.gz")]


def merged(objects):
    """{file: ({line: runs}, {(line, branch): runs})} for the files of csrc."""
    files = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for reports in pool.map(report_of, sorted(objects.glob("*.gcda"))):
            for report in reports:
                for source in report["files"]:
                    name = os.path.relpath(os.path.join(report["current_working_directory"], source["file"]), ROOT)
                    if name.startswith("csrc") and not name.startswith("csrc/cuda"):
                        add(files.setdefault(name, ({}, {})), source)
    return files


def add(counts, source):
    lines, branches = counts
    for line in source["lines"]:
        number = line["line_number"]
        lines[number] = max(lines.get(number, 0), line["count"])
        for k, branch in enumerate(line["branches"]):
            branches[number, k] = max(branches.get((number, k), 0), branch["count"])


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
    """A row for every file, those with most missing first, and the totals; whether the bars are met."""
    rows, total = [], [0, 0, 0, 0]
    for name, (lines, branches) in files.items():
        row = [sum(n > 0 for n in lines.values()), len(lines), sum(n > 0 for n in branches.values()), len(branches)]
        rows.append((row[3] - row[2], name, row, [number for number, n in lines.items() if not n]))
        total = [a + b for a, b in zip(total, row)]
    for missing, name, row, never in sorted(rows, reverse=True):
        print(f"{name:34} lines {percent(*row[:2]):5.1f} % of {row[1]:4}   branches {percent(*row[2:]):5.1f} % of {row[3]:4}"
              + (f"   never: {ranges(never)}" if never else ""))
    print(f"{len(rows)} files: {percent(*total[:2]):.2f} % of {total[1]} lines, {percent(*total[2:]):.2f} % of {total[3]} branches")
    return percent(*total[:2]) >= 95 and percent(*total[2:]) >= 85


def write_gaps(files, path):
    with open(path, "w") as out:
        for name, (lines, branches) in sorted(files.items()):
            text = (ROOT / name).read_text().splitlines()
            for number in sorted(lines):
                of_line = [n for (at, _), n in sorted(branches.items()) if at == number]
                if not lines[number] or 0 in of_line:
                    missed = "never" if not lines[number] else "".join("+" if n else "-" for n in of_line)
                    print(f"{name}:{number}: {missed:6} {text[number - 1].strip()}", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--add", action="store_true", help="keep the counts of earlier runs")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--gaps", help="file for what never ran")
    options, arguments = parser.parse_known_args()
    objects = next((ROOT / "build" / "objects").glob(f"{sys.implementation.cache_tag}-*coverage*"))
    if not options.report:
        for old in [] if options.add else objects.glob("*.gcda"):
            old.unlink()
        given = [str(ROOT / a) if (ROOT / a.partition("::")[0]).exists() else a for a in arguments]
        pieces = [Piece(" ".join(arguments), given, {})] if arguments else suite()
        run_all(pieces, options.folder.resolve())
    files = merged(objects)
    if options.gaps:
        write_gaps(files, options.gaps)
    return 0 if show(files) else 1


if __name__ == "__main__":
    sys.exit(main())
