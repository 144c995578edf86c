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
from pytest_benchgate.distribution import Distribution

# At run time: what is read is checked by the annotations.
from pytest_benchgate.results import DEVICE, WALL, Report, Result, Share, Withheld, Work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_benchgate.results import Raced

KEY = "benchgate"
# Increased when a field changes its meaning or is removed.
SCHEMA = 1
STATS = ("min", "max", "mean", "stddev", "median", "iqr", "ops", "rounds", "iterations")
# Fields that other versions, or files that pytest-benchmark wrote without the plugin, lack.
OPTIONAL = {
    *("verified", "sampled", "work", "limits", "resource", "device_ns", "device", "suspicious", KEY, "withheld"),
    *("name", "group", "iqr", "rounds", "min", "max", "q1", "q3", "data", "phase", "timed", "reason", "message"),
    *("path", "line", "brand_raw", "cpu", "python_version", "items", "bytes", "operations", "unit"),
}
# Ranges: of times and of amounts of work.
TIME, AMOUNT = (0.0, reading.LARGEST), (0.0, reading.LARGEST)
RULES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("median", "iqr", "min", "max", "q1", "q3", "data", "seconds", "share", "device_ns"), TIME),
    **dict.fromkeys(("items", "bytes", "operations"), AMOUNT),
    **dict.fromkeys(("rounds", "line", "sampled"), (0, 10**12)),
}


def of_report(report: Report) -> dict[str, Any]:
    """Return the addition at the top of the JSON."""
    return {KEY: {"schema": SCHEMA, "withheld": [dataclasses.asdict(entry) for entry in report.withheld]}}


def of_result(result: Result) -> dict[str, Any]:
    """Return the addition to the extra_info of a gated benchmark, under KEY; rates are per second."""
    return {
        "schema": SCHEMA,
        "verified": result.verified,
        "sampled": result.sampled,
        "work": dataclasses.asdict(result.work) if result.work else None,
        "rates": result.rates(),
        "limits": {
            share.limit: {"seconds": share.limit_s, "share": share.share, "resource": share.resource}
            for share in result.shares
        },
        "device_ns": result.device_ns,
        "device": result.device,
        "suspicious": result.suspicious,
    }


def of_raced(races: Iterable[Raced]) -> dict[str, Any]:
    """Return the addition to the extra_info of a raced benchmark, which may be raced in device time, too."""
    keys = {WALL: "race", DEVICE: "race_in_device_time"}
    return {KEY: {keys[raced.clock]: dataclasses.asdict(raced) for raced in races}}


def of_claims(races: Iterable[Raced]) -> dict[str, Any]:
    """Return the addition to the extra_info of a benchmark that claims something."""
    return {KEY: {"claims": [dataclasses.asdict(raced) for raced in races]}}


@dataclass(frozen=True)
class AddedLimit:
    """A limit, in the addition to a benchmark."""

    seconds: float
    share: float
    resource: str = ""


@dataclass(frozen=True)
class Added:
    """The addition to a benchmark, as far as it is read."""

    verified: bool = False
    sampled: int = 0
    work: Work | None = None
    limits: dict[str, AddedLimit] = field(default_factory=dict)
    device_ns: float | None = None
    device: str | None = None
    suspicious: str | None = None


@dataclass(frozen=True)
class ExtraInfo:
    """extra_info of a benchmark; the field is named by KEY."""

    benchgate: Added | None = None


@dataclass(frozen=True)
class Times:
    """The statistics of a benchmark, as far as reports have them; `data` has the seconds of the rounds."""

    median: float
    iqr: float = 0.0
    rounds: int = 0
    min: float | None = None
    q1: float | None = None
    q3: float | None = None
    max: float | None = None
    data: tuple[float, ...] = ()

    def distribution(self) -> Distribution | None:
        """Return the distribution of the times, as far as it is known."""
        if self.data or self.min is None or self.max is None:
            return Distribution.of(self.data)
        q1, q3 = (self.median if value is None else value for value in (self.q1, self.q3))
        return Distribution(self.min, q1, q3, self.max)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark."""

    fullname: str
    stats: Times
    extra_info: ExtraInfo
    name: str = ""
    # Whatever a test has set.
    group: Any = None

    def result(self) -> Result:
        """Return it as a result."""
        added = self.extra_info.benchgate or Added()
        return Result(
            nodeid=self.fullname,
            name=self.name or self.fullname.rpartition("::")[2],
            group=None if self.group is None else str(self.group),
            median_s=self.stats.median,
            iqr_s=self.stats.iqr,
            rounds=self.stats.rounds,
            verified=added.verified,
            sampled=added.sampled,
            work=added.work,
            shares=tuple(Share(name, one.seconds, one.share, one.resource) for name, one in added.limits.items()),
            device_ns=added.device_ns,
            device=added.device,
            suspicious=added.suspicious,
            times=self.stats.distribution(),
        )


@dataclass(frozen=True)
class WithheldEntry:
    """A benchmark without a time."""

    nodeid: str
    name: str = ""
    phase: str = ""
    timed: bool = False
    reason: str = ""
    message: str = ""
    path: str = ""
    line: int = 0

    def result(self) -> Withheld:
        """Return it as a result."""
        return Withheld(**dataclasses.asdict(self) | {"name": self.name or self.nodeid.rpartition("::")[2]})


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

    def report(self) -> Report:
        """Return its results."""
        return Report(
            tuple(benchmark.result() for benchmark in self.benchmarks),
            tuple(entry.result() for entry in self.benchgate.withheld),
        )

    def machine(self) -> dict[str, Any]:
        """Return where it ran, as far as the file says."""
        info = self.machine_info
        return info.benchgate or {"cpu": info.cpu.brand_raw, "python": info.python_version}


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
    return reading.into(RunFile, data, optional=OPTIONAL, rules=RULES)


def check_compared(data: Any) -> None:
    """Raise ValueError, with the field and its value, if pytest-benchmark cannot compare with this JSON."""
    reading.into(ComparedFile, data, optional=OPTIONAL - {*STATS}, rules=dict.fromkeys(STATS, (0, reading.LARGEST)))
