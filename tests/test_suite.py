"""tools/suite.py tells a difference between two runs that has a reason from one that has none."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.cpu
TOOL = Path(__file__).resolve().parent.parent / "tools" / "suite.py"


@pytest.fixture(scope="module")
def suite():
    spec = importlib.util.spec_from_file_location("suite", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("test, cpu, cuda, reasons, unexplained", [
    ("t.py::test_add", "passed", "passed", {}, []),
    ("t.py::test_add", "skipped", "skipped", {}, []),
    ("t.py::test_print", "passed", "cpu", {"marked cpu": 1}, []),
    ("test_cuda.py::test_memory", "passed", "cpu", {"named cuda": 1}, []),
    ("t.py::test_refused_cuda", "skipped", "passed", {"named cuda": 1}, []),
    ("t.py::test_add", "passed", "failed", {}, ["t.py::test_add: passed on cpu, failed on cuda"]),
    ("t.py::test_add", "passed", "skipped", {}, ["t.py::test_add: passed on cpu, skipped on cuda"]),
    ("t.py::test_add", "passed", None, {}, ["t.py::test_add: passed on cpu, not run on cuda"]),
    ("t.py::test_add", "failed", "passed", {}, ["t.py::test_add: failed on cpu, passed on cuda"]),
])
def test_difference(test, cpu, cuda, reasons, unexplained, suite):
    runs = [{test: outcome} if outcome else {} for outcome in (cpu, cuda)]
    both, found, others = suite.difference(*runs)
    assert (both, dict(found), others) == (1 if cpu == cuda == "passed" else 0, reasons, unexplained)
