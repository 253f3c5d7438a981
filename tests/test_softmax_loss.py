"""Softmax, losses and embedding against NumPy in float64 and, where it is installed, against PyTorch itself.

An expression is a string in which `torch` is the package under test, F its nn.functional and x, p, i ... are
tensors made from the arrays of `OPERANDS`; run under both packages it must give equal dtypes, shapes, values,
gradients and second gradients, and the same warnings and errors.
"""

import math
import warnings

import ctorch
import ctorch.nn.functional as F
import numpy as np
import pytest
from ctorch import nn
from ctorch.autograd.gradcheck import gradgradcheck

try:
    import torch as pytorch
except ImportError:
    pytorch = None

needs_pytorch = pytest.mark.skipif(pytorch is None, reason="compares with an installed PyTorch")


def operands():
    r = np.random.default_rng(0)
    x = r.standard_normal((4, 5))
    volume = r.standard_normal((2, 5, 3, 4))
    targets = r.integers(0, 5, (2, 3, 4))
    return {
        "x": x, "y": r.standard_normal((4, 5)), "z": r.standard_normal((4, 5)), "f": x.astype(np.float32) * 3,
        "large": r.standard_normal((6, 300)) * 4, "large32": (r.standard_normal((6, 300)) * 4 + 1000).astype(np.float32),
        "tall": r.standard_normal((70, 9, 40)), "v": volume, "u": r.standard_normal((2, 5, 3, 4)), "vi": targets,
        "v32": volume.astype(np.float32), "p": r.random((4, 5)), "q": r.random((4, 5)), "w": r.random(5) + 0.1,
        "i": np.array([1, 0, 4, 2]), "sign": np.sign(r.standard_normal((4, 5))), "s4": np.array([1, -1, -1, 1]),
        "li": r.integers(0, 300, 6), "ids": r.integers(0, 4, (2, 3)), "u8": np.array([1, 0, 4, 2], np.uint8),
        "inf": np.array([[1, math.inf, 2], [-math.inf] * 3, [-math.inf, 1, 2], [math.nan, 1, 2], [0, 0, 0.5]]),
        "edge": np.array([0.0, 1.0, 0.5]), "bits": np.array([1.0, 0.0, 1.0]), "count": np.arange(20.0).reshape(4, 5),
    }


OPERANDS = operands()


