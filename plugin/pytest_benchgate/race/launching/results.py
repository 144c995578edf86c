"""What comes of a launch, as events: the files that workers have loaded, and a result for each test."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

from pytest_benchgate.explained import EQUAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# In ln(ratio): where Python's memory lies has changed counts by 1.7 %, and a full pool of it by 8 %.
CHANCE = 0.1


class FailureKind(Enum):
    """Why a test has no number.

    LACKS: a side has no such test. FAILED: the test itself, or the collection of its file. BROKEN: a side cannot import
    what is raced. LOST: a worker has died, or sends what cannot be true. LATE: it hangs, or is too slow. UNCOUNTABLE:
    the test runs, but its instructions cannot be counted exactly.
    """

    LACKS = "lacks"
    SKIPPED = "skipped"
    FAILED = "failed"
    BROKEN = "broken"
    LOST = "lost"
    LATE = "late"
    UNCOUNTABLE = "uncountable"


@dataclass(frozen=True)
class Failed:
    """A test that has no number, on which side ("base", "head", or "base and head"), and the reason."""

    side: str
    reason: str
    kind: FailureKind = FailureKind.FAILED


@dataclass(frozen=True)
class Pace:
    """How a benchmark is timed in a launch.

    Attributes
    ----------
    calls : int
        The calls of a block.
    lead : int
        The calls before each block that are not timed; none for a function that uses no threads.
    pairs : int | None
        How many pairs of blocks; None where that depends on how well they agree.
    factors : tuple[int, ...]
        How many times as many calls each side makes, for two tests of unlike length; empty for one test.
    margin : float | None
        The standard error of its number, in ln(ratio), up to which these pairs are enough, and beyond which there are
        more. None if they are enough in any case.

    """

    calls: int
    lead: int = 0
    pairs: int | None = None
    factors: tuple[int, ...] = ()
    margin: float | None = None


@dataclass(frozen=True)
class Timed:
    """The times of a benchmark in one launch.

    Attributes
    ----------
    number : float
        Ln(head / base).
    base_ns, head_ns : tuple[float, ...]
        The nanoseconds of one call in each pair, by side.
    group : str | None
        The benchmark's group, on head.
    alike : bool
        Whether both sides had drawn the same random numbers, from the same seeds, when the benchmark began.
    pace : Pace
        How it was timed.
    paired_s : float
        The seconds of all its pairs.
    error : float
        The standard error of the number, by the scatter of its pairs.
    device : Timed | Failed | None
        The same calls by the clock of the device on which they work, or why it does not tell; None without a device.

    """

    number: float
    base_ns: tuple[float, ...]
    head_ns: tuple[float, ...]
    group: str | None = None
    alike: bool = True
    pace: Pace = Pace(1)
    paired_s: float = 0.0
    error: float = 0.0
    device: Timed | Failed | None = None


@dataclass(frozen=True)
class CountedSide:
    """What a call of a benchmark executes on one side.

    Attributes
    ----------
    instructions : int
        How many, of the call that executes least; 0 if they were not counted. Of several starts, the median.
    spread : float
        The relative difference between the two calls that execute least; of several starts, the largest.
    profile : Path | None
        The file that callgrind wrote of that call.
    files : frozenset[str]
        The raced files that the side has loaded.
    functions : Mapping[str, int]
        How often each Python function was entered in another call.
    lines : Mapping[str, int]
        How many bytecode instructions each line of raced Python functions executed in it.
    starts : tuple[int, ...]
        The instructions of each start, from the least, if there were several.

    """

    instructions: int
    spread: float
    profile: Path | None
    files: frozenset[str]
    functions: Mapping[str, int]
    lines: Mapping[str, int]
    starts: tuple[int, ...] = ()

    @property
    def error(self) -> float:
        """How exact the instructions are: the largest relative difference between calls, or between starts."""
        return max(self.spread, 1 - self.starts[0] / max(self.starts[-1], 1) if self.starts else 0)

    @property
    def agreement(self) -> float:
        """The relative difference between the median of three starts and the one nearest to it; of fewer, the error."""
        if len(self.starts) <= 2:  # noqa: PLR2004
            return self.error
        gaps = [after - before for before, after in pairwise(self.starts) if self.instructions in {before, after}]
        return max(self.spread, min(gaps) / max(self.instructions, 1))

    def with_start(self, other: CountedSide) -> CountedSide:
        """Return this side with another start of it."""
        starts = tuple(sorted((*(self.starts or (self.instructions,)), other.instructions)))
        middle = median_low(starts)
        one = min(other, self, key=lambda side: abs(side.instructions - middle))
        return replace(one, instructions=middle, spread=max(self.spread, other.spread), starts=starts)


@dataclass(frozen=True)
class Counted:
    """What a call of a benchmark executes on both sides; `alike` is as for Timed."""

    base: CountedSide
    head: CountedSide
    alike: bool = True

    @property
    def number(self) -> float:
        """Ln(head / base) of the instructions."""
        return math.log(self.head.instructions / self.base.instructions)

    @property
    def error(self) -> float:
        """How exact the number is: the larger error of the two sides, and at least EQUAL."""
        return max(self.base.error, self.head.error, EQUAL)

    @property
    def agreement(self) -> float:
        """How exact the number is by those starts that agree best, and at least EQUAL."""
        return max(self.base.agreement, self.head.agreement, EQUAL)

    @property
    def may_be_chance(self) -> bool:
        """Whether sides or starts differ, but by no more than processes of one build may."""
        spread = max(self.base.spread, self.head.spread, EQUAL)
        return abs(self.number) < CHANCE and spread < max(abs(self.number), self.error)

    def with_start(self, other: Counted) -> Counted:
        """Return what this and another start of both sides tell together."""
        base, head = self.base.with_start(other.base), self.head.with_start(other.head)
        return Counted(base, head, self.alike and other.alike)


@dataclass(frozen=True)
class Loaded:
    """Raced files, by their real paths, that a side has loaded since its last such event."""

    side: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class LaunchResult:
    """The result of a test in a launch, and the seconds that it took."""

    nodeid: str
    result: Timed | Counted | Failed
    seconds: float
