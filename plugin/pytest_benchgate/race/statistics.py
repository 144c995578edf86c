"""From the pairs of a race to its decision: pure functions over numbers.

A *launch* starts both workers once and gives one number: ln(head / base) of the fastest blocks of each side, with the
standard error that it has by the scatter of its pairs; see launching/number.py. What differs between starts of one
build (page placement, allocator, hash seeds) is as large as a slowdown worth finding, so the launch is the unit of
evidence, and more pairs in a launch only measure the chance of that launch more exactly.

If the builds are equal, the sides of a launch are exchangeable and its number is symmetric around 0, whatever the
noise. Then y = clip((number - ln(1 + threshold)) / scale, -1, 1) has a mean of at most 0 for each scale, so that for
each stake g in (0, 1) the product of (1 + g * y) over the launches is a supermartingale that starts at 1, and so is the
mean over scales and stakes. By Ville's inequality it ever reaches x with a probability of at most 1 / x: looking after
each launch is free. A benchmark that is timed by two clocks has an e-process for each, and each alarms at twice the
evidence, so that the sum of both probabilities is that of one clock, however the two depend on each other.

A launch whose blocks scatter more counts less: its payoff is multiplied by a weight between 0 and 1. The scatter does
not tell which side is slower, and given it, too, the sides are exchangeable, so that the mean stays at most 0.

The interval of the change assumes no symmetry, which unequal builds need not have. If t is the median of the launches'
distribution, a launch lies above t with a probability of at most 1/2, so that the products of (1 + g) for each launch
above t and of (1 - g) for each other are supermartingales as well: what they refute is outside of the interval, at
whatever launch the race ends.

Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (JRSS B, 2023); Ramdas, Grünwald, Vovk
and Shafer, Game-theoretic statistics and safe anytime-valid inference (Statistical Science, 2023); Howard and Ramdas,
Sequential estimation of quantiles with applications to A/B testing and best-arm identification (Bernoulli, 2022).
"""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Of the capital on each launch, for the interval of the median: small ones for many launches, large ones for few.
SHARES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9, 0.99)
# Standard errors of a number between which its launch lies most probably.
CERTAIN = 2


class Verdict(Enum):
    """The result of a race, for head compared with base.

    NEW: base has no such benchmark. ERROR: it cannot be raced, or it fails. GONE: head lacks it, or newly skips it.
    ACCEPTED: slower, within an accepted limit. HOLDS, REFUTED, WITHHELD: of a claim, WITHHELD if a test of it fails.
    """

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNSURE = "unsure"
    # Slower as built, but not with the code in other places.
    PLACEMENT = "placement"
    NEW = "new"
    ERROR = "error"
    SKIPPED = "skipped"
    GONE = "gone"
    ACCEPTED = "accepted"
    HOLDS = "holds"
    REFUTED = "refuted"
    WITHHELD = "withheld"


