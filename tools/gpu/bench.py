"""ctorch beside PyTorch on one card: python tools/gpu/bench.py OUT [--seconds S] [--only TEXT] [--tiny].

Each library has a process of its own, and they time a row in turn, A B A B.  A host row is the time that Python waits
for a call which waits for nothing; a device row the time between two CUDA events, over calls with rotated operands, so
that no cache holds them.  A figure is the median of all samples, with the tenth and ninetieth percentile.  Rows go to
OUT/bench.json as they are made.  On the simulated device the sizes are tiny, the times mean nothing, and PyTorch's are
its CPU's.
"""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

VISITS = 3
# Samples that a device row has at least, in all visits of a process.
SAMPLES = 30
# Processes of one library, after which its rows are left out.
STARTS = 5


class Row(NamedTuple):
    name: str
    kind: str               # host, bandwidth, gemm or step
    make: object            # make(torch, device, big) gives the calls to rotate through
    work: float = 0         # bytes or floating-point operations of a call
    only: str = ""          # ctorch alone


def normal(torch, device, *shape, dtype="float32"):
    return torch.randn(*shape, device=device).to(getattr(torch, dtype))


def each(call, *sets):
    """One call per set of operands."""
    return [lambda operands=operands: call(*operands) for operands in sets]


# ---- rows ----


def host(text):
    def make(torch, device, big):
        names = {"torch": torch, "F": torch.nn.functional, "a": torch.ones(2, 2, device=device), "w":
                 torch.ones(2, 2, device=device, requires_grad=True), "linear": torch.nn.Linear(2, 2).to(device)}
        names["b"] = names["a"] + 1
        code = compile(text, "row", "eval")
        return [lambda: eval(code, names)]

    return Row(f"host: {text}", "host", make)


def bandwidth(text, traffic, dtype="float32", columns=1024, note=""):
    """traffic: bytes moved per element, in sizes of the element."""
    size = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}[dtype]
    elements = 256 * 2**20 // size

    def make(torch, device, big):
        n = elements // columns if big else 8
        names = {"torch": torch, "F": torch.nn.functional, "p": normal(torch, device, columns, dtype=dtype),
                 "h": torch.randint(columns, (n,), device=device)}
        sets = [{"x": normal(torch, device, n, columns, dtype=dtype)} for _ in range(3 if big else 1)]
        if "y" in text:
            for one in sets:
                one["y"] = normal(torch, device, n, columns, dtype=dtype)
        code = compile(text, "row", "eval")
        return each(lambda one: eval(code, names | one), *[(one,) for one in sets])

    return Row(f"{text}, {note or dtype}", "bandwidth", make, traffic * size * elements)


def gemm(name, m, k, n, dtype="float32", tf32=False, batch=0):
    def make(torch, device, big):
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        lead = (batch if big else 2,) if batch else ()
        m_, k_, n_ = (m, k, n) if big else (8, 8, 8)
        sets = [(normal(torch, device, *lead, m_, k_, dtype=dtype), normal(torch, device, *lead, k_, n_, dtype=dtype))
                for _ in range(2 if big else 1)]
        return each(torch.matmul, *sets)

    return Row(f"matmul {name}", "gemm", make, 2.0 * m * k * n * max(batch, 1))


def mlp(optimizer, sizes=(784, 512, 256, 10), batch=128):
    def make(torch, device, big):
        torch.set_float32_matmul_precision("highest")
        widths = sizes if big else (8, 8, 8, 4)
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1]).to(device)
        stepper = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)
        data = normal(torch, device, batch, widths[0])
        target = torch.randint(widths[-1], (batch,), device=device)
        loss_of = torch.nn.CrossEntropyLoss()

        def step():
            stepper.zero_grad()
            loss_of(model(data), target).backward()
            stepper.step()

        return [step]

    return Row(f"MLP {'-'.join(map(str, sizes))}, batch {batch}, {optimizer} step", "step", make)


