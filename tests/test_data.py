"""Data sets, samplers, collation and the DataLoader, with and without worker processes."""

import collections
import faulthandler
import os
import signal
import subprocess
import sys
import time

import ctorch as torch
import numpy as np
import pytest
import training_cases
from ctorch.utils import data
from ctorch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate

Point = collections.namedtuple("Point", "x y")
in_workers = pytest.mark.cpu    # the data sets make tensors in forked processes, which cannot use a device


class Numbers(Dataset):
    """0 .. n-1; `trouble(i)` is called before sample i is returned."""

    def __init__(self, n=10, trouble=None):
        self.n, self.trouble = n, trouble

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if self.trouble is not None:
            self.trouble(index)
        return index


class Stream(IterableDataset):
    """0 .. 10, shared out among the workers."""

    def __iter__(self):
        info = data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, 11, step))


def lists(loader):
    return [batch.tolist() for batch in loader]


def at(index, action):
    """A trouble that happens at one index only."""
    return lambda i: action() if i == index else None


@training_cases.of_group("data")
def test_draws(case):
    training_cases.assert_same(case, training_cases.run(case, torch), case["result"])


@pytest.mark.parity
@training_cases.of_group("data")
def test_draws_live(case):
    oracle = pytest.importorskip("torch")
    training_cases.assert_same(case, training_cases.run(case, torch), training_cases.run(case, oracle))


@pytest.mark.parametrize("wrap", [lambda ds: ds, lambda ds: data.Subset(ds, [7, 3, 5, 1, 9, 0, 2]),
                                  lambda ds: data.Subset(data.Subset(ds, range(2, 12)), [8, 0, 3, 3])])
def test_gathered_batches_equal_collated_samples(wrap):
    dataset = wrap(TensorDataset(torch.arange(24.0).reshape(12, 2), torch.arange(12)))
    gathered = list(DataLoader(dataset, batch_size=3))
    collated = list(DataLoader(dataset, batch_size=3, collate_fn=lambda samples: default_collate(samples)))
    for mine, theirs in zip(gathered, collated, strict=True):
        assert [t.tolist() for t in mine] == [t.tolist() for t in theirs]
    assert all(type(batch) is list for batch in gathered)
    gathered[0][0].fill_(-1)
    assert dataset[0][0].min().item() >= 0


def test_gather_takes_what_indexing_takes():
    dataset = TensorDataset(torch.arange(5))
    assert lists(batch for (batch,) in DataLoader(dataset, batch_sampler=[[-1, 0], [2]])) == [[4, 0], [2]]
    with pytest.raises(IndexError):
        list(DataLoader(dataset, batch_sampler=[[5]]))


def test_sets_of_sets():
    joined = Numbers(3) + Numbers(2)
    assert len(joined) == 5 and [joined[i] for i in (0, 2, 3, 4, -1)] == [0, 2, 0, 1, 1]
    with pytest.raises(ValueError, match="absolute value of index"):
        joined[-6]
    assert lists(DataLoader(Stream() + Stream(), batch_size=11)) == [list(range(11))] * 2
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(torch.zeros(2), torch.zeros(3))
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        data.ConcatDataset([])
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]