def run(torch, expression, **more):
    names = {name: torch.from_numpy(array.copy()) for name, array in OPERANDS.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = eval(expression, {"torch": torch, "F": torch.nn.functional, **names, **more})
    return result, [str(w.message) for w in caught]


def assert_same(ours, theirs, rtol=1e-12, atol=1e-12):
    """Half types are compared at two units in the last place: PyTorch adds up log_softmax's exponentials in them."""
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    rtol = {"torch.float32": 1.3e-6, "torch.float16": 2e-3, "torch.bfloat16": 1.6e-2}.get(str(theirs.dtype), rtol)
    atol = 1e-5 if rtol > 1e-9 else atol
    np.testing.assert_allclose(ours.detach().double().numpy(), theirs.detach().double().clone().numpy(), rtol=rtol, atol=atol)


SOFTMAX = """
torch.softmax(x,1) torch.softmax(x,0) x.softmax(-1) torch.softmax(f,1) torch.softmax(large,1)
torch.softmax(large,0) torch.softmax(large32,1) torch.softmax(tall,0) torch.softmax(tall,1)
torch.softmax(tall,2) torch.softmax(tall.permute(2,0,1),1) torch.softmax(v,1)
torch.softmax(v[:,:,1:,::2],-1) torch.softmax(x.t(),1) torch.softmax(x[0,0],0) torch.softmax(x[:0],1)
torch.softmax(x[:,:0],1) torch.softmax(f,1,torch.float64) torch.softmax(i,0,dtype=torch.float32)
torch.softmax(f.half(),1) torch.softmax(f.bfloat16(),0) x[:1].expand(4,5).softmax(1) torch.log_softmax(x,1)
torch.log_softmax(x,0) x.log_softmax(-1) torch.log_softmax(f,1) torch.log_softmax(large,1)
torch.log_softmax(large,0) torch.log_softmax(large32,1) torch.log_softmax(tall,0) torch.log_softmax(tall,2)
torch.log_softmax(v,1) torch.log_softmax(x.t(),1) torch.log_softmax(f,1,dtype=torch.float64)
torch.log_softmax(f.half(),1) torch.softmax(inf,1) torch.softmax(inf,0) torch.log_softmax(inf,1)
torch.log_softmax(inf,0) torch.softmax(inf.float(),1) F.softmax(x,1) F.softmax(x) F.softmax(v[0])
F.softmax(v) F.log_softmax(x) F.log_softmax(x,0) F.softmin(x,1) F.softmin(x[0])
F.softmax(f,dim=1,dtype=torch.float64) F.glu(v,-1) F.glu(v[:,:4],1) F.glu(x[:,:4]) F.normalize(x)
F.normalize(x,p=1,dim=0) F.normalize(x,dim=(0,1)) F.normalize(x*0) F.cosine_similarity(x,y)
F.cosine_similarity(x,y,dim=0) F.cosine_similarity(x,y[0],dim=-1) F.pairwise_distance(x,y)
F.pairwise_distance(x,y,p=1,keepdim=True) torch.cosine_similarity(x,y) torch.pairwise_distance(x,y)
"""

PAIRWISE = """
F.mse_loss(x,y{}) F.mse_loss(f,f*2{}) F.mse_loss(x,y[0]{}) F.mse_loss(x.t(),y.t(){})
F.mse_loss(x,y,weight=p{}) F.mse_loss(x,f{}) F.mse_loss(x[:0],y[:0]{}) F.mse_loss(f.half(),f.half()+1{})
F.l1_loss(x,y{}) F.l1_loss(x,y,weight=p{}) F.l1_loss(x,y[0]{}) F.smooth_l1_loss(x,y{})
F.smooth_l1_loss(x,y,beta=0.3{}) F.smooth_l1_loss(x,y,beta=0.0{}) F.smooth_l1_loss(f,f*2{})
F.huber_loss(x,y{}) F.huber_loss(x,y,delta=0.4{}) F.huber_loss(x,y,delta=2.0,weight=p{})
F.soft_margin_loss(x,sign{}) F.soft_margin_loss(x*50,sign{}) F.binary_cross_entropy(p,q{})
F.binary_cross_entropy(p,q,weight=w{}) F.binary_cross_entropy(p.float(),q.float(){})
F.binary_cross_entropy_with_logits(x,q{}) F.binary_cross_entropy_with_logits(x,q,weight=w{})
F.binary_cross_entropy_with_logits(x,q,pos_weight=w{})
F.binary_cross_entropy_with_logits(x*40,q,w,pos_weight=w*2{})
F.binary_cross_entropy_with_logits(f,q.float(){}) F.kl_div(x,q{}) F.kl_div(x,y,log_target=True{})
F.hinge_embedding_loss(x,sign{}) F.hinge_embedding_loss(x,sign,margin=0.2{})
F.margin_ranking_loss(x,y,sign{}) F.margin_ranking_loss(x,y,sign,margin=0.5{})
F.cosine_embedding_loss(x,y,s4{}) F.cosine_embedding_loss(x,y,s4,margin=0.2{})
F.triplet_margin_loss(x,y,z{}) F.triplet_margin_loss(x,y,z,margin=2.0,p=1,swap=True{})
F.poisson_nll_loss(x,q{}) F.poisson_nll_loss(x,count,full=True{}) F.poisson_nll_loss(p,q,log_input=False{})
F.gaussian_nll_loss(x,y,q{}) F.gaussian_nll_loss(x,y,q,full=True{}) F.gaussian_nll_loss(x,y,0.5{})
F.gaussian_nll_loss(x,y,q[:,0]{}) F.gaussian_nll_loss(x,y,q[:,:1]{})
"""

CLASSES = """
F.nll_loss(x,i{}) F.nll_loss(x,i,weight=w{}) F.nll_loss(x,i,ignore_index=4{})
F.nll_loss(x,i,weight=w,ignore_index=1{}) F.nll_loss(v,vi{}) F.nll_loss(v,vi,weight=w{})
F.nll_loss(v,vi,ignore_index=2{}) F.nll_loss(x[0],i[0]{}) F.nll_loss(x[0],i[:1]{}) F.nll_loss(f,i{})
F.nll_loss(f.half(),i{}) F.nll_loss(x,u8{}) F.nll_loss(x.t().contiguous().t(),i{}) F.nll_loss(x[:0],i[:0]{})
F.cross_entropy(x,i{}) F.cross_entropy(x,i,weight=w{}) F.cross_entropy(x,i,ignore_index=4{})
F.cross_entropy(v,vi{}) F.cross_entropy(x,i,weight=w,ignore_index=1{})
F.cross_entropy(v,vi,weight=w,ignore_index=0{}) F.cross_entropy(x[0],i[0]{}) F.cross_entropy(f,i{})
F.cross_entropy(f.half(),i{}) F.cross_entropy(f.bfloat16(),i{}) F.cross_entropy(x,u8{})
F.cross_entropy(large,li{}) F.cross_entropy(large32,li{}) F.cross_entropy(large32+1e5,li{})
F.cross_entropy(v.permute(3,1,0,2),vi.permute(2,0,1){}) F.cross_entropy(x,i*0+1,ignore_index=1{})
F.cross_entropy(x[:0],i[:0]{}) F.cross_entropy(x[:,:1],i*0{}) F.cross_entropy(x,q{})
F.cross_entropy(x,q,weight=w{}) F.cross_entropy(x,q,label_smoothing=0.2{}) F.cross_entropy(x[0],q[0]{})
F.cross_entropy(v,u.softmax(1){}) F.cross_entropy(v,u.softmax(1),weight=w,label_smoothing=0.1{})
F.cross_entropy(x,i,label_smoothing=0.2{}) F.cross_entropy(x,i,weight=w,label_smoothing=0.2{})
F.cross_entropy(x[0],i[0],label_smoothing=0.2{})
F.cross_entropy(x,i,weight=w,ignore_index=4,label_smoothing=0.3{})
F.cross_entropy(v,vi,ignore_index=3,label_smoothing=0.3{})
"""

REDUCTIONS = ["", ",reduction='sum'", ",reduction='none'"]
LOSSES = [e.format(r) for e in (PAIRWISE + CLASSES).split() for r in REDUCTIONS]
LOSSES += ["F.kl_div(x,q,reduction='batchmean')", "F.binary_cross_entropy(edge,bits)", "F.mse_loss(x,y,size_average=False)",
           "F.mse_loss(x,y,reduce=False)", "F.cross_entropy(x,i,size_average=True)", "F.l1_loss(x,y,None,True)",
           "F.binary_cross_entropy(edge,bits,reduction='none')"]
EMBEDDING = ["F.embedding(ids,x)", "F.embedding(ids[0,0],x)", "F.embedding(ids[:0],x)", "F.embedding(ids,x,padding_idx=1)",
             "F.embedding(ids,x,padding_idx=-3)", "F.embedding(ids.int(),f)", "F.embedding(ids.t(),x[:,::2])",
             "F.embedding(ids,x,scale_grad_by_freq=True)", "F.one_hot(i)", "F.one_hot(ids,7)", "F.one_hot(i[0],6)",
             "F.one_hot(ids[:0],3)", "F.embedding(ids,x.clone(),max_norm=1.0)"]


@needs_pytorch
@pytest.mark.parametrize("expression", SOFTMAX.split() + LOSSES + EMBEDDING)
def test_value_as_pytorch(expression):
    (ours, our_warnings), (theirs, their_warnings) = run(ctorch, expression), run(pytorch, expression)
    assert_same(ours, theirs)
    assert our_warnings == their_warnings


def derivatives(torch, expression):
    """Gradients of a weighted sum for every float64 operand in the expression, and of their weighted sums in turn."""
    leaves = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in OPERANDS.items()
              if array.dtype == np.float64 and name not in ("w", "sign")}
    out, _ = run(torch, expression, **leaves)
    if not out.requires_grad:
        return []
    numbers = np.cos(np.arange(out.numel()) + 1.0).reshape(out.shape)
    first = torch.autograd.grad((out.double() * torch.from_numpy(numbers)).sum(), list(leaves.values()),
                                create_graph=True, allow_unused=True)
    used = [(leaf, g) for leaf, g in zip(leaves.values(), first) if g is not None]
    total = sum((g * g * 0.5 + g).sum() for _, g in used)
    second = [None] * len(used)
    if total.requires_grad:
        second = torch.autograd.grad(total, [leaf for leaf, _ in used], allow_unused=True)
    return [g for _, g in used] + [torch.zeros_like(leaf) if g is None else g
                                   for (leaf, _), g in zip(used, second)]


