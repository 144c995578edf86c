"""A race from its first launch to its decisions: only what is undecided is launched again."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pytest_benchgate.race.launching import pacing, pages
from pytest_benchgate.race.launching.launch import launch
from pytest_benchgate.race.launching.results import Counted, Failed, FailureKind, LaunchResult, Loaded, Timed
from pytest_benchgate.race.launching.timing import Timer
from pytest_benchgate.race.launching.together import decide_together
from pytest_benchgate.race.statistics import Decision, Rule, Verdict, interval, median_interval
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.results import DEVICE, WALL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from pytest_benchgate.race.launching.launch import Measure
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.launching.results import Pace
    from pytest_benchgate.race.reaper import Reaper

NO_LONGER = Failed("base and head", "its later calls tell no time on a device", FailureKind.LACKS)
# Times the budget, for a benchmark that looks slower: an alarm needs some 15 launches, however long they take.
SUSPECT = 4


class Deciding(Protocol):
    """What decides a race, by the numbers of its launches."""

    @property
    def alarm(self) -> float:
        """The evidence at which the test fails."""

    def evidence(self, numbers: Sequence[float], errors: Sequence[float] = ()) -> float:
        """Return the evidence for an alarm after launches with these numbers, which have these standard errors."""

    def decide(self, numbers: Sequence[float], errors: Sequence[float] = ()) -> Decision:
        """Return the first decision that the launches, in their order, lead to, or UNSURE."""

    def decide_by_count(self, number: float, error: float) -> Verdict:
        """Return the verdict on a number that is known up to an error."""

    def margin(self, number: float) -> float:
        """Return by how much a launch's number may change and still count fully; below 0 if it does not."""

    def is_clear(self, low: float, high: float) -> bool:
        """Return whether a launch counts fully, and as much, wherever its number lies between these."""

    def suspects(self, low: float) -> bool:
        """Return whether an interval that begins here makes an alarm likely."""


@dataclass(frozen=True)
class Race:
    """One benchmark's race so far.

    Attributes
    ----------
    rule : Deciding
        When it is decided.
    budget_s : float
        How many seconds it may take, SUSPECT times as many if it looks slower; its share of the starts counts.
    max_launches : int
        How many launches it may take.
    launches : tuple[Timed, ...]
        The times of each launch.
    counted : Counted | None
        The instructions of a call, where these are compared, and not times.
    seconds : float
        How many it took.
    decision : Decision
        UNSURE until there is one.
    failed : Failed | None
        Why it was given up, or None.
    clock : str
        By which it is timed: WALL or DEVICE.
    split : Deciding | None
        The rule of both races if its calls tell their time on a device: each has half of the probability of a false
        alarm. None if device time does not count.
    device : Race | None
        The race of the same launches in device time.

    """

    nodeid: str
    rule: Deciding = Rule()  # noqa: RUF009  # frozen
    budget_s: float = 60.0
    max_launches: int = 60
    launches: tuple[Timed, ...] = ()
    counted: Counted | None = None
    seconds: float = 0.0
    decision: Decision = Decision(Verdict.UNSURE, 0, 1.0)  # noqa: RUF009  # frozen
    failed: Failed | None = None
    clock: str = WALL
    split: Deciding | None = None
    device: Race | None = None

    def after(self, launched: LaunchResult) -> Race:
        """Return this race after one more launch."""
        seconds = self.seconds + launched.seconds
        if isinstance(launched.result, Failed):
            return replace(self, seconds=seconds, failed=launched.result)
        if isinstance(launched.result, Counted):
            counted = launched.result
            verdict = self.rule.decide_by_count(counted.number, counted.error)
            if verdict is Verdict.UNSURE:
                # An alarm needs all starts, a pass those that agree.
                agreed = self.rule.decide_by_count(counted.number, counted.agreement)
                verdict = agreed if agreed is Verdict.SAME else verdict
            return replace(self, seconds=seconds, counted=counted, decision=Decision(verdict, 1, 1.0))
        race, timed = replace(self, seconds=seconds), launched.result
        if self.split is not None and not self.launches and timed.device is not None:
            race = replace(race, rule=self.split, split=None)
            race = replace(race, device=replace(race, clock=DEVICE))
        if race.device is None:
            return race.with_times(timed)
        # What one clock has decided stays as it is while the other one needs more launches.
        device = race.device.with_times(timed.device or NO_LONGER) if race.device.undecided else race.device
        return replace(race.with_times(timed) if race.undecided else race, device=device)

    def with_times(self, times: Timed | Failed) -> Race:
        """Return the race after one more launch, by its own clock."""
        if isinstance(times, Failed):
            return replace(self, failed=times)
        launches = (*self.launches, times)
        race = replace(self, launches=launches)
        return replace(race, decision=self.rule.decide(race.numbers, race.errors))

    @property
    def by_clock(self) -> tuple[Race, ...]:
        """The race itself and, if there is one, that in device time; each with the seconds of its own launches."""
        if self.device is None:
            return (self,)
        launch_s = self.seconds / max(len(self.launches), len(self.device.launches))
        return tuple(replace(race, seconds=launch_s * len(race.launches)) for race in (self, self.device))

    @property
    def undecided(self) -> bool:
        """Whether another launch may decide it, by its own clock."""
        return (
            self.failed is None
            and self.counted is None
            and self.decision.verdict is Verdict.UNSURE
            and len(self.launches) < self.max_launches
        )

    @property
    def open(self) -> bool:
        """Whether it is to be launched again."""
        return self.failed is None and any(race.undecided for race in self.by_clock) and self.seconds_left > 0

    @property
    def seconds_left(self) -> float:
        """What is left of its budget."""
        looks_slower = any(race.looks_slower for race in self.by_clock if race.undecided)
        return self.budget_s * (SUSPECT if looks_slower else 1) - self.seconds

    @property
    def looks_slower(self) -> bool:
        """Whether its interval is clearly above the threshold; when to stop may depend on past launches."""
        return bool(self.launches) and self.rule.suspects(interval(self.numbers)[0])

    def pace(self) -> Pace | None:
        """Return how its next launch is timed; None for the first."""
        paces = [pacing.pace(race.launches, self.seconds, race.rule) for race in self.by_clock if race.undecided]
        most = max(filter(None, paces), key=lambda pace: pace.pairs or 0, default=None)
        # While a launch is timed, nothing is known by the clock of a device.
        return most if most is None or self.device is None else replace(most, margin=None)

    @property
    def numbers(self) -> list[float]:
        """ln(head / base), one a launch."""
        return [timed.number for timed in self.launches] if self.counted is None else [self.counted.number]

    @property
    def errors(self) -> list[float]:
        """The standard error of each launch's number, by the scatter of its pairs."""
        return [timed.error for timed in self.launches]

    @property
    def evidence(self) -> float:
        """The evidence for an alarm after its launches, by its own clock."""
        return self.rule.evidence([timed.number for timed in self.launches], self.errors)

    @property
    def alike(self) -> bool:
        """Whether both sides always drew the same random numbers."""
        return all(timed.alike for timed in self.launches) and (self.counted is None or self.counted.alike)

    def interval(self) -> tuple[float, float, float]:
        """Return low, high and coverage of the median number; see statistics.median_interval."""
        return median_interval(self.numbers)


