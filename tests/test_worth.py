"""Expressions of the smaller parts of the interface, and what they are worth in plain Python and NumPy."""

import copy
import math
import operator
import pickle

import numpy as np
import pytest

import ctorch

pytestmark = pytest.mark.cpu


def plain(value):
    """Tensors, arrays and containers as lists, so that == compares all of a value."""
    if isinstance(value, ctorch.Tensor):
        return plain(value.detach().float().numpy() if value.dtype in (ctorch.half, ctorch.bfloat16) else value.detach().numpy())
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def run(statement):
    """The names after a statement."""
    scope = NAMES()
    exec(statement, scope)
    return scope


class Asked(ctorch.Tensor):
    """Tells which function met it, with which arguments."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        return [function.__name__, [t.__name__ for t in types], len(arguments), sorted(keywords or {})]


class Kept(ctorch.Tensor):
    """A subclass without a say: results have its class."""


class Odd:
    """Neither a number nor an array; answers from the right."""

    def __radd__(self, other):
        return "radd"

    def __rpow__(self, other):
        return "rpow"


class Whole:
    def __index__(self):
        return 3


class Unable:
    def __index__(self):
        raise KeyError("no index")


def raised(call):
    """The class and the first words of what a call raises."""
    try:
        call()
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"[:60]
    return "nothing"


def NAMES():
    torch = ctorch
    a = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    return {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "C": torch._C, "np": np, "math": math, "copy": copy,
            "pickle": pickle, "operator": operator, "run": run, "raised": raised, "Asked": Asked, "Kept": Kept, "odd": Odd(), "whole": Whole(), "unable": Unable(), "a": a, "x": torch.from_numpy(a.copy()), "b": np.arange(6).reshape(2, 3),
            "n": torch.arange(6).view(2, 3), "v": torch.arange(3.0), "u": np.arange(3.0), "i": torch.tensor([0, 2, 1]),
            "meta": torch.ones(2, 3, device="meta"), "net": torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())}


# expression | what it is worth
WORTH = r"""
(x / 7).round_(decimals=2) | np.round(a / np.float32(7), 2)
n.int() // torch.tensor([[1, -2, 3]], dtype=torch.int32) | b // np.array([[1, -2, 3]])
n.int() % torch.tensor([[1, -2, 3]], dtype=torch.int32) | b % np.array([[1, -2, 3]])
x.new_empty_strided((2, 3), (1, 2)).stride() | (1, 2)
torch.zeros(1).resize_as_(x).shape | (2, 3)
x.is_same_size(v) | False
x.is_same_size(x + 1) | True
+x | a
torch.positive(n) | b
x.deg2rad_() | np.deg2rad(a)
torch.rad2deg(x).round() | np.rad2deg(a).round()
torch.argwhere(n > 3) | np.argwhere(b > 3)
v.scatter(0, i[:2], 5.0, reduce='add') | [5, 1, 7]
v.scatter(0, i[:2], torch.tensor([5.0, 6.0]), reduce='multiply') | [0, 1, 12]
v.clone().scatter_(0, i[:2], torch.tensor([5.0, 6.0]), reduce='add') | [5, 1, 8]
v.clone().scatter_(0, i[:2], 3.0, reduce='multiply') | [0, 1, 6]
x.split_with_sizes((1, 2), 1) | [a[:, :1], a[:, 1:]]
torch.split_with_sizes(x, (1, 2), 1)[1] | a[:, 1:]
torch.tensor_split(x, (1, 2), 1) | [a[:, :1], a[:, 1:2], a[:, 2:]]
torch.tensor_split(x, torch.tensor([1]), 1) | [a[:, :1], a[:, 1:]]
torch.tensor_split(x, torch.tensor(3), 1) | [a[:, :1], a[:, 1:2], a[:, 2:]]
torch.flip(x, (0, 1)) | a[::-1, ::-1]
torch.fliplr(x) | a[:, ::-1]
torch.flipud(x) | a[::-1]
x.reshape_as(torch.zeros(3, 2)) | a.reshape(3, 2)
x.where(x > 2, -x) | np.where(a > 2, a, -a)
x.where(x > 2, 7) | np.where(a > 2, a, 7)
torch.reshape(x, (3, 2)) | a.reshape(3, 2)
torch.permute(x, (1, 0)) | a.T
torch.std_mean(x, 1) | [a.std(1, ddof=1), a.mean(1)]
torch.std_mean(x) | [a.std(ddof=1), a.mean()]
torch.randint_like(n, 4, 5) | np.full((2, 3), 4)
x.bernoulli_(torch.ones(2, 3)) | np.ones((2, 3))
C._softmax_backward_data(x, torch.full((2, 3), 0.5), 1) | 0.5 * (a - 0.5 * a.sum(1, keepdims=True))
C._log_softmax_backward_data(x, torch.zeros(2, 3), 1) | a - a.sum(1, keepdims=True)
x.short().dtype | torch.int16
n.bool() | b != 0
x.itemsize | 4
n.nbytes | 48
x.is_sparse or x.is_quantized or x.is_mps or x.is_nested | False
x.is_complex() | False
x._base is None | True
x[0]._base is x | True
{'shape', 'grad', 'sum', 'extra'} <= set(dir(run('x.extra = 1')['x'])) | True
run('x /= 4')['x'] | a / 4
run('x **= 2')['x'] | a ** 2
run('x //= 2')['x'] | a // 2
run('x %= 2')['x'] | a % 2
run('n <<= 1; n |= 1; n &= 7; n ^= 2; n >>= 1')['n'] | ((((b << 1) | 1) & 7) ^ 2) >> 1
2 ** x | 2 ** a
7 // (n + 1) | 7 // (b + 1)
7 % (n + 1) | 7 % (b + 1)
1 << n | 1 << b
64 >> n | 64 >> b
x.__add__('x') is NotImplemented | True
x.__pow__(object()) is NotImplemented | True
operator.getitem(x, 1) | a[1]
[row.tolist() for row in reversed(x)] | a[::-1]
2.0 in x | True
repr(torch.device('cuda', 1)) | "device(type='cuda', index=1)"
torch.device('cuda:1').index | 1
torch.device('cpu').index | None
hash(torch.device('cuda', 1)) == hash(torch.device('cuda:1')) | True
len({torch.device('cpu'), torch.device('cpu'), torch.device('cuda', 0), torch.device('meta')}) | 3
pickle.loads(pickle.dumps(torch.device('cuda', 2))) == torch.device('cuda:2') | True
copy.deepcopy(torch.device('cpu')) == torch.device('cpu') | True
torch.device('cpu') == 'cpu' | False
torch.device('cpu') != torch.device('meta') | True
torch.float32.to_real() | torch.float32
torch.float32.is_complex | False
[d.is_signed for d in (torch.float32, torch.int8, torch.uint8, torch.bool)] | [True, True, False, False]
[d.itemsize for d in (torch.float64, torch.float32, torch.half, torch.bfloat16, torch.int64, torch.bool)] | [8, 4, 2, 2, 8, 1]
[d.is_floating_point for d in (torch.half, torch.int8)] | [True, False]
pickle.loads(pickle.dumps(torch.strided)) is torch.strided | True
pickle.loads(pickle.dumps(torch.int16)) is torch.int16 | True
pickle.loads(pickle.dumps(torch.contiguous_format)) is torch.contiguous_format | True
repr(torch.strided), repr(torch.preserve_format) | ('torch.strided', 'torch.preserve_format')
torch.Size([2, 3]) * 2 | (2, 3, 2, 3)
isinstance(torch.Size([2]) * 2, torch.Size) and isinstance(2 * torch.Size([2]), torch.Size) | True
isinstance(torch.Size([2, 3])[:1], torch.Size) and isinstance(torch.Size([2]) + (3,), torch.Size) | True
pickle.loads(pickle.dumps(torch.Size([2, 3]))) | (2, 3)
type(copy.deepcopy(torch.Size([2]))) is torch.Size | True
torch.Size([2, 3]).numel() | 6
repr(torch.Size([2, 3])) | 'torch.Size([2, 3])'
[(f.bits, f.eps, f.max, f.min, f.tiny) for f in map(torch.finfo, (torch.float64, torch.float32, torch.half))] | [(np.finfo(t).bits, float(np.finfo(t).eps), float(np.finfo(t).max), float(np.finfo(t).min), float(np.finfo(t).tiny)) for t in 'dfe']
[(f.smallest_normal, f.resolution, f.dtype) for f in map(torch.finfo, (torch.float64, torch.float32))] | [(float(np.finfo('d').tiny), 1e-15, 'float64'), (float(np.finfo('f').tiny), 1e-6, 'float32')]
(torch.finfo(torch.bfloat16).eps, torch.finfo(torch.bfloat16).max, torch.finfo(torch.bfloat16).bits) | (2.0 ** -7, (2 - 2.0 ** -7) * 2.0 ** 127, 16)
[(f.bits, f.min, f.max, f.dtype) for f in map(torch.iinfo, (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64))] | [(np.iinfo(t).bits, int(np.iinfo(t).min), int(np.iinfo(t).max), np.dtype(t).name) for t in ('i1', 'u1', 'i2', 'i4', 'i8')]
torch.finfo() == torch.finfo(torch.float32) | True
torch.finfo(torch.half) == torch.finfo(torch.double) | False
torch.finfo(torch.half) != torch.finfo(torch.double) | True
torch.iinfo(torch.int8) == 3 | False
repr(torch.finfo(torch.float32)) | 'finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)'
repr(torch.iinfo(torch.uint8)) | 'iinfo(min=0, max=255, dtype=uint8)'
torch.Generator().manual_seed(-1).initial_seed() | 2 ** 64 - 1
run('s = torch.seed()')['s'] == torch.initial_seed() | True
run('g = torch.Generator(); s = g.seed()')['g'].initial_seed() > 0 | True
torch.Generator().device == torch.device('cpu') | True
repr(torch.set_grad_enabled(True)) | 'torch.autograd.grad_mode.set_grad_enabled(mode=True)'
torch.set_grad_enabled(False)(lambda: torch.is_grad_enabled())() | False
torch.is_grad_enabled() | True
repr((x.requires_grad_() * 2).grad_fn).startswith('<MulBackward0 object at 0x') | True
[m for m in net.children()] == [net[0], net[1]] | True
list(run('m = nn.Module(); m.register_buffer("b", v)')['m'].buffers()) | [u]
net.type(torch.float64)[0].weight.dtype | torch.float64
net.double().float()[0].bias.dtype | torch.float32
net.to_empty(device='meta')[0].weight.device.type | 'meta'
(meta + 1).shape | (2, 3)
(meta.to(torch.int64) // 2).shape | (2, 3)
(meta @ meta.t()).shape | (2, 2)
torch.bmm(meta.unsqueeze(0), meta.t().unsqueeze(0)).shape | (1, 2, 2)
[t.shape for t in meta.sort(1)] | [(2, 3), (2, 3)]
[t.shape for t in meta.topk(2)] | [(2, 2), (2, 2)]
meta.gather(0, torch.zeros(1, 3, dtype=torch.int64, device='meta')).shape | (1, 3)
meta.index_select(1, torch.zeros(4, dtype=torch.int64, device='meta')).shape | (2, 4)
meta.scatter_add(0, torch.zeros(1, 3, dtype=torch.int64, device='meta'), meta).device.type | 'meta'
meta.cumsum(0).sum().softmax(0).shape | ()
meta.max(1)[1].dtype | torch.int64
F.cross_entropy(meta, torch.zeros(2, dtype=torch.int64, device='meta')).shape | ()
torch.sort(torch.tensor([3, 1, 2], dtype=torch.int16), descending=True) | [[3, 2, 1], [0, 2, 1]]
v.nanmedian() | 1.0
torch.tensor([1.0, math.nan, 3.0]).nanmedian(0) | [1.0, 0]
sorted(torch.randperm(7).tolist()) | list(range(7))
v.mode() | [0.0, 0]
F.linear(x, torch.ones(2, 3)) | a.sum(1, keepdims=True).repeat(2, 1)
F.nll_loss(x, torch.tensor([0, 2])) | -(0.0 + 5.0) / 2
F.nll_loss(torch.ones(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64), reduction='sum') | -4.0
C.get_printoptions()['precision'] | 4
x.as_subclass(Asked).add(1, alpha=2) | ['add', ['Asked'], 2, ['alpha']]
x.as_subclass(Asked) + 1 | ['add', ['Asked'], 2, []]
x.as_subclass(Asked).exp_() | ['exp_', ['Asked'], 1, []]
torch.sum(x.as_subclass(Asked), 0, keepdim=True) | ['sum', ['Asked'], 2, ['keepdim']]
torch.mul(x, x.as_subclass(Asked)) | ['mul', ['Asked'], 2, []]
type(x.as_subclass(Kept) + x).__name__, type(x.as_subclass(Kept)[0]).__name__, type(x.as_subclass(Kept).sum(0)).__name__ | ('Kept', 'Kept', 'Kept')
x.as_subclass(Kept) * 2 + 1 | a * 2 + 1
(x.as_subclass(Kept) + odd, x + odd, x ** odd) | ('radd', 'radd', 'rpow')
x + whole | a + 3
raised(lambda: x + unable) | "KeyError: 'no index'"
raised(lambda: x.as_subclass(Kept) + unable) | "KeyError: 'no index'"
raised(lambda: x + 2 ** 70)[:12] | 'RuntimeError'
raised(lambda: pow(x, 2, 3))[:9] | 'TypeError'
raised(lambda: x @ 3)[:9] | 'TypeError'
raised(lambda: x @ odd)[:9] | 'TypeError'
raised(lambda: operator.index(x[0, 0])) | 'TypeError: only integer tensors of a single element can be conv'[:60]
operator.index(n[0, 1]) | 1
(float(x[0, 1]), int(x[0, 1]), bool(x[0, 1]), complex(x[0, 1])) | (1.0, 1, True, 1 + 0j)
raised(lambda: bool(x)) | 'RuntimeError: Boolean value of Tensor with more than one value is ambiguous'[:60]
torch.tensor(True).item() is True and torch.tensor(3).item() == 3 and torch.tensor(0.5).item() == 0.5 | True
x + a | a + a
x - np.float64(2) | a - 2
np.float32(2) * x | a * 2
(n + np.int64(3)).dtype, (n + np.float32(3)).dtype, (n + True).dtype, (n + 0.5).dtype | (torch.int64, torch.float32, torch.int64, torch.float32)
[x.dtype for x in (1 - n, 1.0 - n, True + n)] | [torch.int64, torch.float32, torch.int64]
run('o = torch.zeros(2, 3); r = torch.add(x, x, out=o)')['o'] | a + a
run('o = torch.zeros(7); r = torch.add(x, x, out=o)')['o'] | a + a
run('o = torch.zeros(2, 3, dtype=torch.float64); torch.mul(x, 3, out=o)')['o'] | a * 3
run('torch.add(x, x.t().contiguous().t(), out=x)')['x'] | a + a
run('o = torch.zeros(3, 2).t(); torch.sub(x, 1, out=o)')['o'] | a - 1
run('torch.exp(x, out=x)')['x'] | np.exp(a)
run('torch.gt(x, 2, out=x)')['x'] | (a > 2).astype(np.float32)
run('o = torch.zeros(5); torch.add(o[:3], 1, out=o[2:])')['o'] | [0, 0, 1, 1, 1]
torch.add(x, x, out=None) | a + a
run('g = torch.Generator().manual_seed(5); torch.rand(3, generator=g); h = g.clone_state(); y = torch.rand(3, generator=g); z = torch.rand(3, generator=h)')['z'] | run('g = torch.Generator().manual_seed(5); torch.rand(3, generator=g); y = torch.rand(3, generator=g)')['y']
raised(lambda: torch.Generator().manual_seed('x'))[:10] | 'ValueError'
torch.Generator().manual_seed(3.0).initial_seed() | 3
raised(lambda: torch.Generator().set_state(x))[:9] | 'TypeError'
raised(lambda: torch.Generator().set_state(torch.zeros(3, dtype=torch.uint8)))[:12] | 'RuntimeError'
torch.Generator(device='cuda').device.type | 'cuda'
raised(lambda: torch.Generator(device='nonsense'))[:12] | 'RuntimeError'
x.add_(x.t()[:2, :2].repeat(1, 2)[:, :3]) | a + np.tile(a.T[:2, :2], (1, 2))[:, :3]
raised(lambda: v.expand(2, 3).add_(1))[:12] | 'RuntimeError'
run('v = torch.arange(6.0); v[::2].add_(v[1::2])')['v'] | [1, 1, 5, 3, 9, 5]
raised(lambda: run('v = torch.arange(6.0); v[1:].add_(v[:-1])'))[:12] | 'RuntimeError'
torch.nansum(x, dtype=torch.float64).dtype, torch.nanmean(x, dtype=torch.float64).dtype, torch.prod(x, dtype=torch.float64).dtype | (torch.float64,) * 3
torch.prod(n + 1, 1, dtype=torch.float32) | (b + 1.0).prod(1)
torch.cumprod(n + 1, 1, dtype=torch.float64) | np.cumprod(b + 1.0, 1)
torch.cumsum(x, 0, dtype=torch.float64) | np.cumsum(a, 0)
x.std(unbiased=False) | float(a.std())
x.std(0, unbiased=False) | a.std(0)
x.var(0, unbiased=False, keepdim=True) | a.var(0, keepdims=True)
x.var(dim=None, correction=2) | float(((a - a.mean()) ** 2).sum() / 4)
x.std(1, correction=0) | a.std(1)
torch.var_mean(x, unbiased=False) | [a.var(), a.mean()]
torch.var_mean(x, 1, unbiased=False, keepdim=True) | [a.var(1, keepdims=True), a.mean(1, keepdims=True)]
torch.std_mean(x, 0, unbiased=False) | [a.std(0), a.mean(0)]
torch.std_mean(x, unbiased=False) | [a.std(), a.mean()]
torch.std_mean(x, dim=1, correction=0) | [a.std(1), a.mean(1)]
torch.var_mean(x, dim=0, correction=0) | [a.var(0), a.mean(0)]
x.norm(dtype=torch.float64).dtype | torch.float64
x.norm(None) | float(np.linalg.norm(a))
x.norm('fro', 1, True) | np.linalg.norm(a, axis=1, keepdims=True)
torch.linalg.vector_norm(x, 3, 1, dtype=torch.float64) | (a.astype('d') ** 3).sum(1) ** (1 / 3)
x.amax(()) | 5.0
x.amax((0, 1), keepdim=True) | [[5.0]]
x.amin(1) | a.min(1)
x.logsumexp((0, 1)) | float(np.log(np.exp(a).sum()))
x.new_tensor([1, 2]).dtype, x.new_tensor([1, 2], dtype=torch.int8).dtype, x.new_tensor(n).dtype | (torch.float32, torch.int8, torch.float32)
x.new_tensor([1.0], requires_grad=True).requires_grad | True
torch.asarray(bytearray(b'\x01\x02'), dtype=torch.uint8) | [1, 2]
torch.asarray(x, copy=True) is x, torch.asarray(x) is x, torch.asarray(x, dtype=torch.float64).dtype | (False, True, torch.float64)
raised(lambda: torch.asarray([1, 2], copy=False))[:10] | 'ValueError'
torch.asarray(a, copy=False).data_ptr() == a.ctypes.data | True
torch.as_tensor(x) is x, torch.as_tensor(a).data_ptr() == a.ctypes.data | (True, True)
torch.frombuffer(bytearray(8), dtype=torch.int16, count=2, offset=2) | [0, 0]
x.to(torch.float32) is x, x.to('cpu') is x, x.to(x) is x, x.to(torch.int8).dtype, x.to('cpu', torch.int8).dtype | (True, True, True, torch.int8, torch.int8)
x.to(device='cpu', dtype=torch.half, copy=True).dtype, x.to(other=n).dtype, x.to(dtype=None, device=None) is x | (torch.half, torch.int64, True)
x.to(torch.float32, False, True) is x | False
x.type(), n.type(), x.bool().type(), x.type('torch.DoubleTensor').dtype, x.type(torch.IntTensor).dtype | ('torch.FloatTensor', 'torch.LongTensor', 'torch.BoolTensor', torch.float64, torch.int32)
raised(lambda: x.type('torch.Nonsense'))[:10] | 'ValueError'
isinstance(x, torch.FloatTensor), isinstance(n, torch.FloatTensor), isinstance(3, torch.FloatTensor) | (True, False, False)
torch.FloatTensor(2, 3).shape, torch.LongTensor([1, 2]), torch.DoubleTensor(a).dtype, torch.IntTensor().shape | ((2, 3), [1, 2], torch.float64, (0,))
torch.FloatTensor(torch.Size([2])).shape | (2,)
[t for t in map(str, (torch.result_type(x, n), torch.result_type(n, 2.0), torch.promote_types(torch.uint8, torch.int8)))] | ['torch.float32', 'torch.float32', 'torch.int16']
torch.can_cast(torch.float32, torch.int64), torch.can_cast(torch.int64, torch.half) | (False, True)
x[None, :, [True, False, True]] | a[None, :, [True, False, True]]
x[(slice(None), torch.tensor([2, 0]))] | a[:, [2, 0]]
x[torch.tensor(True)].shape, x[True].shape, x[False].shape, x[None].shape | ((1, 2, 3), (1, 2, 3), (0, 2, 3), (1, 2, 3))
x[np.int64(1), np.array([0, 2])] | a[1, [0, 2]]
x[range(2)] | a
x[[[0, 1], [2, 0]]] | a[[0, 1], [2, 0]]
x[...], x[..., -1], x[1, ...] | (a, a[..., -1], a[1])
run('x[:, 1:] = torch.tensor([7.0, 8.0])')['x'][1] | [3.0, 7.0, 8.0]
run('x[[0, 1], [2, 0]] = 9')['x'] | [[0.0, 1.0, 9.0], [9.0, 4.0, 5.0]]
run('x[n > 3] = -1.0')['x'] | np.where(b > 3, -1.0, a)
run('x[n > 3] = torch.tensor([7.0, 8.0])')['x'][1] | [3.0, 7.0, 8.0]
run('x[True] = 2')['x'] | np.full((2, 3), 2.0)
raised(lambda: run('x[1] = a[0]'))[:9] | 'TypeError'
run('x[0, 0] = n[1, 2]')['x'][0, 0] | 5.0
raised(lambda: run('x[0] = "x"'))[:9] | 'TypeError'
raised(lambda: x['x'])[:9] | 'TypeError'
raised(lambda: x[1.0])[:10] | 'IndexError'
raised(lambda: run('del x[0]'))[:9] | 'TypeError'
F.embedding(torch.zeros(0, dtype=torch.int64), x).shape, F.embedding(meta.long(), meta).shape, F.embedding(i[:2].int() * 0, x) | ((0, 3), (2, 3, 3), [a[0], a[0]])
run('l = nn.Linear(1, 1, bias=False); l.load_state_dict({"weight": torch.tensor([[4.0]])})')['l'].weight | [[4.0]]
run('m = nn.Module(); m.s = nn.Parameter(torch.tensor(0.0)); m.load_state_dict({"s": torch.tensor([3.0])})')['m'].s | 3.0
str(run('l = nn.Linear(2, 1); r = l.load_state_dict({"weight": torch.ones(1, 2), "more": x}, strict=False)')['r']) | "_IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['more'])"
raised(lambda: net.load_state_dict({'0.weight': torch.ones(5, 5)}))[:12] | 'RuntimeError'
raised(lambda: net.load_state_dict({'0.weight': 3, '0.bias': torch.ones(2)}))[:12] | 'RuntimeError'
raised(lambda: net.load_state_dict(3))[:9] | 'TypeError'
run('l = nn.Linear(2, 1); l.load_state_dict({"weight": torch.ones(1, 2), "bias": torch.ones(1)}, assign=True)')['l'].weight.requires_grad | True
x.as_subclass(Asked)[0] | ['__getitem__', ['Asked'], 2, []]
run('t = x.as_subclass(Asked); t[0] = 7.0')['x'] | a
C._set_grad_enabled(True), torch.is_grad_enabled(), run('C._set_grad_enabled(False); g = torch.is_grad_enabled(); C._set_grad_enabled(True)')['g'] | (None, True, False)
x.tile(2), torch.tile(v, (2, 1)) | (np.tile(a, 2), np.tile(u, (2, 1)))
x.repeat_interleave(torch.tensor([1, 2, 0, 1, 0, 2])) | a.ravel().repeat([1, 2, 0, 1, 0, 2])
torch.histc(torch.tensor([-1.0, 0.25, 0.5, 1.0, 3.0, math.nan]), 2, 0, 1) | [1, 2]
torch.full((2,), 1.5, dtype=torch.bool), torch.full((2,), 0.5, dtype=torch.bool), torch.full((2,), 0.0, dtype=torch.bool) | ([True, True], [True, True], [False, False])
torch.equal(x, v), torch.equal(x, x + 0), torch.equal(x, x.view(3, 2)) | (False, True, False)
torch.hstack([v[0], v[1]]), torch.vstack([v[0], v[1]]) | ([0, 1], [[0], [1]])
torch.linalg.matrix_norm(x, 'nuc', dtype=torch.float64) | float(np.linalg.norm(a.astype('d'), 'nuc'))
x.norm('nuc') | float(np.linalg.norm(a, 'nuc'))
torch.linalg.matrix_norm(torch.ones(0, 3), 2) | 0.0
v[1].nonzero().shape, v[0].nonzero().shape, v[1].masked_select(torch.tensor(True)) | ((1, 0), (0, 0), [1.0])
torch.matmul(v, torch.from_numpy(np.arange(24.0, dtype=np.float32).reshape(2, 3, 4))) | u.astype(np.float32) @ np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
torch.inner(v[2], x), torch.inner(x, v[2]) | (2 * a, 2 * a)
F.dropout(x, 1.0), F.dropout(x.clone(), 1.0, inplace=True), F.dropout(x, 1.0, training=False) | (0 * a, 0 * a, a)
torch.roll(v, 3).data_ptr() != v.data_ptr(), torch.add(1, 2), torch.add(1, 2, out=torch.ones(2)) | (True, 3, 3.0)
F.dropout(x, 0.0).data_ptr() == x.data_ptr(), n // (n > -1) | (True, b)
torch.multinomial(meta, 2).shape, torch.multinomial(meta[0], 2).shape | ((2, 2), (2,))
torch.tensor([3, 1, 3], dtype=torch.int16).unique(return_counts=True) | [[1, 3], [1, 2]]
torch.tensor([[3, 1], [1, 1], [3, 1]], dtype=torch.int16).unique(dim=0, return_inverse=True) | [[[1, 1], [3, 1]], [1, 0, 1]]
F.cosine_similarity(x.half(), x.half()), F.cosine_similarity(x.bfloat16(), -x.bfloat16()).dtype | ([1.0, 1.0], torch.bfloat16)
x[..., 0:1:2 ** 62] | a[..., :1]
torch.as_tensor(bytearray(b'abcd')), torch.asarray(bytearray(b'\x00\x00\x80?')), torch.asarray(2.0) | (list(b'abcd'), [1.0], 2.0)
repr(torch.device('meta')), repr(torch.device('cpu', 0)), str(torch.device('cuda', 3)) | ("device(type='meta')", "device(type='cpu', index=0)", 'cuda:3')
torch.prod(torch.ones(0, 3)), torch.prod(torch.ones(0, 3), 0) | (1.0, [1.0, 1.0, 1.0])
torch.pow(torch.tensor([1, -1, -1, 2, 2]), torch.tensor([-1, -3, -2, -2, 3])) | [1, -1, 1, 0, 8]
torch.ones(2, 3).t().masked_fill(torch.zeros(3, 2).bool(), 0).is_contiguous(), torch.swapaxes(x, axis0=0, axis1=1).shape == x.t().shape, torch.equal(n, n), torch.equal(torch.tensor(float("nan")), torch.tensor(float("nan"))) | (True, True, True, False)
torch.add(1, n, alpha=2), torch.sub(1, n), torch.mul(2.0, n), torch.div(1, n + 1), torch.pow(2, n), torch.pow(n, exponent=2) | (1 + 2 * b, 1 - b, 2.0 * b, (1 / (b + np.float32(1))).astype(np.float32), 2 ** b, b ** 2)
1 ** n, 2.0 ** n, n ** 2.0, n ** 0, n ** 1 | (b ** 0, 2.0 ** b, b ** 2.0, b ** 0, b)
(x.half() + x.bfloat16()).dtype, torch.promote_types(torch.bfloat16, torch.half) | (torch.float32, torch.float32)
torch.rand_like(n, dtype=torch.float64).dtype, torch.randn_like(x.t(), dtype=torch.float64).stride(), torch.rand_like(x.t()).stride() | (torch.float64, (1, 3), (1, 3))
torch.zeros(2, dtype=int).dtype, torch.zeros(2, dtype=float).dtype, torch.zeros(2, dtype=bool).dtype | (torch.int64, torch.float64, torch.bool)
torch.Size([True, 2]), (1,) + torch.Size([2]), [1, 2] == list(torch.Size([1, 2])) | ((1, 2), (1, 2), True)
torch.FloatTensor(x).data_ptr() == x.data_ptr(), torch.Tensor(v) | (True, u)
[F.embedding(torch.zeros(0, dtype=torch.int64, device=d), torch.zeros(0, 3, device=d)).shape for d in ('cpu', 'meta')] | [(0, 3), (0, 3)]
torch.zeros(0, 3).index_select(0, i[:0]).shape, torch.zeros(0, 3)[i[:0]].shape, torch.zeros(0, 3).gather(0, torch.zeros(0, 3, dtype=torch.int64)).shape, torch.zeros(0).take(i[:0]).shape | ((0, 3), (0, 3), (0, 3), (0,))
[m.shape for m in (meta.take(i.to('meta')), meta[:0].index_select(0, i[:1].to('meta')), F.one_hot(i.to('meta'), 3))] | [(3,), (1, 3), (3, 3)]
x.nan_to_num(posinf=3.0), torch.tensor([math.inf, -math.inf]).nan_to_num(posinf=3.0, neginf=-2.0), n.nan_to_num() | (a, [3.0, -2.0], b)
torch.cross(torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])) | [0, 0, 1]
torch.cummax(v[1], 0), torch.cumsum(v[2], 0), torch.cumprod(v[2], 0) | ([1.0, 0], 2.0, 2.0)
x.__array__(np.float64), x.__array__(copy=True) is x.__array__(copy=True) | (a, False)
raised(lambda: x.__array__(np.float64, copy=False))[:10] | 'ValueError'
run('x[0] = torch.ones(1, 1, 3)')['x'][0] | [1, 1, 1]
run('x[[0]] = torch.ones(1, 1, 3)')['x'][0] | [1, 1, 1]
run('n[:, 1] = torch.tensor([[8, 9]])')['n'] | [[0, 8, 2], [3, 9, 5]]
run('x.sub_(torch.ones(2, 3, dtype=torch.int64))')['x'] | a - 1
n.float().floor_divide(torch.tensor([2.0, 4.0, 8.0])) | b // np.array([2.0, 4.0, 8.0])
n.short() // torch.tensor([2, 4, 8]), torch.div(n.short(), torch.tensor([2, 4, 8]), rounding_mode='trunc'), n.bool() // 1 | (b // [2, 4, 8], b // [2, 4, 8], (b != 0) // 1)
n.bool().sum(0, dtype=torch.uint8), n.int().prod(1, dtype=torch.int8), n.short().sum(dtype=torch.int16) | ((b != 0).sum(0), b.prod(1), 15)
n.int() @ n.int().t(), n.short() @ n.short().t(), n.char() @ n.char().t(), n.byte() @ n.byte().t() | (b @ b.T,) * 4
torch.sum(n.char(), 0), torch.sum(n.byte().t(), 0), n.short().sum(1) | (b.sum(0), b.sum(1), b.sum(1))
[t.tolist() for t in torch.unique(torch.tensor([2.0, math.nan, 2.0]), return_counts=True)][1] | [2, 1]
torch.normal(torch.zeros(2), 0.0), torch.normal(1.0, torch.zeros(2)) | ([0, 0], [1, 1])
net.register_load_state_dict_pre_hook(lambda *_: None).id >= 0 | True
list(nn.Sequential(nn.ReLU()).modules(1))[1:].__len__(), raised(lambda: nn.Sequential() + 3)[:9], raised(lambda: 3 + nn.Sequential())[:9] | (1, 'ValueErro', 'TypeError')
run('z = torch.zeros(0, 3, requires_grad=True); torch.cat([z, x]).sum().backward()')['z'].grad.shape | (0, 3)
run('z = torch.zeros(0, requires_grad=True); torch.cat([z, x]).sum().backward()')['z'].grad.shape | (0,)
F.pad(x, [np.int64(1), torch.tensor(0)]) | np.pad(a, [(0, 0), (1, 0)])
torch.nn.utils.rnn.pad_sequence([v, v[:1]], padding_value=7) | [[0, 0], [1, 7], [2, 7]]
torch.nn.utils.rnn.pad_sequence((v, v[:1]), True, padding_side='left') | [[0, 1, 2], [0, 0, 0]]
torch.nn.utils.rnn.pad_sequence([n, x[:1] + 0.5]).dtype, torch.nn.utils.rnn.pad_sequence([n, x[:1]]).is_contiguous() | (torch.int64, True)
torch.nn.utils.rnn.pad_sequence(x) | a.T
run('w = [torch.ones(k, 3, requires_grad=True) for k in (1, 2)]; (torch.nn.utils.rnn.pad_sequence(w) * x.view(2, 1, 3)).sum().backward()')['w'][1].grad | a
torch.nn.utils.rnn.unpad_sequence(x, torch.tensor([1, 2, 0])) | [[0], [1, 4], []]
torch.nn.utils.rnn.unpad_sequence(x, torch.tensor([3, 2]), batch_first=True) | [a[0], a[1, :2]]
torch.any(x, dim=()), x.all(dim=[]), x.t().byte().any([]), torch.all(x, dim=(), keepdim=True) | (a != 0, a != 0, (a != 0).T, a != 0)
torch.any(x, dim=()).dtype, x.byte().all([]).dtype, x.any(dim=None), run('y = x.bool(); z = y.any([]); z[0] = True')['y'] | (torch.bool, torch.uint8, True, a != 0)
[len(torch.zeros(0).chunk(k)) for k in (1, 64, 65, 100)], [p.shape for p in torch.zeros(2, 0).chunk(70, 1)] | ([1, 64, 65, 100], [(2, 0)] * 70)
torch.lerp(x, x + 2, torch.tensor(1)), torch.lerp(v[1], v[2], torch.tensor(0.5, dtype=torch.float64)).dtype, torch.lerp(x, x * 2, torch.tensor(0.5, dtype=torch.float64)) | (a + 2, torch.float64, a * 1.5)
torch.lerp(n, n, torch.tensor(0.5)), x.clone().lerp_(x * 2, torch.tensor(True)) | (b, a * 2)
run('w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True); torch.lerp(x, x * 3, w).sum().backward()')['w'].grad | 30
run('torch.set_default_dtype(torch.float64); y = (torch.cov(n), torch.corrcoef(n)); torch.set_default_dtype(torch.float32)')['y'][0].dtype, torch.cov(n).dtype | (torch.float64, torch.float32)
torch.zeros(2, out=torch.ones(2, dtype=torch.int64)), torch.eye(2, out=n.new_zeros(2, 2)), torch.full((2,), 1.5, out=n.new_zeros(2)) | ([0, 0], [[1, 0], [0, 1]], [1, 1])
torch.linspace(0, 1, 3, out=n.new_zeros(3)), torch.range(0, 2.5, out=n.new_zeros(3)), torch.linspace(0, 1, 4, out=torch.zeros(4, dtype=torch.float64)) | ([0, 0, 1], [0, 1, 2], np.linspace(0, 1, 4))
run('torch.manual_seed(0); y = torch.rand(2, out=torch.zeros(2, dtype=torch.float64)); torch.manual_seed(0); z = torch.rand(2, dtype=torch.float64) == y')['z'] | [True, True]
torch.sum(x + 0.5, 0, out=n.new_zeros(3)), torch.sum(n, 0, out=torch.zeros(3)), torch.cumsum(v + 0.5, 0, out=n.new_zeros(3)) | ([3, 5, 7], [3, 5, 7], [0, 1, 3])
torch.mean(torch.tensor([1.0, 2.0, 2.0]), 0, out=torch.zeros((), dtype=torch.float64)) | 5 / 3
torch.max(x, 0, out=[torch.zeros(0), torch.zeros(0, dtype=torch.int64)]) | (a.max(0), [1, 1, 1])
torch.combinations(v, 0).shape, torch.combinations(n[0], 0, True).dtype | ((0,), torch.int64)
torch.tensordot(x, x, 2) | 55
[f(x.t(), memory_format=torch.contiguous_format).view(-1) for f in (torch.Tensor.clone, torch.clone, torch.Tensor.double, torch.Tensor.contiguous)] | [a.T.reshape(-1)] * 4
x.t().to(torch.float64, memory_format=torch.contiguous_format).stride(), x.t().to(torch.float32, copy=True, memory_format=torch.contiguous_format).stride() | ((2, 1), (2, 1))
[x.t().clone(memory_format=m).stride() for m in (torch.preserve_format, None)], x.t().to(memory_format=torch.contiguous_format).stride(), x.t().double(memory_format=torch.preserve_format).stride() | ([(1, 3)] * 2, (1, 3), (1, 3))
run('w = x.clone().requires_grad_(); (w.t().clone(memory_format=torch.contiguous_format).view(-1) * torch.arange(6)).sum().backward()')['w'].grad | [[0, 2, 4], [1, 3, 5]]
[f.stride() for z in [torch.zeros(2, 3, 4, 5)] for f in (z.to(memory_format=torch.channels_last), z.clone(memory_format=torch.channels_last).double(), torch.ones_like(z, memory_format=torch.channels_last), torch.empty(2, 3, 4, 5, memory_format=torch.channels_last))] | [(60, 1, 15, 3)] * 4
[z.to(memory_format=torch.contiguous_format).stride() for z in [torch.zeros(2, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)]] | [(360, 120, 30, 6, 1)]
x.contiguous(memory_format=torch.preserve_format) is x | True
torch.add(1, 2), torch.div(-1, 2), torch.floor_divide(1, 2), torch.mul(2, 3.5) | (3, -0.5, 0, 7)
[(z.is_contiguous(memory_format=torch.channels_last), z.is_contiguous(), z.contiguous(memory_format=torch.channels_last) is z) for z in (torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.zeros(2, 3, 4, 5), torch.zeros(2, 1, 4, 5))] | [(True, False, True), (False, True, False), (True, True, True)]
run('y = torch.arange(24.0).view(1, 2, 3, 4); z = y.to(memory_format=torch.channels_last)')['z'] | np.arange(24.0).reshape(1, 2, 3, 4)
net.to(memory_format=torch.channels_last)[0].weight.stride(), net.to(torch.float32, memory_format=None)[0].weight.stride() | ((3, 1), (3, 1))
torch.zeros(3, dtype=torch.int64).index_add_(0, torch.tensor([0, 1]), torch.tensor([3, 5]), alpha=0.5) | [0, 0, 0]
torch.zeros(3, dtype=torch.int64).index_add(0, torch.tensor([0, 1]), torch.tensor([3, 5]), alpha=2.9) | [6, 10, 0]
torch.zeros(3, dtype=torch.int64).index_add_(0, torch.tensor([0]), torch.tensor([1]), alpha=2**60 + 1) | [2**60 + 1, 0, 0]
torch.zeros(3, dtype=torch.bool).index_add_(0, torch.tensor([0, 1]), torch.tensor([True, True]), alpha=2) | [True, True, False]
torch.zeros(3, dtype=torch.bool).index_add_(0, torch.tensor([0, 1]), torch.tensor([True, True]), alpha=0.5) | [True, True, False]
torch.zeros(3, dtype=torch.uint8).index_add_(0, torch.tensor([0]), torch.ones(1, dtype=torch.uint8), alpha=-1) | [255, 0, 0]
torch.addmm(*[torch.ones(1, 1, dtype=torch.int64)] * 3, beta=0, alpha=2**53 + 1) | [[2**53 + 1]]
torch.addmm(*[torch.ones(1, 1, dtype=torch.int64)] * 3, beta=2**53 + 1, alpha=2.7) | [[2**53 + 3]]
torch.addmv(torch.ones(1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.int64), torch.ones(1, dtype=torch.int64), beta=0.5, alpha=2**53 + 1) | [2**53 + 1]
torch.addr(torch.zeros(1, 1, dtype=torch.int64), *[torch.ones(1, dtype=torch.int64)] * 2, alpha=2**60 + 1) | [[2**60 + 1]]
torch.addr(torch.ones(1, 1, dtype=torch.uint8), torch.ones(1, dtype=torch.uint8), torch.ones(1, dtype=torch.int64), beta=300) | [[301]]
torch.addr(torch.ones(1, 1, dtype=torch.int64), torch.ones(1), torch.ones(1), beta=2.5, alpha=0.5) | [[3.0]]
torch.addmm(*[torch.ones(1, 1).half()] * 3, alpha=1e6) | [[math.inf]]
torch.ones(4).half().norm(dtype=torch.float64).dtype, torch.ones(4).norm(dtype=torch.float64) | (torch.float64, 2.0)
torch.tril_indices(2, 2, 2**63 - 1) | [[0, 0, 1, 1], [0, 1, 0, 1]]
torch.triu_indices(2, 2, 2**63 - 1), torch.tril_indices(2, 2, -2**63) | ([[], []], [[], []])
torch.triu_indices(2, 2, -2**63) | [[0, 0, 1, 1], [0, 1, 0, 1]]
torch.tril_indices(2**60, 0), torch.triu_indices(2**60, 0) | ([[], []], [[], []])
torch.randperm(256, dtype=torch.uint8).sort()[0], torch.randperm(2049, dtype=torch.half).sort()[0] | (list(range(256)), list(range(2049)))
torch.normal(torch.zeros(3), torch.zeros(3)), torch.normal(torch.zeros(0), torch.zeros(0)) | ([0, 0, 0], [])
torch.tensor([True]).cumsum(0).dtype, torch.tensor(True).cumsum(0, dtype=torch.bool) | (torch.int64, True)
math.isnan(nn.Dropout(math.nan).p) | True
torch.tensor(5.).index_select(0, torch.tensor([0])) | 5.0
nn.functional.nll_loss(torch.zeros(3, 0), torch.full((3,), -100), reduction='sum') | 0.0
[torch.tensor([7, -7, 7, -7]).to(t).div(torch.tensor([2, 2, -2, -2]).to(t), rounding_mode='trunc') for t in (torch.int8, torch.int16, torch.int32, torch.int64)] | [[3, -3, -3, 3]] * 4
[torch.tensor([7, -8, 8, -7]).to(t) // torch.tensor([2, 3, -3, -2]).to(t) for t in (torch.int8, torch.int16, torch.int32, torch.int64)] | [[3, -3, -3, 3]] * 4
[torch.tensor([7, -8, 8, -7]).to(t) % torch.tensor([2, 3, -3, -2]).to(t) for t in (torch.int8, torch.int16, torch.int32, torch.int64)] | [[1, 1, -1, -1]] * 4
torch.arange(256).byte() // 7 * 7 + torch.arange(256).byte() % 7 == torch.arange(256) | [True] * 256
"""
CASES = [tuple(part.strip() for part in line.split(" | ", 1)) for line in WORTH.strip().split("\n")]


def same(got, expected):
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, float) or isinstance(got, float):
        return math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-30)
    return got == expected


@pytest.mark.parametrize("text, worth", CASES, ids=[text for text, _ in CASES])
def test_worth(text, worth):
    got, expected = plain(eval(text, NAMES())), plain(eval(worth, NAMES()))
    assert same(got, expected), f"{got}, not {expected}"
