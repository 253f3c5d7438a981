"""Mutation check: one-token changes of csrc, each of which the quick suite should notice.

    python tools/mutate.py --n 100 --seed 0          prints killed or survived with the change, and the share killed

Each mutant is one changed token: a comparison, an arithmetic or logical operator, a constant off by one, an increment,
true for false.  It is built in a copy of the tree (the objects of this one are copied along, so that one file compiles)
and run against the test files that stand beside its folder in SOURCES, those about the file first, until one fails.  A mutant that
does not compile, or whose object is the original's, does not count.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    "abi": ["test_table.py", "test_reduce.py", "test_autograd.py"],
    "autograd": ["test_autograd.py", "test_properties_math.py", "test_leaks.py", "test_threads.py"],
    "core": ["test_properties.py", "test_reduce.py", "test_indexing.py", "test_properties_math.py", "test_autograd.py",
             "test_threads.py", "test_nomem.py"],
    "kernels": ["test_properties_math.py", "test_table.py", "test_reduce.py", "test_random_streams.py", "test_optim.py",
                "test_softmax_loss.py"],
    "nn": ["test_module.py", "test_module_forms.py", "test_functional.py", "test_transforms.py", "test_leaks.py"],
    "ops": ["test_properties.py", "test_properties_math.py", "test_construct.py", "test_indexing.py", "test_reduce.py",
            "test_sort.py", "test_softmax_loss.py", "test_functional.py", "test_autograd.py", "test_table.py", "test_leaks.py"],
    "python": ["test_properties.py", "test_print.py", "test_numpy.py", "test_construct.py", "test_indexing.py",
               "test_compat.py", "test_leaks.py"],
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


def mutants(seed):
    """(path, start, end, new token) at random, files in proportion to what can change in them."""
    draw = random.Random(seed)
    sites = []
    for folder in SOURCES:
        for path in sorted((ROOT / "csrc" / folder).glob("*")):
            if path.suffix in (".c", ".inc") and path.name != "platform.c":
                sites += [(path, *place) for place in places(path.read_text())]
    draw.shuffle(sites)
    for path, start, end, token in sites:
        yield path.relative_to(ROOT), start, end, draw.choice(SWAPS[token])


def difference(path, text, start, end, new):
    line = text.count("\n", 0, start) + 1
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    before, after = text[first:last], text[first:start] + new + text[end:last]
    return f"{path}:{line}\n    - {before.strip()}\n    + {after.strip()}"


def run(command, cwd, seconds, **environment):
    """The exit status; the whole process group ends with its time."""
    process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "timeout"


def build(tree):
    return run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], tree, 900) == 0


def library(tree):
    return next((tree / "ctorch").glob("_C*.so")).read_bytes()


def tests_of(path):
    """The test files of that source's folder, those first that have a word of its name in theirs."""
    words = [word for word in path.stem.split("_") if len(word) > 3]
    return sorted(SOURCES[path.parts[1]], key=lambda name: not any(word in name for word in words))


def judge(tree, tests, seconds):
    """The test file that noticed, or None."""
    for name in tests:
        status = run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{name}"], tree, seconds,
                     PYTHONPATH=str(tree))
        if status != 0:
            return f"{name}{' (no end)' if status == 'timeout' else ''}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0, help="leave out so many mutants of the seed's sequence")
    parser.add_argument("--seconds", type=int, default=300, help="a test file that takes longer does not end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "lib.*", "asan", "tsan", "debug", "coverage",
                                                                  "*sanitize*", "*coverage*", "*debug*", "*address*", "*thread*"))
        if not build(tree):
            sys.exit("the tree itself does not build")
        original = library(tree)
        killed = counted = 0
        for k, (path, start, end, new) in enumerate(mutants(options.seed)):
            if k < options.skip:
                continue
            if counted == options.n:
                break
            text = (tree / path).read_text()
            (tree / path).write_text(text[:start] + new + text[end:])
            if build(tree) and library(tree) != original:
                noticed = judge(tree, tests_of(path), options.seconds)
                counted += 1
                killed += noticed is not None
                print(f"{'killed by ' + noticed if noticed else 'SURVIVED'}  {difference(path, text, start, end, new)}", flush=True)
            (tree / path).write_text(text)
        print(f"{killed} of {counted} killed, seed {options.seed}")
        return 0 if killed * 100 >= 85 * counted else 1


if __name__ == "__main__":
    sys.exit(main())
