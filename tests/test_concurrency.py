"""Ctrl-C, threads, the GIL and fork()."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from logmap_cy import _threads, logmap
from logmap_cy.rows.prange import openmp_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Case, Oracle


def interrupted_after(delay_s: float, call: Callable[[], object]) -> float:
    """Return the seconds between Ctrl-C, delay_s after the start of call, and its KeyboardInterrupt."""
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        _thread.interrupt_main()

    timer = threading.Timer(delay_s, interrupt)

    def start() -> None:
        timer.start()
        call()

    # A shell without job control starts what runs in its background with SIGINT ignored, and Python leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
        return time.monotonic() - sent[0]
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


def slowdown() -> float:
    """Return how many times its processor time a call takes at the moment: 1 on a quiet machine."""
    begin, own = time.monotonic(), time.thread_time()
    while time.thread_time() < own + 0.02:
        pass
    return max((time.monotonic() - begin) / 0.02, 1.0)


@pytest.mark.parametrize(("length", "num"), [(3, 10**12), (2**22, 10**6)], ids=["few-elements", "many-elements"])
def test_ctrl_c_is_answered_within_a_second(case: Case, length: int, num: int, oracle: Oracle) -> None:
    x = np.arange(length)
    out = np.zeros_like(x)
    case(x[:7])  # an OpenCL program is built before, once
    # Other processes may delay it, by more than they delay what comes next, but not each time.
    assert any(interrupted_after(0.1, lambda: case(x, num, out=out)) < slowdown() for _ in range(5))
    # The owner of out can go on using it at once: nothing writes to it any more, nothing was moved or freed.
    out[:] = -1
    np.testing.assert_array_equal(case(x[:64]), oracle(x[:64], 10, 6700417, 22))
    assert np.all(out == -1)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system cannot interrupt after some milliseconds")
@pytest.mark.parametrize("in_place", [False, True])
def test_ctrl_c_leaves_no_element_of_another_place(*, in_place: bool) -> None:
    """NumPy writes its buffers back whatever happens, also one that was being filled."""
    x = np.arange(2**21)
    allowed = [x, *(logmap(x, num) for num in range(1, 11))]
    strided = np.empty(2 * len(x), x.dtype)[::2]
    out = strided if in_place else np.empty(2 * len(x), x.dtype)[::2]
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for delay_ms in range(1, 21):
            strided[:] = x
            out[:] = x if in_place else -1
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, delay_ms * 5e-4)
                logmap(strided, out=out, threads=1)
                while True:
                    time.sleep(1)
            other = out != -1
            for steps in allowed:
                other &= out != steps
            assert not other.any(), (delay_ms, np.flatnonzero(other))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_gil_is_released_while_computing(native_case: Case) -> None:
    """With an endless switch interval, another thread runs only where the GIL is given up."""
    compute = native_case.row.load(native_case.device)
    x = np.arange(2**20)
    out = np.empty_like(x)
    compute(x, out, 10, 6700417, 22, 1)
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0.0001)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        sys.setswitchinterval(1000)
        before = ticks
        # A call takes 3 ms, in which a busy machine may not let the other thread run.
        end = time.monotonic() + 60
        while ticks == before:
            assert time.monotonic() < end
            compute(x, out, 50, 6700417, 22, 1)
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()


def test_concurrent_calls_do_not_disturb_each_other(case: Case, oracle: Oracle) -> None:
    arrays = [np.arange(start, start + 4099) for start in range(0, 80_000, 10_000)]
    moduli = [61, 6700417]
    jobs = [(x, p) for x in arrays for p in moduli] * 3
    expected = {(id(x), p): oracle(x, 10, p, 22) for x, p in jobs}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda job: case(job[0], 10, job[1]), jobs))
    for (x, p), answer in zip(jobs, answers, strict=True):
        np.testing.assert_array_equal(answer, expected[id(x), p])


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=os.sep,
    )


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system cannot interrupt after some milliseconds")
def test_ctrl_c_while_workers_start_leaves_none_behind() -> None:
    """A worker that nobody knows of keeps stdout open, and one that is waited for the interpreter from ending."""
    done = python("""
        import signal, time, numpy as np
        from logmap_cy import logmap
        x = np.arange(2**16)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see interrupted_after
        logmap(x, implementation="list_pool", threads=2)  # the server that starts them is there

        def press(*_):
            global presses
            if presses:  # none is left where the timer was quicker than its end
                presses -= 1
                signal.raise_signal(signal.SIGINT)

        signal.signal(signal.SIGALRM, press)
        interrupted = 0
        for number, tenths_ms in enumerate((*range(1, 31), *range(35, 200, 8))):  # a pool is made, and works
            presses = 1 + number % 2  # the second one while the first is answered
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, tenths_ms * 1e-4, (1 + number % 7) * 2e-5)
                    logmap(x, implementation="list_pool", threads=4)
                    time.sleep(1)
                finally:
                    while presses:
                        time.sleep(1e-3)
            except KeyboardInterrupt:
                signal.setitimer(signal.ITIMER_REAL, 0)
                interrupted += 1
        expected = logmap(x)
        print(interrupted, (logmap(x, implementation="list_pool", threads=4) == expected).all())
    """)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "51 True", "")


POOL_ROWS = ("python_pool", "python_inlined_pool", "list_pool", "list_window")


@pytest.mark.parametrize("as_module", [False, True], ids=["script", "module"])
def test_a_script_without_a_main_guard_may_use_the_pools(tmp_path: Path, *, as_module: bool) -> None:
    """Workers of multiprocessing import the main script, which would start itself again."""
    tmp_path.joinpath("script.py").write_text(
        textwrap.dedent(f"""
            print("starts", __file__ is not None, __spec__ is not None)
            from logmap_cy import logmap
            x = [*range(300)]
            expected = logmap(x).tolist()
            for row in {POOL_ROWS}:
                print(row, logmap(x, implementation=row, threads=2).tolist() == expected)
            print("ends", __file__ is not None, __spec__ is not None)
        """)
    )
    done = subprocess.run(
        [sys.executable, *(["-m", "script"] if as_module else ["script.py"])],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    lines = [f"starts True {as_module}", *(f"{row} True" for row in POOL_ROWS), f"ends True {as_module}"]
    assert (done.stdout.splitlines(), done.stderr) == (lines, "")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system cannot interrupt after some milliseconds")
def test_a_signal_handler_may_call_the_pool_that_it_interrupts() -> None:
    done = python("""
        import signal, time, numpy as np
        from logmap_cy import logmap
        x = np.arange(2**14)
        expected = logmap(x)
        answers = []
        def compute(threads):
            return bool((logmap(x, implementation="list_pool", threads=threads) == expected).all())
        signal.signal(signal.SIGALRM, lambda *_: answers.append(compute(2)))
        assert compute(2)
        for index in range(120):
            signal.setitimer(signal.ITIMER_REAL, (index % 60 + 1) * 1e-4)
            assert compute(2 + index % 3)  # pools are made and let go meanwhile
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(len(answers) > 20, all(answers))
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")


