"""Autograd: the programs of autograd_programs.py against what PyTorch returned, error texts, cycles and deep graphs.

The numbers stand in fixtures/autograd.json, so PyTorch itself is not needed here.
"""

import gc
import json
import math
import random
import threading
import weakref

import autograd_function_programs  # noqa: F401 - registers its programs
import nomem_calls
import numpy as np
import op_calls
import pytest
from autograd_programs import FIXTURE, PROGRAMS, data, leaf, plain

import ctorch as torch
from ctorch import _C
from ctorch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

EXPECTED = json.loads(FIXTURE.read_text())


def close(got, wanted):
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(close, got, wanted))
    if isinstance(wanted, float) and isinstance(got, float):
        return math.isclose(got, wanted, rel_tol=1e-12, abs_tol=1e-14)
    return type(got) is type(wanted) and got == wanted


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    got = json.loads(json.dumps(plain(PROGRAMS[name](torch))))
    assert close(got, EXPECTED[name]), f"got {got}\nPyTorch {EXPECTED[name]}"


def test_every_program_has_its_expectation():
    assert set(EXPECTED) == set(PROGRAMS)


# ---------------------------------------------------------------- errors


def changed_after_save():
    y = leaf(torch, 2).exp()
    y.add_(1)
    y.sum().backward()


def second_backward():
    y = (leaf(torch, 2) * leaf(torch, 2)).sum()
    y.backward()
    y.backward()


def broken_function(backward):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * 2

    Broken.backward = staticmethod(backward)
    Broken.apply(leaf(torch, 2), 3).sum().backward()


def hook_of(returned):
    def my_hook(g):
        return returned

    y = leaf(torch, 2) * 2
    y.register_hook(my_hook)
    y.sum().backward()


GRAD = torch.autograd.grad
PHRASES = [
    (lambda: leaf(torch, 2).backward(), RuntimeError, "grad can be implicitly created only for scalar outputs"),
    (lambda: data(torch, 2).sum().backward(), RuntimeError,
     "element 0 of tensors does not require grad and does not have a grad_fn"),
    (lambda: (leaf(torch, 2) * 2).backward(data(torch, 3)), RuntimeError,
     "Mismatch in shape: grad_output[0] has a shape of torch.Size([3])"),
    (lambda: (leaf(torch, 2) * 2).sum().backward(inputs=[]), RuntimeError, "cannot be empty"),
    (lambda: GRAD(leaf(torch, 2).sum(), leaf(torch, 2)), RuntimeError, "appears to not have been used in the graph"),
    (lambda: GRAD(leaf(torch, 2).sum(), data(torch, 2)), RuntimeError, "does not require grad"),
    (lambda: GRAD([leaf(torch, 2) * 2], leaf(torch, 2), []), RuntimeError, "got 1 tensors and 0 gradients"),
    (lambda: GRAD(leaf(torch, 2).sum(), leaf(torch, 2), is_grads_batched=True), NotImplementedError, "is_grads_batched"),
    (second_backward, RuntimeError, "Trying to backward through the graph a second time"),
    (changed_after_save, RuntimeError, "has been modified by an inplace operation"),
    (changed_after_save, RuntimeError, "is at version 1; expected version 0"),
    (changed_after_save, RuntimeError, "test_autograd.py:"),
    (lambda: broken_function(lambda ctx, g: (g, g)), RuntimeError,
     "function BrokenBackward returned a gradient different than None at position 2"),
    (lambda: broken_function(lambda ctx, g: g), RuntimeError,
     "function BrokenBackward returned an incorrect number of gradients (expected 2, got 1)"),
    (lambda: broken_function(lambda ctx, g: (g.new_ones(3), None)), RuntimeError,
     "Function BrokenBackward returned an invalid gradient at index 0 - got [3] but expected shape compatible with [2]"),
    (lambda: broken_function(lambda ctx, g: (5, None)), RuntimeError, "expected Variable or None (got int)"),
    (lambda: hook_of(torch.ones(3, dtype=torch.float64)), RuntimeError, "hook 'my_hook' has changed the size of value"),
    (lambda: hook_of(torch.ones(2)), RuntimeError,
     "hook 'my_hook' has changed the type of value (was torch.DoubleTensor got torch.FloatTensor)"),
    (lambda: hook_of("x"), TypeError, "expected Variable, but hook returned 'str'"),
    (lambda: torch.ones(2).register_hook(print), RuntimeError,
     "cannot register a hook on a tensor that doesn't require gradient"),
    (lambda: torch.ones(2).retain_grad(), RuntimeError, "can't retain_grad on Tensor that has requires_grad=False"),
]


