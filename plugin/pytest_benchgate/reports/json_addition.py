"""The versioned addition to pytest-benchmark's JSON, which stays pytest-benchmark's own format: written and read here.

Under "benchgate" at the top: the schema and the withheld times. Under extra_info.benchgate of a gated benchmark: what
`of_result` returns, and of a raced one: its race, or its claims. Under machine_info.benchgate: where it ran; see
machine.py.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_benchgate import reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_benchgate.results import Raced, Report, Result

KEY = "benchgate"
# Increased when a field changes its meaning or is removed.
SCHEMA = 1
STATS = ("min", "max", "mean", "stddev", "median", "iqr", "ops", "rounds", "iterations")
OPTIONAL = {"device_ns", "suspicious", KEY, "withheld", "brand_raw", "cpu", "python_version"}


def of_report(report: Report) -> dict[str, Any]:
    """Return the addition at the top of the JSON."""
    return {KEY: {"schema": SCHEMA, "withheld": [dataclasses.asdict(entry) for entry in report.withheld]}}


def of_result(result: Result) -> dict[str, Any]:
    """Return the addition to the extra_info of a gated benchmark; rates are per second."""
    return {
        KEY: {
            "schema": SCHEMA,
            "verified": result.verified,
            "sampled": result.sampled,
            "work": dataclasses.asdict(result.work) if result.work else None,
            "rates": result.rates(),
            "limits": {share.limit: {"seconds": share.limit_s, "share": share.share} for share in result.shares},
            "device_ns": result.device_ns,
            "device": result.device,
            "suspicious": result.suspicious,
        }
    }


def of_raced(raced: Raced) -> dict[str, Any]:
    """Return the addition to the extra_info of a raced benchmark."""
    return {KEY: {"race": dataclasses.asdict(raced)}}


def of_claims(races: Iterable[Raced]) -> dict[str, Any]:
    """Return the addition to the extra_info of a benchmark that claims something."""
    return {KEY: {"claims": [dataclasses.asdict(raced) for raced in races]}}


@dataclass(frozen=True)
class Added:
    """The addition to a benchmark, as far as it is read."""

    device_ns: float | None = None
    suspicious: str | None = None


@dataclass(frozen=True)
class ExtraInfo:
    """extra_info of a benchmark; the field is named by KEY."""

    benchgate: Added | None = None


@dataclass(frozen=True)
class Median:
    """The statistics of a benchmark, as far as a table of several runs has them."""

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
class Top:
    """The addition at the top."""

    withheld: tuple[WithheldEntry, ...] = ()


@dataclass(frozen=True)
class Cpu:
    """machine_info.cpu."""

    brand_raw: str | None = None


@dataclass(frozen=True)
class MachineInfo:
    """machine_info; the first field is named by KEY."""

    benchgate: dict[str, Any] | None = None
    cpu: Cpu = field(default_factory=Cpu)
    python_version: str | None = None


@dataclass(frozen=True)
class RunFile:
    """The whole file, as far as it is read; the last field is named by KEY."""

    machine_info: MachineInfo
    benchmarks: tuple[Benchmark, ...]
    benchgate: Top = field(default_factory=Top)


@dataclass(frozen=True)
class Stats:
    """All statistics of a benchmark that pytest-benchmark's tables have."""

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
    """Return a run from its JSON; raise ValueError, with the field and its value, if it is not valid."""
    return reading.into(RunFile, data, optional=OPTIONAL)


def check_compared(data: Any) -> None:
    """Raise ValueError, with the field and its value, if pytest-benchmark cannot compare with this JSON."""
    reading.into(ComparedFile, data, optional=OPTIONAL, rules=dict.fromkeys(STATS, (0, reading.LARGEST)))
