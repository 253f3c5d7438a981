"""The CPU generator gives PyTorch's numbers, bit for bit: from committed fixtures, and live beside PyTorch.

tests/fixtures/random.json is made by tools/make_random_fixtures.py, which documents a case's fields.  In an
expression `torch` means ctorch.  The C side alone is tested by tests/native/test_random.c.
"""

import hashlib
import json
from pathlib import Path

import ctorch
import numpy as np
import pytest

pytestmark = pytest.mark.cpu

CASES = json.loads((Path(__file__).parent / "fixtures" / "random.json").read_text())["cases"]
LENGTHS = (1, 2, 15, 16, 17, 31, 32, 33, 100, 1000, 4097, 100003)
NARROW = ("float16", "bfloat16")


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def values(tensor):
    """A NumPy array with the tensor's exact values; NumPy has no bfloat16, so narrow floats are widened."""
    tensor = tensor.detach()
    return (tensor.float() if str(tensor.dtype).endswith(NARROW) else tensor).numpy()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['seed']}-{case['expression']}")
def test_fixture(case):
    ctorch.manual_seed(case["seed"])
    result = eval(case["expression"], {"torch": ctorch})
    array = values(result)
    assert str(result.dtype).rpartition(".")[2] == case["dtype"].rpartition(".")[2]
    assert list(result.shape) == case["shape"]
    assert array.flatten()[:4].tolist() == pytest.approx(case["first"], rel=0, abs=0, nan_ok=True)
    assert digest(array) == case["digest"]
    assert digest(ctorch.get_rng_state().numpy()) == case["state"]


def test_manual_seed_clears_the_cached_normal():
    ctorch.manual_seed(0)
    first = ctorch.randn(1).item()
    ctorch.manual_seed(0)
    assert ctorch.randn(1).item() == first


def test_state_round_trip_includes_the_cached_normal():
    ctorch.manual_seed(5)
    ctorch.randn(3)
    state = ctorch.get_rng_state()
    expected = ctorch.randn(7).numpy()
    ctorch.rand(1000)
    ctorch.set_rng_state(state)
    assert np.array_equal(ctorch.randn(7).numpy(), expected)


def test_state_is_a_snapshot():
    ctorch.manual_seed(5)
    state = ctorch.get_rng_state()
    before = state.numpy().copy()
    ctorch.rand(10)
    assert np.array_equal(state.numpy(), before)


def test_forged_state_is_refused():
    state = ctorch.get_rng_state()
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        ctorch.set_rng_state(ctorch.zeros(5056, dtype=ctorch.uint8))
    with pytest.raises(RuntimeError, match="5056"):
        ctorch.set_rng_state(ctorch.zeros(16, dtype=ctorch.uint8))
    with pytest.raises((RuntimeError, TypeError)):
        ctorch.set_rng_state(ctorch.zeros(5056))
    assert np.array_equal(ctorch.get_rng_state().numpy(), state.numpy())


def test_generator_object_is_independent_of_the_default():
    generator = ctorch.Generator()
    assert generator.manual_seed(11) is generator
    assert generator.initial_seed() == 11
    ctorch.manual_seed(11)
    expected = ctorch.rand(5).numpy()
    state = ctorch.get_rng_state().numpy().copy()
    assert np.array_equal(ctorch.rand(5, generator=generator).numpy(), expected)
    assert np.array_equal(ctorch.get_rng_state().numpy(), state)
    assert np.array_equal(generator.get_state().numpy(), state)


def test_seed_beyond_32_bits_is_remembered_whole():
    assert ctorch.Generator().manual_seed(2**40 + 7).initial_seed() == 2**40 + 7


FILLS = {
    "rand": lambda torch, n, dtype: torch.rand(n, dtype=dtype),
    "randn": lambda torch, n, dtype: torch.randn(n, dtype=dtype),
    "uniform_": lambda torch, n, dtype: torch.empty(n, dtype=dtype).uniform_(-0.3, 0.7),
    "normal_": lambda torch, n, dtype: torch.empty(n, dtype=dtype).normal_(0.7, 1.9),
    "bernoulli_": lambda torch, n, dtype: torch.empty(n, dtype=dtype).bernoulli_(0.3),
    "exponential_": lambda torch, n, dtype: torch.empty(n, dtype=dtype).exponential_(0.7),
    "random_": lambda torch, n, dtype: torch.empty(n, dtype=dtype).random_(),
    "randint": lambda torch, n, dtype: torch.randint(-3, 90, (n,), dtype=dtype),
}