@pytest.mark.parametrize("case", range(len(PHRASES)))
def test_error_text(case):
    call, kind, phrase = PHRASES[case]
    with pytest.raises(kind) as caught:
        call()
    assert phrase in str(caught.value)


def test_a_failed_backward_leaves_the_graph_and_grad():
    class Once(torch.autograd.Function):
        fail = True

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            if Once.fail:
                raise ValueError("not yet")
            return g * 2

    x = leaf(torch, 2)
    y = Once.apply(x * 1).sum()
    for _ in range(2):
        with pytest.raises(ValueError, match="^not yet$"):
            y.backward(retain_graph=True)
    assert x.grad is None
    Once.fail = False
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


# ---------------------------------------------------------------- life and death


def live():
    gc.collect()
    return _C._live()


def test_nothing_is_left_behind():
    before = live()
    for name, program in PROGRAMS.items():
        program(torch)
        after = live()
        assert after == before, f"{name} left {after}, found {before}"


def test_a_plain_training_step_leaves_nothing_to_the_collector():
    x, w = data(torch, 2, 3), leaf(torch, 3, 2)
    before = live()
    gc.disable()
    try:
        for _ in range(5):
            (x @ w).tanh().sum().backward()
            w.grad = None
        assert _C._live() == before
    finally:
        gc.enable()


class Holds(torch.autograd.Function):
    """A context that holds its own output: directly, or in a list."""

    @staticmethod
    def forward(ctx, x):
        ctx.y = x * 2
        ctx.list = [ctx.y]
        return ctx.y

    @staticmethod
    def backward(ctx, g):
        return g * 2


def cycle_through_ctx():
    Holds.apply(Holds.apply(leaf(torch, 2)) * 3)


def cycle_through_saved_output():
    x = leaf(torch, 2)
    y = x.exp()
    y.mul_(y.detach())
    x.extra = y


def cycle_through_leaf_hook():
    x = leaf(torch, 2)
    y = x * x
    x.register_hook(lambda g, y=y: None)


def cycle_through_hook_closure():
    x = leaf(torch, 2)
    y = x * x
    z = y + 1
    y.register_hook(lambda g: z)
    y.grad_fn.metadata["z"] = z
    handle = y.register_hook(lambda g: handle.remove())
    z.sum().backward()


def cycle_through_grad():
    x = leaf(torch, 2)
    (x**3).sum().backward(create_graph=True)


def cycle_through_retained_grad():
    x = leaf(torch, 2)
    y = x * x
    y.retain_grad()
    y.sum().backward(create_graph=True)


@pytest.mark.parametrize(
    "make",
    [cycle_through_ctx, cycle_through_saved_output, cycle_through_leaf_hook, cycle_through_hook_closure,
     cycle_through_grad, cycle_through_retained_grad],
)
def test_cycles_are_collected(make):
    before = live()
    for _ in range(10):
        make()
    assert live() == before


