"""The CUDA backend on the simulated device: semantics that the CPU has no part in.  What ops compute there is tested by
the other files under `CTORCH_CUDA=sim pytest --device=cuda`.  Skipped where ctorch/_cuda_sim.so was not built."""

import os
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import ctorch

ROOT = Path(__file__).resolve().parent.parent
SIM = Path(ctorch.__file__).parent / "_cuda_sim.so"
pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not SIM.exists(), reason="make cuda-sim builds the simulated device")]


def run(program, devices=1, **environment):
    """What a program prints in a process of its own, with simulated devices."""
    sim = {"CTORCH_CUDA": f"sim:{devices}", "PYTHONPATH": str(Path(ctorch.__file__).parent.parent), **environment}
    done = subprocess.run(
        [sys.executable, "-c", "import ctorch as torch\n" + textwrap.dedent(program)],
        env={**os.environ, **sim}, capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def check(program, devices=1, **environment):
    """A program of assertions."""
    assert run(program + "\nprint('done')", devices, **environment).endswith("done")


RAISES = """
def raises(kind, words, call):
    try:
        call()
    except kind as problem:
        assert words in str(problem), str(problem)
    else:
        raise AssertionError(f"{words}: nothing was raised")
"""


def test_no_slot_is_missing():
    """Every op that the CPU has is implemented: the backend's table names every slot of abi/backend.h."""
    table = (ROOT / "csrc/abi/backend.h").read_text().split("typedef struct Backend {")[1].split("} Backend;")[0]
    slots = re.findall(r"\(\*(\w+)\)", table)
    given = re.findall(r"\.(\w+) =", (ROOT / "csrc/cuda/backend.c").read_text())
    assert len(slots) > 15
    assert [slot for slot in slots if slot not in given] == []


def test_first_program():
    assert run("""
        x = torch.ones(2, 2, device='cuda', requires_grad=True)
        ((x + 2) ** 2 * 3).mean().backward()
        print(x.grad)
    """) == "tensor([[4.5000, 4.5000],\n        [4.5000, 4.5000]], device='cuda:0')"


def test_devices_and_their_numbers():
    check(RAISES + """
assert torch.cuda.is_available() and torch.cuda.device_count() == 2
assert not torch.cuda.is_initialized()
assert torch.device('cuda') != torch.device('cuda:0')
x = torch.ones(2, device='cuda')
assert str(x.device) == 'cuda:0' and x.is_cuda and x.get_device() == 0
y = torch.ones(2, device=1)
assert repr(y) == "tensor([1., 1.], device='cuda:1')"
raises(RuntimeError, 'Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cuda:1!',
       lambda: x + y)
raises(RuntimeError, 'Expected all tensors to be on the same device', lambda: x + torch.ones(2))
raises(RuntimeError, 'invalid device ordinal', lambda: torch.ones(1, device='cuda:2'))
assert (y.to('cuda:0') + x).tolist() == [2, 2]
torch.cuda.set_device(1)
assert torch.cuda.current_device() == 1 and torch.zeros(1, device='cuda').get_device() == 1
with torch.cuda.device(0):
    assert torch.zeros(1, device='cuda').get_device() == 0
assert torch.cuda.get_device_name(0) == 'ctorch simulated device'
assert (x * torch.tensor(3.0)).tolist() == [3, 3]
""", devices=2)


def test_one_operand_on_another_device():
    """Every call with every operand on the CPU alone, or on the device alone: refused in PyTorch's words, or right."""
    sim = {"CTORCH_CUDA": "sim", "PYTHONPATH": str(Path(ctorch.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-W", "ignore", ROOT / "tests" / "cuda_walk.py", "--mixed"], env={**os.environ, **sim},
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "ctsim" not in done.stderr, done.stderr
    assert int(re.search(r"(\d+) refused", done.stdout)[1]) > 400


def test_indices_go_to_the_tensor_s_device():
    check(RAISES + """
x, i, k = torch.arange(6.0).reshape(2, 3), torch.tensor([1, 0]), torch.tensor([True, False])
on = x.cuda()
for index in (i, k, (i, i), (slice(None), i), torch.ones(2, 3, dtype=torch.bool)):
    assert on[index].is_cuda and on[index].tolist() == x[index].tolist()
    raises(RuntimeError, 'indices should be either on cpu or on the same device as the indexed tensor (cpu)',
           lambda: x[tuple(each.cuda() if isinstance(each, torch.Tensor) else each for each in index)
                     if isinstance(index, tuple) else index.cuda()])
for value in (torch.tensor(7.0), torch.tensor(7.0, device='cuda'), 7.0):
    for target in (on.clone(), x.clone()):
        target[i[:1]] = value
        target[x.to(target.device) == 0] = value
        assert target.tolist() == [[7, 1, 2], [7, 7, 7]]
raises(RuntimeError, 'on the same device', lambda: on.__setitem__(i, torch.ones(2, 3)))
assert on.index_fill(0, i[:1].cuda(), torch.tensor(7.0)).tolist() == x.index_fill(0, i[:1], torch.tensor(7.0).cuda()).tolist()
leaf = on.clone().requires_grad_()
leaf[i].sum().backward()
assert leaf.grad.tolist() == [[1, 1, 1], [1, 1, 1]]
""")


def test_moving():
    check(RAISES + """
x = torch.arange(6).reshape(2, 3)
on = x.cuda()
assert on.cuda() is on and x.cpu() is x and on.to('cuda:0') is on and on.to('cuda', copy=True) is not on
assert on.t().cpu().tolist() == [[0, 3], [1, 4], [2, 5]]
assert on.double().to('cpu', torch.float16).dtype == torch.float16
x[1] = on[0]
assert x.tolist() == [[0, 1, 2], [0, 1, 2]]
raises(TypeError, "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy", on.numpy)
model = torch.nn.Linear(3, 2)
weight = model.weight
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
model.to('cuda')
assert model.weight is weight and weight.is_cuda
model(on.float()).sum().backward()
optimizer.step()
a = torch.tensor(2.0, requires_grad=True)
(a * torch.ones(3, device='cuda')).sum().backward()
assert a.grad.device == torch.device('cpu') and a.grad.item() == 3
interface = on.__cuda_array_interface__
assert interface['shape'] == (2, 3) and interface['typestr'] == '<i8' and interface['data'][0] == on.data_ptr()
pinned = torch.ones(3).pin_memory()
assert pinned.is_pinned() and not x.is_pinned() and pinned.cuda().tolist() == [1, 1, 1]
""")


def test_functions_refuse_what_is_no_device_and_no_handle():
    """Each function under torch.cuda: devices that are not there, arguments of another kind; and what they answer else."""
    check(RAISES + """
C, stream, event, later = torch._C, torch.cuda.Stream(), torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
event.record(stream), later.record(stream)
s, e, none = stream._handle, event._handle, None
rest = {'set_device': (), 'synchronize': (), 'properties': (), 'memory_info': (), 'memory_stats': (), 'reset_peak': (),
        'empty_cache': (), 'stream_new': (0,), 'stream_use': (s,), 'stream_query': (s,), 'stream_synchronize': (s,),
        'stream_address': (s,), 'event_new': (1, 0), 'event_record': (e, s), 'event_wait': (e, none), 'event_query': (e,),
        'event_synchronize': (e,), 'event_elapsed': (e, later._handle)}
for name, arguments in rest.items():
    call = getattr(C, '_cuda_' + name)
    for index in (1, 100, 128, 2 ** 30):
        raises(RuntimeError, 'invalid device ordinal', lambda: call(index, *arguments))
    for bad in ((), ('0', *arguments), (2 ** 40, *arguments)):
        raises((TypeError, OverflowError), '', lambda: call(*bad))
    for k in range(len(arguments)):
        handles = [a for a in (*arguments[:k], 'no handle', *arguments[k + 1:])]
        if name not in ('stream_new', 'event_new'):
            raises(ValueError, 'invalid PyCapsule', lambda: call(0, *handles))
assert C._cuda_set_device(-1) is None and torch.cuda.current_device() == 0
torch.cuda.synchronize()
assert stream.query() and torch.cuda.default_stream().query() and event.query() and event.elapsed_time(later) >= 0
assert stream.cuda_stream != 0 and torch.cuda.default_stream().cuda_stream == 0
properties = torch.cuda.get_device_properties(0)
assert properties.warp_size == 32 and properties.major >= 7 and properties.total_memory == torch.cuda.mem_get_info()[1]
class Undecided:
    def __bool__(self):
        raise KeyError('undecided')
raises(KeyError, 'undecided', lambda: C._cuda_allow_tf32(Undecided()))
""")


def test_page_locked_memory_and_the_array_protocol():
    check(RAISES + """
from types import SimpleNamespace
x = torch.arange(6.0).view(2, 3)
raises(RuntimeError, 'record_stream is for CUDA tensors: this one is on the cpu', lambda: x.record_stream(torch.cuda.Stream()))
pinned = x.t().pin_memory()
assert pinned.pin_memory() is pinned and pinned.tolist() == x.t().tolist() and pinned.stride() == (2, 1)
assert not x.is_pinned() and not x.cuda().is_pinned()
raises(RuntimeError, "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned", x.cuda().pin_memory)
raises(RuntimeError, 'out of memory', torch.zeros(1).expand(1 << 44).pin_memory)
on = torch.arange(8.0, device='cuda').view(2, 4)
raises(AttributeError, '_handle', lambda: on.record_stream(3))
raises(ValueError, 'invalid PyCapsule', lambda: on.record_stream(SimpleNamespace(_handle=3)))
on.record_stream(torch.cuda.Stream()), on.record_stream(torch.cuda.default_stream())
raises(AttributeError, "Can't get __cuda_array_interface__ on non-CUDA tensor", lambda: x.__cuda_array_interface__)
raises(RuntimeError, "on Variable that requires grad", lambda: on.clone().requires_grad_().__cuda_array_interface__)
for dtype, typestr in (('bool', '|b1'), ('uint8', '|u1'), ('int8', '|i1'), ('int16', '<i2'), ('int32', '<i4'), ('int64', '<i8'),
                       ('float16', '<f2'), ('bfloat16', '<V2'), ('float32', '<f4'), ('float64', '<f8')):
    view = on.to(getattr(torch, dtype))[:, 1:3]
    size = view.element_size()
    assert view.__cuda_array_interface__ == {'shape': (2, 2), 'typestr': typestr, 'data': (view.data_ptr(), False),
                                             'strides': (4 * size, size), 'version': 2}
assert on[:0].__cuda_array_interface__['data'] == (0, False) and on.__cuda_array_interface__['strides'] is None
""")


def test_memory():
    check(RAISES + """
x = torch.ones(1, device='cuda')
assert torch.cuda.memory_allocated() == 512 and torch.cuda.memory_reserved() == 2097152
del x
assert torch.cuda.memory_allocated() == 0 and torch.cuda.max_memory_allocated() == 512
torch.cuda.empty_cache()
assert torch.cuda.memory_reserved() == 0
raises(torch.cuda.OutOfMemoryError, 'CUDA out of memory. Tried to allocate 4.00 GiB. GPU 0 has a total capacity of',
       lambda: torch.empty(1 << 30, device='cuda'))
assert issubclass(torch.cuda.OutOfMemoryError, RuntimeError)
assert torch.ones(4, device='cuda').sum().item() == 4
""")


def test_out_of_memory_ends_when_memory_is_free():
    """Segments that nobody uses go back to CUDA before an error, and after one the same request succeeds."""
    check(RAISES + """
def mebibytes(n):
    return torch.empty(n << 20, dtype=torch.uint8, device='cuda')
small = [mebibytes(16) for _ in range(6)]
del small
assert torch.cuda.memory_reserved() == 96 << 20
large = mebibytes(120)
assert torch.cuda.memory_reserved() == 120 << 20
stats = torch.cuda.memory_stats()
assert (stats['num_alloc_retries'], stats['num_ooms'], stats['segment.all.current']) == (1, 0, 1)
raises(torch.cuda.OutOfMemoryError, 'Tried to allocate 16.00 MiB. GPU 0 has a total capacity of 128.00 MiB of which 8.00 MiB '
       'is free. Including non-PyTorch memory, this process has 120.00 MiB memory in use. Of the allocated memory 120.00 MiB '
       'is allocated by PyTorch, and 0 bytes is reserved by PyTorch but unallocated.', lambda: mebibytes(16))
assert torch.cuda.memory_stats()['num_ooms'] == 1
del large
assert mebibytes(16).numel() == 16 << 20
""", CTSIM_MEM=str(128 << 20))


def test_a_fault_is_not_taken_for_a_lack_of_memory():
    """What a kernel did comes out of the next request for memory, as of any other call."""
    check(RAISES + """
import os
os.environ['CTSIM_FAIL'] = 'cudaMalloc:1+:700'
raises(RuntimeError, 'CUDA error: an illegal memory access was encountered', lambda: torch.empty(1 << 22, device='cuda'))
try:
    os.environ['CTSIM_FAIL'] = 'cudaMalloc:1+:719'
    torch.empty(1 << 22, device='cuda')
except RuntimeError as problem:
    assert type(problem) is RuntimeError and 'CUDA_LAUNCH_BLOCKING=1' in str(problem)
else:
    raise AssertionError('nothing was raised')
assert torch.cuda.memory_stats()['num_ooms'] == 0
""")


def test_memory_to_find_mistakes_with():
    check("""
x = torch.ones(3, device='cuda')
assert torch.cuda.memory_allocated() == torch.cuda.memory_reserved() == 12
del x
assert torch.cuda.memory_reserved() == 0
""", CTORCH_CUDA_ALLOC="direct")
    check("""
x = torch.ones(300, device='cuda')
where = x.data_ptr()
del x
y = torch.empty(300, device='cuda')
assert y.data_ptr() == where and y.isnan().all()
""", CTORCH_CUDA_ALLOC="poison")


@pytest.mark.parametrize("mode", ["poison", "direct"])
def test_memory_outlives_its_stream(mode):
    check("""
for k in range(5):
    s = torch.cuda.Stream()
    with torch.cuda.stream(s):
        x = torch.full((1000,), float(k), device='cuda')
    torch.cuda.current_stream().wait_stream(s)
    del s
    other = torch.cuda.Stream()
    total = x.sum()
    del x
    assert total.item() == 1000 * k
""", CTORCH_CUDA_ALLOC=mode, CTSIM_STREAMS="lazy:2")


def test_streams_in_any_order():
    """Lazy streams run nothing before they must: a missing wait would show."""
    check("""
s = torch.cuda.Stream()
for k in range(20):
    x = torch.full((1000,), float(k), device='cuda')
    s.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(s):
        y = x * 2
    torch.cuda.current_stream().wait_stream(s)
    y.record_stream(torch.cuda.current_stream())
    assert (y + 1).sum().item() == 1000 * (2 * k + 1)
start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
start.record(); end.record(); end.synchronize()
assert start.elapsed_time(end) >= 0 and end.query()
assert torch.cuda.current_stream() == torch.cuda.default_stream()
""", CTSIM_STREAMS="lazy:3")


def test_no_op_waits():
    """With every way to wait failing, training goes on until a number is asked for; the failure is told once."""
    check(RAISES + """
import os
F = torch.nn.functional
layers = torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(30, 4)
model, target = torch.nn.Sequential(*layers).to('cuda'), torch.randint(4, (50,), device='cuda')
for rule in (torch.optim.SGD, torch.optim.Adam):
    optimizer, x = rule(model.parameters(), lr=0.01), torch.randn(50, 20, device='cuda')
    ways = ('cudaStreamSynchronize', 'cudaDeviceSynchronize', 'cudaEventSynchronize', 'cudaStreamQuery')
    os.environ['CTSIM_FAIL'] = ','.join(f'{way}:1+:999' for way in ways)
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
    y = (x * 2 + 1).softmax(1).sum(0).cumsum(0).sort()[0] + x[target].amax(0) + torch.cat([x, x]).t().contiguous().mean(1)
    raises(RuntimeError, 'CUDA error: unknown error', loss.item)
    os.environ['CTSIM_FAIL'] = ''
    assert y.isfinite().all() and loss.item() > 0
""")


@pytest.mark.parametrize("program, kind, words", [
    ("torch.nn.functional.cross_entropy(torch.zeros(2, 5, device='cuda'), torch.tensor([1, 12], device='cuda'))",
     "IndexError", "Target 12 is out of bounds."),
    ("torch.zeros(4, device='cuda')[torch.tensor([1, 9], device='cuda')]", "IndexError", "index 9 is out of bounds"),
])
def test_errors_that_depend_on_data(program, kind, words):
    """They are raised when the device is waited for, or at the op under CUDA_LAUNCH_BLOCKING; work goes on after both."""
    later = RAISES + f"""
y = {program}
raises({kind}, {words!r}, torch.cuda.synchronize)
assert torch.ones(3, device='cuda').sum().item() == 3
"""
    check(later)
    check(RAISES + f"raises({kind}, {words!r}, lambda: {program})", CUDA_LAUNCH_BLOCKING="1")


def test_division_by_zero_is_raised_at_once():
    check(RAISES + """
x = torch.ones(2, dtype=torch.int64, device='cuda')
raises(ZeroDivisionError, 'division by zero', lambda: x // torch.zeros(2, dtype=torch.int64, device='cuda'))
raises(ZeroDivisionError, 'modulo by zero', lambda: x % 0)
assert (x // 1).tolist() == [1, 1]
""")


def test_without_a_device():
    check(RAISES + """
assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
raises(RuntimeError, 'Found no NVIDIA driver on your system.', lambda: torch.ones(1, device='cuda'))
torch.cuda.manual_seed_all(3)
torch.cuda.synchronize()
""", CTSIM_DEVICES="-1")


def test_random_numbers_belong_to_the_seed():
    check(RAISES + """
def draw():
    return [torch.rand(5, device='cuda'), torch.randn(5, device='cuda'), torch.randint(100, (5,), device='cuda'),
            torch.randperm(9, device='cuda'), torch.nn.functional.dropout(torch.ones(9, device='cuda'))]
torch.manual_seed(7); first = draw(); second = draw()
torch.manual_seed(7); again = draw()
assert all(a.equal(b) for a, b in zip(first, again))
assert not all(a.equal(b) for a, b in zip(first, second))
g = torch.Generator(device='cuda').manual_seed(7)
assert torch.rand(5, device='cuda', generator=g).equal(first[0])
raises(RuntimeError, "Expected a 'cuda' device type for generator", lambda: torch.rand(5, device='cuda',
       generator=torch.Generator()))
x = torch.randn(20000, device='cuda')
assert abs(x.mean().item()) < 0.03 and abs(x.std().item() - 1) < 0.02
assert sorted(torch.randperm(1000, device='cuda').tolist()) == list(range(1000))
""")


def test_forked_child_is_refused():
    check("""
import os
x = torch.ones(1, device='cuda')
if (child := os.fork()) == 0:
    try:
        torch.ones(1, device='cuda')
    except RuntimeError as problem:
        os._exit(0 if 'Cannot re-initialize CUDA in forked subprocess' in str(problem) else 1)
    os._exit(2)
assert os.waitpid(child, 0)[1] == 0
""")


def test_pickled_tensors_come_back_to_their_device():
    check("""
import pickle
x = pickle.loads(pickle.dumps(torch.arange(3, device='cuda')))
assert x.is_cuda and x.tolist() == [0, 1, 2]
""")


def test_pickles_of_a_device_need_one():
    content = run("import pickle\nprint(pickle.dumps(torch.arange(3, device='cuda')).hex())")
    if not ctorch.cuda.is_available():
        with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
            pickle.loads(bytes.fromhex(content))


def test_two_schedules_give_the_same_bits():
    """Blocks and threads in another order: nothing but sums into one place may depend on it, and these are not here."""
    program = """
        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 4)).to('cuda')
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        x, t = torch.randn(50, 20, device='cuda'), torch.randint(4, (50,), device='cuda')
        for _ in range(3):
            loss = torch.nn.functional.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(loss.item().hex(), sum(p.double().sum() for p in model.parameters()).item().hex())
    """
    assert len({run(program, CTSIM_SCHED=order) for order in ("forward", "reverse", "random:5")}) == 1


def test_tf32_is_cublas_s_choice_of_both_switches():
    """Either switch shows in the other; cuBLAS is told before the next product."""
    check("""
matmul = torch.backends.cuda.matmul
assert matmul.allow_tf32 is False and torch.get_float32_matmul_precision() == 'highest'
torch.set_float32_matmul_precision('high')
assert matmul.allow_tf32 is True
matmul.allow_tf32 = False
assert torch.get_float32_matmul_precision() == 'highest'
matmul.allow_tf32 = True
assert torch.get_float32_matmul_precision() == 'high'
a = torch.ones(8, 8, device='cuda')
assert (a @ a)[0, 0].item() == 8
""")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_read_where_they_are(dtype):
    """No copies in float: nothing but the result is allocated, adjacent or not, and the values are those of the CPU."""
    check(f"""
x = torch.linspace(-2, 2, 4099).to(torch.{dtype})
wide = x.repeat(3, 1)
on, on_wide = x.cuda(), wide.cuda()
for ours, theirs in ((on, x), (on[1:], x[1:]), (on_wide[:, 3:900], wide[:, 3:900]), (on_wide.t(), wide.t())):
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    y = ours * ours + 0.3
    assert torch.cuda.max_memory_allocated() - before <= 2 * (2 * ours.numel() + 512)
    z = torch.where(ours > 0.5, ours, 0.25)
    assert y.cpu().equal(theirs * theirs + 0.3) and z.cpu().equal(torch.where(theirs > 0.5, theirs, 0.25))
    assert (ours > 0.5).cpu().equal(theirs > 0.5)
leaf = on.clone().requires_grad_()
torch.nn.functional.gelu(leaf).sum().backward()
other = x.clone().requires_grad_()
torch.nn.functional.gelu(other).sum().backward()
assert (leaf.grad.cpu().float() - other.grad.float()).abs().max() < 1e-2
""")


@pytest.mark.parametrize("blas", ["", "old", "0"])
def test_bias_is_added_in_packs_and_one_by_one(blas):
    check("""
for n in (8, 10, 13):
    x, w, b = torch.randn(70, 20), torch.randn(n, 20), torch.randn(n)
    for a, c in ((x, w), (x.t().contiguous().t(), w), (x, w.t().contiguous().t()), (x[:1], w)):
        ours = torch.nn.functional.linear(a.cuda(), c.cuda(), b.cuda()).cpu()
        assert (ours - torch.nn.functional.linear(a, c, b)).abs().max() < 1e-5
""", CTSIM_BLAS=blas)


def test_a_product_and_its_bias_are_one_call_of_cublaslt():
    """What it refuses, cuBLAS and a kernel do."""
    check("""
import os
x, w, b = torch.randn(7, 5), torch.randn(3, 5), torch.randn(3)
expected = torch.nn.functional.linear(x, w, b)
on = [t.cuda() for t in (x, w, b)]
for plan in ('cublasSgemm:1+:13', 'cublasLtMatmul:1+:13'):
    os.environ['CTSIM_FAIL'] = plan
    assert (torch.nn.functional.linear(*on).cpu() - expected).abs().max() < 1e-5
os.environ['CTSIM_FAIL'] = 'cublasSgemm:1+:13'
try:
    torch.nn.functional.linear(*on[:2])
except RuntimeError as problem:
    assert 'cuBLAS status 13' in str(problem)
else:
    raise AssertionError('a product without a bias does not ask cuBLAS')
""")


@pytest.mark.parametrize("where, found", [("packages/nvidia/cu13/lib/libcublas.so.13", True), ("home/lib64/libcublas.so.13", True),
                                          ("home/lib64/libcublas.so.12", True), ("elsewhere/libcublas.so.13", False)])
def test_cublas_is_looked_for_in_pip_s_packages_and_in_cuda_home(where, found, tmp_path):
    """Wherever Python finds the package nvidia, also where ctorch itself is installed elsewhere."""
    (tmp_path / "packages/nvidia").mkdir(parents=True)
    root = Path(ctorch.__file__).parent.parent
    assert run("""
        import os
        os.environ['CTSIM_FAIL'] = 'cublasSgemm:1+:13'
        try:
            torch.ones(2, 2, device='cuda') @ torch.ones(2, 2, device='cuda')
            print('own')
        except RuntimeError as problem:
            print('cuBLAS' if 'cuBLAS status 13' in str(problem) else problem)
    """, CTSIM_BLAS=str(tmp_path / where), CUDA_HOME=str(tmp_path / "home"),
               PYTHONPATH=f"{tmp_path / 'packages'}:{root}") == ("cuBLAS" if found else "own")


def test_a_linear_and_its_relu_are_one_kernel():
    check("""
model, x = torch.nn.Sequential(torch.nn.Linear(20, 512), torch.nn.ReLU()), torch.randn(70, 20)
expected = model(x)
model.cuda()
on = x.cuda()
before = torch.cuda.memory_allocated()
torch.cuda.reset_peak_memory_stats()
y = model(on)
assert torch.cuda.max_memory_allocated() - before == 70 * 512 * 4     # nothing between the two was allocated
assert (y.cpu() - expected).abs().max() < 1e-5 and y.min() == 0
""")


def test_optimizers_step_over_parameters_of_all_widths():
    check("""
for rule in (torch.optim.SGD, torch.optim.Adam):
    dtypes = [torch.float32, torch.float64, torch.float16, torch.float64, torch.float32]
    both = [[torch.linspace(-1, 1, 50).to(dtype).to(device).requires_grad_() for dtype in dtypes] for device in ('cpu', 'cuda')]
    for parameters in both:
        for p in parameters:
            p.grad = torch.full_like(p, 0.5)
        optimizer = rule(parameters, lr=0.25)
        optimizer.step(), optimizer.step()
    for ours, theirs in zip(*both):
        assert (ours.double() - theirs.cpu().double()).abs().max() < 2e-3
""")


def test_copies_that_are_not_waited_for():
    """From page-locked memory the copy runs when the stream comes to it, and freed memory stays until then."""
    check("""
x = torch.ones(1000).pin_memory()
later, now = x.to('cuda', non_blocking=True), x.cuda()
target = torch.zeros(1000, device='cuda')
target.copy_(x, non_blocking=True)
x.fill_(5)
torch.cuda.synchronize()
assert now.sum().item() == 1000
assert target.sum().item() == 5000, target.sum()
y = torch.ones(1000).pin_memory().cuda(non_blocking=True)
pageable = torch.ones(1000)
z = pageable.to('cuda', non_blocking=True)
pageable.fill_(7)
assert y.sum().item() == 1000 and z.sum().item() == 1000
back = torch.zeros(1000).pin_memory()
back.copy_(y * 3, non_blocking=True)
assert back.sum().item() == 0
torch.cuda.synchronize()
assert back.sum().item() == 3000
""", CTSIM_STREAMS="lazy:1")


def test_page_locked_memory_is_used_again():
    """Not before copies from it have ended; a stream of its own is no hindrance."""
    check("""
import os
side = torch.cuda.Stream()
first = torch.ones(1000).pin_memory()
address = first.data_ptr()
with torch.cuda.stream(side):
    later = first.to('cuda', non_blocking=True)
del first
second = torch.zeros(1000).pin_memory()          # while the copy has not run
assert second.data_ptr() != address
torch.cuda.synchronize()
assert later.sum().item() == 1000
os.environ['CTSIM_FAIL'] = 'cudaHostAlloc:1+:2'
third = torch.full((900,), 2.0).pin_memory()     # a block of as many pages
assert third.data_ptr() == address and third.is_pinned() and third[5:].is_pinned()
try:
    torch.zeros(1000).pin_memory()
except RuntimeError:
    pass
else:
    raise AssertionError('nothing was left')
del second
assert torch.ones(1000).pin_memory().sum() == 1000
os.environ['CTSIM_FAIL'] = 'cudaHostAlloc:1:2'
del third
assert torch.ones(100_000).pin_memory().sum() == 100_000   # what is kept goes if more is not to be had
os.environ['CTSIM_FAIL'] = 'cudaHostAlloc:1+:2'
torch.cuda.empty_cache()
try:
    torch.zeros(1000).pin_memory()
except RuntimeError:
    pass
else:
    raise AssertionError('the cache was not emptied')
""", CTSIM_STREAMS="lazy:1")


def test_device_as_the_default_of_a_block():
    check(RAISES + """
with torch.device('cuda'):
    x = torch.ones(2)
    layer = torch.nn.Linear(2, 2)
    with torch.device('cpu'):
        assert not torch.zeros(1).is_cuda
    assert torch.arange(3).is_cuda
assert x.is_cuda and layer.weight.is_cuda and not torch.ones(1).is_cuda
raises(ZeroDivisionError, 'division', lambda: fail())
assert not torch.ones(1).is_cuda
raises(RuntimeError, 'not entered', lambda: torch.device('cuda').__exit__(None, None, None))
""".replace("raises(ZeroDivisionError", """
def fail():
    with torch.device('cuda'):
        1 / 0
raises(ZeroDivisionError""", 1))

HARDWARE = (ROOT / "examples/lecture.py").read_text().split("# ## 2. Hardware")[1].split("# %%")[1].split("try:")[0]
START = "from ctorch import nn\n"


@pytest.mark.parametrize("environment, where", [({}, "cuda:0"), ({"CTSIM_DEVICES": "0"}, "cpu"),
                                                ({"CTSIM_DEVICES": "-1"}, "cpu"), ({"CTORCH_CUDA": "", "CUDA_VISIBLE_DEVICES": ""}, "cpu")])
def test_the_lecture_s_snippet_with_and_without_a_device(environment, where):
    assert run(START + HARDWARE, **environment) == f"computed on {where}: ndarray of shape (3, 2)"


@pytest.mark.parametrize("left_out, text", [("data", "found at least two devices, cpu and cuda:0!"),
                                            ("model", "found at least two devices, cuda:0 and cpu!")])
def test_the_lecture_s_snippet_when_only_one_is_on_the_device(left_out, text):
    """An exception is thrown, says the slide."""
    moved = HARDWARE.replace(f"{left_out} = {left_out}.to(device)\n", "")
    assert moved != HARDWARE
    program = "try:\n" + textwrap.indent(moved, "    ") + "\nexcept RuntimeError as problem:\n    print(problem)"
    assert f"Expected all tensors to be on the same device, but {text}" in run(START + program)
