"""What the measured figures say: ratios with their intervals, shares of the machine's limits, the table."""

import math
import random
import statistics

from benchmarks.targets import TARGETS, reason_of

BAR = 0.95
GROWTH = 1.1  # a time with more threads over that with one, above which they cost


class Result:
    """One row at one number of threads: the figures of every visit, of either module; `visits` of one process follow
    one another."""

    def __init__(self, row, threads, visits=1):
        self.row, self.threads = row, threads
        self.visits = 1 if row.fresh or row.exact else visits
        self.figures = {"ctorch": [], "torch": []}
        self.problem = ""  # why there is no time, or why it means nothing

    def minimum(self, name):
        return min((min(visit) for visit in self.figures[name]), default=math.nan)

    def median(self, name):
        medians = [statistics.median(visit) for visit in self.figures[name]]
        return statistics.median(medians) if medians else math.nan

    def typical(self, name):
        """The median over the processes of the least figure of each: what others do only adds to a time."""
        leasts = [min(visit) for visit in self.figures[name]]
        return statistics.median(min(leasts[k:k + self.visits]) for k in range(0, len(leasts), self.visits))

    def ratios(self):
        """PyTorch's figure over ctorch's, of each pair of neighbouring visits, from their minima."""
        return pairs(self.figures["torch"], self.figures["ctorch"])

    def interval(self):
        """Median ratio and its bootstrap 95 % interval, or None."""
        return None if self.problem else interval(self.ratios())


def pairs(above, below):
    """The ratios of the least figures of visits that stand side by side."""
    return [min(one) / max(min(other), 1e-3) for one, other in zip(above, below)]


def interval(ratios):
    """Median and bootstrap 95 % interval, or None."""
    if not ratios:
        return None
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(1000))
    return statistics.median(ratios), medians[25], medians[974]


def shown(value, unit):
    if math.isnan(value):
        return ""
    steps = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns")) if unit == "ns" else (
        (1e6, "MB"), (1e3, "KB"), (1, "B"))
    size, name = next((step for step in steps if abs(value) >= step[0]), steps[-1])
    return f"{value / size:.3g} {name}" if value / size < 1000 else f"{value / size:.0f} {name}"


def cell(result, name):
    if not result.figures[name]:
        return ""
    least, middle = result.minimum(name), result.median(name)
    text = shown(least, result.row.unit)
    if not result.row.exact:
        text += f" / {shown(middle, result.row.unit)}"
    if result.row.samples:
        text += f" ({result.row.samples / least * 1e6:.0f} K/s)"
    return text


