"""``python -m ctorch script.py [args]``: runs a PyTorch script with ctorch as its torch."""

import sys


def main():
    """Runs the script named in sys.argv[1] as __main__, with the arguments that follow it."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print("usage: python -m ctorch script.py [args]\nRuns a PyTorch script unchanged, with ctorch as its torch.")
        return 0 if len(sys.argv) > 1 else 2
    import os
    import runpy

    import ctorch

    ctorch.install_as_torch()
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