@dataclass(frozen=True)
class Rule:
    """When a race is decided.

    Attributes
    ----------
    threshold : float
        The relative slowdown that matters: 0.03 is 3 %.
    alpha : float
        The probability of any false alarm in the suite.
    races : int
        The number of races in the suite; each gets alpha / races.
    faster_alpha : float
        The probability that an equal build is `faster`, in each race: it passes like `same`, and costs less time.
    beta : float
        How cautious `same` is; too much caution only costs time.
    scales : tuple[float, ...]
        The distances from the threshold, in ln(ratio), from which on a launch counts fully. A small one is for
        launches that scatter little, a large one for the others; the evidence is the mean of the bets with each.
    stakes : tuple[float, ...]
        Of the bets whose mean is the evidence.
    least_launches : int
        The launches needed for `same`.
    freed : float
        The part of alpha that other races of the suite do not need any more, as their evidence is 1 / alpha or more.

    """

    threshold: float = 0.03
    alpha: float = 0.001
    races: int = 1
    faster_alpha: float = 0.01
    beta: float = 0.22
    scales: tuple[float, ...] = (0.003, 0.006, 0.015)
    stakes: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9, 0.99)
    least_launches: int = 3
    freed: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("threshold", self.threshold), *(("scales", scale) for scale in self.scales)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}={value!r} must be above 0; 0.03 stands for 3 %")
        shares = {"alpha": self.alpha, "faster_alpha": self.faster_alpha, "beta": self.beta}
        for name, value in (*shares.items(), *(("stakes", stake) for stake in self.stakes)):
            if not 0 < value < 1:
                raise ValueError(f"{name}={value!r} must lie between 0 and 1")
        if not 0 <= self.freed < 1:
            raise ValueError(f"freed={self.freed!r} must be 0 or more, and below 1")
        for name, count in (
            ("races", self.races),
            ("least_launches", self.least_launches),
            ("scales", len(self.scales)),
            ("stakes", len(self.stakes)),
        ):
            if count < 1:
                raise ValueError(f"{name}={count} must be 1 or more")

    @property
    def alarm(self) -> float:
        """The evidence for SLOWER."""
        return self.races * (1 - self.freed) / self.alpha

    def evidence(self, numbers: Sequence[float], errors: Sequence[float] = ()) -> float:
        """Return the evidence for SLOWER after these launches."""
        edge = math.log1p(self.threshold)
        weights = self.weights(errors or [0.0] * len(numbers))
        return [1.0, *evidence([number - edge for number in numbers], self, weights)][-1]

    def decide(self, numbers: Sequence[float], errors: Sequence[float] = ()) -> Decision:
        """Return the first decision that the launches lead to; see the function of this name."""
        return decide(numbers, self, errors)

    def weights(self, errors: Iterable[float]) -> list[float]:
        """Return how much each launch counts, between 0 and 1, by the standard error of its number.

        It counts fully if the threshold is CERTAIN errors or more. Otherwise, P(|Z| < threshold / error) for a normal
        Z: how much more often an equal build's launch lies below the threshold than above it. Capital grows fastest if
        such a share of it is bet: Kelly, A new interpretation of information rate (Bell System Tech. J., 1956).
        """
        edge = math.log1p(self.threshold)
        return [1.0 if CERTAIN * error <= edge else math.erf(edge / (math.sqrt(2) * error)) for error in errors]

    def decide_by_count(self, number: float, error: float) -> Verdict:
        """Return the verdict on a number that is known up to an error: UNSURE if that leaves it open."""
        edge = math.log1p(self.threshold)
        if number - error > edge:
            return Verdict.SLOWER
        if number + error < -edge:
            return Verdict.FASTER
        return Verdict.SAME if -edge <= number - error and number + error <= edge else Verdict.UNSURE

    def margin(self, number: float) -> float:
        """Return how far a number is from where a launch would count less; the same if the sides are exchanged."""
        return abs(abs(number) - math.log1p(self.threshold)) - max(self.scales)

    def is_clear(self, low: float, high: float) -> bool:
        """Return whether a launch counts fully, wherever its number lies between these, on either side of 0."""
        least, most = sorted((abs(low), abs(high)))
        edge, scale = math.log1p(self.threshold), max(self.scales)
        return most < edge - scale or (low * high > 0 and least > edge + scale)

    def suspects(self, low: float) -> bool:
        """Return whether an interval that begins here is clearly above the threshold."""
        return low > math.log1p(self.threshold) + max(self.scales) / 2


@dataclass(frozen=True)
class Decision:
    """The verdict, the number of launches that it took, and the evidence for an alarm.

    Attributes
    ----------
    launches : int
        Those until the decision; all of them for UNSURE.
    evidence : float
        The e-value of the alarm (SLOWER or FASTER): equal builds reach x with a probability of at most 1 / x.

    """

    verdict: Verdict
    launches: int
    evidence: float


def evidence(
    excesses: Iterable[float], rule: Rule, weights: Iterable[float] = itertools.repeat(1.0)
) -> Iterator[float]:
    """Yield the e-process after each launch, from the distances of the numbers above the threshold, in ln(ratio).

    It is the mean over scales and stakes of the products of (1 + stake * payoff), where the payoff of a launch is its
    distance over the scale, between -1 and 1, times its weight. Without weights each launch counts fully.
    """
    bets = [(scale, stake) for scale in rule.scales for stake in rule.stakes]
    capitals = [1.0] * len(bets)
    for excess, weight in zip(excesses, weights, strict=False):
        payoffs = {scale: weight * max(-1.0, min(1.0, excess / scale)) for scale in rule.scales}
        capitals = [
            capital * (1 + stake * payoffs[scale]) for capital, (scale, stake) in zip(capitals, bets, strict=True)
        ]
        yield sum(capitals) / len(capitals)


