"""The section in the terminal, after pytest-benchmark's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.reports import advice, race
from pytest_benchgate.reports.quantity import device_time, line, percent, printable, rates, scaled, shares, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.results import RaceReport, Report, Result

# Characters of the reason why a time was withheld.
MOST_REASON = 1000
HEADER = ("benchmark", "median", "rate", "of the limit", "on device")


def render(report: Report) -> list[str]:
    """Return the lines of the section; none if there is nothing to add to pytest-benchmark's tables."""
    if report.race:
        return _race(report.race)
    gated = [result for result in report.results if result.verified or result.work or result.device_ns is not None]
    if not (gated or report.withheld):
        return []
    verified = sum(result.verified for result in report.results)
    timed = sum(entry.timed for entry in report.withheld)
    lines = [
        f"{verified} of {len(report.results)} times verified by gate, {len(report.withheld)} withheld"
        + (f" ({timed} timed and taken back, {len(report.withheld) - timed} not timed)" if report.withheld else "")
    ]
    lines += _table([result for result in gated if result.work or result.device_ns is not None])
    lines += [f"suspicious: {shortened(r.name)} is {line(r.suspicious)}" for r in gated if r.suspicious]
    for entry in report.withheld:
        when = "its time was taken back" if entry.timed else "it was not timed"
        lines.append(
            f"withheld: {shortened(entry.name)} ({entry.phase}, {when}): {shortened(entry.reason, MOST_REASON)}"
        )
    return lines


def colour(line: str) -> dict[str, bool]:
    """Return the colour of a line, as keywords of pytest's terminal writer."""
    return {
        "red": line.startswith(("withheld:", "slower:", "refuted:")),
        "yellow": line.startswith(("suspicious:", "note:")),
    }


def _table(results: list[Result]) -> list[str]:
    """Return rows sorted by group and median, without empty columns."""
    if not results:
        return []
    ordered = sorted(results, key=lambda result: (result.group or "", result.median_s))
    rows = [
        (shortened(r.name), scaled(r.median_s, "s"), line(rates(r)), line(shares(r)), device_time(r)) for r in ordered
    ]
    return _columns([HEADER, *rows])


def _race(report: RaceReport) -> list[str]:
    """Return the races, slowest first, then notes, verdicts to explain, and the totals."""
    header, cells = race.columns(report)
    rows = [(shortened(raced.name), *row) for raced, row in cells]
    lines = _columns([(race.HEADER[0], *header), *rows]) if rows else []
    lines += [f"note: {line(note)}" for note in report.notes]
    for raced in race.ordered(report):
        name = f"{raced.verdict}: {shortened(raced.name)}"
        if race.is_told(raced) and not (report.relinked and raced.placements):
            lines.append(f"{name} {line(race.reason(raced))}")
        lines += [f"{name}: {line(one)}" for one in race.explained(raced).splitlines()]
    lines += [line(text) for text in race.placed(report)]
    seen = [raced.visible for raced in report.raced if raced.visible is not None]
    if seen:
        alarms = sum(raced.verdict == "slower" for raced in report.raced)
        lines.append(
            f"null race: {alarms} alarms; the smallest slowdown that could have been seen is "
            f"{percent(min(seen))[1:]} to {percent(max(seen))[1:]}, by benchmark"
        )
    lines += [line(race.heading(report)), race.terms(report)]
    # Commands are whole, to be copied.
    for words, command in advice.steps(report):
        lines += [f"{line(words)}:", *(f"    {printable(one)}" for one in command.split("\n"))]
    return lines


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows, the first of which is the header, aligned in columns, without empty ones."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
