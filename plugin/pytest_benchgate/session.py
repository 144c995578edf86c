"""One test session: which benchmarks passed, which times are withheld, and the reports of both."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from pytest_benchgate import host, machine, output
from pytest_benchgate.limits import Limits
from pytest_benchgate.reports import markdown
from pytest_benchgate.results import SCHEMA, RaceReport, Report, Result, Withheld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchgate.config import Config
    from pytest_benchgate.gate import Gate

BENCHMARK = pytest.StashKey[host.BenchmarkFixture]()
GATE: pytest.StashKey[Gate] = pytest.StashKey()
Raised: TypeAlias = pytest.ExceptionInfo[BaseException]
SESSION = pytest.StashKey["Session"]()
SUMMARY = 1_000_000  # bytes of a job summary: GitHub shows none of it above 1 MiB a step


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
    items: dict[str, pytest.Item] = field(default_factory=dict)  # of the results
    swallowed: dict[str, tuple[str, Raised | None]] = field(default_factory=dict)  # the first failed subtest of each
    lost: bool = False  # whether a report could not be written
    within: str | None = None  # the test of which a phase runs

    def report(self) -> Report:
        """Return what is known by now."""
        return Report(tuple(self.results.values()), tuple(self.withheld.values()), self.race)

    @contextmanager
    def phase(self, item: pytest.Item, when: str) -> Iterator[None]:
        """Withhold the time of a test that is interrupted, of which pytest reports nothing; know subtests by it."""
        if when == "setup":
            self.swallowed.pop(item.nodeid, None)  # of a test that is run again
        self.within = item.nodeid
        try:
            yield
        except (KeyboardInterrupt, SystemExit, pytest.exit.Exception) as error:
            excinfo = pytest.ExceptionInfo.from_exception(error)
            self.withhold(item, when, f"interrupted by {type(error).__name__}", excinfo)
            self._withhold_users(item, excinfo)
            raise
        finally:
            self.within = None

    def saw(self, item: pytest.Item, report: pytest.TestReport, excinfo: Raised | None) -> None:
        """Take note of a phase of a test, or of a subtest: what fails in any of them has its time withheld.

        So has a test that is skipped after it was timed, and one that went on after its gate or a subtest had failed.
        """
        failed = report.failed or (report.skipped and hasattr(report, "wasxfail"))
        words = _words(report, excinfo)
        if self.within == item.nodeid:  # a subtest; one that is skipped says nothing of the others
            if failed:
                self.swallowed.setdefault(item.nodeid, (words, excinfo))
            return
        benchmark = item.stash.get(BENCHMARK, None)
        when = report.when or "call"
        if failed:
            self.withhold(item, when, words, excinfo)
            self._withhold_users(item, excinfo)
        elif benchmark is None:
            return
        elif report.skipped and host.times_s(benchmark):
            self.withhold(item, when, f"skipped after it was timed: {words}", excinfo)
        elif when == "call" and report.passed:
            swallowed = self._swallowed(item, benchmark)
            if swallowed:
                self.withhold(item, when, *swallowed)
            elif host.times_s(benchmark):
                self.results[item.nodeid] = self._result(item, benchmark)
                self.items[item.nodeid] = item
                self.withheld.pop(item.nodeid, None)  # a test that was run again, and passed

    def _swallowed(self, item: pytest.Item, benchmark: host.BenchmarkFixture) -> tuple[str, Raised | None] | None:
        """Return what failed within a test that passed."""
        gate = item.stash.get(GATE, None)
        if gate is not None and gate.refused is not None:
            excinfo = pytest.ExceptionInfo.from_exception(gate.refused)
            return f"{excinfo.exconly().removeprefix(f'{excinfo.type.__module__}.')}\n(caught by the test)", excinfo
        if item.nodeid in self.swallowed:
            words, raised = self.swallowed[item.nodeid]
            return f"a subtest failed: {words}", raised
        if host.broke_off(benchmark) and host.times_s(benchmark):
            return "the timed function raised an error, which the test caught", None
        return None

    def _withhold_users(self, item: pytest.Item, excinfo: Raised | None) -> None:
        """Withhold the times of all tests that used a fixture whose teardown failed: pytest reports it at the last."""
        for fixture in host.torn_down(excinfo.value if excinfo else None):
            for nodeid in [*self.results]:
                user = self.items[nodeid]
                if user is not item and host.uses(user, fixture):
                    words = f"the teardown of its fixture {fixture.argname!r} failed: {_words(None, excinfo)}"
                    self.withhold(user, "teardown", words, None)

    def withhold(self, item: pytest.Item, phase: str, message: str, excinfo: Raised | None) -> None:
        """Take the time of item out of every report; say why, if there was one or the gate refused to take it."""
        benchmark = item.stash.get(BENCHMARK, None)
        if benchmark is None:
            return
        timed = host.withhold(benchmark)
        self.results.pop(item.nodeid, None)
        earlier = self.withheld.get(item.nodeid)
        gate = item.stash.get(GATE, None)
        refused = gate is not None and (phase == "call" or gate.refused is not None)
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
        """Write the reports that go to files; one that cannot be written costs nothing but itself."""
        report = self.report()
        if not (report.results or report.withheld or report.race):
            return
        if self.config.markdown:
            with self.losing(self.config.markdown):
                output.write(self.config.markdown, markdown.render(report))
        if self.config.summary:
            with self.losing(self.config.summary):
                written = self.config.summary.stat().st_size if self.config.summary.exists() else 0
                output.append(self.config.summary, markdown.bounded(markdown.render(report), SUMMARY - written))

    @contextmanager
    def losing(self, place: object) -> Iterator[None]:
        """Take note of a file that cannot be written; the session goes on, and fails at its end."""
        try:
            yield
        except (OSError, ValueError) as error:
            self.unwritten[str(place)] = getattr(error, "strerror", None) or str(error)
            self.lost = True


def _words(report: pytest.TestReport | None, excinfo: Raised | None) -> str:
    """Return what was raised, in words."""
    if excinfo is not None:
        return excinfo.exconly().removeprefix(f"{excinfo.type.__module__}.")
    return report.longreprtext if report is not None else ""


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
