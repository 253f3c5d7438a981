"""Calls that test_nomem.py makes without memory, beside those of op_calls.py: what has no gradient, what meets Python's
objects, and the options that the other list leaves out.  Left out are functions written in Python with inner functions
(see test_nomem.py), backward into several leaves, which fills one after another, and where CPython 3.11 itself crashes
without memory: in a warning, and in an iterator over an OrderedDict, hence a Module's hooks.
"""

import copy
import pickle

import numpy as np
from op_calls import scope

import ctorch

# Beside op_calls' operands: n whole numbers, p and q probabilities, a an array, g a generator, net a network, o.. results.
CALLS_BY_LINE = """
x.absolute() ; n.all() ; n.any(1) ; x.allclose(y) ; x.aminmax(dim=1) ; x.argmax() ; x.argmin(1, keepdim=True)
x.argsort(descending=True) ; torch.argwhere(n) ; torch.as_tensor([1, 2.5]) ; torch.asarray(a) ; torch.bernoulli(p)
torch.bincount(i, weights=v.detach()) ; n & 3 ; n | n ; n ^ 1 ; ~n ; n << 1 ; n >> n ; torch.broadcast_to(v, (2, 3))
torch.bucketize(x.detach(), v.detach()) ; torch.searchsorted(v.detach(), x.detach(), right=True)
torch.can_cast(torch.int64, torch.float32) ; x.clip(max=y) ; x.clamp(y, w[:2]) ; x.clamp_min(0.5) ; torch.concat([x, y], 1)
F.cosine_similarity(x, y) ; x.count_nonzero(0) ; torch.cross(x, y, dim=1) ; x.cummin(1) ; x.deg2rad() ; x.diag_embed()
torch.div(x, y, rounding_mode='floor') ; torch.div(n, 2, rounding_mode='trunc') ; n // 2 ; n % 4 ; n.remainder(n + 1)
torch.empty(2, 3, dtype=torch.half) ; torch.empty_like(x) ; torch.empty_strided((2, 3), (3, 1)) ; x == y ; x != 1 ; x >= y
x < 2 ; x.equal(y) ; torch.eye(3, 4) ; x.fix() ; torch.fliplr(x) ; torch.flipud(x) ; torch.float_power(n, 2)
torch.floor_divide(x, 2) ; torch.from_numpy(a) ; torch.frombuffer(buffer, dtype=torch.float32) ; torch.full((2, 2), 3)
torch.full_like(x, 2) ; v.ger(v) ; torch.get_rng_state() ; torch.histc(x.detach(), 4, 0, 2)
x.index_add(0, i[:2], y, alpha=2) ; x.index_copy(0, i[:2], y) ; x.index_fill(1, i, 2.0) ; w.inverse() ; x.isclose(y)
x.isfinite() ; x.isinf() ; x.isnan() ; torch.linspace(0, 1, 5) ; torch.logspace(0, 1, 5) ; k.logical_and(n) ; k.logical_not()
p.logit() ; x.masked_scatter(k, y) ; torch.meshgrid(v, v, indexing='ij') ; x.mode(1) ; x.movedim((0, 1), (1, 0))
torch.multinomial(p, 2, replacement=True) ; x.nan_to_num(0.0) ; x.nanmean() ; x.nanmedian() ; x.quantile(0.5)
x.nanquantile(q, dim=1, keepdim=True) ; n.nonzero() ; n.nonzero(as_tuple=True) ; torch.normal(x.detach(), 1.0)
torch.normal(0.0, y.detach()) ; torch.normal(0.0, 1.0, (2, 3)) ; torch.ones(2, 3) ; torch.ones_like(x)
F.pairwise_distance(x, y) ; torch.poisson(y.detach()) ; torch.promote_types(torch.int8, torch.half) ; x.put(i, v)
torch.rand(2, 3) ; torch.rand_like(x) ; torch.rand_like(x, dtype=torch.double) ; torch.randint(3, (4,), generator=g) ; torch.randint_like(n, 5) ; torch.randn(20)
torch.randperm(5, generator=g) ; torch.range(0, 3) ; torch.arange(0, 1, 0.25) ; torch.result_type(x, 1) ; x.rot90()
torch.rsub(x, 2) ; torch.scalar_tensor(2) ; x.scatter_reduce(0, i.view(1, 3), y, 'amax')
x.scatter_reduce(0, i.view(1, 3), y, 'mean') ; x.scatter_reduce(0, i.view(1, 3), y, 'prod') ; x.scatter(0, i.view(1, 3), y)
x.sgn() ; x.signbit() ; x.split_with_sizes([1, 2], 1) ; torch.std_mean(x, 1) ; x.sub(y, alpha=3) ; x.swapaxes(0, 1)
x.take_along_dim(i.view(1, 3), 0) ; torch.tensor([[1, 2], [3, 4]]) ; torch.tensor([True]) ; torch.tensor(a)
torch.tensor([x.detach()[0, 0], 2.0]) ; torch.tensor(2.5, dtype=torch.half) ; torch.tensor([np.float32(1), 2])
torch.tensor(range(3)) ; x.tensor_split(2, 1) ; x.tensor_split((1, 2), 1) ; x.tile((2, 2)) ; w.trace()
torch.tril_indices(3, 3) ; torch.triu_indices(3, 3, 1) ; n.unique() ; x.unique(dim=0, return_inverse=True)
n.view(6).unique_consecutive(return_counts=True) ; torch.var_mean(x, 0) ; v.vdot(v) ; torch.zeros(2, 3, requires_grad=True)
torch.zeros((1,) * 9)
torch.zeros_like(x, dtype=torch.int8) ; x.data ; x.bfloat16() * 2 ; x.byte() ; x.char() ; x.cov() ; x.corrcoef() ; x.diff()
x.kron(y) ; x.hsplit(3) ; x.vsplit(2) ; c.dsplit(2) ; x.is_contiguous() ; s.item() ; x.tolist() ; x.isneginf()
x.new_zeros(3) ; x.new_full((2,), 1) ; x.new_tensor([1, 2]) ; x.new_empty(2) ; x.new_empty_strided((2,), (1,))
x.detach().numpy() ; x.register_hook(print).remove() ; x.reshape_as(y) ; x.resolve_conj() ; x.size() ; x.shape + (1,)
x.stride() ; x.sum_to_size(1, 3) ; x.to_dense() ; x.type() ; x.type(torch.double) ; x.type_as(s) ; x.untyped_storage()
x.storage() ; list(x) ; len(x) ; x.shape.numel() ; hash(x) ; bool(s) ; float(s) ; int(s) ; complex(s) ; n[0, 0].__index__()
abs(x) ; np.asarray(x.detach()) ; format(s, '.3f') ; repr(c) ; str(n) ; repr(x.half()) ; repr(k) ; repr(torch.zeros(0, 3))
repr(x * 2) ; repr(torch.ones(30, 30)) ; repr(torch.tensor([1e-8, 1e8, float('inf')])) ; torch.Size([2, 3])
repr(torch.Size([2])) ; torch.device('cpu') ; repr(torch.device('cuda', 1)) ; torch.finfo(torch.half)
repr(torch.finfo(torch.double)) ; torch.iinfo(torch.int8) ; repr(torch.iinfo(torch.int64)) ; torch.finfo(torch.float32).eps
torch.float32.is_floating_point ; repr(torch.float64) ; torch.strided ; torch.FloatTensor([1, 2]) ; torch.FloatTensor(2, 3)
torch.LongTensor([3]) ; torch.Tensor(2, 3) ; torch.Tensor([[1, 2]]) ; torch.Generator() ; g.get_state()
copy.copy(g.get_state()) ; torch.Generator().manual_seed(3) ; pickle.loads(pickled) ; copy.copy(x)
copy.deepcopy(x.detach()) ; copy.deepcopy(nn.Parameter(x.detach())) ; nn.Parameter(x.detach(), requires_grad=False)
repr(nn.Parameter(v.detach())) ; x[0, None, ..., 1:] ; x[:, [0, 2]] ; x[[True, False]] ; x[i[:2], i[:2]] ; x[n > 2]
x[np.array([0, 1])] ; x[torch.tensor(1)] ; c[..., i] ; c[:, 1:3, ::2] ; c[0, i, None] ; x[..., None, :] ; x[a > 2]
x[-1, -1] ; c[i[:2], :, i[:2]] ; torch.addr(m[:3, :3], v, v, beta=2, alpha=3)
torch.addmm(x[:, 0:1], x, m, beta=2, alpha=0.5) ; torch.addmv(s, x, v, beta=0.5, alpha=2) ; torch.matmul(c, m.t())
torch.matmul(v, m) ; torch.matmul(c, m.t().expand(2, 4, 3)) ; torch.matmul(x.half(), m.half()) ; n @ n.t() ; k.float() @ w
torch.linalg.norm(x) ; x.norm('nuc') ; torch.linalg.vector_norm(x, 3, 1) ; x.norm(float('inf'), 1)
x.norm('fro') ; x.norm(0) ; x.dist(y, 1) ; x.mean(0, keepdim=True, dtype=torch.double) ; x.sum((0, 1), dtype=torch.double)
n.sum() ; n.prod(1) ; k.sum() ; k.any() ; n.max(0) ; n.amin((0, 1)) ; n.cumsum(0) ; n.sort(0) ; n.median()
n.topk(2, largest=False) ; n.kthvalue(2, 1) ; x.half().sum() ; x.std(1, correction=0) ; x.var((0, 1), keepdim=True)
x.prod(1, keepdim=True) ; c.logsumexp((0, 1)) ; x.max(y) ; x.min(1, keepdim=True) ; c.cumprod(-1) ; c.logcumsumexp(1)
c.sum(1) ; c.mT.sum(2) ; c.softmax(1) ; x.half().softmax(1) ; F.alpha_dropout(x, 0.5) ; F.dropout1d(c, 0.5)
F.cosine_embedding_loss(x, y, torch.ones(2)) ; F.gaussian_nll_loss(x, y.detach(), p) ; F.glu(m)
F.hinge_embedding_loss(x, y.detach()) ; F.huber_loss(x, y) ; F.kl_div(x, y.detach(), reduction='batchmean')
F.margin_ranking_loss(x, y, torch.ones(2, 3)) ; F.one_hot(i) ; F.pad(x, (1, 1), value=2.0) ; F.pad(c, (1, 1), 'reflect')
F.pad(c, (1, 1), 'replicate') ; F.pad(c, (1, 1), 'circular') ; F.poisson_nll_loss(x, y.detach()) ; F.smooth_l1_loss(x, y)
F.soft_margin_loss(x, y.detach()) ; F.triplet_margin_loss(x, y, y * 2) ; F.cross_entropy(x, y.softmax(1))
F.cross_entropy(x, i[:2], weight=v.detach(), label_smoothing=0.1) ; F.nll_loss(x, i[:2], reduction='none')
F.cross_entropy(c, torch.zeros(2, 4, dtype=torch.int64))
F.nll_loss(c, torch.zeros(2, 4, dtype=torch.int64), reduction='sum')
F.binary_cross_entropy(x.sigmoid(), y.sigmoid().detach(), weight=v.detach(), reduction='sum')
F.binary_cross_entropy_with_logits(x, y.detach(), pos_weight=v.detach()) ; F.l1_loss(x, y, reduction='none')
F.embedding(i, x, padding_idx=0) ; F.normalize(c, 1.0, 2) ; F.prelu(x, v) ; F.softmin(x, 1) ; F.linear(x.half(), w.half())
nn.Linear(3, 2, bias=False) ; nn.Embedding(4, 3, padding_idx=1)(i) ; nn.Sequential(nn.Linear(3, 3), nn.ReLU())[0]
nn.ModuleList([nn.ReLU()]) ; nn.ModuleDict({'a': nn.ReLU()}) ; nn.Softmax(1)(x) ; nn.Identity()(x)
nn.BCELoss()(x.sigmoid(), y.sigmoid().detach()) ; net(x) ; repr(net) ; list(net.named_parameters())
list(net.named_modules()) ; net.state_dict() ; list(net.parameters()) ; list(net.children()) ; list(net.buffers())
net.get_parameter('0.weight') ; net.get_submodule('1') ; net.extra_repr() ; dir(net) ; net[0].weight.grad ; net.training
net[:1] ; len(net) ; list(net) ; torch.autograd.grad(x.sum(), x)
torch.autograd.grad([x.sum(), (x * y).sum()], [x, y], grad_outputs=[s, None])
torch.autograd.backward(x.detach().requires_grad_().sum()) ; torch.is_grad_enabled() ; torch.no_grad() ; torch.enable_grad()
torch.set_grad_enabled(True) ; torch.inference_mode() ; x.exp().grad_fn.next_functions ; x.exp().grad_fn.name()
repr(x.exp().grad_fn) ; x.exp().grad_fn._saved_result ; (x * y).grad_fn._saved_self ; x.sum().grad_fn.metadata ; x.grad_fn
x.is_leaf ; x._version ; x.exp().retain_grad() ; torch.get_default_dtype() ; torch.get_default_device()
torch.initial_seed() ; torch.get_num_threads() ; x.cpu() ; x.to('meta') ; x.to('meta') + 1
torch.empty(2, 3, device='meta').sum(0) ; torch.ones(2, 3, device='meta') @ torch.ones(3, 2, device='meta')
x.to(torch.float16, copy=True) ; x.to(y) ; x.to(dtype=torch.double) ; x.to(memory_format=torch.contiguous_format)
x.contiguous() ; torch.sum(x.detach(), 0, out=o0) ; torch.matmul(x.detach(), w.detach(), out=o)
torch.cat([x.detach()], out=o) ; torch.sort(x.detach(), out=(o, on)) ; torch.max(x.detach(), 1, out=(o1, on1))
torch.arange(3, out=on1) ; x.flatten(0, 1) ; c.unflatten(2, (2, -1)) ; c.permute(2, 0, 1) ; c.squeeze((0, 1)) ; c.view(-1, 4)
c.detach().view(torch.int32) ; c.unfold(2, 2, 1) ; c.diagonal(0, 1, 2) ; x.expand(-1, 3)
torch.repeat_interleave(x, i[:2], dim=0) ; x.roll((1, 1), (0, 1)) ; torch.block_diag(x, y) ; torch.cartesian_prod(v, v)
torch.combinations(v) ; torch.column_stack([v, v]) ; torch.dstack([x, y]) ; torch.atleast_2d(v)
torch.broadcast_shapes((2, 3), (3,)) ; torch.isin(n, i) ; x.detach()[0].clone().copy_(v.detach())
torch.autograd.grad(torch.cat(list(map(x.mul, range(70)))).sum(), x) ; torch.autograd.grad(list(map(x.sum().mul, range(70))), x)
asked[0].exp() ; asked[0] + x ; asked[0].exp_() ; torch.sum(asked[0], 0, keepdim=True) ; asked[0][0]
"""
CALLS = [text.strip() for line in CALLS_BY_LINE.strip().split("\n") for text in line.split(" ; ")]
PICKLED = pickle.dumps(ctorch.arange(3.0))


