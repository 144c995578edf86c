"""Benchmarks: their times, the distribution of these, rates, and how close they come to the machine's limits."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_benchgate.page.figures import bars, forest, scale
from pytest_benchgate.page.figures.svg import colour
from pytest_benchgate.page.model import Cell, Column, Row, Section, Table, anchor
from pytest_benchgate.reports.quantity import device_time, rates, scaled, shares, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.page.figures.scale import Scale
    from pytest_benchgate.page.model import Source
    from pytest_benchgate.results import Result

# Characters of a rate or a share.
MOST_FIGURE = 40
TIMES = (("whisker", "lowest to highest"), ("box", "half of the rounds"), ("median", "median"))


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return a section for each source with benchmarks: a table for each group, fastest first."""
    found = [source for source in sources if source.report.results]
    for index, source in enumerate(found):
        results = source.report.results
        verified = sum(result.verified for result in results)
        limits = list(dict.fromkeys(share.limit for result in results for share in result.shares))
        legend = [(f"bar {colour(number)}", f"of {shortened(name)}") for number, name in enumerate(limits)]
        yield Section(
            anchor=f"benchmarks{index or ''}",
            title="Benchmarks" if len(found) == 1 else f"Benchmarks: {source.title}",
            intro=[f"{verified} of {len(results)} times verified by gate, {len(source.report.withheld)} withheld"],
            parts=[_table(source, group, members, limits) for group, members in grouped(results)],
            legend=[*TIMES, *legend, *[("edge", "the limit")] * bool(limits)],
        )


def grouped(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Return the benchmarks of each group, fastest first; of no group last."""
    ordered = sorted(results, key=lambda result: (result.group is None, result.group or "", result.median_s))
    return [(group, [*members]) for group, members in groupby(ordered, key=lambda result: result.group or "")]


def _table(source: Source, group: str, results: Sequence[Result], limits: Sequence[str]) -> Table:
    axis = scale.logarithmic([time for result in results for time in _extent(result)], "s", most_ticks=2)
    # By its title, how each column is made; those without content are left out.
    makers = {
        "time of a call": lambda result: Cell(_times(result, axis)),
        "distribution": lambda result: Cell(_histogram(result)),
        "median": lambda result: Cell(scaled(result.median_s, "s"), result.median_s),
        "IQR": lambda result: Cell(scaled(result.iqr_s, "s"), result.iqr_s),
        "rounds": lambda result: Cell(f"{result.rounds:,}"),
        "rate": lambda result: Cell(_lines(rates(result)), max(result.rates().values(), default=0.0)),
        "share of the limit": lambda result: Cell(_bars(result, limits)),
        "of the limit": lambda result: Cell(_lines(shares(result))),
        "on device": lambda result: Cell(device_time(result), result.device_ns),
    }
    drawn = {"time of a call": forest.axis(axis), "distribution": None, "share of the limit": None}
    kinds = {**dict.fromkeys(drawn, "drawing"), **dict.fromkeys(("rate", "of the limit"), "numbers")}
    made = {title: [*map(make, results)] for title, make in makers.items()}
    kept = {title: cells for title, cells in made.items() if any(cell.content for cell in cells)}
    columns = [Column(title, kinds.get(title, "number"), drawn.get(title)) for title in kept]
    rows = [
        Row(result.nodeid, result.name, cells, anchor("time", source.key, result.nodeid), state(result))
        for result, *cells in zip(results, *kept.values(), strict=True)
    ]
    return Table("benchmarks", shortened(group) or "Benchmarks", columns, rows)


def _lines(text: str) -> Markup:
    """Return figures one below the other."""
    return Markup("<br>").join(shortened(part, MOST_FIGURE) for part in text.split(", "))


def state(result: Result) -> str:
    """Return what its time is worth, as a key of model.TONES."""
    return "suspicious" if result.suspicious else "verified" if result.verified else "timed"


def _extent(result: Result) -> list[float]:
    times = result.times
    return [result.median_s, *([times.low_s, times.high_s] if times else [])]


def _times(result: Result, axis: Scale) -> Markup:
    times = result.times
    if times is None:
        return forest.whiskers(
            result.median_s, (result.median_s, result.median_s), result.median_s, result.median_s, axis
        )
    return forest.whiskers(times.low_s, (times.q1_s, times.q3_s), result.median_s, times.high_s, axis)


def _histogram(result: Result) -> Markup:
    times = result.times
    if times is None or not times.counts or times.top_s <= times.low_s:
        return Markup()
    return bars.histogram(times.counts, (result.median_s - times.low_s) / (times.top_s - times.low_s))


def _bars(result: Result, limits: Sequence[str]) -> Markup:
    if not result.shares:
        return Markup()
    return bars.share([(colour(limits.index(share.limit)), share.share) for share in result.shares])
