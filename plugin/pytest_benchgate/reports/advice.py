"""What to do now, after a race: the same words in each format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.reports import race
from pytest_benchgate.reports.quantity import shortened

if TYPE_CHECKING:
    from pytest_benchgate.results import RaceReport


def steps(report: RaceReport) -> list[tuple[str, str]]:
    """Return sentences, each with the command or the entry of a file that it introduces.

    One of each kind: that of the slowest benchmark. The JSON has all of them.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for raced in race.ordered(report):
        for advice in raced.advice:
            found.setdefault(advice.kind, []).append((shortened(raced.title), advice.words, advice.command))
    several = len({name for entries in found.values() for name, _, _ in entries}) > 1
    return [
        (f"{words}, for {entries[0][0]}" if several else words, command)
        for entries in found.values()
        for _, words, command in entries[:1]
    ]
