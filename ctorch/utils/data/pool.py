"""The parent's side of worker processes: starting them, handing out work, naming deaths, ending them."""

import os
import signal
import socket
import time
from multiprocessing import connection as mp_connection
from multiprocessing import get_context

from ... import _C
from .sampler import draw_seed
from .shared import load, receive_segment
from .worker import WorkerError, worker_main

GRACE_SECONDS = 1.0     # for a worker to end its batch before it is terminated


class _Worker:
    """One process, its socket, its segments by slot, and the slots whose batch has been copied out."""

    def __init__(self, context, worker_id: int, loader: dict, base_seed: int) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=worker_main, args=(worker_id, theirs, loader, base_seed),
                                       daemon=True)
        self.process.start()
        theirs.close()      # else the socket would outlive the worker
        self.segments = {}
        self.free_slots = []
        self.slots = 0
        self.active = True  # False once its share of an IterableDataset has ended

    def take_slot(self) -> int:
        if self.free_slots:
            return self.free_slots.pop()
        self.slots += 1
        return self.slots - 1

    def hang_up(self) -> None:
        """Ends the conversation even if some other process has inherited the parent's end of the socket."""
        with socket.socket(fileno=os.dup(self.connection.fileno())) as end:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass    # the worker was first
        self.connection.close()


