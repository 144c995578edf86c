"""A forest plot, a row of a table at a time: points, an interval, and the lines that it is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_benchgate.page.figures.svg import WIDTH, dots, horizontal, strip, text, vertical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.page.figures.scale import Scale

HEIGHT = 30
# Where points lie above and below the middle, one after the other, so that they do not hide each other.
OFFSETS = (0, -6, 6, -3, 3, -9, 9)
# Labels nearer to an end, as a share of the width, are inside of their places.
EDGE = 0.08


def row(
    numbers: Sequence[float],
    interval: tuple[float, float] | None,
    middle: float | None,
    edges: Sequence[float],
    scale: Scale,
) -> Markup:
    """Return one row: `edges` are the places of thresholds."""

    def x(value: float) -> float:
        return WIDTH * scale.at(value)

    marks = [vertical("zero", x(0.0), 0, HEIGHT), *(vertical("edge", x(edge), 0, HEIGHT) for edge in edges)]
    if interval is not None:
        marks.append(horizontal("interval", HEIGHT / 2, x(interval[0]), x(interval[1])))
    places = [(round(x(value)), HEIGHT // 2 + OFFSETS[index % len(OFFSETS)]) for index, value in enumerate(numbers)]
    if places:
        marks.append(dots("point", places))
    if middle is not None:
        marks.append(vertical("middle", x(middle), 5, HEIGHT - 5))
    return strip(HEIGHT, marks)


def axis(scale: Scale) -> Markup:
    """Return the labels of the axis, for the header of the column."""
    words = [text(scale.at(value), 11, label, "", _anchor(scale.at(value))) for value, label in scale.ticks]
    return Markup('<svg class="axis" height="14" aria-hidden="true">{}</svg>').format(Markup().join(words))


def _anchor(share: float) -> str:
    """Return how a label is aligned to its place, so that none goes beyond the column."""
    return "start" if share < EDGE else "end" if share > 1 - EDGE else "middle"


def whiskers(low: float, box: tuple[float, float], middle: float, high: float, scale: Scale) -> Markup:
    """Return a row with a line from the lowest to the highest value, a box for half of the values, and the median."""

    def x(value: float) -> int:
        return round(WIDTH * scale.at(value))

    left, right = x(box[0]), max(x(box[1]), x(box[0]) + 2)
    return strip(
        HEIGHT,
        [
            horizontal("whisker", HEIGHT / 2, x(low), x(high)),
            horizontal("box", HEIGHT / 2, left, right),
            dots("median", [(x(middle), HEIGHT / 2)]),
        ],
    )
