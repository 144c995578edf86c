"""What to do about a verdict: the command or the entry of a file that comes next, filled in."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_benchgate.options import RELINKED
from pytest_benchgate.race.arguments import from_here, repeat, without_output
from pytest_benchgate.race.building.git import GitError, git
from pytest_benchgate.race.launching.results import FailureKind
from pytest_benchgate.reports.quantity import percent
from pytest_benchgate.results import WALL, Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.launching.engine import Race
    from pytest_benchgate.race.launching.results import Failed
    from pytest_benchgate.race.sides.revisions import Trees
    from pytest_benchgate.race.sides.sides import Sides
    from pytest_benchgate.race.verdicts.agreement import Agreement
    from pytest_benchgate.results import Raced

# Times what was not enough.
MORE = 4
# By which an accepted limit is above the interval of the change, in ln(ratio), so that a race can tell that it is.
MARGIN = 0.01
REASON = "say here why it is worth its price"


@dataclass(frozen=True)
class History:
    """The commits between base and head, by their abbreviated ids, and whether head has uncommitted changes."""

    base: str
    head: str
    changed: bool


@dataclass(frozen=True)
class Adviser:
    """Says what to do about the verdicts of a session."""

    config: pytest.Config
    agreement: Agreement
    sides: Sides
    trees: Trees | None

    def advised(self, raced: Raced, race: Race) -> Raced:
        """Return the result of a race with what to do about it."""
        found: Iterator[Advice] = iter(())
        own = self.agreement.races[raced.nodeid]
        if raced.verdict == "slower":
            found = self._after_slower(raced, own)
        elif raced.verdict == "unsure" and not own.count:
            found = self._after_unsure(raced, own)
        elif raced.verdict == "placement":
            words = "the placement of the code makes the difference; to measure what that does on this machine"
            found = iter([Advice("relinked", words, repeat(self.config, own, f"--race={RELINKED}", raced.nodeid))])
        elif raced.verdict == "error" and race.failed is not None:
            found = self._after_error(raced, race.failed, own)
        return dataclasses.replace(raced, advice=tuple(found))

    def _after_slower(self, raced: Raced, own: RaceConfig) -> Iterator[Advice]:
        """Yield how to find the cause, then the commit, which the wall time alone can tell; and how to accept it."""
        is_wall = raced.clock == WALL
        if is_wall and raced.explanation is None:
            # The default, which the configuration may have changed.
            command = self._repeat(raced, dataclasses.replace(own, explain="auto"), "--race-explain=auto")
            yield Advice("explain", "to find the cause, count instructions", command)
        elif raced.explanation and "valgrind is not installed" in raced.explanation.reason:
            yield Advice("explain", f"to find the cause: {raced.explanation.reason}, and race again", raced.repeat)
        if is_wall and self._history is not None:
            unseen = " (uncommitted changes left out)" * self._history.changed
            yield Advice("bisect", f"to find the commit{unseen}", self._bisect(raced, own, self._history))
        if own.revision is not None and raced.high is not None:
            file = os.path.relpath(self.config.rootpath / own.accepted_file, self.config.invocation_params.dir)
            where = f"in place of its entry in {file}" if raced.limit is not None else f"in {file}"
            yield Advice("accept", f"to accept it, {where}", _entry(raced.nodeid, raced.high))

    def _after_unsure(self, raced: Raced, own: RaceConfig) -> Iterator[Advice]:
        """Yield how to decide by time, and by instructions if these are clear."""
        more = dataclasses.replace(own, budget_s=MORE * own.budget_s, max_launches=MORE * own.max_launches)
        words = "to decide what is unsure, race longer, or on a quieter machine"
        yield Advice("retry", words, self._repeat(raced, more))
        counted = raced.explanation
        if counted is None or not counted.base or counted.head is None or raced.clock != WALL:
            return
        increase = counted.head / counted.base - 1
        if increase - counted.spread > own.count_threshold:
            words = f"to decide by instructions, {percent(math.log1p(increase))} in head"
            yield Advice("count", words, self._repeat(raced, dataclasses.replace(own, count=True)))

    def _after_error(self, raced: Raced, failed: Failed, own: RaceConfig) -> Iterator[Advice]:
        absent = self.sides.absent
        if absent and (path := absent.to_copy(failed.side, failed.reason, raced.nodeid.partition("::")[0])):
            more = dataclasses.replace(own, files=(*own.files, path))
            yield Advice("files", f"to give both sides a copy of {path}", self._repeat(raced, more))
            return
        # A test that base's own tree lacks is `new`.
        if failed.kind is FailureKind.FAILED and failed.side == "base" and self._is_replaced(raced.path):
            owns = dataclasses.replace(own, tests="own")
            words = "head's changed test fails on base; to run base's own test there"
            yield Advice("own", words, self._repeat(raced, owns))

    def _is_replaced(self, path: str) -> bool:
        """Return whether a file of tests is head's on base, too, and differs from base's own."""
        root = self.config.rootpath
        return any((root / path).is_relative_to(root / changed) for changed in self.sides.changed)

    def _repeat(self, raced: Raced, own: RaceConfig, *more: str) -> str:
        """Return the command of this race with other settings."""
        return repeat(self.config, own, self.sides.repeat, raced.nodeid, more)

    @cached_property
    def _history(self) -> History | None:
        """The commits from base to head; None if there are not several, or base is not an ancestor of head."""
        if self.trees is None or self.sides.null:
            return None
        root, base = self.trees.repository.root, self.trees.base.commit
        try:
            head = git("rev-parse", "HEAD", cwd=root)
            git("merge-base", "--is-ancestor", base, head, cwd=root)
            if int(git("rev-list", "--count", f"{base}..{head}", cwd=root)) <= 1:
                return None
            short = [git("rev-parse", "--short=10", commit, cwd=root) for commit in (base, head)]
        except GitError:
            return None
        return History(short[0], short[1], changed=self.trees.head.commit != head)

    def _bisect(self, raced: Raced, own: RaceConfig, history: History) -> str:
        given = dataclasses.replace(own, explain="auto", cache=own.cache and own.builds)
        options = [*without_output(self.config), *given.arguments()]
        revisions = ["--good", history.base, "--bad", history.head]
        return shlex.join(["pytest-benchgate", "bisect", *revisions, from_here(self.config, raced.nodeid), *options])


def _entry(nodeid: str, high: float) -> str:
    """Return an entry of the file of accepted slowdowns, with a limit above the interval of the change."""
    limit = math.ceil(100 * math.expm1(high + MARGIN))
    texts = {"test": nodeid, "limit": f"{limit}%", "reason": REASON}
    lines = [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in texts.items()]
    return "\n".join(["[[accept]]", *lines])