def decide(numbers: Sequence[float], rule: Rule, errors: Sequence[float] = ()) -> Decision:
    """Return the first decision that the launches, in their order, lead to, or UNSURE.

    SLOWER at rule.alarm, FASTER at 1 / faster_alpha; SAME if "slower by the threshold" and "faster by it" are both
    refuted, at 1 / beta, and the median's interval agrees: beta is generous, and much noise can refute what is true.

    A launch whose number has a standard error counts less; without errors each counts fully.
    """
    edge, errors = math.log1p(rule.threshold), errors or [0.0] * len(numbers)
    weights = rule.weights(errors)
    slower = [number - edge for number in numbers]
    faster = [-number - edge for number in numbers]
    for_slower, for_faster = evidence(slower, rule, weights), evidence(faster, rule, weights)
    against_slower = evidence([-excess for excess in slower], rule, weights)
    against_faster = evidence([-excess for excess in faster], rule, weights)
    refuted = 1 / rule.beta
    not_slower = not_faster = False
    strongest = 1.0
    for launch, (is_slower, is_faster, no_slower, no_faster) in enumerate(
        zip(for_slower, for_faster, against_slower, against_faster, strict=True), start=1
    ):
        strongest = max(strongest, is_slower, is_faster)
        if is_slower >= rule.alarm:
            return Decision(Verdict.SLOWER, launch, is_slower)
        if is_faster >= 1 / rule.faster_alpha:
            return Decision(Verdict.FASTER, launch, is_faster)
        not_slower |= no_slower >= refuted
        not_faster |= no_faster >= refuted
        if (
            not_slower
            and not_faster
            and launch >= rule.least_launches
            and _inside(numbers[:launch], errors[:launch], rule)
        ):
            return Decision(Verdict.SAME, launch, strongest)
    return Decision(Verdict.UNSURE, len(numbers), strongest)


def _inside(numbers: Sequence[float], errors: Sequence[float], rule: Rule) -> bool:
    """Return whether the interval lies within the threshold: that of all launches, or of those that count fully."""
    edge = math.log1p(rule.threshold)
    exact = [number for number, error in zip(numbers, errors, strict=True) if CERTAIN * error <= edge]
    intervals = [interval(some) for some in (numbers, exact) if len(some) >= rule.least_launches]
    return any(-edge <= low and high <= edge for low, high, _ in intervals)


def interval(numbers: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return (low, high, coverage): order statistics between which the median of the launches' distribution lies.

    The narrowest symmetric pair whose coverage, 1 - 2 P(Binomial(n, 1/2) < rank), is at least `confidence`; with too
    few launches for it, the two extremes and their coverage. No distribution is assumed.
    """
    if not numbers:
        raise ValueError("no launches; an interval needs at least one")
    ordered, count = sorted(numbers), len(numbers)

    def coverage(rank: int) -> float:
        return 1 - 2 * float(sum(math.comb(count, below) for below in range(rank)) / 2**count)

    rank = 1
    while rank + 1 <= (count + 1) // 2 and coverage(rank + 1) >= confidence:
        rank += 1
    return ordered[rank - 1], ordered[count - rank], max(coverage(rank), 0.0)


def median_interval(numbers: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return (low, high, coverage): where the median of the launches' distribution lies, at whatever launch it is read.

    A confidence sequence: with probability `confidence` it holds the median after every launch at once, so that a race
    may end when it likes. With too few launches for it, it is the whole range, and the coverage that this has. No
    distribution, nor any symmetry, is assumed; see the top of the module. If the launches drift, so that their median
    lies beside what earlier ones have left, it is the wider interval that the last launch alone gives.

    Examples
    --------
    >>> [round(one, 2) for one in median_interval([0.04, 0.05, 0.06, 0.05, 0.05, 0.04, 0.05])]
    [0.04, 0.06, 0.95]

    """
    if not numbers:
        raise ValueError("no launches; an interval needs at least one")
    most = max(capital(True for _ in numbers))
    coverage = max(0.0, min(confidence, 1 - 2 / most))
    refuted = 2 / (1 - coverage)
    mirrored = [-number for number in numbers]
    low, high = _first_kept(numbers, refuted), -_first_kept(mirrored, refuted)
    if not low <= statistics.median(numbers) <= high:
        # The launches drifted: their early ones refuted what the later ones show.
        low, high = _first_kept(numbers, refuted, at_end=True), -_first_kept(mirrored, refuted, at_end=True)
    return low, high, coverage


def _first_kept(numbers: Sequence[float], refuted: float, *, at_end: bool = False) -> float:
    """Return the smallest number that the launches above it do not refute as their median, ever or at the end."""
    ordered = sorted(set(numbers))

    def against(low: float) -> float:
        capitals = [*capital(number > low for number in numbers)]
        return capitals[-1] if at_end else max(capitals)

    # The larger a number, the fewer launches lie above it, and the less they refute it.
    kept = bisect.bisect_right(ordered, -refuted, key=lambda low: -against(low))
    return ordered[kept]


def capital(wins: Iterable[bool]) -> Iterator[float]:
    """Yield the mean capital after each bet on a fair coin: each doubles a share of it, or loses it."""
    capitals = [1.0] * len(SHARES)
    for won in wins:
        capitals = [
            capital * (1 + share if won else 1 - share) for capital, share in zip(capitals, SHARES, strict=True)
        ]
        yield sum(capitals) / len(capitals)
