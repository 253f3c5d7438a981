"""``python -m ctorch script.py [args]``: runs a PyTorch script with ctorch as its torch."""

import sys


def _show_from(script):
    """Tracebacks begin in the script, as if Python itself had run it."""

    def excepthook(kind, value, traceback):
        inside = traceback
        while inside is not None and inside.tb_frame.f_code.co_filename != script:
            inside = inside.tb_next
        sys.__excepthook__(kind, value.with_traceback(inside or traceback), inside or traceback)

    sys.excepthook = excepthook


def main():
    """Runs the script named in sys.argv[1] as __main__, with the arguments that follow it."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(
            "usage: python -m ctorch script.py [args]\n"
            "Runs a PyTorch script unchanged, with ctorch as its torch."
        )
        return 0 if len(sys.argv) > 1 else 2
    import os
    import runpy

    import ctorch

    ctorch.install_as_torch()
    script = sys.argv[1]
    if not os.path.exists(script):
        print(f"python -m ctorch: there is no file '{script}'", file=sys.stderr)
        return 2
    sys.argv = sys.argv[1:]
    script = os.path.join(os.getcwd(), script)  # what Python makes of its own script's name
    sys.path[0] = os.path.dirname(script)
    _show_from(script)
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
