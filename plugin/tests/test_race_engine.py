"""A whole race: real workers with planted slowdowns, and scripted launches for what is decided about them."""

from __future__ import annotations

import math
import os
import random
import statistics
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from pytest_benchgate.race.launching import engine, pacing
from pytest_benchgate.race.launching.engine import Launched, Race
from pytest_benchgate.race.launching.plan import Plan, Side
from pytest_benchgate.race.launching.results import Failed, FailureKind, LaunchResult, Loaded, Timed
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.statistics import Rule, Verdict
from racing import FEW_PLUGINS, PLUGINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_benchgate.race.launching.timing import Timer

SUITE = """
import os
import random

def work(count):
    return sum(range(count))

def test_null(benchmark):
    benchmark(work, 5000)

def test_slower(benchmark):
    benchmark(work, 5000 + 10000 * int(os.path.exists("slow")))

def test_faster(benchmark):
    benchmark(work, 15000 - 10000 * int(os.path.exists("slow")))

def test_broken(benchmark):
    assert not os.path.exists("slow"), "head is broken"
    benchmark(work, 1)
"""


@pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")
def test_a_planted_slowdown_is_found_and_a_null_is_none(tmp_path: Path) -> None:
    sides, arguments = [], ("-p", "no:cacheprovider", *PLUGINS)
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_it.py").write_text(SUITE)
        sides.append(Side(name, Path(sys.executable), tmp_path / name, arguments, environment=FEW_PLUGINS))
    (tmp_path / "head" / "slow").touch()
    # For null, too few launches for an alarm, of which one in five would be false; and a busy machine may leave the
    # verdict open. For the others, a rule that a few launches decide.
    strict, quick = Rule(races=4, alpha=0.2), Rule(races=1, alpha=0.5)
    rules = {"null": (strict, 4), "slower": (quick, 40), "faster": (quick, 40), "broken": (quick, 40)}
    entered = [Race(f"test_it.py::test_{name}", rule, 300, launches) for name, (rule, launches) in rules.items()]
    plan = Plan(pairs=5, block_ns=1e6, names=("test_it",))
    with Reaper() as reaper:
        events = [*engine.run(sides, entered, plan, seed=1, reaper=reaper)]
    launches = [event for event in events if isinstance(event, Launched)]
    closed = [race for event in launches for race in event.closed]
    races = {race.nodeid.partition("test_it.py::test_")[2]: race for race in closed}
    assert races["null"].decision.verdict in {Verdict.SAME, Verdict.UNSURE}
    assert races["slower"].decision.verdict is Verdict.SLOWER
    assert races["faster"].decision.verdict is Verdict.FASTER
    low, high, _ = races["slower"].interval()
    # ln 3 is 1.1; on a busy machine, one launch of some may be anywhere.
    assert 0.5 < statistics.median(races["slower"].numbers) < 1.7
    assert 0 < low < high
    broken = races["broken"].failed
    assert broken is not None
    assert (broken.side, "head is broken" in broken.reason) == ("head", True)
    assert closed[0] is races["broken"]
    assert sorted(race.nodeid for race in closed) == sorted(race.nodeid for race in entered)
    assert [event.count for event in launches] == [*range(1, max(len(race.launches) for race in closed) + 1)]
    assert all(race.seconds > 0 for race in closed)
    loaded = [event for event in events if isinstance(event, Loaded)]
    assert {(event.side, Path(path).parent.name) for event in loaded for path in event.files} == {
        ("base", "base"), ("head", "head"),
    }  # fmt: skip


Given: TypeAlias = "float | Failed | tuple[float, float | Failed | None]"


def _timed(number: float | Failed) -> Timed | Failed:
    return number if isinstance(number, Failed) else Timed(number, (1.0,), (math.exp(number),))


