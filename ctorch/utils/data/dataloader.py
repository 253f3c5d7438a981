"""DataLoader: what a script says about batching and shuffling, checked; and the iterator without processes.

Fetching one batch is fetch.py's, worker processes are pool.py's.
"""

from itertools import repeat

from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .fetch import make_fetch
from .sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed

# What an iterator has already relied on: changing it later would silently do nothing.
_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader:
    """Iterates over a data set in batches, in this process or with num_workers processes.

    batch_size: None yields single samples. shuffle: a new random order each epoch, drawn as PyTorch draws it.
    sampler: yields indices; batch_sampler: yields lists of indices. collate_fn: makes a batch of a list of
    samples. drop_last: leave out a shorter last batch. generator: source of the order and of the workers'
    seeds. timeout: seconds to wait for a worker's batch, 0 for ever. worker_init_fn(worker_id) runs first in
    each worker. prefetch_factor: batches a worker prepares ahead, 2 by default. persistent_workers: keep the
    processes between epochs. pin_memory is accepted and has no effect on the CPU. Raises ValueError for
    options that contradict each other.
    """

    _ready = False

    def __init__(self, dataset, batch_size: "int | None" = 1, shuffle: "bool | None" = None, sampler=None,
                 batch_sampler=None, num_workers: int = 0, collate_fn=None, pin_memory: bool = False,
                 drop_last: bool = False, timeout: float = 0, worker_init_fn=None,
                 multiprocessing_context=None, generator=None, *, prefetch_factor: "int | None" = None,
                 persistent_workers: bool = False, pin_memory_device: str = "") -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        if isinstance(dataset, IterableDataset):
            _check_stream(shuffle, sampler, batch_sampler)
        _check_batching(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if sampler is None:
            sampler = _default_sampler(dataset, shuffle, generator)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.multiprocessing_context = persistent_workers, multiprocessing_context
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self._pool = None
        self._ready = True
        _warn_of_many(num_workers)

    def __setattr__(self, name: str, value) -> None:
        if self._ready and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        object.__setattr__(self, name, value)

    @property
    def index_sampler(self):
        """What drives an epoch: the batch sampler, or the sampler without batching."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self):
        if self.num_workers == 0:
            return _SerialIterator(self)
        from .pool import WorkerIterator
        if not self.persistent_workers:
            return WorkerIterator(self)
        if self._pool is None or self._pool.closed:
            self._pool = WorkerIterator(self)
        else:
            self._pool.restart()
        return self._pool

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self.index_sampler)
        length = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)


class _SerialIterator:
    """One epoch in this process."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._indices = iter(loader.index_sampler)
        # Without workers nobody uses this seed; drawing it keeps the number stream in PyTorch's place.
        draw_seed(loader.generator)
        self._fetch = make_fetch(loader.dataset, loader.batch_sampler is not None, loader.collate_fn,
                                 loader.drop_last)

    def __iter__(self):
        return self

    def __next__(self):
        return self._fetch(next(self._indices))

    def __len__(self) -> int:
        return len(self._loader.index_sampler)


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, context) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable "
                         "multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if prefetch_factor is not None:
        if num_workers == 0:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing: "
                             "let num_workers > 0 or leave prefetch_factor out")
        if prefetch_factor < 1:
            raise ValueError("prefetch_factor option should be non-negative, and at least 1 to make "
                             "progress; "
                             f"got {prefetch_factor}")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if context is not None and num_workers == 0:
        raise ValueError("multiprocessing_context can only be used with multi-process loading (num_workers > "
                         "0), "
                         f"but got num_workers={num_workers}")


def _check_stream(shuffle, sampler, batch_sampler) -> None:
    for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None and value is not False:
            raise ValueError(f"DataLoader with IterableDataset: expected unspecified {name} option, "
                             f"but got {name}={value}")


def _check_batching(batch_size, shuffle, sampler, batch_sampler, drop_last) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                             "and drop_last")
    elif batch_size is None and drop_last:
        raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with "
                         "drop_last")


def _default_sampler(dataset, shuffle, generator):
    if isinstance(dataset, IterableDataset):
        # The stream itself decides when an epoch ends.
        return repeat(None)
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


def _warn_of_many(num_workers: int) -> None:
    if num_workers < 2:
        return
    import os
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cpus is not None and num_workers > cpus:
        import warnings
        warnings.warn(f"This DataLoader will create {num_workers} worker processes in total. Our suggested "
                      f"max number of worker in current system is {cpus}: more of them only take turns.",
                      stacklevel=3)
