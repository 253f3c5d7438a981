"""Mutation check: one-token changes of csrc, each of which the quick suite should notice.

    python tools/mutate.py --n 100 --seed 0          prints killed or survived with the change, and the share killed

Each mutant is one changed token: a comparison, an arithmetic or logical operator, a constant off by one, an increment,
true for false.  It is built in a copy of the tree, where only the objects that read the file are compiled again (of a
kernel, those of this machine's CPU level), and run against the test files that stand beside its folder in SOURCES, those
about the file first, until one fails twice; "cuda": on the simulated device, which `make cuda-sim` has built, "sim": with one.  A mutant
that does not compile, or whose objects are the original's, does not count; nor do those of EQUAL, whose lines say of a
change (file, line before, line after) why no test can notice it.
--skip and --n cut a seed's sequence into parts, which may run side by side; --only runs some mutants of it again.
"""

import argparse
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EQUAL = ROOT / "tools" / "mutants_equal.txt"
MEMORY = 12 << 30  # that a process may map
DEVICES = 256 << 30  # addresses that the simulated ones reserve
SOURCES = {
    "abi": ["test_table.py", "test_reduce.py", "test_autograd.py"],
    "autograd": ["test_autograd.py", "test_refusals.py", "test_properties_math.py", "test_module.py", "test_leaks.py",
                 "test_nomem.py", "test_threads.py"],
    "core": ["test_properties.py", "test_edges.py", "test_indexing.py", "test_reduce.py", "test_sort.py", "test_properties_math.py",
             "test_worth.py", "test_numpy.py", "test_autograd.py", "test_nomem.py", "test_threads.py", "test_optim.py",
             "test_table.py", "test_softmax_loss.py", "test_linalg.py"],
    "kernels": ["test_linalg.py", "test_reduce.py", "test_softmax_loss.py", "test_properties_math.py", "test_random_streams.py",
                "test_optim.py", "test_table.py", "test_threads.py", "test_sort.py", "test_worth.py", "test_properties.py"],
    "nn": ["test_module.py", "test_module_forms.py", "test_refusals.py", "test_worth.py", "test_functional.py", "test_transforms.py",
           "test_copy.py", "test_compat.py", "test_nomem.py", "test_leaks.py"],
    "ops": ["test_refusals.py", "test_worth.py", "test_functional.py", "test_edges.py", "test_linalg.py", "test_indexing.py",
            "test_softmax_loss.py", "test_properties.py", "test_properties_math.py", "test_construct.py", "test_reduce.py", "test_sort.py", "test_init.py",
            "test_random_streams.py", "test_autograd.py", "test_copy.py", "test_optim.py", "test_nomem.py", "test_table.py",
            "cuda test_sort.py", "cuda test_construct.py", "test_leaks.py"],
    "python": ["test_refusals.py", "test_worth.py", "test_edges.py", "test_print.py", "test_numpy.py", "test_indexing.py",
               "test_properties.py", "test_construct.py", "test_copy.py", "test_compat.py", "sim test_cuda.py", "test_nomem.py", "test_leaks.py"],
}
SWAPS = {
    "<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"], "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"],
    "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "+=": ["-="], "-=": ["+="], "++": ["--"], "--": ["++"], "true": ["false"],
    "false": ["true"], "0": ["1"], "1": ["0", "2"], "2": ["3"], "!": [""], "<<": [">>"], ">>": ["<<"], "break": ["continue"],
}
TOKEN = re.compile(r"""(?P<skip>/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|^[ \t]*\#[^\n]*(?:\\\n[^\n]*)*)
                   |(?P<word>[A-Za-z_]\w*)|(?P<number>\.?\d[\w.+-]*)|(?P<operator>->|\+\+|--|<<=?|>>=?|[<>=!+*/&|^%-]=|&&|\|\||[<>=!+*/-])""",
                   re.X | re.S | re.M)


def places(text):
    """(start, end, token) of every token that may change; a * or - that is not between two operands stays."""
    for found in TOKEN.finditer(text):
        token = found[0]
        if found["skip"] or token not in SWAPS:
            continue
        around = text[max(0, found.start() - 1):found.end() + 1]
        if token in ("*", "-", "+", "/", "<", ">") and not (around.startswith(" ") and around.endswith(" ")):
            continue
        if token == "*" and re.search(r"(?:\b(?:const|struct \w+|char|void|int|bool|double|float|\w+_t|[A-Z]\w*)|\*)\s*$", text[:found.start()]):
            continue                             # a pointer's declaration
        yield found.start(), found.end(), token


def mutants(root, seed):
    """(path, start, end, new token) at random, files in proportion to what can change in them."""
    draw = random.Random(seed)
    sites = []
    for folder in SOURCES:
        for path in sorted((root / "csrc" / folder).glob("*")):
            if path.suffix in (".c", ".inc") and path.name != "platform.c":
                sites += [(path, *place) for place in places(path.read_text())]
    draw.shuffle(sites)
    for path, start, end, token in sites:
        yield path.relative_to(root), start, end, draw.choice(SWAPS[token])


