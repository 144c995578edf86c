"""What comes of a launch, as events: the files that workers have loaded, and a result for each test."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from pytest_benchgate.explained import EQUAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# In ln(ratio): where a process has its memory has changed counts by 1.6 %.
CHANCE = 0.05


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

    """

    calls: int
    lead: int = 0
    pairs: int | None = None
    factors: tuple[int, ...] = ()


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
    device: Timed | Failed | None = None


@dataclass(frozen=True)
class CountedSide:
    """What a call of a benchmark executes on one side.

    Attributes
    ----------
    instructions : int
        How many, of the call that executes least; 0 if they were not counted.
    spread : float
        The relative difference between the two calls that execute least.
    profile : Path | None
        The file that callgrind wrote of that call.
    files : frozenset[str]
        The raced files that the side has loaded.
    functions : Mapping[str, int]
        How often each Python function was entered in another call.
    lines : Mapping[str, int]
        How many bytecode instructions each line of raced Python functions executed in it.

    """

    instructions: int
    spread: float
    profile: Path | None
    files: frozenset[str]
    functions: Mapping[str, int]
    lines: Mapping[str, int]


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
        """How exact the number is: the larger spread of the two sides, and at least EQUAL."""
        return max(self.base.spread, self.head.spread, EQUAL)

    @property
    def may_be_chance(self) -> bool:
        """Whether the sides differ, but by no more than processes of one build may: where their memory lies matters."""
        return self.error < abs(self.number) < CHANCE

    def with_start(self, other: Counted) -> Counted:
        """Return what this and another start of both sides tell together."""
        return Counted(_least(self.base, other.base), _least(self.head, other.head), self.alike and other.alike)


def _least(first: CountedSide, second: CountedSide) -> CountedSide:
    """Return a side of the second start with the least instructions of both, as exact as these agree."""
    least, most = sorted((first.instructions, second.instructions))
    spread = max(first.spread, second.spread, (most - least) / max(most, 1))
    return replace(second, instructions=least, spread=spread)


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
