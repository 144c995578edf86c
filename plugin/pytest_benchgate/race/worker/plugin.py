"""One side of a race: an ordinary run of pytest that takes its tests, and the calls to time, from a pipe.

Loaded by ``-p pytest_benchgate.race.worker.plugin`` into a pytest whose environment names the pipes; see boot.py and
messages.py. Each test runs with all its fixtures up to its benchmark, calls the function once, and then times blocks of
calls as ordered.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import inspect
import json
import os
import sys
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host
from pytest_benchgate.host import BenchmarkFixture
from pytest_benchgate.limits import Limits
from pytest_benchgate.race.worker import home, messages
from pytest_benchgate.race.worker.boot import ORDERS
from pytest_benchgate.race.worker.channel import Channel, Closed, Replaced
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.race.worker.messages import shortened
from pytest_benchgate.race.worker.seeds import SEEDS, install, seed_plugins
from pytest_benchgate.session import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

THREADED = 1.05  # of the main thread's processor time: what all threads together have used, from which on others work
STATE = pytest.StashKey["State"]()


class NotRaceable(Exception):
    """A test whose benchmark cannot be raced, and why."""


class State:
    """What a worker knows: its channel, its processors, and which files it has told of."""

    def __init__(self, orders: str) -> None:
        given = json.loads(orders)
        self.channel = Channel.of_worker(*given["pipes"])
        install(given["seed"])
        self.names = frozenset(given["names"])
        self.files = None if given["files"] is None else frozenset(given["files"])
        self.home = home.installed()
        self.processors = host.processors()
        self.pinned: int | None = None
        self.served = False  # the test that runs: whether its benchmark was timed
        self.told: set[str] = set()
        self.errors: dict[str, str] = {}

    def settle(self) -> None:
        """Take back what a suite may have changed at import: the processors that it may use, frozen objects."""
        if self.processors:
            os.sched_setaffinity(0, self.processors)
        self.pinned = None
        gc.unfreeze()

    def pin(self, processor: int | None) -> None:
        """Stay on one processor, or on none in particular."""
        if processor != self.pinned and self.processors:
            os.sched_setaffinity(0, self.processors if processor is None else {processor})
            self.pinned = processor

    def at_home(self) -> None:
        """Keep the finder of the raced modules before all others, whatever a suite has put there."""
        if self.home:
            self.home.first()

    def loaded(self) -> dict[str, str]:
        """Return path and SHA-256 of the raced modules' files that were loaded since the last call.

        Raises NotRaceable where one of them is not of this side's build.
        """
        if self.home and (why := self.home.complaint()):
            raise NotRaceable(why)
        found = {}
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file not in self.told and self._is_raced(name):
                self.told.add(file)
                path = Path(file).resolve()
                if self.home is None or self.home.is_home(str(path)):
                    found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        return found

    def _is_raced(self, name: str) -> bool:
        return name in self.names or any(name.startswith(f"{root}.") for root in self.names)


class RacedBenchmark(BenchmarkFixture):
    """The fixture `benchmark` of a worker; a subclass, for pytest-benchmark insists on its own type."""

    state: State

    @classmethod
    def of(cls, benchmark: BenchmarkFixture, state: State) -> RacedBenchmark:
        """Return a raced benchmark that shares all state with pytest-benchmark's own, whose clean-up then is right."""
        raced = cls.__new__(cls)
        raced.__dict__ = benchmark.__dict__
        raced.state = state
        return raced

    def _raw(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        now = CLOCK.ns

        def block(calls: int) -> int:
            start = now()
            for _ in repeat(None, calls):
                function_to_benchmark(*args, **kwargs)
            return now() - start

        drawn = SEEDS.fingerprint()
        start = now()
        result = function_to_benchmark(*args, **kwargs)
        once_ns = now() - start
        _refuse_async(result)
        self._serve(block, once_ns, drawn)
        return result

    def _raw_pedantic(
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,  # noqa: ARG002  # the session says how many
        warmup_rounds: int = 0,  # noqa: ARG002
        iterations: int = 1,
    ) -> Any:
        result, now = None, CLOCK.ns

        def round_ns() -> int:
            nonlocal result
            given = (setup() if setup else None) or (args, kwargs or {})
            start = now()
            for _ in repeat(None, iterations):
                result = target(*given[0], **given[1])
            spent = now() - start
            if teardown:
                teardown(*given[0], **given[1])
            return spent

        drawn = SEEDS.fingerprint()
        once_ns = round_ns()
        _refuse_async(result)
        self._serve(lambda calls: sum(round_ns() for _ in range(calls)), once_ns, drawn, iterations)
        return result

    def weave(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Refuse: what is woven in is called from elsewhere, as often as the code there pleases."""
        raise NotRaceable(
            "benchmark.weave cannot be raced: the calls come from elsewhere; benchmark the function itself"
        )

    patch = weave

    def _serve(self, block: Callable[[int], int], once_ns: int, drawn: str, iterations: int = 1) -> None:
        """Time blocks as ordered, without the garbage collector, and fill in the statistics that a test may read."""
        state = self.state
        if state.served:
            raise NotRaceable("the test was run again after its benchmark was timed, as plugins do where a test fails")
        state.served = True
        stats = self._make_stats(iterations)  # type: ignore[no-untyped-call]
        stats.update(once_ns * 1e-9)
        state.settle()
        group = None if self.group is None else str(self.group)
        state.channel.answer(messages.Ready(once_ns, iterations, group, state.loaded(), drawn))
        collecting = gc.isenabled()
        gc.disable()
        try:
            while isinstance(order := state.channel.receive_order(), messages.Block):
                state.pin(order.processor)
                all_ns, own_ns = CLOCK.all_ns(), CLOCK.own_ns()
                spent_ns = block(order.calls)
                own_ns, all_ns = CLOCK.own_ns() - own_ns, CLOCK.all_ns() - all_ns
                stats.update(spent_ns * 1e-9 / order.calls)
                state.channel.answer(messages.Timed(spent_ns, all_ns > THREADED * own_ns))
        finally:
            state.settle()
            if collecting:
                gc.enable()


def _refuse_async(result: Any) -> None:
    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result):
            result.close()  # it will not be awaited, and must not warn of that
        raise NotRaceable("the function is async: a call only makes a coroutine; benchmark one that runs it to its end")


class Fixtures:
    """Registered after pytest-benchmark, so that its `benchmark` stands over theirs."""

    @pytest.fixture
    def benchmark(self, benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> BenchmarkFixture:
        """Give the raced benchmark in place of pytest-benchmark's."""
        return RacedBenchmark.of(benchmark, request.config.stash[STATE])


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-cov, which starts here
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Open the pipes; seed for what a conftest.py draws at import."""
    host.measure_no_coverage(early_config)
    state = early_config.stash[STATE] = State(os.environ.pop(ORDERS))
    if state.home:
        state.home.settle(early_config.known_args_namespace.importmode)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take times whatever the suite's own options say."""
    host.take_times(config, as_worker=True)
    config.option.maxfail = 0  # -x: what fails costs itself only
    seed_plugins(config.option)
    config.pluginmanager.register(Fixtures(), "benchgate-race-fixtures")
    config.pluginmanager.register(Collection(config.stash[STATE]), "benchgate-race-collection")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed for this test, whatever ran before it on this side."""
    item.config.stash[STATE].at_home()
    SEEDS.sow(item.nodeid)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer() -> bool:
    """Keep pytest-timeout from ending a test that waits for orders; the session has a limit of its own."""
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Seed for what a module draws at import; where it ends pytest, as sys.exit() does, let it end itself only."""
    state = collector.config.stash[STATE]
    if isinstance(collector, pytest.File):
        state.channel.answer(messages.Collecting(collector.nodeid))
    state.at_home()
    SEEDS.sow(collector.nodeid)
    try:
        return (yield)
    except (SystemExit, KeyboardInterrupt, pytest.exit.Exception) as error:
        return pytest.CollectReport(collector.nodeid, "failed", f"{type(error).__name__}: {error}", [])


class Collection:
    """What is collected: files whose tests are asked for; and what cannot be costs its own tests only."""

    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        """Leave out a file that is not asked for: its import takes time, and may be what kills the process."""
        files = self._state.files
        if files is None or not isinstance(collector, pytest.File) or collector.nodeid in files:
            return None
        return pytest.CollectReport(collector.nodeid, "passed", None, [])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take note of an error."""
        if report.failed:
            self._state.errors[report.nodeid] = shortened(f"collection: {report.longreprtext}")


class Reports:
    """The outcome of the test that runs: its first phase that did not pass, with the reason."""

    def __init__(self) -> None:
        self.outcome, self.reason = "passed", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a phase; a subtest that is skipped says nothing of the others."""
        if report.skipped and hasattr(report, "context") and not hasattr(report, "wasxfail"):
            return
        if self.outcome == "passed" and report.outcome != "passed":
            self.outcome = report.outcome
            if hasattr(report, "wasxfail"):
                self.reason = f"xfail: {report.wasxfail}" if report.wasxfail else "xfail"
            elif isinstance(report.longrepr, tuple):  # a skip: file, line, reason
                self.reason = report.longrepr[2].removeprefix("Skipped: ")
            else:
                self.reason = f"{report.when}: {report.longreprtext}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run tests as ordered, until told to quit or until the session is gone."""
    state = session.config.stash[STATE]
    session.config.stash[SESSION].limits = Limits(())  # measuring them takes time, and nobody reads a worker's report
    channel = state.channel
    items = {item.nodeid: item for item in session.items}
    state.settle()
    try:
        broken = _broken(state.names) if state.errors else {}
        channel.answer(messages.Collected(os.getpid(), [*items], state.errors, broken))
        while isinstance(order := channel.receive_order(), messages.Run):
            _run(session, items[order.nodeid], items.get(order.next or ""), channel)
    except Closed:  # the session died: nobody is left to report to
        pytest.exit("the race's session is gone", returncode=1)
    except (Replaced, OSError):  # the latter from whatever writes to an output that is closed
        if channel.is_own():
            raise
        os._exit(messages.UNUSABLE)
    return True


def _broken(names: frozenset[str]) -> dict[str, str]:
    """Return the raced modules that cannot be imported, and why.

    One that is not there at all is not among them, unless none is there: the other side may have added it.
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
    session.config.stash[STATE].served = False
    session.config.pluginmanager.register(reports)
    try:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    finally:
        session.config.pluginmanager.unregister(reports)
    channel.answer(messages.Done(reports.outcome, shortened(reports.reason)))
