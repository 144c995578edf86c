"""The outcome of a race as a test's outcome: what pytest reports, prints and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from pytest_benchgate.reports import race as words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.results import Raced, RaceReport

Status: TypeAlias = "tuple[str, str, tuple[str, dict[str, bool]]]"
# The attribute of a test report with the results of its races: one, or one for each of its claims.
RACED = "benchgate_raced"
LETTERS = {
    "slower": "S",
    "error": "E",
    "unsure": "?",
    "same": ".",
    "faster": "f",
    "new": "n",
    "gone": "g",
    "accepted": "a",
    "placement": "p",
    "holds": ".",
    "refuted": "R",
    "withheld": "W",
}


def log(item: pytest.Item, races: Sequence[Raced], report: RaceReport) -> None:
    """Report a benchmark whose races are over, in the three phases that other plugins expect."""
    hook, first = item.config.hook, races[0]
    failures = [words.message(raced, report) for raced in races if raced.failed]
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for when in ("setup", "call", "teardown"):
        outcome: Literal["passed", "failed", "skipped"] = "passed"
        text: str | tuple[str, int, str] | None = None
        if when == "call" and failures:
            outcome, text = "failed", "\n\n".join(failures)
        elif when == "call" and all(raced.verdict in {"skipped", "gone"} for raced in races):
            outcome, text = "skipped", (first.path, first.line, f"Skipped: {first.reason} ({first.side})")
        test_report = pytest.TestReport(
            nodeid=item.nodeid, location=item.location, keywords=dict.fromkeys(item.keywords, 1), outcome=outcome,
            longrepr=text, when=when, duration=sum(raced.seconds for raced in races) if when == "call" else 0.0,
        )  # fmt: skip
        if when == "call":
            setattr(test_report, RACED, races)
        hook.pytest_runtest_logreport(report=test_report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def log_missing(config: pytest.Config, raced: Raced, report: RaceReport) -> None:
    """Report a benchmark that head lacks as a test that failed."""
    location = (raced.path, raced.line - 1, raced.name)
    config.hook.pytest_runtest_logstart(nodeid=raced.nodeid, location=location)
    test_report = pytest.TestReport(
        nodeid=raced.nodeid, location=location, keywords={raced.name: 1}, outcome="failed",
        longrepr=words.message(raced, report), when="call",
    )  # fmt: skip
    setattr(test_report, RACED, [raced])
    config.hook.pytest_runtest_logreport(report=test_report)
    config.hook.pytest_runtest_logfinish(nodeid=raced.nodeid, location=location)


def status(report: pytest.TestReport | pytest.CollectReport) -> Status | None:
    """Return category, letter and word of a raced test, as pytest_report_teststatus does; None for other reports."""
    races: Sequence[Raced] = getattr(report, RACED, ())
    if all(raced.verdict == "skipped" for raced in races):
        return None
    # What matters most decides the letter and the colour.
    raced = min(races, key=lambda one: (not one.failed, words.ORDER.index(one.verdict)))
    cautious = raced.verdict in {"unsure", "placement", "gone", "accepted"}
    colour = "red" if raced.failed else "yellow" if cautious else "green"
    letter = "F" if raced.failed and raced.verdict == "same" else LETTERS[raced.verdict]
    return report.outcome, letter, (", ".join(map(_word, races)), {colour: True})


def _word(raced: Raced) -> str:
    return " ".join(filter(None, (raced.verdict.upper(), words.figure(raced))))
