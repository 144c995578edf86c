"""One test session: which benchmarks passed, which times are withheld, and the reports of both."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from pytest_benchgate import host, machine
from pytest_benchgate.limits import Limits
from pytest_benchgate.reports import markdown
from pytest_benchgate.results import SCHEMA, RaceReport, Report, Result, Withheld

if TYPE_CHECKING:
    from pytest_benchgate.config import Config
    from pytest_benchgate.gate import Gate

BENCHMARK = pytest.StashKey[host.BenchmarkFixture]()
GATE: pytest.StashKey[Gate] = pytest.StashKey()
Raised: TypeAlias = pytest.ExceptionInfo[BaseException]
SESSION = pytest.StashKey["Session"]()


@dataclass
class Session:
    """The plugin's state, on the stash of pytest's config: pytest's events in, one Report out."""

    config: Config
    root: Path
    limits: Limits = field(default_factory=Limits)
    results: dict[str, Result] = field(default_factory=dict)
    withheld: dict[str, Withheld] = field(default_factory=dict)
    unlike: list[str] = field(default_factory=list)
    race: RaceReport | None = None
    unwritten: dict[str, str] = field(default_factory=dict)

    def report(self) -> Report:
        """Return what is known by now."""
        return Report(tuple(self.results.values()), tuple(self.withheld.values()), self.race)

    def saw(self, item: pytest.Item, report: pytest.TestReport, excinfo: Raised | None) -> None:
        """Take note of a phase of a test: what fails in any of them has its time withheld."""
        benchmark = item.stash.get(BENCHMARK, None)
        if benchmark is None:
            return
        xfailed = report.skipped and hasattr(report, "wasxfail")
        if report.failed or xfailed:
            words = excinfo.exconly().removeprefix(f"{excinfo.type.__module__}.") if excinfo else report.longreprtext
            self.withhold(item, report.when or "call", words, excinfo)
        elif report.when == "call" and report.passed and host.times_s(benchmark):
            self.results[item.nodeid] = self._result(item, benchmark)
            self.withheld.pop(item.nodeid, None)  # a test that was run again, and passed

    def withhold(self, item: pytest.Item, phase: str, message: str, excinfo: Raised | None) -> None:
        """Take the time of item out of every report; say why, if there was one or the gate refused to take it."""
        benchmark = item.stash.get(BENCHMARK, None)
        if benchmark is None:
            return
        timed = host.withhold(benchmark)
        self.results.pop(item.nodeid, None)
        earlier = self.withheld.get(item.nodeid)
        refused = phase == "call" and GATE in item.stash
        if earlier is None and (timed or refused):
            path, line = self.place(item, excinfo)
            reason = message.strip().splitlines()[0] if message.strip() else "failed"
            self.withheld[item.nodeid] = Withheld(
                item.nodeid, item.name, phase, timed, reason, message.strip(), path, line
            )
        elif earlier is not None and timed:
            self.withheld[item.nodeid] = dataclasses.replace(earlier, timed=True)

    def place(self, item: pytest.Item, excinfo: Raised | None) -> tuple[str, int]:
        """Return the line of the test's own file that raised, or else the test's first line."""
        entries = [entry for entry in excinfo.traceback if Path(entry.path) == item.path] if excinfo else []
        line = entries[-1].lineno + 1 if entries else (item.reportinfo()[1] or 0) + 1
        try:
            return item.path.relative_to(self.root).as_posix(), line
        except ValueError:
            return item.path.as_posix(), line

    def _result(self, item: pytest.Item, benchmark: host.BenchmarkFixture) -> Result:
        """Return the result of a benchmark that passed so far, and put the plugin's part of it into its extra_info."""
        stats = host.statistics(benchmark)
        result = Result(
            nodeid=item.nodeid,
            name=item.name,
            group=benchmark.group,
            median_s=stats.median,
            min_s=stats.min,
            iqr_s=stats.iqr,
            rounds=stats.rounds,
        )
        gate = item.stash.get(GATE, None)
        if gate is None:
            return result
        shares, doubt = self.limits.beside(gate.stated, stats.median) if gate.stated else ((), None)
        result = dataclasses.replace(
            result,
            verified=gate.verified,
            sampled=gate.samples.verified if gate.samples else 0,
            work=gate.stated,
            shares=shares,
            device_ns=gate.device_ns,
            device=gate.device,
            suspicious=doubt,
        )
        benchmark.extra_info[machine.KEY] = {"schema": SCHEMA, **as_json(result)}
        return result

    def write_files(self) -> None:
        """Write the reports that go to files."""
        report = self.report()
        if not (report.results or report.withheld or report.race):
            return
        text = markdown.render(report)
        if self.config.markdown:
            self.config.markdown.write_text(text, "utf-8")
        if self.config.summary:
            with self.config.summary.open("a", encoding="utf-8") as file:
                file.write(text)


def as_json(result: Result) -> dict[str, Any]:
    """Return what the JSON says of one benchmark beyond pytest-benchmark's own: rates are per second."""
    return {
        "verified": result.verified,
        "sampled": result.sampled,
        "work": dataclasses.asdict(result.work) if result.work else None,
        "rates": result.rates(),
        "limits": {share.limit: {"seconds": share.limit_s, "share": share.share} for share in result.shares},
        "device_ns": result.device_ns,
        "device": result.device,
        "suspicious": result.suspicious,
    }
