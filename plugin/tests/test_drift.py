"""The test of drift: exactly, over all short sequences, and by simulation of what launches have shown."""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

import pytest
from histories import NOISES, of_series, series
from pytest_benchgate.history.chain import Link
from pytest_benchgate.history.curves import Races, curves
from pytest_benchgate.history.drift import RACES, DriftRule, Race, evidence, factors, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RULE = DriftRule()
SLOWER = 0.003  # of each commit of a planted drift, as ln(ratio)


def sequences(sizes: Sequence[float], launches: int) -> Iterator[list[Race]]:
    """Yield all chains whose launches lie so far above or below 0, each as likely as any other."""
    for signs in itertools.product([-1, 1], repeat=len(sizes)):
        numbers = [sign * size for sign, size in zip(signs, sizes, strict=True)]
        yield [Race(tuple(numbers[start : start + launches])) for start in range(0, len(numbers), launches)]


@pytest.mark.parametrize("size", [0.0004, 0.004, 0.012, 1.0])
@pytest.mark.parametrize("launches", [1, 2, 5])
def test_the_sum_of_capitals_grows_by_1_a_race_if_nothing_changes(size: float, launches: int) -> None:
    """Over all 2^10 sequences of launches up and down, its mean after race i is i: exactly, no simulation."""
    sizes = [size * (1 + launch % 3) for launch in range(10)]
    runs = [list(evidence(races, RULE)) for races in sequences(sizes, launches)]
    for race in range(10 // launches):
        assert math.fsum(run[race] for run in runs) / len(runs) == pytest.approx(race + 1)


def test_a_race_that_raised_an_alarm_adds_nothing() -> None:
    """It counts with a factor of at most 1, so that the mean stays below 1 a race; what it takes away counts."""
    assert factors(Race((0.1,) * 5, seen=True), RULE) == [1.0] * 4
    assert factors(Race((-0.1,) * 5, seen=True), RULE) == factors(Race((-0.1,) * 5), RULE)
    runs = []
    for races in sequences([0.004] * 10, 2):
        seen = [Race(race.numbers, seen=sum(race.numbers) > 0) for race in races]
        runs.append(list(evidence(seen, RULE)))
    assert all(math.fsum(run[race] for run in runs) / len(runs) < race + 1 for race in range(5))


@pytest.mark.parametrize("bound", [12.0, 50.0, 200.0])
def test_a_bound_is_reached_within_n_races_with_a_probability_of_at_most_n_over_it(bound: float) -> None:
    """Of all 2^12 chains of twelve races, looked at after each: exactly."""
    reached = [max(evidence(races, RULE)) >= bound for races in sequences([0.02] * 12, 1)]
    assert 0 < sum(reached) / len(reached) <= 12 / bound


def test_only_the_first_launches_of_a_race_count() -> None:
    first = tuple(random.Random(1).gauss(0, 0.01) for _ in range(RULE.launches))
    assert factors(Race((*first, 9.0, 9.0)), RULE) == factors(Race(first), RULE)
    most = max(factors(Race((1.0,) * 60), RULE))
    assert most < RULE.alarm / 5  # no race decides alone


def test_what_does_not_matter_is_no_drift() -> None:
    """However certain: 100 commits of 0.02 % are 2 %, which is below the threshold of 3 %; 200 are above."""
    races = [Race((0.0002,) * 3)] * 100
    assert max(evidence([Race((0.0029,) * 3)] * 100, RULE)) > RULE.alarm
    assert find(races, RULE) == []
    assert find([Race((0.0029,) * 3)] * 10, RULE) == []
    (drift,) = find([Race((0.0029,) * 3)] * 40, RULE)
    assert (drift.first, drift.last) == (0, 39)
    assert drift.change == pytest.approx(40 * 0.0029)
    assert drift.found < 30


def test_a_slowdown_that_its_race_saw_is_no_drift() -> None:
    flat = [Race((0.0004, -0.0004, 0.0))] * 20
    assert find([*flat, Race((0.1,) * 14, seen=True), *flat], RULE) == []


def test_steps_back_end_a_drift_and_the_next_one_is_another() -> None:
    up, down = [Race((0.004,) * 3)] * 30, [Race((-0.004,) * 3)] * 30
    assert [(one.first, one.last) for one in find([*up, *down, *up], RULE)] == [(0, 29), (60, 89)]
    assert find(down, RULE) == []


@pytest.mark.parametrize("noise", NOISES)
def test_flat_histories_do_not_drift(noise: str) -> None:
    """None of 200 histories of 100 commits; all four kinds of noise together are 80,000 races."""
    assert [seed for seed in range(200) if find(series(noise, [0.0] * 100, seed), RULE)] == []


def planted(noise: str, seed: int, threshold: float = 0.03) -> list[Race]:
    return series(noise, [*[0.0] * 40, *[SLOWER] * 30, *[0.0] * 30], seed, threshold)


@pytest.mark.parametrize(("noise", "threshold"), [("very quiet", 0.03), ("quiet", 0.01)])
def test_20_of_20_drifts_of_30_commits_of_0_3_percent_are_found(noise: str, threshold: float) -> None:
    """Where launches scatter by 0.3 %; and where they scatter by 0.6 %, if races take more of them."""
    drifts = [find(planted(noise, seed, threshold), RULE) for seed in range(20)]
    assert all(drifts)
    firsts = sorted(found[0].first for found in drifts)
    assert 36 <= firsts[10] <= 42
    assert 25 <= firsts[2] <= firsts[17] <= 46
    changes = sorted(sum(one.change for one in found) for found in drifts)
    assert 0.06 < changes[2] < changes[17] < 0.13


def test_how_often_a_drift_is_found_in_more_noise() -> None:
    """As the documentation says: mostly, rarely, hardly ever."""
    shares = [sum(bool(find(planted(noise, seed), RULE)) for seed in range(100)) for noise in NOISES]
    assert shares[0] == 100
    assert 70 < shares[1] < 95
    assert shares[2] < 30
    assert shares[3] < 30


def test_each_benchmark_gets_its_share_of_alpha() -> None:
    assert DriftRule(benchmarks=300).alarm == 300 * DriftRule().alarm == 300 * RACES / 0.05
    races = planted("very quiet", 1)
    assert find(races, DriftRule(benchmarks=300))[0].found > find(races, RULE)[0].found


def test_all_benchmarks_at_once_are_tested_as_each_alone() -> None:
    """The test in arrays is a sieve: it lets through what find is to look at, and no other."""
    rng = random.Random(4)
    benchmarks = {
        str(number): [
            race if rng.random() < 0.9 else Race(()) for race in series(rng.choice([*NOISES]), shifts, number)
        ]
        for number, shifts in enumerate([[0.0] * 60, [SLOWER] * 60, [0.008] * 60] * 12)
    }
    for number, name in enumerate([*benchmarks][::3]):
        # Every third of them has large slowdowns that its races saw.
        steps = [
            Race((0.02,) * 5, seen=True) if index % 4 == 0 else race for index, race in enumerate(benchmarks[name])
        ]
        benchmarks[f"{name} {number}"] = steps
    rule = DriftRule(alpha=0.9)
    links = [Link(one) for one in of_series(benchmarks)]
    alone = {
        name for name, races in benchmarks.items()
        if max(evidence([race for race in races if race.numbers], rule)) >= rule.alarm
    }  # fmt: skip
    races = Races.of(links)
    assert {races.names[number] for number in races.suspects(rule)} == alone
    assert 3 < len(alone) < len(benchmarks) - 3
    one = curves(links, rule)
    shares = {curve.nodeid for curve in one.curves if curve.drifts}
    assert shares == {
        name for name, races in benchmarks.items() if find([race for race in races if race.numbers], one.rule)
    }


@pytest.mark.parametrize(
    "wrong", [{"threshold": 0}, {"threshold": math.nan}, {"alpha": 0}, {"alpha": 1}, {"benchmarks": 0}]
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}"):
        DriftRule(**wrong)  # type: ignore[arg-type]
