"""A worker of the race: an ordinary pytest run that is ordered about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate.race.channel import Channel, Closed, Late
from pytest_benchgate.race.worker import PIPES

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")
LIMIT_S = 30


@contextmanager
def started(pytester: pytest.Pytester, source: str, *options: str) -> Iterator[tuple[Channel, subprocess.Popen[str]]]:
    """Start a worker on a suite with this source; end it and its pipes afterwards."""
    pytester.makepyfile(test_it=source)
    (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
    worker = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "pytest_benchgate.race.worker", "-p", "no:cacheprovider", *options],
        env=os.environ | {PIPES: f"{orders_in},{answers_out}"},
        pass_fds=(orders_in, answers_out),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(orders_in)
    os.close(answers_out)
    channel = Channel(answers_in, orders_out)
    try:
        yield channel, worker
    finally:
        channel.close()
        worker.communicate(timeout=LIMIT_S)


def test(channel: Channel, nodeid: str, *calls: int) -> list[dict[str, Any]]:
    """Run one test with blocks of so many calls; return all answers."""
    channel.send(order="run", nodeid=nodeid)
    answers = [channel.receive(LIMIT_S)]
    for count in calls:
        channel.send(order="block", calls=count)
        answers.append(channel.receive(LIMIT_S))
    if answers[-1]["answer"] != "done":
        channel.send(order="end")
        answers.append(channel.receive(LIMIT_S))
    return answers


test.__test__ = False  # type: ignore[attr-defined]


def test_blocks_are_timed_as_ordered(pytester: pytest.Pytester) -> None:
    source = """
        import time, pytest

        @pytest.fixture(scope="session")
        def nap():
            return 0.01

        @pytest.mark.parametrize("naps", [1, 2])
        def test_call(benchmark, nap, naps):
            calls = []
            assert benchmark(lambda: calls.append(time.sleep(naps * nap)) or 7) == 7
            assert len(calls) == 1 + 3 + 1
            assert 0.01 * naps <= benchmark.stats.stats.min < 0.1

        def test_pedantic(benchmark):
            made, ended = [], []
            result = benchmark.pedantic(lambda x: x + 1, setup=lambda: ((made.append(1) or 5,), {}), teardown=ended.append,
                                        rounds=99, warmup_rounds=9)
            assert result == 6 and len(made) == len(ended) == 1 + 3 + 1

        def test_gate(gate):
            gate(sorted, [2, 1], expect=[1, 2])
    """
    with started(pytester, source) as (channel, worker):
        assert channel.receive(LIMIT_S) == {
            "answer": "collected",
            "nodeids": [f"test_it.py::test_{name}" for name in ("call[1]", "call[2]", "pedantic", "gate")],
        }
        for naps in (1, 2):
            ready, three, one, done = test(channel, f"test_it.py::test_call[{naps}]", 3, 1)
            assert ready["once_ns"] >= 1e7 * naps
            assert 3e7 * naps <= three["ns"]
            assert 1e7 * naps <= one["ns"]
            assert done == {"answer": "done", "outcome": "passed", "reason": ""}
        for name in ("pedantic", "gate"):
            assert test(channel, f"test_it.py::test_{name}", 3, 1)[-1]["outcome"] == "passed"
        channel.send(order="quit")
        assert worker.wait(LIMIT_S) == 0


def test_what_cannot_be_raced_and_what_fails_is_said(pytester: pytest.Pytester) -> None:
    source = """
        import os, pytest

        def test_fails_before(benchmark):
            assert False, "no good"

        def test_fails_after(benchmark):
            benchmark(lambda: 1)
            assert False, "too bad"

        def test_twice(benchmark):
            benchmark(lambda: 1)
            benchmark(lambda: 1)

        def test_weave(benchmark):
            benchmark.weave("os.getpid")

        def test_skips(benchmark):
            pytest.skip("not today")

        def test_raises(benchmark):
            benchmark(lambda: 1 / 0)

        def test_prints(benchmark):
            os.write(1, b"not JSON")
            benchmark(lambda: print("noise"))
    """
    expected = {
        "fails_before": ("failed", "no good"),
        "fails_after": ("failed", "too bad"),
        "twice": ("failed", "FixtureAlreadyUsed"),
        "weave": ("failed", "cannot be raced"),
        "skips": ("skipped", "not today"),
        "raises": ("failed", "ZeroDivisionError"),
        "prints": ("passed", ""),
    }
    with started(pytester, source, "-s") as (channel, _):
        channel.receive(LIMIT_S)
        for name, (outcome, reason) in expected.items():
            done = test(channel, f"test_it.py::test_{name}")[-1]
            assert done["outcome"] == outcome, name
            assert reason in done["reason"], name
        channel.send(order="quit")


@pytest.mark.parametrize(
    "options",
    [("--benchmark-disable",), ("--benchmark-skip",), ("-W", "error"), ("-m", "not slow", "--benchmark-only")],
)
def test_the_suite_s_own_options_do_not_stop_a_race(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    with started(pytester, "def test_it(benchmark): benchmark(lambda: 1)", *options) as (channel, worker):
        channel.receive(LIMIT_S)
        assert [answer["answer"] for answer in test(channel, "test_it.py::test_it", 10)] == ["ready", "block", "done"]
        channel.send(order="quit")
        assert worker.wait(LIMIT_S) == 0


def test_a_crash_closes_the_channel_and_a_hang_is_late(pytester: pytest.Pytester) -> None:
    source = """
        import os, time
        def test_hangs(benchmark): benchmark(lambda: time.sleep(60))
        def test_crashes(benchmark): benchmark(lambda: os.abort())
    """
    with started(pytester, source) as (channel, worker):
        channel.receive(LIMIT_S)
        channel.send(order="run", nodeid="test_it.py::test_hangs")
        with pytest.raises(Late):
            channel.receive(0.3)
        worker.kill()
        with pytest.raises(Closed):
            channel.receive(LIMIT_S)
    with started(pytester, source) as (channel, worker):
        channel.receive(LIMIT_S)
        channel.send(order="run", nodeid="test_it.py::test_crashes")
        with pytest.raises(Closed):
            channel.receive(LIMIT_S)
        assert worker.wait(LIMIT_S) == -signal.SIGABRT


def test_a_worker_whose_session_is_gone_ends_by_itself(pytester: pytest.Pytester) -> None:
    with started(pytester, "def test_it(benchmark): benchmark(lambda: 1)") as (channel, worker):
        channel.receive(LIMIT_S)
        channel.send(order="run", nodeid="test_it.py::test_it")
        assert channel.receive(LIMIT_S)["answer"] == "ready"
    assert worker.returncode != 0
