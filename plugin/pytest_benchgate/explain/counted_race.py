"""A race of counts: each benchmark is counted on both sides, and counted again where a difference may be chance."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_benchgate.explain.count import Counter, Request, launched, scratch, spread_of
from pytest_benchgate.race.launching.engine import Launched
from pytest_benchgate.race.launching.results import Counted, CountedSide, LaunchResult, Loaded
from pytest_benchgate.race.statistics import Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper

# In ln(ratio): where a process has its memory has changed counts by 1.6 %.
CHANCE = 0.05
# Of each side, for a benchmark whose counts differ by less than that, but are not the same.
STARTS = 3


def run(
    sides: Sequence[Side], races: Iterable[Race], plan: Plan, *, seed: int, reaper: Reaper
) -> Generator[Loaded | Launched, None, None]:
    """Count each benchmark once on each side, and some again; yield what comes of it, as engine.run does of times."""
    state = {race.nodeid: race for race in races}
    limits_s = {race.nodeid: race.budget_s for race in state.values()}
    waiting = [*state]
    with scratch(reaper) as folder:
        for start in range(1, STARTS + 1):
            request, waiting = Request(sides, waiting, plan, seed + start, reaper, limit_s=None), []
            with closing(launched(request, Counter(folder / str(start), limits_s))) as events:
                for event in events:
                    if isinstance(event, Loaded):
                        yield event
                        continue
                    race = _after(state[event.nodeid], event)
                    state[event.nodeid] = race
                    if start < STARTS and _may_be_chance(race):
                        waiting.append(event.nodeid)
                    else:
                        yield Launched(start, tuple(state.values()), (race,))
            if not waiting:
                return


def _after(race: Race, event: LaunchResult) -> Race:
    """Return a race after one more count: the least of all starts counts, and how far these differ."""
    result = event.result
    if race.counted is not None and isinstance(result, Counted):
        base, head = _least(race.counted.base, result.base), _least(race.counted.head, result.head)
        event = dataclasses.replace(event, result=Counted(base, head, race.counted.alike and result.alike))
    return race.after(event)


def _least(first: CountedSide, second: CountedSide) -> CountedSide:
    counts = first.instructions, second.instructions
    spread = max(first.spread, second.spread, spread_of(counts))
    return dataclasses.replace(second, instructions=min(counts), spread=spread)


def _may_be_chance(race: Race) -> bool:
    """Return whether a difference may be one between processes of the same build, by where their memory lies."""
    return race.counted is not None and race.decision.verdict is not Verdict.SAME and abs(race.counted.number) < CHANCE
