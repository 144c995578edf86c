"""Whatever a test does to its worker costs that test only, is noticed at once, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from launching import FEW, Starts, broken, ids, launched, raced
from pytest_benchgate.race import reaper as reapers
from pytest_benchgate.race.launching.results import Failed, FailureKind, Timed
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.worker import boot, messages
from pytest_benchgate.race.worker.channel import Channel, Closed
from pytest_benchgate.race.worker.messages import (
    Block,
    End,
    InvalidMessage,
    Ready,
    Run,
    decode_answer,
    decode_order,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_benchgate.race.launching.plan import Plan, Side

    Sides = Callable[..., tuple[Side, Side]]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are looked for in /proc")
needs_guard = pytest.mark.skipif(not boot.has_guard(), reason="no guard adopts daemons here")
# What a test may do to the pipes of its worker.
PIPES = """
import ctypes, json, os, resource, signal, stat, sys, time, pytest

calls = []

def pipes():
    fds = (int(name) for name in os.listdir("/proc/self/fd"))
    return [fd for fd in fds if fd > 2 and is_pipe(fd)]

def is_pipe(fd):
    try: return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError: return False

def write(data):
    for fd in pipes():
        try: os.write(fd, data)
        except OSError: pass

def again():
    calls.append(1)
    return len(calls) > 1