def test_pools_that_are_let_go_finish_the_calls_under_way(oracle: Oracle) -> None:
    """More numbers of workers at the same time than pools are kept."""
    x = np.arange(300)
    expected = oracle(x, 10, 6700417, 22)

    def compute(threads: int) -> None:
        for _ in range(3):
            answers = logmap(x, implementation="list_pool", threads=threads)
            np.testing.assert_array_equal(answers, expected)

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(compute, range(2, 6)))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="waits for processes as POSIX lists them")
@pytest.mark.skipif(bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="the workers are threads")
def test_released_pools_end_their_processes() -> None:
    done = python("""
        import multiprocessing, time, numpy as np
        from logmap_cy import logmap, release
        from logmap_cy.rows import pool
        logmap(np.arange(300), implementation="list_pool", threads=2)
        processes = [*pool._pools.kept[2]._processes.values()]
        release()
        end = time.monotonic() + 60
        while any(process.is_alive() for process in processes) and time.monotonic() < end:
            time.sleep(0.01)
        print(len(processes), any(process.is_alive() for process in processes))
    """)
    assert (done.stdout, done.stderr) == ("2 False\n", "")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="without groups of processes Ctrl-C goes to one")
@pytest.mark.parametrize("delay_ms", [1, 15, 30, 60, 120])
def test_ctrl_c_in_a_terminal_is_for_the_caller_alone(delay_ms: int) -> None:
    """A terminal sends it to every process of the group, also to those that are being started."""
    code = """
        import signal, numpy as np
        from logmap_cy import logmap
        from logmap_cy.rows import pool
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see interrupted_after
        try:
            print("ready", flush=True)
            while True:
                logmap(np.arange(2**16), implementation="list_pool", threads=2)
        except KeyboardInterrupt:
            print("interrupted")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=os.sep,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(1e-3 * delay_ms)
        os.killpg(process.pid, signal.SIGINT)
        try:
            assert process.communicate(timeout=60) == ("interrupted\n", "")
        finally:
            process.kill()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork() is POSIX")
def test_a_forked_child_computes_and_does_not_hang() -> None:
    """GNU's OpenMP hangs for ever in a forked child that uses threads after its parent did."""
    done = python("""
        import os, numpy as np
        from logmap_cy import logmap
        x = np.arange(2**18)
        parent = logmap(x, implementation="prange", threads=2)
        pid = os.fork()
        if pid == 0:
            child = logmap(x, implementation="prange", threads=2)
            os._exit(0 if (child == parent).all() else 1)
        print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    assert (done.stdout, done.stderr) == ("child 0\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork() is POSIX")
def test_opencl_is_refused_in_a_forked_child_and_says_why(opencl_case: Case) -> None:
    done = python(f"""
        import os
        from logmap_cy import logmap
        logmap([1], implementation="{opencl_case.row}")
        pid = os.fork()
        if pid == 0:
            try:
                logmap([1], implementation="{opencl_case.row}")
            except ValueError as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
    """)
    assert "does not survive" in done.stdout
    assert "spawn" in done.stdout


def test_threads_none_follows_openmp_and_the_affinity() -> None:
    code = "from logmap_cy import _threads as t; from logmap_cy.rows import prange as p;"
    code += " print(t.available(), p.openmp_threads())"
    assert python(code, OMP_NUM_THREADS="1").stdout.split()[0] == "1"
    built_with_openmp = python(code).stdout.split()[1] != "0"
    if built_with_openmp:
        assert python(code, OMP_NUM_THREADS="7").stdout.split() == [str(min(7, _threads.cores())), "7"]
    if hasattr(os, "sched_setaffinity"):
        one = min(os.sched_getaffinity(0))
        pinned = f"import os, logmap_cy.rows.prange; os.sched_setaffinity(0, [{one}]); {code}"
        assert python(pinned).stdout.split()[0] == "1"


@pytest.mark.skipif(not openmp_threads(), reason="a build without OpenMP has one thread")
def test_threadpoolctl_s_limits_count() -> None:
    with threadpool_limits(1):
        assert _threads.available() == 1
    with threadpool_limits(10**3):
        assert _threads.available() == _threads.cores()


def test_threads_are_never_more_than_the_machine_s_cores() -> None:
    assert _threads.resolve(10**9, 10**12, 1) in {os.cpu_count(), 1}
    assert _threads.resolve(1, 10**12, 1) == 1


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux lists them")
@pytest.mark.skipif(openmp_threads() < 2, reason="one thread, or a build without OpenMP")
def test_threads_that_rest_are_gone_and_come_back() -> None:
    done = python("""
        import os, sys, time
        import numpy as np
        from logmap_cy import _threads, logmap

        def count():
            return len(os.listdir("/proc/self/task"))

        before, x = count(), np.arange(2**20)
        for _ in range(3):
            answers = logmap(x, 10, 6700417, 22, implementation="prange", threads=2)
            working = count()
            _threads.rest()
            end = time.monotonic() + 10
            while count() > before and time.monotonic() < end:
                time.sleep(0.001)
            print(working - before, count() - before, int((answers == logmap(x, 10, 6700417, 22)).all()))
        pid = os.fork()
        if pid == 0:
            _threads.rest()
            os._exit(0)
        print(os.waitpid(pid, 0)[1])
    """)
    assert done.stdout.split() == ["1", "0", "1"] * 3 + ["0"], done.stderr


def test_threads_none_leaves_each_enough_to_do() -> None:
    assert _threads.resolve(None, 10**12, None) == 1  # an implementation of one thread
    assert _threads.resolve(None, 199, 100) == 1
    assert _threads.resolve(None, 200, 100) in {2, 1}
    assert _threads.resolve(None, 10**12, 100) == _threads.available()
    assert _threads.resolve(2, 1, 100) in {2, 1}  # what is asked for is done


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu.max": "nonsense\n"}, None),
    ],
)
def test_cores_are_within_the_container_s_quota(
    files: dict[str, str], processors: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(_threads, "CGROUP", tmp_path)
    _threads._quota.cache_clear()
    assert _threads.cores() == (processors or everything)
    monkeypatch.undo()
    _threads._quota.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="resource is POSIX")
@pytest.mark.parametrize("dtype", [pytest.param("int32", marks=pytest.mark.thorough), "int64"])
def test_a_call_with_out_needs_no_memory_of_the_array_s_size(native_case: Case, dtype: str) -> None:
    """One megabyte a thread at most, but for what the row itself says it needs."""
    if native_case.row.name == "numpy_article" or native_case.device:
        return  # whole-array temporaries are what it stands for; a device's driver has buffers of its own
    done = python(f"""
        import resource, numpy as np
        from logmap_cy import _threads, logmap
        x = np.arange(2**22, dtype="{dtype}")
        out = np.zeros_like(x)
        def call():
            logmap(x, out=out, implementation="{native_case.row}")
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        logmap(x[:2**20], out=out[:2**20], implementation="{native_case.row}")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(call() - before, _threads.available())
    """)
    grown, threads = map(int, done.stdout.split())
    kilobyte = 1024 if sys.platform == "darwin" else 1
    assert grown / kilobyte <= 1024 * threads


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs a free-threaded build of Python")
def test_the_compiled_modules_keep_a_free_threaded_build_free() -> None:
    done = python(
        """
        import sys
        from logmap_cy import logmap, implementations
        for row in implementations():
            if row.kind in ("numpy", "cython", "objects") and not row.known_wrong and not row.unavailable:
                logmap([1, 2, 3], implementation=row.name)
        print(sys._is_gil_enabled())
    """,
        PYTHON_GIL="",
    )
    assert done.stdout == "False\n", done.stderr


def test_in_place_calls_of_one_thread_each() -> None:
    """Eight threads, each in place on its own part of one array."""
    memory = np.arange(8 * 1001)
    expected = logmap(memory)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda part: logmap(part, out=part), memory.reshape(8, 1001)))
    np.testing.assert_array_equal(memory, expected)
