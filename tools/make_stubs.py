"""Writes ctorch/_C.pyi from the extension itself:  python tools/make_stubs.py [--check]

What an editor can know of ctorch._C: its types with their methods and attributes, its functions with the
parameters that the op table published (`__text_signature__`), its constants.  The file is committed; --check
writes nothing and fails if the committed one is stale.  Every Python version must give the same text, so what
CPython itself adds to a type in some versions is left out.
"""

import builtins
import difflib
import importlib
import inspect
import keyword
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "ctorch" / "_C.pyi"
HEAD = '''"""Written by tools/make_stubs.py from the built extension: run `make stubs` after a change."""

import builtins
from typing import Any, final
'''
FROM_CPYTHON = {
    *vars(object), "__dict__", "__weakref__", "__module__", "__qualname__", "__match_args__", "__getstate__",
    "__buffer__", "__release_buffer__", "__static_attributes__", "__firstlineno__", "__annotations__",
    "__annotations_cache__", "__annotate__", "__annotate_func__",
}
# A parameter of one of these names has this type in every signature; `bool` alone would be the module's own dtype.
TYPES = {"input": "Tensor", "requires_grad": "builtins.bool", "keepdim": "builtins.bool", "inplace": "builtins.bool"}
BASETYPE = 1 << 10                      # Py_TPFLAGS_BASETYPE: may be subclassed
ANYTHING = "*args: Any, **kwargs: Any"


def one_parameter(parameter):
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    text = stars.get(parameter.kind, "") + parameter.name
    typed = parameter.name in TYPES
    if typed:
        text += f": {TYPES[parameter.name]}"
    if parameter.default is not parameter.empty:
        simple = parameter.default is None or isinstance(parameter.default, (bool, int, str))
        text += (" = " if typed else "=") + (repr(parameter.default) if simple else "...")
    return text


def parameters_of(function):
    """A parameter list in Python's syntax, with its / and * in place."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    texts, before = [], None
    for parameter in parameters:
        if before == parameter.POSITIONAL_ONLY != parameter.kind:
            texts.append("/")
        starred = before in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        if parameter.kind == parameter.KEYWORD_ONLY and not starred:
            texts.append("*")
        texts.append(one_parameter(parameter))
        before = parameter.kind
    if before == inspect.Parameter.POSITIONAL_ONLY:
        texts.append("/")
    return ", ".join(texts)


def function(name, thing, first="", indent=""):
    """A function's line; `first` is the parameter that binding takes away, where the signature lacks it."""
    found = parameters_of(thing)
    parameters = ", ".join(part for part in (first, ANYTHING if found is None else found) if part)
    # CPython gives the slots of ** and **= different parameters, which a type checker rightly finds odd.
    odd = "  # type: ignore[misc]" if name == "__ipow__" else ""
    return f"{indent}def {name}({parameters}) -> Any: ...{odd}"


def member(owner, name, thing):
    """The lines of one entry of a type's dictionary."""
    kind = type(thing).__name__
    if kind in ("staticmethod", "builtin_function_or_method"):
        return ["    @staticmethod", function(name, thing, indent="    ")]
    if kind in ("classmethod", "classmethod_descriptor"):
        return ["    @classmethod", function(name, getattr(owner, name), "cls", "    ")]
    if kind in ("method_descriptor", "wrapper_descriptor", "function"):
        return [function(name, thing, "" if parameters_of(thing) is not None else "self", "    ")]
    if isinstance(thing, property) and thing.fset is None:
        return ["    @property", f"    def {name}(self) -> Any: ..."]
    return [f"    {name}: Any"]


def type_lines(name, cls):
    bases = ", ".join("builtins." * hasattr(builtins, base.__name__) + base.__name__
                      for base in cls.__bases__ if base is not object)
    lines = [f"class {name}({bases}):" if bases else f"class {name}:"]
    if not cls.__flags__ & BASETYPE:
        lines.insert(0, "@final")
    if "__init__" not in vars(cls) and "__new__" in vars(cls) and parameters_of(cls):
        lines.append(function("__new__", cls, "cls", "    "))
    if "__init__" in vars(cls):
        lines.append(function("__init__", cls, "self", "    "))
    for entry in sorted(set(vars(cls)) - FROM_CPYTHON):
        if not keyword.iskeyword(entry):
            lines += member(cls, entry, vars(cls)[entry])
    return lines if lines[-1].startswith("    ") else [*lines[:-1], lines[-1] + " ..."]


def stub_of(module):
    types, functions, constants = [], [], []
    for name, thing in sorted(vars(module).items()):
        if name.startswith("__") or keyword.iskeyword(name):
            continue
        if type(thing) is type:          # the old tensor types have a metaclass, which the module does not show
            types += ["", "", *type_lines(name, thing)]
        elif callable(thing) and type(thing).__name__ == "builtin_function_or_method":
            functions.append(function(name, thing))
        else:
            kind = type(thing).__name__ if isinstance(thing, (bool, int, str, float)) else "Any"
            constants.append(f"{name}: {kind}")
    return "\n".join([HEAD, *constants, *types, "", "", *functions]) + "\n"


def main(arguments):
    fresh = stub_of(importlib.import_module("ctorch._C"))
    if arguments == ["--check"]:
        committed = STUB.read_text() if STUB.exists() else ""
        changes = difflib.unified_diff(committed.splitlines(), fresh.splitlines(), lineterm="", n=0)
        if shown := "\n".join(list(changes)[:20]):
            sys.exit(f"{STUB.relative_to(ROOT)} is stale; run `make stubs`\n{shown}")
    else:
        STUB.write_text(fresh)


if __name__ == "__main__":
    main(sys.argv[1:])
