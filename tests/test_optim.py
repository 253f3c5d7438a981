"""Optimizer steps: trajectories of every combination of options against the published formulas in NumPy
float64 and, where it is installed, against PyTorch; and what a step refuses.

The problem is a least-squares fit of badly scaled data whose gradients stay away from zero.
"""

import itertools
import math

import ctorch
import numpy as np
import pytest

try:
    import torch as pytorch
except ImportError:
    pytorch = None

needs_pytorch = pytest.mark.skipif(pytorch is None, reason="compares with an installed PyTorch")
STEPS = 50
SHAPES = [(4, 3), (3,), (5, 4), (1,), (40, 17)]


def problem():
    r = np.random.default_rng(0)
    start = [r.standard_normal(s) for s in SHAPES]
    drift = [r.standard_normal(s) * 2 + 3 for s in SHAPES]
    return start, drift


def gradient(p, drift, t):
    """Of 0.05 p^2 + p drift cos(t / 9), whose second part does not vanish at the minimum."""
    return 0.1 * p + drift * (1.2 + math.cos(t / 9))


def train(torch, make, dtype):
    """The parameters after each of STEPS steps, as a list of arrays."""
    start, drift = problem()
    params = [torch.from_numpy(a.copy()).to(dtype).requires_grad_() for a in start]
    drift = [torch.from_numpy(a.copy()).to(dtype) for a in drift]
    optimizer = make(torch, params)
    path = []
    for t in range(STEPS):
        for p, d in zip(params, drift):
            p.grad = (gradient(p, d, t)).detach()
        optimizer.step()
        path.append([p.detach().double().numpy().copy() for p in params])
    return path


def assert_close(ours, theirs, tolerance):
    for a, b in zip(ours, theirs):
        for x, y in zip(a, b):
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


SGD_OPTIONS = [dict(momentum=m, dampening=d, weight_decay=w, nesterov=n, maximize=x)
               for m, d, w, n, x in itertools.product((0, 0.9), (0, 0.3), (0, 0.01), *[(False, True)] * 2)
               if not (n and (m == 0 or d != 0))]
ADAM_OPTIONS = [dict(betas=b, weight_decay=w, amsgrad=a, maximize=x)
                for b, w, a, x in itertools.product(((0.9, 0.999), (0.3, 0.8)), (0, 0.02),
                                                    *[(False, True)] * 2)]


def sgd_formula(lr, momentum, dampening, weight_decay, nesterov, maximize):
    params, drift = problem()
    buffers = [None] * len(params)
    path = []
    for t in range(STEPS):
        for k, d in enumerate(drift):
            g = gradient(params[k], d, t) * (-1 if maximize else 1) + weight_decay * params[k]
            if momentum:
                buffers[k] = g if buffers[k] is None else momentum * buffers[k] + (1 - dampening) * g
                g = g + momentum * buffers[k] if nesterov else buffers[k]
            params[k] = params[k] - lr * g
        path.append(list(params))
    return path


def adam_formula(lr, decoupled, betas, weight_decay, amsgrad, maximize, eps=1e-8):
    params, drift = problem()
    m, v, top = ([np.zeros(s) for s in SHAPES] for _ in range(3))
    path = []
    for t in range(STEPS):
        for k, d in enumerate(drift):
            g = gradient(params[k], d, t) * (-1 if maximize else 1)
            if decoupled:
                params[k] = params[k] * (1 - lr * weight_decay)
            else:
                g = g + weight_decay * params[k]
            m[k] = betas[0] * m[k] + (1 - betas[0]) * g
            v[k] = betas[1] * v[k] + (1 - betas[1]) * g * g
            top[k] = np.maximum(top[k], v[k])
            root = np.sqrt((top if amsgrad else v)[k] / (1 - betas[1] ** (t + 1)))
            params[k] = params[k] - lr / (1 - betas[0] ** (t + 1)) * m[k] / (root + eps)
        path.append(list(params))
    return path


