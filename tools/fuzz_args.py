"""Bad-argument fuzzing: every public callable of ctorch called with hostile values, in forked batches.

    python tools/fuzz_args.py --n 200000 --seed 1      reports signals, hangs and SystemErrors, each with its call
    python tools/fuzz_args.py --seed 1 --only 4711     runs one call again, in this process

Callables are found by walking the package: functions, classes, and the methods of Tensor and of nn's modules.  Any
exception is an answer, except SystemError; a signal, or a call that takes longer than 5 s, is a defect.  Call number
k is made from the seed and k alone, whichever calls ran before it.
"""

import argparse
import inspect
import mmap
import os
import random
import resource
import signal
import struct
import sys
import types
import warnings

import numpy

import ctorch

SECONDS = 5  # that a call may take
BATCH = 1000  # calls of one forked process
MEMORY = 1 << 31  # that a process may map, so that a huge size fails at once
MODULES = ["ctorch", "ctorch.nn.functional", "ctorch.nn", "ctorch.nn.init", "ctorch.nn.utils", "ctorch.autograd",
           "ctorch.autograd.functional", "ctorch.optim", "ctorch.optim.lr_scheduler", "ctorch.utils.data", "ctorch.testing",
           "ctorch.random", "ctorch.linalg", "ctorch.special", "ctorch.vision.transforms"]
# Not called: these change the process that would have to report, or wait for other processes by design.
LEFT_OUT = {"install_as_torch", "_fail_after", "set_num_threads", "set_default_dtype", "set_default_device",
            "set_default_tensor_type", "set_printoptions", "_parallel_stop", "DataLoader", "exit", "annotations"}


# ---------------------------------------------------------------- what is called
def walk():
    """(name, callable, wants a Tensor first) of everything public, sorted by name."""
    found = {}
    for module_name in MODULES:
        try:
            module = __import__(module_name, fromlist=["*"])
        except ImportError:
            continue
        for name in dir(module):
            value = getattr(module, name, None)
            helper = name.startswith("_") and isinstance(value, types.FunctionType)     # of Python, for its own module
            if callable(value) and not name.startswith("__") and name not in LEFT_OUT and not helper:
                found[f"{module_name}.{name}"] = (value, False)
    for name in dir(ctorch.Tensor):
        method = getattr(ctorch.Tensor, name)
        if callable(method) and name not in dir(object):
            found[f"ctorch.Tensor.{name}"] = (method, True)
    for layer in (ctorch.nn.Linear(3, 2), ctorch.nn.Sequential(ctorch.nn.Linear(3, 2), ctorch.nn.ReLU()),
                  ctorch.nn.ModuleList([ctorch.nn.ReLU()]), ctorch.nn.ModuleDict({"a": ctorch.nn.ReLU()})):
        for name in dir(layer):
            method = getattr(layer, name)
            if callable(method) and not name.startswith("__") and not isinstance(method, type):
                found[f"{type(layer).__name__}.{name}"] = (method, False)
    return [(name, *found[name]) for name in sorted(found)]


# ---------------------------------------------------------------- what it is called with
class Hostile:
    """Answers every protocol wrongly."""

    def __init__(self, draw):
        self.draw = draw

    def __index__(self):
        return self.draw.choice([-1, 2**63, 2])

    def __float__(self):
        raise ValueError("no number")

    def __len__(self):
        return self.draw.choice([2**40, 3])

    def __getitem__(self, key):
        raise IndexError("nothing here")

    def __iter__(self):
        return iter([self, 1])

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    __hash__ = None


def tensor(draw):
    t = ctorch
    dtype = draw.choice([t.float32, t.float32, t.float64, t.float16, t.bfloat16, t.int64, t.int32, t.int8, t.uint8,
                         t.bool])
    shape = draw.choice([(), (3,), (2, 3), (2, 3), (3, 3), (2, 3, 4), (0,), (0, 3), (1,), (1, 1, 1, 1, 2)])
    base = t.arange(120).to(dtype)
    n = 1
    for side in shape:
        n *= side
    kind = draw.randrange(8)
    if kind == 0:
        return base[:1].expand(shape) if shape else base[0]
    if kind == 1 and len(shape) >= 2:
        return base[:n].view(shape).transpose(0, 1)
    if kind == 2:
        return base[1:2 * n + 1:2].view(shape)
    x = base[:n].clone().view(shape)
    if kind == 3 and dtype.is_floating_point:
        return x.requires_grad_()
    if kind == 4 and dtype.is_floating_point:
        return x.requires_grad_() * 2
    if kind == 5:
        return x.fill_(draw.choice([float("nan"), float("inf")])) if dtype.is_floating_point else x.long() - 2
    return x