def optimizer(rule, tensors, size, traffic, **options):
    def make(torch, device, big):
        parameters = [normal(torch, device, size if big else 10).requires_grad_() for _ in range(tensors if big else 3)]
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        return [getattr(torch.optim, rule)(parameters, lr=1e-3, **options).step]

    words = " with momentum" if options else ""
    return Row(f"{rule}{words}.step(), {tensors} x {size} parameters", "step", make, traffic * 4.0 * tensors * size)


def upload(pinned):
    def make(torch, device, big):
        source = torch.ones((64 if big else 1) * 2**18)
        source = source.pin_memory() if pinned and device == "cuda" else source
        return [lambda: source.to(device, non_blocking=True)]

    return Row(f"64 MB to the card, {'pinned' if pinned else 'pageable'}", "bandwidth", make, 64.0 * 2**20)


def rows():
    made = [host(text) for text in ("a + b", "a * 2.5", "a.relu()", "a @ b", "a.sum()", "w * b", "linear(a)",
                                    "(w * b).sum().backward()")]
    made += [bandwidth("torch.relu(x)", 2), bandwidth("x + y", 3), bandwidth("x * 2.5", 2),
             bandwidth("torch.exp(x)", 2),
             bandwidth("F.gelu(x)", 2), bandwidth("x + p", 2), bandwidth("torch.relu(x)", 2, "float16"),
             bandwidth("x + y", 3, "bfloat16"), bandwidth("torch.exp(x)", 2, "float64"),
             bandwidth("x.clone()", 2),
             bandwidth("x.t().contiguous()", 2), bandwidth("x.half()", 1.5), bandwidth("x.sum()", 1),
             bandwidth("x.sum(0)", 1),
             bandwidth("x.sum(1)", 1), bandwidth("x.amax(1)", 1), bandwidth("x.sum()", 1, "bfloat16"),
             bandwidth("x.softmax(1)", 2), bandwidth("x.log_softmax(1)", 2),
             bandwidth("F.cross_entropy(x, h)", 1),
             bandwidth("x.softmax(1)", 2, columns=50_000, note="rows of 50000"), bandwidth("x.cumsum(1)", 2),
             bandwidth("F.dropout(x, 0.5)", 2), bandwidth("x[h % 8]", 2)]
    made += [gemm("4096 fp32", 4096, 4096, 4096), gemm("4096 TF32", 4096, 4096, 4096, tf32=True),
             gemm("4096 bf16", 4096, 4096, 4096, "bfloat16"), gemm("1024 fp32", 1024, 1024, 1024),
             gemm("128x784x512 fp32", 128, 784, 512), gemm("64 x 512 fp32", 512, 512, 512, batch=64)]
    made += [mlp("SGD"), mlp("Adam"), optimizer("SGD", 1, 10_000_000, 3),
             optimizer("SGD", 1, 10_000_000, 5, momentum=0.9),
             optimizer("Adam", 1, 10_000_000, 7),
             optimizer("Adam", 100, 100_000, 7), upload(True), upload(False)]
    return made


# ---- one process ----


class Clock:
    """Samples of one row, in microseconds of a call."""

    def __init__(self, torch, device, row, big):
        self.torch, self.device, self.row = torch, device, row
        self.calls = row.make(torch, device, big)
        for call in self.calls:
            call()
        self.wait()
        self.repeat, self.least = 1, SAMPLES // VISITS if big else 1
        if row.kind == "host":
            self.repeat = 200 if big else 3
        elif big:
            once = min(self.once(1) for _ in range(3))
            self.repeat = max(1, min(200, int(500 / max(once, 1))))

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def once(self, repeat):
        calls = [self.calls[i % len(self.calls)] for i in range(repeat)]
        timed = self.row.kind != "host" and self.device == "cuda"
        if timed:
            first, last = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
        begun = time.perf_counter()
        for call in calls:
            call()
        spent = (time.perf_counter() - begun) * 1e6
        if timed:
            last.record()
            last.synchronize()
            spent = first.elapsed_time(last) * 1e3
        self.wait()
        return spent / repeat

    def samples(self, seconds):
        begun, times = time.perf_counter(), []
        while time.perf_counter() - begun < seconds or len(times) < self.least:
            times.append(self.once(self.repeat))
        return times