def lines_of(text, start, end, new):
    """The changed line, before and after."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    return text[first:last].strip(), (text[first:start] + new + text[end:last]).strip()


def equal_mutants():
    """{(file, line before, line after)}: entries of four lines, the last of which says why, parted by empty ones."""
    entries = [entry.strip().splitlines() for entry in EQUAL.read_text().split("\n\n") if entry.strip()]
    assert all(len(entry) == 4 and entry[1][:2] == "- " and entry[2][:2] == "+ " for entry in entries), EQUAL
    return {(path, before[2:], after[2:]) for path, before, after, _ in entries}


def run(command, cwd, seconds, memory=MEMORY, **environment):
    """The exit status; the whole process group ends with its time, and no mutant takes all memory."""
    environment = {**os.environ, "CTORCH_BUILD_CUDA": "0", "CTORCH_BUILD_SIM": "0", **environment}
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=lambda: resource.setrlimit(
                                   resource.RLIMIT_AS, (memory, memory)))
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "timeout"


class Tree:
    """A copy of this tree, built; what setup.py left there says how each object is made and how they are linked."""

    def __init__(self, folder):
        self.folder = folder
        # Built anew: where the compiler ran is in what it keeps for the linker.
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv", "build", "_cuda*.so"))
        if run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], folder, 1800) != 0:
            sys.exit("the tree itself does not build")
        shutil.copy(ROOT / "ctorch" / "_cuda_sim.so", folder / "ctorch")     # that build has no simulated device
        self.objects = next((folder / "build" / "objects").glob("*/link.cmd")).parent
        self.library = next((folder / "ctorch").glob("_C.*.so"))
        said = subprocess.run([sys.executable, "-c", "import ctorch; print(ctorch._C._cpu_level())"], cwd=folder, capture_output=True,
                              env={**os.environ, "PYTHONPATH": str(folder)}, text=True, check=True)
        self.other_levels = {f".{level}" for level in ("baseline", "avx2", "avx512")} - {f".{said.stdout.strip()}"}
        self.original = shutil.copy(self.library, folder / "original.so")
        self.sound = set()                      # the test files that pass on the tree itself

    def objects_of(self, path):
        """The objects that read that file."""
        for rule in sorted(self.objects.glob("*.d")):
            if rule.with_suffix("").suffix not in self.other_levels and str(path) in rule.read_text().split():
                yield rule.with_suffix(".o")

    def command(self, stamp):
        """setup.py's command."""
        return shlex.split(stamp.read_text().splitlines()[-1])

    def build(self, made):
        """Whether the objects compile and the library links."""
        compiled = all(run(self.command(made_one.with_suffix(".cmd")), self.folder, 900) == 0 for made_one in made)
        if not compiled or run(self.command(self.objects / "link.cmd"), self.folder, 300) != 0:
            return False
        shutil.copy(self.objects / "_C.so", self.library)
        return True

    def judge(self, change, tests, seconds):
        """What became of a mutant: the test file that noticed, "" for none, None for a mutant that does not count."""
        path, start, end, new = change
        source = self.folder / path
        text, made = source.read_text(), list(self.objects_of(path))
        before = {one: one.read_bytes() for one in made}
        source.write_text(text[:start] + new + text[end:])
        try:
            if not self.build(made) or all(one.read_bytes() == content for one, content in before.items()):
                return None
            return self.noticed(tests, seconds)
        finally:
            source.write_text(text)
            for one, content in before.items():
                one.write_bytes(content)

    def noticed(self, tests, seconds):
        for name in tests:
            status = self.test(name, seconds) and self.test(name, seconds)  # a test of time may fail once where others work
            if status:
                self.check(name, seconds)
                return f"{name}{' (no end)' if status == 'timeout' else ''}"
        return ""

    def check(self, name, seconds):
        """What the tree itself fails kills no mutant."""
        if name not in self.sound:
            shutil.copy(self.original, self.library)
            if self.test(name, seconds):
                sys.exit(f"the tree itself fails {name}")
            self.sound.add(name)

    def test(self, name, seconds):
        """0 if it passes."""
        device, _, file = name.rpartition(" ")
        on_device = ["--device=cuda"] if device == "cuda" else []
        return run([sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *on_device, f"tests/{file}"],
                   self.folder, seconds, MEMORY + DEVICES if device else MEMORY, PYTHONPATH=str(self.folder),
                   **({"CTORCH_CUDA": "sim"} if on_device else {}))


def tests_of(path):
    """The test files of that source's folder, those first that have a word of its name in theirs."""
    words = [word for word in path.stem.split("_") if len(word) > 3]
    return sorted(SOURCES[path.parts[1]], key=lambda name: not any(word in name for word in words))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0, help="leave out so many mutants of the seed's sequence")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of mutants in that sequence")
    parser.add_argument("--seconds", type=int, default=150, help="a test file that takes longer does not end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Tree(Path(scratch) / "tree")
        equal = equal_mutants()
        killed = counted = 0
        for number, change in enumerate(mutants(tree.folder, options.seed)):
            if number < options.skip or options.only is not None and number not in options.only:
                continue
            if counted == options.n or options.only and number > max(options.only):
                break
            path, *place = change
            text = (tree.folder / path).read_text()
            before, after = lines_of(text, *place)
            if (str(path), before, after) in equal:
                print(f"{number}: equal  {path}: {after}", flush=True)
                continue
            noticed = tree.judge(change, tests_of(path), options.seconds)
            if noticed is None:
                continue
            counted += 1
            killed += noticed != ""
            said = f"killed by {noticed}" if noticed else "SURVIVED"
            line = text.count("\n", 0, place[0]) + 1
            print(f"{number}: {said}  {path}:{line}\n    - {before}\n    + {after}", flush=True)
        print(f"{killed} of {counted} killed, seed {options.seed}")
        return 0 if killed * 100 >= 85 * counted else 1


if __name__ == "__main__":
    sys.exit(main())
