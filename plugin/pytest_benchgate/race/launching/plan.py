"""What is launched, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Side:
    """A build: the interpreter of its environment, and the folder in which its tests are run.

    Attributes
    ----------
    name : str
        "base" or "head".
    python : Path
        The interpreter.
    folder : Path
        The current directory of its worker.
    arguments : tuple[str, ...]
        The command line of its pytest.
    temporary : Path | None
        The folder for temporary files of its tests; None for the system's.
    environment : Mapping[str, str]
        Environment variables beside the session's own.
    prefix : tuple[str, ...]
        The command that runs the command of its worker, if any.
    tests : Mapping[str, str]
        The tests that it runs, by the ids of their races, where these are not the tests' own.

    """

    name: str
    python: Path
    folder: Path
    arguments: tuple[str, ...] = ()
    temporary: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    tests: Mapping[str, str] = field(default_factory=dict)

    def test(self, nodeid: str) -> str:
        """Return the test that it runs in a race, by the race's id."""
        return self.tests.get(nodeid, nodeid)

    def file(self, nodeid: str) -> str:
        """Return the file of that test."""
        return self.test(nodeid).partition("::")[0]


@dataclass(frozen=True)
class Plan:
    """How a launch is done.

    Attributes
    ----------
    names : tuple[str, ...]
        The top-level modules that are raced; each worker reports their files.
    pairs : int
        The most pairs of a launch.
    agreeing_pairs : int
        How many are enough if they agree: if the launch's number is known to half of precision, up or down.
    least_pairs : int
        How many are enough if they take longer than timed_ns together.
    precision : float
        In ln(ratio); a fraction of the threshold.
    block_ns : float
        The aimed length of a block.
    most_block_ns : float
        The longest block with its setups, which are not timed.
    lead_ns : float
        How long calls are made, untimed, before each block of a function that uses threads.
    limit_s : float
        How long any answer of a worker may take; a longer one is a hang.
    start_limit_s : float
        How long a worker may take to start and to collect its tests.

    """

    names: tuple[str, ...] = ()
    pairs: int = 40
    agreeing_pairs: int = 9
    least_pairs: int = 3
    precision: float = 0.03
    block_ns: float = 1e6
    most_block_ns: float = 1e8
    lead_ns: float = 5e6
    timed_ns: float = 6e8
    limit_s: float = 60.0
    start_limit_s: float = 300.0
