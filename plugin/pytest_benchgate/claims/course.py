"""The course of a session of claims: launches until each is decided, as a stream of events."""

from __future__ import annotations

import dataclasses
import random
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_benchgate.claims import limit, outcome, stated
from pytest_benchgate.claims.rule import ClaimRule
from pytest_benchgate.explain import counted_race, requests, valgrind
from pytest_benchgate.race import status
from pytest_benchgate.race.events import Settled, Updated
from pytest_benchgate.race.launching import engine
from pytest_benchgate.race.launching.plan import Plan
from pytest_benchgate.race.launching.results import Failed, FailureKind, Loaded
from pytest_benchgate.race.launching.timing import NO_DEVICE, Timer
from pytest_benchgate.race.sides.environments import of_environments
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.results import WALL, RaceReport

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    import pytest

    from pytest_benchgate.claims.stated import Stated
    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.events import Event
    from pytest_benchgate.race.launching.engine import Deciding
    from pytest_benchgate.race.launching.launch import Measure
    from pytest_benchgate.race.launching.plan import Side
    from pytest_benchgate.race.launching.process import Worker
    from pytest_benchgate.race.launching.results import Pace, Timed
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.suite import Suite
    from pytest_benchgate.race.worker import messages
    from pytest_benchgate.results import Raced

# Claims that a note names.
SHOWN = 5
UNCOUNTABLE = FailureKind.UNCOUNTABLE


