"""The status of a race between two launches: what is decided, what is suspected, and how long it will take."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pytest_benchgate.race.events import Row, Status
from pytest_benchgate.reports.quantity import percent
from pytest_benchgate.reports.race import counts
from pytest_benchgate.results import titled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.results import RaceReport

# Races for which the time to go is estimated: each takes up to a few milliseconds, during which nothing is launched.
MOST_ESTIMATED = 20
# Races that are shown.
MOST_SHOWN = 12


def of_launch(
    report: RaceReport, races: Sequence[Race], undecided: int, count: int, name: Callable[[str], str]
) -> Status:
    """Return the status after so many launches of races, all of which are given; empty once all is decided.

    `name` returns what a race is called, by its id.
    """
    if not undecided:
        return Status("")
    open_ones = [race for race in races if race.open]
    by_clock = [one for race in open_ones for one in race.by_clock if one.undecided]
    text = f"{counts(report)}, {undecided} undecided" + f", launch {count}" * bool(count)
    if (seconds := _seconds_to_go(open_ones)) is not None:
        text += f", about {duration(seconds)} to go"
    ordered = sorted((race for race in by_clock if race.launches), key=lambda race: -statistics.median(race.numbers))
    return Status(text, rows=tuple(_row(race, name(race.nodeid)) for race in ordered[:MOST_SHOWN]))


def _row(race: Race, name: str) -> Row:
    low, high, _ = race.interval()
    cells = (
        titled(name, race.clock),
        "suspect" if race.looks_slower else "",
        percent(statistics.median(race.numbers)),
        f"{percent(low).removesuffix(' %')} .. {percent(high)}",
        f"{len(race.launches)} launches" if len(race.launches) > 1 else "1 launch",
    )
    return Row(cells, "red" if race.looks_slower else "")


def _seconds_to_go(races: Sequence[Race]) -> float | None:
    """Return how long undecided races will take if their launches go on as they are; None if that is not known yet."""
    known = [race for race in races if race.launches]
    if not known or len(known) < len(races):
        return None
    sample = known[:: -(-len(known) // MOST_ESTIMATED)]
    return sum(map(_seconds, sample)) * len(known) / len(sample)


def _seconds(race: Race) -> float:
    return max(_seconds_by_clock(one) for one in race.by_clock if one.undecided)


def _seconds_by_clock(race: Race) -> float:
    numbers, most = race.numbers, race.max_launches - len(race.launches)
    number, error = statistics.median(numbers), statistics.median(race.errors)
    decision = race.rule.decide([*numbers, *[number] * most], [*race.errors, *[error] * most])
    launches = min(max(decision.launches - len(numbers), 1), most)
    return min(launches * race.seconds / len(numbers), race.seconds_left)


def duration(seconds: float) -> str:
    """Return a duration as people say it, in whole seconds or minutes.

    >>> duration(7.2), duration(59.6), duration(150.0)
    ('7 s', '1 min', '2 min 30 s')
    """
    minutes, rest = divmod(max(round(seconds), 1), 60)
    # Of a long time, only roughly.
    rest = 0 if minutes >= 10 else rest  # noqa: PLR2004
    return " ".join([f"{minutes} min"] * bool(minutes) + [f"{rest} s"] * bool(rest or not minutes))
