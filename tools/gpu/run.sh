#!/usr/bin/env bash
# Builds, tests, checks and measures ctorch on a machine with a GPU, without a network, inside ten minutes:
#
#   tools/gpu/run.sh OUT [stages]       stages: env build test sanitize parity bench, or some of them in order
#
# A stage that fails or outlasts its limit stops no other.  OUT gets at most 8 files: env.json run.log test.log
# sanitize.log parity.json bench.json ledger.json report.txt.  The report is printed last and names every failure;
# OUT/ledger.json is what tools/gpu/ledger.json becomes if the results are good.
#
# With CTORCH_CUDA=sim it is a dry run on the simulated device, which is already built: tiny sizes, PyTorch on the CPU.
#
#   env.py       what the machine has, and its limits
#   cases.py     calls that reach every kernel: for parity.py and driver.py
#   parity.py    ctorch on the card beside PyTorch on the card and float64 on the CPU
#   driver.py    every kernel once, for compute-sanitizer
#   bench.py     ctorch beside PyTorch, timed
#   kernels.py   names and hashes of all kernels, from their sources
#   ledger.py    which kernels a card has verified, and in which version
#   report.py    the table printed last
#   lint.py      what the compiler made of the kernels: make cuda-lint
set -u
cd "$(dirname "$0")/../.." || exit
[ $# -ge 1 ] || { sed -n '2,5p' tools/gpu/run.sh; exit 2; }
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit
shift
stages=${*:-env build test sanitize parity bench}
python=${PYTHON:-python3}
tools=tools/gpu
sim=
[[ ${CTORCH_CUDA:-} == sim* ]] && sim=1
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1
record=$(mktemp) || exit
trap 'rm -f "$record"' EXIT

env_() { "$python" $tools/env.py "$out"; }

build() {
    if [ $sim ]; then
        ls -l ctorch/_cuda_sim.so
        return
    fi
    CTORCH_BUILD_CUDA=1 CTORCH_CUDA_ARCH=${CTORCH_CUDA_ARCH:-90} "$python" setup.py build_ext --inplace
}

test_() {
    local files=(tests/test_{table,module,optim,softmax_loss,indexing,sort,reduce,autograd}.py) only=()
    [ $sim ] && files=(tests/test_optim.py) only=(-k options0)
    "$python" -m pytest -v --tb=short -p no:cacheprovider --maxfail=20 --device=cuda "${files[@]}" "${only[@]}"
}

sanitize() {
    export CTORCH_CUDA_ALLOC=direct
    if [ $sim ]; then
        "$python" $tools/driver.py && "$python" $tools/driver.py --shared
        return
    fi
    local checker=(compute-sanitizer --error-exitcode 9 --print-limit 20 --report-api-errors no) status=0
    "${checker[@]}" --tool memcheck "$python" $tools/driver.py --seconds 30 || status=1
    "${checker[@]}" --tool racecheck "$python" $tools/driver.py --shared --seconds 15 || status=1
    return $status
}

parity() { "$python" $tools/parity.py "$out" ${sim:+--tiny}; }

bench() { "$python" $tools/bench.py "$out" --seconds 85 ${sim:+--tiny}; }

# stage NAME FUNCTION LIMIT LOG: pytest reports what it has when it is interrupted, hence the signal.
stage() {
    local begun=$SECONDS limit=$3 code
    [ $sim ] && limit=$(($3 * 10))       # whatever else the machine does: only a card's time is counted
    echo "#### $1" >>"$out/$4"
    export -f "$2"
    timeout --signal=INT --kill-after=10 "$limit" bash -c "out='$out' python='$python' tools='$tools' sim='$sim'; $2" \
        </dev/null >>"$out/$4" 2>&1
    code=$?
    printf '%s\t%s\t%s\t%s\n' "$1" "$code" $((SECONDS - begun)) "$limit" >>"$record"
    [ $code -eq 0 ] || failed=1
}

failed=0
rm -f "$out"/{run,test,sanitize}.log "$out"/{env,parity,bench,ledger}.json "$out/report.txt"
for name in $stages; do
    case $name in
        env) stage env env_ 40 run.log ;;
        build) stage build build 150 run.log ;;
        test) stage test test_ 110 test.log ;;
        sanitize) stage sanitize sanitize 75 sanitize.log ;;
        parity) stage parity parity 75 run.log ;;
        bench) stage bench bench 120 run.log ;;
        *) echo "there is no stage $name"; exit 2 ;;
    esac
done
{
    "$python" $tools/report.py "$out" "$record"
    "$python" $tools/ledger.py --merge "$out"
} 2>&1 | tee "$out/report.txt"
exit $failed
