"""The outcome of a race as a test's outcome: what pytest reports, prints and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from pytest_benchgate.reports import properties
from pytest_benchgate.reports import race as words
from pytest_benchgate.reports.quantity import in_device_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.results import Raced, RaceReport

Outcome: TypeAlias = Literal["passed", "failed", "skipped"]
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
    first, failures = races[0], [words.message(raced, report) for raced in races if raced.failed]
    outcome: Outcome = "passed"
    text: str | tuple[str, int, str] | None = None
    if failures:
        outcome, text = "failed", "\n\n".join(failures)
    elif all(raced.verdict in {"skipped", "gone"} for raced in races):
        outcome, text = "skipped", (first.path, first.line, f"Skipped: {first.reason} ({first.side})")
    _log(item.config, item.location, [*item.keywords], races, report, outcome, text)


def log_missing(config: pytest.Config, raced: Raced, report: RaceReport) -> None:
    """Report a benchmark that head lacks as a test that failed."""
    location = (raced.path, raced.line - 1, raced.name)
    _log(config, location, [raced.name], [raced], report, "failed", words.message(raced, report))


def _log(
    config: pytest.Config,
    location: tuple[str, int | None, str],
    keywords: Sequence[str],
    races: Sequence[Raced],
    report: RaceReport,
    outcome: Outcome,
    text: str | tuple[str, int, str] | None,
) -> None:
    nodeid, found = races[0].nodeid, properties.of_races(races, report)
    config.hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
    for when in ("setup", "call", "teardown"):
        is_call = when == "call"
        test_report = pytest.TestReport(
            nodeid=nodeid, location=location, keywords=dict.fromkeys(keywords, 1), when=when,
            outcome=outcome if is_call else "passed", longrepr=text if is_call else None,
            duration=_seconds(races) if is_call else 0.0, user_properties=found,
        )  # fmt: skip
        if is_call:
            setattr(test_report, RACED, races)
        config.hook.pytest_runtest_logreport(report=test_report)
    config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)


def _seconds(races: Sequence[Raced]) -> float:
    """Return how long the races of a test took: its claims one after the other, both clocks at once."""
    seconds = [raced.seconds for raced in races]
    return max(seconds) if races[0].claim is None else sum(seconds)


def status(report: pytest.TestReport | pytest.CollectReport) -> Status | None:
    """Return category, letter and word of a raced test, as pytest_report_teststatus does; None for other reports."""
    races: Sequence[Raced] = getattr(report, RACED, ())
    if all(raced.verdict == "skipped" for raced in races):
        return None
    # What matters most decides the letter and the colour.
    raced = min(races, key=lambda one: (not one.failed, words.ORDER.index(one.verdict)))
    letter = "F" if raced.failed and raced.verdict == "same" else LETTERS[raced.verdict]
    return report.outcome, letter, (", ".join(map(_word, races)), {words.colour(raced) or "green": True})


def _word(raced: Raced) -> str:
    return " ".join(filter(None, (raced.verdict.upper(), words.figure(raced)))) + in_device_time(raced)