@dataclass
class Course:
    """The claims of a session.

    Attributes
    ----------
    suite : Suite
        The tests that claim something.
    stated : dict[str, Stated]
        Their claims, by the ids of their races.
    claims : int
        The number of claims in the whole suite, with all shards.
    files : Sequence[Path]
        Those of both tests of each claim, relative to rootdir.

    """

    config: pytest.Config
    race: RaceConfig
    suite: Suite
    stated: dict[str, Stated]
    claims: int
    files: Sequence[Path]
    reaper: Reaper
    _decided: dict[str, engine.Race] = field(default_factory=dict)
    # Why claims on growth are raced.
    _uncounted: dict[str, str] = field(default_factory=dict)

    def run(self) -> Generator[Event, None, None]:
        """Race each test that claims something against those that it names, until each claim is decided."""
        start = CLOCK.s()
        report = RaceReport(
            "", "this environment", self.race.alpha, self.claims, shard=self.race.shard, suite=self.suite.nodeids,
            settings=self.race.settings(), claims=True,
        )  # fmt: skip
        yield Updated(report)
        report = yield from self._count(report, start)
        between = self._open(on_limits=False)
        report = yield from self._launch(report, start, self._sides, between, self._timer)
        if on_limits := self._open(on_limits=True):
            report = yield from self._close(report, self._claimed(on_limits))
            on_limits = self._open(on_limits=True)
            report = yield from self._launch(report, start, self._sides[1:], on_limits, limit.LimitTimer)
        yield Updated(dataclasses.replace(report, complete=True))

    def _open(self, *, on_limits: bool) -> list[str]:
        """Return the claims, on limits or between tests, that are not decided yet."""
        undecided = [key for key in self.stated if key not in self._decided]
        return [key for key in undecided if (self.stated[key].other is None) == on_limits]

    def _count(self, report: RaceReport, start: float) -> Generator[Event, None, RaceReport]:
        """Decide the claims on growth by counts, where instructions can be counted; return the report."""
        keys = [key for key, one in self.stated.items() if one.growth]
        if not keys:
            return report
        try:
            valgrind.program()
        except requests.Unsupported as error:
            note = f"growth is raced, as instructions cannot be counted: {error}"
            return dataclasses.replace(report, notes=(*report.notes, note))
        self._claim_growth(keys, counted=True)
        races = [self._race(key) for key in keys]
        events = counted_race.run(self._sides, races, self._plan, seed=_seed(), reaper=self.reaper, waits=False)
        report = yield from self._follow(report, start, events)
        self._claim_growth([key for key in keys if key not in self._decided], counted=False)
        return dataclasses.replace(report, notes=(*report.notes, *self._uncounted.values()))

    def _claim_growth(self, keys: Iterable[str], *, counted: bool) -> None:
        for key in keys:
            one = self.stated[key]
            if one.growth and one.other:
                claim = one.growth.claim(one.other.nodeid, counted=counted)
                self.stated[key] = dataclasses.replace(one, claim=claim)

    def _launch(
        self,
        report: RaceReport,
        start: float,
        sides: Sequence[Side],
        keys: Sequence[str],
        timer: Callable[[Mapping[str, Pace], Mapping[str, Deciding]], Measure],
    ) -> Generator[Event, None, RaceReport]:
        """Launch until these claims are decided; return the report."""
        races = [self._race(key) for key in keys]
        events = engine.run(sides, races, self._plan, seed=_seed(), reaper=self.reaper, timer=timer)
        return (yield from self._follow(report, start, events))

    def _timer(self, paces: Mapping[str, Pace], rules: Mapping[str, Deciding]) -> Measure:
        """Return what times two tests, by the clock of the claim."""
        timer = Timer(paces, rules)

        def measure(
            key: str, workers: Sequence[Worker], ready: Sequence[messages.Ready], rng: random.Random
        ) -> Timed | Failed:
            timed = timer(key, workers, ready, rng)
            if self.stated[key].clock == WALL:
                return timed
            return timed.device or Failed("base and head", NO_DEVICE, FailureKind.LACKS)

        return measure

    def _follow(
        self, report: RaceReport, start: float, events: Generator[Loaded | engine.Launched, None, None]
    ) -> Generator[Event, None, RaceReport]:
        """Report what comes of launches; return the report. What cannot be counted stays undecided."""
        before = report
        with closing(events):
            for event in events:
                if isinstance(event, Loaded):
                    continue
                report = dataclasses.replace(
                    report,
                    launches=before.launches + event.count,
                    seconds=CLOCK.s() - start,
                    notes=(*before.notes, *self._notes(event.races)),
                )
                closed = []
                for race in event.closed:
                    if race.failed and race.failed.kind is UNCOUNTABLE:
                        self._uncounted[race.nodeid] = self._why(race.nodeid, race.failed)
                    else:
                        closed.append(race)
                report = yield from self._close(report, closed)
                undecided = len(self.stated) - len(self._decided)
                yield status.of_launch(report, event.races, undecided, report.launches, self._name)
        return report

    def _close(self, report: RaceReport, races: Iterable[engine.Race]) -> Generator[Event, None, RaceReport]:
        """Add races that are over to the report, which is returned, and yield the tests whose last claim this was."""
        closed = {race.nodeid: race for race in races}
        self._decided |= closed
        report = dataclasses.replace(report, raced=(*report.raced, *map(self._raced, closed.values())))
        for nodeid in dict.fromkeys(self.stated[key].item.nodeid for key in closed):
            keys = [key for key, one in self.stated.items() if one.item.nodeid == nodeid]
            if self._decided.keys() >= {*keys}:
                raced = tuple(raced for raced in report.raced if raced.nodeid == nodeid)
                yield Settled(raced, tuple(self._decided[key] for key in keys), report)
        yield Updated(report)
        return report

    @cached_property
    def _plan(self) -> Plan:
        return Plan(limit_s=max([Plan.limit_s, *(self._settings(nodeid).budget_s for nodeid in self.suite.benchmarks)]))

    @cached_property
    def _sides(self) -> tuple[Side, Side]:
        """Two sides of one environment: base runs the tests that are named, head those that claim something."""
        base, head = of_environments(self.config, self.race, self.files, self.reaper).both
        tests = {key: one.items for key, one in self.stated.items()}
        return (
            dataclasses.replace(base, tests={key: items[-1].nodeid for key, items in tests.items()}),
            dataclasses.replace(head, tests={key: items[0].nodeid for key, items in tests.items()}),
        )

    def _claimed(self, keys: Sequence[str]) -> list[engine.Race]:
        """Find out what tests claim about limits; return the races of those that fail before they claim anything."""
        failed = []
        for key, claim in limit.claimed(self._sides[1], keys, self._plan, _seed(), self.reaper).items():
            if isinstance(claim, Failed):
                failed.append(dataclasses.replace(self._race(key), failed=claim))
            else:
                self.stated[key] = stated.reaching(self.stated[key], claim)
        return failed

    def _settings(self, nodeid: str) -> RaceConfig:
        return self.race.with_settings(self.suite.benchmarks[nodeid].marks)

    def _race(self, key: str) -> engine.Race:
        """Return the race of a claim before its first launch."""
        one = self.stated[key]
        own = self._settings(one.item.nodeid)
        rule = ClaimRule(one.claim.bound, self.claims, own.alpha)
        return engine.Race(key, rule, own.budget_s, own.max_launches, clock=one.clock)

    def _raced(self, race: engine.Race) -> Raced:
        """Return the result of a race that is over."""
        one = self.stated[race.nodeid]
        nodeid = one.item.nodeid
        return outcome.of(self.config, self._settings(nodeid), one, self.suite.benchmarks[nodeid], race)

    def _name(self, key: str) -> str:
        one = self.stated[key]
        return f"{one.item.name}: {one.claim.text}"

    def _why(self, key: str, failed: Failed) -> str:
        who = outcome.who(self.stated[key], failed)
        return f"the growth of {self.stated[key].item.name} is raced, as {who} cannot be counted: {failed.reason}"

    def _notes(self, races: Sequence[engine.Race]) -> tuple[str, ...]:
        """Return a note on the claims whose tests may have had different inputs, if any."""
        unlike = [self.stated[race.nodeid].items for race in races if not race.alike]
        if not unlike:
            return ()
        names = [" and ".join(item.name for item in items) for items in unlike[:SHOWN]]
        more = f" and {len(unlike) - SHOWN} more" if len(unlike) > SHOWN else ""
        note = (
            "two tests drew or seeded different random numbers before they were timed, so that their inputs may "
            f"differ: {'; '.join(names)}{more}"
        )
        return (note,)


def _seed() -> int:
    return random.SystemRandom().getrandbits(32)
