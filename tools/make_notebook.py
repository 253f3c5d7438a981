"""Makes examples/lecture.ipynb from the cells of examples/lecture.py.

A line "# %%" begins a cell of code, "# %% [markdown]" one of comments that become text, "# %% options" the
cell that reads the command line, which a notebook has not: its defaults are written out instead. With --check
nothing is written, and the exit status says whether the notebook is up to date.
"""

import argparse
import json
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
OPTIONS = '''\
class options:
    """What the script reads from the command line."""

    seed = 0                # of the network's weights, the dropout and the augmentation
    epochs = 20
    shuffle_labels = False  # True: nothing is left to learn, expect about 10 %
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    plot = "lecture.png"'''


def cells_of(script: str) -> list:
    """(kind, text) of each cell; what stands before the first one, the script's docstring, is left out."""
    cells = []
    for chunk in script.split("\n# %%")[1:]:
        kind, _, text = chunk.partition("\n")
        kind, text = kind.strip(), text.strip("\n")
        if kind == "[markdown]":
            lines = (line.removeprefix("#").removeprefix(" ") for line in text.split("\n"))
            cells.append(("markdown", "\n".join(lines)))
        else:
            cells.append(("code", OPTIONS if kind == "options" else text))
    return cells


def notebook(cells: list) -> dict:
    """The notebook's JSON, format 4.5, without outputs."""
    result = []
    for number, (kind, text) in enumerate(cells):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {},
                "source": text.splitlines(keepends=True)}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        result.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": result, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
            "nbformat": 4, "nbformat_minor": 5}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the notebook is stale")
    check = parser.parse_args().check
    target = EXAMPLES / "lecture.ipynb"
    text = json.dumps(notebook(cells_of((EXAMPLES / "lecture.py").read_text())), indent=1) + "\n"
    if not check:
        target.write_text(text)
        return 0
    if target.exists() and target.read_text() == text:
        return 0
    print(f"{target.name} is stale: run python tools/make_notebook.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
