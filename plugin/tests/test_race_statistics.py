"""The statistics of a race, against closed forms and by simulation."""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.statistics import Rule, Verdict, decide, evidence, interval, launch_number, percent

if TYPE_CHECKING:
    from collections.abc import Callable

RULE = Rule()
EDGE = math.log(1.03)


def test_a_launch_is_the_median_of_its_log_ratios() -> None:
    assert launch_number([100, 100, 100], [110, 90, 105]) == pytest.approx(math.log(1.05))
    assert launch_number([10, 20], [20, 10]) == pytest.approx(0)
    assert percent(math.log(1.05)) == pytest.approx(5)


@pytest.mark.parametrize("payoff", [1.0, 0.5, 0.0, -1.0])
def test_constant_payoffs_have_a_closed_form(payoff: float) -> None:
    stakes = (0.25, 0.99)
    expected = [sum((1 + stake * payoff) ** n for stake in stakes) / 2 for n in range(1, 30)]
    assert list(evidence([payoff] * 29, stakes)) == pytest.approx(expected)


def test_the_evidence_is_a_martingale_for_fair_payoffs() -> None:
    """Over all 2^10 sequences of fair +1 and -1, its mean is 1 after each payoff: exactly, no simulation."""
    runs = [list(evidence(payoffs, RULE.stakes)) for payoffs in itertools.product([-1, 1], repeat=10)]
    for launch in range(10):
        assert math.fsum(run[launch] for run in runs) / len(runs) == pytest.approx(1)


@pytest.mark.parametrize(("alpha", "races"), [(0.05, 1), (0.001, 1), (0.001, 20)])
def test_full_evidence_decides_at_the_launch_that_the_closed_form_says(alpha: float, races: int) -> None:
    rule = Rule(alpha=alpha, races=races)
    needed = next(
        n
        for n in itertools.count(1)
        if sum((1 + stake) ** n for stake in rule.stakes) / len(rule.stakes) >= races / alpha
    )
    for sign, verdict in ((1, Verdict.SLOWER), (-1, Verdict.FASTER)):
        assert decide([sign * 1.0] * (needed - 1), rule).verdict is Verdict.UNSURE
        decision = decide([sign * 1.0] * (needed + 50), rule)
        assert (decision.verdict, decision.launches) == (verdict, needed)
        assert decision.evidence >= races / alpha


def test_equal_builds_without_noise_are_the_same_after_the_least_launches() -> None:
    assert decide([0.0] * 9, RULE).verdict is Verdict.SAME
    assert decide([0.0] * 9, RULE).launches == 3
    assert decide([0.0] * 2, RULE).verdict is Verdict.UNSURE
    assert decide([], RULE) == decide([EDGE] * 0, RULE)


def test_at_the_threshold_itself_nothing_is_decided() -> None:
    assert decide([EDGE] * 200, RULE).verdict is Verdict.UNSURE


def test_one_wild_launch_decides_nothing() -> None:
    """A launch counts at most fully, however far it is off: start 1 of 40 was seen to be."""
    assert decide([9.0, 0, 0, 0, 0, 0, 0, 0], RULE).verdict is Verdict.SAME


def test_the_verdict_falls_once() -> None:
    """What comes after a decision does not change it: merged results say what the race said."""
    numbers = [0.0] * 3 + [1.0] * 50
    assert decide(numbers, RULE) == decide(numbers[:3], RULE)


# Kinds of noise between launches of one build. Sides are exchangeable, so each is the difference of two alike.
def skewed(rng: random.Random) -> float:
    return 0.02 * (rng.expovariate(1) - rng.expovariate(1))


def heavy_tailed(rng: random.Random) -> float:
    return 0.01 * math.tan(math.pi * (rng.random() - 0.5))


def bimodal(rng: random.Random) -> float:
    """Placed well or badly, each side by itself: 0 or 15 %."""
    return 0.14 * ((rng.random() < 0.3) - (rng.random() < 0.3)) + rng.gauss(0, 0.005)


def autocorrelated(rng: random.Random) -> float:
    """The median of 15 pairs that drift together within a launch."""
    drift, pairs = rng.gauss(0, 0.03), []
    for _ in range(15):
        drift = 0.95 * drift + rng.gauss(0, 0.005)
        pairs.append(drift)
    return sorted(pairs)[7]


NOISES = [skewed, heavy_tailed, bimodal, autocorrelated]


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.__name__)
def test_simulated_false_alarms_stay_below_alpha(noise: Callable[[random.Random], float]) -> None:
    """1000 null races of 40 launches, looked at after each: at alpha 0.05, fewer than 50 alarms of each kind."""
    rng = random.Random(noise.__name__)
    rule = Rule(alpha=0.05)
    verdicts = [decide([noise(rng) for _ in range(40)], rule).verdict for _ in range(1000)]
    assert verdicts.count(Verdict.SLOWER) < 50
    assert verdicts.count(Verdict.FASTER) < 50


def test_the_simulation_can_fail() -> None:
    """The same, on races whose sides are not exchangeable: it does raise alarms."""
    rng = random.Random(1)
    verdicts = [decide([skewed(rng) + 0.08 for _ in range(40)], Rule(alpha=0.05)).verdict for _ in range(200)]
    assert verdicts.count(Verdict.SLOWER) > 190


def test_a_slowdown_of_5_percent_is_found_in_the_noise_of_a_c_kernel() -> None:
    """Scatter of 0.6 % between launches, threshold 3 %, 20 races: found always, in about 21 launches."""
    rng = random.Random(5)
    rule = Rule(races=20)
    decisions = [decide([rng.gauss(math.log(1.05), 0.006) for _ in range(60)], rule) for _ in range(300)]
    assert {decision.verdict for decision in decisions} == {Verdict.SLOWER}
    assert 18 <= sorted(decision.launches for decision in decisions)[150] <= 25


@pytest.mark.parametrize(
    ("count", "low", "high", "covered"),
    [(1, 0, 0, 0), (5, 0, 4, 0.9375), (6, 0, 5, 0.96875), (9, 1, 7, 0.9609375), (20, 5, 14, 0.9586)],
)
def test_the_interval_has_the_ranks_of_the_binomial(count: int, low: int, high: int, covered: float) -> None:
    numbers = list(range(count))
    random.Random(count).shuffle(numbers)
    found = interval([float(number) for number in numbers])
    assert found == pytest.approx((low, high, covered), abs=1e-4)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    rng = random.Random(7)
    held = 0
    for _ in range(2000):
        low, high, _ = interval([skewed(rng) for _ in range(12)])
        held += low <= 0 <= high
    assert held / 2000 > 0.94


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"threshold": math.nan},
        {"alpha": 0},
        {"alpha": 1},
        {"beta": 2},
        {"races": 0},
        {"stakes": (1.0,)},
        {"stakes": ()},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}"):
        Rule(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no launches"):
        interval([])
