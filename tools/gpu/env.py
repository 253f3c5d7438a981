"""What the machine has, and what it can do: python tools/gpu/env.py OUT writes OUT/env.json.

Names everything that later stages will miss, before they do.  Limits are measured through PyTorch, if it sees a card:
the bandwidth of a copy, and products of 8192 x 8192 matrices.
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
import setup_cuda  # noqa: E402


def said(*command):
    """What a command prints; empty if it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def toolkit():
    """(nvcc's version, what is missing)"""
    try:
        nvcc = setup_cuda.find_nvcc()
        setup_cuda.runtime(setup_cuda.toolkit(nvcc))
    except setup_cuda.NoNvcc as reason:
        return None, [str(reason)]
    release = re.search(r"release ([\d.]+)", said(nvcc, "--version"))
    return release[1] if release else "unknown", []


def missing_files():
    wanted = {"a C compiler": shutil.which(os.environ.get("CC", "cc").split()[0]) or shutil.which("gcc"),
              "Python.h": Path(sysconfig.get_path("include"), "Python.h").exists()}
    wanted |= {name: importlib.util.find_spec(name) for name in ("numpy", "setuptools", "pytest", "hypothesis")}
    return [name for name, there in wanted.items() if not there]


def measured():
    """Limits of the card through PyTorch; a text where it cannot say."""
    if not importlib.util.find_spec("torch"):
        return "PyTorch is not here"
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} sees no card"

    def milliseconds(work, repeat):
        work()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        times = []
        for _ in range(5):
            start.record()
            for _ in range(repeat):
                work()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / repeat)
        return min(times)

    a, b = torch.empty(1 << 28, device="cuda"), torch.empty(1 << 28, device="cuda")
    limits = {"copy_GB_s": 2 * a.numel() * 4 / milliseconds(lambda: b.copy_(a), 5) / 1e6}
    del a, b
    n = 8192
    kinds = (("fp32", torch.float32, False), ("tf32", torch.float32, True), ("bf16", torch.bfloat16, False))
    for name, dtype, tf32 in kinds:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        x, y = torch.randn(n, n, device="cuda", dtype=dtype), torch.randn(n, n, device="cuda", dtype=dtype)
        limits[f"gemm_{name}_TFLOP_s"] = 2 * n**3 / milliseconds(lambda: x @ y, 2) / 1e9
    return {name: round(value, 1) for name, value in limits.items()}


def main():
    simulated = os.environ.get("CTORCH_CUDA", "").startswith("sim")
    query = said("nvidia-smi", "--query-gpu=name,driver_version,compute_cap,memory.total", "--format=csv,noheader")
    card, driver, capability, memory = (query.splitlines()[0].split(", ") if query else [None] * 4)
    nvcc, missing = toolkit()
    missing += missing_files()
    if not simulated and not shutil.which("compute-sanitizer"):
        missing.append("compute-sanitizer (the sanitize stage will fail)")
    if not simulated and card is None:
        missing.append("a card (nvidia-smi lists none)")
    environment = {
        "card": "ctorch simulated device" if simulated else card, "driver": driver, "capability": capability,
        "memory": memory, "nvcc": nvcc, "python": platform.python_version(), "cores": os.cpu_count(),
        "numpy": version("numpy"), "torch": version("torch"), "pytest": version("pytest"),
        "compiler": said(os.environ.get("CC", "gcc").split()[0], "--version").partition("\n")[0],
        "missing": missing, "limits": None,
    }
    target = Path(sys.argv[1], "env.json")
    target.write_text(json.dumps(environment, indent=1) + "\n")      # whatever becomes of the measurement
    environment["limits"] = None if simulated else measured()
    target.write_text(json.dumps(environment, indent=1) + "\n")
    for name, value in environment.items():
        print(f"{name}: {value}")
    for name in missing:
        print(f"FAILED missing: {name}")
    sys.exit(1 if missing and not simulated else 0)


if __name__ == "__main__":
    main()