"""
READY = '{"once_ns": 1, "iterations": 1, "group": null, "files": [], "drawn": ""}'
INVALID = "invalid data on the worker's pipe"
# What is on the pipe before the answer to the first order.
DEBRIS = {
    "debris": "garbage\n",
    "debris without an end": "garbage",
    "not text": "\udcff\udcfe\0\n",
    "no fields": '[1, "Ready", {}]\n',
    "another type": f'[1, "Ready", {READY.replace("null", "[]")}]\n',
    "an order": '[1, "Quit", {}]\n',
    "too deep": "[" * 50_000 + "\n",
    "a message too many": f'[1, "Ready", {READY}]\n',
    "an earlier answer": "Timed 0 9 False None\n",
    "a block without time": "Timed 1 None False None\n",
    "no number": "Timed 1 9 False nan\n",
}
# What a function does to its worker, and what is said of it.
WRITES = {
    "debris": r'write(b"garbage\n")',
    "a_message_too_many": rf"""write(b'[1, "Ready", {READY}]\n')""",
    "ready_for_a_block": rf"""again() and write(b'[2, "Ready", {READY}]\n' * 2)""",
}
ENDS = {
    "leaves_by_os": ("os._exit(7)", "exit status 7"),
    "leaves_by_pytest": ("pytest.exit('enough')", "enough"),
    "leaves_by_keyboard": ("raise KeyboardInterrupt('enough')", "KeyboardInterrupt"),
    "leaves_by_sys": ("sys.exit('enough')", "SystemExit: enough"),
    "closes_few": ("os.closerange(3, 256)", None),
    "closes_all": ("os.closerange(3, 2**16)", "closed or replaced file descriptors"),
    "closes_even_output": ("os.closerange(0, 2**16)", "closed or replaced file descriptors"),
    "closes_all_and_hangs": ("os.closerange(3, 2**16); time.sleep(600)", "its pipe is closed, but it has not ended"),
    "replaces": ("null = os.open(os.devnull, os.O_RDWR); [os.dup2(null, fd) for fd in pipes()]", "closed or replaced"),
    "forks": ("again() or os.fork()", None),
    "ends_its_group": ("signal.signal(15, signal.SIG_IGN); os.killpg(0, 15)", None),
    "kills_its_group": ("os.killpg(0, 9)", "signal SIGKILL"),
    "crashes_while_a_child_lives": ("os.fork() or time.sleep(600); ctypes.string_at(0)", "signal SIGSEGV"),
    "crashes_while_a_daemon_lives": ("os.fork() or (os.setsid(), time.sleep(600)); os.abort()", "signal SIGABRT"),
}


def race_all(sides: Sides, reaper: Starts, bodies: Mapping[str, str], plan: Plan = FEW) -> dict[str, Timed | Failed]:
    """Race one benchmark for each of these bodies of functions, which base does not have, and one more at the end."""
    names = [*bodies, "fine"]
    suite = "import build\n" + "".join(f"def test_{name}(benchmark): benchmark(build.{name})\n" for name in names)
    base = "".join(f"def {name}(): pass\n" for name in names)
    head = PIPES + "".join(f"def {name}():\n    {body}\n" for name, body in {**bodies, "fine": "pass"}.items())
    found = raced(sides(head, base, suite), " ".join(names), plan, reaper)
    assert isinstance(found.pop("fine"), Timed)
    return found


@pytest.mark.parametrize("debris", DEBRIS.values(), ids=DEBRIS.keys())
def test_invalid_data_on_the_pipe_is_no_answer(debris: str) -> None:
    (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
    with closing(Channel(answers_in, orders_out)) as channel:
        channel.order(Run("test_it.py::test_it", None))
        os.write(answers_out, f'{debris}[1, "Ready", {READY}]\n'.encode("utf-8", "surrogateescape"))
        # A valid one too many is noticed as the answer to the next order.
        with pytest.raises(InvalidMessage):  # noqa: PT012
            assert isinstance(channel.receive_answer(60), Ready)
            channel.order(End())
            channel.receive_answer(60)
    os.close(orders_in)
    os.close(answers_out)


def test_the_end_of_a_process_is_noticed_where_the_system_reports_none() -> None:
    """As on macOS: it is asked for now and then while the session waits."""
    (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
    ended = iter([False, False, True])
    with closing(Channel(answers_in, orders_out, lambda: next(ended))) as channel, pytest.raises(Closed):
        channel.receive_answer(60)
    os.close(orders_in)
    os.close(answers_out)


@pytest.mark.parametrize("message", [messages.Timed(7, True, None), messages.Timed(7, False, 0.5)])  # noqa: FBT003
def test_the_short_messages_of_a_block_arrive(message: messages.Timed) -> None:
    line = encode(message, 3)
    assert decode_answer(line.rstrip()) == (3, message)
    for damaged in (
        line[:-6],
        line[:-1] + b" 1",
        b"x" + line,
        line.replace(b"7", b"?"),
        line.replace(b"Timed", b"Block"),
    ):
        with pytest.raises(InvalidMessage):
            decode_answer(damaged.rstrip())
    for block in (Block(9, None), Block(1, 1)):
        assert decode_order(encode(block, 4).rstrip()) == (4, block)


@needs_proc
def test_invalid_data_on_the_pipe_costs_its_test_only(sides: Sides, reaper: Starts) -> None:
    # Each is the first test of its worker, whose order of a run is 1.
    for what in race_all(sides, reaper, WRITES).values():
        broken(what, "head", INVALID, FailureKind.LOST)
    assert reaper.count == 2 * (len(WRITES) + 1)


@pytest.mark.thorough
@needs_proc
@needs_guard
def test_the_end_of_a_worker_costs_its_test_only_and_is_detected_at_once(sides: Sides, reaper: Starts) -> None:
    """Also where a child of it lives on, with the pipe open, or where the process lives on without its pipe."""
    start = time.monotonic()
    found = race_all(sides, reaper, {name: body for name, (body, _) in ENDS.items()})
    assert time.monotonic() - start < FEW.limit_s
    for name, (_, reason) in ENDS.items():
        if reason is None:
            assert isinstance(found[name], Timed), found[name]
        else:
            broken(found[name], "head", reason, FailureKind.FAILED if "by_sys" in name else FailureKind.LOST)


@pytest.mark.thorough
@needs_proc
def test_a_stopped_worker_is_reported_as_stopped(sides: Sides, reaper: Starts) -> None:
    bodies = {"stops": "os.kill(os.getpid(), signal.SIGSTOP)", "stops_its_group": "os.killpg(0, signal.SIGSTOP)"}
    for what in race_all(sides, reaper, bodies, dataclasses.replace(FEW, limit_s=2)).values():
        broken(what, "head", "no answer within 2 s: it is stopped", FailureKind.LATE)


def test_a_worker_that_cannot_be_started_is_named(sides: Sides, reaper: Starts, tmp_path: Path) -> None:
    base, head = sides("ONE = 1")
    both = base, dataclasses.replace(head, python=tmp_path)
    with pytest.raises(SidesError, match=r"the worker of head could not be started: .*Permission denied"):
        launched(both, ids("before"), FEW, reaper)


def test_a_clock_that_stands_or_runs_too_fast_costs_its_test_only(sides: Sides, reaper: Starts) -> None:
    """One of the worker's own: what patches `time` and our modules does not reach it."""
    suite = """
        import build, pytest
        from types import SimpleNamespace
        from pytest_benchgate.race.worker import benchmark as worker, clock

        @pytest.fixture
        def patched(monkeypatch):
            def patch(ns):
                if build.HEAD:
                    now = SimpleNamespace(ns=ns, all_ns=clock.CLOCK.all_ns, own_ns=clock.CLOCK.own_ns)
                    monkeypatch.setattr(worker, "CLOCK", now)
            return patch

        def test_stands(benchmark, patched):
            patched(lambda: 7)
            benchmark(lambda: 1)

        def test_fast(benchmark, patched):
            patched(lambda: 10**6 * clock.CLOCK.ns())
            benchmark(lambda: sum(range(10_000)))

        def test_backwards(benchmark, patched):
            patched(lambda: -clock.CLOCK.ns())
            benchmark(lambda: 1)

        def test_after(benchmark):
            benchmark(lambda: 1)
    """
    found = raced(sides("HEAD = True", "HEAD = False", suite), "stands fast backwards after", FEW, reaper)
    assert isinstance(found.pop("after"), Timed)
    wrong, coarse = "the clock of the test's process is wrong", "take less time than the clock can tell"
    for name, what in found.items():
        # A clock that stands looks like a coarse one if the machine was busy just then.
        is_coarse = name == "stands" and isinstance(what, Failed) and coarse in what.reason
        broken(what, "head", coarse if is_coarse else wrong, FailureKind.LOST)


