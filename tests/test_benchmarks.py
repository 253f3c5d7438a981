"""The benchmarks themselves: rows can be made and run, and a report tells slow and wrong rows from good ones."""

import math

import pytest

import ctorch
from benchmarks.__main__ import same
from benchmarks.report import Result, mean_line, report, slow_lines, threads_lines, verdict
from benchmarks.row import Row, all_rows
from benchmarks.targets import REASONS, TARGETS, Target, reason_of
from benchmarks.worker import Server, numbers

pytestmark = pytest.mark.cpu

ROWS = {row.name: row for row in all_rows()}
QUICK = {"call", "recorded call", "scalar access", "lecture model", "MLP", "data"}


class NoLimits:
    fma, copy = None, {}

    def share(self, row, ns):
        return None


def result(ours, theirs, name="row", threads=1):
    made = Result(Row(name, "class", None), threads)
    made.figures = {"ctorch": [[value] for value in ours], "torch": [[value] for value in theirs]}
    return made


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.group in QUICK])
def test_row_runs(name):
    server = Server("ctorch", 1, "wall")
    values = server.answer({"do": "check", "row": name})
    assert all(math.isfinite(value) for value in values)
    assert min(server.answer({"do": "time", "row": name, "seconds": 0})) > 0


def test_samples_hold_the_shape():
    assert numbers(ctorch.zeros(2, 3)) != numbers(ctorch.zeros(3, 2))
    assert len(numbers(ctorch.zeros(1 << 16))) < 1000


@pytest.mark.parametrize("ours, theirs, agree", [
    ([1.0, math.nan], [1.0, math.nan], True), ([1.0], [1.00001], True), ([math.inf], [math.inf], True),
    ([1.0], [1.001], False), ([1.0], [1.0, 1.0], False), ([math.nan], [1.0], False), ([math.inf], [1.0], False),
])
def test_same(ours, theirs, agree):
    assert same(ours, theirs) == agree


def test_below_the_bar_only_when_the_interval_is():
    surely = result([10.0] * 9, [9.0] * 9, "surely")
    perhaps = result([10.0] * 9, [9.0] * 5 + [10.0] * 4, "perhaps")
    good = result([10.0] * 9, [20.0] * 9, "good")
    lines = list(slow_lines([good, perhaps, surely]))
    assert [("surely" in line, "below" in line) for line in lines] == [(True, True), (False, False)]
    assert mean_line("class", [good]) == "class: 2.00x over 1 rows"


def test_rows_that_threads_slow_down():
    one = [result([10.0] * 3, [10.0] * 3, "a"), result([10.0] * 3, [10.0] * 3, "b"), result([10.0] * 3, [], "c"),
           result([10.0] * 3, [10.0] * 3, "perhaps"), result([1.0], [1.0], "alone")]
    two = [result([12.0] * 3, [9.0] * 3, "a", 2), result([10.5] * 3, [20.0] * 3, "b", 2), result([20.0] * 3, [], "c", 2),
           result([10.5, 12.0, 12.0], [11.0] * 3, "perhaps", 2)]
    assert list(threads_lines(one)) == []
    lines = list(threads_lines(one + two))
    assert lines[1] == "## Rows surely slower with 2 threads than with 1"
    assert lines[3:] == ["- ctorch: 2 of 4; c 2.00x [2.00, 2.00]; a 1.20x [1.20, 1.20]", "- torch: 1 of 3; b 2.00x [2.00, 2.00]"]


def test_targets_are_about_rows_and_their_verdicts_about_figures():
    assert all(any(target.rows(row) for row in ROWS.values()) for target in TARGETS)
    target = Target("calls", lambda row: True, ratio=2, most=60)
    slow = result([100.0, 50.0, 90.0, 70.0], [400.0] * 4, "slow")
    slow.visits = 2  # two processes, whose leasts are 50 and 70
    assert verdict(target, [slow], NoLimits()) == "| calls | at most 60 ns, 2x | 60 ns, 5.08x | yes |"
    slow.visits = 1
    assert "| 80 ns, 5.08x | short by 33% |" in verdict(target, [slow], NoLimits())
    assert "| short by 33%: the clock |" in verdict(target._replace(limit="the clock"), [slow], NoLimits())
    other = result([1.0] * 4, [1.0] * 4, "other")
    ratio_only = target._replace(most=math.inf)
    assert "1.00x (least: 1.00x, other) | short by 100%" in verdict(ratio_only, [slow, other], NoLimits())
    assert "2.25x (least: 1.00x, other) | yes" in verdict(ratio_only._replace(mean=True), [slow, other], NoLimits())


def test_rows_surely_below_the_bar_say_what_is_in_the_way():
    assert all(any(pattern.search(row) for row in ROWS) for pattern, _ in REASONS)
    rows = [result([2.0] * 3, [1.0] * 3, "t.roll(5, 1)"), result([2.0] * 3, [1.0] * 3, "nobody knows"), result([1.02] * 3, [1.0] * 3, "x.half()")]
    assert list(slow_lines(rows)) == [
        "- 0.50x [0.50, 0.50] nobody knows, 1 thread, **below 0.95**",
        f"- 0.50x [0.50, 0.50] t.roll(5, 1), 1 thread, **below 0.95**: {reason_of('t.roll(5, 1)')}",
        "- 0.98x [0.98, 0.98] x.half(), 1 thread"]


def test_wrong_result_has_no_ratio():
    wrong = result([1.0], [9.0], "wrong")
    wrong.problem = "WRONG RESULT"
    text = "\n".join(report([wrong, result([1.0], [9.0], "right")], {1: NoLimits()}, []))
    assert "- wrong: WRONG RESULT" in text and text.count("9.00x") == 3
    assert wrong.interval() is None


def test_without_pytorch_only_our_column():
    text = "\n".join(report([result([1.0], [])], {1: NoLimits()}, []))
    assert "| row | 1 ns / 1 ns |  |  |  |" in text and "0 rows" in text
