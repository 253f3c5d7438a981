"""What the machine is and what it allows, measured by peak.c where there is a C compiler."""

import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compiled_peak(level):
    """The program, or None without a compiler that takes it."""
    compiler = next((cc for cc in (os.environ.get("CC", ""), "cc", "gcc", "clang")
                     if cc and shutil.which(shlex.split(cc)[0])), None)
    if compiler is None:
        return None
    BUILD.mkdir(exist_ok=True)
    program = BUILD / f"peak-{level}"
    narrow = ["-mno-avx512f"] if level == "avx2" else []
    command = [*shlex.split(compiler), "-O3", "-march=native", *narrow, "-pthread", HERE / "peak.c", "-o",
               program]
    return program if subprocess.run(command, capture_output=True).returncode == 0 else None


class Limits:
    """Peak of multiply-adds in GFLOP/s, copy bandwidth in GB/s by bytes; empty without a compiler."""

    def __init__(self, threads, sizes, level):
        self.fma, self.copy = None, {}
        if (program := compiled_peak(level)) is None:
            return
        text = subprocess.run([program, str(threads), *map(str, sizes)], capture_output=True,
                              text=True).stdout
        for line in text.splitlines():
            what, *figures = line.split()
            if what == "fma":
                self.fma = float(figures[0])
            else:
                self.copy[int(figures[0])] = float(figures[1])

    def share(self, row, ns):
        """Which part of what the machine allows the row reaches, or None where nothing is known."""
        if row.flops and self.fma:
            return row.flops / ns / self.fma
        if row.bytes in self.copy:
            return row.bytes / ns / self.copy[row.bytes]
        return None
