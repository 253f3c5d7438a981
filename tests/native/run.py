"""Links each C test of this folder with the objects that the extension is made of, and runs it.

    python tests/native/run.py [test ...]        CTORCH_SANITIZE and the like as for setup.py

Objects of csrc/kernels come in one build per instruction set; a test takes them all and asks the CPU which it
can run.  test_formula has no kernel, it is itself compiled once per instruction set.
"""

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = {
    "allocator": ["core.platform", "core.allocator"],
    "parallel": ["core.platform", "core.parallel"],
    "random": ["core.random", "kernels.random.*"],
    "gemm": ["kernels.gemm.*"],
    "convert": ["kernels.convert.*"],
    "formula": ["abi.erf_table"],
}


def setup_py():
    spec = importlib.util.spec_from_file_location("ctorch_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compile_test(setup, cc, folder, objects, name, isa):
    """The test's program; flags are those of a kernel, which know no Python."""
    program = folder / f"test_{name}.{isa}"
    patterns = [f"{pattern}.o" for pattern in OBJECTS[name]]
    linked = [str(path) for pattern in patterns for path in sorted(objects.glob(pattern))]
    assert len(linked) >= len(patterns), f"no objects in {objects}: build the extension first"
    flags = [flag for flag in setup.flags_of(Path("csrc/kernels/gemm.c"), isa) if flag != "-DNDEBUG"]
    subprocess.run([*cc, *flags, f"tests/native/test_{name}.c", *linked, "-lm", "-o", program], check=True)
    return program


def main(wanted):
    os.chdir(ROOT)
    setup = setup_py()
    cc, _, _ = setup.compiler()
    objects = setup.objects_folder(cc)
    folder = objects / "native"
    folder.mkdir(parents=True, exist_ok=True)

    def build_and_run(name, isa):
        program = compile_test(setup, cc, folder, objects, name, isa)
        done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"{program.name}:\n{done.stdout}", flush=True)
        return done.returncode == 0 or program.name

    tests = [(name, isa) for name in wanted or OBJECTS
             for isa in (setup.ISAS if name == "formula" else ["baseline"])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [name for name in pool.map(build_and_run, *zip(*tests)) if name is not True]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
