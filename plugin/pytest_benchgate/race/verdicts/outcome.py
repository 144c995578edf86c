"""From a race that is over to its verdict, where no launch's numbers tell it: new, gone, skipped, error, accepted."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_benchgate.race.launching.probe import probe
from pytest_benchgate.race.launching.process import Why
from pytest_benchgate.race.statistics import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.race.launching.process import Failed, Plan
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.revisions import Field


@dataclass
class Judge:
    """Says what is to be said of races without numbers; it may run a test of them once more, on one side.

    Attributes
    ----------
    races: all of the session, of which those that are over together are looked into together.

    """

    sides: Field
    races: Iterable[Race]
    plan: Plan
    reaper: Reaper
    _own: dict[str, Failed | None] = field(default_factory=dict)

    def why(self, race: Race, function: str) -> tuple[Verdict, str, str]:
        """Return the verdict on a race that could not be run, the side, and the reason."""
        failed = race.failed
        assert failed is not None  # noqa: S101  # the caller's promise
        if failed.why is Why.SKIPPED:
            return self._skipped(race.nodeid, failed)
        if failed.side != "base" or not self._may_be_new(race.nodeid, function, failed):
            return Verdict.ERROR, failed.side, failed.reason
        return Verdict.NEW, failed.side, f"base has no such benchmark: {failed.reason}"

    def _may_be_new(self, nodeid: str, function: str, failed: Failed) -> bool:
        """Return whether base's own tree lacks a test, and base's worker has lived to say so."""
        if failed.why not in {Why.LACKS, Why.FAILED}:
            return False
        if failed.why is Why.LACKS and self.sides.own is None:  # there is no tree to look into
            return True
        basis = self.sides.basis
        lacks_parameter = basis is not None and basis.lacks_parameter(nodeid)
        return lacks_parameter or self.sides.is_new(nodeid.partition("::")[0], function)

    def _skipped(self, nodeid: str, failed: Failed) -> tuple[Verdict, str, str]:
        """Return what to say of a test that is skipped: `gone`, if base runs its own."""
        if "head" not in failed.side or self.sides.null:
            return Verdict.SKIPPED, failed.side, failed.reason
        if self.sides.basis is None:  # head's test is base's own
            runs = failed.side == "head"
        else:
            runs = nodeid in self.sides.basis.nodeids and self._on_base(nodeid) is None
        if not runs:
            return Verdict.SKIPPED, failed.side, failed.reason
        return Verdict.GONE, "head", f"head skips it, and base's own test runs: {failed.reason}"

    def _on_base(self, nodeid: str) -> Failed | None:
        """Return what keeps base's own test from running on base.

        All tests that are skipped by now are run with one start.
        """
        if nodeid not in self._own:
            assert self.sides.own is not None  # noqa: S101  # there is a basis
            skipped = {race.nodeid for race in self.races if race.failed and race.failed.why is Why.SKIPPED}
            self._own |= probe(self.sides.own(), sorted({nodeid, *skipped} - self._own.keys()), self.plan, self.reaper)
        return self._own[nodeid]


def is_needed(race: Race, threshold: float) -> bool:
    """Return whether a slowdown that is accepted is one: whether it is above the threshold that counts otherwise."""
    return bool(race.numbers) and statistics.median(race.numbers) > math.log1p(threshold)
