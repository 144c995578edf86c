"""A test session: which benchmarks passed, which times are withheld, and the reports on both."""

from __future__ import annotations

import dataclasses
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from pytest_benchgate import devices, files, host, machine, options, teardowns
from pytest_benchgate.distribution import Distribution
from pytest_benchgate.limits import Limits
from pytest_benchgate.reports.quantity import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchgate.gate import Gate
    from pytest_benchgate.results import RaceReport, Report, Result, Withheld

BENCHMARK = pytest.StashKey[host.BenchmarkFixture]()
GATE: pytest.StashKey[Gate] = pytest.StashKey()
Raised: TypeAlias = pytest.ExceptionInfo[BaseException]
SESSION = pytest.StashKey["Session"]()


def start(config: pytest.Config) -> None:
    """Start the plugin's session, or raise pytest.UsageError if its options ask for something impossible."""
    chosen = options.read(config)
    found = devices.discover(simulators=chosen.cl_check) if chosen.cl_check or chosen.cl_device is not None else None
    if found and chosen.cl_check:
        from pytest_benchgate.cl_check import checking

        checking.start(config, chosen, found)
    if found and not found.named(chosen.cl_device):
        raise pytest.UsageError(f"--cl-device={chosen.cl_device!r} is none of the devices found:\n{found.describe()}")
    files.check(config, chosen)
    session = config.stash[SESSION] = Session(chosen, config.rootpath)
    config.pluginmanager.register(session, "benchgate-session")
    if chosen.race is not None:
        from pytest_benchgate.race import hooks

        plugin = hooks.RaceHooks
        if chosen.race.claims:
            from pytest_benchgate.claims.hooks import ClaimHooks

            plugin = ClaimHooks
        hooks.start(config, chosen.race, session, plugin)