@dataclass(frozen=True)
class Launched:
    """A launch is over.

    Attributes
    ----------
    count : int
        The number of launches so far.
    races : tuple[Race, ...]
        The state of all races.
    closed : tuple[Race, ...]
        Those that this launch has decided, or that have failed or spent their budgets in it.

    """

    count: int
    races: tuple[Race, ...]
    closed: tuple[Race, ...]


def run(
    sides: Sequence[Side],
    races: Iterable[Race],
    plan: Plan,
    *,
    seed: int,
    reaper: Reaper,
    own_files: bool = False,
    clock: Callable[[], float] = CLOCK.s,
    timer: Callable[[Mapping[str, Pace], Mapping[str, Deciding]], Measure] = Timer,
) -> Generator[Loaded | Launched, None, None]:
    """Launch until each race is decided, has failed, or has spent its budget; yield what comes of it.

    With `own_files`, the extension modules of both sides are the race's own, and are copied before each further launch.
    """
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    state = {race.nodeid: race for race in races}
    loaded: set[str] = set()
    for count in itertools.count(1):
        undecided = [race.nodeid for race in state.values() if race.open]
        if not undecided:
            return
        start, own_s = clock(), 0.0
        if own_files:
            pages.renew(loaded, rng)
        paces = {nodeid: pace for nodeid in undecided if (pace := state[nodeid].pace()) is not None}
        measure = timer(paces, {nodeid: state[nodeid].rule for nodeid in undecided})
        for event in launch(sides, undecided, plan, rng.getrandbits(32), reaper, measure):
            if isinstance(event, Loaded):
                loaded.update(event.files)
                yield event
            else:
                state[event.nodeid] = state[event.nodeid].after(event)
                own_s += event.seconds
        # Starts are shared by all that were launched.
        share_s = max(clock() - start - own_s, 0.0) / len(undecided)
        for nodeid in undecided:
            state[nodeid] = replace(state[nodeid], seconds=state[nodeid].seconds + share_s)
        state = decide_together(state, undecided)
        closed = tuple(state[nodeid] for nodeid in undecided if not state[nodeid].open)
        yield Launched(count, tuple(state.values()), closed)