class WithSetup(ctorch.autograd.Function):
    @staticmethod
    def forward(x, y, scale=1):
        return x * y * scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.scale = inputs[2]
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * y * ctx.scale, g * x * ctx.scale, None


class Dirty(ctorch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.add_(1)

    @staticmethod
    def backward(ctx, g):
        return g


class Asked(ctorch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        return None


class Net(ctorch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = ctorch.nn.Linear(3, 3)
        self.second = ctorch.nn.Sequential(ctorch.nn.Tanh(), ctorch.nn.Linear(3, 2, bias=False))
        self.scale = ctorch.nn.Parameter(ctorch.ones(2))
        self.register_buffer("seen", ctorch.zeros(2))
        self.register_buffer("passing", ctorch.ones(2), persistent=False)
        self.register_parameter("absent", None)

    def forward(self, x, factor=1.0):
        return self.second(self.first(x)) * self.scale * factor + self.seen


def doubled(*arguments):
    return arguments[-1] * 2 if isinstance(arguments[-1], ctorch.Tensor) else None


def seen(*arguments):
    return None


# What changes its operands when it succeeds; m is a Net, f a hook that doubles, h one that looks on.
CHANGING_BY_LINE = """
net.state_dict() ; setattr(m, 'extra', ctorch.nn.Linear(2, 2)) ; setattr(m, 'scale', ctorch.nn.Parameter(ctorch.zeros(2))) ; setattr(m, 'seen', ctorch.ones(2))
setattr(m, 'number', 3) ; delattr(m, 'scale') ; delattr(m, 'first') ; delattr(m, 'seen') ; setattr(m, 'scale', None) ; setattr(m, 'first', None) ; m.register_parameter('new', ctorch.nn.Parameter(v.detach()))
m.register_buffer('new', v.detach(), persistent=False) ; m.add_module('new', ctorch.nn.ReLU()) ; m.register_module('other', None) ; m.train(False) ; m.eval() ; m.requires_grad_(False) ; m.zero_grad()
m.zero_grad(set_to_none=False) ; Net().double() ; Net().half() ; m.float() ; Net().to(ctorch.float64) ; m.to('cpu') ; Net().to('meta') ; m.to(v) ; Net().to(device='cpu', dtype=ctorch.float64) ; Net().to_empty(device='cpu') ; Net().type(ctorch.float64) ; Net().bfloat16() ; m.cpu()
m.load_state_dict(m.state_dict()) ; m.load_state_dict(m.state_dict(), assign=True) ; m.state_dict(prefix='p.', keep_vars=True) ; m(x) ; m(x, factor=2.0) ; m(x=x) ; m.first(x).sum().backward()
m.register_forward_hook(f) ; m.register_forward_pre_hook(h) ; m.register_full_backward_hook(h) ; m.register_full_backward_pre_hook(h) ; m.register_state_dict_post_hook(h) ; m.register_state_dict_pre_hook(h) ; m.register_load_state_dict_post_hook(h) ; m.register_load_state_dict_pre_hook(h)
m.register_forward_hook(f).remove() ; (m.register_load_state_dict_post_hook(h), m.load_state_dict(m.state_dict())) ; (m.register_load_state_dict_pre_hook(h), m.load_state_dict(m.state_dict())) ; (m.register_state_dict_post_hook(h), m.state_dict())
list(m.named_parameters()) ; list(m.named_parameters(prefix='p', recurse=False)) ; list(m.named_buffers()) ; list(m.buffers()) ; list(m.children()) ; list(m.named_children()) ; list(m.modules()) ; list(m.named_modules(prefix='x')) ; m.__dict__ ; repr(m) ; dir(m) ; m.get_buffer('seen') ; m.get_submodule('second.1')
m.get_parameter('second.1.weight') ; m.set_submodule('second.1', ctorch.nn.ReLU()) ; m.second.append(ctorch.nn.ReLU()) ; m.second.insert(1, ctorch.nn.ReLU()) ; m.second.extend([ctorch.nn.ReLU()]) ; m.second.pop(0) ; m.second.__setitem__(0, ctorch.nn.ReLU()) ; m.second.__delitem__(0)
m.second + m.second ; m.__setstate__(m.__dict__.copy()) ; m.second.__iadd__(m.second) ; m.seen ; m.apply(h) ; m.first.extra_repr() ; m.training
WithSetup.apply(x, y, 3).sum().backward() ; Dirty.apply(x.clone()) ; Dirty.apply((x * 1)[0]) ; Dirty.apply(x.clone()).sum().backward()
x.register_hook(f) ; (x * 2).grad_fn.register_hook(h) ; (x * 2).grad_fn.register_prehook(h) ; x.sum().backward(inputs=[x])
x.exp().backward(y.detach()) ; torch.autograd.backward([x.sum()] * 9) ; torch.autograd.grad([x.sum()] * 10, [x] * 5) ; x.requires_grad_(False) ; x.detach_() ; setattr(x, 'grad', y.detach().clone()) ; setattr(x, 'extra', 3) ; setattr(x, 'data', y.detach().clone())
x.exp().retain_grad() ; o.copy_(y.detach()) ; o.resize_(3, 3) ; o.__setitem__(0, 1.0) ; o.__setitem__(k, 2.0) ; o.__setitem__((slice(None), i), y.detach()) ; o.__setitem__([0, 1], v.detach()) ; o.__setitem__(n > 2, 5) ; o.fill_(s.detach()) ; o.index_fill_(0, i[:1], 3)
o.uniform_() ; o.normal_() ; o.bernoulli_(0.5) ; o.exponential_() ; o.random_(5) ; o.geometric_(0.5) ; o.cauchy_() ; o.log_normal_() ; on.random_() ; on.scatter_(0, i.view(1, 3), 7) ; o.masked_scatter_(k, y.detach()) ; o.put_(i, v.detach()) ; o.index_add_(0, i[:2], y.detach()) ; o.index_copy_(0, i[:2], y.detach())
o.add_(v.detach(), alpha=2) ; o.addcmul_(y.detach(), x.detach()) ; o.lerp_(y.detach(), 0.5) ; o.clamp_(min=0) ; o.t_() ; o.unsqueeze_(0) ; o.squeeze_() ; o.transpose_(0, 1) ; o.tril_() ; o.cumsum_(0) ; o.zero_() ; o.relu_() ; o[0].mul_(2) ; g.seed() ; g.manual_seed(3) ; g.set_state(g.get_state()) ; g.clone_state() ; o[:, 1:].mul_(o[:, :2]) ; o[:, 1:].copy_(o[:, :2])
o.scatter_reduce_(0, i.view(1, 3), y.detach(), 'sum') ; o.scatter_reduce_(0, i.view(1, 3), y.detach(), 'mean', include_self=False) ; o.scatter_add_(0, i.view(1, 3), y.detach()) ; x.clone().scatter_reduce_(0, i.view(1, 3), y, 'prod')
o.addmm_(y.detach(), torch.eye(3)) ; o1.addmv_(y.detach(), v.detach()) ; o.addr_(o1, v.detach()) ; o.unsqueeze(0).baddbmm_(y.detach().view(1, 2, 3), torch.eye(3).view(1, 3, 3)) ; o.cumprod_(0) ; o.triu_() ; o.addcdiv_(x.detach(), y.detach() + 9) ; o.swapaxes_(0, 1)
torch.manual_seed(3) ; torch.set_rng_state(torch.get_rng_state()) ; torch.nn.init.kaiming_uniform_(o) ; torch.nn.init.eye_(o)
"""
CHANGING = [text.strip() for line in CHANGING_BY_LINE.strip().split("\n") for text in line.split(" ; ")]


def names():
    """Fresh operands, always the same."""
    torch = ctorch
    torch.manual_seed(0)
    return {**scope(torch), "np": np, "copy": copy, "pickle": pickle, "pickled": PICKLED, "buffer": bytearray(16),
            "a": np.arange(6.0).reshape(2, 3), "n": torch.arange(6).view(2, 3), "p": torch.full((2, 3), 0.25),
            "q": torch.tensor([0.25, 0.75]), "g": torch.Generator(), "o": torch.zeros(2, 3), "o0": torch.zeros(3),
            "o1": torch.zeros(2), "on": torch.zeros(2, 3, dtype=torch.int64), "on1": torch.zeros(2, dtype=torch.int64),
            "net": torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()),
            "asked": (torch.zeros(2, 3).as_subclass(Asked),)}


def names_to_change():
    return {**names(), "ctorch": ctorch, "m": Net(), "Net": Net, "f": doubled, "h": seen, "WithSetup": WithSetup, "Dirty": Dirty}
