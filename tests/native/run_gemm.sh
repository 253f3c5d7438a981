#!/bin/sh
# Build and run the native tests of the kernels: tests/native/run_gemm.sh, from the project's root.
# CC and CFLAGS are honoured; a sanitizer run is CFLAGS="-O1 -g -fsanitize=address,undefined".
set -e
CC=${CC:-cc}
CFLAGS=${CFLAGS:--O3}
warn="-std=gnu11 -Wall -Wextra -Wshadow -Wdouble-promotion -Werror=implicit-function-declaration"
maths="-fno-math-errno -fno-trapping-math -ffp-contract=fast -fwrapv"
avx2="-mavx2 -mfma -mf16c -mbmi2"
avx512="$avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
isas=baseline
test "$(uname -m)" = x86_64 && isas="baseline avx2 avx512"
for isa in $isas; do
    case $isa in avx2) flags=$avx2 ;; avx512) flags=$avx512 ;; *) flags= ;; esac
    for file in gemm convert; do
        $CC $CFLAGS $warn $maths $flags -DISA=$isa -c csrc/kernels/$file.c -o "$build/$file-$isa.o"
    done
done
for test in gemm convert; do
    $CC $CFLAGS $warn $maths tests/native/test_$test.c "$build"/*.o -lm -o "$build/test_$test"
    "$build/test_$test"
done
