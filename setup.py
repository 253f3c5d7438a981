"""Builds the one extension, ctorch._C.  Metadata lives in pyproject.toml; this file only compiles and links.

setuptools compiles one file after another and knows no flags per file.  BuildExt below compiles on all
cores, gives each file its own flags (all of them in `flags_of`), builds every file of csrc/kernels once per
instruction set, and compiles again only what changed: the source, a header that it includes, or the command
itself.  setup_cuda.py says what there is to make for CUDA, by the same rules.  Objects live in
build/objects/, one folder per compiler and kind of build, whoever asks: pip, an editable install or make.
setuptools runs this file from the root of the project, so every path here is relative to it, and none of the
machine's enters an object.

Environment:
    CC                        the C compiler (else the first that is found of cc, gcc, clang)
    CFLAGS, LDFLAGS           added at the end of every compile or link command
    CTORCH_DEBUG=1            keep symbols, lines and assertions
    CTORCH_WERROR=1           warnings are errors (for developers and CI; never for a user's compiler)
    CTORCH_COVERAGE=1         count which lines and branches run (gcc)
    CTORCH_SANITIZE=LIST      the hostile build: -fsanitize=LIST, malloc and free behind every cache
    and those of setup_cuda.py
"""

import fcntl
import filecmp
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

sys.path.insert(0, str(Path(__file__).parent))     # not there in an isolated build
import setup_cuda  # noqa: E402

SANITIZE = os.environ.get("CTORCH_SANITIZE", "")
COVERAGE = os.environ.get("CTORCH_COVERAGE") == "1"
DEBUG = os.environ.get("CTORCH_DEBUG") == "1" or SANITIZE != ""

# Named by features, not by -march levels, which switch on more than the dispatcher tests for.
AVX2 = ["-mavx2", "-mfma", "-mf16c", "-mbmi2"]
AVX512 = AVX2 + ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
ISAS = {"baseline": []}
X86 = platform.machine().lower() in ("x86_64", "amd64")
if X86:
    ISAS.update(avx2=AVX2, avx512=AVX512)
# Left alone, gcc clears and copies what is longer than 96 bytes by `rep stos` and `rep movs`, whose start costs as
# much as a small op has to spend.
GCC_X86 = ["-mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign",
           "-mmemcpy-strategy=vector_loop:512:noalign,libcall:-1:noalign"]

# What every call passes through: optimised as one when it is linked, a twelfth of a small op's instructions less.
# Such an object is an ordinary one too, for linkers that cannot; its sections' names are random if no seed is given,
# and the same source is to give the same object.
LINK_TIME = ["-flto", "-ffat-lto-objects"]
CALL_PATH = {f"csrc/{name}.c" for name in (
    "core/tensor", "core/storage", "core/scope", "core/shape", "core/dtype", "core/cpu_reduce", "python/number",
    "python/tensor_type", "ops/args", "ops/call", "ops/copy", "ops/frame", "ops/reduce", "autograd/api",
    "autograd/engine", "autograd/inplace", "autograd/node", "autograd/pointwise")}

LANGUAGE = ["-std=gnu11", "-fPIC", "-pthread", "-fvisibility=hidden", "-fwrapv"]
# What the kernels' vectoriser needs, and no more: -ffast-math would break NaN, infinities and exp.
NUMERICS = ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
WERROR = os.environ.get("CTORCH_WERROR") == "1"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wdouble-promotion",
            "-Werror=implicit-function-declaration", "-Werror=absolute-value"]


def at_link_time(gcc):
    """Whether the call path is optimised when it is linked."""
    return gcc and not DEBUG and not COVERAGE


def flags_of(source, isa, gcc=False):
    """The flags of one file, and the only place that knows them."""
    flags = LANGUAGE + NUMERICS + WARNINGS + ["-Icsrc"]
    if source.parts[1] == "kernels":
        # Loops made from tables are many and simple: -O3's unrolling would make them a quarter larger, no faster.
        made_from_tables = source.name in ("pointwise.c", "reduce.c", "scan.c", "softmax.c")
        flags += ["-O2", "-ftree-vectorize", "-fopenmp-simd"] if made_from_tables else ["-O3"]
        if isa == "baseline" and len(ISAS) > 1:
            # For x86 machines before AVX2: the wheel matters more, above all where vectors of SSE2 are long-winded.
            vectors = [] if source.name == "random.c" else ["-ftree-vectorize"]
            flags += ["-Os"] if made_from_tables else ["-O2", *vectors]
        # C code never unwinds: without the tables for it the wheel is smaller.
        flags += ["-fno-asynchronous-unwind-tables", f"-DISA={isa}"] + ISAS[isa]
        # One formula serves every dtype and compiler: x < 0 of an unsigned, a * b of two bools and a loop
        # that clang cannot vectorise are no mistakes.
        flags += ["-Wno-type-limits", "-Wno-int-in-bool-context", "-Wno-pass-failed"]
    else:
        flags += ["-O2", "-isystem", sysconfig.get_path("include")]
        if at_link_time(gcc) and source.as_posix() in CALL_PATH:
            flags += [*LINK_TIME, f"-frandom-seed={source.as_posix()}"]
    if source.name == "random.c":
        # The same bits on every CPU and compiler: a fused multiply-add only where the source says fma.
        flags += ["-ffp-contract=off"]
    if source.name == "convert.c" and gcc:
        flags += ["-fno-tree-loop-distribute-patterns"]     # loops that copy stay loops
    if source.name == "numpy.c":
        flags += ["-isystem", numpy_include(), "-DNPY_NO_DEPRECATED_API=NPY_1_25_API_VERSION",
                  "-DNPY_TARGET_VERSION=NPY_1_25_API_VERSION"]
    if COVERAGE:
        # Nothing inlined: a condition of the source is one branch of gcov's, not as many as its function has callers.
        flags += ["--coverage", "-fprofile-abs-path", "-fprofile-update=atomic", "-O1", "-fno-inline",
                  "-Dalways_inline=unused"]
    return flags + finishing_flags()


