"""Every kernel's results beside PyTorch's on the same card and float64 on the CPU: python tools/gpu/parity.py OUT.

An error is the norm of the difference over the norm of the reference, the worst of a call's result and gradients.  It
passes within TOLERANCE of its dtype, or four times PyTorch's own error on the card.  Where PyTorch is absent ctorch's
CPU kernels in float64 are the reference.  The rows go to OUT/parity.json as they are made, failures to stdout.
"""

import argparse
import importlib.util
import json
import math
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from cases import FULL, TINY, arrays, cases, scope

import ctorch

TOLERANCE = {"float64": 1e-13, "float32": 2e-6, "float16": 1e-3, "bfloat16": 8e-3}
# PyTorch's float64 gradient multiplies by a sixth of single precision.
REFERENCE_ERROR = {"F.hardsigmoid(n)": 4e-8}
SAVE_EVERY = 2.0


def peer():
    """PyTorch, or None."""
    return importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def dtype_of(tensor):
    return str(tensor.dtype).partition(".")[2]


def to_array(tensor):
    tensor = tensor.detach().cpu()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()


def evaluate(torch, case, values, dtype, device, size, strided, seed, exact=False):
    """The result, then the gradients of the letters that have one: (name, array) pairs, and the result's dtype."""
    names = scope(torch, case, values, dtype, device, size, strided, exact)
    result = eval(case.text, names)
    found = [("result", to_array(result))]
    if dtype in case.grads and result.requires_grad:
        weights = np.random.default_rng(seed).standard_normal(tuple(result.shape))
        rounding = getattr(torch, dtype_of(result) if not exact else dtype)
        weights = torch.from_numpy(np.array(weights)).to(rounding).to(result.dtype).to(device)
        result.backward(weights)
        found += [(letter, to_array(names[letter].grad)) for letter in case.letters
                  if getattr(names[letter], "grad", None) is not None]
    return found, dtype_of(result)


def difference(ours, reference):
    """Norm-relative; infinite where shapes, NaNs or infinities differ."""
    if ours.shape != reference.shape:
        return math.inf
    a, b = ours.astype(np.float64), reference.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(np.isnan(a), np.isnan(b)) or not np.array_equal(a[np.isinf(b)], b[np.isinf(b)]):
        return math.inf
    below = np.linalg.norm(b[finite])
    above = np.linalg.norm(a[finite] - b[finite])
    return float(above / below) if below > 0 else float(above)


def worst(found, reference):
    if [name for name, _ in found] != [name for name, _ in reference]:
        return math.inf
    return max(difference(a, b) for (_, a), (_, b) in zip(found, reference))


def microseconds(torch, case, values, dtype, size):
    """Of one call on the card, the median of several runs of twenty; None if it cannot be timed."""
    names = scope(torch, case, values, dtype, "cuda", size, False)
    code, times = compile(case.text, "case", "eval"), []
    for _ in range(7):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(20):
            eval(code, names)
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e3 / 20)
    return round(statistics.median(times), 2)


class Parity:
    def __init__(self, out, size):
        self.path, self.size, self.saved = Path(out, "parity.json"), size, time.monotonic()
        self.torch, self.rows = peer(), []
        self.card = ctorch.cuda.get_device_name()
        self.real = "simulated" not in self.card
        self.peer_device = "cuda" if self.torch and self.torch.cuda.is_available() else "cpu"
        self.reference = "PyTorch, float64 on the CPU" if self.torch else "ctorch, float64 on the CPU"
        if self.torch:
            self.torch.backends.cuda.matmul.allow_tf32 = False

    def save(self, complete):
        content = {"card": self.card, "reference": self.reference, "complete": complete, "rows": self.rows}
        self.path.with_suffix(".tmp").write_text(json.dumps(content, indent=0))
        os.replace(self.path.with_suffix(".tmp"), self.path)
        self.saved = time.monotonic()

    def row(self, case, dtype, strided, seed):
        row = {"case": case.text, "kernels": case.kernels, "dtype": dtype, "strided": strided}
        values = arrays(case, self.size, strided, seed)
        try:
            if not case.letters:
                names = scope(ctorch, case, values, dtype, "cuda", self.size, strided)
                return row | {"error": 0.0 if bool(eval(case.text, names)) else math.inf, "tolerance": 0.0}
            found, made = evaluate(ctorch, case, values, dtype, "cuda", self.size, strided, seed)
            exact, _ = evaluate(self.torch or ctorch, case, values, dtype, "cpu", self.size, strided, seed, exact=True)
        except Exception as problem:
            text = f"{type(problem).__name__}: {problem}".partition("\n")[0]
            return row | {"error": math.inf, "tolerance": 0.0, "problem": text}
        tolerance = max([REFERENCE_ERROR.get(case.text, 0.0)] + [TOLERANCE.get(name, 0.0) for name in (dtype, made)])
        row |= {"error": worst(found, exact), "peer": self.peer_error(case, values, dtype, strided, seed, exact)}
        row["tolerance"] = max(tolerance, 4 * row["peer"] if row["peer"] and math.isfinite(row["peer"]) else 0.0)
        if self.real and not strided and dtype == case.dtypes[0]:
            row["us"] = microseconds(ctorch, case, values, dtype, self.size)
            if self.peer_device == "cuda" and row["peer"] is not None:
                row["peer_us"] = microseconds(self.torch, case, values, dtype, self.size)
        return row

    def peer_error(self, case, values, dtype, strided, seed, exact):
        """PyTorch's own error in this dtype, or that of ctorch's CPU where it is not here; None if it has no such kernel."""
        try:
            found, _ = evaluate(self.torch or ctorch, case, values, dtype, self.peer_device, self.size, strided, seed)
        except Exception:
            return None
        return worst(found, exact)

    def begin_again(self, first):
        """An error of the card ends its context: the cases from `first` on go to a process of their own."""
        self.save(False)
        os.execv(sys.executable, [sys.executable, *sys.argv, "--first", str(first)])

    def run(self, only, first):
        if first:
            self.rows = json.loads(self.path.read_text())["rows"]
        for number, case in enumerate(cases()):
            if number < first:
                continue
            for dtype in case.dtypes if only in case.text else ():
                for strided in (False, True) if case.strided and case.letters else (False,):
                    row = self.row(case, dtype, strided, [number, strided])
                    self.rows.append(row)
                    if not passed(row):
                        print(f"FAILED {described(row)}", flush=True)
                    if time.monotonic() - self.saved > SAVE_EVERY:
                        self.save(False)
                    if "CUDA error" in row.get("problem", ""):
                        self.begin_again(number + 1)
        self.save(True)
        return [row for row in self.rows if not passed(row)]


def passed(row):
    return row["error"] <= row["tolerance"]


def described(row):
    words = row.get("problem") or f"error {row['error']:.1e}, at most {row['tolerance']:.1e}"
    return f"{row['case']} {row['dtype']}{' strided' * row['strided']}: {words}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--only", default="", help="cases whose text contains this")
    parser.add_argument("--first", type=int, default=0, help="the number of the case to go on with")
    parser.add_argument("--tiny", action="store_true", help="sizes for the simulated device")
    options = parser.parse_args()
    parity = Parity(options.out, TINY if options.tiny else FULL)
    failures = parity.run(options.only, options.first)
    print(f"{len(parity.rows)} comparisons with {parity.reference}: {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
