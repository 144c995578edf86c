"""Rooflines: operations per second over operations per byte, below the machine's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.page.figures import scale
from pytest_benchgate.page.figures.svg import Plot, colour
from pytest_benchgate.page.model import Figure, Grid, Section
from pytest_benchgate.page.naming import distinct
from pytest_benchgate.page.sections.benchmarks import grouped
from pytest_benchgate.reports.quantity import scaled, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.page.model import Source
    from pytest_benchgate.results import Result

# How far the axis goes on beyond the benchmarks and the ridge between two limits.
BEYOND = 3.0
# Characters of the name of a limit.
MOST_NAME = 40
# Pixels for each benchmark that is named, and at least.
FOR_EACH, LEAST = 15, 300


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return the section of all groups of benchmarks that state bytes and operations, and have limits."""
    figures = []
    for source in sources:
        for group, members in grouped(source.report.results):
            placed = [result for result in members if _place(result) and _roofs(result)]
            if placed:
                several = ": ".join(part for part in (source.title if len(sources) > 1 else "", group) if part)
                figures.append(_figure(shortened(several) or "Benchmarks", placed))
    if figures:
        intro = (
            "Each point is a benchmark. The lines are what this machine can do at most, measured in the same session: "
            "bandwidth where few operations are done for each byte, arithmetic where many are. The tables of the "
            "benchmarks have the rates and the shares of the limits."
        )
        yield Section("roofline", "Roofline", [intro], [Grid(figures)])


def _place(result: Result) -> tuple[float, float] | None:
    """Return operations per byte and per second."""
    amounts = result.work.amounts() if result.work else {}
    moved, done = amounts.get("bytes", 0.0), amounts.get("operations", 0.0)
    place = (_ratio(done, moved), _ratio(done, result.median_s))
    return place if all(place) else None


def _roofs(result: Result) -> dict[tuple[str, str], float]:
    """Return the amount per second that each limit allows, by the resource and the limit's name."""
    amounts = result.work.amounts() if result.work else {}
    rates = {
        (share.resource, share.limit): _ratio(amounts.get(share.resource, 0.0), share.limit_s)
        for share in result.shares
        if share.resource in {"bytes", "operations"}
    }
    return {key: rate for key, rate in rates.items() if rate}


def _ratio(amount: float, by: float) -> float:
    """Return a quotient, or 0 where an axis cannot show it."""
    ratio = amount / by if by > 0 else 0.0
    return ratio if scale.LEAST <= ratio <= scale.MOST else 0.0


def _figure(title: str, results: Sequence[Result]) -> Figure:
    points = {result: place for result in results if (place := _place(result))}
    roofs: dict[tuple[str, str], float] = {}
    for result in results:
        for key, rate in _roofs(result).items():
            roofs[key] = max(rate, roofs.get(key, 0.0))
    moving = [rate for (resource, _), rate in roofs.items() if resource == "bytes"]
    doing = [rate for (resource, _), rate in roofs.items() if resource == "operations"]
    ridges = [peak / bandwidth for peak in doing for bandwidth in moving]
    x = scale.logarithmic([*(place[0] for place in points.values()), *ridges], "", around=BEYOND)
    allowed = [
        _allowed(key, rate, at)
        for key, rate in roofs.items()
        for at in (x.low, *(place[0] for place in points.values()))
    ]
    y = scale.logarithmic([*(place[1] for place in points.values()), *allowed], "op/s", around=1.3)
    height = max(LEAST, FOR_EACH * len(points))
    plot = Plot(f"Roofline: {title}", x, y, "operations per byte", "operations per second", height)
    corners = [
        (at, min(_allowed(key, rate, at) for key, rate in roofs.items())) for at in sorted({x.low, *ridges, x.high})
    ]
    plot.area("k7", [(at, y.low) for at, _ in corners], corners)
    for index, (key, rate) in enumerate(roofs.items()):
        # Beyond the upper end of the axis it would bend.
        end = min(x.high, y.high / rate) if key[0] == "bytes" else x.high
        plot.curve(f"limit {colour(index)}", [(at, _allowed(key, rate, at)) for at in (x.low, end)])
    plot.curve("roof", corners)
    for name, (intensity, rate) in zip(distinct([result.name for result in points]), points.values(), strict=True):
        plot.points("mark", [(intensity, rate)])
        plot.label(intensity, rate, name, "")
    units = {"bytes": "B/s", "operations": "op/s"}
    legend = [
        (f"limit {colour(index)}", f"{shortened(name, MOST_NAME)}: {scaled(rate, units[resource])}")
        for index, ((resource, name), rate) in enumerate(roofs.items())
    ]
    return Figure(title, plot.render(), [("line roof", "what the limits allow"), *legend])


def _allowed(key: tuple[str, str], rate: float, intensity: float) -> float:
    """Return the operations per second that a limit allows."""
    return rate * intensity if key[0] == "bytes" else rate