def spread(copies, most=8):
    """A few of the measured copies, from the smallest to the largest."""
    sizes = sorted(copies.items())
    return sizes[::max(1, len(sizes) // most)]


def line(result, limits):
    name, ours, theirs = result.row.name, cell(result, "ctorch"), cell(result, "torch")
    if result.problem:
        return f"| {name} | {ours} | {theirs} | {result.problem} | |"
    interval, share = result.interval(), limits.share(result.row, result.minimum("ctorch"))
    ratio = "" if interval is None else "{:.2f}x".format(*interval)
    if interval and len(result.ratios()) > 1:
        ratio += " [{1:.2f}, {2:.2f}]".format(*interval)
    limit = "" if share is None else f"{share:.0%}"
    return f"| {name} | {ours} | {theirs} | {ratio} | {limit} |"


def mean_line(group, results):
    ratios = [interval[0] for result in results if (interval := result.interval())]
    if not ratios:
        return ""
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
    return f"{group}: {mean:.2f}x over {len(ratios)} rows"


def slow_lines(results):
    """Rows whose ratio is below 1.0, the worst first; those surely below the bar are named so."""
    measured = [(result.interval(), result) for result in results if result.interval()]
    below = sorted((interval, result.row.name, result.threads) for interval,
                   result in measured if interval[0] < 1)
    for (ratio, low, high), name, threads in below:
        mark = f", **below {BAR}**: {reason_of(name)}".removesuffix(": ") if high < BAR else ""
        plural = "s" if threads > 1 else ""
        yield f"- {ratio:.2f}x [{low:.2f}, {high:.2f}] {name}, {threads} thread{plural}{mark}"


def threads_lines(results):
    """Rows whose time grows with the threads, the worst first: those whose interval lies above a tenth more."""
    counts = sorted({result.threads for result in results})
    if len(counts) < 2:
        return
    few, many = ({result.row.name: result for result in results if result.threads == count} for count in (counts[0], counts[-1]))
    yield from ("", f"## Rows surely slower with {counts[-1]} threads than with {counts[0]}", "")
    for module in ("ctorch", "torch"):
        growth = {name: interval(pairs(many[name].figures[module], few[name].figures[module])) for name in many if name in few}
        measured = {name: found for name, found in growth.items() if found}
        slower = sorted((name for name in measured if measured[name][1] > GROWTH), key=measured.get, reverse=True)
        if measured:
            yield f"- {module}: {len(slower)} of {len(measured)}" + "".join(
                "; {} {:.2f}x [{:.2f}, {:.2f}]".format(name, *measured[name]) for name in slower)


def verdict(target, results, limits):
    """A target's line of the table; None if no row of it was measured."""
    mine = [result for result in results
            if target.rows(result.row) and result.figures["ctorch"] and not result.problem]
    ratios = {result.row.name: interval[0] for result in mine if (interval := result.interval())}
    shares = {result.row.name: share for result in mine
              if (share := limits.share(result.row, result.minimum("ctorch"))) is not None}
    wanted, reached, excess = [], [], []
    if math.isfinite(target.most) and mine:
        figure, unit = max(result.typical("ctorch") for result in mine), mine[0].row.unit
        wanted.append(f"at most {shown(target.most, unit)}")
        reached.append(shown(figure, unit))
        excess.append(figure / target.most)
    if target.ratio and ratios:
        worst = min(ratios, key=ratios.get)
        ratio = math.exp(statistics.fmean(map(math.log, ratios.values()))) if target.mean else ratios[worst]
        wanted.append(f"{target.ratio:g}x")
        reached.append(f"{ratio:.2f}x" + (f" (least: {ratios[worst]:.2f}x, {worst})" if len(ratios) > 1 else ""))
        excess.append(target.ratio / ratio)
    if target.share and shares:
        worst = min(shares, key=shares.get)
        wanted.append(f"{target.share:.0%}")
        reached.append(f"{shares[worst]:.0%} ({worst})")
        excess.append(target.share / shares[worst])
    if not wanted:
        return None
    short = max(excess) - 1
    held = f"short by {short:.0%}: {target.limit}".removesuffix(": ") if short > 0 else "yes"
    return f"| {target.name} | {', '.join(wanted)} | {', '.join(reached)} | {held} |"


def target_lines(results, limits):
    lines = [text for target in TARGETS if (text := verdict(target, results, limits))]
    return ["", "### Targets", "", "| target | wanted | reached | held |", "|---|---|---|---|", *lines] if lines else []


def report(results, limits, head):
    """The whole text, as lines of Markdown."""
    lines = list(head)
    for threads in sorted({result.threads for result in results}):
        mine = [result for result in results if result.threads == threads]
        limit = limits[threads]
        lines += ["", f"## {threads} thread{'s' if threads > 1 else ''}", ""]
        if limit.fma:
            copies = ", ".join(f"{rate:.0f} at {shown(size, 'bytes')}" for size, rate in spread(limit.copy))
            lines += [f"Peak: {limit.fma:.0f} GFLOP/s. Copies, GB/s: {copies}.", ""]
        groups = list(dict.fromkeys(result.row.group for result in mine))
        of_group = {group: [result for result in mine if result.row.group == group] for group in groups}
        lines += ["- " + text for group in groups if (text := mean_line(group, of_group[group]))]
        lines += target_lines(mine, limit)
        for group in groups:
            lines += ["", f"### {group}", "", "| row | ctorch | PyTorch | ratio | of limit |",
                      "|---|---|---|---|---|"]
            lines += [line(result, limit) for result in of_group[group]]
    wrong = [f"- {result.row.name}: {result.problem}" for result in results if result.problem]
    if wrong:
        lines += ["", "## Rows without a valid figure", "", *wrong]
    slow = list(slow_lines(results))
    certain = sum("**" in text for text in slow)
    lines += ["", "## Rows below 1.0", "", f"{len(slow)} rows, {certain} of them surely below {BAR}.", "",
              *slow, *threads_lines(results)]
    return lines


def record(results, limits, head):
    """The same as plain data, for JSON."""
    return {
        "head": head,
        "limits": {threads: {"fma": limit.fma, "copy": limit.copy} for threads, limit in limits.items()},
        "rows": [{
            "name": result.row.name, "class": result.row.group, "threads": result.threads,
            "unit": result.row.unit,
            "problem": result.problem, "figures": result.figures, "interval": result.interval(),
        } for result in results],
    }
