"""One side of a race: an ordinary run of pytest that takes its tests, and the calls to time, from a pipe.

Loaded by ``-p pytest_benchgate.race.worker`` into a pytest whose environment names the pipes; see channel.py. Each test
runs with all its fixtures up to its benchmark, calls the function once, and then times blocks of calls as ordered.
"""

from __future__ import annotations

import gc
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import random
import sys
from itertools import repeat
from pathlib import Path
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host
from pytest_benchgate.host import BenchmarkFixture
from pytest_benchgate.limits import Limits
from pytest_benchgate.race import home
from pytest_benchgate.race.channel import Channel, Closed
from pytest_benchgate.session import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS = "BENCHGATE_RACE"  # JSON: {"pipes": [READ, WRITE], "seed": N, "names": [top-level modules that are raced]}
THREADED = 1.05  # of the main thread's processor time: what all threads together have used, from which on others work
STATE = pytest.StashKey["State"]()


class NotRaceable(Exception):
    """A test whose benchmark cannot be raced, and why."""


class State:
    """What a worker knows: its channel, its seed, its processors, and which files it has told of."""

    def __init__(self, orders: str) -> None:
        given = json.loads(orders)
        for fd in given["pipes"]:
            os.set_inheritable(fd, False)  # noqa: FBT003  # what a test starts must not keep them open
        self.channel = Channel(*given["pipes"])
        self.seed: int = given["seed"]
        self.names = frozenset(given["names"])
        self.home = home.installed()
        self.processors = host.processors()
        self.pinned: int | None = None
        self.served = False  # the test that runs: whether its benchmark was timed
        self.told: set[str] = set()
        self.errors: dict[str, str] = {}

    def sow(self, what: str = "") -> None:
        """Seed what draws without a seed of its own, alike on both sides; PYTHONHASHSEED is set already."""
        number = int.from_bytes(hashlib.sha256(f"{self.seed} {what}".encode()).digest()[:4])
        random.seed(number)
        if numpy_random := sys.modules.get("numpy.random"):
            numpy_random.seed(number)

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


class SeedNumpy(importlib.abc.MetaPathFinder):
    """Seeds numpy.random as soon as it is imported, for modules that draw from it at once."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:  # noqa: ARG002
        """Find numpy.random, with a loader that seeds it afterwards."""
        if fullname != "numpy.random":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_sow(module: Any) -> None:
                run(module)
                self._state.sow()

            spec.loader.exec_module = run_and_sow  # type: ignore[method-assign]
        return spec


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
        def block(calls: int) -> int:
            start = perf_counter_ns()
            for _ in repeat(None, calls):
                function_to_benchmark(*args, **kwargs)
            return perf_counter_ns() - start

        start = perf_counter_ns()
        result = function_to_benchmark(*args, **kwargs)
        once_ns = perf_counter_ns() - start
        _refuse_async(result)
        self._serve(block, once_ns)
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
        result = None

        def round_ns() -> int:
            nonlocal result
            given = (setup() if setup else None) or (args, kwargs or {})
            start = perf_counter_ns()
            for _ in repeat(None, iterations):
                result = target(*given[0], **given[1])
            spent = perf_counter_ns() - start
            if teardown:
                teardown(*given[0], **given[1])
            return spent

        once_ns = round_ns()
        _refuse_async(result)
        self._serve(lambda calls: sum(round_ns() for _ in range(calls)), once_ns, iterations)
        return result

    def weave(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Refuse: what is woven in is called from elsewhere, as often as the code there pleases."""
        raise NotRaceable(
            "benchmark.weave cannot be raced: the calls come from elsewhere; benchmark the function itself"
        )

    patch = weave

    def _serve(self, block: Callable[[int], int], once_ns: int, iterations: int = 1) -> None:
        """Time blocks as ordered, without the garbage collector, and fill in the statistics that a test may read."""
        state = self.state
        if state.served:
            raise NotRaceable("the test was run again after its benchmark was timed, as plugins do where a test fails")
        state.served = True
        stats = self._make_stats(iterations)  # type: ignore[no-untyped-call]
        stats.update(once_ns * 1e-9)
        state.settle()
        state.channel.send(
            answer="ready", once_ns=once_ns, iterations=iterations, group=self.group, files=state.loaded()
        )
        collecting = gc.isenabled()
        gc.disable()
        try:
            while (message := state.channel.receive())["order"] == "block":
                calls = message["calls"]
                state.pin(message["processor"])
                all_ns, own_ns = process_time_ns(), thread_time_ns()
                spent_ns = block(calls)
                own_ns, all_ns = thread_time_ns() - own_ns, process_time_ns() - all_ns
                stats.update(spent_ns * 1e-9 / calls)
                state.channel.send(answer="block", ns=spent_ns, threaded=all_ns > THREADED * own_ns)
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


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Open the pipes; seed for what a conftest.py draws at import."""
    state = early_config.stash[STATE] = State(os.environ.pop(ORDERS))
    state.sow()
    sys.meta_path.insert(0, SeedNumpy(state))
    if state.home:
        state.home.settle(early_config.known_args_namespace.importmode)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take times whatever the suite's own options say."""
    host.take_times(config, as_worker=True)
    config.option.maxfail = 0  # -x: what fails costs itself only
    config.pluginmanager.register(Fixtures(), "benchgate-race-fixtures")
    config.pluginmanager.register(Collection(config.stash[STATE]), "benchgate-race-collection")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed for this test, whatever ran before it on this side."""
    state = item.config.stash[STATE]
    state.at_home()
    state.sow(item.nodeid)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer() -> bool:
    """Keep pytest-timeout from ending a test that waits for orders; the session has a limit of its own."""
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> None:
    """Seed for what a module draws at import."""
    state = collector.config.stash[STATE]
    state.at_home()
    state.sow(collector.nodeid)


class Collection:
    """What could not be collected, and why: it costs its own tests only."""

    def __init__(self, state: State) -> None:
        self._state = state

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take note of an error."""
        if report.failed:
            self._state.errors[report.nodeid] = f"collection: {report.longreprtext}"


class Reports:
    """The outcome of the test that runs: its first phase that did not pass, with the reason."""

    def __init__(self) -> None:
        self.outcome, self.reason = "passed", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a phase."""
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
    channel.send(answer="collected", nodeids=[*items], errors=state.errors)
    try:
        while (message := channel.receive())["order"] != "quit":
            _run(session, items[message["nodeid"]], items.get(message["next"]), channel)
    except Closed:  # the session died: nobody is left to report to
        pytest.exit("the race's session is gone", returncode=1)
    return True


def _run(session: pytest.Session, item: pytest.Item, following: pytest.Item | None, channel: Channel) -> None:
    reports = Reports()
    session.config.stash[STATE].served = False
    session.config.pluginmanager.register(reports)
    try:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    finally:
        session.config.pluginmanager.unregister(reports)
    channel.send(answer="done", outcome=reports.outcome, reason=reports.reason)