def finishing_flags(sanitize=True):
    """The end of every compile command: what the environment decides."""
    flags = []
    if SANITIZE and sanitize:
        flags += [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-O1",
                  "-DCTORCH_HOSTILE"]
    flags += ["-g"] if DEBUG else ["-DNDEBUG"]
    if WERROR:
        flags += ["-Werror"]
    return flags + shlex.split(os.environ.get("CFLAGS", ""))


def link_flags(gcc):
    if sys.platform == "darwin":
        flags = ["-bundle", "-undefined", "dynamic_lookup"] + ([] if DEBUG else ["-Wl,-x"])
    else:
        flags = ["-shared", "-Wl,--exclude-libs,ALL"] + ([] if DEBUG else ["-s"])
    if SANITIZE:
        flags += [f"-fsanitize={SANITIZE}"]
    if COVERAGE:
        flags += ["--coverage"]
    if at_link_time(gcc):
        flags += ["-flto=auto", "-O2"]
    return flags + ["-fvisibility=hidden", "-pthread", "-lm"] + shlex.split(os.environ.get("LDFLAGS", ""))


def numpy_include():
    import numpy                     # at build time only, and only for the file that speaks NumPy's C API

    return numpy.get_include()


def compiler():
    """The compile command as a list, a line that identifies the compiler's version, and whether it is gcc."""
    named = os.environ.get("CC") or next((cc for cc in ("cc", "gcc", "clang") if shutil.which(cc)), "cc")
    command = shlex.split(named)
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompileError(f"no working C compiler: `{named} --version`: {error}") from None
    gcc = "Free Software Foundation" in version
    return command + (GCC_X86 if gcc and X86 else []), version.partition("\n")[0], gcc


def c_sources():
    """The C files of the CPU build as (path, instruction set), those that take longest first."""
    files = [path for path in sorted(Path("csrc").glob("**/*.c")) if path.parts[1] != "cuda"]
    files.sort(key=lambda path: path.name != "pointwise.c")       # every row times every dtype
    kernels = [(path, isa) for path in files if path.parts[1] == "kernels" for isa in reversed(ISAS)]
    return kernels + [(path, "") for path in files if path.parts[1] != "kernels"]


def objects_folder(cc):
    """Where the objects of this compiler and kind of build are."""
    kinds = [sys.implementation.cache_tag, Path(cc[0]).name]
    kinds += [kind for kind, on in [(SANITIZE.replace(",", "+"), SANITIZE), ("coverage", COVERAGE), ("debug", DEBUG),
                                    ("werror", WERROR)] if on]
    return Path("build", "objects", "-".join(kinds))


def dependencies(depfile):
    """The files that a make rule written by the compiler's -MMD names as prerequisites."""
    rule = depfile.read_text().replace("\\\n", " ").replace("\\ ", "\0")
    return [name.replace("\0", " ") for name in rule.partition(":")[2].split()]


