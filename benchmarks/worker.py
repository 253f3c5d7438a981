"""One process of one module: `python -m benchmarks.worker MODULE THREADS CLOCK` answers in JSON.

    {"do": "check", "row": name}                   the row's result, in sampled numbers
    {"do": "time", "row": name, "seconds": s}      ns per call of some batches, after a warm-up
    {"do": "fresh", "row": name}                   the one figure of a row that wants a process of its own
"""

import json
import sys
import time
import timeit

from benchmarks.row import all_rows
from benchmarks.rows_process import imported

BATCH = 1e-3  # seconds a batch of calls takes at least
SAMPLES = 257


def numbers(value):
    """A result as floats, long ones sampled evenly; the shape leads, for it must agree too."""
    if isinstance(value, (tuple, list)):
        return [number for part in value for number in numbers(part)]
    if not hasattr(value, "reshape"):
        return [float(value)]
    flat = value.detach().reshape(-1)
    step = max(1, len(flat) // SAMPLES)
    return [float(size) for size in value.shape] + [float(x) for x in flat[::step].tolist()]


def result_of(work):
    check = work.call if work.check is None else work.check
    return numbers(eval(check, dict(work.names)) if isinstance(check, str) else check())


class Clock:
    """Times one row; the collector stays on, for programs run with it."""

    def __init__(self, work, clock):
        ticks = time.process_time if clock == "cpu" else time.perf_counter
        self.timer = timeit.Timer(work.call, "__import__('gc').enable()", ticks, globals=dict(work.names))
        self.calls, spent = 1, self.timer.timeit(1)
        while (spent := self.timer.timeit(self.calls)) < BATCH:
            self.calls = max(self.calls + 1,
                             min(10 * self.calls, int(1.3 * BATCH / max(spent, 1e-9) * self.calls)))

    def batches(self, seconds):
        times, total = [], 0.0
        while total < seconds or len(times) < 3:
            spent = self.timer.timeit(self.calls)
            total += spent
            times.append(spent / self.calls * 1e9)
        return times


class Server:
    """Holds the module, once a row needs it, and the row asked for last."""

    def __init__(self, name, threads, clock):
        self.name, self.threads, self.time = name, threads, clock
        self.rows = {row.name: row for row in all_rows()}
        self.torch = self.row = self.work = self.clock = None

    def prepare(self, row):
        if self.torch is None:
            self.torch = imported(self.name)
            self.torch.set_num_threads(self.threads)
        if row is not self.row:
            self.row = self.work = self.clock = None
            self.work, self.row = row.make(self.torch), row

    def answer(self, request):
        row = self.rows[request["row"]]
        if request["do"] == "fresh":
            return row.make(self.name)
        self.prepare(row)
        if request["do"] == "check":
            return result_of(self.work)
        self.clock = self.clock or Clock(self.work, self.time)
        return self.clock.batches(request["seconds"])


def main():
    server = Server(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    for line in sys.stdin:
        try:
            reply = {"answer": server.answer(json.loads(line))}
        except Exception as error:  # of the row: told to the parent, which prints it in the row's place
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
