"""When a claim holds or is refuted: over all short sequences, against closed forms, and by simulation."""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.claims.rule import ClaimRule
from pytest_benchgate.race.statistics import SHARES, Verdict, capital

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = -math.log(2)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("ties", [0.0, 0.2, 0.7])
def test_the_bets_are_supermartingales_where_the_median_is_the_bound(sign: int, ties: float) -> None:
    """Over all 3^7 sequences of launches above, below and on the bound, weighted: exactly, no simulation.

    A launch wins with a probability of 1/2; what lies on the bound itself is as good as lost.
    """
    chance = {sign: 0.5, 0: 0.5 * ties, -sign: 0.5 * (1 - ties)}
    means = [0.0] * 7
    for sequence in itertools.product(chance, repeat=7):
        weight = math.prod(chance[one] for one in sequence)
        for launch, value in enumerate(capital(one * sign > 0 for one in sequence)):
            means[launch] += weight * value
    assert means == pytest.approx([1.0] * 7)


@pytest.mark.parametrize("true", [True, False])
def test_whatever_is_on_the_edge_is_decided_wrongly_at_most_as_often_as_stated(true: bool) -> None:  # noqa: FBT001
    """Over all 2^12 sequences of launches around a median that is the bound, looked at after each launch.

    There both verdicts are wrong: the claim is just true, or just false.
    """
    rule = ClaimRule(BOUND, alpha=0.2, holds_alpha=0.1)
    verdicts = [
        rule.decide([BOUND + sign * 0.01 for sign in signs]).verdict for signs in itertools.product([-1, 1], repeat=12)
    ]
    wrong, stated = (Verdict.REFUTED, rule.alpha) if true else (Verdict.HOLDS, rule.holds_alpha)
    assert 0.2 * stated < verdicts.count(wrong) / len(verdicts) <= stated


def test_a_launch_on_the_bound_wins_no_bet() -> None:
    assert ClaimRule(BOUND).decide([BOUND] * 200).verdict is Verdict.UNSURE


@pytest.mark.parametrize(("alpha", "claims"), [(0.05, 1), (0.001, 1), (0.001, 20)])
def test_launches_on_one_side_decide_when_the_closed_form_says_so(alpha: float, claims: int) -> None:
    rule = ClaimRule(BOUND, claims, alpha)
    for sign, verdict, enough in ((1, Verdict.REFUTED, claims / alpha), (-1, Verdict.HOLDS, 1 / rule.holds_alpha)):
        needed = next(
            n for n in itertools.count(1) if sum((1 + share) ** n for share in SHARES) / len(SHARES) >= enough
        )
        # However far off: only the side counts.
        for distance in (1e-6, 5.0):
            assert rule.decide([BOUND + sign * distance] * (needed - 1)).verdict is Verdict.UNSURE
            decision = rule.decide([BOUND + sign * distance] * (needed + 9))
            assert (decision.verdict, decision.launches) == (verdict, needed)
            assert decision.evidence >= enough


def test_the_verdict_is_final() -> None:
    rule = ClaimRule(0.0)
    assert rule.decide([-1.0] * 9 + [1.0] * 50) == rule.decide([-1.0] * 9)


# Noises of two functions that differ, around a median of 0; none is symmetric.
def skewed(rng: random.Random) -> float:
    return 0.02 * (rng.expovariate(1) - math.log(2))


def skewed_down(rng: random.Random) -> float:
    return -skewed(rng)


def heavy_tailed(rng: random.Random) -> float:
    value = 0.01 * math.tan(math.pi * (rng.random() - 0.5))
    return 2 * value if value > 0 else value


def autocorrelated(rng: random.Random) -> float:
    """The median of 15 that drift together within a launch."""
    drift, pairs = rng.gauss(0, 0.01), []
    for _ in range(15):
        drift = 0.95 * drift + rng.gauss(0, 0.003)
        pairs.append(drift)
    return sorted(pairs)[7]


def bimodal(rng: random.Random) -> float:
    """Placed badly in one of four launches, on one side only."""
    return 0.14 * (rng.random() < 0.25) + rng.gauss(0, 0.005)


NOISES = [skewed, skewed_down, heavy_tailed, autocorrelated, bimodal]


def verdicts(noise: Callable[[random.Random], float], off: float, rule: ClaimRule, races: int) -> list[Verdict]:
    rng = random.Random(f"{noise.__name__} {off}")
    return [rule.decide([rule.bound + off + noise(rng) for _ in range(60)]).verdict for _ in range(races)]


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.__name__)
def test_claims_5_percent_beyond_the_truth_are_refuted_and_5_percent_short_of_it_hold(
    noise: Callable[[random.Random], float],
) -> None:
    """Of 1000 each, with 60 launches."""
    rule = ClaimRule(BOUND)
    true = verdicts(noise, -math.log(1.05), rule, 1000)
    assert true.count(Verdict.REFUTED) == 0
    false = verdicts(noise, math.log(1.05), rule, 1000)
    assert false.count(Verdict.HOLDS) <= 2
    # A quarter of the launches are off by more than 5 %: these claims may stay open.
    if noise is not bimodal:
        assert true.count(Verdict.HOLDS) >= 990
        assert false.count(Verdict.REFUTED) >= 990


@pytest.mark.parametrize("noise", [skewed, skewed_down, heavy_tailed], ids=lambda noise: noise.__name__)
def test_simulated_claims_that_are_just_true_stay_below_alpha(noise: Callable[[random.Random], float]) -> None:
    """Where noise that is not symmetric would deceive bets on distances."""
    found = verdicts(noise, 0.0, ClaimRule(BOUND, alpha=0.05), 1000)
    assert 1 < found.count(Verdict.REFUTED) < 50
    assert found.count(Verdict.HOLDS) < 10


@pytest.mark.parametrize(
    ("number", "error", "verdict"),
    [(0.02, 0.01, "refuted"), (-0.02, 0.01, "holds"), (0.005, 0.01, "unsure"), (-0.01, 0.01, "holds")],
)
def test_what_is_known_up_to_an_error(number: float, error: float, verdict: str) -> None:
    assert ClaimRule(0.0).decide_by_count(number, error).value == verdict


def test_pairs_are_needed_near_the_bound_only() -> None:
    rule = ClaimRule(BOUND)
    assert rule.margin(BOUND - 0.5) == pytest.approx(0.5) == rule.margin(BOUND + 0.5)
    assert rule.suspects(BOUND + 0.01)
    assert not rule.suspects(BOUND - 0.01)


@pytest.mark.parametrize("wrong", [{"bound": math.inf}, {"alpha": 0.0}, {"holds_alpha": 1.0}, {"claims": 0}])
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}"):
        ClaimRule(**{"bound": 0.0, **wrong})  # type: ignore[arg-type]