@pytest.mark.kernels
@pytest.mark.parametrize("options", SGD_OPTIONS)
def test_sgd_trajectory(options):
    expected = sgd_formula(0.02, **options)
    make = lambda torch, params: torch.optim.SGD(params, lr=0.02, **options)  # noqa: E731
    assert_close(train(ctorch, make, ctorch.float64), expected, 1e-10)
    assert_close(train(ctorch, make, ctorch.float32), expected, 1e-5)
    if pytorch is not None:
        assert_close(train(ctorch, make, ctorch.float64), train(pytorch, make, pytorch.float64), 1e-10)
        assert_close(train(ctorch, make, ctorch.float32), train(pytorch, make, pytorch.float32), 1e-6)


@pytest.mark.kernels
@pytest.mark.parametrize("options", ADAM_OPTIONS)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_adam_trajectory(name, options):
    expected = adam_formula(0.02, name == "AdamW", **options)
    make = lambda torch, params: getattr(torch.optim, name)(params, lr=0.02, **options)  # noqa: E731
    assert_close(train(ctorch, make, ctorch.float64), expected, 1e-10)
    assert_close(train(ctorch, make, ctorch.float32), expected, 1e-5)
    if pytorch is not None:
        assert_close(train(ctorch, make, ctorch.float64), train(pytorch, make, pytorch.float64), 1e-10)
        assert_close(train(ctorch, make, ctorch.float32), train(pytorch, make, pytorch.float32), 1e-6)


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_steps_are_those_of_float32_rounded(dtype):
    """One step from exact numbers: computed in float32 and rounded once."""
    half = getattr(ctorch, dtype)
    p = (ctorch.arange(1000) / 64).to(half).requires_grad_()
    g = (ctorch.arange(1000) / 32 - 8).to(half)
    wide = p.detach().float().requires_grad_()
    p.grad, wide.grad = g, g.float()
    for param in (p, wide):
        ctorch.optim.SGD([param], lr=0.5, weight_decay=0.25).step()
    assert ctorch.equal(p.detach(), wide.detach().to(half))


def step(params, grads, buffers=None, lr=0.1, momentum=0.0):
    ctorch._C._sgd_step(params, grads, buffers, lr, momentum, 0.0, 0.0, False, False)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_without_decay_no_weight_is_read_into_the_gradient(options):
    p = ctorch.tensor([math.inf, 1.0], requires_grad=True)
    p.grad = ctorch.tensor([1.0, 1.0])
    ctorch.optim.SGD([p], lr=0.5, **options).step()
    assert p[0].item() == math.inf and p[1].item() < 1


def test_layouts_agree():
    """Transposed parameters, gradients of another layout, many parameters, none."""
    r = np.random.default_rng(0)
    a, g = r.standard_normal((6, 5)), r.standard_normal((6, 5))
    expected = a - 0.1 * g
    dense = ctorch.from_numpy(a.copy())
    turned = ctorch.from_numpy(np.ascontiguousarray(a.T)).t()
    stepped = ctorch.zeros(6, 10, dtype=ctorch.float64)[:, ::2].copy_(dense)
    turned_g = ctorch.from_numpy(np.ascontiguousarray(g.T)).t()
    params = [dense, turned, stepped] + [ctorch.from_numpy(a.copy()) for _ in range(60)]
    step(params, [turned_g, ctorch.from_numpy(g.copy()), turned_g] + [ctorch.from_numpy(g.copy())] * 60)
    for p in params:
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-15)
    step([], [])
    row = ctorch.zeros(3, 4)
    step([row], [ctorch.ones(4).expand(3, 4)])
    assert row.unique().numel() == 1


def test_same_bits_with_one_thread_and_two():
    before = ctorch.get_num_threads()
    results = []
    for threads in (1, 2):
        ctorch.set_num_threads(threads)
        params = [ctorch.linspace(-1, 1, n).requires_grad_() for n in (300_001, 7, 100_000, 1)]
        optimizer = ctorch.optim.Adam(params, amsgrad=True, weight_decay=0.1)
        for _ in range(3):
            for p in params:
                p.grad = p.detach() * 3 + 1
            optimizer.step()
        results.append([p.detach() for p in params])
    ctorch.set_num_threads(before)
    assert all(ctorch.equal(a, b) for a, b in zip(*results))


