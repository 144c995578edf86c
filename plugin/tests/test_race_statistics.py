"""The statistics of a race, against closed forms and by simulation."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_benchgate.race.statistics import (
    Rule,
    Verdict,
    decide,
    evidence,
    interval,
    median_interval,
)
from pytest_benchgate.race.visible import RESOLUTION, smallest_visible

if TYPE_CHECKING:
    from collections.abc import Callable

RULE = Rule()
# Of which slower and faster are mirror images.
EVEN = Rule(faster_alpha=RULE.alpha)
EDGE = math.log(1.03)


NS = st.floats(1, 1e10)


@settings(deadline=None)  # a busy machine has moments of its own
@given(st.lists(st.tuples(NS, NS), min_size=1, max_size=20))
def test_swapped_sides_give_the_mirror_image(pairs: list[tuple[float, float]]) -> None:
    """Of a launch and of a decision: what is symmetric stays so."""
    numbers = [0.1 * math.log(second / first) for first, second in pairs] * 9
    mirror = {Verdict.SLOWER: Verdict.FASTER, Verdict.FASTER: Verdict.SLOWER}
    there, back = decide(numbers, EVEN), decide([-number for number in numbers], EVEN)
    assert back.verdict is mirror.get(there.verdict, there.verdict)
    assert (back.launches, back.evidence) == (there.launches, there.evidence)


@pytest.mark.parametrize("payoff", [1.0, 0.5, 0.0, -1.0])
def test_constant_payoffs_have_a_closed_form(payoff: float) -> None:
    rule = Rule(scales=(0.01,), stakes=(0.25, 0.99))
    expected = [sum((1 + stake * payoff) ** n for stake in rule.stakes) / 2 for n in range(1, 30)]
    assert list(evidence([payoff * 0.01] * 29, rule)) == pytest.approx(expected)


def test_the_evidence_is_the_mean_over_scales() -> None:
    excesses = [0.001, -0.004, 0.02, 0.009]
    alone = [list(evidence(excesses, Rule(scales=(scale,)))) for scale in RULE.scales]
    assert list(evidence(excesses, RULE)) == pytest.approx([sum(values) / 3 for values in zip(*alone, strict=True)])


@pytest.mark.parametrize("size", [0.001, 0.004, 1.0])
def test_the_evidence_is_a_martingale_for_fair_numbers(size: float) -> None:
    """Over all 2^10 sequences of equal distances up and down, its mean is 1 after each launch: exactly, no simulation.

    On any of the scales, and where the distances differ from launch to launch.
    """
    sizes = [size * (1 + launch % 3) for launch in range(10)]
    runs = [
        list(evidence([sign * size for sign, size in zip(signs, sizes, strict=True)], RULE))
        for signs in itertools.product([-1, 1], repeat=10)
    ]
    for launch in range(10):
        assert math.fsum(run[launch] for run in runs) / len(runs) == pytest.approx(1)


def test_a_launch_counts_less_the_less_is_known_of_it() -> None:
    """Fully, if the threshold is two standard errors or more; otherwise by how often it is on the right side of it."""
    weights = RULE.weights(EDGE * factor for factor in (0, 0.1, 0.49, 0.51, 1, 2, 100))
    assert weights[:3] == [1, 1, 1]
    assert weights[3:6] == pytest.approx([0.950085, 0.682689, 0.382925], abs=1e-4)
    assert weights == sorted(weights, reverse=True)
    assert 0 < weights[-1] < 0.01
    excesses = [0.001, -0.004, 0.02]
    alone = [list(evidence([excess], RULE))[-1] for excess in excesses]
    assert list(evidence(excesses[:1], RULE, [0.5])) == [pytest.approx((1 + alone[0]) / 2)]
    assert list(evidence(excesses, RULE, [0.0, 0.0, 1.0]))[-1] == pytest.approx(alone[2])


@pytest.mark.parametrize("error", [0.01, 0.03, 0.3])
def test_the_evidence_of_launches_that_count_less_is_a_martingale_too(error: float) -> None:
    """Over all 2^10 sequences: errors that depend on all but the signs, such as the distances, leave its mean at 1."""
    sizes = [0.004 * (1 + launch % 3) for launch in range(10)]
    weights = RULE.weights([error * (1 + launch % 4) for launch in range(10)])
    runs = [
        list(evidence([sign * size for sign, size in zip(signs, sizes, strict=True)], RULE, weights))
        for signs in itertools.product([-1, 1], repeat=10)
    ]
    for launch in range(10):
        assert math.fsum(run[launch] for run in runs) / len(runs) == pytest.approx(1)


def test_disturbed_launches_neither_raise_alarms_nor_hide_slowdowns() -> None:
    """Two of three launches scatter by 6 %, which their pairs show."""
    rng, rule = random.Random(11), Rule(races=5)

    def launched(change: float) -> tuple[list[float], list[float]]:
        errors = [0.06 if rng.random() < 2 / 3 else 0.002 for _ in range(60)]
        return [rng.gauss(change, error) for error in errors], errors

    for change, verdict in ((0.0, Verdict.SAME), (math.log(1.05), Verdict.SLOWER)):
        races = [launched(change) for _ in range(300)]
        weighted = [decide(numbers, rule, errors) for numbers, errors in races]
        plain = [decide(numbers, rule) for numbers, _ in races]
        assert sum(decision.verdict is verdict for decision in weighted) >= 270
        assert sum(one.launches for one in weighted) < 0.85 * sum(one.launches for one in plain)


def test_the_interval_of_all_launches_or_of_those_that_count_fully_must_lie_within_the_threshold() -> None:
    numbers, errors = [0.0, 0.2, 0.0, 0.0, 0.0], [0.0, 0.2, 0.0, 0.0, 0.0]
    assert decide(numbers, RULE).verdict is Verdict.UNSURE
    assert decide(numbers, RULE, errors).verdict is Verdict.SAME
    assert decide([0.2, 0.0, 0.0], RULE, errors[:3]).verdict is Verdict.UNSURE
    # None of these counts fully.
    assert decide([0.001, -0.002, 0.003, 0.0], RULE, [0.02] * 4).verdict is Verdict.SAME


def test_simulated_false_alarms_stay_below_alpha_where_launches_count_less() -> None:
    """1000 null races of 40 launches whose scatter changes from launch to launch, and is known from their pairs."""
    rng, rule = random.Random(12), Rule(alpha=0.05)
    alarms = 0
    for _ in range(1000):
        errors = [10 ** rng.uniform(-3, -0.5) for _ in range(40)]
        alarms += decide([rng.gauss(0, error) for error in errors], rule, errors).verdict is Verdict.SLOWER
    assert alarms < 50


@pytest.mark.parametrize(("alpha", "races"), [(0.05, 1), (0.001, 1), (0.001, 20)])
def test_full_evidence_decides_at_the_launch_of_the_closed_form(alpha: float, races: int) -> None:
    rule = Rule(alpha=alpha, races=races)
    for sign, verdict, alarm in ((1, Verdict.SLOWER, races / alpha), (-1, Verdict.FASTER, 1 / rule.faster_alpha)):
        needed = next(
            n for n in itertools.count(1) if sum((1 + stake) ** n for stake in rule.stakes) / len(rule.stakes) >= alarm
        )
        assert decide([sign * 1.0] * (needed - 1), rule).verdict is Verdict.UNSURE
        decision = decide([sign * 1.0] * (needed + 50), rule)
        assert (decision.verdict, decision.launches) == (verdict, needed)
        assert decision.evidence >= alarm


def test_equal_builds_without_noise_are_the_same_after_the_least_launches() -> None:
    assert decide([0.0] * 9, RULE).verdict is Verdict.SAME
    assert decide([0.0] * 9, RULE).launches == 3
    assert decide([0.0] * 2, RULE).verdict is Verdict.UNSURE
    assert decide([], RULE) == decide([EDGE] * 0, RULE)


def test_at_the_threshold_itself_nothing_is_decided() -> None:
    assert decide([EDGE] * 200, RULE).verdict is Verdict.UNSURE


def test_one_wild_launch_decides_nothing() -> None:
    """A launch counts at most fully, however far it is off: start 1 of 40 was seen to be."""
    assert decide([9.0, 0, 0, 0, 0, 0, 0, 0], RULE).verdict is Verdict.UNSURE  # the interval has it still
    assert decide([9.0, 0, 0, 0, 0, 0, 0, 0, 0], RULE).verdict is Verdict.SAME


def test_the_verdict_is_final() -> None:
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
    """The median of 15 that drift together within a launch."""
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
    assert verdicts.count(Verdict.FASTER) < 1000 * rule.faster_alpha


@pytest.mark.parametrize("noise", NOISES)
def test_simulated_false_alarms_by_two_clocks_stay_below_alpha(noise: Callable[[random.Random], float]) -> None:
    """200 null races each of 40 launches, whose clocks agree, contradict each other, or have nothing in common."""
    rng, rule = random.Random(3), Rule(alpha=0.05, races=2)
    for by_device in (lambda number: number, lambda number: -number, lambda _: noise(rng)):
        alarms = 0
        for _ in range(200):
            wall = [noise(rng) for _ in range(40)]
            clocks = (wall, [by_device(number) for number in wall])
            alarms += any(decide(numbers, rule).verdict is Verdict.SLOWER for numbers in clocks)
        assert alarms < 200 * rule.alpha


def test_the_simulation_can_fail() -> None:
    """The same, on races whose sides are not exchangeable: it does raise alarms."""
    rng = random.Random(1)
    verdicts = [decide([skewed(rng) + 0.08 for _ in range(40)], Rule(alpha=0.05)).verdict for _ in range(200)]
    assert verdicts.count(Verdict.SLOWER) > 190


def test_a_slowdown_of_5_percent_is_found_in_the_noise_of_a_c_kernel() -> None:
    """Scatter of 0.6 % between launches, threshold 3 %, 20 races: found always, in about 17 launches."""
    rng = random.Random(5)
    rule = Rule(races=20)
    decisions = [decide([rng.gauss(math.log(1.05), 0.006) for _ in range(60)], rule) for _ in range(300)]
    assert {decision.verdict for decision in decisions} == {Verdict.SLOWER}
    assert 15 <= sorted(decision.launches for decision in decisions)[150] <= 19


@pytest.mark.parametrize("sign", [1, -1])
def test_three_launches_are_enough_for_same_even_if_one_counts_less(sign: int) -> None:
    assert decide([0.001, sign * 0.022, -0.002], Rule()).verdict is Verdict.SAME
    assert decide([0.001, sign * 0.027, -0.002], Rule()).verdict is Verdict.UNSURE


def test_a_slowdown_near_the_threshold_is_found_where_launches_scatter_little() -> None:
    """3.5 % at a threshold of 3 %, scatter 0.5 %: at least 95 of 100 within 60 launches."""
    rng = random.Random(8)
    rule = Rule(races=5)
    decisions = [decide([rng.gauss(math.log(1.035), 0.005) for _ in range(60)], rule) for _ in range(300)]
    assert [decision.verdict for decision in decisions].count(Verdict.SLOWER) >= 0.95 * 300


@pytest.mark.parametrize(
    ("count", "low", "high", "covered"),
    [(1, 0, 0, 0), (5, 0, 4, 0.9375), (6, 0, 5, 0.96875), (9, 1, 7, 0.9609375), (20, 5, 14, 0.9586)],
)
def test_the_interval_has_the_ranks_of_the_binomial(count: int, low: int, high: int, covered: float) -> None:
    numbers = list(range(count))
    random.Random(count).shuffle(numbers)
    found = interval([float(number) for number in numbers])
    assert found == pytest.approx((low, high, covered), abs=1e-4)


def test_the_interval_covers_the_median_as_often_as_stated() -> None:
    rng = random.Random(7)
    held = 0
    for _ in range(2000):
        low, high, _ = interval([skewed(rng) for _ in range(12)])
        held += low <= 0 <= high
    assert held / 2000 > 0.94


def misses(signs: tuple[int, ...]) -> bool:
    """Return whether after any of these launches the interval lies beside 0, the median if the signs are fair."""
    numbers = [sign * (1 + launch / 100) for launch, sign in enumerate(signs)]
    intervals = [median_interval(numbers[:count]) for count in range(7, len(numbers) + 1)]
    assert {coverage for _, _, coverage in intervals} <= {0.95, *(coverage for *_, coverage in intervals[:1])}
    return any(not low <= 0 <= high for low, high, _ in intervals)


def test_the_interval_misses_the_median_in_at_most_5_of_100_races_whenever_they_end() -> None:
    """Of all 2^10 sequences of launches above and below it, looked at after each: exactly, no simulation."""
    missed = [misses(signs) for signs in itertools.product([-1, 1], repeat=10)]
    assert 0.01 < sum(missed) / len(missed) <= 0.05


def test_the_interval_of_few_launches_has_the_coverage_that_it_states() -> None:
    """Of all sequences of up to 6 launches above and below the median."""
    stated = []
    for count in range(2, 7):
        found = [median_interval(signs) for signs in itertools.product([-1.0, 1.0], repeat=count)]
        (coverage,) = {coverage for *_, coverage in found}
        assert sum(low <= 0 <= high for low, high, _ in found) / len(found) >= coverage
        stated.append(coverage)
    assert stated == sorted(stated)
    assert 0.9 < stated[-1] < 0.95


def test_the_interval_holds_a_median_that_many_launches_share() -> None:
    """Where a clock is coarse, launches are equal; with 40 % on it, less than half lie above."""
    rng = random.Random(9)
    held = 0
    for _ in range(500):
        numbers = rng.choices([-0.01, 0.0, 0.05], [0.1, 0.4, 0.5], k=60)
        low, high, _ = median_interval(numbers)
        held += low <= 0.0 <= high or low <= 0.05 <= high
    assert held >= 0.95 * 500


@pytest.mark.parametrize(("before", "after"), [(0.05, 0.01), (0.01, 0.05), (0.05, 0.03)])
def test_the_interval_holds_the_reported_change_of_launches_that_drift(before: float, after: float) -> None:
    """Early launches refute what later ones show: +4.1 % was reported with +4.6 % .. +5.1 %, or high below low."""
    rng = random.Random(5)
    numbers = [center + rng.gauss(0, 0.001) for center in [before] * 15 + [after] * 45]
    low, high, coverage = median_interval(numbers)
    assert low <= statistics.median(numbers) <= high
    assert coverage == 0.95


@pytest.mark.parametrize("slowdown", [0.0, 0.04, 0.10])
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.__name__)
def test_the_interval_at_the_end_of_a_race_covers_the_change(
    noise: Callable[[random.Random], float], slowdown: float
) -> None:
    """At least as often as it states, though the race chose when to end."""
    rng = random.Random(f"{noise.__name__} {slowdown}")
    held = stated = 0.0
    for _ in range(200):
        numbers = [slowdown + noise(rng) for _ in range(60)]
        low, high, coverage = median_interval(numbers[: decide(numbers, RULE).launches])
        held += low <= slowdown <= high
        stated += coverage
    assert held >= stated


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"threshold": math.nan},
        {"alpha": 0},
        {"alpha": 1},
        {"beta": 2},
        {"faster_alpha": 1},
        {"races": 0},
        {"scales": (0.0,)},
        {"scales": ()},
        {"stakes": (1.0,)},
        {"stakes": ()},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}"):
        Rule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [interval, median_interval])
def test_there_is_no_interval_without_launches(function: Callable[[list[float]], object]) -> None:
    with pytest.raises(ValueError, match="no launches"):
        function([])


def visible(scatter: float, launches: int = 40, rule: Rule = RULE, *, most: float = 0.5) -> float | None:
    """Return what is visible where 8 launches of a null race have scattered so; chance is always the same."""
    rng = random.Random(3)
    numbers = [rng.gauss(0, scatter) for _ in range(8)]
    return smallest_visible(numbers, rule, launches, random.Random(4), most=most)


@pytest.mark.parametrize(
    ("launches", "races", "alpha"), [(40, 1, 0.001), (40, 20, 0.001), (12, 1, 0.001), (9, 1, 0.05)]
)
def test_without_scatter_the_smallest_visible_slowdown_is_that_of_the_closed_form(
    launches: int, races: int, alpha: float
) -> None:
    """At which the mean over scales and stakes of (1 + stake * shift / scale) ** launches reaches the alarm."""
    rule = Rule(races=races, alpha=alpha)
    found = visible(0.0, launches, rule)
    assert found is not None

    def reached(shift: float) -> bool:
        bets = [(1 + stake * min(1.0, shift / scale)) ** launches for scale in rule.scales for stake in rule.stakes]
        return sum(bets) / len(bets) >= races / alpha

    assert reached(found)
    assert not reached(found - RESOLUTION)


def test_more_scatter_fewer_launches_and_more_races_hide_more() -> None:
    by_scatter = [visible(scatter) or 9.0 for scatter in (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)]
    assert by_scatter == sorted(by_scatter)
    assert by_scatter[0] < 0.01 < by_scatter[3] < 0.1 < by_scatter[5] < by_scatter[6] == 9.0
    by_launches = [visible(0.01, launches) or 9.0 for launches in (5, 12, 20, 40, 100)]
    assert by_launches == sorted(by_launches, reverse=True)
    assert by_launches[0] == 9.0 > by_launches[1] > by_launches[-1]
    few, many = visible(0.01), visible(0.01, rule=Rule(races=1000))
    assert few is not None
    assert many is not None
    assert few < many


def test_nothing_is_visible_in_too_few_launches_or_up_to_too_little() -> None:
    assert visible(0.0, 3) is None
    assert visible(2.0) is None
    found = visible(0.1)
    assert found is not None
    assert visible(0.1, most=math.expm1(found) - 0.01) is None
    assert visible(0.1, most=math.expm1(found) + 0.01) == pytest.approx(found, abs=2 * RESOLUTION)


def test_the_smallest_visible_slowdown_depends_on_the_scatter_alone() -> None:
    """The same chance gives the same answer, on the same numbers, mirrored as well."""
    numbers = [0.01, -0.02, 0.03, 0.005]
    found = [
        smallest_visible(mirrored, RULE, 40, random.Random(1))
        for mirrored in (numbers, numbers, [-number for number in numbers])
    ]
    assert found[0] == found[1]
    assert found[2] == pytest.approx(found[0], rel=0.2)  # other draws
    with pytest.raises(ValueError, match="no launches"):
        smallest_visible([], RULE, 40, random.Random(1))


def test_a_slowdown_well_above_the_smallest_visible_is_found_and_its_half_mostly_not() -> None:
    """By races simulated apart from those that it was found by."""
    rng = random.Random(6)
    numbers = [skewed(rng) for _ in range(200)]
    shift = smallest_visible(numbers, RULE, 40, rng)
    assert shift is not None
    none = Rule(threshold=1e-9)

    def found(slowdown: float) -> int:
        races = ([skewed(rng) + slowdown for _ in range(40)] for _ in range(200))
        return sum(decide(race, none).verdict is Verdict.SLOWER for race in races)

    assert found(1.2 * shift) > 190
    assert found(0.5 * shift) < 100
