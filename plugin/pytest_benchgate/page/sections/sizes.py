"""Sizes: the time over a numeric parameter, both logarithmic, a figure for each test function."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.page.figures import scale
from pytest_benchgate.page.figures.svg import Plot, colour
from pytest_benchgate.page.model import Facts, Figure, Grid, Section
from pytest_benchgate.reports.quantity import scaled, shortened
from pytest_benchgate.results import WALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_benchgate.page.model import Source

# A number in the id of a test: 1000, 1e6, 0.5, 64Ki, 2M.
NUMBER = re.compile(r"(?:^|(?<=-))(\d+(?:\.\d+)?(?:e[+-]?\d+)?)([kKMGT]i?)?(?=-|$)")
PREFIXES = {
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
# Sizes that a curve has at least, and curves that a figure has at most.
FEWEST, MOST_CURVES = 3, 40
# Pixels for each curve that is named, and at least.
FOR_EACH, LEAST = 15, 240


@dataclass(frozen=True)
class Point:
    """The time of a benchmark with one size; of `base`, too, in a race."""

    size: float
    time_s: float
    base_s: float | None = None


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return the section of all test functions that have a numeric parameter with several values."""
    figures: list[Figure] = []
    for source in sources:
        several = f"{source.title}: " if len(sources) > 1 else ""
        for function, curves in _functions(_times(source)).items():
            figures.append(_figure(f"{several}{function.rpartition('::')[2]}", curves))
    if figures:
        intro = "The time of a call over the numeric parameter of each test; both axes are logarithmic."
        yield Section("sizes", "Sizes", [intro], [Grid(figures)])


def _times(source: Source) -> Iterator[tuple[str, float, float | None]]:
    for result in source.report.results:
        yield result.nodeid, result.median_s, None
    report = source.report.race
    for raced in report.raced if report and not report.claims else ():
        if raced.clock == WALL and raced.base_s and raced.head_s:
            yield raced.nodeid, raced.head_s, raced.base_s


def _functions(times: Iterable[tuple[str, float, float | None]]) -> Mapping[str, Mapping[str, list[Point]]]:
    """Return the curves of each test function: by what else is in the id of the test."""
    found: dict[str, dict[int, dict[str, list[Point]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for nodeid, time_s, base_s in times:
        function, bracket, parameters = nodeid.removesuffix("]").partition("[")
        if not bracket or time_s <= 0:
            continue
        for index, match in enumerate(NUMBER.finditer(parameters)):
            size = float(match[1]) * PREFIXES.get(match[2] or "", 1.0)
            rest = parameters[: match.start()] + "*" + parameters[match.end() :]
            if 0 < size < math.inf:
                found[function][index][rest].append(Point(size, time_s, base_s))
    chosen = {}
    for function, numbered in found.items():
        curves = max(
            numbered.values(), key=lambda curves: max(len({p.size for p in points}) for points in curves.values())
        )
        kept = {
            rest: sorted(points, key=lambda point: point.size)
            for rest, points in curves.items()
            if len({point.size for point in points}) >= FEWEST
        }
        if kept:
            slowest = sorted(kept, key=lambda rest: -kept[rest][-1].time_s)[:MOST_CURVES]
            chosen[function] = {rest: kept[rest] for rest in slowest}
    return chosen


def _figure(function: str, curves: Mapping[str, list[Point]]) -> Figure:
    points = [point for curve in curves.values() for point in curve]
    is_raced = any(point.base_s for point in points)
    x = scale.logarithmic([point.size for point in points], "")
    y = scale.logarithmic([time for point in points for time in (point.time_s, point.base_s or 0.0)], "s")
    title = shortened(function)
    height = max(LEAST, FOR_EACH * len(curves))
    plot = Plot(f"Time of a call of {title} over its size", x, y, "size", "time of a call", height)
    # A test with no other parameter needs no name beside its curve.
    names = {rest: rest.strip("*-").replace("-*-", "-").replace("*", "") for rest in curves}
    for index, (rest, curve) in enumerate(curves.items()):
        kind = colour(index)
        plot.curve("before", [(point.size, point.base_s) for point in curve if point.base_s])
        plot.curve(kind, [(point.size, point.time_s) for point in curve])
        plot.points(kind, [(point.size, point.time_s) for point in curve])
        if names[rest]:
            plot.label(curve[-1].size, curve[-1].time_s, names[rest], kind)
    legend = [("line k0", "head"), ("line before", "base")] if is_raced else []
    return Figure(title, plot.render(), legend, _facts(title, curves, names))


def _facts(title: str, curves: Mapping[str, list[Point]], names: Mapping[str, str]) -> Facts:
    sizes = sorted({point.size for curve in curves.values() for point in curve})
    rows = []
    for rest, curve in curves.items():
        by_size = {point.size: point for point in curve}
        cells = [_words(by_size[size]) if size in by_size else "" for size in sizes]
        rows.append((shortened(names[rest]) or title, *cells, f"n^{_exponent(curve):.2f}"))
    return Facts(f"Times of {title}", ("", *(scale.label(size, "") for size in sizes), "grows as"), rows)


def _words(point: Point) -> str:
    head = scaled(point.time_s, "s")
    return f"{scaled(point.base_s, 's')} \u2192 {head}" if point.base_s else head


def _exponent(curve: Sequence[Point]) -> float:
    """Return the slope of the line, by least squares, through the logarithms of sizes and times."""
    xs, ys = [math.log(point.size) for point in curve], [math.log(point.time_s) for point in curve]
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True))
    return across / sum((x - middle_x) ** 2 for x in xs)
