"""Names and hashes of all kernels, from their sources alone: neither a GPU nor a compiler is asked.

A kernel is a row of the op table or of abi/folds.def, with all its dtypes, or a __global__ function.  Its hash is
of its own text and of every header that takes part, without comments and spacing: a kernel whose hash is that of the
ledger is the one that ran on the card.
"""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
CUDA = CSRC / "cuda"
ROW = re.compile(r"^(?:UNARY|BINARY|COMPARE|PREDICATE|TERNARY|FOLD)\s*\(\s*(\w+)", re.M)
GLOBAL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\(")


def without_comments(text):
    return " ".join(re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S).split())


def closing(text, start):
    """Where the parenthesis that opens at `start` closes, plus one."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i + 1
    raise ValueError(f"a parenthesis stays open: {text[start:start + 60]}")


def included(path, seen):
    """The file and the project's own headers that it includes; tables are left to their rows."""
    if path in seen:
        return seen
    seen.append(path)
    for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(), re.M):
        found = next(p for p in (CSRC / name, path.parent / name) if p.exists())
        if found.suffix != ".def":
            included(found, seen)
    return seen


def digest(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def source_text(path):
    return " ".join(without_comments(file.read_text()) for file in sorted(included(path, [])))


def rows(path):
    """{name: text} of the kernel-making rows of a table."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return {m[1]: without_comments(text[m.start():closing(text, text.index("(", m.start()))])
            for m in ROW.finditer(text)}


def kernels():
    """{name: hash}: "exp", "fold sum", "softmax line_of_a_block"."""
    pointwise = source_text(CUDA / "pointwise.cuh") + source_text(CUDA / "pointwise_begin.cuh")
    tables = [path for path in sorted((CSRC / "abi").glob("ops*.def"))]
    found = {name: digest(text, pointwise) for path in tables for name, text in rows(path).items()}
    reduce = source_text(CUDA / "reduce.cu")
    found |= {f"fold {name}": digest(text, reduce) for name, text in rows(CSRC / "abi/folds.def").items()}
    for path in sorted(CUDA.glob("*.cu")):
        text = source_text(path)
        found |= {f"{path.stem} {name}": digest(name, text)
                  for name in GLOBAL.findall(without_comments(path.read_text()))}
    return found
