"""The times of a run, as pytest-benchmark's JSON has them: what every export is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_benchgate import reading
from pytest_benchgate.page.naming import of_files
from pytest_benchgate.reports import race_json
from pytest_benchgate.reports.quantity import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OPTIONAL = {"data", "param", "commit_info", "id", "time", "dirty", "cpu", "brand_raw", "count", "datetime"}
STATS = ("min", "max", "mean", "stddev", "median", "q1", "q3", "rounds", "iterations", "data")


@dataclass(frozen=True)
class Stats:
    """Seconds of one call; `data` has those of each round, if they were saved."""

    min: float
    max: float
    mean: float
    stddev: float
    median: float
    q1: float
    q3: float
    rounds: int
    iterations: int
    data: tuple[float, ...] = ()


@dataclass(frozen=True)
class Timed:
    """A benchmark with a time; one whose time was withheld is not in the file."""

    fullname: str
    stats: Stats
    param: str | None = None


@dataclass(frozen=True)
class Cpu:
    """machine_info.cpu."""

    brand_raw: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Machine:
    """machine_info."""

    node: str
    machine: str
    system: str
    release: str
    python_version: str
    cpu: Cpu | None = None


@dataclass(frozen=True)
class CommitInfo:
    """commit_info; empty without a repository."""

    id: str | None = None
    time: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True)
class File:
    """The whole file, as far as it is read."""

    machine_info: Machine
    benchmarks: tuple[Timed, ...]
    datetime: str | None = None
    commit_info: CommitInfo | None = None


@dataclass(frozen=True)
class Run:
    """A file with its name."""

    path: Path
    file: File


def read(path: Path, data: Any) -> Run:
    """Return the run in the JSON of a file; raise ValueError if it is of something else, or damaged."""
    if isinstance(data, dict) and data.get("kind") == race_json.KIND:
        raise ValueError(
            f"{path} is of a race, whose times only count beside each other; export what --benchmark-json wrote"
        )
    try:
        rules = dict.fromkeys(STATS, (0, reading.LARGEST))
        return Run(path, reading.into(File, data, optional=OPTIONAL, rules=rules))
    except ValueError as error:
        raise ValueError(f"{path} was not written by pytest-benchmark: {error}; use --benchmark-json") from error


def named(runs: Sequence[Run], most: int) -> Iterator[tuple[str, Stats]]:
    """Yield each benchmark with a name that no other one has: of several runs, with that of the file.

    Names have at most so many printable characters: parameters can be as long as the data that they hold.
    """
    taken: set[str] = set()
    for file_name, run in zip(of_files([run.path for run in runs]), runs, strict=True):
        for timed in run.file.benchmarks:
            whole = f"{file_name}: {timed.fullname}" if len(runs) > 1 else timed.fullname
            name = shortened(whole, most) or "(no name)"
            number = 1
            while name in taken:
                number += 1
                end = f" ({number})"
                name = shortened(whole, most - len(end)) + end
            taken.add(name)
            yield name, timed.stats
