"""Races: each benchmark's launches, interval and threshold, slowest first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_benchgate.page.figures import forest, scale
from pytest_benchgate.page.model import Cell, Column, Row, Section, Table, anchor_of
from pytest_benchgate.page.sections import explanations
from pytest_benchgate.reports import advice, race
from pytest_benchgate.reports.quantity import percent, scaled, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.page.figures.scale import Scale
    from pytest_benchgate.page.model import Source
    from pytest_benchgate.results import Raced, RaceReport

CHANGE = "change of the time of a call"
COUNTED = "change of the instructions of a call"
TITLES = ("threshold", "change", "interval", "base", "head", "launches", "took")
# Characters of a reason.
MOST_REASON = 200
LEGEND = (
    ("point", "a launch"),
    ("interval", "interval of the median, with 95 % confidence unless another is stated"),
    ("middle", "median"),
    ("zero", "no change"),
    ("edge", "threshold: further right is slower"),
)
# Coverages from here on are 95 %.
USUAL = 0.945
RELINKED = (("point", "a pair of builds"), *LEGEND[3:])


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return a section for each race."""
    found = [source for source in sources if source.report.race and not source.report.race.claims]
    for index, source in enumerate(found):
        report = source.report.race
        if report is not None:
            title = "Race" if len(found) == 1 else f"Race: {source.title}"
            yield Section(
                anchor=f"race{index or ''}",
                title=title,
                intro=[race.heading(report), race.terms(report), *race.placed(report), *report.notes, *source.problems],
                parts=[_table(source, report)] if report.raced else [],
                legend=RELINKED if report.relinked else LEGEND,
                commands=advice.steps(report),
            )


def _table(source: Source, report: RaceReport) -> Table:
    raced = race.ordered(report)
    axis = scale.changes([value for one in raced for value in _values(one)], _usual(report))
    is_uniform = len({race.edge(one) for one in raced}) == 1
    columns = [
        Column(COUNTED if race.compares_counts(report) else CHANGE, "drawing", forest.axis(axis)),
        *map(Column, TITLES[1:] if is_uniform else TITLES),
    ]
    rows = [
        Row(
            one.nodeid,
            one.title,
            _cells(one, axis, report, is_uniform=is_uniform),
            anchor_of("race", source, one),
            one.verdict,
            explanations.detail(source, one),
        )
        for one in raced
    ]
    return Table("race", "Benchmarks, slowest first", columns, rows)


def _usual(report: RaceReport) -> float:
    return race.usual_threshold(report) or min((one.threshold for one in report.raced), default=0.03)


def _values(raced: Raced) -> list[float]:
    """Return what the axis must have room for; a single launch may lie beyond it."""
    values = [value for value in (raced.low, raced.high, raced.change) if value is not None]
    return [*values, math.log1p(max(race.edge(raced), 0.0)), *raced.placements]


def _cells(raced: Raced, axis: Scale, report: RaceReport, *, is_uniform: bool) -> list[Cell]:
    edge = race.edge(raced)
    own = [] if is_uniform else [Cell(race.threshold(edge))]
    took = Cell(scaled(raced.seconds, "s"), raced.seconds)
    if raced.change is None or raced.low is None or raced.high is None:
        return [Cell(shortened(race.reason(raced), MOST_REASON)), *own, *[Cell("")] * 5, took]
    numbers = raced.placements if report.relinked else raced.numbers
    edges = [math.log1p(edge)] if edge > -1 else []
    base, head = raced.base_s or 0.0, raced.head_s or 0.0
    costs = [Cell(scaled(base, "s"), base), Cell(scaled(head, "s"), head)]
    if raced.instructions is not None:
        costs = [Cell(f"{count:,}") for count in raced.instructions]
    is_usual = raced.coverage is None or raced.coverage >= USUAL
    coverage = "" if is_usual else f" ({100 * (raced.coverage or 0.0):.0f} %)"
    return [
        Cell(forest.row(numbers, (raced.low, raced.high), raced.change, edges, axis)),
        *own,
        Cell(percent(raced.change)),
        Cell(f"{percent(raced.low)} .. {percent(raced.high)}{coverage}"),
        *costs,
        Cell("" if raced.instructions else str(len(raced.numbers))),
        took,
    ]
