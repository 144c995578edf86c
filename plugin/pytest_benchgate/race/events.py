"""What a race reports while it runs: the events that its course yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.results import Raced, RaceReport


@dataclass(frozen=True)
class Step:
    """A step of the builds has begun or is done; a line that stays."""

    text: str


@dataclass(frozen=True)
class Row:
    """A line of a live table: its cells, and how pytest's writer is to colour it."""

    cells: tuple[str, ...]
    colour: str = ""


@dataclass(frozen=True)
class Status:
    """What is going on, until the next status.

    Attributes
    ----------
    text : str
        In one line; empty for nothing.
    title : str
        What stands above the rows, where this is not the text.
    rows : tuple of Row
        What a terminal shows besides, the most important first.

    """

    text: str
    title: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Updated:
    """The report has changed: the race has begun, a launch is over, or the race is complete."""

    report: RaceReport


@dataclass(frozen=True)
class Missing:
    """Head lacks a benchmark of base, and this fails the session."""

    raced: Raced
    report: RaceReport


@dataclass(frozen=True)
class Decided:
    """A benchmark's race is over; the report has its results already: by the wall clock, then by its device's."""

    raced: tuple[Raced, ...]
    race: Race
    report: RaceReport


@dataclass(frozen=True)
class Settled:
    """All claims of a test are decided; the report has them already."""

    claims: tuple[Raced, ...]
    races: tuple[Race, ...]
    report: RaceReport


Preparation: TypeAlias = Step | Status
Event: TypeAlias = Step | Status | Updated | Missing | Decided | Settled
