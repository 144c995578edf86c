"""A history of races: each benchmark's curve over the commits, its steps, and its drifts."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from pytest_benchgate.history import words
from pytest_benchgate.page.figures import forest, scale
from pytest_benchgate.page.figures.scale import Scale
from pytest_benchgate.page.figures.svg import Plot, dots, horizontal, polyline, strip
from pytest_benchgate.page.model import Card, Cell, Column, Facts, Figure, Row, Section, Table, anchor
from pytest_benchgate.reports.quantity import percent, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markupsafe import Markup

    from pytest_benchgate.commit import Commit
    from pytest_benchgate.history.results import Curve, History

DRIFTED = "drifted"
HEIGHT, WIDTH = forest.HEIGHT, 1000
# Points of a curve in a row, and in a plot.
FEW, MANY = 60, 500
# Curves that have a plot of their own, steps that are listed, and commits in the table behind a plot.
MOST_CARDS, MOST_STEPS, MOST_LISTED = 40, 500, 12
LEGEND = (("line k0", "time of a call"), ("dot k1", "a step, which its race saw"))
AXIS = (
    "All curves have one axis: linear up to about the threshold, logarithmic beyond it. The thin line is the beginning."
)
PLOTTED = (
    ("line k0", "time of a call"),
    ("area k0", "interval, with 95 % confidence"),
    ("dot k1", "a step, which its race saw"),
    ("edge", "begin and end of a drift"),
)


def build(history: History) -> Iterator[Section]:
    """Return the sections of a history."""
    intro = [words.heading(history), words.terms(history), *history.notes, AXIS]
    yield Section("history", "History", intro, [_table(history)] if history.curves else [], LEGEND)
    shown = [curve for curve in history.curves if curve.drifted or curve.steps][:MOST_CARDS]
    if shown:
        text = "Benchmarks that have drifted, or have steps" + (
            f", the {MOST_CARDS} that became slowest" if len(shown) == MOST_CARDS else ""
        )
        yield Section("curves", "Curves", [f"{text}."], [_card(history, curve) for curve in shown])
    if steps := [entry for entry in words.problems(history) if entry[1] != DRIFTED]:
        kept = [(shortened(nodeid), verdict, shortened(text, 300)) for nodeid, verdict, text in steps[:MOST_STEPS]]
        more = [f"{len(steps) - MOST_STEPS} earlier steps are not listed."] if len(steps) > MOST_STEPS else []
        yield Section("steps", "Steps", more, [Facts("Steps, newest first", ("benchmark", "verdict", "step"), kept)])


def verdict(curve: Curve) -> str:
    """Return what is said of a benchmark, if anything."""
    return DRIFTED if curve.drifted else ""


def _table(history: History) -> Table:
    y = _levels(history, history.curves)
    columns = [Column("time over commits", "drawing"), *map(Column, ("change", "interval", "races", "gaps", "steps"))]
    cards = {curve.nodeid for curve in [c for c in history.curves if c.drifted or c.steps][:MOST_CARDS]}
    rows = []
    for curve in history.curves:
        _, _, change, interval, races, gaps = words.row(curve)
        cells = [
            Cell(_spark(history, curve, y)),
            Cell(change),
            Cell(interval),
            Cell(races),
            Cell(gaps),
            Cell(str(len(curve.steps) or "")),
        ]
        own = anchor("history", curve.nodeid)
        detail = anchor("curve", curve.nodeid) if curve.nodeid in cards else ""
        rows.append(Row(curve.nodeid, curve.nodeid.rpartition("::")[2], cells, own, verdict(curve), detail))
    return Table("history", "Benchmarks, drifted ones first, then the most certainly slower", columns, rows)


def _levels(history: History, curves: Sequence[Curve]) -> Scale:
    """Return the axis of levels, which has room for all of them."""
    ends = [float(end(curve.levels)) for curve in curves for end in (np.nanmin, np.nanmax)]
    if len(curves) == 1 and not math.isnan(curves[0].whole.low):
        ends += [float(np.nanmin(curves[0].lows)), float(np.nanmax(curves[0].highs))]
    return scale.changes(ends, history.rule.threshold)


def _segments(history: History, curve: Curve, most: int) -> list[list[int]]:
    """Return the commits at which a curve is drawn, in lines without gaps; of many, the last one of each part."""
    present = np.flatnonzero(~np.isnan(curve.levels))
    gaps = np.zeros(len(history.commits) + 1, int)
    gaps[list(history.gaps)] = 1
    after = np.cumsum(gaps)
    ends = np.append((np.diff(present) > 1) | (np.diff(after[present]) > 0), True)
    begins = np.append(True, ends[:-1])
    parts = present * most // max(most, len(history.commits))
    kept = np.append(np.diff(parts) > 0, True) | ends | begins
    lines: list[list[int]] = []
    for index, is_first in zip(present[kept].tolist(), begins[kept].tolist(), strict=True):
        if is_first:
            lines.append([])
        lines[-1].append(index)
    return lines


def _spark(history: History, curve: Curve, y: Scale) -> Markup:
    """Return a curve as a row of a table."""
    most = max(1, len(history.commits) - 1)

    def place(index: int) -> tuple[float, float]:
        return WIDTH * index / most, HEIGHT * (1 - y.at(float(curve.levels[index])))

    marks = [horizontal("zero", HEIGHT * (1 - y.at(0.0)), 0, WIDTH)]
    for line in _segments(history, curve, FEW):
        draw = polyline("line k0", list(map(place, line))) if len(line) > 1 else dots("dot k0", [place(line[0])])
        marks += [draw]
    if curve.steps:
        marks.append(dots("dot k1", [place(step.index) for step in curve.steps]))
    return strip(HEIGHT, marks)


def _card(history: History, curve: Curve) -> Card:
    paragraphs = [f"drifted: {words.drifted(history, one)}" for one in curve.drifted]
    paragraphs += [f"{step.verdict}: {words.step(history, step)}" for step in curve.steps[-3:]]
    commands = [
        ("to confirm it, in a checkout of the newest commit", words.confirmation(history, curve, one))
        for one in curve.drifted[:1]
    ]
    return Card(
        anchor("curve", curve.nodeid), curve.nodeid, curve.nodeid.rpartition("::")[2], verdict(curve), paragraphs,
        [_figure(history, curve)], commands, anchor("history", curve.nodeid),
    )  # fmt: skip


def _figure(history: History, curve: Curve) -> Figure:
    commits = history.commits
    y, x = _levels(history, [curve]), _commits(commits)
    plot = Plot(f"Time of a call of {shortened(curve.nodeid)} over {len(commits)} commits", x, y, "commit", "change")
    for line in _segments(history, curve, MANY):
        certain = [index for index in line if not math.isnan(curve.lows[index])]
        lows, highs = ([(index, float(side[index])) for index in certain] for side in (curve.lows, curve.highs))
        plot.area("k0", lows, highs)
        points = [(index, float(curve.levels[index])) for index in line]
        if len(points) > 1:
            plot.curve("k0", points)
        else:
            plot.points("k0", points)
    plot.level("zero", 0.0)
    for one in curve.drifted:
        plot.upright("edge", one.first)
        plot.upright("edge", one.last)
    plot.points("k1", [(step.index, float(curve.levels[step.index])) for step in curve.steps])
    return Figure(
        f"{percent(curve.whole.change)} over {len(commits)} commits", plot.render(), PLOTTED, _facts(history, curve)
    )


def _commits(commits: Sequence[Commit]) -> Scale:
    """Return the axis of commits, with the dates of some."""
    last = max(1, len(commits) - 1)
    marked = dict.fromkeys(round(share * (len(commits) - 1)) for share in (0.12, 0.5, 0.88))
    ticks = [(float(index), shortened(commits[index].date[:10], 10)) for index in marked]
    distinct = [next(same) for _, same in groupby(ticks, key=lambda tick: tick[1])]
    return Scale(0.0, float(last), lambda value: value, tuple(distinct))


def _facts(history: History, curve: Curve) -> Facts:
    """Return the levels at some commits: the first and the last, steps, ends of drifts, and others between them."""
    present = np.flatnonzero(~np.isnan(curve.levels)).tolist()
    ends = [end for one in curve.drifted for end in (one.first, one.last)]
    named = {*[step.index for step in curve.steps][-MOST_LISTED:], *ends, present[0], present[-1]}
    chosen = {*named, *present[:: max(1, len(present) // MOST_LISTED)]}
    rows = []
    for index in sorted(chosen):
        low, high = float(curve.lows[index]), float(curve.highs[index])
        interval = "" if math.isnan(low) else f"{percent(low)} .. {percent(high)}"
        commit = shortened(words.commit(history.commits[index]), 200)
        rows.append((commit, percent(float(curve.levels[index])), interval))
    return Facts("Levels at some commits", ("commit", "change until then", "interval"), rows)
