"""The outcome of a race as a test's outcome: what pytest reports, prints and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from pytest_benchgate.reports import race as words

if TYPE_CHECKING:
    from pytest_benchgate.results import Raced, RaceReport

Status: TypeAlias = "tuple[str, str, tuple[str, dict[str, bool]]]"
# The attribute of a test report with the result of its race.
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
}


def log(item: pytest.Item, raced: Raced, report: RaceReport) -> None:
    """Report a benchmark whose race is over, in the three phases that other plugins expect."""
    hook = item.config.hook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for when in ("setup", "call", "teardown"):
        outcome: Literal["passed", "failed", "skipped"] = "passed"
        text: str | tuple[str, int, str] | None = None
        if when == "call" and raced.failed:
            outcome, text = "failed", words.message(raced, report)
        elif when == "call" and raced.verdict in {"skipped", "gone"}:
            outcome, text = "skipped", (raced.path, raced.line, f"Skipped: {raced.reason} ({raced.side})")
        test_report = pytest.TestReport(
            nodeid=item.nodeid, location=item.location, keywords=dict.fromkeys(item.keywords, 1), outcome=outcome,
            longrepr=text, when=when, duration=raced.seconds if when == "call" else 0.0,
        )  # fmt: skip
        if when == "call":
            setattr(test_report, RACED, raced)
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
    setattr(test_report, RACED, raced)
    config.hook.pytest_runtest_logreport(report=test_report)
    config.hook.pytest_runtest_logfinish(nodeid=raced.nodeid, location=location)


def status(report: pytest.TestReport | pytest.CollectReport) -> Status | None:
    """Return category, letter and word of a raced test, as pytest_report_teststatus does; None for other reports."""
    raced: Raced | None = getattr(report, RACED, None)
    if raced is None or raced.verdict == "skipped":
        return None
    word = raced.verdict.upper()
    if raced.change is not None:
        word += f" {words.percent(raced.change)}"
    cautious = raced.verdict in {"unsure", "placement", "gone", "accepted"}
    colour = "red" if raced.failed else "yellow" if cautious else "green"
    letter = "F" if raced.failed and raced.verdict == "same" else LETTERS[raced.verdict]
    return report.outcome, letter, (word, {colour: True})
