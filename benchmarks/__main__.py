"""Times ctorch beside PyTorch: `make bench ARGS="--class reduction --quick"`.

Every round starts one process of each module and number of threads.  A row is first checked, its results compared,
so that a fast wrong answer is called wrong; then the processes time it in turn, A B A B.  A cell is least / median time
of a call; a ratio is PyTorch's time over ctorch's, the median over the pairs of neighbouring visits, in
brackets its bootstrap 95 % interval.  A bar in time is met by the median over the processes of the least time in each.
Without PyTorch only ctorch's column is printed.  The figures go to build/bench.json.  BENCHMARKS.md has the
instruction set of the machine and one thread, benchmarks/avx2.md the instruction set of most others, benchmarks/threads.md
one thread and two, benchmarks/busy.md what is left of these beside a busy core.  benchmarks/xeon.md is an earlier state on
another CPU.
"""

import argparse
import compileall
import json
import math
import os
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

from benchmarks import machine
from benchmarks.report import Result, record, report
from benchmarks.row import all_rows

ROOT = machine.HERE.parent
# Calls and what runs once in a process gain nothing from a second thread.
ONE_THREAD = {"process", "call", "recorded call", "scalar access", "autograd", "lecture model"}
LEVELS = {
    "best": {},
    "avx2": {"CTORCH_CPU": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
             "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "baseline": {"CTORCH_CPU": "baseline", "ATEN_CPU_CAPABILITY": "default",
                 "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
                 "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
# Threads of one process spin on for a moment after their work; the other process starts when they sleep.
PAUSE = 0.005
SPIN = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
while True:
    pass
"""
TOLERANCE = 1e-4


class Process:
    """A worker, which answers one request after the other."""

    def __init__(self, name, threads, options):
        count = str(threads)
        environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS=count, CTORCH_NUM_THREADS=count,
                           **LEVELS[options.level])
        self.worker = subprocess.Popen([sys.executable, "-m", "benchmarks.worker", name, count, options.clock], text=True,
                                       cwd=ROOT,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def ask(self, do, row, **more):
        """The answer, and an error's text or None."""
        self.worker.stdin.write(json.dumps({"do": do, "row": row.name, **more}) + "\n")
        self.worker.stdin.flush()
        text = self.worker.stdout.readline()
        if not text:
            return None, f"the process died with {self.worker.wait()}"
        reply = json.loads(text)
        return reply.get("answer"), reply.get("error")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.stdin.close()
        self.worker.wait()


@contextmanager
def busy_core(wanted):
    """Keeps one core busy with a process of its own."""
    if not wanted:
        yield
        return
    spinner = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        yield
    finally:
        spinner.kill()
        spinner.wait()


def same(ours, theirs):
    def close(a, b):
        return a == b or abs(a - b) <= TOLERANCE * max(1, abs(b)) or (math.isnan(a) and math.isnan(b))

    return len(ours) == len(theirs) and all(close(a, b) for a, b in zip(ours, theirs))


def checked(result, workers):
    """Whether the row's results agree and it may be timed."""
    answers = {}
    for name in result.figures:
        if (name, result.threads) in workers:
            answers[name], error = workers[name, result.threads].ask("check", result.row)
            if error:
                result.problem = f"{name}: {error}"
                return False
    if "torch" in answers and not same(answers["ctorch"], answers["torch"]):
        result.problem = "WRONG RESULT"
    return not result.problem


def visit(result, workers, seconds):
    """Times the row once with each module."""
    for (name, threads), worker in workers.items():
        if threads == result.threads and not result.problem:
            time.sleep(PAUSE)
            times, error = worker.ask("time", result.row, seconds=seconds)
            if error:
                result.problem = f"{name}: {error}"
            else:
                result.figures[name].append(times)


def run_round(results, names, options):
    """Every visit times a row with one number of threads after the other."""
    with ExitStack() as stack:
        workers = {(name, threads): stack.enter_context(Process(name, threads, options))
                   for threads in options.threads for name in names}
        for row in dict.fromkeys(result.row for result in results):
            mine = [result for result in results if result.row is row and not result.problem and checked(result, workers)]
            for _ in range(options.visits):
                for result in mine:
                    visit(result, workers, options.seconds)


def run_fresh(results, names, options):
    """One round of the rows that want a process of their own."""
    for result in results:
        if result.problem or (result.row.exact and result.figures["ctorch"]):
            continue
        for name in names:
            with Process(name, 1, options) as worker:
                figure, error = worker.ask("fresh", result.row)
            if error:
                result.problem = f"{name}: {error}"
                break
            result.figures[name].append([figure])


def measure(rows, names, options):
    results = [Result(row, threads, options.visits) for position, threads in enumerate(options.threads) for row in rows
               if position == 0 or row.group not in ONE_THREAD]
    for number in range(options.rounds):
        start = time.perf_counter()
        run_fresh([result for result in results if result.row.fresh], names, options)
        run_round([result for result in results if not result.row.fresh], names, options)
        print(f"round {number + 1} of {options.rounds}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return results


def versions(names):
    text = "import sys; print(__import__(sys.argv[1]).__version__)"
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    return {name: subprocess.run([sys.executable, "-c", text, name], env=environment, capture_output=True,
                                 text=True,
                                 check=True).stdout.strip() for name in names}


def arguments():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--class", dest="groups", metavar="CLASS,...", help="only these classes of rows")
    parser.add_argument("--row", metavar="TEXT", help="only rows whose name contains TEXT")
    parser.add_argument("--list", action="store_true",
                        help="print the classes and their rows, measure nothing")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, in turn (1,2)")
    parser.add_argument("--rounds", type=int, default=5, help="fresh pairs of processes (5)")
    parser.add_argument("--visits", type=int, default=3, help="times that a row is timed in each of them (3)")
    parser.add_argument("--seconds", type=float, default=0.025, help="length of a visit (0.025)")
    parser.add_argument("--quick", action="store_true",
                        help="2 rounds of 3 visits of 10 ms, no sizes of files")
    parser.add_argument("--busy", action="store_true", help="keep another core busy meanwhile")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall",
                        help="cpu: the process's own time, for one thread on a machine that others use too")
    parser.add_argument("--level", choices=LEVELS, default="best", help="instruction set of both modules")
    parser.add_argument("--write", nargs="?", const="BENCHMARKS.md", metavar="FILE",
                        help="write the report to a file (BENCHMARKS.md)")
    options = parser.parse_args()
    options.threads = [1] if options.clock == "cpu" else [int(count) for count in options.threads.split(",")]
    if options.quick:
        options.rounds, options.visits, options.seconds = 2, 3, 0.01
    return parser, options


def chosen(parser, options):
    rows = all_rows()
    groups = list(dict.fromkeys(row.group for row in rows))
    wanted = options.groups.split(",") if options.groups else groups
    if unknown := set(wanted) - set(groups):
        parser.error(f"no class {', '.join(sorted(unknown))}; there are: {', '.join(groups)}")
    return [row for row in rows if row.group in wanted and (not options.row or options.row in row.name)
            and not (row.exact and options.quick)]


def main():
    parser, options = arguments()
    rows = chosen(parser, options)
    if options.list:
        print("\n".join(f"{row.group}: {row.name}" for row in rows))
        return
    names = ["ctorch"] + ["torch"] * (find_spec("torch") is not None)
    sizes = sorted({int(row.bytes) for row in rows if row.bytes})
    limits = {threads: machine.Limits(threads, sizes, options.level) for threads in options.threads}
    compileall.compile_dir(ROOT / "ctorch", quiet=2)       # as an installation does; PyTorch was installed
    with busy_core(options.busy):
        results = measure(rows, names, options)
    busy = "; a core kept busy" if options.busy else ""
    head = [
        f"CPU: {machine.cpu_name()}, {machine.cores()} cores; instruction set: {options.level}; "
        + ", ".join(f"{name} {version}" for name, version in versions(names).items())
        + f"; Python {sys.version.split()[0]}.",
        f"{options.rounds * options.visits} pairs of visits, in {options.rounds} pairs of processes, {options.clock} time{busy}.",
    ]
    lines = report(results, limits, head)
    print("\n".join(lines))
    machine.BUILD.mkdir(exist_ok=True)
    (machine.BUILD / "bench.json").write_text(json.dumps(record(results, limits, head), indent=1))
    if options.write:
        title = ["# Benchmarks", "", f"Written by `make bench ARGS=\"{shlex.join(sys.argv[1:])}\"`.",
                 " ".join(__doc__.split("\n\n")[1].split()), ""]
        (ROOT / options.write).write_text("\n".join(title + lines) + "\n")


if __name__ == "__main__":
    main()