class WorkerIterator:
    """An epoch by worker processes, batches in the sampler's order; with persistent workers, many epochs.

    Task t goes to the next active worker in turn; at most prefetch_factor tasks per worker are under way.
    A failure of the machinery (a worker's death, a timeout, Ctrl-C) closes the iterator before it is raised.
    """

    closed = False

    def __init__(self, loader) -> None:
        self._loader = loader
        self._owner_pid = os.getpid()
        self._indices = iter(loader.index_sampler)
        base_seed = draw_seed(loader.generator)
        self._workers = []
        self._start_workers(base_seed)
        self._begin()

    def _start_workers(self, base_seed: int) -> None:
        loader = self._loader
        if hasattr(_C, "_parallel_stop"):
            _C._parallel_stop()     # only the calling thread survives in a forked child
        context = loader.multiprocessing_context
        if context is None or isinstance(context, str):
            context = get_context(context or "fork")
        recipe = {"dataset": loader.dataset, "batched": loader.batch_sampler is not None,
                  "collate_fn": loader.collate_fn, "drop_last": loader.drop_last,
                  "num_workers": loader.num_workers, "worker_init_fn": loader.worker_init_fn}
        for worker_id in range(loader.num_workers):
            self._workers.append(_Worker(context, worker_id, recipe, base_seed))

    def _begin(self) -> None:
        self._sent = self._given = 0    # tasks handed out, tasks whose batch the caller has
        self._owners = {}               # by task, until the caller has its batch
        self._payloads = {}             # by task: arrived, not yet asked for
        self._turn = 0
        for _ in range(self._loader.prefetch_factor * len(self._workers)):
            self._assign()

    def restart(self) -> None:
        """Begins another epoch with the same processes; what is left of the old one is dropped."""
        waiting = set(self._workers)
        for worker in self._workers:
            worker.active = True
            self._send(worker, (None, None, None))
        while waiting:
            for worker, message in self._receive(None):
                if message[1] == "restarted":
                    waiting.discard(worker)
                else:
                    worker.free_slots.append(message[2])
        self._indices = iter(self._loader.index_sampler)
        self._begin()

    def __iter__(self):
        return self

    def __len__(self) -> int:
        return len(self._loader.index_sampler)

    def __next__(self):
        try:
            payload = self._next_payload()
        except KeyboardInterrupt:
            self.close()    # a message may have been read half
            raise
        if isinstance(payload, WorkerError):
            payload.reraise()
        return payload

    def _next_payload(self):
        timeout = self._loader.timeout
        deadline = time.monotonic() + timeout if timeout else None
        while self._given < self._sent:
            task = self._given
            if task in self._payloads:
                return self._hand_over(task)
            if not self._owners[task].active:
                # Its worker's stream ended before this task.
                del self._owners[task]
                self._given += 1
                continue
            for worker, message in self._receive(deadline):
                self._store(worker, *message)
        if not self._loader.persistent_workers:
            self.close()
        raise StopIteration

    def _hand_over(self, task: int):
        del self._owners[task]
        self._given += 1
        self._assign()
        return self._payloads.pop(task)

    def _assign(self) -> None:
        """Gives the sampler's next item to the next active worker, if there are both."""
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        for _ in self._workers:
            worker = self._workers[self._turn]
            self._turn = (self._turn + 1) % len(self._workers)
            if worker.active:
                self._owners[self._sent] = worker
                self._send(worker, (self._sent, worker.take_slot(), indices))
                self._sent += 1
                return

    def _send(self, worker: _Worker, message: tuple) -> None:
        try:
            worker.connection.send(message)
        except ConnectionError:
            self._fail(self._death(worker))

    def _receive(self, deadline: "float | None") -> list:
        """Waits for workers and returns [(worker, message)] of those that have answered."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        doors = {worker.connection: worker for worker in self._workers}
        ends = {worker.process.sentinel: worker for worker in self._workers}
        ready = mp_connection.wait([*doors, *ends], timeout)
        if not ready:
            self._fail(f"DataLoader timed out after {self._loader.timeout} seconds: no worker has sent the "
                       "next batch")
        messages = []
        for door in ready:
            if door in doors:
                messages += self._read(doors[door])
        if not any(door in doors for door in ready):
            self._fail(self._death(ends[ready[0]]))
        return messages

    def _read(self, worker: _Worker) -> list:
        try:
            message = worker.connection.recv()
            if message[1] != "segment":
                return [(worker, message)]
            _, _, slot, _, size = message
            worker.segments[slot] = receive_segment(worker.connection, size)
            return []
        except (EOFError, ConnectionError):
            self._fail(self._death(worker))

    def _store(self, worker: _Worker, task: int, kind: str, slot: int, start: int, end: int) -> None:
        if kind == "end":
            worker.active = False
            self._assign()
        else:
            try:
                self._payloads[task] = load(worker.segments[slot], start, end)
            except Exception:
                self._payloads[task] = WorkerError("DataLoader, when the parent unpickled a batch")
        worker.free_slots.append(slot)

    def _fail(self, text: str):
        self.close()
        raise RuntimeError(text)

    def _death(self, worker: _Worker) -> str:
        """Names every worker that has died, with its signal or exit code."""
        worker.process.join(GRACE_SECONDS)
        dead = [w.process for w in self._workers if w.process.exitcode is not None] or [worker.process]
        pids = ", ".join(str(process.pid) for process in dead)
        causes = "; ".join(dict.fromkeys(_cause(process.exitcode) for process in dead))
        return f"DataLoader worker (pid(s) {pids}) exited unexpectedly: {causes}"

    def close(self) -> None:
        """Ends the workers: those that are not done after a moment are terminated. Never waits for long."""
        if self.closed or os.getpid() != self._owner_pid:
            return      # a forked child's copy must not touch its parent's workers
        self.closed = True
        self._payloads.clear()
        self._sent = self._given
        for worker in self._workers:
            worker.hang_up()
        deadline = time.monotonic() + GRACE_SECONDS
        for end in (None, "terminate", "kill"):
            for worker in self._workers:
                if end is not None and worker.process.is_alive():
                    getattr(worker.process, end)()
            for worker in self._workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
            deadline = time.monotonic() + GRACE_SECONDS

    def __del__(self) -> None:
        if hasattr(self, "_payloads"):
            self.close()


def _cause(exitcode: "int | None") -> str:
    if exitcode is None:
        return "it closed its connection"
    if exitcode >= 0:
        return f"exit code {exitcode}"
    number = -exitcode
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "a signal without a name"
    hint = {
        "SIGKILL": ", which is also how the system ends a process when memory runs out: try fewer workers",
        "SIGBUS": ", memory for shared batches has run out: try smaller batches, fewer workers or a smaller "
                  "prefetch_factor",
        "SIGSEGV": ", a crash in C code that the dataset calls: num_workers=0 shows it in this process",
    }.get(name, "")
    return f"killed by signal {number} ({name}){hint}"