def test_function_classes_die():
    def make():
        class Local(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return g * 2

        Local.apply(leaf(torch, 2)).sum().backward()
        return weakref.ref(Local)

    reference = make()
    gc.collect()
    assert reference() is None


def on_a_small_stack(function, kilobytes=256):
    """Runs the function on a thread whose C stack is this small; anything that recurses over a graph overflows it."""
    problems = []

    def body():
        try:
            function()
        except BaseException as problem:
            problems.append(problem)

    old = threading.stack_size(kilobytes * 1024)
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    threading.stack_size(old)
    if problems:
        raise problems[0]


def deep(count):
    """Fewer on a device: the engine is the same, and a simulated launch takes a hundred times as long."""
    return count if torch.get_default_device().type == "cpu" else count // 50


def test_a_million_ops_deep():
    before = live()

    def chain():
        x = leaf(torch, 2)
        y = x
        for _ in range(deep(1_000_000)):
            y = y * 1.0
        y.sum().backward()
        assert x.grad.tolist() == [1.0, 1.0]

    on_a_small_stack(chain)
    assert live() == before


def test_a_hundred_thousand_functions_deep():
    class Pass(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.note = [1]
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g + 0 * ctx.saved_tensors[0]

    before = live()
    kept = []

    def chain():
        x = leaf(torch, 2)
        y = x
        for _ in range(deep(100_000)):
            y = Pass.apply(y)
        y.sum().backward()
        assert x.grad.tolist() == [1.0, 1.0]
        for _ in range(deep(100_000)):
            x = Pass.apply(x)
        kept.append(x)

    on_a_small_stack(chain)
    on_a_small_stack(kept.clear)
    assert live() == before


def test_create_graph_deep():
    def chain():
        x = leaf(torch, 2)
        y = x
        for _ in range(deep(20_000)):
            y = (y * 1.0001).sin()
        (g,) = GRAD(y.sum(), x, create_graph=True)
        g.sum().backward()
        assert torch.isfinite(x.grad).all()

    before = live()
    on_a_small_stack(chain)
    assert live() == before


def test_modes_belong_to_their_thread():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_backward_on_other_threads():
    w = leaf(torch, 3)
    losses = [(w * k).sum() for k in range(8)]
    threads = [threading.Thread(target=loss.backward) for loss in losses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert w.grad.tolist() == [28.0] * 3


# ---------------------------------------------------------------- gradcheck


class Wrong(torch.autograd.Function):
    """sin with a planted fault: `where` says in which derivative."""

    where = "first"

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        if Wrong.where == "first":
            return g * x.cos() * 1.01
        return g * x.cos().detach()


def test_gradcheck_sees_planted_faults():
    x = leaf(torch, 3)
    Wrong.where = "first"
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(Wrong.apply, x)
    assert gradcheck(Wrong.apply, x, raise_exception=False) is False
    Wrong.where = "second"
    assert gradcheck(Wrong.apply, x)
    with pytest.raises(GradcheckError):
        gradgradcheck(Wrong.apply, x)
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(torch.sin, data(torch, 2))


CUT_OFF = {
    "detach": lambda a: a.detach() * 2,
    "data": lambda a: a.data,
    "numpy": lambda a: torch.from_numpy(a.detach().numpy() * 2),
    "item": lambda a: torch.tensor(a[0].item(), dtype=torch.float64),
}


@pytest.mark.parametrize("name", CUT_OFF)
def test_gradcheck_of_a_function_that_cuts_the_graph(name):
    x = leaf(torch, 3)
    for check in (gradcheck, gradgradcheck):
        with pytest.raises(GradcheckError, match="Numerical gradient for function expected to be zero"):
            check(CUT_OFF[name], x)
        assert check(CUT_OFF[name], x, raise_exception=False) is False


def test_gradcheck_of_outputs_that_rightly_have_no_gradient():
    x = leaf(torch, 3)
    for function in (lambda a: data(torch, 2), lambda a: a.detach() * 0, lambda a: a > 0, lambda a: a.argmax(),
                     lambda a: (a * 2, a.detach() * 3), lambda a: a.detach()[:0], lambda a: a[:0]):
        assert gradcheck(function, x) and gradgradcheck(function, x)


@pytest.mark.parametrize("value", [3.0, None, [1.0], {"y": 1}])
def test_gradcheck_of_a_function_that_returns_no_tensor(value):
    with pytest.raises(AttributeError, match="has no attribute 'requires_grad': the function .* must return a Tensor"):
        gradcheck(lambda a: value, leaf(torch, 3))


def test_gradcheck_shows_a_mismatch_as_tensors():
    Wrong.where = "first"
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a: Wrong.apply(a).sum(), x)
    text = str(caught.value).replace(", device='cuda:0'", "")
    assert text.startswith(
        "Jacobian mismatch for output 0 with respect to input 0,\n"
        "numerical:tensor([[1.0000],\n        [1.0000]], dtype=torch.float64)\n"
        "analytical:tensor([[1.0100],\n        [1.0100]], dtype=torch.float64)\n"
    )


def test_gradcheck_warns_of_single_precision():
    x = torch.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="Input #1 requires gradient and is not a double precision") as caught:
        gradcheck(lambda a, b: b * 2, (data(torch, 2), x), raise_exception=False)
    assert caught[0].filename == __file__
    with pytest.raises(RuntimeError, match="The 1th input has a dimension with stride 0"):
        gradcheck(lambda a, b: b * 2, (3, data(torch, 1).expand(2).requires_grad_()))
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(torch.sin, data(torch, 2), raise_exception=False)


def test_gradcheck_passes():
    x, y = leaf(torch, 2, 3), leaf(torch, 3)
    assert gradcheck(lambda a, b: (a * b, (a / b).sum(0)), (x, y))
    assert gradgradcheck(lambda a, b: (a * b.exp(), (a / b).sum(0)), (x, y))
    assert gradgradcheck(lambda a: a.tanh() @ a.T, x, gen_non_contig_grad_outputs=True)
    assert gradcheck(lambda a: torch.zeros(2, dtype=torch.float64) + a[0, 0], x)


# ---------------------------------------------------------------- the two readings of a gradient's text

UNARY = """abs square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh
    asinh acosh atanh erf erfc erfinv frac sigmoid relu neg""".split()
FUNCTIONAL = "silu mish leaky_relu elu celu selu softplus logsigmoid softsign tanhshrink hardtanh hardsigmoid".split()
BINARY = "add sub mul div remainder fmod pow maximum minimum fmax fmin atan2 hypot xlogy logaddexp".split()
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-310, 1.0, -1.0, 0.5, -0.5, 20.0, -20.0, 100.0, -100.0, 200.0,
           -200.0, 1e30, -1e30]


