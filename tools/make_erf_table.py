"""Writes csrc/abi/erf_table.c: erf and its slope at k/64, rounded from 60 digits.

    python tools/make_erf_table.py
"""

from decimal import Decimal, getcontext
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "csrc" / "abi" / "erf_table.c"
STEP, LAST = 64, 6  # points in a unit, and the last point: from there on erf rounds to 1
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
HEAD = """\
/* erf(k / 64) and its slope 2 / sqrt(pi) exp(-(k / 64)^2) for k = 0 .. 384, and zeros for a NaN's bits.
 * Written by tools/make_erf_table.py. */
#include "abi/formula.h"

const double erf_table[512][2] = {
"""


def erf_and_slope(x):
    """The series 2 / sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...), all of whose terms are positive."""
    slope = 2 / PI.sqrt() * (-x * x).exp()
    term, total, n = x, Decimal(0), 1
    while total + term != total:
        total += term
        n += 2
        term *= 2 * x * x / n
    return slope * total, slope


def main():
    getcontext().prec = 60
    pairs = [erf_and_slope(Decimal(k) / STEP) for k in range(LAST * STEP + 1)]
    rows = [f"    {{{float(value).hex()}, {float(slope).hex()}}},\n" for value, slope in pairs]
    OUT.write_text(HEAD + "".join(rows) + "};\n")


if __name__ == "__main__":
    main()