def indices(draw):
    values = [draw.choice([0, 1, 2, -1, -3, 3, 2**31, 2**62, -2**63]) for _ in range(draw.randrange(4))]
    return ctorch.tensor(values, dtype=ctorch.int64)


def value(draw, depth=0):
    number = [-1, 0, 1, 2, 3, 7, -7, 2**31, -2**31 - 1, 2**62, 2**63 - 1, -2**63, 2**64, True, False]
    real = [0.5, 1.0, -0.0, 1e300, float("nan"), float("inf"), -float("inf")]
    kind = draw.randrange(20)
    if kind < 6:
        return tensor(draw)
    if kind < 10:
        return draw.choice(number[:7])
    if kind < 12:
        return draw.choice(number + real)
    if kind == 12:
        return draw.choice([ctorch.float32, ctorch.int64, ctorch.bool, ctorch.float16, ctorch.device("cpu"), "cpu", "meta"])
    if kind == 13:
        return draw.choice([None, "", "x", "sum", "mean", "ij,jk->ik", "\0", "é" * 300, b"x", 1j, ..., slice(None),
                            slice(2**63, -2**63, -1), object(), type, len])
    if kind == 14:
        return indices(draw)
    if kind == 15:
        return draw.choice([numpy.arange(6.0).reshape(2, 3), numpy.arange(3)[::-1], numpy.float32(2), numpy.ones(2, ">i4"),
                            numpy.array(["x"]), numpy.empty((0, 3))])
    if kind == 16:
        return Hostile(draw)
    if depth < 2:
        items = [value(draw, depth + 1) for _ in range(draw.randrange(4))]
        return draw.choice([items, tuple(items), {str(k): item for k, item in enumerate(items)}, iter(items)])
    return ctorch.Generator()


KEYWORDS = ["dim", "keepdim", "dtype", "out", "alpha", "input", "other", "size", "generator", "requires_grad", "device",
            "reduction", "weight", "inplace", "p", "min", "max", "descending", "values", "accumulate", "nonsense"]


# What parameters of these names usually are; others are a float tensor, so that a good part of the calls succeeds.
PLAUSIBLE = {
    "dim": [0, -1, 1], "dim0": [0], "dim1": [1, -1], "axis": [0], "start": [0, 1], "end": [2, 3], "step": [1], "steps": [3],
    "size": [(2, 3), (6,), 3], "shape": [(3, 2), (-1,)], "sizes": [(1, 2)], "k": [1], "n": [3], "m": [2], "diagonal": [0, 1],
    "repeats": [2], "dims": [(0,), (1, 0)], "chunks": [2], "sections": [2], "split_size": [1], "dtype": [ctorch.float64],
    "p": [0.5, 2], "alpha": [2], "value": [1.5], "eps": [1e-5], "lr": [0.1], "seed": [3], "name": ["weight"], "low": [0],
    "high": [5], "num_classes": [7], "shifts": [1], "in_features": [3], "out_features": [2], "negative_slope": [0.1],
    "threshold": [1.0], "min": [0], "max": [1], "num_samples": [1], "equation": ["ij->ji"], "std": [1.0], "mean": [0.0],
    "decimals": [1], "fill_value": [2], "source": [0], "destination": [1], "stride": [(1,)], "kernel_size": [2], "fn": [len],
    "source_tensor": [2.0], "requires_grad": [True], "mode": [True], "prefix": ["x"], "func": [abs], "other": [2],
}


