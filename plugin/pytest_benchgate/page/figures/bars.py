"""Bars: a share of a limit, counts beside each other, a histogram."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_benchgate.page.figures.svg import WIDTH, horizontal, path, strip, vertical

if TYPE_CHECKING:
    from collections.abc import Sequence

HEIGHT = 30
# The share of a limit at the right end of a bar's place.
MOST_SHARE = 1.25


def bar(kind: str, length: float, height: int = 12) -> Markup:
    """Return a bar of this length, as a share of its place."""
    return strip(height, [horizontal(f"bar {kind}", height / 2, 0, WIDTH * min(max(length, 0.001), 1.0))])


def share(shares: Sequence[tuple[str, float]]) -> Markup:
    """Return a bar for each limit, by its class and share; style.css draws a line where the limit is, at 80 %."""
    each = HEIGHT / max(len(shares), 1)
    ends = [(kind, round(WIDTH * min(max(value / MOST_SHARE, 0.002), 1.0))) for kind, value in shares]
    bars = [horizontal(kind, round(each * (index + 0.5)), 0, end) for index, (kind, end) in enumerate(ends)]
    return strip(HEIGHT, bars, kind="share")


def histogram(counts: Sequence[int], middle: float) -> Markup:
    """Return counts in equal intervals, as steps; `middle` is the place of the median, from 0 to 1."""
    if not any(counts):
        return Markup()
    most = max(counts)
    heights = [round((HEIGHT - 1) * (1 - count / most) + 1) for count in counts]
    steps = [(y, len([*same])) for y, same in groupby(heights)]
    data = f"M0 {HEIGHT}" + "".join(f"V{y}h{width}" for y, width in steps)
    place = vertical("middle", len(counts) * min(max(middle, 0.0), 1.0), 0, HEIGHT)
    return strip(HEIGHT, [path("steps", f"{data}V{HEIGHT}z"), place], width=len(counts))
