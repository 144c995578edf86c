"""What a history is made of, as plain data, which is all that a report gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    from pytest_benchgate.commit import Commit
    from pytest_benchgate.history.drift import DriftRule

Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True)
class Change:
    """A change as ln(ratio), with its interval; nan where launches are too few to tell."""

    change: float
    low: float
    high: float


@dataclass(frozen=True)
class Step:
    """A change that a race saw: the index of the commit, the race's verdict, and the median of its launches."""

    index: int
    verdict: str
    change: float


@dataclass(frozen=True)
class Drifted:
    """A drift.

    Attributes
    ----------
    first, found, last : int
        The indices of its first commit, of the one after which it was certain enough, and of its last one.
    whole : Change
        Of all its commits.
    evidence : float
        The sum of capitals, which reaches `alarm` within 1,000 commits without any change with a probability of at most
        alpha; see drift.py.
    undone : bool
        Whether later steps have taken it back: what is left is below the threshold.

    """

    first: int
    found: int
    last: int
    whole: Change
    evidence: float
    undone: bool = False


@dataclass(frozen=True)
class Curve:
    """A benchmark's curve.

    Attributes
    ----------
    nodeid : str
        The id of the test.
    levels, lows, highs : numpy.ndarray
        After each commit, as ln(now / start), and its interval; nan where the benchmark was not raced.
    whole : Change
        From its first race to its last.
    races : int
        How many there are.
    gaps : tuple of int
        The indices of commits, from its first race on, to which no race leads.
    reasons : dict of int to str
        The verdicts at those commits, where there is one: `error`, `gone`, `new`, `skipped`.
    steps : tuple of Step
    drifts : tuple of Drifted

    """

    nodeid: str
    levels: Array
    lows: Array
    highs: Array
    whole: Change
    races: int
    gaps: tuple[int, ...]
    reasons: dict[int, str]
    steps: tuple[Step, ...]
    drifts: tuple[Drifted, ...]

    @property
    def drifted(self) -> tuple[Drifted, ...]:
        """The drifts that no later step has taken back."""
        return tuple(one for one in self.drifts if not one.undone)


@dataclass(frozen=True)
class History:
    """All curves of a chain.

    Attributes
    ----------
    base : str
        The id of the commit before the first one.
    commits : tuple of Commit
        Those that were raced, oldest first.
    gaps : tuple of int
        The indices of those before which races are missing.
    counted : bool
        Whether instructions were compared, not times.
    curves : tuple of Curve
        Drifted ones first, then by how much slower each has become at least.

    """

    base: str
    commits: tuple[Commit, ...]
    gaps: tuple[int, ...]
    counted: bool
    rule: DriftRule
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()
