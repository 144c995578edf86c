"""A race from its first launch to its verdicts: only what is undecided is launched again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_benchgate.race.launch import Failed, Plan, Side, Timed, launch
from pytest_benchgate.race.statistics import Decision, Rule, Verdict, decide, interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@dataclass
class Race:
    """One benchmark's race so far.

    Attributes
    ----------
    numbers: ln(head / base), one a launch.
    decision: UNSURE until there is one.
    failed: why it was given up, or None.

    """

    nodeid: str
    numbers: list[float] = field(default_factory=list)
    decision: Decision = Decision(Verdict.UNSURE, 0, 1.0)  # noqa: RUF009  # frozen
    failed: Failed | None = None

    @property
    def open(self) -> bool:
        """Whether another launch may tell more."""
        return self.failed is None and self.decision.verdict is Verdict.UNSURE

    def interval(self) -> tuple[float, float, float]:
        """Return low, high and coverage of the median number; see statistics.interval."""
        return interval(self.numbers)


def run(
    sides: Sequence[Side],
    nodeids: Iterable[str],
    rule: Rule,
    plan: Plan,
    *,
    seed: int,
    max_launches: int,
    budget_s: float,
    progress: Callable[[int, Sequence[Race]], None] = lambda launches, races: None,  # noqa: ARG005
    clock: Callable[[], float] = time.monotonic,
) -> list[Race]:
    """Race all of nodeids until each is decided, max_launches are done, or budget_s seconds are spent.

    progress is called after each launch, with the number of launches so far and all races.
    """
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    races = [Race(nodeid) for nodeid in nodeids]
    deadline = clock() + budget_s
    for count in range(1, max_launches + 1):
        undecided = {race.nodeid: race for race in races if race.open}
        if not undecided or clock() >= deadline:
            break
        for nodeid, found in launch(sides, undecided, plan, rng.getrandbits(32)).items():
            race = undecided[nodeid]
            if isinstance(found, Timed):
                race.numbers.append(found.number)
                race.decision = decide(race.numbers, rule)
            else:
                race.failed = found
        progress(count, races)
    return races
