"""Explains the races that are over: those that need it."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.explain import count
from pytest_benchgate.race.events import Status
from pytest_benchgate.results import Explanation

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchgate.race.events import Preparation
    from pytest_benchgate.race.launching.plan import Plan
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.sides import Sides
    from pytest_benchgate.results import Raced

# What is explained with "auto".
SUSPICIOUS = {"slower", "unsure"}


@dataclass(frozen=True)
class Explainer:
    """Explains the races of a session.

    Attributes
    ----------
    which : str
        "auto", "all" or "off".

    """

    which: str
    sides: Sides
    plan: Plan
    reaper: Reaper

    def explain(self, raced: Raced) -> Generator[Preparation, None, Raced]:
        """Return the result of a race with its explanation, if it is to have one."""
        wanted = raced.verdict in SUSPICIOUS if self.which == "auto" else self.which == "all"
        if not wanted or raced.change is None:
            return raced
        yield Status(f"counting the instructions of {raced.name}")
        seed = random.SystemRandom().getrandbits(32)
        request = count.Request(self.sides.both, raced.nodeid, self.plan, seed, self.reaper)
        try:
            explanation = count.explain(request)
        # Whatever goes wrong here, the verdict is known and must not be lost.
        except Exception as error:  # noqa: BLE001
            explanation = Explanation(reason=f"counting failed: {type(error).__name__}: {error}")
        return dataclasses.replace(raced, explanation=explanation)