def both_readings(function, inputs, dtype):
    xs = [torch.tensor(values, dtype=dtype, requires_grad=True) for values in inputs]
    y = function(*xs)
    weights = torch.linspace(0.5, 2, y.numel(), dtype=dtype)
    loops = GRAD(y, xs, weights, retain_graph=True, allow_unused=True)
    texts = GRAD(y, xs, weights, create_graph=True, allow_unused=True)
    return zip(loops, texts)


def ulps_apart(a, b, epsilon):
    if a == b or (a != a and b != b):
        return 0.0
    return abs(a - b) / (max(abs(a), abs(b)) * epsilon) if math.isfinite(a) and math.isfinite(b) else math.inf


@pytest.mark.parametrize("dtype, epsilon", [(torch.float64, 2.0**-52), (torch.float32, 2.0**-23)])
@pytest.mark.parametrize("name", UNARY + FUNCTIONAL + BINARY)
def test_loop_and_text_agree(name, dtype, epsilon):
    function = getattr(torch.nn.functional if name in FUNCTIONAL else torch, name)
    generator = random.Random(0)
    if name in BINARY:
        pairs = [(a, b) for a in SPECIAL for b in SPECIAL]
        pairs += [(generator.uniform(-4, 4), generator.uniform(-4, 4)) for _ in range(50)]
        inputs = [[a for a, _ in pairs], [b for _, b in pairs]]
    else:
        inputs = [SPECIAL + [generator.uniform(-3, 3) for _ in range(50)]]
    for loop, text in both_readings(function, inputs, dtype):
        assert (loop is None) == (text is None)
        if loop is not None:
            worst = max(ulps_apart(a, b, epsilon) for a, b in zip(loop.tolist(), text.tolist()))
            assert worst <= 4


def test_elements_of_a_base_that_share_memory_share_the_gradient_of_a_view():
    x = torch.tensor([3.0]).expand(2).requires_grad_()
    assert torch.autograd.grad(x.unfold(0, 2, 1).sum(), x)[0].tolist() == [1, 1]
    assert torch.autograd.grad(x.as_strided((2, 2), (0, 0)).sum(), x)[0].tolist() == [2, 2]
    y = torch.arange(6.0).expand(2, 6).requires_grad_()
    halves = torch.autograd.grad(y.as_strided((3, 2), (1, 1)).sum(), y)[0]
    assert halves.tolist() == [[0.5, 1, 1, 0.5, 0, 0]] * 2


# ---- nodes grow with what they hold ----
@pytest.mark.parametrize("ndim", [0, 1, 5, 6, 7, 20, 64])
def test_gradients_of_any_number_of_dims(ndim):
    """Dims, saved operands and ints find room in the node or on the heap, whatever earlier nodes of the op asked for."""
    shape = [2, 3][:ndim] + [1] * (ndim - 2)
    for _ in range(3):
        x = torch.full(shape, 3.0, requires_grad=True)
        y = (x * x).sum(tuple(range(ndim)), keepdim=True).exp().log().expand(shape).clone()
        y.sum().backward()
        assert x.grad.shape == x.shape
        assert x.grad.flatten().tolist() == pytest.approx([6.0 * x.numel()] * x.numel(), rel=1e-5)
    assert y.grad_fn.next_functions[0][0].name() == "ExpandBackward0"


