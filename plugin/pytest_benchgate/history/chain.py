"""Which races follow each other: a chain of commits, and its gaps."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_benchgate.history.record import Record


@dataclass(frozen=True)
class Link:
    """A race in the chain; after a gap, the races before it do not lead to its base."""

    record: Record
    after_gap: bool = False


def chain(records: Mapping[str, Record], line: Sequence[str] = (), *, whole: bool = True) -> list[Link]:
    """Return the races that lead to the newest commit, oldest first.

    Each race's base is the commit of the race before it. Where there is no such race, there is a gap, and the newest
    earlier race precedes it: by the line of commits, or else by their dates.

    Parameters
    ----------
    records : mapping of str to Record
        The races by the ids of their commits; those of other branches are left out.
    line : sequence of str
        The commits of the branch, first parents only, oldest first; empty if there is no repository.
    whole : bool
        Whether no earlier commit is missing from the line, as in a shallow clone.

    """
    if not records:
        return []
    rank = {commit: position for position, commit in enumerate(line)}
    known = [commit for commit in line if commit in records]
    bases = {record.base for record in records.values()}
    ends = [commit for commit in records if commit not in bases] or [*records]
    current = records[known[-1]] if known else max((records[commit] for commit in ends), key=_time)
    left = {**records}
    links: list[Link] = []
    while True:
        del left[current.commit.id]
        before = left.get(current.base)
        gap = before is None
        if gap:
            before = _before(current, left, known, rank, by_date=not (known and whole))
        links.append(Link(current, after_gap=gap and before is not None))
        if before is None:
            return links[::-1]
        current = before


def _before(
    record: Record, left: Mapping[str, Record], known: Sequence[str], rank: Mapping[str, int], *, by_date: bool
) -> Record | None:
    """Return the newest race that is left before the base of a record, or None."""
    position = rank.get(record.base, rank.get(record.commit.id))
    if position is not None:
        earlier = [commit for commit in known if commit in left and rank[commit] < position]
        if earlier:
            return left[earlier[-1]]
    if not by_date:
        return None
    older = [one for one in left.values() if _time(one) < _time(record)]
    return max(older, key=_time, default=None)


def _time(record: Record) -> tuple[str, str]:
    """Return what commits are sorted by where no repository orders them: their authors' dates, in UTC."""
    date = record.commit.date
    with suppress(ValueError, OverflowError):
        date = datetime.fromisoformat(date).astimezone(UTC).isoformat()
    return date, record.commit.id
