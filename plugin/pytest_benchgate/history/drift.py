"""Drift: many small slowdowns, none of which its own race detects, found by a sequential test on a chain of races.

*The null hypothesis*: no commit changes the speed. Then the two builds of each race are equal, and the number of each
launch, x = ln(head / base), is symmetric around 0 given all that came before; see race/statistics.py. So a bet with a
stake g in (0, 1) on a scale c multiplies its capital by 1 + g * clip(x / c, -1, 1), whose mean is 1, and so has a race:
its factor F is the product over its launches, of which there are more or fewer for reasons that lie in the past. A race
that raised an alarm of its own counts with min(F, 1): what was seen already is no drift, and a smaller factor keeps
the mean at 1 or below.

*Where it began is not known*, so a new bet starts with a capital of 1 at each race. The sum of all capitals follows
R_i = (R_(i-1) + 1) * F_i, so that E(R_i) <= R_(i-1) + 1 given the past: R_i - i is a supermartingale, and so is the
mean over scales and stakes, minus i. Stopped when R reaches x, or after n races, it has a mean of at most 0, so that
x * P(R reaches x within n races) <= n. With x = benchmarks * RACES / alpha, the probability that any benchmark is
reported within so many races, although nothing has changed, is at most alpha, however often one looks. This is the
procedure of Shiryaev and Roberts with e-values in the place of likelihood ratios.

*What is reported* must also matter: the sum of the races' medians, from the race at which the largest capital began,
must reach the threshold. That can only make false reports rarer. The drift goes on until that capital is largest.

Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for sequential change detection (New England Journal of
Statistics in Data Science, 2024); Pollak, Optimal detection of a change in distribution (Annals of Statistics, 1985).
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Within which alpha is the probability of a false report.
RACES = 1000
# No capital grows further, so that none overflows.
MOST = 1e100
# A drift has ended when its capital has fallen by this factor.
FALL = 100.0


@dataclass(frozen=True)
class DriftRule:
    """When a benchmark has drifted.

    Attributes
    ----------
    threshold : float
        The relative slowdown that matters, of all commits of the drift together: 0.03 is 3 %.
    alpha : float
        The probability that any benchmark is reported within RACES commits if none changes the speed.
    benchmarks : int
        How many there are; each gets alpha / benchmarks.
    scales : tuple of float
        The ln(ratio) from which on a launch counts fully.
    stakes : tuple of float
        The shares of its capital that a bet risks in a launch.
    launches : int
        How many launches of a race count, the first ones, so that none decides alone.

    """

    threshold: float = 0.03
    alpha: float = 0.05
    benchmarks: int = 1
    scales: tuple[float, ...] = (0.005, 0.015)
    stakes: tuple[float, ...] = (0.3, 0.9)
    launches: int = 12

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise ValueError(f"threshold={self.threshold!r} must be above 0; 0.03 stands for 3 %")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha={self.alpha!r} must lie between 0 and 1")
        if self.benchmarks < 1:
            raise ValueError(f"benchmarks={self.benchmarks} must be 1 or more")

    @property
    def alarm(self) -> float:
        """The sum of capitals at which a drift is reported."""
        return self.benchmarks * RACES / self.alpha

    @property
    def bets(self) -> list[tuple[float, float]]:
        """Each scale with each stake."""
        return [*itertools.product(self.scales, self.stakes)]


@dataclass(frozen=True)
class Race:
    """A race of a benchmark: the numbers of its launches, ln(head / base), and whether it raised an alarm itself."""

    numbers: tuple[float, ...]
    seen: bool = False


@dataclass(frozen=True)
class Drift:
    """A drift.

    Attributes
    ----------
    first, found, last : int
        The indices of its first race, of the one after which it was certain enough, and of its last one.
    change : float
        The sum of the medians of its races, as ln(ratio).
    evidence : float
        The sum of capitals when it was found.

    """

    first: int
    found: int
    last: int
    change: float
    evidence: float


def factors(race: Race, rule: DriftRule) -> list[float]:
    """Return by what a race multiplies the capital of each bet."""
    found = []
    for scale, stake in rule.bets:
        payoffs = [max(-1.0, min(1.0, number / scale)) for number in race.numbers[: rule.launches]]
        factor = math.prod(1 + stake * payoff for payoff in payoffs)
        found.append(min(factor, 1.0) if race.seen else factor)
    return found


def evidence(races: Sequence[Race], rule: DriftRule) -> Iterator[float]:
    """Yield after each race the sum of the capitals of all bets that began at it or before, as a mean over the bets."""
    capitals = [0.0] * len(rule.bets)
    for race in races:
        pairs = zip(capitals, factors(race, rule), strict=True)
        capitals = [min((capital + 1) * factor, MOST) for capital, factor in pairs]
        yield sum(capitals) / len(capitals)


def find(races: Sequence[Race], rule: DriftRule) -> list[Drift]:
    """Return the drifts of a benchmark in its chain of races, oldest first.

    Examples
    --------
    Of 40 races, 10 to 29 are each 0.4 % slower than the one before:

    >>> races = [Race((0.001, -0.001, 0.0))] * 10 + [Race((0.004, 0.005, 0.003))] * 20 + [Race((0.0, 0.0, 0.0))] * 10
    >>> [(drift.first, drift.last, round(drift.change, 3)) for drift in find(races, DriftRule())]
    [(10, 29, 0.08)]

    """
    found: list[Drift] = []
    start = 0
    while (drift := _first(races, start, rule)) is not None:
        found.append(drift)
        start = drift.last + 1
    return found


def _first(races: Sequence[Race], start: int, rule: DriftRule) -> Drift | None:
    """Return the first drift in the races from one on, with all capitals at 0 before it."""
    edge = math.log1p(rule.threshold)
    changes: list[float] = []
    for offset, capital in enumerate(evidence(races[start:], rule)):
        changes.append(statistics.median(races[start + offset].numbers))
        if capital < rule.alarm:
            continue
        first = _began(races[start : start + offset + 1], rule)
        change = math.fsum(changes[first:])
        if change >= edge:
            first, found = start + first, start + offset
            last = _ended(races, first, found, rule)
            change = math.fsum(statistics.median(race.numbers) for race in races[first : last + 1])
            return Drift(first, found, last, change, capital)
    return None


def _began(races: Sequence[Race], rule: DriftRule) -> int:
    """Return the race at which the bets began that have the largest capital after the last one."""
    capitals, best, first = [1.0] * len(rule.bets), -1.0, 0
    for index in range(len(races) - 1, -1, -1):
        pairs = zip(capitals, factors(races[index], rule), strict=True)
        capitals = [min(capital * factor, MOST) for capital, factor in pairs]
        if sum(capitals) > best:
            best, first = sum(capitals), index
    return first


def _ended(races: Sequence[Race], first: int, found: int, rule: DriftRule) -> int:
    """Return the race after which the bets that began at the first one have the largest capital."""
    capitals, best, last = [1.0] * len(rule.bets), -1.0, found
    for index in range(first, len(races)):
        pairs = zip(capitals, factors(races[index], rule), strict=True)
        capitals = [min(capital * factor, MOST) for capital, factor in pairs]
        if index < found:
            continue
        if sum(capitals) > best:
            best, last = sum(capitals), index
        elif sum(capitals) < best / FALL:
            break
    return last