def plausible_call(function, draw):
    """Arguments for the parameters that have no default, chosen by their names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return [tensor(draw)] * draw.randrange(3)
    arguments = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.default is not parameter.empty:
            continue
        if parameter.name in ("index", "indices", "target"):
            arguments.append(ctorch.tensor([0, 1]))
        elif parameter.name in ("tensors", "params", "parameters"):
            arguments.append([ctorch.ones(2, 3).requires_grad_(), ctorch.ones(2, 3).requires_grad_()])
        elif parameter.name == "mask":
            arguments.append(ctorch.ones(2, 3) > 0)
        elif parameter.name in PLAUSIBLE:
            arguments.append(draw.choice(PLAUSIBLE[parameter.name]))
        else:
            arguments.append(ctorch.arange(1.0, 7.0).view(2, 3))
    return arguments


def call_of(seed, number, callables):
    """(name, callable, arguments, keywords) of call `number`."""
    name, function, wants_tensor = callables[number % len(callables)]
    draw = random.Random(f"{seed}:{number}")
    if draw.random() < 0.4:
        arguments = plausible_call(function, draw)
        if arguments and draw.random() < 0.5:
            arguments[draw.randrange(len(arguments))] = value(draw)
        return name, function, arguments, {}
    count = draw.choice([0, 1, 1, 1, 2, 2, 2, 3, 4])
    arguments = [value(draw) for _ in range(count)]
    if wants_tensor and draw.random() < 0.95:
        arguments.insert(0, tensor(draw))
        arguments = arguments[: draw.choice([1, 2, 2, 3, 4])]
    elif arguments and draw.random() < 0.5:
        arguments[0] = tensor(draw)
    keywords = {draw.choice(KEYWORDS): value(draw) for _ in range(draw.choice([0, 0, 0, 0, 1, 2]))}
    return name, function, arguments, keywords


def touch(result):
    """Reads what a call gave: memory that is not there shows only when it is read."""
    if isinstance(result, ctorch.Tensor):
        repr(result)
        if result.requires_grad and result.numel() < 1000:
            result.sum().backward()
    elif isinstance(result, (list, tuple)):
        for item in result[:10]:
            touch(item)


def describe(name, arguments, keywords):
    def say(item):
        if isinstance(item, ctorch.Tensor):
            return (f"<{item.dtype} {tuple(item.shape)} strides {item.stride()}"
                    f"{' requires_grad' * item.requires_grad}: {item.detach().reshape(-1)[:4].tolist()}>")
        if isinstance(item, (list, tuple)):
            return f"{type(item).__name__}({', '.join(map(say, item))})"
        return "Hostile()" if isinstance(item, Hostile) else f"{item!r:.80}"

    return f"{name}({', '.join([*map(say, arguments), *(f'{k}={say(v)}' for k, v in keywords.items())])})"


# ---------------------------------------------------------------- running
def run_call(seed, number, callables):
    """Whether call `number` succeeded; SystemError is passed on, every other exception is an answer."""
    name, function, arguments, keywords = call_of(seed, number, callables)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        touch(function(*arguments, **keywords))
        return True
    except SystemError as error:
        raise SystemError(f"{describe(name, arguments, keywords)}: {error}") from None
    except (Exception, SystemExit):
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def quiet():
    """Warnings and whatever the callables print go nowhere; sizes beyond MEMORY fail at once."""
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    if "asan" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_batch(seed, numbers, callables, shared):
    """In a child: runs the calls, telling through shared memory where it is and what it found."""
    quiet()
    for number in numbers:
        struct.pack_into("q", shared, 0, number)
        try:
            succeeded = run_call(seed, number, callables)
        except SystemError as error:
            text = str(error).encode()[:3000]
            struct.pack_into("q", shared, 16, len(text))
            shared[24:24 + len(text)] = text
            os._exit(3)
        struct.pack_into("q", shared, 8, struct.unpack_from("q", shared, 8)[0] + succeeded)
    os._exit(0)


def outcome(status, shared):
    """What ended a batch before its time, or None."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"hang (> {SECONDS} s)" if number == signal.SIGALRM else signal.Signals(number).name
    if os.WEXITSTATUS(status) == 3:
        length = struct.unpack_from("q", shared, 16)[0]
        return f"SystemError {bytes(shared[24:24 + length]).decode(errors='replace')}"
    return None if os.WEXITSTATUS(status) == 0 else f"exit status {os.WEXITSTATUS(status)}"


def fuzz(n, seed, most):
    callables = walk()
    shared = mmap.mmap(-1, 4096)
    number, defects = 0, []
    while number < n and len(defects) < most:
        sys.stdout.flush()
        last = min(number + BATCH, n)
        child = os.fork()
        if child == 0:
            run_batch(seed, range(number, last), callables, shared)
        _, status = os.waitpid(child, 0)
        what = outcome(status, shared)
        if what is None:
            number = last
            continue
        number = struct.unpack_from("q", shared, 0)[0]
        name, _, arguments, keywords = call_of(seed, number, callables)
        defects.append(number)
        print(f"{what}: {describe(name, arguments, keywords)}\n    python tools/fuzz_args.py --seed {seed} --only {number}")
        number += 1
    succeeded = struct.unpack_from("q", shared, 8)[0]
    print(f"{number} calls of {len(callables)} callables, {succeeded / max(number, 1):.0%} succeeded, "
          f"{len(defects)} defects, seed {seed}")
    return 1 if defects else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=50000, help="number of calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run this one call, without a fork")
    parser.add_argument("--most", type=int, default=50, help="stop after so many defects")
    options = parser.parse_args()
    if options.only is None:
        return fuzz(options.n, options.seed, options.most)
    callables = walk()
    name, _, arguments, keywords = call_of(options.seed, options.only, callables)
    print(describe(name, arguments, keywords), flush=True)
    print("succeeded" if run_call(options.seed, options.only, callables) else "refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
