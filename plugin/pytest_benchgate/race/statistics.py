"""From the pairs of a race to its decision: pure functions over numbers.

A *launch* starts both workers once and gives one number: ln(head / base) of the means of each side's fastest quarter of
blocks. Disturbances only add to the time of a block, and under load a function with threads has fast and slow states:
there the median of the pairs' ratios scattered by 30 % between launches, and this number by 1 %; elsewhere, too, it
scattered less. What differs between starts of one build (page placement, allocator, hash seeds) is as large as a
slowdown worth finding, so the launch is the unit of evidence, and more pairs in a launch only measure the chance of
that launch more exactly.

If the builds are equal, the sides of a launch are exchangeable and its number is symmetric around 0, whatever the
noise. Then y = clip((number - ln(1 + threshold)) / scale, -1, 1) has a mean of at most 0, so that for each stake g in
(0, 1) the product of (1 + g * y) over the launches is a supermartingale that starts at 1, and so is the mean over
stakes. By Ville's inequality it ever reaches x with a probability of at most 1 / x: looking after each launch is free.

Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (JRSS B, 2023); Ramdas, Grünwald, Vovk
and Shafer, Game-theoretic statistics and safe anytime-valid inference (Statistical Science, 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence

# Of a launch's blocks, on each side.
FASTEST = 0.25
# Of smallest_visible.
TRIALS, POWER, RESOLUTION = 100, 0.95, 0.0005


class Verdict(Enum):
    """The result of a race, for head compared with base.

    NEW: base has no such benchmark. ERROR: it cannot be raced, or it fails. GONE: head lacks it, or newly skips it.
    ACCEPTED: slower, within an accepted limit.
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
    beta : float
        How cautious `same` is; too much caution only costs time.
    scale : float
        The distance from the threshold, in ln(ratio), from which on a launch counts fully.
    stakes : tuple[float, ...]
        Of the bets whose mean is the evidence.
    least_launches : int
        The launches needed for `same`.

    """

    threshold: float = 0.03
    alpha: float = 0.001
    races: int = 1
    beta: float = 0.2
    scale: float = 0.015
    stakes: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9, 0.99)
    least_launches: int = 3

    def __post_init__(self) -> None:
        for name, value in (("threshold", self.threshold), ("scale", self.scale)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}={value!r} must be above 0; 0.03 stands for 3 %")
        for name, value in (("alpha", self.alpha), ("beta", self.beta), *(("stakes", stake) for stake in self.stakes)):
            if not 0 < value < 1:
                raise ValueError(f"{name}={value!r} must lie between 0 and 1")
        for name, count in (
            ("races", self.races),
            ("least_launches", self.least_launches),
            ("stakes", len(self.stakes)),
        ):
            if count < 1:
                raise ValueError(f"{name}={count} must be 1 or more")


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


def launch_number(base_ns: Sequence[float], head_ns: Sequence[float]) -> float:
    """Return the number of a launch: ln(head / base) of the means of each side's fastest quarter, rounded up.

    Exchanging the sides changes only its sign, so it is symmetric if they are exchangeable. Raises ValueError if the
    sides have different numbers of blocks, or none.
    """
    if not base_ns or len(base_ns) != len(head_ns):
        raise ValueError(f"{len(base_ns)} blocks of base and {len(head_ns)} of head; there must be one of each a pair")
    count = math.ceil(len(base_ns) * FASTEST)
    return math.log(sum(sorted(head_ns)[:count]) / sum(sorted(base_ns)[:count]))


def logarithms(base_ns: Sequence[float], head_ns: Sequence[float]) -> list[float]:
    """Return ln(head / base) of each pair."""
    return [math.log(head / base) for base, head in zip(base_ns, head_ns, strict=True)]


def evidence(payoffs: Iterable[float], stakes: Sequence[float]) -> Iterator[float]:
    """Yield the e-process after each payoff in [-1, 1]: the mean over stakes of the product of (1 + stake * payoff)."""
    capitals = [1.0] * len(stakes)
    for payoff in payoffs:
        capitals = [capital * (1 + stake * payoff) for capital, stake in zip(capitals, stakes, strict=True)]
        yield sum(capitals) / len(capitals)


def decide(numbers: Sequence[float], rule: Rule) -> Decision:
    """Return the first decision that the launches, in their order, lead to, or UNSURE.

    SLOWER and FASTER at races / alpha; SAME if "slower by the threshold" and "faster by it" are both refuted, at
    1 / beta, and the reported interval agrees: beta is generous, and much noise can refute what is true.
    """
    edge = math.log1p(rule.threshold)
    slower = [max(-1.0, min(1.0, (number - edge) / rule.scale)) for number in numbers]
    faster = [max(-1.0, min(1.0, (-number - edge) / rule.scale)) for number in numbers]
    for_slower, for_faster = evidence(slower, rule.stakes), evidence(faster, rule.stakes)
    against_slower = evidence([-payoff for payoff in slower], rule.stakes)
    against_faster = evidence([-payoff for payoff in faster], rule.stakes)
    alarm, refuted = rule.races / rule.alpha, 1 / rule.beta
    not_slower = not_faster = False
    strongest = 1.0
    for launch, (is_slower, is_faster, no_slower, no_faster) in enumerate(
        zip(for_slower, for_faster, against_slower, against_faster, strict=True), start=1
    ):
        strongest = max(strongest, is_slower, is_faster)
        if is_slower >= alarm:
            return Decision(Verdict.SLOWER, launch, is_slower)
        if is_faster >= alarm:
            return Decision(Verdict.FASTER, launch, is_faster)
        not_slower |= no_slower >= refuted
        not_faster |= no_faster >= refuted
        if not_slower and not_faster and launch >= rule.least_launches and _inside(numbers[:launch], edge):
            return Decision(Verdict.SAME, launch, strongest)
    return Decision(Verdict.UNSURE, len(numbers), strongest)


def _inside(numbers: Sequence[float], edge: float) -> bool:
    low, high, _ = interval(numbers)
    return -edge <= low and high <= edge


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


def smallest_visible(
    numbers: Sequence[float], rule: Rule, launches: int, rng: random.Random, most: float = 0.5
) -> float | None:
    """Return the smallest slowdown, as ln(ratio), that a race of so many launches detects, or None if above `most`.

    By simulation: samples of the numbers of a null race, mirrored (equal builds are symmetric), are shifted; an alarm
    at threshold 0 must come in POWER of TRIALS races. A smaller threshold makes no sense on the numbers' machine.
    """
    if not numbers:
        raise ValueError("no launches, whose scatter is needed")
    scatter = [*numbers, *(-number for number in numbers)]
    trials = [rng.choices(scatter, k=launches) for _ in range(TRIALS)]
    alarm = rule.races / rule.alpha

    def found(shift: float) -> bool:
        payoffs = ([max(-1.0, min(1.0, (number + shift) / rule.scale)) for number in trial] for trial in trials)
        alarms = sum(any(value >= alarm for value in evidence(payoff, rule.stakes)) for payoff in payoffs)
        return alarms >= POWER * TRIALS

    low, high = 0.0, math.log1p(most)
    if not found(high):
        return None
    while high - low > RESOLUTION:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high
