"""Explains the races that are over: those that need it."""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.explained import Explanation

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pytest_benchgate.race.events import Preparation
    from pytest_benchgate.race.launching.plan import Plan
    from pytest_benchgate.race.launching.results import Counted
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.sides import Sides
    from pytest_benchgate.results import Raced

# What is explained with "auto"; what has passed, only near the threshold.
SUSPICIOUS, PASSED = {"slower", "unsure"}, {"same", "accepted"}
# Of the threshold: a change that is no farther from it is nearer to it than to no change.
NEAR = 0.5
# Benchmarks near the threshold that are run again to be counted, each of which may take count.LIMIT_S.
MOST_NEAR = 5
ON_DEVICE = "valgrind does not see those that a device executes"


def is_near(raced: Raced) -> bool:
    """Return whether a benchmark has passed, but not far from the threshold."""
    if raced.verdict not in PASSED or raced.change is None:
        return False
    edge = raced.threshold if raced.limit is None else raced.limit
    return math.log1p(edge) - raced.change <= NEAR * math.log1p(raced.threshold)


@dataclass
class Explainer:
    """Explains the races of a session.

    Attributes
    ----------
    which : str
        "auto", "all" or "off".
    near : int
        How many benchmarks near the threshold would have been run again.

    """

    which: str
    sides: Sides
    plan: Plan
    reaper: Reaper
    near: int = 0

    def explain(
        self, decided: Mapping[str, tuple[tuple[Raced, ...], Counted | None]]
    ) -> Generator[Preparation, None, dict[str, tuple[Raced, ...]]]:
        """Return the results of benchmarks with the explanations that they are to have; one process counts them all.

        Each benchmark has its results, by the wall clock first, and its counts if they are known already.
        """
        wanted = {
            nodeid: (wall, counted)
            for nodeid, ((wall, *_), counted) in decided.items()
            if self._is_wanted(wall, counted)
        }
        found = (yield from self._explain(wanted)) if wanted else {}
        return {
            nodeid: (dataclasses.replace(wall, explanation=found.get(nodeid)), *map(self._on_device, others))
            for nodeid, ((wall, *others), _) in decided.items()
        }

    def _explain(
        self, wanted: Mapping[str, tuple[Raced, Counted | None]]
    ) -> Generator[Preparation, None, dict[str, Explanation]]:
        # Most races need none of it.
        from pytest_benchgate.explain import count

        found: dict[str, Explanation] = {}
        # Whatever goes wrong here, the verdicts are known and must not be lost.
        try:
            for nodeid, (_, counted) in wanted.items():
                if counted is not None:
                    found[nodeid] = count.explanation(counted, self.sides.both, self.plan.names)
            seed = random.SystemRandom().getrandbits(32)
            others = [nodeid for nodeid in wanted if nodeid not in found]
            request = count.Request(self.sides.both, others, self.plan, seed, self.reaper)
            found |= yield from count.explain(request)
        except Exception as error:  # noqa: BLE001
            found = dict.fromkeys(wanted, count.failed(error)) | found
        return found

    def _on_device(self, raced: Raced) -> Raced:
        if self.which == "off" or raced.verdict != "slower":
            return raced
        return dataclasses.replace(raced, explanation=Explanation(reason=ON_DEVICE))

    def _is_wanted(self, raced: Raced, counted: Counted | None) -> bool:
        if raced.change is None:
            return False
        if self.which != "auto" or raced.verdict in SUSPICIOUS:
            return self.which != "off"
        if counted is not None or not is_near(raced):
            return is_near(raced)
        self.near += 1
        return self.near <= MOST_NEAR

    def notes(self) -> list[str]:
        """Return what the user should know: how many benchmarks near the threshold were not counted, if any."""
        if self.near <= MOST_NEAR:
            return []
        note = (
            f"of {self.near} benchmarks that are `same` or `accepted`, but near the threshold, the instructions of "
            f"{MOST_NEAR} were counted; --race-explain=all counts those of all"
        )
        return [note]
