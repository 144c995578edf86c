"""What a page consists of, as plain data: sections of tables, figures, cards and notes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pytest_benchgate.reports.quantity import MOST_TEXT, shortened
from pytest_benchgate.results import WALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from pytest_benchgate.results import Raced, Report

# What a verdict, or the state of a time, means for the reader, and a sign for it that is no colour. Those that are
# listed first are shown first.
TONES: Mapping[str, tuple[str, str]] = {
    "slower": ("bad", "\u25b2"),
    "refuted": ("bad", "\u2717"),
    "drifted": ("bad", "\u2197"),
    "error": ("bad", "!"),
    "withheld": ("bad", "\u2717"),
    "suspicious": ("warn", "?"),
    "unsure": ("warn", "?"),
    "placement": ("warn", "\u25b3"),
    "gone": ("warn", "\u2212"),
    "accepted": ("info", "\u25b3"),
    "new": ("info", "+"),
    "faster": ("good", "\u25bc"),
    "holds": ("good", "\u2713"),
    "verified": ("good", "\u2713"),
    "same": ("calm", "="),
    "timed": ("calm", "\u00b7"),
    "skipped": ("calm", "\u00b7"),
}


# Characters of the name of a source.
MOST_TITLE = 60


def named(name: str, most: int = MOST_TEXT) -> str:
    """Return a name that is not too long, and not empty."""
    return shortened(name, most).strip() or "(no name)"


@dataclass(frozen=True)
class Source:
    """The results of a session, or of a file.

    Attributes
    ----------
    name : str
        What it is called on the page.
    report : Report
        The results.
    machine : dict
        Where they were measured; see machine.py.
    problems : tuple of str
        What is missing from the results.
    key : str
        What tells its benchmarks from those of the others; empty for the first source.

    """

    name: str
    report: Report
    machine: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    key: str = ""

    @property
    def title(self) -> str:
        """Its name, short enough for a heading."""
        return named(self.name, MOST_TITLE)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: text or a drawing, and the number by which it is sorted if it does not begin with that."""

    content: str | Markup
    value: float | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : str
        Its header; of ours, not from outside, as it also labels the cells on narrow screens.
    kind : str
        "number", "numbers" of several lines, "text", or "drawing", which is not sorted.
    axis : Markup, optional
        What is drawn below the title.

    """

    title: str
    kind: str = "number"
    axis: Markup | None = None


@dataclass(frozen=True)
class Row:
    """A row of a table about one benchmark.

    Attributes
    ----------
    nodeid, name : str
        Of its test.
    cells : sequence of Cell
        Those after the verdict and the name.
    anchor : str
        Its id on the page.
    verdict : str
        A key of TONES, or empty.
    detail : str
        The id of what explains it, or empty.

    """

    nodeid: str
    name: str
    cells: Sequence[Cell]
    anchor: str
    verdict: str = ""
    detail: str = ""

    @property
    def title(self) -> str:
        """The test's name, short enough for a table."""
        return named(self.name)

    @property
    def place(self) -> str:
        """The test's file and class."""
        return shortened(self.nodeid.split("[", maxsplit=1)[0].rpartition("::")[0])


@dataclass(frozen=True)
class Table:
    """A table of benchmarks, which can be sorted and filtered."""

    template: ClassVar[str] = "table.html"
    kind: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    # Whether there is a column of verdicts.
    judged: bool = True

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of its columns."""
        return tuple(column.title for column in self.columns)

    @property
    def place(self) -> str:
        """The file of all tests, if it is one."""
        places = {row.place for row in self.rows}
        return places.pop() if len(places) == 1 else ""


@dataclass(frozen=True)
class Facts:
    """A plain table, whose first column has the headers of its rows; `marked` are the rows that stand out."""

    template: ClassVar[str] = "facts.html"
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Markup]]
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A drawing, and the table behind it.

    Attributes
    ----------
    title : str
        What it shows.
    drawing : Markup
        The SVG.
    legend : sequence of (str, str)
        Classes and what is drawn in them.
    table : Facts, optional
        The same as numbers; none where another table of the page has them.

    """

    template: ClassVar[str] = "figure.html"
    title: str
    drawing: Markup
    legend: Sequence[tuple[str, str]] = ()
    table: Facts | None = None
    note: str = ""


@dataclass(frozen=True)
class Card:
    """All about one benchmark.

    Attributes
    ----------
    anchor : str
        Its id on the page.
    nodeid, name, verdict : str
        Of the benchmark.
    paragraphs : sequence of str
        What is said of it.
    parts : sequence
        Tables and figures.
    commands : sequence of (str, str)
        What to do, each with the command or the lines of a file for it.
    back : str
        The id of its row in a table.

    """

    template: ClassVar[str] = "card.html"
    anchor: str
    nodeid: str
    name: str
    verdict: str
    paragraphs: Sequence[str] = ()
    parts: Sequence[Part] = ()
    commands: Sequence[tuple[str, str]] = ()
    back: str = ""

    @property
    def title(self) -> str:
        """The test's name, short enough for a heading."""
        return named(self.name)


@dataclass(frozen=True)
class Grid:
    """Figures beside each other, as many as there is room for."""

    template: ClassVar[str] = "grid.html"
    parts: Sequence[Figure]


Part: TypeAlias = Table | Facts | Figure | Card | Grid


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    anchor: str
    title: str
    intro: Sequence[str] = ()
    parts: Sequence[Part] = ()
    legend: Sequence[tuple[str, str]] = ()
    commands: Sequence[tuple[str, str]] = field(default_factory=tuple)


def anchor(section: str, *identity: str) -> str:
    """Return the id of a benchmark in a section: the same on each page, whatever its test is called."""
    digest = hashlib.sha256("\0".join(identity).encode("utf-8", "backslashreplace")).hexdigest()
    return f"{section}-{digest[:8]}"


def anchor_of(section: str, source: Source, raced: Raced) -> str:
    """Return the id of a race, or of a claim, in a section."""
    claim = raced.claim.text if raced.claim else ""
    return anchor(section, source.key, raced.nodeid, claim + raced.clock.removeprefix(WALL))