def test_a_node_with_many_edges_and_outputs():
    x = [torch.ones(2, requires_grad=True) for _ in range(300)]
    torch.cat(x).square().sum().backward()
    assert all(t.grad.tolist() == [2.0, 2.0] for t in x)
    w = torch.ones(300, 2, requires_grad=True)
    sum(part.sum() * k for k, part in enumerate(w.unbind())).backward()
    assert w.grad[:, 1].tolist() == list(range(300))


# ---------------------------------------------------------------- what a node holds
class KeepsAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *tensors):
        ctx.save_for_backward(*tensors)
        ctx.factor = 2.0
        return sum(tensors) * ctx.factor

    @staticmethod
    def backward(ctx, g):
        assert len(ctx.saved_tensors) == len(ctx.needs_input_grad)
        return tuple(g * ctx.factor * (saved - saved + 1) for saved in ctx.saved_tensors)


@pytest.mark.parametrize("count", [1, 3, 40, 300])
def test_a_node_holds_as_much_as_its_op_needs(count):
    for _ in range(3):  # the first of a kind is too short for it, the next ones are not
        x = torch.randn(*[1] * (count % 60), 2, requires_grad=True)
        (x * x.detach() + x ** 3).sum().backward()
        assert (x.grad - (x.detach() + 3 * x.detach() ** 2)).abs().max() < 1e-5
        leaves = [torch.full((2,), float(k), requires_grad=True) for k in range(count)]
        whole = torch.cat([leaf * leaf for leaf in leaves])
        parts = whole.reshape(count, 2).unbind()
        sum(part * k for k, part in enumerate(parts)).sum().backward()
        assert all(leaf.grad.tolist() == [2.0 * k * k] * 2 for k, leaf in enumerate(leaves))
        kept = [torch.ones(2, requires_grad=True) for _ in range(count)]
        KeepsAll.apply(*kept).sum().backward()
        assert all(leaf.grad.tolist() == [2.0, 2.0] for leaf in kept)


def test_only_a_ctx_takes_attributes():
    w = torch.ones(2, requires_grad=True)
    y = w * 2
    with pytest.raises(AttributeError, match="has no attribute 'note'"):
        y.grad_fn.note = 1
    y.grad_fn.metadata["note"] = y  # a cycle, which the collector finds
    assert y.grad_fn.metadata == {"note": y} and not hasattr(y.grad_fn, "__dict__")
    node = KeepsAll.apply(w, y).grad_fn
    node.note = 5
    assert node.__dict__ == {"factor": 2.0, "note": 5} and node.note == 5
    del node.note
    with pytest.raises(AttributeError, match="has no attribute 'note'"):
        node.note


def gradients_of(text, names, wanted=None):
    """{name: the gradient's bytes} of the leaves that the result depends on; wanted alone requires grad if it is given."""
    torch.manual_seed(0)
    leaves = {name: value for name, value in names.items() if isinstance(value, torch.Tensor) and value.requires_grad}
    for name, leaf in leaves.items():
        leaf.requires_grad_(wanted in (None, name))
    result = eval(text, {}, names)
    if not (isinstance(result, torch.Tensor) and result.is_floating_point() and result.requires_grad and result.grad_fn):
        return {}
    scale = torch.arange(1, result.numel() + 1, dtype=torch.float64).view(result.shape).to(result.dtype)
    asked = [name for name in leaves if wanted in (None, name)]
    found = torch.autograd.grad(result, [leaves[name] for name in asked], scale, allow_unused=True)
    return {name: g.numpy().tobytes() for name, g in zip(asked, found) if g is not None}


@pytest.mark.parametrize("text", [text for text in (*op_calls.CALLS, *nomem_calls.CALLS) if "meta" not in text])
@pytest.mark.filterwarnings("ignore")
@pytest.mark.cpu
def test_one_operand_at_a_time(text):
    """What else requires grad changes no gradient: no op takes what another operand's needs for granted."""
    together = gradients_of(text, nomem_calls.names())
    alone = {name: g for wanted in together for name, g in gradients_of(text, nomem_calls.names(), wanted).items()}
    assert alone == together


