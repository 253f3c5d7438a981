"""Prints what the preprocessor makes of one row of the op table:  python tools/show_op.py exp [suffix]

First the row as it stands in csrc/abi, then the loops that csrc/kernels makes of it, formatted.
Every dtype gives the same loops; those of the first are shown, or of the one whose suffix is named.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import setup as build  # noqa: E402 - the flags that the kernels are compiled with


def balanced(text, start, pair):
    """The end of the bracket that opens at `start`."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == pair[0]) - (text[at] == pair[1])
        if depth == 0:
            return at + 1
    return len(text)


def row_of(name):
    """(place, text) of the rows of that name: the op itself, its guards, its node's name."""
    for table in sorted((ROOT / "csrc/abi").glob("ops*.def")):
        text = table.read_text()
        for found in re.finditer(rf"^[A-Z]+\s*\({name}\b", text, re.M):
            end = balanced(text, text.index("(", found.start()), "()")
            line = text.count("\n", 0, found.start()) + 1
            yield f"{table.relative_to(ROOT)}:{line}", text[found.start():end]


def expansions(name):
    """(suffix, text) of every function in the preprocessed kernels that a row of that name gave."""
    cc, _, _ = build.compiler()
    for source in sorted((ROOT / "csrc/kernels").glob("*.c")):
        command = [*cc, *build.flags_of(source.relative_to(ROOT), "baseline"), "-E", "-P", str(source)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{source.relative_to(ROOT)} does not pass the preprocessor")
        text = done.stdout
        for found in re.finditer(rf"static [^;{{}}()]*?\b{name}_(?:\d|guard)(\w+)\(", text):
            head = balanced(text, found.end() - 1, "()")
            if text[head:].lstrip().startswith("{"):
                yield found[1].strip("_"), text[found.start():balanced(text, text.index("{", head), "{}")]


def formatted(text):
    """clang-format's layout where it is installed, else a line per statement."""
    if shutil.which("clang-format"):
        command = ["clang-format", "--assume-filename=row.c"]
        done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    lines, depth = [], 0
    for piece in re.sub(r"([;{}])\s*", r"\1\n", text).splitlines():
        depth -= piece.startswith("}")
        lines.append("    " * depth + piece)
        depth += piece.endswith("{")
    return "\n".join(lines)


def main(arguments):
    if not 1 <= len(arguments) <= 2:
        sys.exit("usage: make ops NAME=exp")
    name, rows = arguments[0], list(row_of(arguments[0]))
    if not rows:
        sys.exit(f"csrc/abi/ops*.def have no row {name}")
    for place, text in rows:
        print(f"{place}\n{text}\n")
    loops = list(expansions(name))
    wanted = arguments[1] if len(arguments) == 2 else next((suffix for suffix, _ in loops), "")
    shown = [formatted(text) for suffix, text in loops if suffix == wanted]
    print("\n\n".join(shown) or "no loops: the row is written in csrc/ops")


if __name__ == "__main__":
    main(sys.argv[1:])
