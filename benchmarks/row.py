"""What a benchmark row is.  The process whose imports are timed imports this: nothing of weight here."""

from typing import Any, Callable, NamedTuple


class Work(NamedTuple):
    """What one row does with one module."""

    call: Any  # the timed thing: a function, or a statement over `names`
    check: Any = None  # the result that must agree: a function, or an expression; None where `call` is it
    names: dict = {}


class Row(NamedTuple):
    name: str
    group: str
    make: Callable  # of the module, gives its Work; for a fresh row: of the module's name, gives the figure
    flops: float = 0
    bytes: float = 0  # that must be read and written
    samples: int = 0  # that one call delivers, where a rate says more than a time
    unit: str = "ns"
    fresh: bool = False  # one figure from a process of its own
    exact: bool = False  # the same figure every time, hence measured once


def all_rows():
    from benchmarks import rows_array, rows_call, rows_order, rows_process, rows_train

    rows = [row for module in (rows_process, rows_call, rows_train, rows_array,
                               rows_order) for row in module.rows()]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})
    return rows
