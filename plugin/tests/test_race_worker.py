"""A worker of the race: an ordinary pytest run that is ordered about."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate.race.launching.process import command
from pytest_benchgate.race.worker.boot import START
from pytest_benchgate.race.worker.channel import Channel, Closed, Late
from pytest_benchgate.race.worker.messages import (
    Block,
    Collected,
    Collecting,
    Done,
    End,
    Message,
    Order,
    Quit,
    Ready,
    Run,
    Start,
    Timed,
    encode_start,
)
from racing import FEW_PLUGINS, PLUGINS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")
LIMIT_S = 60
NO_CACHE = ("-p", "no:cacheprovider")
ONE = "def test_it(benchmark): benchmark(lambda: 1)"


@contextmanager
def started(
    *options: str,
    seed: int = 1,
    names: tuple[str, ...] = (),
    files: list[str] | None = None,
    more_plugins: bool = False,
) -> Iterator[tuple[Channel, subprocess.Popen[str]]]:
    """Start a worker on the suite in the current folder; end it and its pipes afterwards.

    With few plugins, or with all that are installed.
    """
    (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
    start = Start(os.getpid(), orders_in, answers_out, seed, [*names], files)
    worker = subprocess.Popen(
        command(Path(sys.executable), *(() if more_plugins else PLUGINS), *(options or NO_CACHE)),
        env=os.environ | {START: encode_start(start)} | ({} if more_plugins else FEW_PLUGINS),
        pass_fds=(orders_in, answers_out),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    os.close(orders_in)
    os.close(answers_out)
    channel = Channel(answers_in, orders_out)
    try:
        yield channel, worker
    finally:
        channel.close()
        worker.communicate(timeout=LIMIT_S)


def race(
    channel: Channel, name: str, *calls: int, following: str | None = None, processor: int | None = None
) -> list[Any]:
    """Run one test of test_it.py, with blocks of so many calls; return all answers."""
    answers = [ask(channel, Run(f"test_it.py::{name}", following and f"test_it.py::{following}"))]
    answers += [ask(channel, Block(count, processor)) for count in calls]
    return answers if isinstance(answers[-1], Done) else [*answers, ask(channel, End())]


def ask(channel: Channel, order: Order) -> Message:
    """Send an order and return the answer."""
    channel.order(order)
    return channel.receive_answer(LIMIT_S)


def collected(channel: Channel) -> Collected:
    """Return a worker's tests, once it has told which files it imports."""
    while isinstance(answer := channel.receive_answer(LIMIT_S), Collecting):
        pass
    assert isinstance(answer, Collected)
    return answer


def kinds(answers: list[Message]) -> list[type[Message]]:
    """Return the kinds of answers."""
    return [type(answer) for answer in answers]


def said(channel: Channel, name: str) -> Any:
    """Run one test that has put a Python value into its benchmark's group, as text; return the value."""
    return ast.literal_eval(race(channel, name)[0].group)


PASSED = Done("passed", "")


