"""What run.sh prints last: python tools/gpu/report.py OUT STAGES.

STAGES has a line per stage: name, exit status, seconds, limit.  Every failure is named, up to a number per stage.
"""

import json
import re
import sys
from pathlib import Path

SHOWN = 12
# The first is ours, the others are pytest's with -v and compute-sanitizer's.
FAILURE = re.compile(r"^FAILED .*|^ERROR .*|.*::.* (?:FAILED|ERROR)\b"
                     r"|^=+ (?:Error|Invalid|Out-of-range|Warning: Race|Uninit).*"
                     r"|^=+ ERROR SUMMARY: [1-9].*|.*\berror: .*")
LOGS = {"env": "run.log", "build": "run.log", "test": "test.log", "sanitize": "sanitize.log", "parity": "run.log",
        "bench": "run.log"}


def load(out, name):
    path = Path(out, name)
    return json.loads(path.read_text()) if path.exists() else None


def section(out, stage):
    """What a stage printed: run.sh puts a line '#### name' before it."""
    path = Path(out, LOGS[stage])
    text = path.read_text(errors="replace") if path.exists() else ""
    return text.rpartition(f"#### {stage}\n")[2].partition("\n#### ")[0]


def failures(text):
    found = list(dict.fromkeys(line.strip() for line in text.splitlines() if FAILURE.match(line)))
    names = [re.sub(r"^FAILED |^ERROR | (FAILED|ERROR)\b.*$", "", line) for line in found]
    # pytest names a failed test when it fails and again at the end.
    return [line for k, line in enumerate(found) if not any(names[k].startswith(name) for name in names[:k] if name)]


def word(code, seconds, limit):
    if code == 0:
        return "passed"
    return f"OVER ITS {limit} s" if seconds >= limit else f"FAILED (status {code})"


def stage_lines(out, stages):
    for line in Path(stages).read_text().splitlines():
        name, code, seconds, limit = line.split("\t")
        text = section(out, name)
        last = next((said for said in reversed(text.strip().splitlines()) if said.strip()), "")
        yield f"{name:9} {int(seconds):4} s  {word(int(code), int(seconds), int(limit))}: {last.strip('= ')[:90]}"
        found = failures(text)
        if int(code) and not found:
            found = [said for said in text.strip().splitlines()[-3:]]
        yield from (f"    {said[:150]}" for said in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"    and {len(found) - SHOWN} more: {LOGS[name]}"


def rate(row):
    """Bytes and operations as rates, where the row counts them."""
    work, us = row["work"], row["ctorch"]["median"]
    if not work:
        return ""
    return f"{work / us / 1e3:7.0f} GB/s" if row["kind"] == "bandwidth" else (
        f"{work / us / 1e6:7.1f} TFLOP/s" if row["kind"] == "gemm" else "")


def bench_lines(out):
    bench = load(out, "bench.json")
    for row in bench["rows"] if bench and not bench["simulated"] else []:
        ours, theirs = row.get("ctorch"), row.get("torch")
        if not ours:
            continue
        peer = f"{theirs['median']:10.1f}  {theirs['median'] / ours['median']:6.2f}x" if theirs else ""
        yield f"  {row['name'][:52]:52} {ours['median']:10.1f} {peer} {rate(row)}"


def main():
    out, stages = sys.argv[1:3]
    environment = load(out, "env.json")
    if environment:
        print(f"{environment['card']}, driver {environment['driver']}, nvcc {environment['nvcc']}, "
              f"PyTorch {environment['torch']}, limits {environment['limits']}")
    lines = list(bench_lines(out))
    if lines:
        print("\n  row, us: ctorch, PyTorch, ratio", *lines, sep="\n")
    print()
    print(*stage_lines(out, stages), sep="\n")


if __name__ == "__main__":
    main()
