"""A race from its first launch to its verdicts: only what is undecided is launched again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_benchgate.race.launching.launch import Timed, launch
from pytest_benchgate.race.statistics import Decision, Rule, Verdict, decide, interval
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_benchgate.race.launching.process import Failed, Plan, Side
    from pytest_benchgate.race.reaper import Reaper


SHOWN = 5  # names in a note
# Times the budget, for what looks slower: an alarm needs some 15 launches, however long they take.
SUSPECT = 4


@dataclass
class Race:
    """One benchmark's race so far.

    Attributes
    ----------
    rule: when it is decided.
    budget_s: how many seconds it may take, SUSPECT times as many if it looks slower; its share of the starts counts.
    max_launches: how many launches it may take.
    launches: what came of each.
    seconds: how many it took.
    decision: UNSURE until there is one.
    failed: why it was given up, or None.

    """

    nodeid: str
    rule: Rule = Rule()  # noqa: RUF009  # frozen
    budget_s: float = 60.0
    max_launches: int = 60
    launches: list[Timed] = field(default_factory=list)
    seconds: float = 0.0
    decision: Decision = Decision(Verdict.UNSURE, 0, 1.0)  # noqa: RUF009  # frozen
    failed: Failed | None = None

    @property
    def open(self) -> bool:
        """Whether another launch may tell more."""
        return (
            self.failed is None
            and self.decision.verdict is Verdict.UNSURE
            and len(self.launches) < self.max_launches
            and self.seconds < self.budget_s * (SUSPECT if self._looks_slower() else 1)
        )

    def _looks_slower(self) -> bool:
        """Whether its interval lies clearly above the threshold; when to stop may depend on what has been seen."""
        return bool(self.launches) and self.interval()[0] > math.log1p(self.rule.threshold) + self.rule.scale / 2

    @property
    def numbers(self) -> list[float]:
        """ln(head / base), one a launch."""
        return [launched.number for launched in self.launches]

    def interval(self) -> tuple[float, float, float]:
        """Return low, high and coverage of the median number; see statistics.interval."""
        return interval(self.numbers)


def unlike(races: Sequence[Race]) -> list[str]:
    """Return what to say of benchmarks whose sides may have had different inputs."""
    names = [race.nodeid for race in races if not all(launched.alike for launched in race.launches)]
    if not names:
        return []
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    text = (
        "the sides drew or seeded different random numbers before the benchmark began, so that their inputs may "
        f"differ: {shown}; seed from a constant, not from the clock or the process id"
    )
    return [text]


def run(
    sides: Sequence[Side],
    races: Sequence[Race],
    plan: Plan,
    *,
    seed: int,
    reaper: Reaper,
    loaded: Callable[[str, dict[str, str]], None] = lambda side, files: None,  # noqa: ARG005
    closed: Callable[[Race], None] = lambda race: None,  # noqa: ARG005
    progress: Callable[[int], None] = lambda launches: None,  # noqa: ARG005
    clock: Callable[[], float] = CLOCK.s,
) -> None:
    """Race each of races until it is decided, has failed, or has spent what it may.

    `closed` gets each race as soon as it is over; `progress` is called after each launch with their number.
    """
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    count = 0
    while undecided := {race.nodeid: race for race in races if race.open}:
        start, own = clock(), 0.0
        for nodeid, (found, seconds) in launch(sides, undecided, plan, rng.getrandbits(32), reaper, loaded).items():
            race = undecided[nodeid]
            race.seconds += seconds
            own += seconds
            if isinstance(found, Timed):
                race.launches.append(found)
                race.decision = decide(race.numbers, race.rule)
            else:
                race.failed = found
        for race in undecided.values():
            race.seconds += max(clock() - start - own, 0.0) / len(undecided)
        count += 1
        for race in undecided.values():
            if not race.open:
                closed(race)
        progress(count)
