"""tools/gpu: its run on a card is rehearsed on the simulated device, and the ledger says no more than a card has shown."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ctorch

pytestmark = pytest.mark.cpu

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools" / "gpu"
SIM = Path(ctorch.__file__).parent / "_cuda_sim.so"


@pytest.fixture
def tool(monkeypatch):
    """Imports a file of tools/gpu, as its commands do."""
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module


@pytest.mark.skipif(SIM.parent != ROOT / "ctorch" or not SIM.exists(), reason="make cuda-sim builds the simulated device")
@pytest.mark.slow
def test_dry_run(tmp_path):
    """Every stage, in tiny sizes: 8 files at most, all comparisons and rows, nothing entered in the ledger."""
    environment = {**os.environ, "CTORCH_CUDA": "sim", "PYTHON": sys.executable}
    done = subprocess.run(["bash", str(TOOLS / "run.sh"), str(tmp_path)], env=environment, capture_output=True, text=True,
                          timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "env.json", "run.log", "test.log", "sanitize.log", "parity.json", "bench.json", "report.txt"}
    assert re.findall(r"^(\w+) +\d+ s  passed", done.stdout, re.M) == "env build test sanitize parity bench".split()
    assert done.stdout.endswith("ledger: the simulated device verifies nothing\n")
    parity = json.loads((tmp_path / "parity.json").read_text())
    assert parity["complete"] and len(parity["rows"]) > 1500
    bench = json.loads((tmp_path / "bench.json").read_text())
    assert len(bench["rows"]) > 40 and all("ctorch" in row for row in bench["rows"])


def test_failures_are_named(tool, tmp_path):
    report = tool("report")
    (tmp_path / "test.log").write_text("#### test\na.py::test_one PASSED [ 1%]\na.py::test_two[x] FAILED [ 2%]\n"
                                       "FAILED a.py::test_two[x] - assert 1 == 2\n= 1 failed =\n")
    (tmp_path / "run.log").write_text("#### build\nx.c:3: error: what\n#### parity\nFAILED torch.exp(n) float32: error 1\n")
    (tmp_path / "stages").write_text("test\t1\t9\t20\nbuild\t1\t3\t20\nparity\t124\t20\t20\n")
    text = "\n".join(report.stage_lines(tmp_path, tmp_path / "stages"))
    assert text.count("a.py::test_two[x]") == 1 and "test_one" not in text
    assert "error: what" in text and "OVER ITS 20 s" in text and text.count("torch.exp(n)") == 2


def test_every_kernel_has_a_case(tool):
    named = {name for case in tool("cases").cases() for name in case.kernels}
    assert named == set(tool("kernels").kernels())


def test_a_hash_follows_the_source(tool, tmp_path, monkeypatch):
    """A row's text and every header count; comments and spacing do not."""
    kernels = tool("kernels")
    before = kernels.kernels()
    (tmp_path / "csrc/abi").mkdir(parents=True)
    for path in [*(ROOT / "csrc/cuda").glob("*.*"), *(ROOT / "csrc/abi").glob("*.*")]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        target.write_text(path.read_text())
    monkeypatch.setattr(kernels, "CSRC", tmp_path / "csrc")
    monkeypatch.setattr(kernels, "CUDA", tmp_path / "csrc/cuda")

    def changed(name, old, new):
        path = tmp_path / "csrc" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        after = kernels.kernels()
        path.write_text(text)
        return {kernel for kernel in before if after.get(kernel) != before[kernel]}

    assert kernels.kernels() == before
    assert changed("cuda/softmax.cu", "/* ", "/* Words.  ") == set()
    assert changed("abi/ops.def", "g * y)", "g * y + 0)") == {"exp"}
    assert changed("abi/folds.def", "acc * v", "v * acc") == {"fold prod"}
    assert {"exp", "add", "where"} <= changed("cuda/pointwise.cuh", "(T x, T, T, T, T, T p, T q)", "(T x, T, T, T, T, T q, T p)")
    assert changed("cuda/sort.cu", "= 0", "=  0") == set()
    assert {"sort sort_step", "sort take_best"} <= changed("cuda/sort.cu", "= 0", "= 00") < set(before)


def test_ledger_holds_what_passed_on_a_card(tool):
    ledger = tool("ledger")
    hashes = {"exp": "1", "log": "2", "sin": "3"}
    row = {"dtype": "float32", "strided": False, "case": "", "tolerance": 1e-6}
    parity = {"rows": [row | {"kernels": ["exp"], "error": 1e-8, "us": 3.0}, row | {"kernels": ["exp"], "error": 2e-8},
                       row | {"kernels": ["log"], "error": 1e-8}, row | {"kernels": ["log"], "error": float("inf")}]}
    bench = {"simulated": False, "rows": [{"name": "a + b", "ctorch": {"median": 2.0}, "torch": {"median": 5.0}}]}
    old = {"kernels": {"log": {"hash": "2"}, "gone": {"hash": "9"}}, "speeds": {}}
    made = ledger.merged(old, {"card": "H200", "driver": "580"}, parity, bench, hashes, "2026-01-02")
    assert made["kernels"] == {"exp": {"hash": "1", "card": "H200", "driver": "580", "date": "2026-01-02", "error": 2e-8,
                                       "us": 3.0}}
    assert made["speeds"]["a + b"]["ratio"] == 2.5
    assert json.loads(ledger.text_of(made)) == made
    assert ledger.status_line(made, hashes) == "GPU-verified: 1 of 3 kernels; changed since: none"
    assert ledger.status_line(made, hashes | {"exp": "7"}) == "GPU-verified: 0 of 3 kernels; changed since: exp"