# Compared by identity, as pytest wants it of a plugin.
@dataclass(eq=False)
class Session:
    """The plugin's state, on the stash of pytest's config, and a plugin itself.

    Attributes
    ----------
    results, withheld : dict
        The benchmarks that passed, and those without a time, by their ids.
    unlike : list of str
        How the machines of compared runs differ from this one.
    race : RaceReport, optional
        The races so far.
    unwritten : dict
        The reports that could not be written, and why.
    items : dict
        The tests of the results.
    swallowed : dict
        What the first failed subtest of a test raised, by the test's id.
    lost : bool
        Whether a report could not be written, which fails the session.
    within : str, optional
        The id of the test that runs.
    made : dict
        The benchmarks of a test's last run, by the test's id.
    uncollected : bool
        Whether tests could not be collected, benchmarks perhaps.
    read : bool
        Whether anybody reads its results; nobody does in a worker of a race.

    """

    config: options.Config
    root: Path
    limits: Limits = field(default_factory=Limits)
    results: dict[str, Result] = field(default_factory=dict)
    withheld: dict[str, Withheld] = field(default_factory=dict)
    unlike: list[str] = field(default_factory=list)
    race: RaceReport | None = None
    unwritten: dict[str, str] = field(default_factory=dict)
    items: dict[str, pytest.Item] = field(default_factory=dict)
    swallowed: dict[str, tuple[str, Raised | None]] = field(default_factory=dict)
    lost: bool = False
    within: str | None = None
    made: dict[str, list[host.BenchmarkFixture]] = field(default_factory=dict)
    uncollected: bool = False
    read: bool = True

    def report(self) -> Report:
        """Return the results so far."""
        from pytest_benchgate.results import Report

        return Report(tuple(self.results.values()), tuple(self.withheld.values()), self.race)

    @contextmanager
    def phase(self, item: pytest.Item, when: str) -> Iterator[None]:
        """Run a phase of a test, whose time is withheld if it is interrupted: pytest does not report that.

        What is reported meanwhile is of a subtest.
        """
        if when == "setup":
            self._forget(item.nodeid)
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

    def _forget(self, nodeid: str) -> None:
        """Take back what an earlier run of a test has left: it is run again, whatever the reason."""
        self.swallowed.pop(nodeid, None)
        self.results.pop(nodeid, None)
        for benchmark in self.made.pop(nodeid, ()):
            host.withhold(benchmark)

    def remember(self, item: pytest.Item, benchmark: host.BenchmarkFixture) -> None:
        """Remember a benchmark of a test."""
        item.stash[BENCHMARK] = benchmark
        self.made.setdefault(item.nodeid, []).append(benchmark)

    def saw(self, item: pytest.Item, report: pytest.TestReport, excinfo: Raised | None) -> None:
        """Note the report of a phase or a subtest, and withhold the time if it failed.

        The time is also withheld if a test is skipped after it was timed, or passes although its gate or a subtest
        failed.
        """
        failed = _has_failed(report)
        words = _raised(excinfo.value) if excinfo else report.longreprtext
        # A subtest; one that is skipped does not affect the others.
        if self.within == item.nodeid:
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
        # A fixture's teardown may time something, too.
        elif report.passed and (when == "call" or (when == "teardown" and item.nodeid not in self.withheld)):
            swallowed = self._swallowed(item, benchmark)
            if swallowed:
                self.withhold(item, when, *swallowed)
            elif self.read and host.times_s(benchmark):
                self.results[item.nodeid] = self._result(item, benchmark)
                self.items[item.nodeid] = item
                # It may have failed before, and was run again.
                self.withheld.pop(item.nodeid, None)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that tests could not be collected."""
        self.uncollected |= report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Withhold the time of a test that failed in its final report: a conftest.py may change it."""
        item = self.items.get(report.nodeid)
        if item is not None and _has_failed(report):
            self.withhold(item, report.when or "call", report.longreprtext, None)

    def add_properties(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add to the last report of a benchmark whether its answer was verified, or its time is withheld."""
        if self.read and report.when == "teardown" and item.stash.get(BENCHMARK, None) is not None:
            from pytest_benchgate.reports import properties

            found = properties.of_gated(self.results.get(item.nodeid), self.withheld.get(item.nodeid))
            report.user_properties.extend(found)

    def _swallowed(self, item: pytest.Item, benchmark: host.BenchmarkFixture) -> tuple[str, Raised | None] | None:
        """Return what failed within a test that passed."""
        gate = item.stash.get(GATE, None)
        if gate is not None and gate.refused is not None:
            error = gate.refused
            # unittest's assertRaises takes the traceback away.
            excinfo = pytest.ExceptionInfo.from_exception(error) if error.__traceback__ else None
            return f"{_raised(error)}\n(caught by the test)", excinfo
        if item.nodeid in self.swallowed:
            words, raised = self.swallowed[item.nodeid]
            return f"a subtest failed: {words}", raised
        if host.broke_off(benchmark) and host.times_s(benchmark):
            return "the timed function raised an error, which the test caught", None
        # Not a number, either.
        if host.times_s(benchmark) and not (median_s := host.statistics(benchmark).median) > 0:
            return f"the median of its times is {median_s:g} s: its clock stands still, or runs backwards", None
        return None

    def _withhold_users(self, item: pytest.Item, excinfo: Raised | None) -> None:
        """Withhold the times of all tests that used a fixture whose teardown failed; pytest fails only the last one."""
        for torn in teardowns.torn_down(excinfo.value) if excinfo else ():
            for nodeid in [*self.results]:
                user = self.items[nodeid]
                if user is not item and teardowns.uses(user, torn):
                    failure = excinfo and _raised(excinfo.value)
                    words = f"the teardown of its fixture {torn.fixture.argname!r} failed: {failure}"
                    self.withhold(user, "teardown", words, None)

    def withhold(self, item: pytest.Item, phase: str, message: str, excinfo: Raised | None) -> None:
        """Take the time of a test out of every report, and note why if there was one, or the gate took none."""
        benchmark = item.stash.get(BENCHMARK, None)
        if benchmark is None:
            return
        timed = host.withhold(benchmark)
        self.results.pop(item.nodeid, None)
        earlier = self.withheld.get(item.nodeid)
        gate = item.stash.get(GATE, None)
        refused = gate is not None and (phase == "call" or gate.refused is not None)
        if earlier is None and (timed or refused):
            from pytest_benchgate.results import Withheld

            reason = message.strip().splitlines()[0] if message.strip() else "failed"
            self.withheld[item.nodeid] = Withheld(
                item.nodeid, item.name, phase, timed, reason, message.strip(), *self.place(item, excinfo)
            )
        elif earlier is not None and timed:
            self.withheld[item.nodeid] = dataclasses.replace(earlier, timed=True)

    def place(self, item: pytest.Item, excinfo: Raised | None) -> tuple[str, int]:
        """Return the file and the line of a test: the line of its file that raised, or else the test's first."""
        entries = [entry for entry in excinfo.traceback if Path(entry.path) == item.path] if excinfo else []
        line = entries[-1].lineno + 1 if entries else (item.reportinfo()[1] or 0) + 1
        try:
            return item.path.relative_to(self.root).as_posix(), line
        except ValueError:
            return item.path.as_posix(), line

    def _result(self, item: pytest.Item, benchmark: host.BenchmarkFixture) -> Result:
        """Return the result of a benchmark that has passed so far, and add it to the benchmark's extra_info."""
        from pytest_benchgate.reports import json_addition
        from pytest_benchgate.results import Result

        stats = host.statistics(benchmark)
        result = Result(
            nodeid=item.nodeid,
            name=item.name,
            group=None if benchmark.group is None else str(benchmark.group),
            median_s=stats.median,
            iqr_s=stats.iqr,
            rounds=stats.rounds,
        )
        gate = item.stash.get(GATE, None)
        if gate is None:
            host.add_information(benchmark, json_addition.KEY, None)
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
        host.add_information(benchmark, json_addition.KEY, json_addition.of_result(result))
        return result

    def report_with_times(self) -> Report:
        """Return the results so far, with the times of their rounds."""
        report, benchmarks = self.report(), {nodeid: self.items[nodeid].stash[BENCHMARK] for nodeid in self.results}
        results = tuple(
            dataclasses.replace(result, times=Distribution.of(host.times_s(benchmarks[result.nodeid])))
            for result in report.results
        )
        return dataclasses.replace(report, results=results)

    def compare(self, now: dict[str, Any], compared: dict[str, Any], source: str) -> None:
        """Note how another run's machine differs from this one, and take our part out of both infos.

        Raises pytest.UsageError where the other run, read from source, lacks what pytest-benchmark needs.
        """
        from pytest_benchgate.reports import json_addition

        try:
            json_addition.check_compared(compared)
        except ValueError as error:
            raise pytest.UsageError(f"--benchmark-compare: {printable(source)} is damaged: {error}") from error
        ours, theirs = now.pop(json_addition.KEY, None), compared["machine_info"].pop(json_addition.KEY, None)
        if ours and theirs:
            self.unlike += machine.differences(ours, theirs)

    def summary(self, columns: int | None = None, *, quiet: bool = False) -> list[tuple[str, dict[str, bool]]]:
        """Return the lines of the terminal's section, each with its colour; see terminal.coloured."""
        report = self.report()
        lines: list[tuple[str, str]] = []
        if report:
            from pytest_benchgate.reports import terminal

            lines = terminal.coloured(report, columns, quiet=quiet)
        failures, unwritten = self.limits.failures.items(), self.unwritten.items()
        more = [
            *((f"limit {name} could not be measured: {reason}", "yellow") for name, reason in failures),
            *((f"{place} could not be written: {reason}", "red") for place, reason in unwritten),
            *((f"compared with another machine: {difference}", "yellow") for difference in self.unlike),
        ]
        place = self.config.html
        if place is not None and report and str(place) not in self.unwritten:
            more.append((f"page: {place}", ""))
        lines += [(printable(text), colour) for text, colour in more]
        return [(text, {colour: True} if colour else {}) for text, colour in lines]

    def annotations(self) -> list[str]:
        """Return the annotations for GitHub Actions, where it runs there."""
        if not self.config.annotate:
            return []
        from pytest_benchgate.reports import github

        return github.render(self.report())

    @contextmanager
    def losing(self, place: object) -> Iterator[None]:
        """Note if a file cannot be written: the session goes on, and fails at its end."""
        try:
            yield
        # The last three: what a test has stored, such as a key that is no text, cannot be written as JSON.
        except (OSError, ValueError, TypeError, RecursionError) as error:
            self.unwritten[str(place)] = getattr(error, "strerror", None) or str(error)
            self.lost = True


def _has_failed(report: pytest.TestReport) -> bool:
    return report.failed or (report.skipped and hasattr(report, "wasxfail"))


def _raised(error: BaseException) -> str:
    """Return an error as a traceback's last lines do, without its module."""
    return "".join(traceback.format_exception_only(error)).strip().removeprefix(f"{type(error).__module__}.")