@pytest.mark.parametrize("shifts, dims", [(1, None), (2, 1), ((1, 2), (0, 2)), ((1, 2, 3), (0, 1, 2)), ((1, -1, 5, 2), (2, 0, 2, 1))])
def test_roll_s_gradient_rolls_back(shifts, dims):
    x, g = torch.zeros(2, 3, 4, requires_grad=True), torch.arange(24.0).view(2, 3, 4)
    back = [-s for s in shifts] if isinstance(shifts, tuple) else -shifts
    (found,) = torch.autograd.grad(x.roll(shifts, dims) if dims is not None else x.roll(shifts), x, g)
    assert found.tolist() == np.roll(g.cpu().numpy(), back, dims).tolist()


NAN, INF = float("nan"), float("inf")
GRADIENTS_AT_EDGES = [
    (lambda x: x.max(), [1, NAN, 2], [0, 1, 0]),
    (lambda x: x.min(), [NAN, NAN, 2], [0.5, 0.5, 0]),
    (lambda x: x.clamp_min(0.5), [NAN, 0, 0.5], [0, 0, 1]),
    (lambda x: x.clamp_max(torch.tensor([1, NAN, 3])), [NAN, 1, 2], [0, 0, 1]),
    (lambda x: x.clamp(torch.tensor([0, 0, 2.0]), torch.tensor([2, NAN, 1])), [1, 1, 1.5], [1, 0, 0]),
    (lambda x: torch.clamp(torch.tensor([1.0, 2, 3]), x, torch.tensor([3.0, 3, 2])), [2, 1, 2.5], [1, 0, 0]),
    (lambda x: x.logit(), [-0.0, 0, 1], [INF, INF, INF]),
    (lambda x: torch.xlogy(x, 0) * torch.tensor([0.0, 1, 0]), [2, 3, 0], [0, -INF, 0]),
    (lambda x: x.expand(2, 3).unfold(0, 2, 1), [1, 2, 3], [2, 2, 2]),
    (lambda x: torch.scatter(torch.zeros(0, 2, dtype=torch.float64), 0, torch.zeros(0, 2, dtype=torch.int64), x), [1, 2, 3], [0, 0, 0]),
    (lambda x: torch.scatter(torch.zeros(3, 0, 5, 5, dtype=torch.float64), 2, torch.zeros(3, 0, 5, 5, dtype=torch.int64), x),
     [[[[1, 2, 3, 4, 5]]]] * 3, [[[[0, 0, 0, 0, 0]]]] * 3),
]


@pytest.mark.parametrize("function, x, expected", GRADIENTS_AT_EDGES)
def test_gradients_at_kinks_and_nans(function, x, expected):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    function(x).sum().backward()
    assert torch.equal(x.grad, torch.tensor(expected, dtype=torch.float64)), x.grad


def test_gradient_of_windows_of_an_expanded_leaf():
    """Its elements share a place, and have gradients of their own."""
    leaf = torch.ones(1).expand(4).detach().requires_grad_()
    windows = leaf.unfold(0, 2, 2)
    (gradient,) = torch.autograd.grad(windows, leaf, torch.tensor([[1.0, 2], [3, 4]]))
    assert gradient.tolist() == [1, 2, 3, 4]


def test_grad_has_the_layout_of_its_leaf():
    """Homework flattens gradients by view; PyTorch's have the strides of a dense leaf and are contiguous for others."""
    data = torch.randn(4, 3)
    leaves = [torch.randn(2, 3), torch.randn(3, 2).t(), torch.randn(2, 6)[:, ::2], torch.randn(2, 1).expand(2, 3)]
    for leaf, strides in zip(leaves, [(3, 1), (1, 2), (3, 1), (3, 1)]):
        leaf.requires_grad_()
        for use in (lambda w: data @ w.t(), lambda w: w * 2, lambda w: w.t() * 2, lambda w: w.t().contiguous() * 2):
            leaf.grad = None
            use(leaf).sum().backward()
            assert leaf.grad.stride() == strides
    leaf = torch.randn(2, 3, requires_grad=True)
    (data @ leaf.t()).square().sum().backward(create_graph=True)
    assert leaf.grad.stride() == (3, 1) and leaf.grad.requires_grad


