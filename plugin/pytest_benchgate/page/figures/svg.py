"""The parts of a drawing, and a plot with its axes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_benchgate.reports.quantity import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_benchgate.page.figures.scale import Scale

# The width of a drawing before it is stretched.
WIDTH = 1000
# The number of colours of series in style.css.
COLOURS = 8
# Pixels from one label to the next, and how many labels a plot can have beside it.
LABEL_GAP, MOST_LABELS = 14.0, 40
# Characters of a label.
MOST_LABEL = 26


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def path(kind: str, data: str) -> Markup:
    """Return a path of this class; both are of ours."""
    return Markup(f'<path class="{kind}" d="{data}"/>')  # noqa: S704


def dots(kind: str, points: Iterable[tuple[float, float]]) -> Markup:
    """Return points as one path: its caps are round, and remain so where the drawing is stretched."""
    return path(kind, "".join(f"M{number(x)} {number(y)}h0" for x, y in points))


def polyline(kind: str, points: Sequence[tuple[float, float]]) -> Markup:
    """Return a line through points."""
    return path(kind, "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points))


def band(kind: str, lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]]) -> Markup:
    """Return the area between two lines."""
    around = [*lower, *reversed(upper)]
    return path(kind, "M" + "L".join(f"{number(x)} {number(y)}" for x, y in around) + "z")


def vertical(kind: str, x: float, top: float, bottom: float) -> Markup:
    """Return a vertical line."""
    return path(kind, f"M{number(x)} {number(top)}V{number(bottom)}")


def horizontal(kind: str, y: float, left: float, right: float) -> Markup:
    """Return a horizontal line."""
    return path(kind, f"M{number(left)} {number(y)}H{number(right)}")


def text(share: float, y: float, words: str, kind: str = "", anchor: str = "") -> Markup:
    """Return words at a share of the width: of one line, escaped."""
    return Markup('<text x="{}%" y="{}"{}{}>{}</text>').format(
        number(100 * share), number(y), _attribute("class", kind), _attribute("text-anchor", anchor), printable(words)
    )


def _attribute(name: str, value: str) -> Markup:
    return Markup(' {}="{}"').format(name, value) if value else Markup()


def strip(height: int, marks: Iterable[Markup], *, width: int = WIDTH, kind: str = "") -> Markup:
    """Return a drawing without words that is stretched to the width of its place: a cell of a table."""
    kind = f' class="{kind}"' if kind else ""
    return Markup(f'<svg{kind} viewBox="0 0 {width} {height}" preserveAspectRatio="none">{"".join(marks)}</svg>')  # noqa: S704


def colour(index: int) -> str:
    """Return the class of the index-th series."""
    return f"k{index % COLOURS}" + (" dash" if index // COLOURS % 2 else "")


def swatch(kind: str) -> Markup:
    """Return a sample of what is drawn in this class, for a legend."""
    shape = kind.partition(" ")[0]
    data = {
        **dict.fromkeys(("point", "dot", "mark", "median"), "M11 6h0"),
        **dict.fromkeys(("zero", "edge", "middle"), "M11 0V12"),
        **dict.fromkeys(("area", "steps"), "M0 2H22V10H0z"),
    }.get(shape, "M0 6H22")
    return Markup('<svg viewBox="0 0 22 12" aria-hidden="true">{}</svg>').format(path(kind, data))


@dataclass
class Plot:
    """A plot with two axes, which is as wide as its place.

    Attributes
    ----------
    description : str
        What it shows, for those who cannot see it.
    x, y : Scale
        Its axes.
    x_title, y_title : str
        What they measure.
    height : int
        Pixels between the ends of the vertical axis.

    """

    description: str
    x: Scale
    y: Scale
    x_title: str
    y_title: str
    height: int = 280
    marks: list[Markup] = field(default_factory=list)
    labels: list[tuple[float, float, str, str]] = field(default_factory=list)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return the coordinates of a point."""
        return WIDTH * self.x.at(x), self.height * (1 - self.y.at(y))

    def curve(self, kind: str, points: Sequence[tuple[float, float]]) -> None:
        """Draw a line through points."""
        if points:
            self.marks.append(polyline(f"line {kind}", [self.place(*point) for point in points]))

    def area(self, kind: str, lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]]) -> None:
        """Fill what lies between two lines."""
        if lower and upper:
            places = ([self.place(*point) for point in line] for line in (lower, upper))
            self.marks.append(band(f"area {kind}", *places))

    def points(self, kind: str, points: Iterable[tuple[float, float]]) -> None:
        """Draw points."""
        if places := [self.place(*point) for point in points]:
            self.marks.append(dots(f"dot {kind}", places))

    def upright(self, kind: str, x: float) -> None:
        """Draw a vertical line from end to end."""
        self.marks.append(vertical(kind, WIDTH * self.x.at(x), 0, self.height))

    def level(self, kind: str, y: float) -> None:
        """Draw a horizontal line from end to end."""
        self.marks.append(horizontal(kind, self.height * (1 - self.y.at(y)), 0, WIDTH))

    def label(self, x: float, y: float, words: str, kind: str) -> None:
        """Name a point, to the right of the plot, where there is room for it."""
        self.labels.append((*self.place(x, y), words, kind))

    def render(self) -> Markup:
        """Return the drawing."""
        beside = self._beside()
        return Markup('<div class="plot{}"><svg role="img" aria-label="{}" height="{}">{}{}{}</svg></div>').format(
            " labelled" if beside else "",
            printable(self.description),
            self.height + 34,
            beside,
            self._stretched(),
            self._axes(),
        )

    def _stretched(self) -> Markup:
        grid = [vertical("grid", WIDTH * self.x.at(value), 0, self.height) for value, _ in self.x.ticks]
        grid += [horizontal("grid", self.height * (1 - self.y.at(value)), 0, WIDTH) for value, _ in self.y.ticks]
        return Markup('<svg viewBox="0 0 {} {}" width="100%" height="{}" preserveAspectRatio="none">{}</svg>').format(
            WIDTH, self.height, self.height, Markup().join([*grid, *self.marks])
        )

    def _axes(self) -> Markup:
        below = [text(self.x.at(value), self.height + 16, words, "", "middle") for value, words in self.x.ticks]
        left = [
            Markup('<text x="-8" y="{}" text-anchor="end">{}</text>').format(
                number(self.height * (1 - self.y.at(value)) + 4), words
            )
            for value, words in self.y.ticks
        ]
        titles = [
            text(1, self.height + 32, self.x_title, "title", "end"),
            Markup('<text class="title" x="-60" y="-12">{}</text>').format(self.y_title),
        ]
        return Markup().join([*below, *left, *titles])

    def _beside(self) -> Markup:
        """Return the labels of points, apart from each other; none where there are too many."""
        if len(self.labels) > MOST_LABELS:
            return Markup()
        ordered = sorted(self.labels, key=lambda label: label[1])
        ys = spread([y for _, y, _, _ in ordered], LABEL_GAP, self.height)
        return Markup().join(
            Markup(
                '<g class="beside"><line class="lead" x1="{}%" y1="{}" x2="100%" y2="{}"/>'
                '<text class="{}" x="100%" dx="6" y="{}">{}</text></g>'
            ).format(number(x / 10), number(y), number(at), kind, number(at + 4), shortened(words, MOST_LABEL))
            for (x, y, words, kind), at in zip(ordered, ys, strict=True)
        )


def spread(places: Sequence[float], gap: float, most: float) -> list[float]:
    """Return increasing places moved as little as a gap between all needs, and no further than `most` if they fit.

    >>> spread([10, 11, 12], 5, 100)
    [10, 15, 20]
    """
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + gap) if found else place)
    excess = max(found[-1] - most, 0) if found else 0
    for index in range(len(found) - 1, -1, -1):
        limit = found[index + 1] - gap if index + 1 < len(found) else found[index] - excess
        found[index] = min(found[index], limit)
    return found
