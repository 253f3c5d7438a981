"""Rows of a whole process: what an import, an installation, a tensor, a graph take."""

import os
import sys
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.row import Row

TENSORS = 100_000
CHAIN = 100_000


def resident():
    """Resident bytes of this process now, or their peak where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def imported(name):
    for module in (name, name + ".nn", name + ".optim"):
        import_module(module)
    return sys.modules[name]


def import_time(name):
    start = time.perf_counter_ns()
    imported(name)
    return time.perf_counter_ns() - start


def import_memory(name):
    before = resident()
    imported(name)
    return resident() - before


def installed_files(name):
    folder = Path(find_spec(name).origin).parent
    return [path for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc" and not path.name.startswith("_cuda_sim")]


def installed_size(name):
    return sum(path.stat().st_size for path in installed_files(name))


def wheel_size(name):
    """The installed files deflated, as in a wheel."""
    import zlib

    size = 0
    for path in installed_files(name):
        deflate = zlib.compressobj(6)
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                size += len(deflate.compress(piece))
        size += len(deflate.flush())
    return size


def tensor_memory(shape, name):
    torch = imported(name)
    torch.ones(shape)
    before = resident()
    kept = [torch.ones(shape) for _ in range(TENSORS)]
    return (resident() - before) / len(kept)


def chain_memory(name):
    torch = imported(name)
    w, factor = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    (w * factor).sum().backward()
    before, y = resident(), w
    for _ in range(CHAIN):
        y = y * factor
    return (resident() - before) / CHAIN


def rows():
    fresh = partial(Row, group="process", fresh=True)
    return [
        fresh("import with nn and optim, time", make=import_time),
        fresh("import with nn and optim, resident memory", make=import_memory, unit="bytes"),
        fresh("installed files", make=installed_size, unit="bytes", exact=True),
        fresh("installed files, deflated as in a wheel", make=wheel_size, unit="bytes", exact=True),
        fresh("memory of a 2x2 tensor", make=partial(tensor_memory, (2, 2)), unit="bytes"),
        fresh("memory of a 0-d tensor", make=partial(tensor_memory, ()), unit="bytes"),
        fresh("memory of a recorded op in a chain of 100,000", make=chain_memory, unit="bytes"),
    ]
