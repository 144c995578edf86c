"""An alarm, raced again with each side's functions in other places.

Where the linker puts a function can change its speed by more than 10 %, whatever it does: a commit that only moves code
is then slower in this build, and not in another one. So each side is built several times, with a random number of bytes
that are never executed in front of every function, and each build of base is raced against one of head.

If the sides differ only by where their code lies, the places of both are drawn alike, and the number of a pair of
builds is symmetric around 0. The interval of order statistics of the pairs holds their median with its coverage,
whatever the distribution: an alarm stands if all of it is above 0 and the median above the threshold. With 8 pairs that
takes all of them, so that a commit that only moves code keeps its alarm with a chance of at most 1 / 256.
"""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_benchgate.race.building import flags, overlay
from pytest_benchgate.race.building.build import BuildFailed
from pytest_benchgate.race.building.instructions import instructions
from pytest_benchgate.race.events import Status
from pytest_benchgate.race.launching.launch import launch
from pytest_benchgate.race.launching.results import Failed, LaunchResult, Loaded, Timed
from pytest_benchgate.race.sides import revisions
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.statistics import Verdict, interval
from pytest_benchgate.race.verdicts.identity import Identity
from pytest_benchgate.reports.explanation import does_no_more

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.building.build import Built
    from pytest_benchgate.race.events import Preparation
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.revisions import Trees
    from pytest_benchgate.results import Raced

# Of each pair of builds; its number is their median.
LAUNCHES = 3
# The launches of a benchmark, by pairs of builds.
Launched: TypeAlias = "list[list[LaunchResult]]"
# Builds of each side with "auto".
USUAL = 8
UNKNOWN = "no compiler on the PATH knows -fpatchable-function-entry, as GCC and Clang do"


class Immovable(Exception):
    """Sides whose functions cannot be put into other places, and why."""


def check(project: Path | None, race: RaceConfig) -> None:
    """Raise SidesError if it is known before any build that --race=relinked has nothing to race."""
    if project is None:
        reason = "there is no project to build here, by pyproject.toml or setup.py"
    elif not flags.are_known(flags.moved_by(1)):
        reason = UNKNOWN
    elif race.count:
        reason = "the instructions of a call are the same in any place; leave --race-count out"
    elif race.placements == "0":
        reason = "race_placements is 0; give --race-placements=8"
    else:
        return
    raise SidesError(f"--race=relinked: nothing can be put into another place: {reason}")


def is_wanted(placements: str, raced: Raced) -> bool:
    """Return whether an alarm is to be raced over placements: with "auto", if head does no more than base."""
    if raced.verdict != Verdict.SLOWER.value:
        return False
    if placements != "auto":
        return placements != "0"
    return raced.explanation is not None and does_no_more(raced.explanation)


def stands(numbers: Sequence[float], threshold: float) -> bool:
    """Return whether an alarm stands after these numbers, ln(head / base), one a pair of builds."""
    low, _, _ = interval(numbers)
    return low > 0 and statistics.median(numbers) > math.log1p(threshold)


