"""Batches through shared memory: a worker writes one into a segment, its parent copies it out.

A segment is an unnamed file in memory that both map. It grows when a batch does not fit and is used again as
soon as the parent has copied the batch, so that after the first batches nothing is mapped and no page is
fresh. Nothing is left behind when processes die, and no limit of /dev/shm applies.

A segment holds the bytes of the batch's tensors and arrays, then a pickle of the rest, which refers to them
by place. Only a few numbers travel through the socket: a worker's answers always fit into its buffer,
therefore a worker never waits for its parent to read, and the two cannot wait for each other.
"""

import mmap
import os
import pickle
from io import BytesIO
from math import prod
from multiprocessing.reduction import recv_handle, send_handle

import numpy

from ... import Tensor, bfloat16, from_numpy

ALIGNMENT = 64      # a cache line, as the allocator aligns


class SegmentWriter:
    """The worker's side: one segment per slot."""

    def __init__(self, connection) -> None:
        self.connection = connection
        self.segments = {}

    def send(self, task: int, kind: str, slot: int, payload) -> None:
        """Puts payload into the slot's segment, then tells the parent where its pickle starts and ends.

        Raises pickle's exception for what cannot be pickled; nothing has been sent then.
        """
        file = BytesIO()
        pickler = _Pickler(file)
        pickler.dump(payload)
        text = file.getbuffer()
        start = pickler.used
        end = start + len(text)
        segment = self.segments.get(slot)
        if segment is None or len(segment) < end:
            segment = self.segments[slot] = self._new_segment(slot, end)
        for array, offset in pickler.arrays.values():
            _array_at(segment, array.dtype, array.shape, offset)[...] = array
        segment[start:end] = text
        self.connection.send((task, kind, slot, start, end))

    def _new_segment(self, slot: int, size: int) -> mmap.mmap:
        size = 1 << size.bit_length()   # pages that are never touched take no memory
        fd = _memory_file(size)
        try:
            segment = mmap.mmap(fd, size)
            self.connection.send((None, "segment", slot, 0, size))
            send_handle(self.connection, fd, os.getppid())
        finally:
            os.close(fd)
        return segment


def receive_segment(connection, size: int) -> mmap.mmap:
    """The parent's side of `_new_segment`: maps the file whose descriptor comes next."""
    fd = recv_handle(connection)
    try:
        return mmap.mmap(fd, size)
    finally:
        os.close(fd)


def load(segment: mmap.mmap, start: int, end: int):
    """The payload, every tensor and array of it copied out of the segment."""
    unpickler = _Unpickler(BytesIO(segment[start:end]))
    unpickler.segment = segment
    unpickler.loaded = {}
    return unpickler.load()


class _Pickler(pickle.Pickler):
    """Leaves tensors and arrays out, giving each of them a place in the segment."""

    def __init__(self, file) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.used = 0
        self.arrays = {}    # by the id of the tensor or array, which the payload keeps alive

    def persistent_id(self, obj):
        if not _is_plain(obj):
            return None
        is_tensor = isinstance(obj, Tensor)
        if id(obj) not in self.arrays:
            array = obj.numpy() if is_tensor else obj
            self.arrays[id(obj)] = array, self.used
            # At least one unit each, so that a place names one object.
            self.used += -(-max(array.nbytes, 1) // ALIGNMENT) * ALIGNMENT
        array, offset = self.arrays[id(obj)]
        return is_tensor, array.dtype.str, array.shape, offset


class _Unpickler(pickle.Unpickler):
    """Puts back what _Pickler left out; one object for each place, however often it is referred to."""

    def persistent_load(self, pid):
        is_tensor, dtype, shape, offset = pid
        if offset not in self.loaded:
            array = _array_at(self.segment, dtype, shape, offset)
            self.loaded[offset] = from_numpy(array).clone() if is_tensor else array.copy()
        return self.loaded[offset]


def _is_plain(obj) -> bool:
    """Whether its dtype, shape and bytes say all about obj; anything else is pickled in full."""
    if type(obj) is Tensor:
        return not obj.requires_grad and obj.device.type == "cpu" and obj.dtype != bfloat16
    return type(obj) is numpy.ndarray and obj.dtype.kind in "biufc"


def _array_at(segment: mmap.mmap, dtype, shape: tuple, offset: int) -> numpy.ndarray:
    return numpy.frombuffer(segment, dtype, prod(shape), offset).reshape(shape)


def _memory_file(size: int) -> int:
    """A descriptor of a file of `size` zero bytes that has no name and ends with its last user."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("ctorch-batch")
    else:
        from tempfile import TemporaryFile
        with TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, size)
    return fd