def serve(name, device, big):
    """Says that the device works, then answers {"row": name, "seconds": s} with samples, one line each."""
    torch = importlib.import_module(name)
    torch.ones(1, device=device).sum().item()
    print("ready", flush=True)
    known, clock, current = {row.name: row for row in rows()}, None, None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["row"] != current:
                clock = current = None
                if device == "cuda":
                    torch.cuda.empty_cache()
                clock, current = Clock(torch, device, known[request["row"]], big), request["row"]
            reply = {"samples": clock.samples(request["seconds"])}
        except Exception as problem:
            reply = {"problem": f"{type(problem).__name__}: {problem}".partition("\n")[0]}
        print(json.dumps(reply), flush=True)


# ---- the rounds ----


class Worker:
    """A process of one library.  After a problem a new one takes over: an error of a card is there to stay."""

    def __init__(self, name, device, big):
        self.command = [sys.executable, __file__, "--serve", name, "--device", device, *([] if big else ["--tiny"])]
        self.name, self.starts = name, 0
        self.start()

    def start(self):
        self.starts += 1
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.works = self.process.stdout.readline() == "ready\n"

    def stop(self):
        self.process.kill()
        self.process.wait()

    def ask(self, row, seconds):
        if not self.works:
            return {"problem": f"{self.name}'s process does not work"}
        try:
            print(json.dumps({"row": row, "seconds": seconds}), file=self.process.stdin, flush=True)
            reply = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            reply = {"problem": f"{self.name}'s process has ended"}
        if "problem" in reply:
            self.stop()
            self.works = False
            if self.starts < STARTS:
                self.start()
        return reply


def summary(samples):
    ordered = sorted(samples)
    return {"median": statistics.median(ordered), "low": ordered[len(ordered) // 10],
            "high": ordered[len(ordered) * 9 // 10], "samples": len(ordered)}


def measure(row, workers, seconds):
    found, result = {worker.name: [] for worker in workers}, {"name": row.name, "kind": row.kind, "work": row.work}
    for _ in range(VISITS):
        for worker in workers:
            if f"{worker.name} problem" in result:
                continue
            reply = worker.ask(row.name, seconds / VISITS)
            if "problem" in reply:
                result[f"{worker.name} problem"] = reply["problem"]
            else:
                found[worker.name] += reply["samples"]
    return result | {name: summary(samples) for name, samples in found.items() if samples}


def peer_device(simulated):
    """Where PyTorch works: None if it is not here."""
    if not importlib.util.find_spec("torch"):
        return None
    return "cpu" if simulated else "cuda"


def save(path, content):
    path.with_suffix(".tmp").write_text(json.dumps(content, indent=0))
    os.replace(path.with_suffix(".tmp"), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?")
    parser.add_argument("--seconds", type=float, default=100.0, help="for all rows together")
    parser.add_argument("--only", default="")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--serve", default="")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.device, not options.tiny)
    chosen = [row for row in rows() if options.only in row.name]
    theirs = peer_device(options.tiny)
    workers = [Worker("ctorch", "cuda", not options.tiny)]
    workers += [Worker("torch", theirs, not options.tiny)] if theirs else []
    if not workers[0].works:
        print("FAILED ctorch does not work: see above")
        return 1
    end, results, problems = time.monotonic() + options.seconds, [], 0
    for number, row in enumerate(chosen):
        left = end - time.monotonic()
        if left <= 0:
            print(f"FAILED out of time: {len(chosen) - number} rows were not measured, from {row.name} on")
            problems += 1
            break
        # The rest of a row's share goes into making operands.
        share = 0 if options.tiny else 0.6 * left / (len(chosen) - number) / len(workers)
        results.append(measure(row, workers, share))
        save(Path(options.out, "bench.json"), {"rows": results, "simulated": options.tiny})
        problem = results[-1].get("ctorch problem")
        if problem:
            problems += 1
            print(f"FAILED {row.name}: {problem}", flush=True)
    for worker in workers:
        worker.stop()
    print(f"{len(results)} rows measured")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
