"""Every kernel on small operands, for compute-sanitizer: python tools/gpu/driver.py [--shared] [--seconds S].

Nothing is compared, and PyTorch is not imported.  Each tensor has memory of its own (CTORCH_CUDA_ALLOC=direct), so
that one element beyond its end is outside.  --shared: the kernels that use shared memory alone, for racecheck.
"""

import argparse
import sys
import time

from cases import TINY, arrays, cases, scope

import ctorch

# Pointwise kernels, conversions and fills share nothing between threads.
SHARING = ("fold", "gemm", "reduce", "scan", "softmax", "nll", "index", "sort")


def shares(case):
    return not case.kernels or any(name.startswith(SHARING) for name in case.kernels)


def needs_cublas(case):
    return not case.kernels or case.kernels[0].startswith("gemm")


def run(case, dtype, strided):
    names = scope(ctorch, case, arrays(case, TINY, strided, 1), dtype, "cuda", TINY, strided)
    result = eval(case.text, names)
    if dtype in case.grads and result.requires_grad:
        result.backward(ctorch.ones_like(result))
    ctorch.cuda.synchronize()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--seconds", type=float, default=600.0, help="no further call is begun after these")
    options = parser.parse_args()
    chosen = [case for case in cases() if shares(case) or not options.shared]
    calls = [(case, dtype, strided) for case in chosen for dtype in case.dtypes for strided in (False, True)
             if not strided or case.strided and case.letters]
    # If time is short, every kernel had its turn: the first dtype of all cases comes first, and cuBLAS, which takes
    # the checker longest to load, last.
    calls.sort(key=lambda call: (needs_cublas(call[0]), call[0].dtypes.index(call[1])))
    begun, failed = time.monotonic(), 0
    for done, (case, dtype, strided) in enumerate(calls):
        if time.monotonic() - begun > options.seconds:
            break
        try:
            run(case, dtype, strided)
        except Exception as problem:
            failed += 1
            print(f"FAILED {case.text} {dtype}{' strided' * strided}: {type(problem).__name__}: {problem}", flush=True)
            if "CUDA error" in str(problem):      # the context has ended
                break
    else:
        done = len(calls)
    print(f"{done} of {len(calls)} calls ran, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
