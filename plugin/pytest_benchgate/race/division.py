"""Which benchmarks each shard races: parts of a suite that take about equally long."""

from __future__ import annotations

import heapq
from statistics import median
from typing import TYPE_CHECKING

from pytest_benchgate import reading
from pytest_benchgate.reports import race_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def divide(nodeids: Sequence[str], seconds: Mapping[str, float], parts: int) -> list[list[str]]:
    """Return the benchmarks of each part.

    The longest first, each to the part that has least so far: the longest part is at most a third longer than it needs
    to be (Graham, SIAM Journal on Applied Mathematics 17 (1969) 416). A benchmark whose seconds are not known takes as
    long as most do. With none known, the k-th part has every parts-th benchmark from the k-th on.

    Parameters
    ----------
    nodeids : sequence of str
        The suite, in an order that is the same for all shards.
    seconds : mapping
        How long the race of each benchmark took.
    parts : int
        The number of parts.

    Examples
    --------
    >>> divide(["a", "b", "c", "d"], {"a": 9, "b": 4, "c": 4}, 2)
    [['a'], ['b', 'c', 'd']]
    >>> divide(["a", "b", "c", "d", "e"], {}, 2)
    [['a', 'c', 'e'], ['b', 'd']]

    """
    typical = median([seconds[nodeid] for nodeid in nodeids if nodeid in seconds] or [1.0])
    needed = {nodeid: seconds.get(nodeid, typical) for nodeid in nodeids}
    found: list[list[str]] = [[] for _ in range(parts)]
    loads = [(0.0, part) for part in range(parts)]
    for nodeid in sorted(nodeids, key=needed.__getitem__, reverse=True):
        load, part = heapq.heappop(loads)
        found[part].append(nodeid)
        heapq.heappush(loads, (load + needed[nodeid], part))
    return found


def seconds_of(path: Path) -> dict[str, float]:
    """Return how long the race of each benchmark took, by the JSON of earlier races; of several, the longest.

    Raises
    ------
    ValueError
        If a file cannot be read, or is not the JSON of a race; with its path.

    """
    found: dict[str, float] = {}
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        try:
            report = race_json.read(reading.load(file))
        except ValueError as error:
            raise ValueError(f"{file} {error}") from error
        for raced in report.raced:
            found[raced.nodeid] = max(found.get(raced.nodeid, 0.0), raced.seconds)
    return found
