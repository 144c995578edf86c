"""The trials of a search that has not ended, so that the same command can go on after Ctrl-C or a crash."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from pytest_benchgate import output, reading
from pytest_benchgate.bisection.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = 2


class State:
    """The file with the trials of one search, in the user's folder for the state of programs.

    Parameters
    ----------
    identity : iterable of str
        Everything that a search depends on: its revisions, its test, its options.

    """

    def __init__(self, identity: Iterable[str]) -> None:
        name = hashlib.sha256("\0".join([str(SCHEMA), *identity]).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = Path(platformdirs.user_state_dir("pytest-benchgate")) / f"bisect-{name}.json"

    def load(self) -> list[Trial]:
        """Return the trials; none if there is no file, or a damaged one."""
        try:
            return [Trial.read(data) for data in reading.load(self.path)]
        except (TypeError, ValueError):
            return []

    def save(self, trials: Iterable[Trial]) -> None:
        """Write the trials; raise OSError if that is not possible."""
        output.write(self.path, json.dumps([dataclasses.asdict(trial) for trial in trials]) + "\n")

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
