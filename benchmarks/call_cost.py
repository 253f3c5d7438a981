"""Where the nanoseconds of one call go: `python -m benchmarks.call_cost`.

No step of a call can be timed alone from Python.  Each line below is the difference of two statements that
differ in that step only: both are timed in turn, many times, and the least time of each is taken.
"""

import timeit
from operator import add, iadd

import ctorch as torch

ROUNDS = 60
BATCH = 2e-3

# step, statement with it, statement without it, what the statements are
STEPS = [
    ("call of an empty C method", "a.dim()", "pass", "a method without arguments that returns a small int"),
    ("attribute", "a.requires_grad", "pass", "a getter that returns a bool"),
    ("parser: two operands", "torch.add(a, b)", "a + b",
     "the same op as a function; the module lookup is in it"),
    ("parser: keyword", "torch.add(a, other=b)", "torch.add(a, b)", "one name among them"),
    ("frame, result and kernel of 4 elements", "a + b", "pass", "the whole of it through the number slot"),
    ("kernel of 4 elements, by itself", "a + b", "e + e", "4 elements against none"),
    ("result tensor and its storage", "add(a, b)", "iadd(u, b)", "in place no result is made"),
    ("result tensor without storage", "a.detach()", "a.dim()", "a view; detaching is nearly nothing besides"),
    ("Python number as operand", "a + 2.5", "a + b",
     "a number is converted and its type takes part in promotion"),
    ("broadcasting", "a + r", "a + b", "a row of 2 beside 2x2: off the fast path"),
    ("mixed dtypes", "a + i", "a + b", "float32 beside int64: promoted, converted in blocks"),
    ("recording: node with two edges", "w + b", "a + b", "one operand requires grad"),
    ("recording: node that saves operands", "w * v", "a * b", "both require grad, both are saved"),
    ("indexing with an integer", "a[0]", "a.dim()", "a view"),
    ("scalar out", "s.item()", "s.dim()", "0-d"),
    ("context manager no_grad", "with torch.no_grad(): pass", "pass", "enter and leave"),
    ("Module call", "identity(a)", "a.dim()", "nn.Identity: no hooks"),
    ("Linear as a layer", "linear(a)", "torch.nn.functional.linear(a, b, r)", "the layer against the op"),
]
NAMES = {
    "add": add, "iadd": iadd, "torch": torch, "a": torch.ones(2, 2), "b": torch.full((2, 2), 3.0),
    "r": torch.ones(2),
    "u": torch.ones(2, 2),
    "i": torch.ones(2, 2, dtype=torch.int64), "e": torch.ones(0, 2), "s": torch.tensor(1.5),
    "w": torch.ones(2, 2, requires_grad=True), "v": torch.ones(2, 2, requires_grad=True),
    "identity": torch.nn.Identity(), "linear": torch.nn.Linear(2, 2).requires_grad_(False),
}


def chain(length, backward):
    """Function that records a chain of this many additions, and goes back through it if asked."""
    w, b, one = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2), torch.ones(2, 2)

    def run():
        y = w
        for _ in range(length):
            y = y + b
        if backward:
            y.backward(one)
            w.grad = None

    return run


def least(with_it, without_it):
    """Least ns per call of both."""
    collecting = "__import__('gc').enable()"
    timers = [timeit.Timer(statement, collecting, globals=NAMES) for statement in (with_it, without_it)]
    calls = [1, 1]
    for i, timer in enumerate(timers):
        while timer.timeit(calls[i]) < BATCH:
            calls[i] *= 2
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for i, timer in enumerate(timers):
            best[i] = min(best[i], timer.timeit(calls[i]) / calls[i] * 1e9)
    return best[0], best[1]


def main():
    torch.set_num_threads(1)
    print("| step | ns | from | that is |\n|---|---|---|---|")
    for step, with_it, without_it, why in STEPS:
        first, second = least(with_it, without_it)
        source = f"`{with_it}` {first:.0f} - `{without_it}` {second:.0f}"
        print(f"| {step} | {first - second:.0f} | {source} | {why} |")
    longer, shorter = least(chain(200, True), chain(100, True))
    forward, less = least(chain(200, False), chain(100, False))
    node, back = (forward - less) / 100, (longer - shorter - forward + less) / 100
    print(f"| recorded op in a chain | {node:.0f} | 200 additions - 100 | with the loop and freeing it |")
    print(f"| backward through a node | {back:.0f} | backward of 200 - of 100, less the above | additions |")


if __name__ == "__main__":
    main()
