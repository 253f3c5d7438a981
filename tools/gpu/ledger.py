"""Which kernels a card has verified, and in which version: tools/gpu/ledger.json.

    python tools/gpu/ledger.py               "GPU-verified: n of m kernels; changed since: ...", without a GPU
    python tools/gpu/ledger.py --list        and the names of those not verified: the agenda of the next run
    python tools/gpu/ledger.py --merge OUT   OUT/ledger.json: the ledger with the results of a run in OUT added

A kernel is verified if every comparison that names it passed on a card, with the source it has now.  Speeds that
README.md states are rows of "speeds".  What the simulated device computes is never entered.
"""

import argparse
import datetime
import json
import sys
from pathlib import Path

from kernels import kernels

LEDGER = Path(__file__).with_name("ledger.json")


def read(path=LEDGER):
    return json.loads(Path(path).read_text())


def state(ledger, hashes):
    """(verified, changed, never) names."""
    known = ledger["kernels"]
    verified = [name for name, value in hashes.items() if known.get(name, {}).get("hash") == value]
    changed = [name for name in hashes if name in known and name not in verified]
    return verified, changed, [name for name in hashes if name not in known]


def status_line(ledger, hashes):
    verified, changed, _ = state(ledger, hashes)
    shown = ", ".join(changed[:8]) + (f" and {len(changed) - 8} more" if len(changed) > 8 else "")
    return f"GPU-verified: {len(verified)} of {len(hashes)} kernels; changed since: {shown or 'none'}"


def verified_by(parity, hashes):
    """{kernel: (worst error, least us)} of those whose comparisons all passed; a run that was cut short verifies none
    of the kernels that it did not reach."""
    rows = {}
    for row in parity["rows"]:
        for name in row["kernels"]:
            rows.setdefault(name, []).append(row)
    return {name: (max(row["error"] for row in found), min((row["us"] for row in found if row.get("us")), default=None))
            for name, found in rows.items()
            if name in hashes and all(row["error"] <= row["tolerance"] for row in found)}


def speeds_of(bench):
    """What the README may say, a line a row: ours, PyTorch's, their ratio."""
    found = {}
    for row in bench["rows"]:
        ours, theirs = row.get("ctorch"), row.get("torch")
        if ours and theirs:
            found[row["name"]] = {"us": round(ours["median"], 2), "torch_us": round(theirs["median"], 2),
                                  "ratio": round(theirs["median"] / ours["median"], 2)}
    return found


def merged(ledger, environment, parity, bench, hashes, date):
    made = {"kernels": dict(ledger["kernels"]), "speeds": dict(ledger["speeds"])}
    for name, (error, us) in sorted(verified_by(parity, hashes).items()):
        made["kernels"][name] = {"hash": hashes[name], "card": environment["card"], "driver": environment["driver"],
                                 "date": date, "error": error, "us": us}
    for row in parity["rows"]:
        if not row["error"] <= row["tolerance"]:
            for name in row["kernels"]:
                made["kernels"].pop(name, None)
    for name, speed in (speeds_of(bench) if bench and not bench["simulated"] else {}).items():
        made["speeds"][name] = speed | {"card": environment["card"], "date": date}
    made["kernels"] = {name: made["kernels"][name] for name in sorted(made["kernels"]) if name in hashes}
    return made


def text_of(ledger):
    """One line an entry, so that a change of one is one line of a diff."""
    parts = []
    for part, entries in ledger.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
        content = "{\n" + ",\n".join(lines) + "\n }" if lines else "{}"
        parts.append(f" {json.dumps(part)}: {content}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def merge(out):
    parts = {}
    for name in ("env", "parity", "bench"):
        path = Path(out, f"{name}.json")
        parts[name] = json.loads(path.read_text()) if path.exists() else None
    if not parts["env"] or not parts["parity"]:
        return "ledger: no results to add (env.json or parity.json is missing)"
    if "simulated" in parts["parity"]["card"]:
        return "ledger: the simulated device verifies nothing"
    hashes, date = kernels(), datetime.date.today().isoformat()
    ledger = merged(read(), parts["env"], parts["parity"], parts["bench"], hashes, date)
    Path(out, "ledger.json").write_text(text_of(ledger))
    return status_line(ledger, hashes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merge", metavar="OUT")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.merge:
        print(merge(options.merge))
        return 0
    hashes = kernels()
    print(status_line(read(), hashes))
    if options.list:
        _, changed, never = state(read(), hashes)
        for name in changed + never:
            print(f"  {name}{' (changed)' if name in changed else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
