"""One side of a race: an ordinary run of pytest that takes its tests, and the calls to time, from a pipe.

Loaded by ``-p pytest_benchgate.race.worker`` into a pytest whose environment names the pipes; see channel.py. Each test
runs with all its fixtures up to its benchmark, calls the function once, and then times blocks of calls as ordered.
"""

from __future__ import annotations

import gc
import os
from itertools import repeat
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate.race.channel import Channel, Closed

from pytest_benchgate.host import BenchmarkFixture  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable

PIPES = "BENCHGATE_RACE_PIPES"  # "READ,WRITE": file descriptors
CHANNEL = pytest.StashKey[Channel]()


class NotRaceable(Exception):
    """A test whose benchmark cannot be raced, and why."""


class RacedBenchmark(BenchmarkFixture):
    """The fixture `benchmark` of a worker; a subclass, for pytest-benchmark insists on its own type."""

    channel: Channel
    raced: bool

    @classmethod
    def of(cls, benchmark: BenchmarkFixture, channel: Channel) -> RacedBenchmark:
        """Return a raced benchmark that shares all state with pytest-benchmark's own, whose clean-up then is right."""
        raced = cls.__new__(cls)
        raced.__dict__ = benchmark.__dict__
        raced.channel, raced.raced = channel, False
        return raced

    def _raw(self, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result, once_ns = None, 0

        def block(calls: int) -> int:
            start = perf_counter_ns()
            for _ in repeat(None, calls):
                function_to_benchmark(*args, **kwargs)
            return perf_counter_ns() - start

        start = perf_counter_ns()
        result = function_to_benchmark(*args, **kwargs)
        once_ns = perf_counter_ns() - start
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
        self._serve(lambda calls: sum(round_ns() for _ in range(calls)), once_ns)
        return result

    def weave(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Refuse: what is woven in is called from elsewhere, as often as the code there pleases."""
        raise NotRaceable(
            "benchmark.weave cannot be raced: the calls come from elsewhere; benchmark the function itself"
        )

    patch = weave

    def _serve(self, block: Callable[[int], int], once_ns: int) -> None:
        """Time blocks as ordered, without the garbage collector, and fill in the statistics that a test may read."""
        stats = self._make_stats(1)  # type: ignore[no-untyped-call]
        stats.update(once_ns * 1e-9)
        self.channel.send(answer="ready", once_ns=once_ns)
        self.raced = True
        collecting = gc.isenabled()
        gc.disable()
        try:
            while (message := self.channel.receive())["order"] == "block":
                calls = message["calls"]
                spent_ns = block(calls)
                stats.update(spent_ns * 1e-9 / calls)
                self.channel.send(answer="block", ns=spent_ns)
        finally:
            if collecting:
                gc.enable()


class Fixtures:
    """Registered after pytest-benchmark, so that its `benchmark` stands over theirs."""

    @pytest.fixture
    def benchmark(self, benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> BenchmarkFixture:
        """Give the raced benchmark in place of pytest-benchmark's."""
        return RacedBenchmark.of(benchmark, request.config.stash[CHANNEL])


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Open the pipes; take times whatever the suite's own options say."""
    read_fd, write_fd = map(int, os.environ[PIPES].split(","))
    config.stash[CHANNEL] = Channel(read_fd, write_fd)
    config.option.benchmark_disable, config.option.benchmark_skip = False, False
    config.option.benchmark_enable = True
    config.pluginmanager.register(Fixtures(), "benchgate-race-fixtures")


class Reports:
    """The outcome of the test that runs: its first phase that did not pass, with the reason."""

    def __init__(self) -> None:
        self.outcome, self.reason = "passed", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a phase."""
        if self.outcome == "passed" and report.outcome != "passed":
            self.outcome, self.reason = report.outcome, f"{report.when}: {report.longreprtext}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run tests as ordered, until told to quit or until the session is gone."""
    channel = session.config.stash[CHANNEL]
    items = {item.nodeid: item for item in session.items}
    channel.send(answer="collected", nodeids=[*items])
    try:
        while (message := channel.receive())["order"] != "quit":
            _run(session, items[message["nodeid"]], channel)
    except Closed:  # the session died: nobody is left to report to
        pytest.exit("the race's session is gone", returncode=1)
    return True


def _run(session: pytest.Session, item: pytest.Item, channel: Channel) -> None:
    reports = Reports()
    session.config.pluginmanager.register(reports)
    try:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    finally:
        session.config.pluginmanager.unregister(reports)
    channel.send(answer="done", outcome=reports.outcome, reason=reports.reason)
