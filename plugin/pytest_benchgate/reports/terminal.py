"""The section in the terminal, after pytest-benchmark's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.reports import advice, race
from pytest_benchgate.reports.columns import aligned
from pytest_benchgate.reports.quantity import device_time, line, percent, printable, rates, scaled, shares, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.results import RaceReport, Report, Result

# Characters of the reason why a time was withheld.
MOST_REASON = 1000
HEADER = ("benchmark", "median", "rate", "of the limit", "on device")


def render(report: Report) -> list[str]:
    """Return the lines of the section, as for a log."""
    return [text for text, _ in coloured(report)]


def coloured(report: Report, columns: int | None = None, *, quiet: bool = False) -> list[tuple[str, str]]:
    """Return the lines of the section, each with its colour; none if pytest-benchmark's tables say it all.

    Tables take at most so many columns; a quiet section is one line.
    """
    if report.race and quiet:
        colours = {race.colour(raced) for raced in report.race.raced}
        return [(line(race.heading(report.race)), "red" if "red" in colours else "")]
    if report.race:
        return _race(report.race, columns)
    gated = [result for result in report.results if result.verified or result.work or result.device_ns is not None]
    if not (gated or report.withheld):
        return []
    lines = [(_counts(report), "red" if report.withheld and quiet else "")]
    return lines if quiet else [*lines, *_gated(report, gated, columns)]


def _counts(report: Report) -> str:
    verified = sum(result.verified for result in report.results)
    timed = sum(entry.timed for entry in report.withheld)
    return f"{verified} of {len(report.results)} times verified by gate, {len(report.withheld)} withheld" + (
        f" ({timed} timed and taken back, {len(report.withheld) - timed} not timed)" if report.withheld else ""
    )


def _gated(report: Report, gated: list[Result], columns: int | None) -> Iterator[tuple[str, str]]:
    """Yield the rows of benchmarks, sorted by group and median, then what is suspicious or withheld."""
    results = [result for result in gated if result.work or result.device_ns is not None]
    ordered = sorted(results, key=lambda result: (result.group or "", result.median_s))
    rows = [
        (shortened(r.name), scaled(r.median_s, "s"), line(rates(r)), line(shares(r)), device_time(r)) for r in ordered
    ]
    yield from ((text, "") for text in table([HEADER, *rows], columns))
    yield from ((f"suspicious: {shortened(r.name)} is {line(r.suspicious)}", "yellow") for r in gated if r.suspicious)
    for entry in report.withheld:
        when = "its time was taken back" if entry.timed else "it was not timed"
        name, reason = shortened(entry.name), shortened(entry.reason, MOST_REASON)
        yield f"withheld: {name} ({line(entry.phase)}, {when}): {reason}", "red"


def _race(report: RaceReport, columns: int | None) -> list[tuple[str, str]]:
    """Return the races, slowest first, then notes, verdicts to explain, and the totals."""
    header, cells = race.columns(report)
    rows = [(shortened(raced.title), *map(shortened, row)) for raced, row in cells]
    colours = ["", *(race.colour(raced) for raced, _ in cells)]
    lines = [*zip(table([(race.HEADER[0], *header), *rows], columns), colours, strict=False)]
    lines += [(f"note: {line(note)}", "yellow") for note in report.notes]
    for raced in race.ordered(report):
        name, colour = f"{raced.verdict}: {shortened(raced.title)}", race.colour(raced)
        if race.is_told(raced) and not (report.relinked and raced.placements):
            lines.append((f"{name} {line(race.reason(raced))}", colour))
        lines += [(f"{name}: {line(one)}", colour) for one in race.explained(raced).splitlines()]
    lines += [(line(text), "") for text in race.placed(report)]
    seen = [raced.visible for raced in report.raced if raced.visible is not None]
    if seen:
        alarms = sum(raced.verdict == "slower" for raced in report.raced)
        text = (
            f"null race: {alarms} alarms; the smallest slowdown that could have been seen is "
            f"{percent(min(seen))[1:]} to {percent(max(seen))[1:]}, by benchmark"
        )
        lines.append((text, ""))
    lines += [(line(race.heading(report)), ""), (race.terms(report), "")]
    # Commands are whole, to be copied.
    for words, command in advice.steps(report):
        lines += [(f"{line(words)}:", ""), *((f"    {printable(one)}", "") for one in command.split("\n"))]
    return lines


def table(rows: Sequence[Sequence[str]], columns: int | None = None) -> list[str]:
    """Return rows, the first of which is the header, aligned, without empty columns; none without further rows."""
    if len(rows) == 1:
        return []
    found = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return aligned([*zip(*found, strict=True)], columns)