# Where PyTorch has no derivative, or not that of the target.
NO_REFERENCE = ("F.mse_loss(x,f", "gaussian", ".half()", ".bfloat16()", "inf", "edge", "F.kl_div(x,y,log", "soft_margin",
                "binary", "max_norm", "x*0", "i[:1]")
DIFFERENTIABLE = [e for e in SOFTMAX.split() + LOSSES + EMBEDDING if not any(s in e for s in NO_REFERENCE)]


@needs_pytorch
@pytest.mark.parametrize("expression", DIFFERENTIABLE)
def test_derivatives_as_pytorch(expression):
    ours, theirs = derivatives(ctorch, expression), derivatives(pytorch, expression)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert_same(a, b, 1e-9, 1e-10)


# The embedding's options and the mask of Stirling's formula are no derivatives of what forward computes.
SMOOTH = [e for e in SOFTMAX.split() + LOSSES + EMBEDDING
          if not any(text in e for text in ("F.mse_loss(x,f", "inf", "edge", "padding_idx", "by_freq", "max_norm",
                                            "full=True", "x*0", "x*50"))]


@pytest.mark.gradcheck
@pytest.mark.parametrize("expression", SMOOTH)
def test_gradient_is_the_difference_quotient(expression):
    """Every float64 operand's gradient, and the gradient of that gradient, along one random direction."""
    names = [name for name, a in OPERANDS.items()
             if a.dtype == np.float64 and name not in ("w", "sign", "inf", "edge", "bits")]
    r = np.random.default_rng(1)
    way = {name: r.standard_normal(OPERANDS[name].shape) for name in names}

    def at(step):
        leaves = {name: ctorch.from_numpy(OPERANDS[name] + step * way[name]).requires_grad_() for name in names}
        out, _ = run(ctorch, expression, **leaves)
        if not (out.requires_grad and out.numel()) or out.dtype != ctorch.float64:
            return None
        numbers = ctorch.from_numpy(np.cos(np.arange(out.numel()) + 1.0).reshape(out.shape))
        value = (out * numbers).sum()
        first = ctorch.autograd.grad(value, list(leaves.values()), create_graph=True, allow_unused=True)
        slope = sum((g * ctorch.from_numpy(way[name])).sum() for name, g in zip(names, first) if g is not None)
        curve = 0.0
        if slope.requires_grad:
            second = ctorch.autograd.grad(slope, list(leaves.values()), allow_unused=True)
            curve = sum((g * ctorch.from_numpy(way[name])).sum().item()
                        for name, g in zip(names, second) if g is not None)
        return value.item(), slope.item(), curve

    step = 1e-6
    here, after, before = at(0.0), at(step), at(-step)
    if here is None:
        return
    for k in (0, 1):
        quotient = (after[k] - before[k]) / (2 * step)
        if math.isfinite(quotient):
            assert here[k + 1] == pytest.approx(quotient, rel=2e-5, abs=2e-5)


