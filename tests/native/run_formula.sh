#!/bin/sh
# Build and run the test of the scalar functions for each instruction set: tests/native/run_formula.sh, from the
# project's root.  CC and CFLAGS are honoured; a sanitizer run is CFLAGS="-O1 -g -fsanitize=undefined".
set -e
CC=${CC:-cc}
CFLAGS=${CFLAGS:--O3}
warn="-std=gnu11 -Wall -Wextra -Wshadow -Wdouble-promotion -Werror=implicit-function-declaration"
maths="-fno-math-errno -fno-trapping-math -ffp-contract=fast -fwrapv"
avx2="-mavx2 -mfma -mf16c -mbmi2"
avx512="$avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
isas=${ISAS:-baseline}
test "$(uname -m)" = x86_64 && isas=${ISAS:-baseline avx2 avx512}
for isa in $isas; do
    case $isa in avx2) flags=$avx2 ;; avx512) flags=$avx512 ;; *) flags= ;; esac
    $CC $CFLAGS $warn $maths $flags -DISA=$isa -Icsrc tests/native/test_formula.c -lm -o "$build/test_formula_$isa"
    "$build/test_formula_$isa"
done
