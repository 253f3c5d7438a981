"""Rows of single calls on tiny tensors, what a call costs before it computes, and the lecture's snippet."""

from functools import partial

from benchmarks.row import Row, Work

CALLS = [
    "a + b", "a - b", "a * b", "a / b", "a + 2", "a * 2.5", "-a", "a ** 2", "a == b", "a @ b", "a.exp()",
    "a.relu()",
    "a.sum()", "a.sum(1)", "a.mean()", "a.max()", "a.t()", "a.reshape(4)", "a[0]", "a[:, 1]", "a.mul_(b1)",
    "torch.add(a, b)", "a.clone()", "a.detach()", "a.to(torch.float64)", "torch.cat((a, b))",
    "torch.softmax(a, 1)",
    "torch.zeros(2, 2)", "torch.ones(2, 2)", "torch.tensor(1.5)", "torch.tensor([[1.0, 2.0], [3.0, 4.0]])",
]
RECORDED = [
    "w + b", "w - b", "w * b", "w / b", "w + 2", "w * 2.5", "-w", "w ** 2", "w @ b", "w.exp()", "w.relu()",
    "w.sum()",
    "w.sum(1)", "w.mean()", "w.max()", "w.t()", "w.reshape(4)", "w[0]", "w[:, 1]", "torch.add(w, b)",
    "w.clone()",
    "torch.cat((w, b))", "torch.softmax(w, 1)",
]
# statement, and the expression that shows what it did
SCALARS = [
    ("a[0, 1]", "a[0, 1]"), ("v[5]", "v[5]"), ("a[0, 1] = 3.0", "a"), ("v[5] = 2", "v"), ("s.item()", "s"),
    ("float(s)", "s"), ("bool(s)", "s"), ("a.tolist()", "torch.tensor(a.tolist())"), ("a.shape", "a"),
    ("a.size(0)", "a"), ("len(a)", "a"), ("a.requires_grad", "a"),
    ("for e in v: pass", "torch.stack(list(v))"), ("for r in m: pass", "torch.stack(list(m))"),
]
BACKWARD = ["(w * b).sum().backward()", "(w @ b).sum().backward()", "w.exp().sum().backward()"]


def names_of(torch):
    torch.manual_seed(0)
    return {
        "torch": torch, "a": torch.ones(2, 2), "b": torch.full((2, 2), 3.0), "b1": torch.ones(2, 2),
        "w": torch.full((2, 2), 2.0, requires_grad=True), "s": torch.tensor(1.5), "v": torch.arange(1000.0),
        "m": torch.ones(1000, 2),
    }


def statement(text, check, torch):
    return Work(text, check, names_of(torch))


def snippet(backward, torch):
    def run():
        x = torch.ones(2, 2, requires_grad=True)
        y = x + 2
        z = y * y * 3
        out = z.mean()
        if not backward:
            return out
        out.backward()
        return x.grad

    return Work(run)


def chain(torch):
    w, factor = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)

    def run():
        w.grad, y = None, w
        for _ in range(100_000):
            y = y * factor
        y.sum().backward()
        return w.grad

    return Work(run)


def rows():
    made = [Row(f"{text}, 2x2", "call", partial(statement, text, None)) for text in CALLS]
    made += [Row(f"{text}, 2x2, recorded", "recorded call",
                 partial(statement, text, None)) for text in RECORDED]
    made += [Row(text, "scalar access", partial(statement, text, check)) for text, check in SCALARS]
    for text in BACKWARD:
        check = f"torch.autograd.grad({text.removesuffix('.backward()')}, w)[0]"
        made.append(Row(f"{text}, 2x2", "autograd", partial(statement, text, check)))
    made.append(Row("lecture snippet, forward", "autograd", partial(snippet, False)))
    made.append(Row("lecture snippet with backward", "autograd", partial(snippet, True)))
    made.append(Row("chain of 100,000 recorded ops with backward", "autograd", chain))
    return made
