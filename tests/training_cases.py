"""The cases of tests/fixtures/training.json, and how results are compared: shared by several test files."""

import json
from pathlib import Path

import pytest

ALL = json.loads((Path(__file__).parent / "fixtures" / "training.json").read_text())["cases"]


def of_group(group):
    """A parametrization of a test's `case` by the cases of one group."""
    chosen = [case for case in ALL if case["group"] == group]
    return pytest.mark.parametrize("case", chosen, ids=[case["name"] for case in chosen])


class DrawnOnTheCPU:
    """A package whose random numbers are the CPU's, moved to the default device: the fixtures hold on every device."""

    def __init__(self, torch):
        self._torch = torch

    def __getattr__(self, name):
        found = getattr(self._torch, name)
        if name not in ("rand", "randn"):
            return found
        return lambda *shape, **options: found(*shape, device="cpu", **options).to(self._torch.get_default_device())


def run(case, torch):
    """What the case's code leaves in `result`, with `torch` bound to the given module."""
    names = {"torch": DrawnOnTheCPU(torch)}
    exec(case["code"], names)
    return names["result"]


def flat(numbers):
    """The numbers of nested lists, in order."""
    if not isinstance(numbers, (list, tuple)):
        return [numbers]
    return [number for item in numbers for number in flat(item)]


def assert_same(case, mine, theirs):
    assert len(flat(mine)) == len(flat(theirs))
    if case["tolerance"] == 0:
        assert mine == theirs
    else:
        assert flat(mine) == pytest.approx(flat(theirs), rel=case["tolerance"], abs=case["tolerance"])