def test_blocks_are_timed_as_ordered(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import time, pytest

        @pytest.fixture(scope="session")
        def nap():
            return 0.01

        @pytest.mark.parametrize("naps", [1, 2])
        def test_call(benchmark, nap, naps):
            calls = []
            assert benchmark(lambda: calls.append(time.sleep(naps * nap)) or 7) == 7
            # The first, two blocks, and one whose answer is the last.
            assert len(calls) == 1 + 3 + 1 + 1
            assert 0.01 * naps <= benchmark.stats.stats.min <= benchmark.stats.stats.mean

        def test_arguments(benchmark):
            assert benchmark(sorted, [1, 2], reverse=True) == [2, 1]

        def test_pedantic(benchmark):
            made, ended, calls = [], [], []
            result = benchmark.pedantic(
                lambda x: calls.append(x) or x + 1,
                setup=lambda: ((made.append(1) or 5,), {}), teardown=ended.append, rounds=99, warmup_rounds=9,
            )
            assert result == 6 and len(made) == len(ended) == len(calls) == 1 + 3 + 1

        def test_iterations(benchmark):
            calls = []
            benchmark.pedantic(calls.append, args=(1,), iterations=7, rounds=99)
            assert len(calls) == 7 * (1 + 3 + 1)

        def test_gate(gate):
            gate(sorted, [2, 1], expect=[1, 2])

        def test_decorator(benchmark):
            @benchmark
            def result():
                return 7
            assert result == 7

        @pytest.mark.benchmark(group="marked", min_rounds=7, max_time=1, warmup=True)
        def test_marker(benchmark):
            benchmark.extra_info["size"] = 5
            benchmark(lambda: 1)
            benchmark.extra_info["more"] = 6

        def test_body(benchmark):
            benchmark.group = "of the body"
            benchmark(lambda: 1)

        class TestClass:
            @pytest.fixture(scope="class")
            def shared(self):
                return 1

            def test_method(self, benchmark, shared):
                assert benchmark(lambda: shared) == 1
        """
    )
    names = [
        "test_call[1]", "test_call[2]", "test_arguments", "test_pedantic", "test_iterations", "test_gate",
        "test_decorator", "test_marker", "test_body", "TestClass::test_method",
    ]  # fmt: skip
    with started() as (channel, worker):
        _, nodeids, *errors = collected(channel)
        # A plugin may have shuffled them.
        assert (sorted(nodeids), errors) == (sorted(f"test_it.py::{name}" for name in names), [{}, {}])
        groups, iterations = {}, {}
        for name in names:
            ready, three, one, done = race(channel, name, 3, 1)
            assert (kinds([ready, three, one]), done) == ([Ready, Timed, Timed], PASSED)
            if name.startswith("test_call"):
                naps = int(name[-2])
                assert ready.once_ns >= 1e7 * naps
                assert three.ns >= 3e7 * naps
                assert one.ns >= 1e7 * naps
            groups[name], iterations[name] = ready.group, ready.iterations
        assert {name: group for name, group in groups.items() if group} == {
            "test_marker": "marked",
            "test_body": "of the body",
        }
        assert {name: count for name, count in iterations.items() if count != 1} == {"test_iterations": 7}
        channel.order(Quit())
        assert worker.wait(LIMIT_S) == 0


def test_fixtures_of_a_wider_scope_are_kept_for_the_next_test_and_torn_down_after_the_last(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        log = []

        @pytest.fixture(scope="session", autouse=True)
        def session():
            log.append("+session"); yield; open("log", "a").write(" ".join([*log, "-session"]) + "\\n"); log.clear()

        @pytest.fixture(scope="module")
        def module():
            log.append("+module"); yield; log.append("-module")

        @pytest.fixture
        def each():
            log.append("+each"); yield; log.append("-each")

        def test_one(benchmark, module, each): benchmark(lambda: 1)
        def test_two(benchmark, module): benchmark(lambda: 1)
        """
    )
    with started() as (channel, worker):
        collected(channel)
        assert race(channel, "test_one", following="test_two")[-1] == PASSED
        assert race(channel, "test_two", following="no such test")[-1] == PASSED
        assert race(channel, "test_one")[-1] == PASSED
        channel.order(Quit())
        assert worker.wait(LIMIT_S) == 0
    both, again = (pytester.path / "log").read_text().splitlines()
    assert both == "+session +module +each -each -module -session"
    assert again == both