def test_step_moves_the_version():
    """A backward through a value from before the step is refused."""
    p = ctorch.ones(3, requires_grad=True)
    loss = (p * p).sum()
    p.grad = ctorch.ones(3)
    ctorch.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_no_gradient_no_step():
    a, b = ctorch.ones(3), ctorch.ones(3)
    step([a, b], [None, ctorch.ones(3)])
    assert a.tolist() == [1, 1, 1] and b[0].item() == pytest.approx(0.9)
    t, m, v = ctorch.zeros(()), ctorch.zeros(3), ctorch.zeros(3)
    ctorch._C._adam_step([a], [None], [m], [v], None, [t], 0.1, 0.9, 0.999, 1e-8, 0.0, False, False, False)
    assert t.item() == 0 and a.tolist() == [1, 1, 1]


def test_a_refused_step_changes_nothing():
    good, grad = ctorch.ones(3), ctorch.ones(3)
    leaf = ctorch.ones(3, requires_grad=True)
    refused = [
        ([good, ctorch.ones(3)], [grad, ctorch.ones(4)], RuntimeError, "must be the same"),
        ([good, ctorch.ones(3)], [grad, ctorch.ones(3, dtype=ctorch.float64)], RuntimeError, "must be the same"),
        ([good, leaf * 2], [grad, grad], RuntimeError, "can't optimize a non-leaf Tensor"),
        ([good, ctorch.ones(3, dtype=ctorch.int64)], [grad, grad], NotImplementedError, "not implemented for 'Long'"),
        ([good, ctorch.ones(1).expand(3)], [grad, grad], RuntimeError, "single memory location"),
        ([good, 3], [grad, grad], TypeError, "param must be a Tensor, not int"),
        ([good, ctorch.ones(3)], [grad, 3], TypeError, "grad must be a Tensor, not int"),
        ([good, ctorch.ones(3)], [grad], TypeError, "lists of one length"),
        ((good,), [grad], TypeError, "expected lists"),
    ]
    for params, grads, kind, text in refused:
        with pytest.raises(kind, match=text):
            step(params, grads)
    with pytest.raises(TypeError, match="step counter"):
        ctorch._C._adam_step([good], [grad], [grad * 0], [grad * 0], None, [3], 0.1, 0.9, 0.9, 0.1, 0.0, False, False, False)
    with pytest.raises(TypeError, match="amsgrad needs"):
        ctorch._C._adam_step([good], [grad], [grad], [grad], None, [good], 0.1, 0.9, 0.9, 0.1, 0.0, True, False, False)
    assert good.tolist() == [1, 1, 1]


@pytest.mark.refleak
def test_nothing_is_left(nothing_left):
    p = ctorch.ones(4, 3, requires_grad=True)
    for make in (lambda: ctorch.optim.SGD([p], lr=0.1, momentum=0.9), lambda: ctorch.optim.Adam([p.t()[:2].detach()])):
        optimizer = make()
        for q in optimizer.param_groups[0]["params"]:
            q.grad = ctorch.ones(q.shape)
        optimizer.step()


@needs_pytorch
def test_learning_rate_may_be_a_tensor():
    for torch in (ctorch, pytorch):
        p = torch.ones(2, requires_grad=True)
        p.grad = torch.ones(2)
        torch.optim.SGD([p], lr=torch.tensor(0.25)).step()
        assert p.tolist() == [0.75, 0.75]


def test_the_old_name_of_clip_grad_norm_warns():
    p = ctorch.zeros(2, requires_grad=True)
    p.grad = ctorch.tensor([3.0, 4.0])
    with pytest.warns(FutureWarning, match="`torch.nn.utils.clip_grad_norm` is now deprecated in favor of") as caught:
        assert ctorch.nn.utils.clip_grad_norm([p], 1.0).item() == 5.0
    assert caught[0].filename == __file__ and p.grad.norm().item() == pytest.approx(1.0)