@dataclass
class Script:
    """Launches that take as long, and give what, they are told to, by a clock that only they advance.

    Attributes
    ----------
    gives: for each test, its number, or why there is none, in each launch; the last goes on. For a test that works on a
        device, that of the wall time and that of the device time, which may be missing.
    takes_s: for each test, how long its part of a launch takes.
    start_s: how long both sides take to start.

    """

    gives: dict[str, Sequence[Given]]
    takes_s: dict[str, float] = field(default_factory=dict)
    start_s: float = 4.0
    now: float = 100.0
    asked: list[list[str]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    paced: list[set[str]] = field(default_factory=list)

    def launch(
        self,
        _sides: Sequence[Side],
        nodeids: Iterable[str],
        _plan: Plan,
        seed: int,
        _reaper: Reaper,
        timer: Timer,
    ) -> Iterator[Loaded | LaunchResult]:
        number = len(self.asked)
        self.paced.append({*timer.paces})
        self.asked.append([*nodeids])
        self.seeds.append(seed)
        self.now += self.start_s
        for nodeid in self.asked[-1]:
            given = self.gives[nodeid]
            what = given[min(number, len(given) - 1)]
            seconds = self.takes_s.get(nodeid, 1.0)
            self.now += seconds
            yield Loaded("head", (nodeid,))
            wall, device = what if isinstance(what, tuple) else (what, None)
            result = _timed(wall)
            if isinstance(result, Timed) and device is not None:
                result = replace(result, device=_timed(device))
            yield LaunchResult(nodeid, result, seconds)

    def events(self, *races: Race, seed: int = 1) -> list[Loaded | Launched]:
        """Run these races by this script; return all events."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "launch", self.launch)
            return [*engine.run([], races, Plan(), seed=seed, reaper=Reaper(), clock=lambda: self.now)]

    def run(self, *races: Race, seed: int = 1) -> dict[str, Race]:
        """Run these races by this script; return them by their ids, in the order in which they were closed."""
        launches = [event for event in self.events(*races, seed=seed) if isinstance(event, Launched)]
        return {race.nodeid: race for event in launches for race in event.closed}


GONE = Failed("base", "gone", FailureKind.LACKS)


def test_only_the_undecided_are_launched_again() -> None:
    script = Script({"same": [0.0], "slower": [1.0], "faster": [-1.0], "unsure": [math.log(1.03)], "gone": [GONE]})
    races = script.run(*(Race(name, budget_s=1e9, max_launches=100) for name in script.gives))
    assert {name: race.decision.verdict.value for name, race in races.items()} == {
        "same": "same", "slower": "slower", "faster": "faster", "unsure": "unsure", "gone": "unsure",
    }  # fmt: skip
    assert [*races] == ["gone", "same", "faster", "slower", "unsure"]
    assert script.asked[0] == ["same", "slower", "faster", "unsure", "gone"]
    assert script.asked[1] == ["same", "slower", "faster", "unsure"]
    assert script.asked[3] == ["slower", "faster", "unsure"]
    assert script.asked[-1] == ["unsure"]
    assert len(script.asked) == len(races["unsure"].launches) == 100
    assert races["gone"].failed is GONE
    assert races["same"].numbers == [0.0] * 3
    assert not any(race.open for race in races.values())


def test_each_race_has_launches_and_seconds_of_its_own() -> None:
    """A launch takes 4 s to start both sides, which its tests share, and then what each takes by itself."""
    script = Script({"few": [0.03], "short": [0.03], "long": [0.03]}, {"few": 1.0, "short": 10.0, "long": 2.0})
    races = script.run(Race("few", budget_s=1e9, max_launches=2), Race("short", budget_s=30), Race("long", budget_s=60))
    assert [*races] == ["few", "short", "long"]
    few, short, long = races.values()
    assert [len(race.launches) for race in races.values()] == [2, 3, 12]
    assert few.seconds == pytest.approx(2 * (4 / 3 + 1))
    assert short.seconds == pytest.approx(2 * (4 / 3 + 10) + (4 / 2 + 10))
    assert long.seconds == pytest.approx(2 * (4 / 3 + 2) + (4 / 2 + 2) + 9 * (4 + 2))
    assert sum(race.seconds for race in races.values()) == pytest.approx(script.now - 100)


def test_a_benchmark_that_looks_slower_gets_more_seconds() -> None:
    """On a busy machine, or with a slow benchmark, the budget is spent before an alarm has the launches it needs."""
    script = Script(
        {"slower": [0.1], "luck": [0.1, 0.1, 0.02], "endless": [0.1]}, {"slower": 10.0, "luck": 10.0, "endless": 50.0}
    )
    races = script.run(Race("slower", budget_s=60), Race("luck", budget_s=30), Race("endless", budget_s=60))
    slower, luck, endless = (races[name] for name in script.gives)
    assert slower.decision.verdict is Verdict.SLOWER
    assert 60 < slower.seconds < 240
    assert (luck.decision.verdict, len(luck.launches)) == (Verdict.UNSURE, 3)
    assert (endless.decision.verdict, len(endless.launches)) == (Verdict.UNSURE, 5)


def test_a_race_ends_where_it_fails_later_and_keeps_what_it_had() -> None:
    failed = Failed("head", "flaky")
    script = Script({"flaky": [0.03, 0.04, failed], "other": [0.0]})
    races = script.run(Race("flaky"), Race("other"))
    assert [*races] == ["flaky", "other"]
    flaky, other = races.values()
    assert flaky.failed is failed
    assert flaky.numbers == [0.03, 0.04]
    assert flaky.decision.verdict is Verdict.UNSURE
    assert other.decision.verdict is Verdict.SAME


def test_each_race_has_a_rule_of_its_own() -> None:
    script = Script({"strict": [0.05], "loose": [0.05]})
    races = script.run(Race("strict", Rule(threshold=0.01), 1e9), Race("loose", Rule(threshold=0.2), 1e9))
    assert races["strict"].decision.verdict is Verdict.SLOWER
    assert races["loose"].decision.verdict is Verdict.SAME


def test_a_launch_is_reported_at_its_end_and_its_files_at_once() -> None:
    script = Script({"same": [0.0], "gone": [GONE]})
    events = [
        event.files[0] if isinstance(event, Loaded) else (event.count, [race.nodeid for race in event.closed])
        for event in script.events(Race("same"), Race("gone"))
    ]
    assert events == ["same", "gone", (1, ["gone"]), "same", (2, []), "same", (3, ["same"])]


def test_each_launch_reports_the_state_of_all_races() -> None:
    script = Script({"same": [0.0], "gone": [GONE]})
    launches = [event for event in script.events(Race("same"), Race("gone")) if isinstance(event, Launched)]
    assert [[len(race.launches) for race in event.races] for event in launches] == [[1, 0], [2, 0], [3, 0]]
    assert [[race.open for race in event.races] for event in launches] == [[True, False], [True, False], [False, False]]


def test_what_was_launched_has_a_pace_from_then_on() -> None:
    script = Script({"null": [0.0], "slower": [1.0]})
    script.run(*(Race(name, budget_s=1e9) for name in script.gives))
    assert script.paced[:4] == [set(), {"null", "slower"}, {"null", "slower"}, {"slower"}]


def test_each_launch_has_a_seed_of_its_own_and_a_race_can_be_repeated() -> None:
    seeds = []
    for seed in (1, 1, 2):
        script = Script({"unsure": [math.log(1.03)]})
        script.run(Race("unsure", budget_s=1e9, max_launches=20), seed=seed)
        seeds.append(script.seeds)
    assert seeds[0] == seeds[1]
    assert len({*seeds[0], *seeds[2]}) == 40


def test_without_races_or_budget_nothing_is_launched() -> None:
    script = Script({"spent": [0.0]})
    assert script.run() == {}
    script.run(Race("spent", budget_s=0), Race("spent", max_launches=0))
    assert script.asked == []


LOST = Failed("head", "no times", FailureKind.LACKS)


def _by_both(nodeid: str, rule: Rule = Rule(), **more: float) -> Race:  # noqa: B008  # frozen
    return Race(nodeid, rule, split=replace(rule, races=2 * rule.races), **{"budget_s": 1e9, **more})  # type: ignore[arg-type]


def test_a_benchmark_is_launched_until_both_clocks_have_decided() -> None:
    script = Script(
        {"wall": [(0.0, 0.1), (0.0, 0.1), (0.0, 0.1), (9.0, 0.1)], "device": [(0.1, 0.0)], "both": [(0.0, 0.0)]}
    )
    races = script.run(*map(_by_both, script.gives))
    assert [*races] == ["both", "wall", "device"]
    found = {name: [one.decision.verdict.value for one in race.by_clock] for name, race in races.items()}
    assert found == {"both": ["same", "same"], "wall": ["same", "slower"], "device": ["slower", "same"]}
    # What is decided stays as it was.
    wall, device = races["wall"].by_clock
    assert (wall.numbers, len(device.numbers)) == ([0.0] * 3, len(script.asked))
    assert (wall.clock, device.clock) == ("wall", "device")
    assert device.seconds == races["wall"].seconds == pytest.approx(wall.seconds / 3 * len(script.asked))


def test_both_clocks_share_the_probability_of_a_false_alarm() -> None:
    script = Script({"both": [(0.1, 0.1)], "wall": [0.1]})
    rules = {"both": Rule(alpha=0.01, races=2), "wall": Rule(alpha=0.02, races=2)}
    races = script.run(*(_by_both(name, rules[name]) for name in script.gives))
    # Each clock leaves its half of the share to the other one.
    assert [one.rule.alarm for one in races["both"].by_clock] == [300, 300]
    assert [one.rule.alarm for one in races["wall"].by_clock] == [100]
    assert len(races["both"].launches) > len(races["wall"].launches)


def test_any_alarm_of_equal_builds_is_as_rare_as_it_is_said_to_be() -> None:
    """Exactly, over all series of launches, with what differs most: one clock alarms only if the other one does not."""
    for alpha in (0.5, 0.2):
        rule, launches = Rule(alpha=alpha), 8

        def alarms(race: Race, left: int) -> float:
            """Return the probability of an alarm by any clock."""
            if any(one.decision.verdict is Verdict.SLOWER for one in race.by_clock):
                return 1.0
            if not left or not race.open:
                return 0.0
            after = (replace(Timed(sign, (1.0,), (1.0,)), device=Timed(-sign, (1.0,), (1.0,))) for sign in (1.0, -1.0))
            return sum(alarms(race.after(LaunchResult("it", timed, 0.0)), left - 1) for timed in after) / 2

        assert 0 < alarms(_by_both("it", rule), launches) <= alpha
        # With the whole of it for each clock, it would be more.
        assert alarms(replace(_by_both("it", rule), split=rule), launches) > alpha


def test_only_the_first_launch_decides_whether_device_time_is_raced() -> None:
    script = Script({"later": [(0.0, None), (0.0, 0.5)], "claim": [(0.0, 0.5)]})
    races = script.run(_by_both("later"), Race("claim", budget_s=1e9))
    assert [(len(race.by_clock), len(race.launches)) for race in races.values()] == [(1, 3), (1, 3)]


@pytest.mark.parametrize("lost", [None, LOST])
def test_device_time_that_is_lost_leaves_the_wall_time(lost: Failed | None) -> None:
    script = Script({"it": [(0.1, 0.1), (0.1, 0.1), (0.1, lost), (0.1, 0.1)]})
    (race,) = script.run(_by_both("it")).values()
    wall, device = race.by_clock
    assert (wall.decision.verdict, wall.open, len(wall.launches)) == (Verdict.SLOWER, False, len(script.asked))
    assert device.failed == (lost or engine.NO_LONGER)
    assert len(device.launches) == 2
    assert device.decision.verdict is Verdict.UNSURE


def test_a_test_that_fails_ends_both_races() -> None:
    script = Script({"it": [(0.0, 0.1), Failed("head", "wrong")]})
    (race,) = script.run(_by_both("it")).values()
    assert (race.failed, len(script.asked)) == (Failed("head", "wrong"), 2)


@pytest.mark.parametrize("number", [0.02, 0.1])
def test_the_clock_that_is_undecided_sets_the_pace(number: float) -> None:
    rng = random.Random(1)

    def timed(number: float, scatter: float) -> Timed:
        return Timed(
            number, (1e6,) * 9, tuple(1e6 * math.exp(rng.gauss(number, scatter)) for _ in range(9)), paired_s=0.1
        )

    race = _by_both("it")
    for _ in range(3):
        result = replace(timed(0.0, 1e-4), device=timed(number, 0.01))
        race = race.after(LaunchResult("it", result, 1.0))
    wall, device = race.by_clock
    assert (wall.decision.verdict, device.decision.verdict) == (Verdict.SAME, Verdict.UNSURE)
    paces = [pacing.pace(one.launches, race.seconds, one.rule) for one in (device, wall)]
    assert paces[0] is not None
    # A launch knows only the wall time of its pairs, whose scatter says nothing about the device's.
    assert race.pace() == replace(paces[0], margin=None) != paces[1]
    assert (paces[0].margin is None) == (number == 0.02)


def test_the_budget_is_that_of_an_undecided_clock_that_looks_slower() -> None:
    script = Script({"slower": [(0.0, 0.1)], "open": [(math.log(1.03), 0.1)]}, {"slower": 10.0, "open": 10.0})
    slower, still_open = script.run(*(_by_both(name, budget_s=60) for name in script.gives)).values()
    assert slower.by_clock[1].decision.verdict is still_open.by_clock[1].decision.verdict is Verdict.SLOWER
    assert len(still_open.launches) == len(slower.by_clock[1].launches) == 12
    assert 60 < slower.seconds < 240


def test_a_launch_counts_as_much_as_its_scatter_lets_it() -> None:
    def after(error: float) -> Race:
        race = Race("t")
        for _ in range(16):
            race = race.after(LaunchResult("t", Timed(0.5, (1.0,), (1.6,), error=error), 0.1))
        return race

    exact, scattered = after(0.001), after(0.2)
    assert (exact.decision.verdict, scattered.decision.verdict) == (Verdict.SLOWER, Verdict.UNSURE)
    assert exact.evidence > exact.rule.alarm > scattered.evidence > 1
    assert scattered.errors == [0.2] * 16