@pytest.mark.thorough
def test_a_test_that_patches_the_clock_is_timed_by_the_real_one(sides: Sides, reaper: Starts) -> None:
    """And calls that become faster and faster come to an end."""
    pytest.importorskip("freezegun")
    pytest.importorskip("time_machine")
    suite = """
        import build, pytest, time, time_machine
        from freezegun import freeze_time
        from pytest_benchgate.race.worker import benchmark as worker

        def work():
            sum(range(100 * build.FACTOR))

        def test_plain(benchmark):
            benchmark(work)

        @freeze_time("2020-01-01")
        def test_frozen(benchmark):
            assert time.perf_counter_ns() == time.perf_counter_ns()
            benchmark(work)

        @freeze_time("2020-01-01", auto_tick_seconds=1)
        def test_ticks(benchmark):
            benchmark.pedantic(work, iterations=100)

        @time_machine.travel("2020-01-01", tick=False)
        def test_travel(benchmark):
            benchmark(work)

        @pytest.mark.parametrize("module", [time, worker], ids=["time", "worker"])
        def test_patched(benchmark, module, monkeypatch):
            monkeypatch.setattr(module, "perf_counter_ns", lambda: 0, raising=False)
            benchmark(work)

        def test_faster(benchmark):
            left = [1.0]
            def faster():
                left[0] *= 0.7
                time.sleep(left[0])
            benchmark(faster)
    """
    both = sides("FACTOR = 100", "FACTOR = 1", suite)
    found = raced(both, "plain frozen ticks travel patched[time] patched[worker] faster", FEW, reaper)
    assert isinstance(found.pop("faster"), Timed)
    for name, what in found.items():
        assert isinstance(what, Timed), (name, what)
        assert what.number > 2, name
    assert reaper.count == 2


@pytest.mark.thorough
@needs_guard
def test_daemons_end_with_their_worker(sides: Sides, reaper: Starts) -> None:
    """In sessions and groups of their own, without their environment, of a test that passes, hangs or crashes."""
    daemons = """
        import os, subprocess, sys, time
        LIVE = "import os, time; open('daemon', 'a').write(f'{os.getpid()} '); time.sleep(600)"

        def daemon():
            if not os.fork():
                os.setsid()
                os.fork() or os.execve(sys.executable, [sys.executable, "-c", LIVE], {})
                os._exit(0)
            os.wait()
            subprocess.Popen([sys.executable, "-c", LIVE], start_new_session=True)
            while not os.path.exists("daemon") or open("daemon").read().count(" ") % 2: time.sleep(0.01)

        def wraps(): daemon()
        def crashes(): daemon(); os.abort()
        def hangs(): daemon(); time.sleep(600)
    """
    suite = """
        import build, pytest

        @pytest.mark.parametrize("name", ["wraps", "crashes", "hangs"])
        def test_it(benchmark, name):
            benchmark.pedantic(getattr(build, name, lambda: 1))
    """
    both = sides(daemons, "HEAD = False", suite)
    start = time.monotonic()
    names = ["wraps", "crashes", "hangs"]
    plan = dataclasses.replace(FEW, limit_s=3)
    found = launched(both, [f"test_it.py::test_it[{name}]" for name in names], plan, reaper)
    assert [type(result) for result in found.values()] == [Timed, Failed, Failed], found
    assert time.monotonic() - start < 60
    pids = [int(pid) for pid in (both[1].folder / "daemon").read_text().split()]
    assert len(pids) >= 6
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_the_reaper_and_the_guard_use_the_same_signal() -> None:
    assert reapers.END == boot.END
