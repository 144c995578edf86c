"""Merge the files of a race's shards into one report, and find what is missing from it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_benchgate.results import RaceReport

# Benchmarks that a line names.
SHOWN = 10


def merge(reports: Sequence[RaceReport]) -> tuple[RaceReport, list[str]]:
    """Return the races of all files as one report, and what is missing from the whole race.

    Raises ValueError if the files are not of one race.
    """
    first = reports[0]
    if differences := [line for index, report in enumerate(reports) for line in _differences(first, report, index)]:
        raise ValueError(f"the files are not shards of one race: {'; '.join(dict.fromkeys(differences))}")
    problems = _problems(reports)
    if len(reports) == 1:
        return dataclasses.replace(first, complete=not problems), problems
    return dataclasses.replace(
        first,
        launches=sum(report.launches for report in reports),
        seconds=sum(report.seconds for report in reports),
        raced=tuple(raced for report in reports for raced in report.raced),
        complete=not problems,
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        shard=None,
    ), problems


def are_parts(one: RaceReport, other: RaceReport) -> bool:
    """Return whether two reports are of shards of one race."""
    return bool(one.shard and other.shard and one.shard[1] > 1) and not _differences(one, other, 1)


def _differences(first: RaceReport, other: RaceReport, index: int) -> list[str]:
    """Return the reasons why another file, by its index, is not of the first one's race."""
    pairs: list[tuple[str, Any, Any]] = []
    for side in ("base", "head"):
        one, two = getattr(first, f"{side}_tree"), getattr(other, f"{side}_tree")
        # Equal trees are equal whatever a revision is called in each job.
        pairs.append((f"{side}'s tree", one, two) if one and two else (side, *_named(first, other, side)))
    pairs += [(name, *_named(first, other, name)) for name in ("alpha", "races")]
    pairs += [(name, first.settings.get(name), other.settings.get(name)) for name in first.settings | other.settings]
    if first.shard and other.shard:
        pairs.append(("the number of shards", first.shard[1], other.shard[1]))
    found = [f"{what}: {one} in file 1, {two} in file {index + 1}" for what, one, two in pairs if one != two]
    if first.suite and other.suite and first.suite != other.suite:
        one, two = set(first.suite), set(other.suite)
        found += [
            f"only the suite of file {number} has {_names(ids)}"
            for number, ids in ((1, one - two), (index + 1, two - one))
            if ids
        ]
    return found


def _named(first: RaceReport, other: RaceReport, name: str) -> tuple[Any, Any]:
    return getattr(first, name), getattr(other, name)


def _problems(reports: Sequence[RaceReport]) -> list[str]:
    """Return what is interrupted, missing or repeated."""
    problems = [
        f"{_called(report, index)} was interrupted: not all of its races are over"
        for index, report in enumerate(reports)
        if not report.complete
    ]
    shards = Counter(report.shard for report in reports if report.shard)
    count = max((many for _, many in shards), default=0)
    if absent := [number for number in range(1, count + 1) if (number, count) not in shards]:
        problems.append(f"of {count} shards, these are missing: {', '.join(map(str, absent))}")
    problems += [f"shard {one}/{many} is present {times} times" for (one, many), times in shards.items() if times > 1]
    raced = {raced.nodeid for report in reports for raced in report.raced}
    times_raced = Counter((raced.nodeid, raced.claim, raced.clock) for report in reports for raced in report.raced)
    if repeated := {nodeid for (nodeid, *_), times in times_raced.items() if times > 1}:
        problems.append(f"raced more than once: {_names(repeated)}")
    suite = next((report.suite for report in reports if report.suite), ())
    races = reports[0].races
    if suite:
        if strange := raced.difference(suite):
            problems.append(f"not in the suite: {_names(strange)}")
        lacking = [nodeid for nodeid in suite if nodeid not in raced]
        if lacking:
            problems.append(f"{len(lacking)} of {races} benchmarks are missing: {_names(lacking)}")
    elif len(raced) < races:
        problems.append(f"{races - len(raced)} of {races} benchmarks are missing")
    return problems


def _called(report: RaceReport, index: int) -> str:
    return f"shard {report.shard[0]}/{report.shard[1]}" if report.shard else f"the race of file {index + 1}"


def _names(nodeids: Iterable[str]) -> str:
    names = sorted(nodeids)
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
