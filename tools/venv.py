"""Makes .venv, or brings it up to date: the interpreter, the installed extra, the compiled extension.

    python tools/venv.py [extra]              CTORCH_VENV names another folder than .venv

Run by the Makefile with the interpreter that .venv is to have; a .venv of another version is made anew.
pip runs only when pyproject.toml or the place of the checkout changed since it last did, so a second call
takes less than a second.  Whatever is missing on the machine ends in the one line to type.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / os.environ.get("CTORCH_VENV", ".venv")
PYTHON = VENV / "bin" / "python"


def line_to_type(debian, fedora, mac):
    """The command that installs a missing piece here, or all three where the system is not known."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    commands = {"debian": f"{sudo}apt-get install {debian}", "fedora": f"{sudo}dnf install {fedora}"}
    if sys.platform == "darwin":
        return mac
    release = Path("/etc/os-release")
    words = re.findall(r"\w+", release.read_text().lower()) if release.exists() else []
    known = [commands[name] for name in commands if name in words]
    return known[0] if known else "  or  ".join([*commands.values(), mac])


def missing_piece():
    """What the machine lacks, in a sentence with the line to type; None if it has everything."""
    version = "python{}.{}".format(*sys.version_info)
    if sys.version_info < (3, 10):
        newer = line_to_type("python3", "python3.12", "brew install python")
        return f"ctorch needs Python 3.10 or newer, {sys.executable} is {version[6:]}; try: {newer}"
    try:
        import ensurepip, venv  # noqa: E401,F401 - Debian ships Python without them
    except ImportError:
        line = line_to_type(version + "-venv", "python3", "brew install python")
        return f"{sys.executable} has no venv; type: {line}"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        dev = line_to_type(version + "-dev", "python3-devel", "xcode-select --install")
        return f"the header Python.h of {sys.executable} is missing; type: {dev}"
    named = shlex.split(os.environ.get("CC", ""))[:1]
    if not any(shutil.which(cc) for cc in named or ["cc", "gcc", "clang"]):
        what = f"CC={named[0]} is not here" if named else "no C compiler"
        return f"{what}; type: " + line_to_type("gcc libc6-dev", "gcc", "xcode-select --install")
    return None


def venv_version():
    """The version in .venv's own record, or None where there is no usable .venv."""
    config = VENV / "pyvenv.cfg"
    if not config.exists() or not PYTHON.exists():
        return None
    found = re.search(r"^version\s*=\s*(\d+\.\d+)", config.read_text(), re.M)
    return found and found[1]


def install(extra):
    """pip, unless its last run with this extra saw the same pyproject.toml in the same place."""
    project = (ROOT / "pyproject.toml").read_text()
    signature = hashlib.sha256(f"{ROOT}\n{project}".encode()).hexdigest()
    stamps = {stamp.name for stamp in VENV.glob("installed-*") if stamp.read_text() == signature}
    wanted = f"installed-{extra}"
    if wanted in stamps or (stamps and not extra):
        return build()
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Not isolated: every `make` rebuilds the extension in place, so .venv needs what building needs.
    subprocess.run([*pip, *json.loads(re.search(r"^requires = (\[.*\])", project, re.M)[1])], check=True)
    build()
    subprocess.run([*pip, "--no-build-isolation", "-e", f".[{extra}]" if extra else "."], check=True)
    (VENV / wanted).write_text(signature)


def build():
    subprocess.run([PYTHON, "setup.py", "--quiet", "build_ext", "--inplace"], check=True)


def main(arguments):
    problem = missing_piece()
    if problem:
        sys.exit(f"make: {problem}")
    os.chdir(ROOT)
    if venv_version() != "{}.{}".format(*sys.version_info):
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    try:
        install(*arguments or [""])
    except subprocess.CalledProcessError as error:
        sys.exit(f"make: failed: {shlex.join(map(str, error.cmd))}")


if __name__ == "__main__":
    main(sys.argv[1:])