PTXAS = """ptxas info    : Compiling entry function '_Z4moveIjEv6Places' for 'sm_90'
ptxas info    : Function properties for _Z4moveIjEv6Places
    {spill} bytes stack frame, {spill} bytes spill stores, {spill} bytes spill loads
ptxas info    : Used {registers} registers, used 0 barriers
"""
PTX = ".visible .entry _Z4moveIjEv6Places(\n.param .align 8 .b8 p[1] )\n{{ {body} }}"
WHOLE = "ld.global.nc.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1]; st.global.v2.f64 [%rd2], {%fd1, %fd2}; div.u32 %r1, %r2, %r3;"


@pytest.mark.parametrize("figures, body, fault", [
    ((0, 24), WHOLE, ""),
    ((8, 24), WHOLE, "spills 16 bytes"),
    ((0, 40), WHOLE, "has 40 registers, at most 32"),
    ((0, 24), WHOLE + "rem.s64 %rd1, %rd2, %rd3;", "divides 64-bit integers"),
    ((0, 24), WHOLE.replace("ld.global.nc.v4", "ld.shared.v4"), "accesses of 16 bytes are st, not ldst"),
    ((0, 24), WHOLE.replace("v2.f64", "v2.f32"), "accesses of 16 bytes are ld, not ldst"),
])
def test_lint_names_what_breaks_the_table(tool, figures, body, fault):
    lint = tool("lint")
    kernels = lint.kernels_of("cast", PTXAS.format(spill=figures[0], registers=figures[1]), PTX.format(body=body))
    found = lint.faults(kernels, lint.table("# words\ncast\tmove<*>\t32\tldst\n"))
    assert [kernel.name for kernel in kernels] == ["move<j>"]
    assert found == ([f"cast: move<j> {fault}".replace("> acc", ">: acc")] if fault else [])
    assert "matches no kernel" in lint.faults(kernels, lint.table("cast\tmove<*>\t40\t\ncast\tgone\t9\t"))[-1]
    assert "not in kernels.tsv" in lint.faults(kernels, [])[0]


@pytest.mark.unsanitized     # nvcc dies with a sanitizer's runtime preloaded
@pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is not here")
def test_lint_sees_planted_faults_in_what_nvcc_makes(tool, tmp_path, monkeypatch):
    lint = tool("lint")
    source = tmp_path / "planted.cu"
    source.write_text("""
        __global__ void divides(long *a, long b) { a[threadIdx.x] /= b; }
        __global__ void narrow(int *a) { a[threadIdx.x] += 1; }
        __global__ void __launch_bounds__(1024) spills(double *a)
        {
            double x[64];
            for (int i = 0; i < 64; i++) x[i] = a[i * 1024 + threadIdx.x];
            __syncthreads();
            for (int i = 0; i < 64; i++) a[i * 1024 + threadIdx.x] = x[i] * x[63 - i];
        }""")
    monkeypatch.setattr(lint, "FOLDER", tmp_path / "out")
    made = lint.compiled(source, ["nvcc", "-std=c++20", "-O3", "-arch=sm_90"], "")
    assert made == lint.compiled(source, ["nvcc", "-std=c++20", "-O3", "-arch=sm_90"], "")
    found = lint.faults(lint.kernels_of("planted", *made), lint.table("planted\t*\t255\tldst"))
    for words in ("divides divides 64-bit integers", "narrow: accesses of 16 bytes are none, not ldst", "spills spills"):
        assert any(words in fault for fault in found), found


@pytest.mark.skipif(not shutil.which("readelf") or not shutil.which("g++"), reason="takes binutils and g++")
def test_lint_sees_what_a_release_must_not_need(tool, tmp_path):
    lint, source, library = tool("lint"), tmp_path / "a.cpp", tmp_path / "a.so"
    clean = 'extern "C" { extern const int ct_cuda_backend; const int ct_cuda_backend = 1; }'
    source.write_text(clean)
    subprocess.run(["gcc", "-shared", "-fPIC", source, "-o", library], check=True)
    assert lint.linking_faults(library) == []
    source.write_text(clean + '\n#include <new>\nextern "C" { int PyErr_Occurred(); int *more() { return new int(PyErr_Occurred()); } }')
    subprocess.run(["g++", "-shared", "-fPIC", source, "-o", library], check=True)
    assert {"needs libstdc++.so.6", "shows more", "wants PyErr_Occurred"} <= set(lint.linking_faults(library))


def gpu_figures(text):
    """Lines about a GPU that state a speed."""
    speed = re.compile(r"\d\s*(?:us|µs|ms|GB/s|TB/s|TFLOP/s)\b|\d(?:\.\d+)?\s*(?:x\b|times\b)")
    return [line for line in text.splitlines() if re.search(r"GPU|CUDA|H100|H200", line) and speed.search(line)]


def test_readme_claims_no_speed_that_the_ledger_lacks():
    """A line with a GPU's figure names the row of the ledger's speeds, and its numbers are that row's."""
    assert gpu_figures("On a GPU `a + b` takes 2.1 us.\nThe CPU takes 3 us.") == ["On a GPU `a + b` takes 2.1 us."]
    speeds = json.loads((TOOLS / "ledger.json").read_text())["speeds"]
    for name in ("README.md", "CONTRIBUTING.md"):
        for line in gpu_figures((ROOT / name).read_text()):
            row = next((speed for row, speed in speeds.items() if row in line), None)
            assert row, f"{name}: {line}"
            stated = re.findall(r"(\d+(?:\.\d+)?)\s*(?:us|µs|x\b|times)", line)
            assert set(map(float, stated)) <= set(row.values()), f"{name}: {line}"
