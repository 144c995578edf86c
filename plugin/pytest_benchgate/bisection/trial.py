"""One trial: a race of a commit against another, by pytest, in a checkout of its own."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pytest_benchgate import reading
from pytest_benchgate.bisection.search import Outcome
from pytest_benchgate.race.building.git import GitError, Repository, git
from pytest_benchgate.reports import race, race_json
from pytest_benchgate.results import WALL, Raced

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from pytest_benchgate.race.reaper import Reaper

OUTCOMES = {"slower": Outcome.BAD, "same": Outcome.GOOD, "faster": Outcome.GOOD, "placement": Outcome.GOOD}
# Seconds for pytest to end its workers after Ctrl-C.
PATIENCE_S = 20.0
POLL_S = 0.3
# Each race would be a part of the CI's report.
NOT_INHERITED = {"GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"}
# How pytest says that there is no such test or file, if it could import the file.
LACKING = re.compile(r"^ERROR: (not found: |file or directory not found: |found no collectors for )", re.MULTILINE)
UNIMPORTABLE = re.compile(r"^_+ ERROR collecting ", re.MULTILINE)
# How pytest, or a race, says why there was no race, the most specific first.
TELLING = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^.* could not be built: .*",
        r"^E   +(\S.*)",
        r": error: (.*)",
        r"^ERROR: (.*)",
        r"^INTERNALERROR> (\w*Error.*)",
    )
)
RULES = {**race_json.RULES, "outcome": tuple(Outcome), "share": (0.0, 1.0)}


class SelectionError(Exception):
    """A test id that does not name exactly one benchmark."""


@dataclass(frozen=True)
class Trial:
    """What was found out about a commit.

    Attributes
    ----------
    commit, against : str
        The ids of the commit and of the one that it was raced against.
    outcome : str
        An Outcome.
    share : float
        The probability of a false alarm in this race.
    seconds : float
        How long it took, builds included.
    reason : str
        Why there is no verdict; empty if there is one.
    lacks_test : bool
        Whether that is because the commit does not have the test.
    raced : Raced, optional
        The result of the race, if there was one.

    """

    commit: str
    against: str
    outcome: str
    share: float
    seconds: float
    reason: str = ""
    lacks_test: bool = False
    raced: Raced | None = None

    @property
    def has_raced(self) -> bool:
        """Whether it could have been a false alarm."""
        return self.raced is not None and bool(self.raced.numbers)

    def __str__(self) -> str:
        """Return the outcome in one line."""
        if self.raced is None or self.raced.change is None:
            return f"skipped: {self.reason}"
        return f"{self.raced.verdict}: {race.change(self.raced)}"

    @classmethod
    def read(cls, data: object) -> Trial:
        """Return a trial from JSON; raise ValueError if it is none."""
        return reading.into(cls, data, optional={"raced", *OPTIONAL}, rules=RULES)


OPTIONAL = {field.name for field in dataclasses.fields(Raced) if field.default is not dataclasses.MISSING}


@dataclass(frozen=True)
class Racer:
    """Races commits of a repository.

    Attributes
    ----------
    repository : Repository
        The user's, in which nothing is changed.
    prefix : str
        The folder in which pytest starts, relative to the repository's root.
    test : str
        The benchmark's id, relative to that folder.
    options : tuple of str
        Further options of pytest.
    scratch : Path
        A folder for checkouts.
    reaper : Reaper
        Ends the races with this process.
    say : callable
        Gets each line about the progress of a race.

    """

    repository: Repository
    prefix: str
    test: str
    options: tuple[str, ...]
    scratch: Path
    reaper: Reaper
    say: Callable[[str], None]

    def race(self, commit: str, against: str, share: float, threshold: float | None) -> Trial:
        """Race a commit against another with a probability of a false alarm, and a threshold that overrides others."""
        start = time.monotonic()
        folder = self.scratch / "checkout"
        try:
            found = self._race(folder, commit, against, share, threshold)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return dataclasses.replace(found, seconds=time.monotonic() - start)

    def _race(self, folder: Path, commit: str, against: str, share: float, threshold: float | None) -> Trial:
        none = Trial(commit, against, Outcome.SKIPPED, share, 0.0)
        try:
            self.repository.check_out(self.repository.resolve(commit), folder)
        except GitError as error:
            return dataclasses.replace(none, reason=f"it cannot be checked out: {error}")
        if not (folder / self.prefix).is_dir():
            return dataclasses.replace(none, reason=f"it has no folder {self.prefix}", lacks_test=True)
        report, log = self.scratch / "race.json", self.scratch / "output.txt"
        report.unlink(missing_ok=True)
        # Only a difference between a commit and its parent is worth the seconds that an explanation takes.
        explain = () if against in git("rev-parse", f"{commit}^@", cwd=folder).split() else ("--race-explain=off",)
        names = ("--race-threshold", "--race-count-threshold") if threshold else ()
        thresholds = [f"{name}={100 * (threshold or 0.0):g}%" for name in names]
        # -P as for the script pytest: the working directory is not put first on the path.
        command = [sys.executable, "-P", "-m", "pytest", "--benchmark-only", "-p", "no:cacheprovider", "--color=no",
                   # What people accept is slower nevertheless.
                   *explain, *self.options, "-o", f"race_accepted={os.devnull}",
                   "-o", f"race_files_root={self.repository.root}", f"--race={against}",
                   f"--race-json={report}", f"--race-alpha={share!r}", *thresholds, self.test]  # fmt: skip
        with log.open("w+", encoding="utf-8", errors="replace") as output:
            self._run(command, folder / self.prefix, output)
        return self._outcome(none, report, log.read_text("utf-8", "replace"))

    def _run(self, command: list[str], folder: Path, output: IO[str]) -> None:
        """Run pytest to its end; on Ctrl-C, let it end its workers first."""
        environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        process = self.reaper.start(command, cwd=folder, stdout=output, stderr=output, env=environment)
        try:
            with open(output.name, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123  # of a file object
                while self.reaper.wait(process, POLL_S) is None:
                    self._follow(lines)
        except BaseException:
            self._interrupt(process)
            raise
        finally:
            self.reaper.end(process)

    def _follow(self, lines: IO[str]) -> None:
        """Pass on what the race says of its progress."""
        for line in lines:
            if line.startswith("race: ") and line.endswith("\n"):
                self.say(line.strip())

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        if self.reaper.status(process) is None:
            process.send_signal(signal.SIGINT)
            self.reaper.wait(process, PATIENCE_S)

    def _outcome(self, none: Trial, report: Path, output: str) -> Trial:
        """Return the trial by what the race has written."""
        try:
            raced = [one for one in race_json.read(reading.load(report)).raced if one.clock == WALL]
        except ValueError:
            if LACKING.search(output) and not UNIMPORTABLE.search(output):
                return dataclasses.replace(none, reason="it does not have the test", lacks_test=True)
            return dataclasses.replace(none, reason=_failure(output))
        if len(raced) > 1:
            names = ", ".join(sorted(found.nodeid for found in raced))
            raise SelectionError(f"{self.test} names {len(raced)} benchmarks; give one of them: {names}")
        if not raced:
            return dataclasses.replace(none, reason=_failure(output))
        (found,) = raced
        outcome = OUTCOMES.get(found.verdict, Outcome.SKIPPED)
        reason = found.verdict if found.change is not None else f"{found.verdict} {race.reason(found)}"
        return dataclasses.replace(
            none, outcome=outcome, raced=found, reason="" if outcome is not Outcome.SKIPPED else reason
        )


def _failure(output: str) -> str:
    """Return the line of pytest's output that says why there was no race."""
    for pattern in TELLING:
        found = pattern.findall(output)
        if found:
            return str(found[-1]).strip()
    lines = output.split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "pytest wrote nothing")
