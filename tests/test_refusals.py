"""Refused calls: the class of the error and its key phrase, and that the operands are what they were.

Beside bad_calls.py, whose calls tests/hard compares with PyTorch and test_leaks.py repeats: these are about the corners of
each function and ctorch's own limits.
"""

import builtins
import copy
import pickle

import numpy as np
import pytest
from bad_calls import CALLS as BAD_CALLS
from bad_calls import names as bad_names

import ctorch
from ctorch import nn
from ctorch.nn import functional as F


class Two(ctorch.autograd.Function):
    """Two inputs, two outputs, and whatever a test puts in place of forward."""

    @staticmethod
    def forward(ctx, x, y):
        return x * 2, y * 3

    @staticmethod
    def backward(ctx, g, h):
        return g, h


class Bare(nn.Module):
    def __init__(self):
        self.weight = nn.Parameter(ctorch.ones(1))


class Shown(nn.Module):
    def extra_repr(self):
        return 3


def hooked(hook, how="register_hook"):
    leaf = ctorch.ones(2, requires_grad=True)
    y = leaf * 2
    getattr(leaf if how.endswith("grad_hook") else y.grad_fn if how == "register_prehook" else y, how)(hook)
    y.sum().backward()


def dirty_view(*args):
    class Dirty(ctorch.autograd.Function):
        @staticmethod
        def forward(ctx, other, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

    Dirty.apply(*args)


def saves_many(x):
    class Many(ctorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(*[x] * 70000)
            return x * 2

    Many.apply(x)


def state_hook(result):
    module = nn.Linear(1, 1)
    module.register_state_dict_post_hook(lambda *args: result) if hasattr(module, "register_state_dict_post_hook") \
        else module._register_state_dict_hook(lambda *args: result)
    return module.state_dict()


def names():
    torch = ctorch
    return {"torch": torch, "C": torch._C, "nn": nn, "F": F, "np": np, "copy": copy, "pickle": pickle, "Two": Two, "Bare": Bare,
            "Shown": Shown, "hooked": hooked, "dirty_view": dirty_view, "saves_many": saves_many, "state_hook": state_hook,
            "x": torch.arange(6.0).view(2, 3), "y": torch.ones(2, 3), "v": torch.arange(3.0), "s": torch.tensor(2.0),
            "c": torch.ones(2, 3, 4), "n": torch.arange(6).view(2, 3), "i": torch.tensor([0, 1, 1]), "e": torch.ones(0, 3),
            "k": torch.ones(2, 3) > 0, "b": torch.tensor([True, False]), "h": torch.ones(2, 3).half(),
            "w": torch.ones(2, 3, requires_grad=True), "meta": torch.ones(2, 3, device="meta"),
            "wide": torch.ones((1,) * 40), "net": nn.Sequential(nn.Linear(3, 2), nn.ReLU())}


# text | class | phrase
REFUSED = r"""
torch.autograd.backward() | TypeError | missing 1 required positional argument: 'tensors'
torch.autograd.backward(w.sum(), None, None, False, None, None, 7) | TypeError | takes at most 6 arguments (7 given)
torch.autograd.backward(w.sum(), nonsense=1) | TypeError | backward() got an unexpected
torch.autograd.backward(w.sum(), tensors=w) | TypeError | backward() got
torch.autograd.backward([w.sum(), 3]) | TypeError | element 1 is of type int
torch.autograd.backward(w.sum(), [3]) | TypeError | element 0 is of type int
torch.autograd.backward(w.sum(), inputs=[3]) | TypeError | element 0 is of type int
torch.autograd.grad(w.sum()) | TypeError | grad() missing required argument 'inputs'
torch.autograd.grad(inputs=w) | TypeError | grad() missing required argument 'outputs'
torch.autograd.grad(w.sum(), w, [3]) | TypeError | element 0 is of type int
Two.apply(w, y, z=3) | TypeError | apply() takes no keyword arguments
dirty_view(w, (w * 1)[0]) | RuntimeError | an input that is a view must be the first argument
saves_many(w) | RuntimeError | 70000 tensors are too many for one Function
torch.autograd.Function.setup_context(None, (), None) | NotImplementedError | setup_context is not implemented
hooked(lambda g: 3) | TypeError | hook
hooked(lambda g: 3, 'register_prehook') | TypeError | expected tuple, but hook returned 'int'
hooked(lambda p: 3, 'register_post_accumulate_grad_hook') | TypeError | expected Variable, but hook returned 'int'
torch.no_grad()(abs, f=3) | TypeError | takes the function to decorate, no keywords
(w * 2).grad_fn.variable | AttributeError | object has no attribute 'variable'
(w * 2).grad_fn._saved_nonsense | AttributeError | has no attribute '_saved_nonsense'
net.to_empty() | TypeError | to_empty() missing 1 required keyword-only argument: 'device'
Bare() | AttributeError | cannot assign parameters before Module.__init__() call
net.get_submodule(3) | TypeError | get_submodule() expects a str, not int
net.get_parameter(3) | TypeError | expected a dotted name as a str, not int
net.set_submodule('', nn.ReLU()) | ValueError | Cannot set the submodule without a target name!
net.set_submodule('0', 3) | ValueError | `module` is not an nn.Module, found <class 'int'>
net.set_submodule('0.weight.x', nn.ReLU()) | AttributeError | `weight` is not an nn.Module
setattr(net, '__dict__', 3) | TypeError | __dict__ must be set to a dictionary
net.__setstate__(3) | TypeError | __setstate__() expects a dict, not int
repr(Shown()) | TypeError | extra_repr() must return a str, not int
net.state_dict({}, '', False, 1) | TypeError | state_dict() takes
state_hook(3) | RuntimeError | state_dict
list(net.named_modules(memo=[])) | TypeError | named_modules(): memo must be a set, not list
torch.zeros((1,) * 65) | RuntimeError | too many dimensions: 65, at most 64 are supported
x.repeat((1,) * 65) | RuntimeError | repeat: a tensor has at most 64 dimensions, not 65
x.repeat(2 ** 62, 2 ** 62) | RuntimeError | overflow
torch.ones((0,) * 40).repeat((2,) * 40) | RuntimeError | repeat: too many repeated dimensions (40)
torch.zeros(1).resize_(2 ** 61) | RuntimeError | Storage size calculation overflowed
torch.zeros(1).resize_([1] * 100) | RuntimeError | resize_: a tensor has at most 64 dimensions, not 100
torch.inner(torch.ones([1] * 40 + [2]), torch.ones([1] * 40 + [2])) | RuntimeError | too many dimensions: 80, at most 64
torch.div_(-1, 2) | TypeError | div_(): argument 'input' (position 1) must be Tensor
torch.stack([x, 1.0]) | TypeError | expected Tensor as element 1 in argument 0, but got float
torch.zeros([2, 2.5]) | TypeError | zeros(): argument 'size' (position 1) must be tuple of ints, but found element of type float at pos 1
x.reshape((2, None)) | TypeError | reshape(): argument 'shape' (position 1) must be tuple of ints, but found element of type NoneType at pos 1
torch.reshape(x, 3, 2) | TypeError | reshape() takes 2 positional arguments but 3 were given
torch.fmod(2, x) | TypeError | fmod(): argument 'input' (position 1) must be Tensor, not int
x.detach().add_(0.5, x) | TypeError | add() takes 1 positional argument but 2 were given; a factor stands behind: add(..., alpha=0.5)
nn.Sequential(nn.Linear(2, 1), nn.Sigmoid) | TypeError | ctorch.nn.Sigmoid is not a Module subclass: it is the class
nn.Sequential(F.relu) | TypeError | ctorch.nn.functional.relu is not a Module subclass: it is a function
nn.BCEWithLogitsLoss()(torch.zeros(3), torch.tensor([0, 1, 1])) | RuntimeError | result type Float can't be cast to the desired output type Long
torch.cat([torch.ones(2, 3), torch.ones(3, 3)], 1) | RuntimeError | Sizes of tensors must match except in dimension 1. Expected size 2 but got size 3
x.repeat_interleave(x) | RuntimeError | repeats has to be an int tensor
x.repeat_interleave(torch.tensor([1, -1]), 0) | RuntimeError | repeats can not be negative
x.repeat_interleave(torch.tensor([2 ** 62, 2 ** 62]), 0) | RuntimeError | overflow
torch.fliplr(v) | RuntimeError | Input must be >= 2-d.
torch.flipud(s) | RuntimeError | Input must be >= 1-d.
x.rot90(1, (0, 0)) | RuntimeError | expected rotation dims to be different, but got dim0 = 0 and dim1 = 0
x.rot90(1, (0, 5)) | IndexError | Dimension out of range
x.roll(()) | RuntimeError | `shifts` required
x.roll((1,) * 65, (0,) * 65) | RuntimeError | roll: at most 64 shifts can be given, not 65
s.diag_embed() | RuntimeError | input must have at least 1 dimension
v.diag_embed(0, 0, 0) | RuntimeError | diagonal dimensions cannot be identical 0, 0
v.diag_embed(0, 0, 7) | IndexError | Dimension out of range
x.movedim((0, 0), (0, 1)) | RuntimeError | movedim: repeated dim in `source`
x.movedim((0, 1), (0, 0)) | RuntimeError | movedim: repeated dim in `destination`
torch.div(x, y, rounding_mode='up') | RuntimeError | one of None, 'trunc', or 'floor' but found 'up'
torch.bincount(i, weights=v[:2]) | RuntimeError | weights should be 1-d and have the same length as input
torch.bincount(torch.tensor([2 ** 63 - 1])) | RuntimeError | maximum value of input overflowed
torch.sum(x, 0, out=3) | TypeError | argument 'out' must be Tensor, not int
torch.sum(w, 0, out=v) | RuntimeError | don't support automatic differentiation
torch.exp(x, out=torch.zeros(2, 3, dtype=torch.int64)) | RuntimeError | result type Float can't be cast to the desired output type Long
torch.max(x, 0, out=v) | TypeError | argument 'out' must be a tuple of 2 Tensors
torch.max(x, 0, out=(v,)) | TypeError | argument 'out' must be a tuple of 2 Tensors
meta.equal(meta) | NotImplementedError | meta device has no data to compare
meta.cpu() | NotImplementedError | Cannot copy out of meta tensor; no data!
meta.tolist() | NotImplementedError | Cannot copy out of meta tensor; no data!
torch.zeros(2, layout='sparse') | NotImplementedError | layout sparse is not supported: every tensor is torch.strided
meta.numpy() | TypeError | can't convert meta device type tensor to numpy
meta.unique() | NotImplementedError | 'meta' tensors do not have
meta[0, 0].item() | RuntimeError | Tensor.item() cannot be called on meta tensors
torch.meshgrid([v] * 65, indexing='ij') | RuntimeError | meshgrid: at most 64 tensors, got 65
torch.meshgrid(v, i, indexing='ij') | RuntimeError | meshgrid expects all tensors to have the same dtype
C.meshgrid(v, indexing='ij', nonsense=1) | TypeError | meshgrid() takes one keyword argument, indexing
F.embedding(i, x, sparse=True) | NotImplementedError | sparse gradients are not supported
F.embedding(torch.zeros((1,) * 64, dtype=torch.int64), x) | RuntimeError | indices of 64 dimensions are too many
F.one_hot(torch.zeros(0, dtype=torch.int64)) | RuntimeError | Can not infer total number of classes from empty tensor.
F.one_hot(i, -2) | RuntimeError | num_classes should be positive
x.clamp() | RuntimeError | At least one of 'min' or 'max' must not be None
torch.positive(b) | RuntimeError | The `+` operator, on a bool tensor is not supported.
F.prelu(x, y) | RuntimeError | Expected `weight` to be a scalar or 1D tensor, but got: ndim = 2
torch.float_power(2, 3) | TypeError | at least one of input and exponent must be a Tensor
torch.linalg.cross(x, v) | RuntimeError | inputs must have the same number of dimensions, got 2 and 1
torch.cross(torch.ones(2), torch.ones(2)) | RuntimeError | no dimension of size 3 in input
v.add_(x) | RuntimeError | output with shape [3] doesn't match the broadcast shape [2, 3]
c[:1].add_(c) | RuntimeError | doesn't match the broadcast shape
x.gather(0, torch.zeros(2, 4, dtype=torch.int64)) | RuntimeError | to be no larger than self [2, 3] apart from dimension 0
x.scatter(0, i.view(1, 3), n) | RuntimeError | Expected self.dtype to be equal to src.dtype
x.take_along_dim(x, 0) | RuntimeError | dtype of indices should be Long but got Float
x.take_along_dim(i, 0) | RuntimeError | input and indices should have the same number of dimensions
x.take_along_dim(torch.zeros(1, 2, dtype=torch.int64), 0) | RuntimeError | The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 1
x.take_along_dim(n, 5) | IndexError | Dimension out of range
x.scatter(0, i.view(1, 3), 1.0, reduce='max') | RuntimeError | reduce argument must be either add or multiply, got 'max'
x.index_put((i, i, i), v) | IndexError | too many indices for tensor of dimension 2
s.index_select(0, i * 0) | RuntimeError | Index to scalar can have only 1 value, got 3
x.index_add(0, i[:1], v) | RuntimeError | their dimensionality must match
x.index_add(0, i[:1], x) | RuntimeError | Number of indices (1) should be equal to source.size(dim): (2)
x.index_add(0, i[:2], c[0, :2]) | RuntimeError | source tensor shape must match self tensor shape
x.index_add(0, i[:2], n) | RuntimeError | self (Float) and source (Long) must have the same scalar type
x.index_copy(0, i[:2], n) | RuntimeError | self and source expected to have the same dtype
x.index_copy(0, i[:2] + 7, x) | IndexError | index 8 is out of bounds for dimension 0 with size 2
x.index_fill(0, v, 1) | IndexError | Expected dtype int64 for index
x.index_fill(0, i, v) | RuntimeError | only supports a 0-dimensional value tensor
e.take(i) | IndexError | tried to take from an empty tensor
x.take(v) | RuntimeError | Expected a long tensor for index, but got Float
x.put(i, n[0]) | RuntimeError | self and source expected to have the same dtype
x.put(i, v[:2]) | IndexError | Expected source and index to have the same number of elements
w.resize_(3) | RuntimeError | cannot resize variables that require grad
torch.cat([torch.empty(2 ** 62, 0), torch.empty(2 ** 62, 0)]) | RuntimeError | overflow
torch.cat([v, s]) | RuntimeError | zero-dimensional tensor (at position 1) cannot be concatenated
s.split(1) | RuntimeError | split expects at least a 1-dimensional tensor
s.split([1]) | RuntimeError | split expects at least a 1-dimensional tensor
v.split([-1, 4]) | RuntimeError | split_with_sizes expects split_sizes have only non-negative entries
s.chunk(2) | RuntimeError | chunk expects at least a 1-dimensional tensor
s.tensor_split(2) | RuntimeError | expected at least a 1-dimensional tensor
s.tensor_split((1,)) | RuntimeError | expected at least a 1-dimensional tensor
v.tensor_split(torch.tensor([1], device='meta')) | RuntimeError | tensor_indices_or_sections to be on cpu
torch.linalg.inv(v) | RuntimeError | must have at least 2 dimensions
torch.linalg.inv(n[:, :2]) | RuntimeError | Expected a floating point or complex tensor as input. Got Long
torch.linalg.inv(h[:, :2]) | RuntimeError | Low precision dtypes not supported. Got Half
F.gaussian_nll_loss(x, y, -1.0) | ValueError | var has negative entry/entries
F.gaussian_nll_loss(x, y, -y) | ValueError | var has negative entry/entries
F.gaussian_nll_loss(x, y, torch.ones(5)) | ValueError | var is of incorrect size
F.cosine_embedding_loss(x, y, y) | RuntimeError | 0D or 1D target tensor expected, multi-target not supported
x.masked_scatter(n, x) | RuntimeError | only supports boolean masks, but got mask with dtype Long
x.masked_scatter(k, n) | RuntimeError | expected self and source to have same dtypes but got Float and Long
v.masked_scatter_(k, x) | RuntimeError | must broadcast to the tensor's shape [3]
torch.mm(x, n.t()) | RuntimeError | expected m1 and m2 to have the same dtype, but got: float32 != int64
torch.matmul(c, torch.ones(3, 4, 2)) | RuntimeError | The size of tensor a must match the size of tensor b: matmul of shapes
torch.matmul(c, torch.ones(2, 3, 4)) | RuntimeError | mat1 and mat2 shapes cannot be multiplied
torch.inner(x, torch.ones(2, 4)) | RuntimeError | the last dimension must match on both input tensors
torch.mm(b.view(1, 2), b.view(2, 1)) | NotImplementedError | not implemented for 'Bool'
F.linear(x, v) | RuntimeError | input must have a dimension, weight 2 and bias 1
F.linear(s, x) | RuntimeError | input must have a dimension, weight 2 and bias 1
F.linear(x, y, torch.ones(7)) | RuntimeError | must match the existing size (7): linear's bias
F.linear(k, k) | NotImplementedError | not implemented for 'Bool'
x.quantile(x) | RuntimeError | q must be a scalar or 1D tensor
x.quantile(torch.tensor([0.5], dtype=torch.float64)) | RuntimeError | q tensor must be same dtype as the input tensor
x.quantile(torch.tensor([0.5, 2.0])) | RuntimeError | q values must be in the range [0, 1]
x.quantile(2.0) | RuntimeError | q must be in the range [0, 1] but got 2
torch.bernoulli(x) | RuntimeError | p_in >= 0 && p_in <= 1
x.bernoulli_(n) | NotImplementedError | "bernoulli_tensor_cpu_p_" not implemented for 'Long'
x.geometric_(1.5) | RuntimeError | expects p to be in (0, 1), but got p=1.5
x.log_normal_(0, -1) | RuntimeError | log_normal_ expects std > 0.0, but found std=-1
x.cauchy_(0, 0) | RuntimeError | cauchy_ expects sigma > 0.0, but found sigma=0
n.to(torch.int8).random_(-300, 5) | RuntimeError | from is out of bounds for
n.to(torch.int8).random_(0, 500) | RuntimeError | to - 1 is out of bounds for
F.dropout(n, 0.5) | RuntimeError | can't be cast to the desired output type Long: dropout
torch.randint(3, (2,), requires_grad=True) | RuntimeError | Only Tensors of floating point and complex dtype can require gradients
torch.normal(v, torch.ones(2)) | RuntimeError | The size of tensor a
torch.poisson(-y) | RuntimeError | invalid Poisson rate, expected rate to be non-negative
torch.multinomial(n, 2) | RuntimeError | multinomial only supports floating-point dtypes for input, got: Long
torch.multinomial(c, 2) | RuntimeError | prob_dist must be 1 or 2 dim
torch.multinomial(v, 0) | RuntimeError | cannot sample n_sample <= 0 samples
x.unflatten(0, ()) | RuntimeError | unflatten: sizes must be non-empty
s.select(0, 0) | IndexError | select() cannot be applied to a 0-dim tensor.
s[0:1] | IndexError | slice() cannot be applied to a 0-dim tensor.
x[::-1] | ValueError | step must be greater than zero
s.narrow(0, 0, 1) | RuntimeError | narrow() cannot be applied to a 0-dim tensor.
x[0, 0, 0:1] | IndexError | too many indices for tensor of dimension 2
wide.unsqueeze(0).expand((1,) * 65) | RuntimeError | too many dimensions: 65, at most 64 are supported
torch.frombuffer(memoryview(bytes(16))[::2], dtype=torch.uint8) | ValueError | the buffer must be contiguous
torch.frombuffer(bytes(17), dtype=torch.float32, offset=1) | ValueError | not aligned to the element size (4)
x.to(1.5) | TypeError | to() received an invalid combination of arguments - got (float)
x.to(nonsense=1) | TypeError | to() got an unexpected keyword argument 'nonsense'
torch.device('cpu', 1000) | RuntimeError | Device index 1000 is too large, at most 127 is supported
torch.device('cpu:x') | RuntimeError | Invalid device string: 'cpu:x'
torch.device('') | RuntimeError | Device string must not be empty
torch.device(1.5) | TypeError | device must be torch.device, str or int, not float
torch.device(1, 1) | TypeError | argument 'type' must be str beside an index, not int
torch.device('cpu:0', 1) | RuntimeError | must not include an index because index was passed explicitly: cpu:0
torch.iinfo(torch.bool) | TypeError | torch.bool is not supported by torch.iinfo
torch.finfo(torch.int8) | TypeError | Use torch.iinfo
torch.Generator().manual_seed(2 ** 65) | RuntimeError | Overflow when unpacking unsigned long long
torch.FloatTensor(*(1,) * 65) | RuntimeError | too many dimensions: 65, at most 64 are supported
torch.FloatTensor('x', 'y') | TypeError | new() received an invalid combination of arguments
torch.Size([1, 'x']) | TypeError | takes an iterable of 'int' (item 1 is 'str')
torch.Size([2 ** 70]) | ValueError | Overflow when unpacking long long: item 0
torch.Size([1]) + 'x' | TypeError | can only concatenate tuple (not str) to torch.Size
x.as_subclass(int) | TypeError | argument 'cls' must be a subclass of Tensor
x.as_subclass(3) | TypeError | argument 'cls' must be a subclass of Tensor
nn.Parameter(3) | TypeError | Parameter(): data must be a Tensor, not int
v.mT | RuntimeError | only supported on matrices or batches of matrices. Got 1-D tensor.
s.size(0) | IndexError | Dimension specified as 0 but tensor has no dimensions
(w * 1)[0].detach_() | RuntimeError | Can't detach views in-place. Use detach() instead.
C._add_tensor_methods(3) | TypeError | a dict of functions is needed
C._softmax_backward_data(x, v, 0) | RuntimeError | softmax backward: grad_output [2, 3] and output [3] must have one shape
C._softmax_backward_data(x, y.double(), 0) | RuntimeError | softmax backward: expected scalar type Double but found Float
torch.no_grad()() | TypeError | takes exactly 1 argument (0 given)
torch.no_grad(1, 2) | TypeError | takes at most 1 argument (2 given)
torch.inference_mode(1, 2) | TypeError | takes at most 1 argument (2 given)
torch.set_grad_enabled() | TypeError | missing required argument 'mode'
C._set_grad_enabled(np.ones(2)) | TypeError | argument 'enabled' (position 1) must be bool, not numpy.ndarray
C._fail_after() | TypeError | takes at least 1 argument (0 given)
net._apply() | TypeError | missing required argument 'fn'
net.cuda(1, 2) | TypeError | takes at most 1 argument (2 given)
net.register_forward_pre_hook() | TypeError | missing required argument 'hook'
net.register_forward_hook() | TypeError | missing required argument 'hook'
net.register_full_backward_pre_hook() | TypeError | missing required argument 'hook'
net.register_full_backward_hook() | TypeError | missing required argument 'hook'
net._register_load_state_dict_pre_hook() | TypeError | missing required argument 'hook'
net.register_load_state_dict_pre_hook() | TypeError | takes exactly one argument (0 given)
net._load_from_state_dict() | TypeError | missing required argument 'state_dict'
net.register_parameter() | TypeError | missing required argument 'name'
net.add_module() | TypeError | missing required argument 'name'
net.set_submodule() | TypeError | missing required argument 'target'
net.__setattr__() | TypeError | takes exactly 2 arguments (0 given)
net._save_to_state_dict() | TypeError | missing required argument 'destination'
net.insert() | TypeError | takes exactly 2 arguments (0 given)
net.parameters(1, 2) | TypeError | takes at most 1 argument (2 given)
net.train(1, 2) | TypeError | takes at most 1 argument (2 given)
net.requires_grad_(1, 2) | TypeError | takes at most 1 argument (2 given)
x.cuda(1, 2, 3, 4) | TypeError | takes at most 3 arguments (4 given)
x.type(1, 2, 3) | TypeError | takes at most 2 arguments (3 given)
torch.result_type() | TypeError | takes exactly 2 arguments (0 given)
torch.result_type('x', x) | TypeError | arguments must be tensors or numbers, not str
torch.can_cast() | TypeError | takes exactly 2 arguments (0 given)
torch.device() | TypeError | missing required argument 'type'
torch.device(1, 2, 3) | TypeError | takes at most 2 arguments (3 given)
torch.device(device='cpu', index=1) | TypeError | device
torch.finfo(1, 2) | TypeError | takes at most 1 argument (2 given)
torch.Generator(1, 2) | TypeError | takes at most 1 argument (2 given)
x.__array__(1, 2, 3) | TypeError | takes at most 2 arguments (3 given)
x.__array_wrap__() | TypeError | takes at least 1 argument (0 given)
torch.set_printoptions(nonsense=1) | TypeError | keyword argument
torch.Tensor._make_subclass() | TypeError | missing required argument 'cls'
x.requires_grad_(1, 2) | TypeError | takes at most 1 argument (2 given)
x.new_tensor() | TypeError | new_tensor() missing 1 required positional arguments: "data"
torch.as_tensor() | TypeError | as_tensor() missing 1 required positional arguments: "data"
torch.asarray() | TypeError | asarray() missing 1 required positional arguments: "obj"
torch.frombuffer() | TypeError | frombuffer() missing 1 required positional arguments: "buffer"
torch.autograd.grad(*range(10)) | TypeError | grad() takes at most 9 arguments (10 given)
C._sgd_step(1) | TypeError | takes 9 positional arguments but 1 were given
C._adam_step(1) | TypeError | takes 14 positional arguments but 1 were given
x.size(1, 2) | TypeError | size() takes at most one argument
x.stride(nonsense=1) | TypeError | stride() takes at most one argument
x.select(0, 2 ** 70) | ValueError | Overflow when unpacking long long
torch.tile(v, 2, 3) | TypeError | tile() takes 2 positional arguments but 3 were given
x.exp(x) | TypeError | exp() takes 0 positional arguments but 1 was given
torch.linspace(0, 1, 3, dtype=torch.bool) | NotImplementedError | "linspace_cpu" not implemented for 'Bool'
torch.logspace(0, 1, 3, dtype=torch.bool) | NotImplementedError | "logspace_cpu" not implemented for 'Bool'
x[n.bool().unsqueeze(0)] | IndexError | too many indices for tensor of dimension 2
x[0, 0, [0]] | IndexError | too many indices for tensor of dimension 2
torch.vstack([]) | RuntimeError | vstack expects a non-empty TensorList
torch.hstack([]) | RuntimeError | hstack expects a non-empty TensorList
torch.linalg.svdvals(meta) | NotImplementedError | not implemented on 'meta'
torch.linalg.matrix_norm(h, 'nuc') | RuntimeError | Low precision dtypes not supported. Got Half
meta.nonzero() | NotImplementedError | 'nonzero' is not implemented on 'meta'
meta.masked_select(meta > 0) | NotImplementedError | 'masked_select' is not implemented on 'meta'
2 in meta | NotImplementedError | 'in' is not implemented on 'meta'
torch.outer(x, v) | RuntimeError | outer: Expected 1-D argument self, but got 2-D
torch.outer(v, x) | RuntimeError | outer: Expected 1-D argument vec2, but got 2-D
torch.mv(x, x) | RuntimeError | vector + matrix @ vector expected
torch.bmm(c, x) | RuntimeError | must be 3D tensors
torch.dot(v, x) | RuntimeError | 1D tensors expected
torch.vdot(x, v) | RuntimeError | 1D tensors expected
F.nll_loss(x, torch.tensor(1)) | ValueError | Expected input batch_size (2) to match target batch_size (0).
F.nll_loss(v, torch.tensor([1, 2])) | ValueError | For 1D input, 1D target must have size 1, but got target size: 2
F.nll_loss(x, i[:2], x) | RuntimeError | weight tensor should be defined either for all 3 classes or no classes
torch.as_strided(x, (2,), (2 ** 62,)) | RuntimeError | out of bounds for storage
x.view(2 ** 40, 2 ** 40) | RuntimeError | shape '[1099511627776, 1099511627776]' is invalid for input of size 6
torch.FloatTensor(n) | TypeError | expected a tensor of dtype float32 (got int64)
torch.LongTensor(v) | TypeError | expected a tensor of dtype int64 (got float32)
torch.tensor([b'ab']) | TypeError | new(): invalid data type 'bytes'
torch.finfo('x') | TypeError | dtype must be torch.dtype, not str
b << b | NotImplementedError | not implemented for 'Bool'
torch.allclose(x, y, atol=-1.0) | RuntimeError | atol must be greater than or equal to zero
torch.linalg.cross(v[:2], v[:2]) | RuntimeError | must have length 3. Got [2] and [2]
torch.cdist(x, v) | RuntimeError | cdist
torch.meshgrid(v, v, indexing='zz') | RuntimeError | indexing must be one of "xy" or "ij"
torch.linalg.cross(s, s) | RuntimeError | cross
setattr(y, 'grad', y) | RuntimeError | can't assign Variable as its own grad
setattr(y, 'grad', v) | RuntimeError | assigned grad has data of a different size
setattr(y, 'grad', y.double()) | RuntimeError | assigned grad has data of a different size, type or device
torch.multinomial(-y, 1) | RuntimeError | probability tensor contains either `inf`, `nan` or element < 0
torch.multinomial(y * 0, 1) | RuntimeError | sum of probabilities <= 0
F.pad(x, 1) | TypeError | pad(): argument 'pad' (position 2) must be tuple of ints, not int
F.pad(x, v) | TypeError | pad(): argument 'pad' (position 2) must be tuple of ints, not Tensor
F.pad(x, (1, 1.5)) | TypeError | must be tuple of ints, but found element of type float at pos 1
F.pad(x, (True, 1)) | TypeError | must be tuple of ints, but found element of type bool at pos 0
F.pad(3, (1, 1)) | TypeError | pad(): argument 'input' (position 1) must be Tensor, not int
F.pad(x, (1, 1), mode=3) | TypeError | pad(): argument 'mode' (position 3) must be str, not int
torch.broadcast_tensors(x, 1) | TypeError | expected Tensor as element 1 in argument 0, but got int
torch.broadcast_shapes(2.5) | RuntimeError | Input shapes should be of type ints, a tuple of ints, or a list of ints, got 2.5
nn.utils.rnn.pad_sequence(3) | RuntimeError | pad_sequence: Expected iterable for input sequences, but got arg of type: <class 'int'>
nn.utils.rnn.pad_sequence([]) | RuntimeError | received an empty list of sequences
nn.utils.rnn.pad_sequence([v, 3]) | TypeError | expected Tensor as element 1 in argument 0, but got int
nn.utils.rnn.pad_sequence([s]) | RuntimeError | has no dimension
nn.utils.rnn.pad_sequence([x, c]) | RuntimeError | must match the size of tensor b
nn.utils.rnn.pad_sequence([v], padding_side='x') | RuntimeError | Expected padding_side to be one of left or right, but got x.
nn.utils.rnn.unpad_sequence(x, i[:2]) | ValueError | zip() argument 2 is shorter than argument 1
hooked(lambda p: p * 2, 'register_post_accumulate_grad_hook') | RuntimeError | Tensor post accumulate grad hooks should return None.
setattr(w, 'data', i) | RuntimeError | data set to a tensor that requires gradients must be floating point or complex dtype
torch.set_grad_enabled(1) | TypeError | set_grad_enabled(): argument 'enabled' (position 1) must be bool, not int
x.permute(0, 2 ** 63) | TypeError | permute(): argument 'dims' failed to unpack the object at pos 2 with error "Overflow when unpacking long long
x.view([2 ** 63]) | TypeError | failed to unpack the object at pos 1
x.flip(-2 ** 63 - 1) | TypeError | flip(): argument 'dims' failed to unpack the object at pos 1
x.sum([0, 2 ** 63]) | TypeError | failed to unpack the object at pos 2
x.sum(2 ** 63) | ValueError | Overflow when unpacking long long
torch.lerp(y, y.double(), torch.tensor(1)) | RuntimeError | expected dtype float32 for `end`
torch.lerp(v, v, torch.tensor([1])) | RuntimeError | expected dtype float32 for `weight`
torch.lerp(i, i, torch.tensor(1)) | NotImplementedError | not implemented for 'Long'
x.any(dim=[]).chunk(0) | RuntimeError | chunk expects `chunks` to be greater than 0
x[:0].chunk(2 ** 40) | RuntimeError | can't allocate memory
torch.mean(n, 0, out=torch.zeros(3)) | RuntimeError | mean(): could not infer output dtype
torch.rand(2, out=n[0].clone()) | NotImplementedError | not implemented for 'Long'
torch.max(x, 0, out=[y.clone()]) | TypeError | must be a tuple of 2 Tensors
torch.cdist(x, x, p=-1) | RuntimeError | cdist only supports non-negative p values
torch.cdist(x, x, p=float('nan')) | RuntimeError | cdist only supports non-negative p values
torch.cov(y, aweights=i) | RuntimeError | cov(): expected aweights to have floating point dtype
torch.cov(y, fweights=v) | RuntimeError | cov(): expected fweights to have integral dtype
torch.cov(y, fweights=v > 0) | RuntimeError | cov(): expected fweights to have integral dtype
torch.cov(y, fweights=-i) | RuntimeError | cov(): fweights cannot be negative
torch.cov(y, aweights=y) | RuntimeError | cov(): expected aweights to have one or fewer dimensions
torch.cov(y, aweights=v[:2]) | RuntimeError | cov(): expected aweights to have the same numel as there are observations in the input but got 2 != 3
torch.cov(k) | RuntimeError | cov(): bool dtype is not supported for input
torch.hsplit(x, 0) | RuntimeError | torch.hsplit attempted to split along dimension 1, but the size of the dimension 3 is not divisible by the split_size 0!
x.vsplit(0) | RuntimeError | is not divisible by the split_size 0!
torch.combinations(v, -1) | RuntimeError | Expect a non-negative number, but got -1
torch.tensordot(x, x, 5) | RuntimeError | tensordot expects dims < ndim_a or ndim_b, but got dims=5
torch.tensordot(x, x, 2 ** 62) | RuntimeError | tensordot expects dims < ndim_a or ndim_b
torch.tensordot(x, x, None) | RuntimeError | tensordot expects dims to be int or tuple[list[int], list[int]]
torch.tensordot(x, x, ([0, 1], [0])) | RuntimeError | both dimension lists should have same length
torch.tensordot(x, x, ([0, 0], [0, 0])) | RuntimeError | dim 0 appears multiple times in the list of dims
torch.div_(1, x) | TypeError | div_(): argument 'input' (position 1) must be Tensor, not a number
x.clone(memory_format=1) | TypeError | clone(): argument 'memory_format' must be torch.memory_format, not int
x.to(torch.float64, memory_format='x') | TypeError | argument 'memory_format' must be torch.memory_format, not str
x.double(memory_format=1) | TypeError | double(): argument 'memory_format' must be torch.memory_format, not int
x.cpu(memory_format=1) | TypeError | cpu(): argument 'memory_format' must be torch.memory_format, not int
x.contiguous(memory_format=None) | TypeError | contiguous(): argument 'memory_format' must be torch.memory_format, not NoneType
x.is_contiguous(memory_format=1) | TypeError | is_contiguous(): argument 'memory_format' must be torch.memory_format, not int
torch.zeros_like(x, memory_format=1) | TypeError | zeros_like(): argument 'memory_format' must be torch.memory_format, not int
net.to(memory_format=1) | TypeError | to(): argument 'memory_format' must be torch.memory_format, not int
x.t().contiguous(memory_format=torch.preserve_format) | RuntimeError | preserve memory format is unsupported by the contiguous operator
torch.empty(2, memory_format=torch.preserve_format) | RuntimeError | unsupported memory format Preserve
x.clone(memory_format=torch.channels_last) | RuntimeError | required rank 4 tensor to use channels_last format
x.to(memory_format=torch.channels_last_3d) | RuntimeError | required rank 5 tensor to use channels_last_3d format
torch.empty(2, 3, memory_format=torch.channels_last) | RuntimeError | required rank 4 tensor to use channels_last format
torch.zeros(3, dtype=torch.uint8).index_add_(0, i[:1], torch.ones(1, dtype=torch.uint8), alpha=300) | RuntimeError | value cannot be converted to type uint8_t without overflow
torch.zeros(3).half().index_add_(0, i[:1], torch.ones(1).half(), alpha=1e6) | RuntimeError | value cannot be converted to type c10::Half without overflow
torch.addmm(*[torch.ones(1, 1, dtype=torch.uint8)] * 3, alpha=300) | RuntimeError | value cannot be converted to type uint8_t without overflow
torch.addmm(*[torch.ones(1, 1, dtype=torch.uint8)] * 3, beta=300) | RuntimeError | value cannot be converted to type uint8_t without overflow
torch.addmm(*[torch.ones(1, 1)] * 3, alpha=1e39) | RuntimeError | value cannot be converted to type float without overflow
torch.addr(torch.ones(1, 1, dtype=torch.uint8), *[torch.ones(1, dtype=torch.uint8)] * 2, alpha=300) | RuntimeError | value cannot be converted to type uint8_t without overflow
torch.addr(k[:2, :2], b, b, alpha=0.5) | RuntimeError | For integral input tensors, argument alpha must not be a floating point number.
v.norm(dtype=torch.int64) | RuntimeError | linalg.vector_norm: dtype should be floating point or complex, but got Long
v.norm(1, dtype=torch.bool) | RuntimeError | dtype should be floating point or complex, but got Bool
torch.linalg.vector_norm(v, dtype=torch.int64) | RuntimeError | dtype should be floating point or complex, but got Long
torch.linalg.norm(x, 1, dtype=torch.int64) | RuntimeError | dtype should be floating point or complex, but got Long
torch.linalg.matrix_norm(x, 'nuc', dtype=torch.int64) | RuntimeError | linalg.matrix_norm: dtype should be floating point or complex, but got Long
torch.linalg.matrix_norm(x.double(), 2, dtype=torch.float32) | RuntimeError | the dtype of the input (Double) should be convertible without narrowing to the specified dtype (Float)
h.norm(dtype=torch.bfloat16) | RuntimeError | (Half) should be convertible without narrowing to the specified dtype (BFloat16)
h.bfloat16().norm(dtype=torch.half) | RuntimeError | (BFloat16) should be convertible without narrowing to the specified dtype (Half)
h.uniform_(0, 1e6) | RuntimeError | to is out of bounds for
v.uniform_(0, 1e39) | RuntimeError | to is out of bounds for
v.uniform_(float('nan'), 0) | RuntimeError | from is out of bounds for
v.uniform_(-3e38, 3e38) | RuntimeError | uniform_ expects to-from <= std::numeric_limits<Float>::max()
torch.normal(v, v - 1) | RuntimeError | normal expects all elements of std >= 0.0
torch.normal(0.0, v * float('nan')) | RuntimeError | normal expects all elements of std >= 0.0
torch.randperm(257, dtype=torch.uint8) | RuntimeError | value cannot be converted to type uint8_t without overflow
torch.randperm(2050, dtype=torch.half) | RuntimeError | n cannot be greater than 2049 for Half type.
torch.randperm(3, dtype=torch.bool) | NotImplementedError | "randperm" not implemented for 'Bool'
h.random_(0, 65506) | RuntimeError | to - 1 is out of bounds for
h.random_(-65505, 4) | RuntimeError | from is out of bounds for
h.random_(5000, None) | RuntimeError | random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype
h.random_(-2**63, None) | NotImplementedError | "random_full_64_bits_range_kernel_cpu" not implemented for 'Half'
n.int().random_(-2**63, None) | RuntimeError | handles only int64, double, float and bfloat16
v.nanmean(dtype=torch.int64) | RuntimeError | nanmean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. Got: Long
torch.range(0, 3, dtype=torch.bool) | NotImplementedError | "range_cpu" not implemented for 'Bool'
v.cumsum(0, dtype=torch.bool) | NotImplementedError | "cumsum_out_cpu" not implemented for 'Bool'
v.cumprod(0, dtype=torch.bool) | NotImplementedError | "cumprod_out_cpu" not implemented for 'Bool'
b.geometric_(0.5) | NotImplementedError | "geometric_cpu" not implemented for 'Bool'
torch.poisson(n) | NotImplementedError | "poisson_cpu" not implemented for 'Long'
torch.bernoulli(n) | NotImplementedError | "bernoulli_tensor_cpu_p_" not implemented for 'Long'
F.dropout(v, float('nan')) | RuntimeError | dropout probability has to be between 0 and 1, but got nan
F.dropout2d(c, float('nan')) | RuntimeError | dropout probability has to be between 0 and 1, but got nan
nn.Dropout(float('nan'))(v) | RuntimeError | dropout probability has to be between 0 and 1, but got nan
"""
CALLS = [tuple(part.strip() for part in line.rsplit(" | ", 2)) for line in REFUSED.strip().split("\n")]


def contents(values):
    return {name: value.detach().tolist() for name, value in values.items()
            if isinstance(value, ctorch.Tensor) and value.device.type == "cpu"}


@pytest.mark.parametrize("text, kind, phrase", CALLS, ids=[text for text, *_ in CALLS])
def test_refused(text, kind, phrase):
    scope = names()
    before = contents(scope)
    with pytest.raises(getattr(builtins, kind)) as caught:
        eval(text, scope)
    assert phrase in str(caught.value)
    assert contents(scope) == before


# What is said in other words than PyTorch's: tests/hard counts these.
OTHER_WORDS = {text.strip() for text in """
a.add() | a.add(1, 2, 3) | torch.add(a) | m - m | torch.sub(m, m) | torch.addcdiv(i, i, i) | w.unbind(0)[0].add_(1)
w.detach().requires_grad_().copy_(b) | a.select(0, 7) | a.size('x')
torch.repeat_interleave(a, torch.tensor([1, 2, 3, 4, 5]), 0) | v.rot90() | torch.bmm(a, a) | torch.linspace(0) | torch.randperm(-1)
torch.nn.functional.linear(v, a.double()) | setattr(w, 'grad', b) | F.nll_loss(v, a) | torch.promote_types(torch.float32, 5)
torch.result_type(a, 'x') | torch.can_cast(torch.float32, 5)
""".replace("\n", " | ").split(" | ")}


@pytest.mark.parametrize("text, phrase", BAD_CALLS, ids=[text for text, _ in BAD_CALLS])
def test_refused_as_pytorch_does(text, phrase):
    values, scope = bad_names(ctorch)
    before = contents(values)
    with pytest.raises(Exception) as caught:
        eval(text, scope)
    assert (phrase in str(caught.value)) != (text in OTHER_WORDS)
    if not text.startswith(("change", "overlap", "twice")):
        assert contents(values) == before