@dataclass(frozen=True)
class Placements:
    """Races a pair of sides over several places of their functions.

    Attributes
    ----------
    wanted : str
        How many builds of each side: "auto" or a number.
    races : mapping
        The settings of each benchmark's race.
    sides : tuple of Side
        Base and head, as they were raced.
    trees : Trees, optional
        What they are built of; None if they were not built.

    """

    wanted: str
    races: Mapping[str, RaceConfig]
    sides: tuple[Side, Side]
    trees: Trees | None
    plan: Plan
    reaper: Reaper

    @property
    def count(self) -> int:
        """How many builds of each side."""
        return USUAL if self.wanted == "auto" else int(self.wanted)

    def confirm(self, alarms: Sequence[Raced]) -> Generator[Preparation, None, list[Raced]]:
        """Return alarms as they are after they have been raced over placements: `slower` still, or `placement`."""
        if not alarms:
            return []
        rng = random.Random(random.SystemRandom().getrandbits(32))  # noqa: S311  # chance, not secrecy
        try:
            launched = yield from self.race([raced.nodeid for raced in alarms], rng)
        except Immovable as error:
            note = f"whether it is slower in other places of the code is not known: {error}"
            return [dataclasses.replace(raced, reason=note) for raced in alarms]
        return [self._confirmed(raced, medians(launched[raced.nodeid])) for raced in alarms]

    def race(self, nodeids: Sequence[str], rng: random.Random) -> Generator[Preparation, None, dict[str, Launched]]:
        """Return the launches of each benchmark, by pairs of builds; those of one that fails end with its failure.

        Raises Immovable.
        """
        if self.trees is None or not self.trees.built:
            raise Immovable("nothing was built")
        if not any(map(_instructions, self.trees.built)):
            raise Immovable("what was built has no extension module")
        launched: dict[str, Launched] = {nodeid: [] for nodeid in nodeids}
        for pair, padding in enumerate(self._paddings(self.trees), start=1):
            yield Status(f"other places of the code, {pair} of {self.count}: building")
            built = yield from self._build(padding)
            before, after = _instructions(self.trees.built[1]), _instructions(built[1])
            if before == after and None not in after:
                raise Immovable("other flags of the compiler change no instruction of this build")
            yield Status(f"other places of the code, {pair} of {self.count}: racing")
            open_ones = [nodeid for nodeid, pairs in launched.items() if not _failed(pairs)]
            for nodeid, results in self._launch(built, open_ones, rng).items():
                launched[nodeid].append(results)
        return launched

    def _paddings(self, trees: Trees) -> Iterator[tuple[int, int]]:
        """Yield how many bytes precede each function, in base's and in head's build of each pair.

        By the side and its source, so that a race that is repeated finds its builds in the cache. Each build of one
        source is raced against the next one: with as many bytes in front, both would be one build.
        """
        sources = zip(self.sides, (trees.base, trees.head), strict=True)
        seeds = [random.Random(f"{side.name} {source.tree}") for side, source in sources]  # noqa: S311
        base, head = (seed.sample(range(1, flags.MOST_BYTES + 1), self.count) for seed in seeds)
        if trees.base.tree == trees.head.tree:
            base = [*head[1:], head[0]]
        yield from zip(base, head, strict=True)

    def _confirmed(self, raced: Raced, numbers: Sequence[float]) -> Raced:
        """Return an alarm after a race over placements; it stands if that is incomplete."""
        edge = raced.threshold if raced.limit is None else raced.limit
        if len(numbers) < self.count or stands(numbers, edge):
            return dataclasses.replace(raced, placements=tuple(numbers))
        failed = self.races[raced.nodeid].strict
        return dataclasses.replace(raced, verdict=Verdict.PLACEMENT.value, failed=failed, placements=tuple(numbers))

    def _build(self, padding: Sequence[int]) -> Generator[Preparation, None, list[Built]]:
        moved = [flags.moved_by(count) for count in padding]
        if not all(map(flags.are_known, moved)):
            raise Immovable(UNKNOWN)
        assert self.trees is not None  # noqa: S101  # as `race` has seen
        try:
            return (yield from _without_steps(revisions.build_again(self.trees, moved)))
        except BuildFailed as error:
            raise Immovable(f"the build failed with other flags: {str(error).splitlines()[0]}") from error

    def _launch(
        self, built: Sequence[Built], nodeids: Sequence[str], rng: random.Random
    ) -> dict[str, list[LaunchResult]]:
        """Return a few launches of each benchmark with a pair of builds."""
        pairs = [*zip(self.sides, built, strict=True)]
        sides = [dataclasses.replace(side, python=moved.python) for side, moved in pairs]
        identity = Identity({side.name: (moved.folder.resolve(),) for side, moved in pairs})
        found: dict[str, list[LaunchResult]] = defaultdict(list)
        for _ in range(LAUNCHES if nodeids else 0):
            for event in launch(sides, nodeids, self.plan, rng.getrandbits(32), self.reaper):
                if isinstance(event, Loaded):
                    identity.add(event.side, event.files)
                else:
                    found[event.nodeid].append(event)
        return found


def _failed(pairs: Launched) -> bool:
    """Return whether any launch of a benchmark has failed."""
    return any(isinstance(launched.result, Failed) for pair in pairs for launched in pair)


def numbers(pairs: Launched) -> list[list[float]]:
    """Return the numbers of a benchmark's launches, by pairs of builds."""
    return [[one.result.number for one in pair if isinstance(one.result, Timed)] for pair in pairs]


def medians(pairs: Launched) -> list[float]:
    """Return the number of each pair of builds, the median of its launches."""
    return [statistics.median(found) for found in numbers(pairs) if found]


def _without_steps(building: Generator[Preparation, None, list[Built]]) -> Generator[Preparation, None, list[Built]]:
    """Leave the steps out, of which there are some dozens."""
    while True:
        try:
            event = next(building)
        except StopIteration as end:
            built: list[Built] = end.value
            return built
        if isinstance(event, Status):
            yield event


def _instructions(built: Built) -> list[str | None]:
    """Return what each extension module of a build consists of; None where that cannot be told."""
    return [instructions(path) for path in overlay.extensions(built.folder).values()]
