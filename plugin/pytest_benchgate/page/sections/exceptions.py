"""What has no time, or passes although it is not the same, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.page.model import Cell, Column, Row, Section, Table, anchor, anchor_of
from pytest_benchgate.reports import claims, race
from pytest_benchgate.reports.quantity import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.page.model import Source

# Characters of a reason.
MOST_REASON = 1000
# Verdicts whose reason stands elsewhere on the page.
ELSEWHERE = {"placement"}


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return one section for all sources."""
    rows = [row for source in sources for row in (*_withheld(source), *_raced(source), *_suspicious(source))]
    if rows:
        title = "Withheld, gone, accepted: and why"
        columns = [Column("phase or side", "text"), Column("reason", "text"), Column("place", "text")]
        yield Section("why-not", title, (), [Table("reasons", title, columns, rows)])


def _withheld(source: Source) -> Iterator[Row]:
    for entry in source.report.withheld:
        when = f"{entry.phase}, {'time taken back' if entry.timed else 'not timed'}"
        cells = [Cell(when), Cell(shortened(entry.reason, MOST_REASON)), _place(entry.path, entry.line)]
        yield Row(entry.nodeid, entry.name, cells, anchor("withheld", source.key, entry.nodeid), "withheld")


def _raced(source: Source) -> Iterator[Row]:
    report = source.report.race
    for raced in race.ordered(report) if report else ():
        if race.is_told(raced) and raced.verdict not in ELSEWHERE:
            reason = raced.reason.strip() or raced.accepted
            if raced.verdict == "accepted" or raced.claim:
                reason = claims.reason(raced) if raced.claim else race.reason(raced)
            cells = [Cell(raced.side), Cell(shortened(reason, MOST_REASON)), _place(raced.path, raced.line)]
            yield Row(raced.nodeid, raced.title, cells, anchor_of("reason", source, raced), raced.verdict)


def _suspicious(source: Source) -> Iterator[Row]:
    for result in source.report.results:
        if result.suspicious:
            cells = [Cell("time"), Cell(shortened(result.suspicious, MOST_REASON)), Cell("")]
            yield Row(result.nodeid, result.name, cells, anchor("doubt", source.key, result.nodeid), "suspicious")


def _place(path: str, line: int) -> Cell:
    return Cell(shortened(f"{path}:{line}" if path else ""))
