"""Claims: what was measured, beside what is claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.page.figures import forest, scale
from pytest_benchgate.page.model import Cell, Column, Row, Section, Table, anchor_of
from pytest_benchgate.page.sections import explanations
from pytest_benchgate.reports import advice, claims, race
from pytest_benchgate.reports.quantity import scaled, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.page.figures.scale import Scale
    from pytest_benchgate.page.model import Source
    from pytest_benchgate.results import Raced, RaceReport

# The distance from a claim up to which the axis is linear.
NEAR = 0.1
LEGEND = (
    ("point", "a launch"),
    ("interval", "interval of the median"),
    ("middle", "median"),
    ("zero", "what is claimed: further right is slower"),
)


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return a section for each session of claims."""
    found = [source for source in sources if source.report.race and source.report.race.claims]
    for index, source in enumerate(found):
        report = source.report.race
        if report is not None:
            yield Section(
                anchor=f"claims{index or ''}",
                title="Claims" if len(found) == 1 else f"Claims: {source.title}",
                intro=[race.heading(report), claims.terms(report), *report.notes, *source.problems],
                parts=[_table(source, report)] if report.raced else [],
                legend=LEGEND,
                commands=advice.steps(report),
            )


def _table(source: Source, report: RaceReport) -> Table:
    raced = race.ordered(report)
    axis = scale.changes([value for one in raced for value in _margins(one)], NEAR)
    columns = [
        Column("distance from the claim", "drawing", forest.axis(axis)),
        Column("claim", "text"),
        *map(Column, ("measured", "interval", "other", "own", "launches", "took")),
    ]
    rows = [
        Row(
            one.nodeid,
            one.title,
            _cells(one, axis),
            anchor_of("claim", source, one),
            one.verdict,
            explanations.detail(source, one),
        )
        for one in raced
    ]
    return Table("claims", "Claims", columns, rows)


def _margins(raced: Raced) -> list[float]:
    """Return the median and its interval as distances from the claim, above 0 if slower than claimed."""
    bound = raced.claim.bound if raced.claim else 0.0
    return [value - bound for value in (raced.low, raced.change, raced.high) if value is not None]


def _cells(raced: Raced, axis: Scale) -> list[Cell]:
    text = Cell(shortened(raced.claim.text if raced.claim else ""))
    took = Cell(scaled(raced.seconds, "s"), raced.seconds)
    margins = _margins(raced)
    if len(margins) < 3:  # noqa: PLR2004  # an interval and its median
        return [Cell(claims.reason(raced)), text, *[Cell("")] * 5, took]
    bound = raced.claim.bound if raced.claim else 0.0
    _, _, measured, interval, _, other, own, launches, _, _ = claims.row(raced)
    low, middle, high = margins
    drawing = forest.row([number - bound for number in raced.numbers], (low, high), middle, (), axis)
    return [
        Cell(drawing),
        text,
        Cell(measured, middle),
        Cell(interval, high),
        Cell(other, raced.base_s),
        Cell(own, raced.head_s),
        Cell(launches),
        took,
    ]
