"""Benchmarks that become slower together: less evidence each, and no more false alarms, counted over all series."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import pytest
from pytest_benchgate.race.launching.engine import Race
from pytest_benchgate.race.launching.results import Failed, Timed
from pytest_benchgate.race.launching.together import decide_together
from pytest_benchgate.race.statistics import Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Launch: TypeAlias = "Mapping[str, Timed | Failed]"
FAR = 1.0


def timed(number: float, device: float | None = None) -> Timed:
    found = Timed(number, (1.0,), (1.0,))
    return found if device is None else replace(found, device=Timed(device, (1.0,), (1.0,)))


def after(races: dict[str, Race], launch: Launch) -> dict[str, Race]:
    """Return the races after one more launch of those that are open."""
    launched = [nodeid for nodeid, race in races.items() if race.open]
    races = {nodeid: race.with_times(launch[nodeid]) if nodeid in launched else race for nodeid, race in races.items()}
    return decide_together(races, launched)


def run(numbers: Sequence[float], rules: Sequence[Rule]) -> dict[str, Race]:
    """Race benchmarks, each of which has the same number in all launches."""
    races = {str(index): Race(str(index), rule, budget_s=1e9) for index, rule in enumerate(rules)}
    while any(race.open for race in races.values()):
        races = after(races, {str(index): timed(number) for index, number in enumerate(numbers)})
    return races


@pytest.mark.parametrize(("slower", "launches", "alarm"), [(1, 14, 5000), (2, 14, 5000), (4, 13, 2000), (5, 12, 1000)])
def test_the_more_are_slower_the_fewer_launches_each_needs(slower: int, launches: int, alarm: float) -> None:
    races = run([FAR] * slower + [0.0] * (5 - slower), [Rule(races=5)] * 5)
    for index, race in enumerate(races.values()):
        assert race.decision.verdict is (Verdict.SLOWER if index < slower else Verdict.SAME)
        if index < slower:
            assert len(race.launches) == race.decision.launches == launches
            assert race.rule.alarm == pytest.approx(alarm)
            assert race.decision.evidence == race.evidence >= alarm


def test_what_is_known_to_be_slower_helps_what_is_found_later() -> None:
    one, late = (Race(name, Rule(races=2), budget_s=1e9) for name in ("one", "late"))
    races = {"one": one, "late": late}
    for count in itertools.count():
        races = after(races, {"one": timed(FAR), "late": timed(FAR if count > 3 else 0.0305)})
        if not any(race.open for race in races.values()):
            break
    assert races["one"].rule.alarm == 2000  # it was alone with its evidence
    assert races["late"].rule.alarm == pytest.approx(1000)


def test_other_shards_and_races_of_another_alpha_have_no_say() -> None:
    shard = run([FAR, FAR], [Rule(races=3)] * 2)
    assert [race.rule.alarm for race in shard.values()] == pytest.approx([2000, 2000])
    others = run([FAR, FAR], [Rule(races=2), Rule(races=2, alpha=0.01)])
    assert [race.rule.alarm for race in others.values()] == [2000, 200]


def test_a_race_alone_takes_what_it_takes() -> None:
    assert [race.rule.alarm for race in run([FAR], [Rule()]).values()] == [1000]


def test_what_is_closed_stays_as_it_is() -> None:
    """Its result is known already."""
    races = run([FAR, FAR], [Rule(races=2)] * 2)
    spent = replace(races["0"], decision=Race("0").decision, budget_s=0)
    assert decide_together({"0": spent, "1": races["1"]}, ["1"])["0"] is spent


def test_the_last_launch_and_its_failures_count_as_well() -> None:
    rule = Rule(races=2)
    races = {name: Race(name, rule, budget_s=1e9, max_launches=12) for name in ("one", "two")}
    for _ in range(11):
        races = after(races, {"one": timed(FAR), "two": timed(FAR)})
    last = after(races, {"one": timed(FAR), "two": timed(FAR)})
    assert {race.decision.verdict for race in last.values()} == {Verdict.SLOWER}
    broken = Failed("head", "it broke")
    last = after(races, {"one": timed(FAR), "two": broken})
    assert (last["two"].failed, last["two"].decision.verdict) == (broken, Verdict.UNSURE)


def _all(left: int, outcomes: Callable[[], Sequence[tuple[Launch, float]]], races: dict[str, Race]) -> float:
    """Return the probability of any alarm within so many more launches; outcomes are those of one, and how likely."""
    if any(one.decision.verdict is Verdict.SLOWER for race in races.values() for one in race.by_clock):
        return 1.0
    if not left:
        return 0.0
    return sum(likely * _all(left - 1, outcomes, after(races, launch)) for launch, likely in outcomes())


def _independent() -> Sequence[tuple[Launch, float]]:
    return [({"a": timed(one), "b": timed(two)}, 0.25) for one, two in itertools.product((FAR, -FAR), repeat=2)]


def _alike() -> Sequence[tuple[Launch, float]]:
    return [({"a": timed(one), "b": timed(one)}, 0.5) for one in (FAR, -FAR)]


def _opposed() -> Sequence[tuple[Launch, float]]:
    return [({"a": timed(one), "b": timed(-one)}, 0.5) for one in (FAR, -FAR)]


@pytest.mark.parametrize("outcomes", [_independent, _alike, _opposed], ids=lambda of: of.__name__[1:])
@pytest.mark.parametrize("alpha", [0.5, 0.3, 0.2])
def test_any_alarm_of_equal_builds_is_as_rare_as_it_is_said_to_be(
    outcomes: Callable[[], Sequence[tuple[Launch, float]]], alpha: float
) -> None:
    races = {name: Race(name, Rule(alpha=alpha, races=2), budget_s=1e9) for name in ("a", "b")}
    chance = _all(5 if outcomes is _independent else 7, outcomes, races)
    assert 0 < chance <= alpha


@pytest.mark.parametrize("alpha", [0.5, 0.3])
def test_what_has_not_changed_beside_what_is_slower_alarms_as_rarely(alpha: float) -> None:
    def alarms(races: dict[str, Race], left: int) -> float:
        """Return the probability that the benchmark that has not changed alarms, beside one that is slower."""
        if races["equal"].decision.verdict is Verdict.SLOWER:
            return 1.0
        if not left or not races["equal"].open:
            return 0.0
        launches = ({"equal": timed(sign), "slower": timed(FAR)} for sign in (FAR, -FAR))
        return sum(alarms(after(races, launch), left - 1) for launch in launches) / 2

    races = {name: Race(name, Rule(alpha=alpha, races=2), budget_s=1e9) for name in ("equal", "slower")}
    assert alpha / 4 < alarms(races, 9) <= alpha


def test_two_clocks_are_two_of_the_family() -> None:
    split = Rule(races=4)
    race = Race("both", Rule(races=2), budget_s=1e9, split=split)
    race = replace(race, rule=split, split=None, device=Race("both", split, budget_s=1e9, clock="device"))
    numbers = [timed(FAR)] * 12
    clock = replace(race, launches=tuple(numbers), device=replace(race.device, launches=tuple(numbers)))  # type: ignore[type-var]
    assert [one.rule.alarm for one in decide_together({"both": clock}, ["both"])["both"].by_clock] == [4000, 4000]
    numbers = [timed(FAR)] * 14
    clock = replace(race, launches=tuple(numbers), device=replace(race.device, launches=tuple(numbers)))  # type: ignore[type-var]
    decided = decide_together({"both": clock}, ["both"])["both"]
    assert [one.rule.alarm for one in decided.by_clock] == [3000, 3000]
    assert {one.decision.verdict for one in decided.by_clock} == {Verdict.SLOWER}
