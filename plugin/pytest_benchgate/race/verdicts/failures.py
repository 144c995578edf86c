"""The verdicts on races without numbers: new, gone, skipped or error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_benchgate.race.launching.one_side import run_each
from pytest_benchgate.race.launching.results import Failed, FailureKind
from pytest_benchgate.race.statistics import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.race.launching.plan import Plan
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.sides import Sides


@dataclass
class Failures:
    """Classifies races without numbers; may run a skipped test on base, to see whether it is skipped there, too."""

    sides: Sides
    plan: Plan
    reaper: Reaper
    _on_base: dict[str, Failed | None] = field(default_factory=dict)

    def verdict(self, failed: Failed, nodeid: str, function: str, races: Sequence[Race]) -> tuple[Verdict, str, str]:
        """Return the verdict on a test without numbers, the side, and the reason; `races` are all of the session."""
        verdict, side, reason = self._verdict(failed, nodeid, function, races)
        if self.sides.absent is not None and verdict is not Verdict.NEW:
            hint = self.sides.absent.hint(failed.side, failed.reason, nodeid.partition("::")[0])
            # The reason of a skipped test is one line.
            reason = ("\n\n" if verdict is Verdict.ERROR else "; ").join(filter(None, (reason, hint)))
        return verdict, side, reason

    def _verdict(self, failed: Failed, nodeid: str, function: str, races: Sequence[Race]) -> tuple[Verdict, str, str]:
        """Return the verdict, the side and the reason; see `verdict`."""
        if failed.kind is FailureKind.SKIPPED:
            return self._skipped(failed, nodeid, races)
        if failed.kind is FailureKind.UNCOUNTABLE:
            return Verdict.UNSURE, failed.side, failed.reason
        if failed.side != "base" or not self._may_be_new(failed, nodeid, function):
            return Verdict.ERROR, failed.side, failed.reason
        return Verdict.NEW, failed.side, f"base has no such benchmark: {failed.reason}"

    def _may_be_new(self, failed: Failed, nodeid: str, function: str) -> bool:
        """Return whether base's own tree lacks a test; not if base is head, was lost, or cannot import the project."""
        if self.sides.null or failed.kind not in {FailureKind.LACKS, FailureKind.FAILED}:
            return False
        if failed.kind is FailureKind.LACKS and self.sides.unmodified_base is None:
            return True
        basis = self.sides.basis
        lacks_parameter = basis is not None and basis.lacks_parameter(nodeid)
        return lacks_parameter or self.sides.is_new(nodeid.partition("::")[0], function)

    def _skipped(self, failed: Failed, nodeid: str, races: Sequence[Race]) -> tuple[Verdict, str, str]:
        """Return the verdict on a skipped test: GONE if base runs its own."""
        if "head" not in failed.side or self.sides.null:
            return Verdict.SKIPPED, failed.side, failed.reason
        if self.sides.basis is None:
            # Head's test is base's own.
            runs = failed.side == "head"
        else:
            runs = nodeid in self.sides.basis.nodeids and self._run_on_base(nodeid, races) is None
        if not runs:
            return Verdict.SKIPPED, failed.side, failed.reason
        return Verdict.GONE, "head", f"head skips it, and base's own test runs: {failed.reason}"

    def _run_on_base(self, nodeid: str, races: Sequence[Race]) -> Failed | None:
        """Return why base's own test fails on base, or None; all tests skipped so far are run with one start."""
        if nodeid not in self._on_base:
            assert self.sides.unmodified_base is not None  # noqa: S101  # there is a basis
            skipped = {race.nodeid for race in races if race.failed and race.failed.kind is FailureKind.SKIPPED}
            nodeids = sorted({nodeid, *skipped} - self._on_base.keys())
            self._on_base |= run_each(self.sides.unmodified_base(), nodeids, self.plan, self.reaper)
        return self._on_base[nodeid]
