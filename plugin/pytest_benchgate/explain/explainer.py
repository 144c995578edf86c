"""Explains the races that are over: which of them, and with which builds."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.explain import count
from pytest_benchgate.explain.debug_lines import FLAGS, VARIABLES, are_alike
from pytest_benchgate.race.building.build import BuildFailed
from pytest_benchgate.race.events import Status
from pytest_benchgate.race.sides import revisions
from pytest_benchgate.results import Explanation

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchgate.race.events import Preparation
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.revisions import Trees
    from pytest_benchgate.race.sides.sides import Sides
    from pytest_benchgate.results import Raced

# What is explained with "auto".
SUSPICIOUS = {"slower", "unsure"}


@dataclass
class Explainer:
    """Explains the races of a session.

    Attributes
    ----------
    which : str
        "auto", "all" or "off".
    trees : Trees, optional
        What the sides were built of, to be built again with line numbers.

    """

    which: str
    sides: Sides
    trees: Trees | None
    plan: Plan
    reaper: Reaper
    _with_lines: tuple[Side, ...] | None = None

    def explain(self, raced: Raced) -> Generator[Preparation, None, Raced]:
        """Return the result of a race with its explanation, if it is to have one."""
        wanted = raced.verdict in SUSPICIOUS if self.which == "auto" else self.which == "all"
        if not wanted or raced.change is None:
            return raced
        if self._with_lines is None:
            self._with_lines = yield from self._build()
        yield Status(f"counting the instructions of {raced.name}")
        seed = random.SystemRandom().getrandbits(32)
        request = count.Request(self._with_lines, raced.nodeid, self.plan, seed, self.reaper)
        try:
            explanation = count.explain(request)
        # Whatever goes wrong here, the verdict is known and must not be lost.
        except Exception as error:  # noqa: BLE001
            explanation = Explanation(reason=f"counting failed: {type(error).__name__}: {error}")
        return dataclasses.replace(raced, explanation=explanation)

    def _build(self) -> Generator[Preparation, None, tuple[Side, ...]]:
        """Return the sides, built with line numbers where that is possible and changes nothing else."""
        if self.trees is None or not self.trees.built:
            return self.sides.both
        try:
            built = yield from revisions.build_again(self.trees, [FLAGS] * 2, VARIABLES)
        except BuildFailed:
            return self.sides.both
        return tuple(
            dataclasses.replace(side, python=with_lines.python) if are_alike(raced.folder, with_lines.folder) else side
            for side, raced, with_lines in zip(self.sides.both, self.trees.built, built, strict=True)
        )
