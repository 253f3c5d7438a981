"""Times ctorch beside PyTorch: `python benchmarks/run.py [--rounds 7] [--write]`.

Each round starts a fresh process of ctorch and one of PyTorch in turn (A B A B ...), one thread each; a figure is the
median over the rounds, a ratio the median of the rounds' own ratios.  Results are compared before anything is timed, so a
fast wrong answer is called wrong.  Without PyTorch only ctorch's column is printed.  --write renews BENCHMARKS.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


# ---------------------------------------------------------------- one process
def best_ns(function, seconds=0.15):
    """Smallest time of one call in ns: batches of about 2 ms, the empty loop subtracted."""
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        spent = time.perf_counter() - start
        if spent > 2e-3:
            break
        calls *= 2
    best, end = float("inf"), time.perf_counter() + seconds
    empty = float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        for _ in range(calls):
            function()
        best = min(best, time.perf_counter_ns() - start)
        start = time.perf_counter_ns()
        for _ in range(calls):
            _nothing()
        empty = min(empty, time.perf_counter_ns() - start)
    return (best - empty) / calls


def _nothing():
    pass


def rows_of(torch):
    """name -> (function to time, value that must agree)"""
    nn = torch.nn
    a, b = torch.ones(2, 2), torch.full((2, 2), 3.0)
    w = torch.full((2, 2), 2.0, requires_grad=True)
    one = torch.tensor(1.5)
    rows = {
        "a + b, 2x2": (lambda: a + b, a + b),
        "w + b, 2x2, recorded": (lambda: w + b, w + b),
        "w * b, 2x2, recorded": (lambda: w * b, w * b),
        "a + 2, 2x2": (lambda: a + 2, a + 2),
        "a.exp(), 2x2": (lambda: a.exp(), a.exp()),
        "a.sum(), 2x2": (lambda: a.sum(), a.sum()),
        "a @ b, 2x2": (lambda: a @ b, a @ b),
        "a[0], 2x2": (lambda: a[0], a[0]),
        "item()": (lambda: one.item(), one),
        "zeros(2, 2)": (lambda: torch.zeros(2, 2), torch.zeros(2, 2)),
    }

    def snippet():
        x = torch.ones(2, 2, requires_grad=True)
        y = x + 2
        z = y * y * 3
        o = z.mean()
        o.backward()
        return x.grad

    rows["lecture snippet with backward"] = (snippet, snippet())
    rows.update(training_rows(torch, nn))
    rows.update(array_rows(torch))
    return rows


def training_rows(torch, nn):
    def step_of(model, optimizer, data, target, loss_of):
        def step():
            optimizer.zero_grad()
            loss = loss_of(model(data), target)
            loss.backward()
            optimizer.step()
            return loss
        return step

    rows = {}
    torch.manual_seed(0)
    small = nn.Sequential(nn.Linear(1, 10), nn.Dropout(0.5), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1))
    data, target = torch.randn(32, 1), torch.randn(32, 1)
    step = step_of(small, torch.optim.SGD(small.parameters(), lr=1e-3), data, target, nn.MSELoss())
    rows["lecture Sequential, batch 32, SGD step"] = (step, step().detach())
    for name, sizes, batch, make in (
        ("MLP 784-128-10, batch 64, SGD step", (784, 128, 10), 64, lambda p: torch.optim.SGD(p, lr=1e-2)),
        ("MLP 784-128-10, batch 64, Adam step", (784, 128, 10), 64, lambda p: torch.optim.Adam(p)),
        ("MLP 784-512-512-10, batch 128, SGD step", (784, 512, 512, 10), 128, lambda p: torch.optim.SGD(p, lr=1e-2)),
        ("MLP 784-512-512-10, batch 128, Adam step", (784, 512, 512, 10), 128, lambda p: torch.optim.Adam(p)),
    ):
        torch.manual_seed(0)
        layers = []
        for i, o in zip(sizes, sizes[1:]):
            layers += [nn.Linear(i, o), nn.ReLU()]
        model = nn.Sequential(*layers[:-1])
        data, target = torch.randn(batch, sizes[0]), torch.randint(0, 10, (batch,))
        step = step_of(model, make(model.parameters()), data, target, nn.CrossEntropyLoss())
        rows[name] = (step, step().detach())
    return rows


def array_rows(torch):
    rows = {}
    torch.manual_seed(0)
    for n, text in ((1 << 10, "1 K"), (1 << 20, "1 M"), (1 << 24, "16 M")):
        x, y = torch.randn(n), torch.randn(n)
        rows[f"x + y, {text}"] = (lambda x=x, y=y: x + y, (x + y)[:8])
        for name in ("exp", "tanh", "sigmoid"):
            f = getattr(torch, name)
            rows[f"{name}, {text}"] = (lambda x=x, f=f: f(x), f(x)[:8])
    x = torch.randn(1 << 20)
    rows["sum, 1 M"] = (lambda: x.sum(), x.sum() / 1000)
    s = torch.randn(256, 1000)
    rows["softmax, 256x1000"] = (lambda: torch.softmax(s, 1), torch.softmax(s, 1)[0, :8])
    for n in (64, 256, 1024):
        p, q = torch.randn(n, n), torch.randn(n, n)
        rows[f"{n}x{n} @ {n}x{n}"] = (lambda p=p, q=q: p @ q, (p @ q)[0, :8])
    rows["rand(1 M)"] = (lambda: torch.rand(1 << 20), torch.zeros(1))
    rows["randn(1 M)"] = (lambda: torch.randn(1 << 20), torch.zeros(1))
    rows["dropout, 1 M"] = (lambda: torch.nn.functional.dropout(x, 0.5), torch.zeros(1))
    return rows


def worker(name):
    start = time.perf_counter()
    torch = __import__(name)
    __import__(name + ".nn")
    __import__(name + ".optim")
    spent = time.perf_counter() - start
    torch.set_num_threads(1)
    results = {"import with nn and optim": {"ns": spent * 1e9, "value": []}}
    for row, (function, value) in rows_of(torch).items():
        results[row] = {"ns": best_ns(function), "value": [float(v) for v in value.detach().reshape(-1)[:8]]}
    results["numpy loaded"] = "numpy" in sys.modules
    print(json.dumps(results))


# ---------------------------------------------------------------- rounds of processes
def run_worker(name):
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", CTORCH_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, "--worker", name], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def has_torch():
    from importlib.util import find_spec

    return find_spec("torch") is not None


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        return platform.processor() or platform.machine()


def agree(ours, theirs):
    return len(ours) == len(theirs) and all(abs(a - b) <= 1e-4 * max(1.0, abs(b)) for a, b in zip(ours, theirs))


def shown(ns):
    return f"{ns:.0f} ns" if ns < 1e4 else f"{ns / 1e3:.1f} us" if ns < 1e7 else f"{ns / 1e6:.1f} ms"


def table(ours, theirs):
    lines = ["| row | ctorch | PyTorch | ratio |", "|---|---|---|---|"]
    for row in ours[0]:
        if row == "numpy loaded":
            continue
        mine = statistics.median(r[row]["ns"] for r in ours)
        if not theirs:
            lines.append(f"| {row} | {shown(mine)} | | |")
            continue
        other = statistics.median(r[row]["ns"] for r in theirs)
        ratio = statistics.median(t[row]["ns"] / o[row]["ns"] for o, t in zip(ours, theirs))
        wrong = "" if agree(ours[0][row]["value"], theirs[0][row]["value"]) else " (WRONG RESULT)"
        lines.append(f"| {row} | {shown(mine)} | {shown(other)} | {ratio:.1f}x{wrong} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="renew BENCHMARKS.md")
    parser.add_argument("--worker", metavar="MODULE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker)
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(run_worker("ctorch"))
        if has_torch():
            theirs.append(run_worker("torch"))
    head = [f"CPU: {cpu_name()}; one thread; median of {options.rounds} fresh processes each, in turn.",
            f"NumPy in sys.modules after importing ctorch and running every row: {ours[0]['numpy loaded']}.", ""]
    lines = head + table(ours, theirs)
    print("\n".join(lines))
    if options.write:
        title = ["# Benchmarks", "", "Written by `python benchmarks/run.py --write`; ratio = PyTorch's time / ctorch's.", ""]
        (ROOT / "BENCHMARKS.md").write_text("\n".join(title + lines) + "\n")


if __name__ == "__main__":
    main()
