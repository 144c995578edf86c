"""Whether a claim holds: bets on the side of its bound on which the launches lie.

A claim says that the median of a launch's number, ln(own time / the other's), is at most a bound. Two functions that
differ are not exchangeable, and their noises need not be symmetric around the true ratio, so that the distance of a
launch from the bound proves nothing. Its sign does: the payoff of a launch is 1 if it lies above the bound, and -1 if
not.

If the claim is true, a launch lies above the bound with a probability p of at most 1/2, whatever the launches before it
were. For each share g of the capital, the mean of the next factor, 1 + g above and 1 - g otherwise, is
1 + g * (2 * p - 1), which is at most 1. So the product of the factors is a supermartingale that starts at 1, and so is
the mean over several shares. By Ville's inequality it ever reaches x with a probability of at most 1 / x: looking after
each launch is free. In the same way, the bets on launches below the bound refute that the median is the bound or more.
A launch on the bound itself wins neither bet.

How the launches' numbers are made may depend on the launches before, as the number of pairs does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.race.statistics import Decision, Verdict, capital

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ClaimRule:
    """When a claim is decided.

    Attributes
    ----------
    bound : float
        What the median of the launches' numbers is claimed to be at most.
    claims : int
        The number of claims in the suite; each gets alpha / claims.
    alpha : float
        The probability that any true claim in the suite is refuted.
    holds_alpha : float
        The probability that a false claim holds, for each claim.

    """

    bound: float
    claims: int = 1
    alpha: float = 0.001
    holds_alpha: float = 0.01

    def __post_init__(self) -> None:
        if not math.isfinite(self.bound):
            raise ValueError(f"bound={self.bound!r} must be a finite number, as ln(ratio)")
        for name, value in (("alpha", self.alpha), ("holds_alpha", self.holds_alpha)):
            if not 0 < value < 1:
                raise ValueError(f"{name}={value!r} must lie between 0 and 1")
        if self.claims < 1:
            raise ValueError(f"claims={self.claims} must be 1 or more")

    @property
    def alarm(self) -> float:
        """The evidence for REFUTED."""
        return self.claims / self.alpha

    def evidence(self, numbers: Sequence[float], errors: Sequence[float] = ()) -> float:  # noqa: ARG002
        """Return the evidence for REFUTED after these launches, each of which counts fully."""
        return [1.0, *capital(number > self.bound for number in numbers)][-1]

    def decide(self, numbers: Sequence[float], errors: Sequence[float] = ()) -> Decision:  # noqa: ARG002
        """Return the first decision that the launches, in their order, lead to, or UNSURE.

        Each counts fully, whatever its error: those that scatter more need not have the same median.

        Examples
        --------
        >>> ClaimRule(bound=0.0).decide([-0.7] * 20).verdict
        <Verdict.HOLDS: 'holds'>

        """
        above = capital(number > self.bound for number in numbers)
        below = capital(number < self.bound for number in numbers)
        strongest = 1.0
        for launch, (against, support) in enumerate(zip(above, below, strict=True), start=1):
            if against >= self.alarm:
                return Decision(Verdict.REFUTED, launch, against)
            if support >= 1 / self.holds_alpha:
                return Decision(Verdict.HOLDS, launch, support)
            strongest = max(strongest, against, support)
        return Decision(Verdict.UNSURE, len(numbers), strongest)

    def decide_by_count(self, number: float, error: float) -> Verdict:
        """Return the verdict on a number that is known up to an error: UNSURE if the bound lies within the error."""
        if number - error > self.bound:
            return Verdict.REFUTED
        return Verdict.HOLDS if number + error <= self.bound else Verdict.UNSURE

    def margin(self, number: float) -> float:
        """Return how far a number is from the bound, beyond which a launch would count for the other side."""
        return abs(number - self.bound)

    def is_clear(self, low: float, high: float) -> bool:
        """Return whether a launch lies on one side, wherever its number lies between these."""
        return high < self.bound or low > self.bound

    def suspects(self, low: float) -> bool:
        """Return whether an interval that begins here lies above the bound."""
        return low > self.bound
