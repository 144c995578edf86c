"""One side of a race: an ordinary run of pytest that takes its tests, and the calls to time, from a pipe.

Loaded by ``-p pytest_benchgate.race.worker.plugin`` into a pytest whose environment names the pipes; see boot.py and
messages.py. Each test runs with all its fixtures up to its benchmark; see benchmark.py.
"""

from __future__ import annotations

import gc
import importlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host
from pytest_benchgate.race import taking
from pytest_benchgate.race.worker import messages
from pytest_benchgate.race.worker.benchmark import RacedBenchmark, State
from pytest_benchgate.race.worker.boot import START
from pytest_benchgate.race.worker.channel import Channel, Closed, Replaced
from pytest_benchgate.race.worker.messages import shortened
from pytest_benchgate.race.worker.seeds import SEEDS, seed_plugins
from pytest_benchgate.session import SESSION

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchgate.host import BenchmarkFixture

STATE = pytest.StashKey[State]()


class Fixtures:
    """Registered after pytest-benchmark, so that this `benchmark` overrides that one."""

    @pytest.fixture
    def benchmark(self, benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> BenchmarkFixture:
        """Give the raced benchmark in place of pytest-benchmark's."""
        return RacedBenchmark.of(benchmark, request.config.stash[STATE])


def pytest_addoption() -> None:
    """Spare each start what only saved runs need. This plugin is loaded first, and pytest-benchmark asks in its own."""
    host.save_nothing()


# Before pytest-cov, which starts in this hook.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Open the pipes; seed for what a conftest.py draws at import."""
    # Switched off in boot.py. Frozen, what is there need not be looked at while the suite is imported, after which
    # all is as it would have been: see State.undo_imports.
    gc.freeze()
    gc.enable()
    host.measure_no_coverage(early_config)
    state = early_config.stash[STATE] = State(messages.decode_start(os.environ.pop(START)))
    if state.home:
        state.home.prepare(early_config.known_args_namespace.importmode)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep pytest-codspeed from taking times, which it decides before it calls this plugin's next hook."""
    taking.replace_codspeed(config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take times whatever the suite's own options say."""
    taking.take_times(config, as_worker=True)
    # Not even with -x may a failure cost more than its own test.
    config.option.maxfail = 0
    seed_plugins(config.option)
    config.pluginmanager.register(Fixtures(), "benchgate-race-fixtures")
    config.pluginmanager.register(Collection(config.stash[STATE]), "benchgate-race-collection")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed for this test, whatever ran before it on this side."""
    state = item.config.stash[STATE]
    state.put_home_first()
    SEEDS.seed_for(state.seed)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer() -> bool:
    """Keep pytest-timeout from ending a test that waits for orders; the session has its own limit."""
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Seed for what a module draws at import; if it ends pytest, as sys.exit() does, only its own tests fail."""
    state = collector.config.stash[STATE]
    if isinstance(collector, pytest.File):
        state.channel.answer(messages.Collecting(collector.nodeid))
    state.put_home_first()
    SEEDS.seed_for(collector.nodeid)
    try:
        return (yield)
    except (SystemExit, KeyboardInterrupt, pytest.exit.Exception) as error:
        return pytest.CollectReport(collector.nodeid, "failed", f"{type(error).__name__}: {error}", [])


class Collection:
    """Collects the files whose tests are raced; a file that cannot be collected costs only its own tests."""

    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        """Skip a file whose tests are not raced: its import takes time, and may kill the process."""
        files = self._state.files
        if files is None or not isinstance(collector, pytest.File) or collector.nodeid in files:
            return None
        return pytest.CollectReport(collector.nodeid, "passed", None, [])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record an error."""
        if report.failed:
            self._state.errors[report.nodeid] = shortened(f"collection: {report.longreprtext}")


class Reports:
    """The outcome of the running test: its first phase that did not pass, with the reason."""

    def __init__(self) -> None:
        self.outcome, self.reason = "passed", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a phase; a skipped subtest does not matter for the others."""
        if report.skipped and hasattr(report, "context") and not hasattr(report, "wasxfail"):
            return
        if self.outcome == "passed" and report.outcome != "passed":
            self.outcome = report.outcome
            if hasattr(report, "wasxfail"):
                self.reason = f"xfail: {report.wasxfail}" if report.wasxfail else "xfail"
            elif isinstance(report.longrepr, tuple):
                # A skip: file, line, reason.
                self.reason = report.longrepr[2].removeprefix("Skipped: ")
            else:
                self.reason = f"{report.when}: {report.longreprtext}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run tests as ordered, until the order to quit or the end of the session."""
    state = session.config.stash[STATE]
    session.config.stash[SESSION].read = False
    channel = state.channel
    items = {item.nodeid: item for item in session.items}
    state.undo_imports()
    try:
        broken = _broken(state.names) if state.errors else {}
        channel.answer(messages.Collected(os.getpid(), [*items], state.errors, broken))
        while isinstance(order := channel.receive_order(), messages.Run):
            state.seed = order.seed or order.nodeid
            _run(session, items[order.nodeid], items.get(order.next or ""), channel)
    except Closed:
        pytest.exit("the race's session is gone", returncode=1)
    except (Replaced, OSError):
        # OSError may come from any write to a standard output that a test has closed.
        if channel.is_intact():
            raise
        os._exit(messages.UNUSABLE)
    return True


def _broken(names: frozenset[str]) -> dict[str, str]:
    """Return the raced modules that cannot be imported, and why.

    A module that does not exist is not among them, unless none exists: the other side may have added it.
    """
    broken: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            (absent if f"{name}.".startswith(f"{error.name}.") else broken)[name] = f"ModuleNotFoundError: {error}"
        except (Exception, SystemExit, pytest.exit.Exception) as error:  # noqa: BLE001  # whatever a module raises
            broken[name] = shortened(f"{type(error).__name__}: {error}")
    return broken | (absent if len(absent) == len(names) else {})


def _run(session: pytest.Session, item: pytest.Item, following: pytest.Item | None, channel: Channel) -> None:
    reports = Reports()
    state = session.config.stash[STATE]
    state.item, state.timed = item, False
    # What pytest would keep for the next test includes the fixtures of a test that follows itself.
    following = None if following is item else following
    session.config.pluginmanager.register(reports)
    try:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    finally:
        session.config.pluginmanager.unregister(reports)
    channel.answer(messages.Done(reports.outcome, shortened(reports.reason)))
