"""A race of counts: each benchmark is counted on both sides, and counted again where a difference may be chance."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_benchgate.explain.count import Counter, Request, launched, scratch
from pytest_benchgate.race.launching.engine import Launched
from pytest_benchgate.race.launching.results import Counted, LaunchResult, Loaded
from pytest_benchgate.race.statistics import Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper

# Of each side, for a benchmark whose counts differ by less than that, but are not the same.
STARTS = 3


def run(
    sides: Sequence[Side], races: Iterable[Race], plan: Plan, *, seed: int, reaper: Reaper, waits: bool = True
) -> Generator[Loaded | Launched, None, None]:
    """Count each benchmark once on each side, and some again; yield what comes of it, as engine.run does of times.

    Those that wait cannot be counted unless `waits`.
    """
    state = {race.nodeid: race for race in races}
    limits_s = {race.nodeid: race.budget_s for race in state.values()}
    waiting = [*state]
    with scratch(reaper) as folder:
        for start in range(1, STARTS + 1):
            request, waiting = Request(sides, waiting, plan, seed + start, reaper), []
            with closing(launched(request, Counter(folder / str(start), limits_s, waiting=waits))) as events:
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
    """Return a race after one more count."""
    result = event.result
    if race.counted is not None and isinstance(result, Counted):
        event = dataclasses.replace(event, result=race.counted.with_start(result))
    return race.after(event)


def _may_be_chance(race: Race) -> bool:
    """Return whether more starts may change the verdict."""
    return race.decision.verdict is not Verdict.SAME and race.counted is not None and race.counted.may_be_chance