# ---------------------------------------------------------------- formulas
def softmax_formula(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 100, 129, 1000])
def test_softmax_of_every_length(n, dtype):
    """Around every tile and vector length, as rows and as columns, forward and backward."""
    tolerance = 2e-6 if dtype == "float32" else 1e-13
    x = (np.random.default_rng(n).standard_normal((37, n)) * 5).astype(dtype)
    g = np.random.default_rng(1).standard_normal((37, n)).astype(dtype)
    p = softmax_formula(x.astype(np.float64), 1)
    for array, dim in ((x, 1), (np.ascontiguousarray(x.T), 0)):
        weights = ctorch.from_numpy(g if dim else np.ascontiguousarray(g.T))
        for function, value, gradient in (
                ("softmax", p, p * (g - (g * p).sum(1, keepdims=True))),
                ("log_softmax", np.log(p), g - p * g.sum(1, keepdims=True, dtype=np.float64))):
            t = ctorch.from_numpy(array.copy()).requires_grad_()
            out = getattr(t, function)(dim)
            out.backward(weights)
            turn = (lambda a: a.numpy()) if dim else (lambda a: a.numpy().T)
            np.testing.assert_allclose(turn(out.detach()), value, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(turn(t.grad), gradient, rtol=tolerance * 10, atol=tolerance * 10)


@pytest.mark.kernels
@pytest.mark.parametrize("inner", [255, 256, 257, 300, 513])
def test_softmax_over_the_middle(inner):
    """Around the number of columns that are taken side by side, in several blocks of them."""
    x = np.random.default_rng(inner).standard_normal((3, 5, inner)) * 5
    g = np.random.default_rng(1).standard_normal(x.shape)
    p = softmax_formula(x, 1)
    for function, value, gradient in (("softmax", p, p * (g - (g * p).sum(1, keepdims=True))),
                                      ("log_softmax", np.log(p), g - p * g.sum(1, keepdims=True)),
                                      ("logsumexp", np.log(np.exp(x).sum(1)), p * g[:, :1])):
        t = ctorch.from_numpy(x.copy()).requires_grad_()
        out = getattr(t, function)(1)
        out.backward(ctorch.from_numpy(g if out.dim() == 3 else np.ascontiguousarray(g[:, 0])))
        np.testing.assert_allclose(out.detach().numpy(), value, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(t.grad.numpy(), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.kernels
@pytest.mark.parametrize("n", [1, 3, 10, 48, 49, 100, 1000])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_cross_entropy_by_its_formula(n, offset):
    r = np.random.default_rng(n)
    x = (r.standard_normal((65, n)) * 3 + offset).astype(np.float32)
    target = r.integers(0, n, 65)
    p = softmax_formula(x.astype(np.float64), 1)
    t = ctorch.from_numpy(x.copy()).requires_grad_()
    loss = F.cross_entropy(t, ctorch.from_numpy(target))
    loss.backward()
    assert loss.item() == pytest.approx(-np.log(p[np.arange(65), target]).mean(), rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(t.grad.numpy(), (p - np.eye(n)[target]) / 65, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("shape", [(80, 3), (20, 3, 4)])
def test_an_ignored_class_is_no_place(shape):
    least = -2**63
    target = ctorch.full((shape[0], *shape[2:]), least)
    target[0] = 1
    x = ctorch.log_softmax(ctorch.randn(shape), 1)
    ctorch.testing.assert_close(F.nll_loss(x, target, ignore_index=least), -x[0, 1].mean())


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_the_second_gradient_of_nll_loss(reduction):
    x = ctorch.randn(4, 3, dtype=ctorch.float64, requires_grad=True)
    target, weight = ctorch.tensor([2, 0, -100, 1]), ctorch.tensor([1.0, 2.0, 0.5], dtype=ctorch.float64)
    assert gradgradcheck(lambda x: F.nll_loss(x * x, target, weight, reduction=reduction), x)


@pytest.mark.kernels
@pytest.mark.parametrize("lane", range(0, 70, 3))
def test_nan_and_infinity_in_every_lane(lane):
    for bad in (math.nan, math.inf):
        x = np.zeros((2, 70), np.float32)
        x[1, lane] = bad
        for out in (ctorch.softmax(ctorch.from_numpy(x.copy()), 1),
                    ctorch.softmax(ctorch.from_numpy(x.T.copy()), 0).t()):
            assert not out[0].isnan().any()
            assert out[1].isnan()[lane]
            assert out[1].isnan().all() if math.isnan(bad) else not out[1].isinf().any()


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", [ctorch.float32, ctorch.float64])
@pytest.mark.parametrize("n", [7, 16, 33, 70])
def test_largest_and_least_in_every_lane(n, dtype):
    eye = ctorch.eye(n, dtype=dtype)
    assert ctorch.equal(ctorch.softmax(1000 * eye, 1), eye)
    assert ctorch.equal(ctorch.log_softmax(1000 * eye, 1), 1000 * eye - 1000)
    others = (1 - eye) / (n - 1)
    np.testing.assert_allclose(ctorch.softmax(-1000 * eye, 1).numpy(), others.numpy(), rtol=1e-6)


def test_one_row_of_minus_infinities_is_nan():
    x = ctorch.tensor([[-math.inf, -math.inf], [0.0, 0.0]])
    assert ctorch.softmax(x, 1).isnan().tolist() == [[True, True], [False, False]]
    assert ctorch.log_softmax(x, 1).isnan().tolist() == [[True, True], [False, False]]


def test_same_bits_with_one_thread_and_two():
    x = ctorch.from_numpy(np.random.default_rng(0).standard_normal((600, 700)).astype(np.float32))
    results = []
    before = ctorch.get_num_threads()
    for threads in (1, 2):
        ctorch.set_num_threads(threads)
        results.append((x.softmax(1), x.softmax(0), x.log_softmax(1)))
    ctorch.set_num_threads(before)
    assert all(ctorch.equal(a, b) for a, b in zip(*results))


def test_meta_has_shapes():
    x = ctorch.empty(4, 5, device="meta", requires_grad=True)
    target = ctorch.empty(4, dtype=ctorch.int64, device="meta")
    for loss in (F.cross_entropy(x, target), F.nll_loss(x.log_softmax(1), target), F.mse_loss(x, x.detach())):
        assert loss.shape == () and loss.device.type == "meta"
        loss.backward()
    assert x.grad.shape == (4, 5)


# ---------------------------------------------------------------- names, errors
NAMES = {
    "torch.softmax(x,1)": "SoftmaxBackward0", "torch.log_softmax(x,1)": "LogSoftmaxBackward0",
    "F.mse_loss(x,y)": "MseLossBackward0", "F.mse_loss(x,y,reduction='none')": "MseLossBackward0",
    "F.l1_loss(x,y)": "MeanBackward0", "F.smooth_l1_loss(x,y)": "SmoothL1LossBackward0",
    "F.huber_loss(x,y)": "HuberLossBackward0", "F.nll_loss(x,i)": "NllLossBackward0",
    "F.cross_entropy(x,i)": "NllLossBackward0", "F.nll_loss(v,vi)": "NllLoss2DBackward0",
    "F.cross_entropy(v,vi)": "NllLoss2DBackward0", "F.cross_entropy(x,i,label_smoothing=0.1)": "AddBackward0",
    "F.binary_cross_entropy(x.sigmoid(),q)": "BinaryCrossEntropyBackward0", "F.soft_margin_loss(x,sign)": "SoftMarginLossBackward0",
    "F.binary_cross_entropy_with_logits(x,q)": "BinaryCrossEntropyWithLogitsBackward0", "F.embedding(ids,x)": "EmbeddingBackward0",
    "F.glu(x[:,:4])": "GluBackward0", "F.kl_div(x,q)": "MeanBackward0", "F.normalize(x)": "DivBackward0",
    "F.cosine_similarity(x,y)": "SumBackward1",
}


@pytest.mark.parametrize("expression, name", NAMES.items())
def test_printed_name_of_the_node(expression, name):
    x = ctorch.from_numpy(OPERANDS["x"].copy()).requires_grad_()
    v = ctorch.from_numpy(OPERANDS["v"].copy()).requires_grad_()
    out, _ = run(ctorch, expression, x=x, v=v)
    assert f"grad_fn=<{name}>" in repr(out)


ERRORS = {
    "F.nll_loss(x,i[:2])": (ValueError, "Expected input batch_size (4) to match target batch_size (2)."),
    "F.nll_loss(x,i[:,None])": (RuntimeError, "0D or 1D target tensor expected, multi-target not supported"),
    "F.nll_loss(x,x[:,0])": (RuntimeError, "expected target dtype to be Long or Byte, but got Double"),
    "F.nll_loss(x,i+1)": (IndexError, "Target 5 is out of bounds."),
    "F.nll_loss(x,i-1)": (IndexError, "Target -1 is out of bounds."),
    "F.nll_loss(x,i,weight=w[:3])": (
        RuntimeError, "weight tensor should be defined either for all 5 classes or no classes"),
    "F.nll_loss(x,i,weight=w.float())": (RuntimeError, "expected scalar type Double but found Float"),
    "F.nll_loss(x.long(),i)": (NotImplementedError, "not implemented for 'Long'"),
    "F.nll_loss(x[0,0],i[0])": (ValueError, "Expected 1 or more dimensions (got 0)"),
    "F.nll_loss(v,vi[:,:2])": (RuntimeError, "size mismatch (got input: [2, 5, 3, 4] , target: [2, 2, 4]"),
    "F.nll_loss(v[:,:,0],vi)": (RuntimeError, "Expected target size [2, 4], got [2, 3, 4]"),
    "F.nll_loss(v,vi[:,0])": (
        RuntimeError, "only batches of spatial targets supported (3D tensors) but got targets of dimension: 2"),
    "F.nll_loss(x[0],i)": (ValueError, "For 1D input, 1D target must have size 1, but got target size: 4"),
    "F.nll_loss(x,i,reduction='foo')": (ValueError, "foo is not a valid value for reduction"),
    "F.cross_entropy(x,i[:2])": (ValueError, "Expected input batch_size (4) to match target batch_size (2)."),
    "F.cross_entropy(x,x.long())": (
        RuntimeError, "Expected floating point type for target with class probabilities, got Long"),
    "F.cross_entropy(x,q,weight=w[:3])": (
        RuntimeError, "cross_entropy: weight tensor should be defined either for all 5 classes"),
    "F.cross_entropy(x,i,label_smoothing=1.5)": (
        RuntimeError, "label_smoothing must be between 0.0 and 1.0. Got: 1.5"),
    "F.cross_entropy(x,q,ignore_index=2)": (
        RuntimeError, "ignore_index is not supported for floating point target"),
    "F.cross_entropy(x.long(),i)": (NotImplementedError, "not implemented for 'Long'"),
    "F.cross_entropy(x,i+1)": (IndexError, "Target 5 is out of bounds."),
    "F.mse_loss(x,y[:2])": (
        RuntimeError, "The size of tensor a (4) must match the size of tensor b (2) at non-singleton dimension 0"),
    "F.mse_loss(i,i)": (NotImplementedError, "not implemented for 'Long'"),
    "F.mse_loss(x,y,reduction='foo')": (ValueError, "foo is not a valid value for reduction"),
    "F.mse_loss(x,y,weight=w)": (ValueError, "Weights and input must have the same size."),
    "F.smooth_l1_loss(x,y,beta=-1.0)": (
        RuntimeError, "smooth_l1_loss does not support negative values for beta."),
    "F.huber_loss(x,y,delta=0.0)": (
        RuntimeError, "huber_loss does not support non-positive values for delta."),
    "F.binary_cross_entropy(p,q[0])": (ValueError, "Please ensure they have the same size."),
    "F.binary_cross_entropy(x,q)": (RuntimeError, "all elements of input should be between 0 and 1"),
    "F.binary_cross_entropy(p,q.float())": (RuntimeError, "Found dtype Float but expected Double"),
    "F.binary_cross_entropy_with_logits(x,q[0])": (
        ValueError, "Target size (torch.Size([5])) must be the same as input size (torch.Size([4, 5]))"),
    "torch.softmax(x,5)": (
        IndexError, "Dimension out of range (expected to be in range of [-2, 1], but got 5)"),
    "torch.softmax(i,0)": (NotImplementedError, '"softmax_lastdim_kernel_impl" not implemented for \'Long\''),
    "torch.log_softmax(i,0)": (
        NotImplementedError, '"log_softmax_lastdim_kernel_impl" not implemented for \'Long\''),
    "torch.softmax(x)": (TypeError, "missing 1 required positional argument"),
    "F.glu(x)": (RuntimeError, "Halving dimension must be even, but dimension 1 is size 5"),
    "F.glu(x[0,0])": (RuntimeError, "glu does not support scalars because halving size must be even"),
    "F.embedding(x,x)": (
        RuntimeError, "to have one of the following scalar types: Long, Int; but got torch.DoubleTensor instead"),
    "F.embedding(i,x)": (
        IndexError, "index out of range in self"), "F.embedding(i-1,x)": (IndexError, "index out of range in self"),
    "F.embedding(i,x[0])": (RuntimeError, "'weight' must be 2-D"),
    "F.embedding(ids,x,padding_idx=9)": (AssertionError, "Padding_idx must be within num_embeddings"),
    "F.one_hot(x)": (RuntimeError, "one_hot is only applicable to index tensor of type LongTensor"),
    "F.one_hot(i-1)": (RuntimeError, "Class values must be non-negative."),
    "F.one_hot(i,2)": (RuntimeError, "Class values must be smaller than num_classes."),
    "F.gaussian_nll_loss(x,y,x)": (ValueError, "var has negative entry/entries"),
    "F.margin_ranking_loss(x,y,i)": (RuntimeError, "All input tensors should have same dimension"),
    "F.triplet_margin_loss(x,y,z[0])": (RuntimeError, "are expected to have the same number of dimensions"),
}


@pytest.mark.parametrize("expression, expected", ERRORS.items())
def test_errors(expression, expected):
    for torch in [ctorch] + [pytorch] * (pytorch is not None):
        with pytest.raises(expected[0]) as caught:
            run(torch, expression)
        assert expected[1] in str(caught.value)


def test_warning_names_the_callers_line():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax") as caught:
        F.softmax(ctorch.zeros(3))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"target size \(torch.Size\(\[3\]\)\)") as caught:
        F.mse_loss(ctorch.zeros(2, 3), ctorch.zeros(3))
    assert caught[0].filename == __file__


@pytest.mark.refleak
@pytest.mark.parametrize("expression", ["F.cross_entropy(x,i,weight=w)", "F.cross_entropy(x,i+1)", "F.mse_loss(x,y)",
                                        "F.binary_cross_entropy_with_logits(x,q,pos_weight=w)", "torch.softmax(x,1)",
                                        "F.embedding(ids,x,padding_idx=1)", "F.nll_loss(x,i[:2])"])
def test_nothing_is_left(expression, nothing_left):
    for _ in range(3):
        try:
            derivatives(ctorch, expression)
        except (IndexError, ValueError):
            pass


LOSSES = ["L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss", "NLLLoss", "CrossEntropyLoss", "KLDivLoss", "BCELoss",
          "BCEWithLogitsLoss", "SoftMarginLoss"]


@pytest.mark.parametrize("name", LOSSES)
def test_tensors_given_to_the_constructor_are_refused_there(name):
    kind, words = (TypeError, "delta must be a float") if name == "HuberLoss" else (RuntimeError, "Boolean value of Tensor")
    for shape in ((4, 3), ()):
        with pytest.raises(kind, match=rf"^{words}.*nn\.{name}\(\)\(input, target\)"):
            getattr(nn, name)(ctorch.ones(shape), ctorch.ones(shape))


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "HuberLoss"])
@pytest.mark.parametrize(
    "options, reduction",
    [({"size_average": True}, "mean"), ({"size_average": False}, "sum"), ({"reduce": False}, "none"), ({"reduce": 0}, "none"),
     ({"reduce": True}, "mean"), ({"size_average": False, "reduce": False}, "none")],
)
def test_old_options_of_the_classes_warn(name, options, reduction):
    with pytest.warns(UserWarning, match=f"reduce args will be deprecated, please use reduction='{reduction}' instead."):
        assert getattr(nn, name)(**options).reduction == reduction


@pytest.mark.cpu
@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("bad", [10**12, 4, -1])
@pytest.mark.parametrize("space", [(), (1, 1)])
@pytest.mark.parametrize("create_graph", [False, True])
def test_targets_written_since_are_checked_in_backward(loss, reduction, bad, space, create_graph):
    """The array is nobody's tensor: no version tells that it was reused."""
    array = np.array([1, 0, 2]).reshape(3, *space)
    scores = ctorch.rand(3, 4, *space, requires_grad=True)
    y = loss(scores, ctorch.from_numpy(array), reduction=reduction).sum()
    array[:] = bad
    with pytest.raises(IndexError, match=f"Target {bad} is out of bounds"):
        y.backward(create_graph=create_graph)
