"""Small programs over autograd, written for either library: each takes the module `torch` and returns plain values.

test_autograd.py runs them with ctorch and compares with fixtures/autograd.json, which holds what PyTorch returns;
`python tests/autograd_function_programs.py` writes that file again and needs PyTorch.
"""

from pathlib import Path

FIXTURE = Path(__file__).parent / "fixtures" / "autograd.json"
PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def plain(value):
    """Tensors become lists, so that results compare and travel as JSON."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value.detach().tolist()


def outcome(function):
    """What the function returns, or the name of what it raises."""
    try:
        return plain(function())
    except Exception as problem:
        return type(problem).__name__


def data(torch, *shape):
    n = 1
    for size in shape:
        n *= size
    return torch.arange(1, n + 1, dtype=torch.float64).reshape(shape) / 8


def leaf(torch, *shape):
    return data(torch, *shape).requires_grad_()


# ---------------------------------------------------------------- backward and grad


@program
def accumulation(torch):
    x = leaf(torch, 3)
    (x * x).sum().backward()
    first = x.grad.clone()
    (x * 3).sum().backward()
    return first, x.grad


@program
def diamond(torch):
    x = leaf(torch, 4)
    a = x * 2
    b = a.exp()
    c = a * b + x
    (c * a).sum().backward()
    return x.grad


@program
def broadcasting(torch):
    a, b, c = leaf(torch, 2, 1, 3), leaf(torch, 4, 1), leaf(torch, 3)
    y = (a * b + c) / (b + 2)
    y.backward(data(torch, *y.shape))
    return a.grad, b.grad, c.grad


@program
def mixed_dtypes(torch):
    a = torch.tensor([1.5, 2.5], requires_grad=True)
    b = leaf(torch, 2)
    k = torch.tensor([2, 3])
    y = (a * b * k).sum()
    y.backward()
    return str(a.grad.dtype), a.grad, str(b.grad.dtype), b.grad


@program
def grad_of_several_outputs(torch):
    x, z = leaf(torch, 2), leaf(torch, 2)
    y = [x * z, x.exp().sum()]
    return torch.autograd.grad(y, [x, z], [data(torch, 2), None])


@program
def grad_leaves_grad_alone(torch):
    x = leaf(torch, 2)
    (g,) = torch.autograd.grad((x * x).sum(), x)
    return g, x.grad


@program
def unused_inputs(torch):
    x, unused = leaf(torch, 2), leaf(torch, 3)
    y = (x * 2).sum()
    none = torch.autograd.grad(y, [x, unused], allow_unused=True, retain_graph=True)
    zeros = torch.autograd.grad(y, [x, unused], materialize_grads=True, retain_graph=True)
    return none, zeros, outcome(lambda: torch.autograd.grad(y, unused))


@program
def backward_to_given_inputs(torch):
    x, z = leaf(torch, 2), leaf(torch, 2)
    middle = x * z
    y = (middle * middle).sum()
    y.backward(inputs=[x, middle])
    return x.grad, z.grad, middle.grad


@program
def root_among_inputs(torch):
    x = leaf(torch, 2)
    y = x * 2
    return torch.autograd.grad(y, [y, x], data(torch, 2))


@program
def same_root_twice(torch):
    x = leaf(torch, 2)
    y = (x * 3).sum()
    torch.autograd.backward([y, y])
    return x.grad


@program
def gradient_is_cast(torch):
    x = leaf(torch, 2)
    (x * 2).backward(torch.ones(2, dtype=torch.float32))
    return str(x.grad.dtype), x.grad


@program
def retained_graph(torch):
    x = leaf(torch, 2)
    y = x.exp()
    z = (y * y).sum()
    z.backward(retain_graph=True)
    z.backward()
    return x.grad, outcome(z.backward)


@program
def gradient_is_no_alias(torch):
    x, z = leaf(torch, 2), leaf(torch, 2)
    (x + z).sum().backward()
    x.grad.mul_(5)
    weights = data(torch, 2)
    w = leaf(torch, 2)
    (w * 1).backward(weights)
    w.grad.zero_()
    return x.grad, z.grad, weights


@program
def known_zero_gradients(torch):
    x = leaf(torch, 3)
    (x.floor() + x.sign() + x.round()).sum().backward()
    return x.grad


# ---------------------------------------------------------------- higher orders


@program
def third_derivative(torch):
    x = leaf(torch, 3)
    y = (x.sin() * x.exp()).sum()
    orders = []
    for _ in range(3):
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        orders.append(g)
        y = g.sum()
    return orders


@program
def second_derivative_paths(torch):
    def second(f):
        x, w = leaf(torch, 4), data(torch, 4).requires_grad_()
        (g,) = torch.autograd.grad(f(x), x, w, create_graph=True)
        return torch.autograd.grad(g.sum(), [x, w], allow_unused=True)

    F = torch.nn.functional
    return [
        [torch.zeros(1) + 0 if g is None else g + 0 for g in second(f)]
        for f in (
            lambda x: F.relu(x - 0.3),
            lambda x: F.leaky_relu(x - 0.3, 0.2),
            lambda x: F.elu(x - 0.3),
            lambda x: F.silu(x),
            lambda x: F.softplus(x),
            lambda x: x.clamp(0.2, 0.4) * x,
            lambda x: torch.tanh(x) / (1 + x),
            lambda x: (x**3).sqrt(),
            lambda x: x.view(2, 2).t().reshape(4) * x,
            lambda x: torch.where(x > 0.3, x * x, x),
            lambda x: torch.maximum(x, 1 - x) * x,
        )
    ]


@program
def backward_with_create_graph(torch):
    x = leaf(torch, 2)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.sum().backward()
    return first, x.grad


@program
def gradient_of_incoming_gradient(torch):
    x = leaf(torch, 3)
    v = leaf(torch, 3)
    (g,) = torch.autograd.grad((x * x).exp(), x, v, create_graph=True)
    return torch.autograd.grad((g * g).sum(), [x, v])


# ---------------------------------------------------------------- in-place and views


@program
def inplace_on_result(torch):
    x = leaf(torch, 3)
    y = x * 2
    y.mul_(3).add_(x)
    (y * x).sum().backward()
    return x.grad, y.grad_fn is not None


@program
def inplace_on_view(torch):
    x = leaf(torch, 2, 3)
    y = x * 1
    y[0].mul_(x[1])
    (y * data(torch, 2, 3)).sum().backward()
    return y, x.grad


@program
def inplace_on_base_seen_by_view(torch):
    x = leaf(torch, 2, 3)
    y = x * 1
    row = y[1]
    y.mul_(x)
    (row * data(torch, 3)).sum().backward()
    return row, x.grad


@program
def inplace_on_two_views(torch):
    x = leaf(torch, 4)
    y = x * 1
    left, right = y[:2], y[2:]
    left.mul_(right.clone())
    right.add_(left * 2)
    (y * y).sum().backward()
    return y, x.grad


@program
def inplace_on_view_of_view(torch):
    x = leaf(torch, 3, 4)
    y = x * 1
    part = y.t()[1:3][:, 0:2]
    part.mul_(2)
    part[0].add_(x[2, :2])
    (y * data(torch, 3, 4)).sum().backward()
    return y, x.grad


@program
def inplace_on_plain_base_with_gradient(torch):
    x = leaf(torch, 2)
    buffer = torch.zeros(2, 2, dtype=torch.float64)
    buffer[0] = x * 2
    buffer[1].add_(x)
    (buffer * data(torch, 2, 2)).sum().backward()
    return buffer, buffer.requires_grad, x.grad


@program
def setitem_with_history(torch):
    x, v = leaf(torch, 5), leaf(torch, 2)
    y = x * x
    y[1:3] = v
    y[4] = 7.0
    (y * data(torch, 5)).sum().backward()
    return y, x.grad, v.grad


@program
def copy_into_view(torch):
    x, v = leaf(torch, 2, 2), leaf(torch, 2)
    y = x * 2
    y[:, 1].copy_(v)
    y.sum().backward()
    return x.grad, v.grad


@program
def fill_cuts(torch):
    x = leaf(torch, 4)
    y = x * 3
    y[:2].zero_()
    y[3:].fill_(1)
    (y * x).sum().backward()
    return x.grad


@program
def inplace_after_save(torch):
    x = leaf(torch, 2)
    saved = x.exp()
    y = saved * 2
    saved.add_(1)
    used = outcome((saved * 1).sum().backward)
    a = x * 1
    b = a * 3
    a.add_(1)
    return used, outcome(b.sum().backward), outcome(y.sum().backward)


@program
def inplace_refused(torch):
    x = leaf(torch, 4)
    with torch.no_grad():
        view = x[1:]
    first, second = (x * 1).chunk(2)
    return (
        outcome(lambda: x.mul_(2)),
        outcome(lambda: x[:2].mul_(2)),
        outcome(lambda: first.mul_(2)),
        outcome(lambda: view.mul_(2)),
        outcome(lambda: x.expand(2, 4).add_(1)),
        x,
    )


@program
def inplace_under_no_grad(torch):
    x = leaf(torch, 3)
    with torch.no_grad():
        x.mul_(2)
        x[0].add_(1)
    (x * x).sum().backward()
    return x, x.grad


@program
def second_order_through_inplace(torch):
    x = leaf(torch, 3)
    y = x * 1
    y[1:].mul_(x[:2])
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    return torch.autograd.grad((g * g).sum(), x)


# ---------------------------------------------------------------- hooks


@program
def order_of_hooks(torch):
    log = []
    x = leaf(torch, 2)
    y = x * 3
    y.register_hook(lambda g: log.append("first"))
    y.register_hook(lambda g: (log.append("second"), g * 2)[1])
    y.retain_grad()
    y.register_hook(lambda g: log.append("third"))
    y.grad_fn.register_prehook(lambda go: log.append("pre"))
    y.grad_fn.register_hook(lambda gi, go: log.append(f"post {len(gi)} {len(go)}"))
    x.register_hook(lambda g: (log.append("leaf"), g + 1)[1])
    x.register_post_accumulate_grad_hook(lambda p: log.append(f"accumulated {p.grad.tolist()}"))
    y.sum().backward()
    return log, x.grad, y.grad


@program
def removed_hooks(torch):
    log = []
    x = leaf(torch, 2)
    one = x.register_hook(lambda g: log.append("one"))
    two = x.register_hook(lambda g: (log.append("two"), two.remove())[0])
    x.register_hook(lambda g: log.append("three"))
    one.remove()
    one.remove()
    with x.register_hook(lambda g: log.append("four")):
        (x * 2).sum().backward()
    (x * 2).sum().backward()
    return log


@program
def hook_on_several_outputs(torch):
    log = []
    a, b = (leaf(torch, 2, 2) * 1).unbind(0)
    b.register_hook(lambda g: log.append(plain(g)))
    a.register_hook(lambda g: log.append(plain(g)))
    (a * 2).sum().backward()
    return log


@program
def hook_replaces(torch):
    x = leaf(torch, 2)
    y = x * 2
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10, None))
    y.grad_fn.register_prehook(lambda go: (go[0] + 1,))
    y.sum().backward()
    return x.grad


@program
def hook_captured_by_grad(torch):
    x = leaf(torch, 2)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    return torch.autograd.grad(y.sum(), y, retain_graph=True), torch.autograd.grad(y.sum(), x)


@program
def hook_errors(torch):
    def run(returned):
        x = leaf(torch, 2)
        y = x * 2
        y.register_hook(lambda g: returned)
        return outcome(y.sum().backward)

    def raising(g):
        raise KeyError("mine")

    x = leaf(torch, 2)
    x.register_hook(raising)
    return (
        run(torch.ones(3, dtype=torch.float64)),
        run(torch.ones(2, dtype=torch.float32)),
        run(3),
        outcome((x * 2).sum().backward),
        x.grad,
        outcome(lambda: torch.ones(2).register_hook(print)),
        outcome(lambda: torch.ones(2).retain_grad()),
        outcome(lambda: (x * 2).register_post_accumulate_grad_hook(print)),
    )


@program
def retain_grad_in_place(torch):
    x = leaf(torch, 2)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    return y.retains_grad, y.grad


@program
def backward_inside_a_hook(torch):
    x, z = leaf(torch, 2), leaf(torch, 2)
    y = x * x
    inner = (z * z).sum()

    def hook(g):
        inner.backward(retain_graph=True)
        with torch.enable_grad():
            (again,) = torch.autograd.grad((x * x * x).sum(), x)
        return g + again

    y.register_hook(hook)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return x.grad, z.grad


@program
def same_graph_inside_a_hook(torch):
    x = leaf(torch, 2)
    y = x * x
    total = (y * 3).sum()
    depth = []

    def hook(g):
        if len(depth) < 2:
            depth.append(0)
            total.backward(retain_graph=True)

    y.register_hook(hook)
    total.backward(retain_graph=True)
    return len(depth), x.grad


# ---------------------------------------------------------------- the graph as Python sees it


@program
def graph_of_functions(torch):
    x, z = leaf(torch, 2), data(torch, 2)
    y = (x * z + 1).exp().sum()

    def walk(f):
        if f is None:
            return None
        return [f.name(), [[walk(g), nr] for g, nr in f.next_functions]]

    first = (x + 2).grad_fn.next_functions[0][0]
    second = (x * x).grad_fn.next_functions
    return walk(y.grad_fn), first.variable is x, second[0][0] is second[1][0], type(first).__name__, first.next_functions


@program
def saved_attributes(torch):
    x = leaf(torch, 2)
    y = x * x.exp()
    node = y.grad_fn
    node.metadata["k"] = 3
    y.sum().backward(retain_graph=True)
    return (
        node._saved_self is x,
        node._saved_other,
        x.exp().grad_fn._saved_result,
        node.metadata,
        node._sequence_nr() > node.next_functions[1][0]._sequence_nr(),
    )


@program
def leaves_and_flags(torch):
    x = leaf(torch, 2)
    y = x * 2
    d = y.detach()
    return (
        x.is_leaf, y.is_leaf, d.is_leaf, d.requires_grad, x.grad_fn, y.requires_grad,
        (x > 0.2).requires_grad, y.output_nr, x.retains_grad, outcome(lambda: torch.tensor([1]).requires_grad_()),
        outcome(lambda: y.requires_grad_(False)),
    )


@program
def errors_of_backward(torch):
    x, k = leaf(torch, 2), data(torch, 2)
    y = (x * 2).sum()
    grad, backward = torch.autograd.grad, torch.autograd.backward
    return [
        outcome(f)
        for f in (
            lambda: x.backward(),
            lambda: k.sum().backward(),
            lambda: (x * 2).backward(data(torch, 3)),
            lambda: (x * 2).backward(5),
            lambda: y.backward(inputs=[]),
            lambda: y.backward(inputs=[k]),
            lambda: grad(y, k),
            lambda: grad(y, leaf(torch, 2)),
            lambda: grad(x * 2, x),
            lambda: grad([x * 2, x * 3], x, [k]),
            lambda: grad(y, []),
            lambda: grad(y, x, materialize_grads=True, allow_unused=False),
            lambda: backward([y, (x * 2)]),
            lambda: backward(5),
            lambda: backward([]),
        )
    ]


@program
def functional(torch):
    f = torch.autograd.functional

    def func(a, b):
        return (a * b).exp(), a.sum() * b

    a, b, v = data(torch, 2), data(torch, 2), data(torch, 2)
    return (
        f.jacobian(func, (a, b)),
        f.jacobian(lambda x: x * x, a),
        f.hessian(lambda x: (x**3).sum() * x[0], a),
        f.hessian(lambda x, y: (x * y).exp().sum(), (a, b)),
        f.vjp(func, (a, b), (v, v)),
        f.jvp(func, (a, b), (v, v)),
        f.vhp(lambda x: (x**3).sum(), a, v),
        f.hvp(lambda x: (x**3).sum(), a, v),
    )


def run_all(torch) -> dict:
    return {name: plain(function(torch)) for name, function in PROGRAMS.items()}