def run(command):
    """Runs a compiler; returns whether it succeeded and what it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout


class Unit:
    """One object file: how it is made, and whether it is still what its inputs would give."""

    def __init__(self, source, isa, folder, command, version):
        name = ".".join([*source.parts[1:-1], source.stem, *([isa] if isa else [])])
        name += "" if source.suffix == ".c" else source.suffix
        self.title = f"{source} {isa}".rstrip()
        self.object = folder / f"{name}.o"
        self.depfile = folder / f"{name}.d"
        self.stamp = folder / f"{name}.cmd"
        self.command = [*command, "-MMD", "-MF", str(self.depfile), "-c", str(source), "-o", str(self.object)]
        self.signature = f"{version}\n{shlex.join(self.command)}\n"

    def fresh(self):
        try:
            made = self.object.stat().st_mtime_ns
            return (self.stamp.read_text() == self.signature
                    and all(Path(name).stat().st_mtime_ns < made for name in dependencies(self.depfile)))
        except OSError:              # never built, or a header has gone
            return False

    def compile(self):
        """Returns whether it succeeded.  The object gets the date of the start: an edit meanwhile counts."""
        self.stamp.unlink(missing_ok=True)
        start = time.time_ns()
        ok, output = run(self.command)
        sys.stderr.write(f"  {self.title}\n{output}")
        if ok:
            os.utime(self.object, ns=(start, start))
            self.stamp.write_text(self.signature)
        return ok


def compile_all(units, folder, version, cores):
    """Brings every object in `folder` up to date and returns them."""
    stale = [unit for unit in units if not unit.fresh()]
    if stale:
        (folder / "link.cmd").unlink(missing_ok=True)
        sys.stderr.write(f"compiling {len(stale)} of {len(units)} objects, {cores} at a time, {version}\n")
    with ThreadPoolExecutor(cores) as pool:
        failed = list(pool.map(Unit.compile, stale)).count(False)
    if failed:
        raise CompileError(f"{failed} of {len(units)} objects did not compile; see above")
    return [str(unit.object) for unit in units]


def link(folder, name, before, objects, after):
    """Links the objects, unless link.cmd says that these are linked, and returns the library."""
    library, stamp = folder / name, folder / "link.cmd"
    command = [*before, *objects, *after, "-o", str(library)]
    signature = shlex.join(command)
    if not library.exists() or not stamp.exists() or stamp.read_text() != signature:
        ok, output = run(command)
        sys.stderr.write(output)
        if not ok:
            raise LinkError("the objects did not link; see above")
        stamp.write_text(signature)
    return library


def place(library, target):
    """Copies the library unless it is there; a process that has the old one loaded keeps it whole."""
    if target.exists() and filecmp.cmp(library, target, shallow=False):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    shutil.copy(library, partial)
    os.replace(partial, target)


class BuildExt(build_ext):
    """setuptools' command with the compiling replaced; where the library goes is still setuptools' to say."""

    user_options = build_ext.user_options + [("compile-only", None, "compile every file, link nothing")]
    boolean_options = build_ext.boolean_options + ["compile-only"]

    def initialize_options(self):
        super().initialize_options()
        self.compile_only = False

    def run(self):
        # setuptools forgets what it was asked for while it builds.
        self.in_source = bool(self.inplace)
        self.in_wheel = "bdist_wheel" in self.distribution.commands
        if self.compile_only:
            self.build_libraries()
        else:
            super().run()

    def build_libraries(self):
        """Compiles, links, and returns the libraries, ctorch._C first; none with --compile-only."""
        cc, version, gcc = compiler()
        folder = objects_folder(cc)
        folder.mkdir(parents=True, exist_ok=True)
        cores = self.parallel or os.cpu_count()
        made = []
        with open(folder / "lock", "w") as lock:      # two builds at once take turns
            fcntl.flock(lock, fcntl.LOCK_EX)
            units = [Unit(source, isa, folder, [*cc, *flags_of(source, isa, gcc)], version)
                     for source, isa in c_sources()]
            objects = compile_all(units, folder, version, cores)
            if not self.compile_only:
                made.append(link(folder, "_C.so", cc, objects, link_flags(gcc)))
            for name, pairs, (before, after), compilers in self.cuda_libraries(cc, version):
                place_of = folder / name.removesuffix(".so")
                place_of.mkdir(exist_ok=True)
                units = [Unit(source, "", place_of, command, compilers) for source, command in pairs]
                objects = compile_all(units, place_of, compilers, cores)
                if not self.compile_only:
                    made.append(link(place_of, name, before, objects, after))
        return made

    def cuda_libraries(self, cc, version):
        c_flags = LANGUAGE + WARNINGS
        host = setup_cuda.Host(cc, version, c_flags, NUMERICS, finishing_flags, not DEBUG, SANITIZE)
        return setup_cuda.libraries(host, simulated=not self.in_wheel and self.wants_simulated())

    def wants_simulated(self):
        """Asked for, or there from an earlier build: then it is kept up to date."""
        asked = os.environ.get("CTORCH_BUILD_SIM")
        return asked == "1" if asked else self.in_source and Path("ctorch", setup_cuda.SIMULATED).exists()

    def place_all(self, ext, made):
        """Puts the libraries beside each other.  What an earlier build left and this one did not make goes."""
        target = Path(self.get_ext_fullpath(ext.name))
        place(made[0], target)
        for name in (setup_cuda.REAL, setup_cuda.SIMULATED):
            if library := next((library for library in made if library.name == name), None):
                place(library, target.with_name(name))
            else:
                target.with_name(name).unlink(missing_ok=True)

    def build_extension(self, ext):
        self.made = self.build_libraries()
        # The folder that wheels are made from: no simulated device stays there after a build in place.
        kept_out = setup_cuda.SIMULATED if self.in_source else None
        self.place_all(ext, [library for library in self.made if library.name != kept_out])

    def copy_extensions_to_source(self):
        for ext in self.extensions:
            self.place_all(ext, self.made)


if __name__ == "__main__":
    sources = sorted({str(path) for path, _ in c_sources()})
    headers = sorted(str(path) for kind in ("h", "inc", "def") for path in Path("csrc").glob(f"**/*.{kind}"))
    inputs = sorted({*headers, *setup_cuda.files()})
    setup(ext_modules=[Extension("ctorch._C", sources, depends=inputs)], cmdclass={"build_ext": BuildExt})
