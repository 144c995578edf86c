"""What is read from pytest-benchmark's JSON and our addition to it; the rest is ignored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_benchgate import reading

STATS = ("min", "max", "mean", "stddev", "median", "iqr", "ops", "rounds", "iterations")


@dataclass(frozen=True)
class Added:
    """extra_info.benchgate of a benchmark."""

    device_ns: float | None = None
    suspicious: str | None = None


@dataclass(frozen=True)
class ExtraInfo:
    """extra_info of a benchmark."""

    benchgate: Added | None = None


@dataclass(frozen=True)
class Median:
    """The statistics of a benchmark that a table of several runs shows."""

    median: float


@dataclass(frozen=True)
class Benchmark:
    """One benchmark."""

    fullname: str
    stats: Median
    extra_info: ExtraInfo


@dataclass(frozen=True)
class WithheldEntry:
    """A benchmark without a time."""

    nodeid: str


@dataclass(frozen=True)
class Addition:
    """benchgate, at the top."""

    withheld: tuple[WithheldEntry, ...] = ()


@dataclass(frozen=True)
class Cpu:
    """machine_info.cpu."""

    brand_raw: str | None = None


@dataclass(frozen=True)
class MachineInfo:
    """machine_info."""

    benchgate: dict[str, Any] | None = None
    cpu: Cpu = field(default_factory=Cpu)
    python_version: str | None = None


@dataclass(frozen=True)
class RunFile:
    """The whole file."""

    machine_info: MachineInfo
    benchmarks: tuple[Benchmark, ...]
    benchgate: Addition = field(default_factory=Addition)


OPTIONAL = {"device_ns", "suspicious", "benchgate", "withheld", "brand_raw", "cpu", "python_version"}


@dataclass(frozen=True)
class Stats:
    """All statistics of a benchmark in pytest-benchmark's tables."""

    min: float
    max: float
    mean: float
    stddev: float
    median: float
    iqr: float
    ops: float
    rounds: int
    iterations: int
    outliers: str


@dataclass(frozen=True)
class Compared:
    """A benchmark that a run is compared with."""

    fullname: str
    stats: Stats


@dataclass(frozen=True)
class ComparedFile:
    """A file that a run is compared with."""

    machine_info: MachineInfo
    benchmarks: tuple[Compared, ...]


def read(data: Any) -> RunFile:
    """Return a run from its JSON; ValueError, with the field and its value, if data is not a run."""
    return reading.into(RunFile, data, optional=OPTIONAL)


def check_compared(data: Any) -> None:
    """Raise ValueError, with the field and its value, if pytest-benchmark cannot compare with data."""
    reading.into(ComparedFile, data, optional=OPTIONAL, rules=dict.fromkeys(STATS, (0, reading.LARGEST)))