def test_tests_that_cannot_be_raced_or_fail_are_reported(pytester: pytest.Pytester) -> None:
    """With warnings as errors: what is said must not be that a coroutine was never awaited."""
    pytester.makepyfile(
        test_it="""
        import asyncio, inspect, os, pytest, sys
        kept = []

        @pytest.fixture
        def broken():
            raise OSError("no fixture")

        @pytest.fixture
        def ending():
            yield
            raise OSError("no end")

        async def later():
            pass

        async def generator():
            yield

        def test_fails_before(benchmark):
            assert False, "no good"

        def test_fails_after(benchmark):
            benchmark(lambda: 1)
            assert False, "too bad"

        def test_fixture(benchmark, broken):
            benchmark(lambda: 1)

        def test_teardown(benchmark, ending):
            benchmark(lambda: 1)

        def test_twice(benchmark):
            benchmark(lambda: 1)
            benchmark(lambda: 1)

        def test_weave(benchmark):
            benchmark.weave("os.getpid")

        def test_patch(benchmark):
            benchmark.patch("os.getpid")

        def test_weave_fixture(benchmark_weave):
            benchmark_weave("os.getpid")

        def test_async(benchmark):
            benchmark(lambda: kept.append(later()) or kept[0])

        def test_async_pedantic(benchmark):
            benchmark.pedantic(later)

        def test_async_generator(benchmark):
            benchmark(generator)

        def test_runs_async(benchmark):
            assert inspect.getcoroutinestate(kept[0]) == "CORO_CLOSED"  # it will warn of nothing, once it is collected
            benchmark(lambda: asyncio.run(later()))

        def test_skips(benchmark):
            pytest.skip("not today")

        @pytest.mark.skip(reason="never")
        def test_skip_marker(benchmark):
            benchmark(lambda: 1)

        @pytest.mark.xfail(reason="known", strict=True)
        def test_xfail(benchmark):
            assert False

        def test_raises(benchmark):
            benchmark(lambda: 1 / 0)

        def test_exits(benchmark):
            benchmark(lambda: sys.exit(3))

        def test_prints(benchmark):
            os.write(1, b"not JSON")
            print("{}")
            benchmark(lambda: print("noise"))
        """
    )
    expected = {
        "fails_before": ("failed", "no good"),
        "fails_after": ("failed", "too bad"),
        "fixture": ("failed", "setup: "),
        "teardown": ("failed", "teardown: "),
        "twice": ("failed", "FixtureAlreadyUsed"),
        "weave": ("failed", "cannot be raced"),
        "patch": ("failed", "cannot be raced"),
        "weave_fixture": ("failed", "cannot be raced"),
        "async": ("failed", "the function is async"),
        "async_pedantic": ("failed", "the function is async"),
        "async_generator": ("failed", "the function is async"),
        "runs_async": ("passed", ""),
        "skips": ("skipped", "not today"),
        "skip_marker": ("skipped", "never"),
        "xfail": ("skipped", "known"),
        "raises": ("failed", "ZeroDivisionError"),
        "exits": ("failed", "SystemExit"),
        "prints": ("passed", ""),
    }
    with started("-s", "-W", "error", *NO_CACHE) as (channel, worker):
        collected(channel)
        for name, (outcome, reason) in expected.items():
            done = race(channel, f"test_{name}")[-1]
            assert (name, done.outcome) == (name, outcome)
            assert reason in done.reason, name
            assert "never awaited" not in done.reason, name
        channel.order(Quit())
        text, _ = worker.communicate(timeout=LIMIT_S)
    assert "not JSON{}" in text
    assert "never awaited" not in text


