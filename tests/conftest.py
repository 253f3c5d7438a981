"""What all tests share: how the package under test is named, a seed for every test, and a count of what lives.

The tests import the ctorch that Python finds; CTORCH_CPU chooses its kernels before that (see .ci/run, levels).
"""

import gc
import json
import os

import pytest
from hypothesis import HealthCheck, settings

import ctorch

# Without --hypothesis-profile the properties get a few examples each, always the same.
slow = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much]}
settings.register_profile("quick", max_examples=20, derandomize=True, database=None, **slow)
settings.register_profile("ci", max_examples=200, **slow)
settings.register_profile("nightly", max_examples=2000, **slow)
settings.load_profile("quick")


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="where tensors are made that are told nothing: cpu, cuda, cuda:1")
    parser.addoption("--outcomes", help="file for every test's id and outcome, as JSON (tools/suite.py compares two)")


def pytest_configure(config):
    if config.getoption("--device") != "cpu":
        live_on(config.getoption("--device"))
    if config.getoption("--outcomes"):
        config.pluginmanager.register(Outcomes(config.getoption("--outcomes")))


class Outcomes:
    """A plugin that writes what became of each test: passed, skipped, failed, or "cpu" where the marker left it out."""

    def __init__(self, path):
        self.path, self.outcome_of = path, {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            left_out = report.skipped and CPU_ALONE in str(report.longrepr)
            self.outcome_of[report.nodeid] = "cpu" if left_out else report.outcome

    def pytest_sessionfinish(self):
        with open(self.path, "w") as file:
            json.dump(self.outcome_of, file)


def pytest_collection_finish():
    """What lives before the first test need not be walked in every collection."""
    gc.collect()
    gc.freeze()


CPU_ALONE = "is about the CPU alone"


def pytest_collection_modifyitems(config, items):
    if config.getoption("--device") == "cpu":
        return
    for item in items:
        if item.get_closest_marker("cpu"):
            item.add_marker(pytest.mark.skip(reason=CPU_ALONE))


def live_on(device):
    """Tests written for the CPU run on a device: tensors are made there, and NumPy sees copies.

    Every launch is waited for, so that errors that depend on data are raised where the tests expect them.
    """
    os.environ["CUDA_LAUNCH_BLOCKING"] = "1"
    ctorch.set_default_device(device)
    to_array, from_array = ctorch.Tensor.numpy, ctorch.from_numpy
    ctorch._C._add_tensor_methods({"numpy": lambda self, **options: to_array(self.cpu() if self.is_cuda else self, **options)})
    ctorch.from_numpy = lambda array: from_array(array).to(device)


def pytest_report_header(config):
    return f"ctorch {ctorch.__version__} at CPU level {ctorch._C._cpu_level()}, {ctorch.get_num_threads()} threads"


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same number stream, whichever ran before."""
    ctorch.manual_seed(0)


def live():
    """Living tensors, storages, graph nodes and bytes, after a collection."""
    gc.collect()
    return ctorch._C._live()


@pytest.fixture
def nothing_left():
    """Fails a test that leaves a tensor, storage, node or byte behind."""
    before = live()
    yield
    assert live() == before