@pytest.mark.parametrize("make, part", [
    ("torch.from_numpy(np.ones((200, 50)))[:, :3]", "[:, 0]"), ("torch.from_numpy(np.ones((200, 50))[:, :3])", "[:, 0]"),
    ("torch.from_numpy(np.ones(1000)[::5])", "[10:]"), ("torch.from_numpy(np.ones((20, 30)).T)", "[1]"),
], ids=str)
def test_in_place_on_a_part_of_a_tensor_with_gaps(make, part):
    """The gradient of the whole has its strides, and memory for all that these reach."""
    scope = {"torch": torch, "np": np}
    x = eval(make, scope).detach()
    w = torch.ones(eval("x" + part, {"x": x}).shape, dtype=torch.float64, requires_grad=True)
    eval("x" + part, {"x": x}).mul_(w * 3)
    (x * x).sum().backward()
    assert (w.grad == 18).all()


def test_what_was_saved_may_have_another_shape_by_now():
    for change in ("o.data = torch.zeros(5)", "o.data = torch.zeros(2, 10)"):
        w, o = torch.ones(3, 10, requires_grad=True), torch.ones(3, 10)
        z = w * o + w.t().t() * o
        exec(change, {"torch": torch, "o": o})
        with pytest.raises(RuntimeError, match="The size of tensor a .* must match the size of tensor b"):
            z.expand(4, 3, 10).sum().backward()
    w, o = torch.ones(4, requires_grad=True), torch.ones(4)
    z = w * o
    o.resize_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def part_set(y):
    y[0] = 5.0


@pytest.mark.parametrize("write, expected", [
    (part_set, [[10.0, 10, 10], [16, 20, 24]]), (lambda y: y.cumsum_(0), [[4.0, 8, 12], [20, 28, 36]]),
    (lambda y: y.tril_(), [[4.0, 0, 0], [16, 20, 0]]), (lambda y: y.fill_(2.0), [[4.0] * 3] * 2),
    (lambda y: y[:1].mul_(3), [[12.0, 24, 36], [16, 20, 24]]), (lambda y: y.unsqueeze_(0), [[[4.0, 8, 12], [16, 20, 24]]]),
    (lambda y: y.t_(), [[4.0, 16], [8, 20], [12, 24]]),
])
def test_retain_grad_outlives_an_in_place_write(write, expected):
    """As register_hook's hooks do not: those stay with the value they were given for."""
    y = torch.arange(1.0, 7).view(2, 3).requires_grad_() * 2
    y.retain_grad()
    write(y)
    y.square().sum().backward()
    assert y.grad.tolist() == expected


@pytest.mark.parametrize("write, used, expected", [
    (lambda y, v: y.mul_(3), "v", ([12.0, 12], None)), (lambda y, v: v.mul_(3), "v", ([12.0, 12], [12.0, 12, 0])),
    (lambda y, v: v.mul_(3), "y", (None, [12.0, 12, 4])), (lambda y, v: y[1:].mul_(5), "v", ([4.0, 20], [4.0, 20, 0])),
])
def test_retain_grad_of_a_view_and_its_base(write, used, expected):
    y = torch.ones(3, requires_grad=True) * 2
    v = y[:2]
    v.retain_grad()
    if expected[1]:
        y.retain_grad()
    write(y, v)
    {"y": y, "v": v}[used].square().sum().backward()
    assert tuple(t.grad.tolist() if t.grad is not None else None for t in (v, y)) == expected


@pytest.mark.parametrize("name", ["exp", "tanh", "sqrt", "sigmoid", "rsqrt", "relu"])
def test_second_derivative_through_a_written_view(name):
    """The gradient of such an op reads its output, whose history is the op's own node, inside CopySlices."""
    def second(write, keep):
        x = torch.arange(1.0, 4, dtype=torch.float64, requires_grad=True)
        (g,) = torch.autograd.grad((write(x * x) * x).sum(), x, create_graph=True)
        g.square().sum().backward(retain_graph=keep)
        return x.grad.tolist()

    def in_place(y):
        getattr(y[:2], name + "_")()
        return y

    expected = second(lambda y: torch.cat([getattr(y[:2], name)(), y[2:]]), False)
    assert close(second(in_place, False), expected) and close(second(in_place, True), expected)


def test_saved_operands_of_a_written_view_are_freed():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[:2].exp_()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.sum().backward()


def test_an_integer_tensor_has_no_history():
    whole, source = torch.zeros(3, dtype=torch.int64), torch.ones(3, requires_grad=True)
    whole.copy_(source)
    whole[:2] = source[:2]
    assert not whole.requires_grad and whole.grad_fn is None and whole.tolist() == [1, 1, 1]