def test_a_test_that_calls_no_benchmark_ends_without_being_ready(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_it(benchmark): pass\ndef test_after(benchmark): benchmark(lambda: 1)")
    with started() as (channel, _):
        collected(channel)
        assert race(channel, "test_it") == [PASSED]
        assert kinds(race(channel, "test_after", 2)) == [Ready, Timed, Done]


def test_a_test_that_fails_later_answers_with_its_end_instead_of_a_block(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        def test_it(benchmark):
            left = [1, 2, 3]
            benchmark(lambda: left.pop())
        """
    )
    with started() as (channel, _):
        collected(channel)
        ready, block, done = race(channel, "test_it", 2, 1)
        assert kinds([ready, block]) == [Ready, Timed]
        assert done.outcome == "failed"
        assert "pop from empty list" in done.reason


OPTIONS = {
    "disable": ("--benchmark-disable", "--strict-markers"),
    "skip": ("--benchmark-skip", "--maxfail=1"),
    "expressions": ("-m", "slow", "-k", "nothing", "-W", "error", "--deselect=test_it.py::test_it"),
    "only": ("-m", "not slow", "--benchmark-only", "--benchmark-autosave", "--benchmark-histogram=plot"),
    "reports": ("--junitxml=report.xml", "--import-mode=importlib", "--benchmark-compare"),
    "last failed": ("--lf", "--ff", "--sw"),
    "xdist": ("-n", "2"),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_the_suite_s_own_options_do_not_stop_a_race(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(test_it=f"{ONE}\ndef test_other(): assert False")
    pytester.makeini("[pytest]\nmarkers = slow")
    cache = pytester.path / ".pytest_cache" / "v" / "cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text('{"test_it.py::test_other": true}')
    before = {*pytester.path.rglob("*.xml"), *pytester.path.rglob("*.json"), *pytester.path.rglob("*.svg")}
    with started(*options, more_plugins="-n" in options) as (channel, worker):
        answer = collected(channel)
        assert "test_it.py::test_it" in answer.nodeids
        assert kinds(race(channel, "test_it", 10)) == [Ready, Timed, Done]
        channel.order(Quit())
        text, _ = worker.communicate(timeout=LIMIT_S)
        assert worker.returncode == 0, text
    assert before == {*pytester.path.rglob("*.xml"), *pytester.path.rglob("*.json"), *pytester.path.rglob("*.svg")}


def test_a_failure_and_a_collection_error_cost_only_their_own_tests_even_with_exitfirst(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_a="raise ImportError('undefined symbol: fast')\ndef test_it(benchmark): pass",
        test_it="def test_fails(benchmark): assert False\ndef test_it(benchmark): benchmark(lambda: 1)",
    )
    folder = pytester.mkdir("folder")
    (folder / "conftest.py").write_text("raise ImportError('undefined symbol: slow')")
    (folder / "test_b.py").write_text(ONE)
    with started("-x", *NO_CACHE) as (channel, worker):
        answer = collected(channel)
        assert sorted(answer.nodeids) == ["test_it.py::test_fails", "test_it.py::test_it"]
        of_file, of_folder = answer.errors.values()
        assert [*answer.errors] in (["test_a.py", "folder"], ["folder", "test_a.py"])
        assert {"undefined symbol: fast" in of_file, "undefined symbol: fast" in of_folder} == {True, False}
        assert race(channel, "test_fails", following="test_it")[-1].outcome == "failed"
        assert kinds(race(channel, "test_it", 2)) == [Ready, Timed, Done]
        channel.order(Quit())
        assert worker.wait(LIMIT_S) in {0, 1}


def test_equal_seeds_draw_alike_wherever_a_suite_draws_and_whatever_ran_before(pytester: pytest.Pytester) -> None:
    """At import of conftest.py and test file, by random and a NumPy imported late, in fixtures, in the test."""
    pytester.makeconftest("import random\nAT_IMPORT = random.random()")
    pytester.makepyfile(
        test_early="import random\nrandom.seed()",
        test_it="""
        import random, sys
        from conftest import AT_IMPORT
        LATE, FIRST = "numpy" not in sys.modules, random.random()
        import numpy as np
        SECOND, THIRD = np.random.random(), random.random()

        import pytest

        @pytest.fixture
        def data():
            return random.random(), np.random.random()

        @pytest.fixture(scope="session")
        def shared():
            return random.random(), np.random.random()

        @pytest.mark.parametrize("size", [1, 2])
        def test_it(benchmark, data, shared, size):
            found = (AT_IMPORT, FIRST, SECOND, THIRD, *data, *shared, random.random(), np.random.random())
            benchmark.group = repr((LATE, *map(float, found)))
            benchmark(lambda: 1)

        def test_before(benchmark):
            random.seed(), np.random.seed()
            benchmark(lambda: 1)
        """,
    )
    with ExitStack() as stack:
        channels = [
            stack.enter_context(started(*NO_CACHE, "-p", "no:randomly", seed=seed))[0] for seed in (1, 1, 2)
        ]  # all start at once
        for channel in channels:
            collected(channel)
        race(channels[1], "test_before")
        first, second, other = ([said(channel, f"test_it[{size}]") for size in (1, 2)] for channel in channels)
    assert first == second
    one, two = first
    assert one[0] is True
    for index in range(1, len(one)):
        assert one[index] != other[0][index], index
        assert (one[index] != two[index]) is (index >= 5), index


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a system whose processors cannot be chosen")
def test_codspeed_in_a_suite_s_own_configuration_takes_no_times(pytester: pytest.Pytester) -> None:
    """Base's own tree is run with the configuration that it has."""
    pytest.importorskip("pytest_codspeed", reason="pytest-codspeed is not installed")
    pytester.makeini("[pytest]\naddopts = -p pytest_codspeed.plugin --codspeed\n")
    pytester.makepyfile(test_it="def test_it(benchmark): assert benchmark(len, [1]) == 1")
    with started() as (channel, _):
        collected(channel)
        assert race(channel, "test_it", 1)[-1] == PASSED


def test_what_a_suite_changes_at_import_is_undone_and_a_block_is_pinned_as_ordered(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_it="""
        import gc, os
        ALL = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(ALL)})
        gc.freeze()

        def test_it(benchmark):
            seen = []
            gc.freeze()
            os.sched_setaffinity(0, {max(ALL)})
            benchmark(lambda: seen.append((os.sched_getaffinity(0), gc.isenabled(), gc.get_freeze_count())))
            assert seen[1:] == [({min(ALL)}, False, 0)] * 4 + [(ALL, False, 0)] * 2 + [(ALL, True, 0)]
            assert (os.sched_getaffinity(0), gc.isenabled()) == (ALL, True)

        def test_without_gc(benchmark):
            gc.disable()
            benchmark(lambda: 1)
            assert not gc.isenabled()
        """
    )
    lowest = min(os.sched_getaffinity(0))
    with started() as (channel, _):
        collected(channel)
        assert isinstance(ask(channel, Run("test_it.py::test_it", None)), Ready)
        for calls, processor in ((3, lowest), (1, lowest), (2, None)):
            assert isinstance(ask(channel, Block(calls, processor)), Timed)
        assert ask(channel, End()) == PASSED
        assert race(channel, "test_without_gc", 1)[-1] == PASSED


def test_it_is_reported_whether_other_threads_did_the_work(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import threading

        def work():
            sum(range(200_000))

        def in_a_thread():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        def test_plain(benchmark): benchmark(work)
        def test_threaded(benchmark): benchmark(in_a_thread)
        """
    )
    with started() as (channel, _):
        collected(channel)
        assert race(channel, "test_plain", 3)[1].threaded is False
        assert race(channel, "test_threaded", 3)[1].threaded is True


FAKE_TIMEOUT = """
    import os, pytest, threading

    class Specs:
        @pytest.hookspec(firstresult=True)
        def pytest_timeout_set_timer(self, item, settings):
            "As pytest-timeout has it."

    def pytest_addhooks(pluginmanager):
        pluginmanager.add_hookspecs(Specs)

    @pytest.hookimpl(trylast=True)
    def pytest_timeout_set_timer(item, settings):
        os._exit(9)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(item):
        item.ihook.pytest_timeout_set_timer(item=item, settings=None)
        return (yield)
"""


def test_a_timeout_for_each_test_does_not_end_a_race(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a plugin that, in place of pytest-timeout, ends the process as soon as it may set a timer."""
    pytester.makepyfile(test_it=ONE, fake_timeout=FAKE_TIMEOUT)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    with started("-p", "fake_timeout", "-p", "no:timeout") as (channel, _):
        collected(channel)
        assert kinds(race(channel, "test_it", 2)) == [Ready, Timed, Done]


def test_it_starts_without_git(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-benchmark would ask for the names of runs that are saved, by six processes of git and one of `file`."""
    pytester.makepyfile(test_it=ONE)
    asked = pytester.path / "asked"
    for name in ("git", "file"):
        program = pytester.path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {name} $* >>'{asked}'\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{pytester.path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with started() as (channel, _):
        collected(channel)
        assert kinds(race(channel, "test_it", 2)) == [Ready, Timed, Done]
    assert not asked.exists(), asked.read_text()


def test_a_plugin_that_runs_failed_tests_again_does_not_have_one_timed_twice(pytester: pytest.Pytester) -> None:
    """pytest-rerunfailures; a second "ready" would be taken for the answer to another order."""
    pytester.makepyfile(
        test_it="""
        def test_it(benchmark):
            benchmark(lambda: 1)
            assert False, "too bad"

        def test_after(benchmark): benchmark(lambda: 1)
        """
    )
    with started("--reruns=2", *NO_CACHE, more_plugins=True) as (channel, _):
        collected(channel)
        ready, block, done = race(channel, "test_it", 2)
        assert kinds([ready, block, done]) == [Ready, Timed, Done]
        assert done.outcome not in {"passed", "skipped"}
        assert "too bad" in done.reason
        assert race(channel, "test_after", 2)[-1] == PASSED


def test_the_raced_files_are_reported_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        fast="VALUE = 1",
        slow="VALUE = 2",
        unraced="VALUE = 3",
        test_it="""
        import unraced
        from package import part

        def test_one(benchmark): benchmark(lambda: 1)

        def test_two(benchmark):
            import fast
            benchmark(lambda: 1)
        """,
    )
    package = pytester.mkpydir("package")
    (package / "part.py").write_text("VALUE = 4")
    (package / "other.py").write_text("VALUE = 5")
    with started(names=("fast", "slow", "package")) as (channel, _):
        collected(channel)
        reported = [race(channel, name)[0].files for name in ("test_one", "test_two", "test_one")]
    files = [package / "__init__.py", package / "part.py", pytester.path / "fast.py"]
    first, second, third = map(str, (path.resolve() for path in files))
    assert reported == [[first, second], [third], []]


def test_a_crash_closes_the_channel_and_a_hang_is_late(pytester: pytest.Pytester) -> None:
    """A crash is noticed at once, even where the test has started something that lives on."""
    pytester.makepyfile(
        test_it="""
        import os, time
        def test_hangs(benchmark): benchmark(lambda: time.sleep(600))
        def test_crashes(benchmark):
            os.system("sleep 50 > /dev/null 2> /dev/null &")
            benchmark(lambda: os.abort())
        """
    )
    with started() as (channel, worker):
        collected(channel)
        channel.order(Run("test_it.py::test_hangs", None))
        with pytest.raises(Late):
            channel.receive_answer(0.3)
        os.killpg(worker.pid, signal.SIGKILL)
        with pytest.raises(Closed):
            collected(channel)
    with started() as (channel, worker):
        collected(channel)
        channel.order(Run("test_it.py::test_crashes", None))
        with pytest.raises(Closed):
            channel.receive_answer(40)
        assert worker.wait(LIMIT_S) == -signal.SIGABRT
        with pytest.raises(Closed):
            channel.order(Quit())


def test_a_worker_whose_session_is_gone_ends_by_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE)
    with started() as (channel, worker):
        collected(channel)
        assert isinstance(ask(channel, Run("test_it.py::test_it", None)), Ready)
    assert worker.returncode != 0
