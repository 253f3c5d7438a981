"""What all tests share: how the package under test is named, a seed for every test, and a count of what lives.

The tests import the ctorch that Python finds; CTORCH_CPU chooses its kernels before that (see .ci/run, levels).
"""

import gc

import pytest
from hypothesis import HealthCheck, settings

import ctorch

# Without --hypothesis-profile the properties get a few examples each, always the same.
slow = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much]}
settings.register_profile("quick", max_examples=20, derandomize=True, database=None, **slow)
settings.register_profile("ci", max_examples=200, **slow)
settings.register_profile("nightly", max_examples=2000, **slow)
settings.load_profile("quick")


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