@pytest.fixture(scope="module")
def torch():
    """PyTorch, where it is installed and draws as the fixtures' machine does."""
    module = pytest.importorskip("torch")
    if module.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("without AVX2 PyTorch's own normals differ in the last bit")
    if tuple(int(part) for part in module.__version__.split(".")[:2]) < (2, 13):
        pytest.skip("the reference is PyTorch 2.13 or newer")
    return module


def two_draws(library, fill, dtype, seed, n):
    """The bytes of two draws, the second from wherever the first has left the stream, and the last state."""
    library.manual_seed(seed)
    draws = [values(FILLS[fill](library, n, getattr(library, dtype))).tobytes() for _ in range(2)]
    return [*draws, library.get_rng_state().numpy().tobytes()]


@pytest.mark.parametrize("dtype", ["float32", "float64", *NARROW])
@pytest.mark.parametrize("fill", FILLS)
def test_live(torch, fill, dtype):
    for seed in range(10):
        for n in LENGTHS if seed == 0 else LENGTHS[:-2]:
            mine = two_draws(ctorch, fill, dtype, seed, n)
            assert mine == two_draws(torch, fill, dtype, seed, n), (seed, n)


def test_state_travels_to_pytorch_and_back(torch):
    ctorch.manual_seed(8)
    ctorch.randn(5)
    state = ctorch.get_rng_state().numpy().copy()
    expected = ctorch.randn(30).numpy()
    torch.set_rng_state(torch.from_numpy(state))
    assert np.array_equal(torch.randn(30).numpy(), expected)
    torch.set_rng_state(torch.from_numpy(state))
    ctorch.set_rng_state(ctorch.from_numpy(torch.get_rng_state().numpy().copy()))
    assert np.array_equal(ctorch.randn(30).numpy(), expected)


# Intervals wider than the integers that a float type holds one by one: PyTorch's draws with seed 7.
WIDE = [
    ("half", (0, 60000), [16496.0, 14912.0, 33184.0, 6328.0, 18048.0, 17296.0, 17360.0, 26400.0]),
    ("half", (-60001, 2001), [1044.0, -53600.0, -54336.0, -18912.0, -45440.0, -4176.0, -30944.0, -58848.0]),
    ("bfloat16", (-(2**62), 2**62 + 5),
     [-3.206562934687793e18, 5.5169095435288576e17, 3.476778912330023e18, -4.886405595696988e17, 4.1973548527093023e18,
      -3.9091244765575905e18, -4.593671619917906e18, -3.278620528725721e18]),
    ("float32", (0, 2**40),
     [836497506304.0, 966273925120.0, 774000279552.0, 346443546624.0, 372259160064.0, 103589543936.0, 860597977088.0,
      553468624896.0]),
    ("float64", (0, 2**60),
     [2.5471801433279008e17, 5.5190436835283354e17, 1.677224233434018e16, 6.634404691386849e17, 7.468997447197624e17,
      7.101234943526866e17, 2.06689291891398e16, 1.7618731699404662e17]),
]


@pytest.mark.parametrize("dtype, bounds, expected", WIDE)
def test_integers_beyond_a_float_types_digits(dtype, bounds, expected):
    ctorch.manual_seed(7)
    with pytest.warns(UserWarning, match=r"is out of bounds \[-\(2\^\d+\), 2\^\d+\]. Due to precision limitations"):
        assert ctorch.zeros(8, dtype=getattr(ctorch, dtype)).random_(*bounds).tolist() == expected


@pytest.mark.parametrize("dtype, least, expected", [
    ("half", 5, [528.0, 1229.0, 130.0, 643.0, 48.0, 1528.0, 1152.0, 1084.0]),
    ("bfloat16", -(2**63),
     [1.4051230837395948e18, -4.0532396646334464e18, 8.070450532247929e18, -5.116089176692883e18, -4.0532396646334464e17,
      -8.502796096475496e18, -9.187343239835812e18, 1.3330654897016668e18]),
    ("float64", -(2**63),
     [1.407639518939637e18, -4.059781650074556e18, 8.087222774582268e18, -5.101167053895551e18, -4.060217598870864e17,
      -8.51324854250209e18, -9.202703107665637e18, 1.3291088216008934e18]),
])
def test_integers_without_an_upper_bound(dtype, least, expected):
    ctorch.manual_seed(7)
    assert ctorch.zeros(8, dtype=getattr(ctorch, dtype)).random_(least, None).tolist() == expected
