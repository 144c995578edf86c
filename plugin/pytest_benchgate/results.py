"""What a session found out, in plain data: all that a report sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1  # of the addition to pytest-benchmark's JSON: counted up when a field changes its meaning or goes


@dataclass(frozen=True)
class Work:
    """What one call of a benchmarked function does.

    Attributes
    ----------
    items: how many of `unit` it works through.
    bytes: how many bytes it reads and writes, in all.
    operations: how many arithmetic operations it does.

    """

    items: float | None = None
    bytes: float | None = None
    operations: float | None = None
    unit: str = "items"

    def amounts(self) -> dict[str, float]:
        """Return the resources that were stated and how much of each one call takes."""
        stated = {"items": self.items, "bytes": self.bytes, "operations": self.operations}
        return {name: amount for name, amount in stated.items() if amount is not None}


@dataclass(frozen=True)
class Share:
    """A limit of this machine beside a benchmark.

    Attributes
    ----------
    limit: its name.
    limit_s: seconds that the limit takes for the same amount (median).
    share: limit_s over the benchmark's median: 1.0 is as fast as the limit.

    """

    limit: str
    limit_s: float
    share: float


@dataclass(frozen=True)
class Result:
    """A benchmark whose test passed.

    Attributes
    ----------
    nodeid, name, group: of the test, as pytest-benchmark has them.
    median_s, min_s, iqr_s, rounds: of the time of one call.
    verified: whether its answer went through the gate.
    device_ns: the median time of one call on its device, from the device's own events.
    device: the device's name.
    suspicious: why the time is hard to believe.

    """

    nodeid: str
    name: str
    group: str | None
    median_s: float
    min_s: float
    iqr_s: float
    rounds: int
    verified: bool = False
    work: Work | None = None
    shares: tuple[Share, ...] = ()
    device_ns: float | None = None
    device: str | None = None
    suspicious: str | None = None

    def rates(self) -> dict[str, float]:
        """Return how much of each resource it works through in a second."""
        return {name: amount / self.median_s for name, amount in self.work.amounts().items()} if self.work else {}


@dataclass(frozen=True)
class Withheld:
    """A benchmark whose test failed: its time is in no report, or the gate never took one.

    Attributes
    ----------
    nodeid, name: of the test.
    phase: "setup", "call" or "teardown".
    timed: whether there was a time to withhold.
    reason: the first line of what was raised.
    message: all of what was raised.
    path, line: the line of the test that raised it; the path is relative to pytest's rootdir, lines count from 1.

    """

    nodeid: str
    name: str
    phase: str
    timed: bool
    reason: str
    message: str
    path: str
    line: int


@dataclass(frozen=True)
class Report:
    """All of one session."""

    results: tuple[Result, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    machine: dict[str, Any] = field(default_factory=dict)
