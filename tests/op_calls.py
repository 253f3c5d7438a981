"""Calls of every op as text, and operands for them: what the tests of grad_fn and of leaks go through.

The same text runs under ctorch and PyTorch: `scope` gives it either package's operands.
"""

# x (2, 3), y (2, 3), m (3, 4), c (2, 3, 4), v (3,), s () and w (3, 3) require grad; i is an index, k a mask.
CALLS_BY_LINE = """
x + y|x + 1|1 + x|x - y|1 - x|x * y|2 * x|x / y|x / 2|2 / x|x ** 2|x ** y|2 ** x|-x|x @ m|x @ v|v @ v|c @ m.t()|x % y|x % 2
x.add(y, alpha=2)|x.neg()|x.abs()|x.sign()|x.square()|x.reciprocal()|x.sqrt()|x.rsqrt()|x.exp()|x.exp2()|x.expm1()
x.log()|x.log2()|x.log10()|x.log1p()|x.sin()|x.cos()|x.tan()|x.asin()|x.acos()|x.atan()|x.sinh()|x.cosh()|x.tanh()
x.asinh()|x.acosh()|x.atanh()|x.erf()|x.erfc()|x.erfinv()|x.floor()|x.ceil()|x.round()|x.trunc()|x.frac()|x.sigmoid()
x.relu()|x.clamp(0, 1)|x.clamp(min=0)|x.fmod(2)|x.remainder(y)|torch.maximum(x, y)|torch.minimum(x, y)|torch.fmax(x, y)
torch.fmin(x, y)|torch.atan2(x, y)|torch.hypot(x, y)|torch.xlogy(x, y)|torch.logaddexp(x, y)|torch.where(k, x, y)
x.masked_fill(k, 0)|torch.lerp(x, y, 0.5)|torch.lerp(x, y, y)|torch.addcmul(x, x, y)|torch.addcdiv(x, x, y)
x.clone()|x.double()|x.half()|x.to(torch.float64)|x.contiguous().t().contiguous()|x.view(6)|x.reshape(6)|x.t().reshape(6)
x.flatten()|x.unflatten(1, (1, 3))|x.expand(4, 2, 3)|x.transpose(0, 1)|x.t()|x.T|c.mT|x.permute(1, 0)|x.squeeze()
x.squeeze(0)|x.unsqueeze(0)|x.select(0, 1)|x[0]|x[0:1]|x[:, 1]|x[None]|x[..., 0]|x[i]|x[k]|x[0, 1]|x.narrow(0, 0, 1)
x.unbind()[0]|x.split(1)[0]|x.split([1, 1])[1]|x.chunk(2)[0]|x.diagonal()|w.diag()|v.diag()|x.unfold(1, 2, 1)
x.as_strided((2,), (1,))|torch.cat([x, y])|torch.stack([x, y])|torch.hstack([x, y])|torch.vstack([x, y])|x.repeat(2, 1)
x.repeat_interleave(2)|x.flip(0)|x.roll(1, 0)|x.tril()|x.triu()|x.movedim(0, 1)|x.expand_as(y)|x.view_as(y)|x.ravel()
x.sum()|x.sum(0)|x.sum((0, 1))|x.sum(1, keepdim=True)|x.mean()|x.mean(0)|x.prod()|x.prod(0)|x.max()|x.min()|x.max(0)[0]
x.max(0).values|x.min(1)[0]|x.amax(0)|x.amin()|x.var()|x.std()|x.var(0)|x.norm()|x.norm(dim=0)|x.norm(p=1)|x.logsumexp(0)
x.cumsum(0)|x.cumprod(0)|x.cummax(0)[0]|x.logcumsumexp(0)|x.nansum()|x.median()|x.median(0)[0]|x.kthvalue(1, 0)[0]
x.sort()[0]|x.topk(1)[0]|x.msort()|x.dist(y)|x.mm(m)|torch.bmm(c, c.mT)|x.mv(v)|v.dot(v)|torch.outer(v, v)|torch.addmm(s, x, m)
torch.addmv(s, x, v)|torch.baddbmm(s, c, c.mT)|torch.einsum('ij,jk->ik', x, m)|x.matmul(m)|x.inner(v)
x.gather(0, i.view(1, 3))|x.scatter(0, i.view(1, 3), 1.0)|x.scatter_add(0, i.view(1, 3), y)|x.index_select(0, i)
x.masked_select(k)|x.take(i)|torch.index_put(x, (i,), v)|x.softmax(0)|x.log_softmax(1)|torch.softmax(x, 1)
F.relu(x)|F.leaky_relu(x)|F.elu(x)|F.celu(x)|F.selu(x)|F.gelu(x)|F.gelu(x, approximate='tanh')|F.silu(x)|F.mish(x)
F.softplus(x)|F.logsigmoid(x)|F.softsign(x)|F.tanhshrink(x)|F.hardtanh(x)|F.hardsigmoid(x)|F.hardswish(x)
F.softshrink(x)|F.hardshrink(x)|F.threshold(x, 0, 1)|F.relu6(x)|F.linear(x, w)|F.linear(x, w, v)|F.linear(c, m.t()[:, :4].contiguous().t()[:4])
F.linear(c.mT, w, v)|F.dropout(x, 0.5)|F.dropout(x, 0.5, False)|F.mse_loss(x, y)|F.l1_loss(x, y)|F.cross_entropy(x, i[:2])
F.nll_loss(x, i[:2])|F.binary_cross_entropy(x.sigmoid(), y.sigmoid())|F.binary_cross_entropy_with_logits(x, y.detach())
F.normalize(x)|F.prelu(x, s.view(1))|F.embedding(i, x)|F.softmin(x, 0)|x.clone().add_(1)|x.clone().mul_(y)|x.clone().relu_()
x.clone().zero_()|x.clone().fill_(2)|x.clone().copy_(y)|x.clone().t_()|x.clone().transpose_(0, 1)|x.clone().unsqueeze_(0)|x.clone().squeeze_()|x.clone().squeeze_(0)
x.squeeze((0, 1))|torch.diagonal_copy(x)|torch.addr(s, v, v)|v @ m|F.linear(v, w)|F.linear(v, w, v)|torch.einsum('ij,ij->i', x, y)
x.clone().sigmoid_()|(x * 2).detach_()|x.detach()
x > y|x.clone().masked_fill_(k, 0)|x.clone().clamp_(0, 1)|x.clone().div_(2)|x.clone().exp_()|x.clone()[0].add_(1)
nn.Linear(3, 2)(x)|nn.ReLU()(x)|nn.Sequential(nn.Linear(3, 4), nn.Tanh())(x)|nn.MSELoss()(x, y)|nn.CrossEntropyLoss()(x, i[:2])
nn.Flatten()(c)|nn.LogSoftmax(1)(x)|nn.Dropout()(x)|nn.GELU()(x)|nn.PReLU()(x)|nn.Softplus()(x)
"""
CALLS = [text for line in CALLS_BY_LINE.split("\n") for text in line.split("|") if text]


def scope(torch):
    def leaf(*shape):
        n = 1
        for size in shape:
            n *= size
        return (torch.arange(1, n + 1, dtype=torch.float32) / (n + 1)).reshape(shape).requires_grad_()

    return {"torch": torch, "F": torch.nn.functional, "nn": torch.nn, "x": leaf(2, 3), "y": leaf(2, 3), "m": leaf(3, 4),
            "c": leaf(2, 3, 4), "v": leaf(3), "s": leaf(), "w": leaf(3, 3), "i": torch.tensor([0, 1, 1]),
            "k": torch.tensor([[True, False, True], [False, True, False]])}
