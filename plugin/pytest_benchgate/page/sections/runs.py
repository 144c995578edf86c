"""Several runs side by side: the median of each benchmark in each, beside the first run that has it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_benchgate.page.figures import forest, scale
from pytest_benchgate.page.figures.svg import colour, dots, strip, vertical
from pytest_benchgate.page.model import Cell, Column, Facts, Row, Section, Table, anchor
from pytest_benchgate.reports.quantity import device_time, scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markupsafe import Markup

    from pytest_benchgate.page.figures.scale import Scale
    from pytest_benchgate.page.model import Source
    from pytest_benchgate.results import Result

# Up to this difference the axis is linear.
NEAR = 0.1
WITHHELD = "withheld"


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return the section that compares runs, if there are several."""
    runs = [
        source for source in sources if source.report.results or (source.report.withheld and not source.report.race)
    ]
    if len(runs) < 2:  # noqa: PLR2004  # nothing to compare
        return
    names = Facts("Runs", ("", "run"), [(f"run {number}", run.title) for number, run in enumerate(runs, 1)])
    yield Section(
        "runs",
        "Runs side by side",
        ["Runs of different machines, or at different times, say little about small differences; a race does."],
        [names, _table(runs)],
        legend=[(f"point {colour(index)}", f"run {index + 1}") for index in range(len(runs))],
    )


def _table(runs: Sequence[Source]) -> Table:
    results = [{result.nodeid: result for result in run.report.results} for run in runs]
    withheld = [{entry.nodeid for entry in run.report.withheld} for run in runs]
    nodeids = dict.fromkeys(nodeid for known in (*results, *withheld) for nodeid in known)
    ratios = {nodeid: _ratios([known.get(nodeid) for known in results]) for nodeid in nodeids}
    axis = scale.changes([ratio for found in ratios.values() for ratio in found if ratio is not None], NEAR)
    columns = [
        Column("against the first", "drawing", forest.axis(axis)),
        *(Column(f"run {number}") for number in range(1, len(runs) + 1)),
    ]
    rows = []
    for nodeid in nodeids:
        cells = [_cell(known.get(nodeid), nodeid in lost) for known, lost in zip(results, withheld, strict=True)]
        drawing = Cell(_drawing(ratios[nodeid], axis))
        rows.append(Row(nodeid, nodeid.rpartition("::")[2], [drawing, *cells], anchor("run", nodeid)))
    return Table("runs", "Medians of each run", columns, rows, judged=False)


def _cell(result: Result | None, is_withheld: bool) -> Cell:  # noqa: FBT001
    if result is None:
        return Cell(WITHHELD if is_withheld else "")
    on_device = f" (on device {device_time(result)})" if result.device_ns is not None else ""
    return Cell(f"{scaled(result.median_s, 's')}{on_device}", result.median_s)


def _ratios(results: Sequence[Result | None]) -> list[float | None]:
    """Return ln(median / median of the first run that has it), for each run."""
    times = [result.median_s if result else 0.0 for result in results]
    first = next((time for time in times if time > 0), 1.0)
    return [math.log(time) - math.log(first) if time > 0 else None for time in times]


def _drawing(ratios: Sequence[float | None], axis: Scale) -> Markup:
    marks = [vertical("zero", 1000 * axis.at(0.0), 0, forest.HEIGHT)]
    marks += [
        dots(f"point {colour(index)}", [(1000 * axis.at(ratio), forest.HEIGHT / 2)])
        for index, ratio in enumerate(ratios)
        if ratio is not None
    ]
    return strip(forest.HEIGHT, marks)
