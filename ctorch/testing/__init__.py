"""assert_close: equality within the tolerances of the dtype."""

from .. import Tensor, allclose, isclose

_TOLERANCES = {"torch.float16": (1e-3, 1e-5), "torch.bfloat16": (1.6e-2, 1e-5), "torch.float32": (1.3e-6, 1e-5),
               "torch.float64": (1e-7, 1e-7)}


def assert_close(actual, expected, *, rtol=None, atol=None, equal_nan=False, check_dtype=True, msg=None):
    """Raises AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    actual, expected: tensors of one shape (and dtype, if check_dtype), numbers, or sequences of them.
    rtol, atol: both or neither; the defaults follow the dtype (float32: 1.3e-6, 1e-5; integers: exact).
    """
    if isinstance(actual, (list, tuple)):
        if len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for a, b in zip(actual, expected):
            assert_close(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype, msg=msg)
        return
    if not isinstance(actual, Tensor) or not isinstance(expected, Tensor):
        from .. import as_tensor, float64

        actual, expected = (as_tensor(t, dtype=None if isinstance(t, Tensor) else float64) for t in (actual, expected))
        check_dtype = False
    if actual.shape != expected.shape:
        raise AssertionError(f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}.")
    if check_dtype and actual.dtype != expected.dtype:
        raise AssertionError(f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}.")
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    if rtol is None:
        rtol, atol = max((_TOLERANCES.get(str(t.dtype), (0.0, 0.0)) for t in (actual, expected)))
    actual, expected = actual.detach().double(), expected.detach().double()
    if allclose(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan):
        return
    wrong = ~isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan)
    difference = (actual - expected).abs()
    raise AssertionError(msg or f"Tensor-likes are not close!\n\nMismatched elements: {int(wrong.sum())} / {actual.numel()}\n"
                                f"Greatest absolute difference: {difference.max().item()} (up to {atol} allowed)")
