"""--race=relinked: one source raced against itself, with its functions in other places in each build.

Nothing differs between the sides but where their code lies. So what the benchmarks differ by is what that does on this
machine, and a slowdown below it may have no other cause.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from typing import TYPE_CHECKING

from pytest_benchgate.race.events import Decided, Updated
from pytest_benchgate.race.launching import engine
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.statistics import Rule, Verdict
from pytest_benchgate.race.verdicts import placement
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_benchgate.race.events import Event
    from pytest_benchgate.race.suite import Suite
    from pytest_benchgate.race.verdicts.outcome import Outcomes
    from pytest_benchgate.race.verdicts.placement import Launched, Placements
    from pytest_benchgate.results import Raced, RaceReport

# Of pairs_differ: how often the launches are shuffled, and the chance that it is wrong.
SHUFFLES, LEVEL = 999, 0.01


def run(
    suite: Suite, placements: Placements, outcomes: Outcomes, report: RaceReport, start: float
) -> Generator[Event, None, None]:
    """Race all benchmarks over several places of the code. Raises SidesError if it cannot be moved."""
    rng = random.Random(random.SystemRandom().getrandbits(32))  # noqa: S311  # chance, not secrecy
    try:
        launched = yield from placements.race([*suite.benchmarks], rng)
    except placement.Immovable as error:
        raise SidesError(f"--race=relinked: nothing can be put into another place: {error}") from error
    races = {nodeid: _race(nodeid, pairs) for nodeid, pairs in launched.items()}
    report = dataclasses.replace(
        report, relinked=True, launches=placement.LAUNCHES * placements.count, seconds=CLOCK.s() - start
    )
    for nodeid, race in races.items():
        outcome = outcomes.of(suite.benchmarks[nodeid], race, [*races.values()])
        raced = tuple(_placed(one, launched[nodeid]) for one in outcome.raced)
        report = dataclasses.replace(report, raced=(*report.raced, *raced))
        yield Decided(raced, race, report)
    yield Updated(dataclasses.replace(report, complete=True))


def _race(nodeid: str, pairs: Launched) -> engine.Race:
    """Return the race of a benchmark with all of its launches."""
    race = engine.Race(nodeid, Rule())
    for pair in pairs:
        for launched in pair:
            race = race.after(launched)
    return race


def _placed(raced: Raced, pairs: Launched) -> Raced:
    """Return the result of a benchmark, by what placement does to it."""
    if raced.verdict in {Verdict.ERROR.value, Verdict.SKIPPED.value}:
        return raced
    numbers = placement.medians(pairs)
    most = max(map(abs, numbers))
    # A fixed seed: the same numbers give the same verdict.
    differ = pairs_differ(placement.numbers(pairs), random.Random(0))  # noqa: S311
    verdict, reason = Verdict.SAME, "" if differ else "no more than launches of one build differ"
    if most > math.log1p(raced.threshold):
        verdict = Verdict.PLACEMENT if differ else Verdict.UNSURE
    return dataclasses.replace(
        raced, verdict=verdict.value, failed=False, placements=tuple(numbers), reason=reason, side=""
    )


def pairs_differ(numbers: Sequence[Sequence[float]], rng: random.Random) -> bool:
    """Return whether pairs of builds, each with the numbers of its launches, differ by more than launches do anyway.

    A permutation test of the variance between the pairs: if all were alike, it would be as large in any shuffle.
    """
    launches = [number for pair in numbers for number in pair]
    ends = [*itertools.accumulate(map(len, numbers))]

    def between() -> float:
        pairs = (launches[start:end] for start, end in zip([0, *ends], ends, strict=False))
        return sum(sum(pair) ** 2 / len(pair) for pair in pairs if pair)

    seen, as_large = between(), 1
    for _ in range(SHUFFLES):
        rng.shuffle(launches)
        as_large += between() >= seen
    return as_large <= LEVEL * (SHUFFLES + 1)
