# Every command of the project.  Each target that runs something first brings .venv and the compiled extension
# up to date (tools/venv.py), which takes less than a second when nothing changed.
#
#   make lecture          run the lecture's four snippets, then train on handwritten digits
#   make test             run the quick test suite on the CPU and on the simulated CUDA device at once, and compare
#                         what passed                            ARGS="-k add" goes to pytest
#   make test-slow        the tests of that suite that it leaves out
#   make test-native      the C tests of kernels, allocator, thread pool and random streams, on every CPU level
#   make PYTHON=python3.12 test                                  another interpreter makes .venv anew
#   make stubs            write ctorch/_C.pyi again from the op table
#   make ops NAME=exp     print what the preprocessor makes of one row   DTYPE=d picks the suffix of formula.h
#   make warnings         compile everything with gcc and clang, warnings are errors
#   make coverage         lines and branches of csrc that the quick suite runs (half an hour)
#   make lint             static checks: gcc's further warnings, clang --analyze, cppcheck, stubtest
#   make matrix           the extension and the tests that meet CPython, on every Python from 3.10 that is here
#   make asan test-asan   the hostile build, and the suite on it
#   make test-tsan        the tests of threads under ThreadSanitizer
#   make test-valgrind    a walk through everything under valgrind
#   make cuda-sim         build ctorch/_cuda_sim.so, the simulated CUDA device (CTORCH_CUDA=sim)
#   make cuda-lint        what nvcc makes of the kernels, against tools/gpu/kernels.tsv     ARGS=--release weighs a release
#   make cuda-hostile     the CUDA backend on it under ASan and UBSan, under TSan, with blocks and threads in reverse and in
#                         random order, with lazy streams, and with the n-th allocation or launch failing; 0 reports
#                         ARGS=--quick, ARGS="lazy failures"
#   make bench            ctorch beside PyTorch, where that is installed    ARGS=--help lists the choices
#   make clean            remove what the above made

PYTHON ?= $(shell if [ -x .venv/bin/python ]; then echo .venv/bin/python; else echo python3; fi)
PY = .venv/bin/python
NO_PYTHON = make: there is no $(PYTHON); type: \
	apt-get install python3-venv python3-dev  or  dnf install python3-devel  or  brew install python
ENV = @command -v $(PYTHON) >/dev/null || { echo "$(NO_PYTHON)"; exit 1; }; $(PYTHON) tools/venv.py
PYTEST = $(PY) -m pytest
COMPILERS = gcc clang

.PHONY: build lecture test test-slow test-native test-hard stubs ops warnings asan test-asan test-tsan test-valgrind \
	coverage lint matrix cuda-sim cuda-lint cuda-hostile bench clean

build:
	$(ENV)

lecture:
	$(ENV) lecture
	$(PY) examples/lecture.py

test:
	$(ENV) test
	$(PY) tools/suite.py $(ARGS)

test-slow:
	$(ENV) test
	$(PYTEST) tests --ignore=tests/hard -m slow $(ARGS)

test-native:
	$(ENV)
	$(PY) tests/native/run.py $(ARGS)

test-hard:
	$(ENV) test
	$(PYTEST) tests/hard $(ARGS)

stubs:
	$(ENV)
	$(PY) tools/make_stubs.py

ops:
	$(ENV)
	@$(PY) tools/show_op.py $(NAME) $(DTYPE)

warnings:
	$(ENV)
	set -e; for cc in $(COMPILERS); do \
	    CC=$$cc CTORCH_WERROR=1 $(PY) setup.py --quiet build_ext --compile-only; \
	done

# The sanitised extension lives in its own copy of the package, build/asan/ctorch; the tests run from there,
# so that they import it.  The runtime is preloaded because the interpreter lacks it, and Python's own allocator,
# which would hide errors from it, is replaced by malloc, which fails beyond 2 GiB.  Three test files are about the
# tree and the build, and stay out; so do the tests marked unsanitized, about signals that AddressSanitizer catches
# itself, about resident memory, which it keeps, and about failing allocations one by one.
asan:
	$(ENV) test
	CC=gcc CTORCH_SANITIZE=address,undefined CTORCH_BUILD_CUDA=0 CTORCH_BUILD_SIM=1 \
	    $(PY) setup.py --quiet build --build-lib build/asan

test-asan: asan
	cd build/asan && LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:print_legend=0:allocator_may_return_null=1:max_allocation_size_mb=2048 UBSAN_OPTIONS=print_stacktrace=1 \
	PYTHONMALLOC=malloc ../../$(PYTEST) --capture=sys ../../tests --ignore=../../tests/hard \
	    --ignore=../../tests/test_build.py --ignore=../../tests/test_layout.py --ignore=../../tests/test_benchmarks.py \
	    -m 'not unsanitized' $(ARGS)

cuda-sim:
	$(ENV)
	CTORCH_BUILD_SIM=1 $(PY) setup.py --quiet build_ext --inplace

cuda-lint:
	$(ENV)
	$(PY) tools/gpu/lint.py $(ARGS)

cuda-hostile: cuda-sim
	$(ENV) test
	$(PY) tools/cuda_hostile.py $(ARGS)

# ThreadSanitizer sees the extension alone: what it reports is a race in a frame of ours.  Without the address-space
# randomisation that its shadow memory cannot bear.
test-tsan:
	$(ENV) test
	CC=gcc CTORCH_SANITIZE=thread CTORCH_BUILD_CUDA=0 $(PY) setup.py --quiet build --build-lib build/tsan
	CC=gcc CTORCH_SANITIZE=thread setarch -R $(PY) tests/native/run.py parallel
	cd build/tsan && LD_PRELOAD="$$(gcc -print-file-name=libtsan.so)" \
	TSAN_OPTIONS=halt_on_error=1:exitcode=66:die_after_fork=0 CTORCH_NUM_THREADS=4 \
	setarch -R ../../$(PYTEST) ../../tests/test_threads.py $(ARGS)

# A build with symbols; every tenth call of the tables unless ARGS says another number.
test-valgrind:
	$(ENV) test
	CC=gcc CTORCH_DEBUG=1 CTORCH_BUILD_CUDA=0 $(PY) setup.py --quiet build --build-lib build/debug
	$(PY) tools/valgrind.py build/debug $(or $(ARGS),10)

coverage:
	$(ENV) test
	CC=gcc CTORCH_COVERAGE=1 CTORCH_BUILD_CUDA=0 CTORCH_BUILD_SIM=1 $(PY) setup.py --quiet build --build-lib build/coverage
	$(PY) tools/coverage.py build/coverage $(ARGS)

lint:
	$(ENV) lint
	$(PY) tools/lint.py $(ARGS)

# The Pythons are found by the tool: it has an environment for each in build/matrix.
matrix:
	$(PYTHON) tools/matrix.py $(ARGS)

bench:
	$(ENV) test
	$(PY) -m benchmarks $(ARGS)

clean:
	rm -rf build dist *.egg-info .venv .pytest_cache .hypothesis ctorch/_C*.so ctorch/_cuda*.so
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
