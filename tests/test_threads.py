"""Eight Python threads at once: bits as of one thread, nothing shared by accident.  `make test-tsan` runs this file too.

Operands are large enough for the thread pool, which the threads then compete for.
"""

import queue
import threading

import numpy as np
import pytest

import ctorch as torch
from ctorch.utils.data import DataLoader, TensorDataset

pytestmark = pytest.mark.threads
THREADS = 8
LARGE = 1 << 17


def together(function, count=THREADS):
    """function(0), ... function(count - 1), each on a thread, all started at one moment; errors are raised here."""
    results, errors, barrier = [None] * count, [], threading.Barrier(count)

    def body(k):
        barrier.wait()
        try:
            results[k] = function(k)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def assert_as_alone(function):
    alone = [function(k) for k in range(THREADS)]
    for one, other in zip(alone, together(function), strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.dtype is b.dtype and a.detach().numpy().tobytes() == b.detach().numpy().tobytes()


@pytest.fixture(params=[1, 4])
def pool(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def numbers(k, *shape):
    return torch.from_numpy(np.random.default_rng(k).standard_normal(shape).astype(np.float32))


@pytest.mark.cpu    # about the pool
def test_kernels(pool):
    def compute(k):
        x, y = numbers(k, LARGE), numbers(k + 100, LARGE)
        z = (x * y).sin().add_(x).clamp(-1, 1)
        return z, z.sum(), z.cumsum(0), x.sort()[0], x.reshape(256, -1).softmax(1), x.argmax(), (x > y).sum(), x.double().var()

    assert_as_alone(compute)


@pytest.mark.cpu
def test_products(pool):
    assert_as_alone(lambda k: (numbers(k, 150, 170) @ numbers(k + 1, 170, 130), numbers(k, 4, 60, 50) @ numbers(k, 50, 40)))


def test_backward_of_separate_graphs(pool):
    def train(k):
        torch_weights = [numbers(k, 40, 64).requires_grad_(), numbers(k + 50, 64, 10).requires_grad_()]
        x, target = numbers(k + 9, 200, 40), torch.from_numpy(np.random.default_rng(k).integers(0, 10, 200))
        optimizer = torch.optim.Adam(torch_weights, lr=1e-2)
        for _ in range(10):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy((x @ torch_weights[0]).relu() @ torch_weights[1], target)
            loss.backward()
            optimizer.step()
        return [loss, *torch_weights, *(w.grad for w in torch_weights)]

    assert_as_alone(train)


def test_a_thousand_small_graphs():
    def many(k):
        x = numbers(k, 5).requires_grad_()
        for i in range(125):
            ((x * i).tanh() * x).sum().backward()
        return [x.grad]

    assert_as_alone(many)


def test_operands_that_all_threads_read():
    weight, x = numbers(1, 64, 64).requires_grad_(), numbers(2, 64, 64)
    weight_t = weight.t()

    def use(k):
        y = (x @ weight_t * (k + 1)).sum()
        return [y, torch.autograd.grad(y, weight)[0]]

    assert_as_alone(use)


def test_a_leaf_that_all_threads_accumulate_into():
    x = torch.zeros(1000, requires_grad=True)
    together(lambda k: [(x * (k + 1)).sum().backward() for _ in range(20)])
    assert x.grad.tolist() == [20.0 * sum(range(1, THREADS + 1))] * 1000


def test_tensors_that_end_on_another_thread():
    """Caches of memory and of objects are filled on one thread and emptied on another."""
    made = queue.Queue(maxsize=64)

    def pass_on(k):
        if k % 2:
            return [float(made.get().sum()) for _ in range(200)]
        for i in range(200):
            x = torch.full((1 + i,), 1.0, requires_grad=True)
            made.put((x * 2).relu())
        return None

    sums = [s for result in together(pass_on) if result for s in result]
    assert sorted(sums) == sorted([2.0 * (1 + i) for i in range(200)] * (THREADS // 2))


@pytest.mark.cpu
def test_generators_of_their_own():
    def draw(k):
        g = torch.Generator().manual_seed(k)
        return [torch.randn(LARGE, generator=g), torch.rand(99, generator=g), torch.randperm(1000, generator=g),
                torch.randint(0, 9, (77,), generator=g)]

    assert_as_alone(draw)


@pytest.mark.cpu
def test_the_common_generator_never_repeats():
    """Which thread gets which numbers is chance; together they get the stream, each number once."""
    torch.manual_seed(3)
    expected = sorted(torch.randint(0, 2 ** 40, (16 * THREADS,)).tolist())
    torch.manual_seed(3)
    drawn = together(lambda k: [int(torch.randint(0, 2 ** 40, (1,))) for _ in range(16)])
    assert sorted(n for part in drawn for n in part) == expected


def test_modes_and_errors_stay_on_their_thread():
    def body(k):
        for _ in range(50):
            x = torch.ones(3, requires_grad=True)
            with torch.set_grad_enabled(k % 2 == 0):
                assert (x * 2).requires_grad == (k % 2 == 0)
            with pytest.raises(RuntimeError, match=f"size of tensor a \\({k + 4}\\)"):
                torch.ones(k + 4) + x
        return []

    assert_as_alone(body)


@pytest.mark.cpu
def test_the_number_of_threads_changes_meanwhile():
    before = torch.get_num_threads()

    def body(k):
        x = numbers(k, LARGE)
        for i in range(20):
            torch.set_num_threads(1 + (k + i) % 4)
            x = x * 1.5 - x.mean()
        return [x]

    assert_as_alone(body)
    torch.set_num_threads(before)


def test_loaders(pool):
    def load(k):
        data = TensorDataset(numbers(k, 96, 30), torch.arange(96))
        g = torch.Generator().manual_seed(k)
        batches = [(x * 2).sum(0) + y.sum() for x, y in DataLoader(data, batch_size=8, shuffle=True, generator=g)]
        return batches

    assert_as_alone(load)


@pytest.mark.cpu
@pytest.mark.procs
def test_workers_start_while_threads_compute():
    stop = threading.Event()

    def compute():
        x = numbers(0, LARGE)
        while not stop.is_set():
            x = x * 0.5 + 1

    threads = [threading.Thread(target=compute) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        data = TensorDataset(torch.arange(64.0).reshape(32, 2))
        for _ in range(3):
            loaded = torch.cat([x for x, in DataLoader(data, batch_size=4, num_workers=2)])
            assert loaded.tolist() == torch.arange(64.0).reshape(32, 2).tolist()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
