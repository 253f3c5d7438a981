"""Streams: work in one is done in order, work in two in any order that events do not forbid."""

from __future__ import annotations

from .. import _C
from ._device import index_of

_current: dict[int, "Stream"] = {}  # by device; a device that is not here works in its default stream


def _number(device: object) -> int:
    index = index_of(device)
    return index if index >= 0 else _C._cuda_current_device()


class Stream:
    """A queue of a device's work; ops go to the current one (see stream)."""

    def __init__(self, device: object = None, priority: int = 0, **kwargs: object):
        self.device_index = _number(device)
        self.priority = priority
        self._handle = _C._cuda_stream_new(self.device_index, priority)

    @property
    def device(self):
        """The device that the stream belongs to."""
        return _C.device("cuda", self.device_index)

    @property
    def cuda_stream(self) -> int:
        """The driver's handle, a number."""
        return _C._cuda_stream_address(self.device_index, self._handle)

    def synchronize(self) -> None:
        """Waits until all work of the stream is done."""
        _C._cuda_stream_synchronize(self.device_index, self._handle)

    def query(self) -> bool:
        """True if all work of the stream is done."""
        return _C._cuda_stream_query(self.device_index, self._handle)

    def record_event(self, event: Event | None = None) -> Event:
        """An event that happens when the work queued so far is done."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Work queued from now on begins after the event."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Work queued from now on begins after what the other stream has queued so far."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Stream) and self.device_index == other.device_index and self._handle is other._handle
        )

    def __hash__(self) -> int:
        return hash((self.device_index, id(self._handle)))

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device=cuda:{self.device_index} cuda_stream={self.cuda_stream:#x}>"


def default_stream(device: object = None) -> Stream:
    """The stream that ops go to unless another is chosen."""
    stream = Stream.__new__(Stream)
    stream.device_index, stream.priority, stream._handle = _number(device), 0, None
    return stream


def current_stream(device: object = None) -> Stream:
    """The stream that a device's ops go to."""
    index = _number(device)
    return _current.get(index) or default_stream(index)


def set_stream(stream: Stream | None) -> None:
    """Ops of the stream's device go there from now on."""
    if stream is None:
        return
    _C._cuda_stream_use(stream.device_index, stream._handle)
    _current[stream.device_index] = stream


class StreamContext:
    """Context manager: inside, ops of the stream's device go to it, and it is the current device's."""

    def __init__(self, stream: Stream | None):
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is None:
            return
        self.device = _C._cuda_current_device()
        self.previous = current_stream(self.stream.device_index)
        _C._cuda_set_device(self.stream.device_index)
        set_stream(self.stream)

    def __exit__(self, *exception: object) -> None:
        if self.stream is None:
            return
        set_stream(self.previous)
        _C._cuda_set_device(self.device)


def stream(stream: Stream | None) -> StreamContext:
    """`with stream(s):` ops go to s; None changes nothing."""
    return StreamContext(stream)


class Event:
    """A mark in a stream, which others can wait for and which knows when it was passed (enable_timing)."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, **kwargs: object):
        self._options = (enable_timing, blocking)
        self._handle = None
        self.device_index = -1

    def record(self, stream: Stream | None = None) -> None:
        """Marks the place that the stream's queue has come to."""
        stream = current_stream() if stream is None else stream
        if self._handle is None:
            self.device_index = stream.device_index
            self._handle = _C._cuda_event_new(self.device_index, *self._options)
        _C._cuda_event_record(stream.device_index, self._handle, stream._handle)

    def wait(self, stream: Stream | None = None) -> None:
        """Work that the stream queues from now on begins after the event."""
        stream = current_stream() if stream is None else stream
        if self._handle is not None:
            _C._cuda_event_wait(stream.device_index, self._handle, stream._handle)

    def query(self) -> bool:
        """True if the event has happened, or was never recorded."""
        return self._handle is None or _C._cuda_event_query(self.device_index, self._handle)

    def synchronize(self) -> None:
        """Waits until the event has happened."""
        if self._handle is not None:
            _C._cuda_event_synchronize(self.device_index, self._handle)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to end_event; both need enable_timing=True."""
        if self._handle is None or end_event._handle is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self._options[0] and end_event._options[0]):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        return _C._cuda_event_elapsed(self.device_index, self._handle, end_event._handle)

    def __repr__(self) -> str:
        return "<torch.cuda.Event>" if self._handle is not None else "<torch.cuda.Event uninitialized>"
