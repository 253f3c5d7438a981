"""What runs inside a worker process of a DataLoader, and what a data set can learn about it.

A worker shares no lock and no queue with anybody: one socket to its parent, and memory segments (shared.py)
that it fills. So it can be killed at any moment without harm to the others.
"""

import sys

from .dataset import IterableDataset
from .fetch import make_fetch

# Seconds between looks at whether the parent is still there: its death normally closes the socket, unless
# some other process has inherited the parent's end.
PARENT_CHECK_SECONDS = 2.0

_worker_info = None


class WorkerInfo:
    """The worker's place in its DataLoader: id, num_workers, seed, and its own copy of the dataset."""

    __slots__ = ("id", "num_workers", "seed", "dataset")

    def __init__(self, id: int, num_workers: int, seed: int, dataset) -> None:
        for name, value in zip(self.__slots__, (id, num_workers, seed, dataset)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value) -> None:
        raise AttributeError(f"cannot assign to field {name!r} of WorkerInfo")

    def __repr__(self) -> str:
        return f"WorkerInfo({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


def get_worker_info() -> "WorkerInfo | None":
    """The WorkerInfo of this worker process; None in the main process."""
    return _worker_info


class WorkerError:
    """An exception on its way to the parent: its class and a text that holds the worker's traceback."""

    def __init__(self, where: str) -> None:
        import traceback
        kind, value, trace = sys.exc_info()
        self.kind = next(base for base in kind.__mro__ if _can_pickle(base))
        self.text = (f"Caught {kind.__name__} in {where}.\nOriginal "
                     + "".join(traceback.format_exception(kind, value, trace)))

    def reraise(self):
        """Raises the same class with the text, or RuntimeError where the class takes no single text."""
        text = _Verbatim(self.text) if issubclass(self.kind, KeyError) else self.text
        try:
            error = self.kind(text)
        except Exception:
            raise RuntimeError(text) from None
        raise error


def _can_pickle(kind: type) -> bool:
    """Whether the parent can be told of this class: not if it was defined inside a function."""
    import pickle
    try:
        pickle.dumps(kind)
    except Exception:
        return False
    return True


class _Verbatim(str):
    """A str whose repr is itself: KeyError prints its argument's repr, which would hide the line breaks."""

    def __repr__(self) -> str:
        return str(self)


def worker_main(worker_id: int, connection, loader: dict, base_seed: int) -> None:
    """A worker's whole life.

    loader: the DataLoader's dataset, batched, collate_fn, drop_last, num_workers and worker_init_fn.
    """
    import signal
    # Ctrl-C reaches the whole process group; the parent alone decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _serve(worker_id, connection, loader, base_seed)
    except (EOFError, ConnectionError):
        pass    # the parent has gone, or has closed its end because it wants no more


def _serve(worker_id: int, connection, loader: dict, base_seed: int) -> None:
    from .shared import SegmentWriter
    writer = SegmentWriter(connection)
    where = f"DataLoader worker process {worker_id}"
    # A failure to start is the answer to every task: then the parent is listening for it.
    failure = _start(worker_id, loader, base_seed, where)
    fetch = None
    for task, slot, indices in _tasks(connection):
        if task is None:
            fetch = None
            connection.send((None, "restarted", 0, 0, 0))
            continue
        kind, payload = "error", failure
        try:
            if failure is None:
                fetch = fetch or make_fetch(loader["dataset"], loader["batched"], loader["collate_fn"],
                                            loader["drop_last"])
                kind, payload = "data", fetch(indices)
        except Exception as error:
            ended = isinstance(error, StopIteration) and isinstance(loader["dataset"], IterableDataset)
            kind, payload = ("end", None) if ended else ("error", WorkerError(where))
        try:
            writer.send(task, kind, slot, payload)
        except (EOFError, ConnectionError):
            raise
        except Exception:
            writer.send(task, "error", slot, WorkerError(where))


def _start(worker_id: int, loader: dict, base_seed: int, where: str) -> "WorkerError | None":
    """Seeds the worker and runs the user's worker_init_fn; returns what that raised."""
    import random
    from ... import manual_seed, set_num_threads
    global _worker_info
    seed = base_seed + worker_id
    _worker_info = WorkerInfo(worker_id, loader["num_workers"], seed, loader["dataset"])
    # The workers are the parallelism.
    set_num_threads(1)
    random.seed(seed)
    manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        # Mixed, so that NumPy's stream differs from `random`'s, which uses the same algorithm.
        entropy = (worker_id, base_seed & 0xffffffff, base_seed >> 32, 0)
        numpy.random.seed(numpy.random.SeedSequence(entropy).generate_state(4))
    try:
        if loader["worker_init_fn"] is not None:
            loader["worker_init_fn"](worker_id)
    except Exception:
        return WorkerError(where)
    return None


def _tasks(connection):
    """The parent's messages (task, slot, indices), until it goes."""
    import os
    parent = os.getppid()
    while True:
        while not connection.poll(PARENT_CHECK_SECONDS):
            if os.getppid() != parent:
                return
        yield connection.recv()