def test_random_split():
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        data.random_split(range(5), [2, 2])
    with pytest.raises(ValueError, match="not between 0 and 1"):
        data.random_split(range(5), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        assert [len(part) for part in data.random_split(range(3), [0.9, 0.1])] == [3, 0]


def test_collate():
    assert default_collate([1, 2]).dtype == torch.int64 and default_collate([1.0, 2.0]).dtype == torch.float64
    assert default_collate([True, False]).dtype == torch.bool
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([np.float32(1.5), np.float32(2.5)]).dtype == torch.float32
    assert default_collate([np.ones((2, 3), np.int16)] * 4).shape == (4, 2, 3)
    nested = default_collate([{"a": (1, torch.ones(2)), "b": "x"}, {"a": (2, torch.zeros(2)), "b": "y"}])
    assert nested["a"][0].tolist() == [1, 2] and nested["a"][1].shape == (2, 2) and nested["b"] == ["x", "y"]
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(point, Point) and point.x.tolist() == [1, 3]
    with pytest.raises(RuntimeError, match="should be of equal size"):
        default_collate([[1, 2], [1]])
    with pytest.raises(TypeError, match="default_collate: batch must contain"):
        default_collate([object()])
    with pytest.raises(TypeError, match="found <U1"):
        default_collate([np.array("a")])


def test_convert():
    converted = data.default_convert({"a": [np.array([1, 2]), "s"], "p": Point(np.float64(1), 2)})
    assert converted["a"][0].tolist() == [1, 2] and converted["a"][1] == "s"
    assert isinstance(converted["p"], Point) and converted["p"].x.item() == 1.0
    assert [sample for sample in DataLoader(Numbers(3), batch_size=None)] == [0, 1, 2]


def test_lengths():
    assert len(DataLoader(Numbers(10), batch_size=3)) == 4
    assert len(DataLoader(Numbers(10), batch_size=3, drop_last=True)) == 3
    assert len(iter(DataLoader(Numbers(10), batch_size=None))) == 10
    assert lists(DataLoader(Stream(), batch_size=4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("options, text", [
    ({"num_workers": -1}, "num_workers option should be non-negative"),
    ({"timeout": -1}, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
    ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
    ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
    ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
    ({"batch_size": 0}, "batch_size should be a positive integer value"),
    ({"multiprocessing_context": "fork"}, "multiprocessing_context can only be used with")])
def test_contradictions(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Numbers(), **options)


def test_more_contradictions():
    with pytest.raises(ValueError, match="expected unspecified shuffle option"):
        DataLoader(Stream(), shuffle=True)
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        DataLoader(Numbers(0), shuffle=True)
    loader = DataLoader(Numbers())
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3
    with pytest.raises(TypeError, match="replacement should be a boolean"):
        data.RandomSampler(Numbers(), replacement=1)
    with pytest.raises(ValueError, match="weights should be a 1d sequence"):
        data.WeightedRandomSampler([[1.0]], 1)


def test_nothing_heavy_is_imported_without_workers():
    code = ("import sys, ctorch; from ctorch.utils.data import DataLoader\n"
            "list(DataLoader(range(3)))\n"
            "heavy = 'numpy', 'multiprocessing', 'typing', 'inspect', 'tempfile'\n"
            "print([name for name in heavy if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# --- worker processes ---

class Mixed(Dataset):
    """Every kind of thing a batch may hold."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return {"array": np.full((2, 3), index, np.float32), "text": str(index), "empty": torch.zeros(0),
                "float": 1.5, "matrix": torch.full((300, 200), index).t(), "flag": True}


@pytest.mark.procs
@in_workers
@pytest.mark.parametrize("options", [
    {}, {"persistent_workers": True}, {"prefetch_factor": 1}, {"timeout": 60}])
def test_workers_give_the_same_batches(options):
    dataset = TensorDataset(torch.arange(40.0).reshape(20, 2), torch.arange(20))

    def epochs(**options):
        torch.manual_seed(0)
        loader = DataLoader(dataset, batch_size=3, shuffle=True, **options)
        return [[t.tolist() for t in batch] for _ in range(3) for batch in loader]

    expected = epochs()
    with_workers = epochs(num_workers=2, **options)
    if options.get("persistent_workers"):
        # The seed of the workers is drawn once, not every epoch.
        expected, with_workers = expected[:7], with_workers[:7]
    assert with_workers == expected


@pytest.mark.procs
@in_workers
def test_every_kind_of_batch_travels():
    expected = list(DataLoader(Mixed(), batch_size=4))
    for mine, theirs in zip(DataLoader(Mixed(), batch_size=4, num_workers=1), expected):
        assert mine["text"] == theirs["text"]
        for name in ("array", "empty", "float", "matrix", "flag"):
            assert mine[name].dtype == theirs[name].dtype and mine[name].shape == theirs[name].shape
            assert mine[name].tolist() == theirs[name].tolist()
    kept = [b for b in DataLoader(Mixed(), batch_size=2, num_workers=1, collate_fn=lambda samples: samples)]
    assert [sample["array"][0, 0] for batch in kept for sample in batch] == [0, 1, 2, 3, 4, 5]
    shared = torch.ones(3)
    batch = next(iter(DataLoader(Numbers(2), num_workers=1, collate_fn=lambda samples: (shared, shared))))
    assert batch[0] is batch[1]


@pytest.mark.procs
@in_workers
def test_streams_are_shared_out():
    batches = lists(DataLoader(Stream(), batch_size=2, num_workers=2))
    assert batches == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]
    loader = DataLoader(Stream(), batch_size=4, num_workers=2, persistent_workers=True)
    assert lists(loader) == lists(loader) == [[0, 2, 4, 6], [1, 3, 5, 7], [8, 10], [9]]


@pytest.mark.procs
@in_workers
def test_an_epoch_left_early_can_be_begun_again():
    loader = DataLoader(Numbers(40), batch_size=2, num_workers=2, persistent_workers=True)
    for _ in range(3):
        assert next(iter(loader)).tolist() == [0, 1]
    assert lists(loader) == [[i, i + 1] for i in range(0, 40, 2)]


@pytest.mark.procs
@in_workers
def test_workers_know_their_place_and_have_their_own_seeds():
    class Place(Numbers):
        def __getitem__(self, index):
            info = data.get_worker_info()
            return info.id, info.num_workers, info.seed, torch.initial_seed(), torch.rand(1), np.random.rand()

    torch.manual_seed(0)
    base = torch.empty((), dtype=torch.int64).random_().item()
    torch.manual_seed(0)
    batches = list(DataLoader(Place(2), num_workers=2))
    assert data.get_worker_info() is None
    for worker, (place, count, seed, used, drawn, numpys) in enumerate(batches):
        assert (place.item(), count.item()) == (worker, 2)
        assert seed.item() == used.item() == base + worker
        words = np.random.SeedSequence((worker, base & 0xffffffff, base >> 32, 0)).generate_state(4)
        assert numpys.item() == np.random.RandomState(words).rand()
        torch.manual_seed(base + worker)
        assert drawn.item() == torch.rand(1).item()


def fail_with(kind, *arguments):
    def action():
        raise kind(*arguments)
    return action


class Demanding(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


@pytest.mark.procs
@in_workers
@pytest.mark.parametrize("action, kind, text", [
    (fail_with(ValueError, "bad four"), ValueError, "bad four"),
    (fail_with(KeyError, "missing"), KeyError, "Original Traceback"),
    (fail_with(Demanding, 1, 2), RuntimeError, "Caught Demanding"),
    (fail_with(type("Local", (OSError,), {}), "inner"), OSError, "Caught Local")])
def test_an_exception_keeps_its_class_and_traceback(action, kind, text):
    with pytest.raises(kind) as caught:
        list(DataLoader(Numbers(10, at(4, action)), batch_size=2, num_workers=2))
    message = str(caught.value)
    assert message.startswith("Caught ") and "in DataLoader worker process 0." in message
    assert text in message and "in action" in message


@pytest.mark.procs
@in_workers
def test_a_failed_batch_does_not_end_the_epoch():
    batches = iter(DataLoader(Numbers(10, at(4, fail_with(ValueError, "bad"))), batch_size=2, num_workers=2))
    got = []
    for _ in range(5):
        try:
            got.append(next(batches).tolist())
        except ValueError:
            got.append("bad")
    assert got == [[0, 1], [2, 3], "bad", [6, 7], [8, 9]] and list(batches) == []


@pytest.mark.procs
def test_failures_outside_the_dataset():
    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError in DataLoader worker process"):
        list(DataLoader(Numbers(), num_workers=1, worker_init_fn=lambda worker: 1 / 0))
    with pytest.raises(Exception, match="(?i)pickle"):
        list(DataLoader(Numbers(), num_workers=1, collate_fn=lambda samples: lambda: samples))


@pytest.mark.procs
@in_workers
@pytest.mark.parametrize("action, cause", [
    (lambda: os.kill(os.getpid(), signal.SIGKILL), r"killed by signal 9 \(SIGKILL\)"),
    pytest.param(lambda: os.kill(os.getpid(), signal.SIGSEGV), r"killed by signal 11 \(SIGSEGV\)",
                 marks=pytest.mark.unsanitized),
    pytest.param(lambda: os.kill(os.getpid(), signal.SIGBUS), r"killed by signal 7 \(SIGBUS\).*smaller batches",
                 marks=pytest.mark.unsanitized),
    (lambda: os.kill(os.getpid(), signal.SIGTERM), r"killed by signal 15 \(SIGTERM\)"),
    (lambda: os._exit(3), "exit code 3"), (lambda: os._exit(0), "exit code 0"),
    (lambda: sys.exit(5), "exit code 5")])
@pytest.mark.parametrize("persistent", [False, True])
def test_a_workers_death_is_named(action, cause, persistent):
    loader = DataLoader(Numbers(20, at(4, action)), batch_size=2, num_workers=2,
                        persistent_workers=persistent, worker_init_fn=lambda worker: faulthandler.disable())
    text = r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly: " + cause
    start = time.monotonic()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=text):
            list(loader)
    assert time.monotonic() - start < 20


@pytest.mark.procs
@in_workers
def test_timeout():
    loader = DataLoader(Numbers(10, at(4, lambda: time.sleep(60))), batch_size=2, num_workers=2, timeout=1)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="timed out after 1 seconds"):
        list(loader)
    assert time.monotonic() - start < 10


@pytest.mark.procs
@in_workers
def test_no_process_is_left():
    import gc
    import multiprocessing
    gc.collect()  # persistent loaders of earlier tests refer to themselves
    batches = iter(DataLoader(Numbers(1000), batch_size=2, num_workers=2))
    next(batches)
    workers = [process for process in multiprocessing.active_children()]
    assert len(workers) == 2
    del batches
    assert not any(process.is_alive() for process in workers)
    for _ in range(20):
        assert len(lists(DataLoader(Numbers(4), num_workers=2))) == 4
    assert multiprocessing.active_children() == []


@pytest.mark.procs
@in_workers
def test_no_file_descriptor_is_left():
    def once():
        list(DataLoader(Mixed(), batch_size=2, num_workers=2))
        return len(os.listdir("/proc/self/fd"))

    once()
    assert once() == once()


@pytest.mark.procs
def test_workers_end_with_their_parent():
    code = ("import os\nfrom ctorch.utils.data import DataLoader\n"
            "tell = lambda worker: os.write(1, b'%d\\n' % os.getpid())\n"
            "batches = iter(DataLoader(range(100), num_workers=2, worker_init_fn=tell))\n"
            "next(batches); next(batches)\nos.kill(os.getpid(), 9)\n")
    done = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True, timeout=60)
    workers = [int(line) for line in done.stdout.split()]
    assert done.returncode == -signal.SIGKILL and len(workers) == 2
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)


@pytest.mark.procs
@in_workers
def test_training_before_and_inside_a_fork():
    """A parent that has used its threads forks workers that compute, many times."""
    class Products(Numbers):
        def __getitem__(self, index):
            weight = torch.ones(64, 64, requires_grad=True)
            (weight @ weight).sum().backward()
            return weight.grad[0, 0]

    big = torch.ones(600, 600)
    for _ in range(10):
        big @ big
        assert lists(DataLoader(Products(4), batch_size=2, num_workers=2, timeout=30)) == [[128.0, 128.0]] * 2
