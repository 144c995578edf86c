"""The longest chunk within a time budget, and logmap on an event loop that goes on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from logmap_cy import logmap
from logmap_cy._request import check
from logmap_cy.chunks import asynchronous, calibrate
from logmap_cy.chunks.asynchronous import Pace, logmap_async, yield_to_loop
from logmap_cy.chunks.calibrate import Watch, calibrate_chunk
from logmap_cy.rows.objects import map_list

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from conftest import Case, Oracle
    from logmap_cy._contract import Array

TICK = 1e-3
P, MU = 6700417, 22


@pytest.fixture(autouse=True)
def undisturbed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no measurement discarded because the system preempted the test, which a simulated clock does not show."""
    if "busy" not in request.fixturenames:
        monkeypatch.setattr(calibrate, "preemptions", lambda: 0)


class Simulated:
    """A function of a length, and the clock that it moves by cost(length, calls before it)."""

    def __init__(self, cost: Callable[[int, int], float]) -> None:
        self.cost, self.now = cost, 0.0
        self.taken: list[float] = []

    def __call__(self, length: int) -> None:
        self.taken.append(self.cost(length, len(self.taken)))
        self.now += self.taken[-1]

    def clock(self) -> float:
        return self.now

    def calibrated(self, **options: Any) -> int:
        return calibrate_chunk(self, clock=self.clock, **options)


@pytest.mark.parametrize(
    ("cost", "longest"),
    [
        (lambda length, _: 1e-6 * length, 1000),
        (lambda length, _: 3e-4 + 1e-6 * length, 700),
        (lambda length, _: 9.9e-4 + 1e-8 * length, 1000),
        (lambda length, _: 1e-12 * length**3, 1000),
        (lambda length, call: 1e-6 * length + (5 if call == 0 else 0), 1000),  # a cold first call
        (lambda length, _: 2e-6 * length if length < 600 else 1e-7 * length, 500),  # not monotone: the first range
    ],
    ids=["linear", "affine", "mostly-constant", "cubic", "cold", "non-monotone"],
)
def test_the_longest_is_found_to_three_percent(cost: Callable[[int, int], float], longest: int) -> None:
    assert 0.968 * longest <= Simulated(cost).calibrated() <= longest * (1 + 1e-9)


@pytest.mark.parametrize("longest", [1, 2, 3, 7, 8, 9, 31])
def test_a_short_longest_is_exact(longest: int) -> None:
    assert Simulated(lambda length, _: 1e-3 * length).calibrated(budget=1e-3 * (longest + 0.5)) == longest


def test_most_ends_the_growth() -> None:
    quick = Simulated(lambda length, _: 1e-9 * length)
    assert quick.calibrated(most=12345) == 12345
    assert Simulated(lambda length, _: 1e-10 * length).calibrated() == 2**20
    assert Simulated(lambda length, _: 1e-10 * length).calibrated(most=1) == 1


def test_the_search_overshoots_at_most_about_twice_and_not_often() -> None:
    linear = Simulated(lambda length, _: 1e-6 * length)
    linear.calibrated(budget=1e-3)
    assert max(linear.taken) <= 2e-3
    assert sum(taken > 1e-3 for taken in linear.taken) < 50


@pytest.mark.parametrize("spread", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99, 0.999])
def test_so_many_calls_keep_the_budget_whatever_the_jitter(confidence: float, spread: float) -> None:
    random = np.random.default_rng(1)
    length = Simulated(lambda length, _: 1e-6 * length * random.lognormal(0, spread)).calibrated(confidence=confidence)
    within = np.mean(1e-6 * length * random.lognormal(0, spread, 10**5) <= 1e-3)
    assert 1 - within <= 1.5 * (1 - confidence)  # a little too long is verified once in a while
    quantile = np.quantile(random.lognormal(0, spread, 10**5), confidence)
    assert length * quantile >= 500  # half of the longest


def test_a_length_that_is_too_long_is_seldom_verified() -> None:
    random = np.random.default_rng(2)
    verified = 0
    for _ in range(300):
        missing = Simulated(lambda _, __: float(random.random() < 0.11))
        with contextlib.suppress(ValueError):
            verified += missing.calibrated(budget=0.5, confidence=0.9, most=1)
    assert verified <= 25  # one of twenty expected at most, and that at the worst share, 0.1


@pytest.mark.parametrize("share", [0.0005, 0.002])
def test_rare_huge_outliers_do_not_matter(share: float) -> None:
    random = np.random.default_rng(3)
    for _ in range(5):
        noisy = Simulated(lambda length, _: 10.0 if random.random() < share else 1e-6 * length)
        assert 850 <= noisy.calibrated() <= 1000


def test_a_burst_of_noise_while_the_chunk_is_short_does_not_matter() -> None:
    noisy = Simulated(lambda length, call: 0.01 if 40 <= call < 44 else 1e-6 * length)
    assert noisy.calibrated() >= 968


def test_noise_that_no_length_avoids_is_an_error_and_comes_to_an_end() -> None:
    random = np.random.default_rng(4)
    noisy = Simulated(lambda length, _: 0.02 if random.random() < 0.1 else 1e-6 * length)
    with pytest.raises(
        ValueError, match=r"budget=0.001: \d+ of \d+ calls of length 1 took longer, the median call 1e-06"
    ):
        noisy.calibrated()
    assert len(noisy.taken) < 10**4


def test_a_single_element_beyond_the_budget_is_an_error_with_the_time() -> None:
    slow = Simulated(lambda length, _: 0.5 * length)
    with pytest.raises(ValueError, match=r"budget=0.1: .* length 1 .* median call 0.5 s .* pass a larger budget"):
        slow.calibrated(budget=0.1)
    assert len(slow.taken) < 20


BAD_CALIBRATIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    (dict(function=None), TypeError, "function=None is not callable"),
    (dict(budget=0), ValueError, "budget=0 is not a number of seconds above 0"),
    (dict(budget=-1e-3), ValueError, "budget=-0.001"),
    (dict(budget=float("nan")), ValueError, "budget=nan"),
    (dict(budget=float("inf")), ValueError, "budget=inf"),
    (dict(budget="1"), TypeError, "budget='1' is not a number"),
    (dict(budget=True), TypeError, "budget=True is not a number"),
    (dict(confidence=0), ValueError, r"confidence=0 is outside \(0, 1\)"),
    (dict(confidence=1.0), ValueError, "confidence=1.0 is outside"),
    (dict(confidence=float("nan")), ValueError, "confidence=nan is outside"),
    (dict(confidence=None), TypeError, "confidence=None is not a number"),
    (dict(most=0), ValueError, "most=0 is below 1"),
    (dict(most=2.5), TypeError, "most=2.5 is not an integer"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), BAD_CALIBRATIONS)
def test_bad_arguments_are_refused_before_any_call(
    arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    calls: list[int] = []
    with pytest.raises(kind, match=message):
        calibrate_chunk(**(dict(function=calls.append) | arguments))
    assert calls == []


def test_what_the_function_raises_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        calibrate_chunk(lambda length: 1 // (length - 1))


def test_a_real_function() -> None:
    clock = time.perf_counter if sys.platform == "win32" else time.thread_time  # Windows counts that in 16 ms
    values = [*range(2**16)]

    def seconds(length: int) -> float:
        start = clock()
        map_list(values[:length], 10, P, MU)
        return clock() - start

    found = calibrate_chunk(
        lambda length: map_list(values[:length], 10, P, MU),
        confidence=0.9, most=len(values), clock=clock,
    )  # fmt: skip
    # A machine may change its speed; a mistake of units is a factor of 1000.
    assert 1e-4 < np.median([seconds(found) for _ in range(30)]) < 1e-2


@pytest.fixture
def busy() -> Iterator[None]:
    """As many busy processes as there are cores."""
    spin = [sys.executable, "-S", "-c", "while True: pass"]
    processes = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]
    time.sleep(0.3)
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
@pytest.mark.usefixtures("busy")
def test_measurements_that_the_system_disturbed_do_not_count_but_every_second() -> None:
    watch = Watch(time.perf_counter)
    own = Watch(time.thread_time)

    def spun() -> tuple[bool, float, bool]:
        watch.start()
        own.start()
        end = time.perf_counter() + 0.2
        while time.perf_counter() < end:
            pass
        taken, counts = own.stop()
        return watch.stop()[1], taken, counts

    assert not spun()[0]
    watch._spare = 0
    assert spun()[0]
    counted, taken, counts = spun()
    assert not counted
    assert counts  # the thread's own time stands still meanwhile
    assert taken < 0.19


def test_the_pace_keeps_the_budget_in_all_but_one_of_a_hundred_chunks() -> None:
    random = np.random.default_rng(5)
    simulated = Simulated(lambda work, _: 1e-6 * work * random.lognormal(0, 0.1))
    pace = Pace(100, 1e-3, simulated.clock)
    works = []
    for chunk in range(20_000):
        pace.watch.start()
        simulated(int(pace.work))
        pace.learn(whole=True)
        if chunk == 20:
            assert pace.work > 400  # far below the budget it grows at once
        works.append(pace.work)
    assert 0.003 < np.mean(np.array(simulated.taken) > 1e-3) < 0.02
    assert 650 < np.median(works) < 850  # the quantile 0.99 of the jitter is 1.26


def test_the_pace_follows_a_machine_that_becomes_slower_and_ignores_what_is_not_whole() -> None:
    simulated = Simulated(lambda work, call: 1e-6 * work * (20 if call > 50 else 1))
    pace = Pace(900, 1e-3, simulated.clock)
    for _ in range(100):
        pace.watch.start()
        simulated(int(pace.work))
        pace.learn(whole=True)
    assert sum(taken > 1e-3 for taken in simulated.taken) <= 10
    assert 20 <= pace.work <= 50
    before = pace.work
    for _ in range(10):
        pace.watch.start()
        pace.learn(whole=False)
    assert pace.work == before


@pytest.mark.parametrize(("share", "least"), [(0.2, 100), (0.9, 60)])
def test_noise_at_any_length_does_not_bring_the_pace_down_to_nothing(share: float, least: float) -> None:
    random = np.random.default_rng(7)
    simulated = Simulated(lambda work, _: 0.008 if random.random() < share else 1e-6 * work)
    pace = Pace(1000, 1e-3, simulated.clock, least=60)
    works = []
    for _ in range(2000):
        pace.watch.start()
        simulated(int(pace.work))
        pace.learn(whole=True)
        works.append(pace.work)
    assert np.median(works) >= least


@pytest.mark.parametrize("num", [1, 7, 999, 1000, 1400, 10**5])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_job_is_cut_into_chunks_that_fill_the_budget_and_keep_it(num: int, stride: int) -> None:
    simulated = Simulated(lambda work, _: 1e-6 * work)
    length = 2 * 10**6 // num + 70

    def compute(x: Array, out: Array, steps: int, *_: int) -> None:
        simulated(len(x) * steps)
        out[:] = x + steps

    x = np.arange(stride * length)[::stride]
    out = np.zeros_like(x)
    job = asynchronous._Job(compute, check(x, num, P, MU, out, 1, "memoryview", None))
    asyncio.run(job._run(Pace(60_000, 0.06, simulated.clock)))
    np.testing.assert_array_equal(out, x + num)
    assert max(simulated.taken) <= 0.061
    assert len(simulated.taken) <= 2.5 * simulated.now / 0.06 + 3


def run(x: Any, *args: Any, **options: Any) -> Array:
    return asyncio.run(logmap_async(x, *args, **options))


def layouts(x: Array) -> dict[str, Array]:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = memory[1:].view(x.dtype)
    unaligned[:] = x
    table = x[:3000].reshape(30, 100)
    return {
        "plain": x,
        "reversed": x[::-1],
        "strided": x[::3],
        "fortran": np.asfortranarray(table),
        "transposed": table.T,
        "cut": table[3:, 5:70:2],
        "three": table.reshape(30, 10, 10).transpose(2, 0, 1)[::2],
        "swapped": x.astype(x.dtype.newbyteorder()),
        "unaligned": unaligned,
        "broadcast": np.broadcast_to(x[:100], (70, 100)),
        "one": x[7:8],
        "no-dimension": x[7].reshape(()),
        "empty": x[:0],
    }


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64"])
@pytest.mark.parametrize("name", layouts(np.zeros(3000, np.int64)))
def test_the_answer_is_logmap_s(name: str, dtype: str) -> None:
    limits = np.iinfo(dtype)
    x = np.random.default_rng(6).integers(limits.min, limits.max, 30_000, dtype, endpoint=True)
    source = layouts(x)[name]
    before = source.copy()
    for num in (0, 1, 10, 300):
        expected = logmap(source, num)
        answer = run(source, num)
        np.testing.assert_array_equal(answer, expected)
        assert (answer.dtype, answer.strides) == (expected.dtype, expected.strides)
        out = np.empty_like(source)[..., ::-1] if source.ndim else np.empty_like(source)
        assert run(source, num, out=out) is out
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(source, before)


@pytest.mark.parametrize("name", ["plain", "strided", "cut", "swapped", "unaligned"])
@pytest.mark.parametrize("num", [10, 50_000])
def test_in_place_and_with_steps_that_are_cut(name: str, num: int) -> None:
    source = layouts(np.arange(3000))[name]
    if num > 10:
        source = source[..., :7]
    expected = logmap(source, num)
    assert run(source, num, out=source, implementation="memoryview", budget=3e-4) is source
    np.testing.assert_array_equal(source, expected)


def test_every_implementation(case: Case, oracle: Oracle) -> None:
    if case.row.name == "list_window":
        return  # calibrates itself, half a second and more for each number of steps that is asked for
    x = np.arange(-500, 501, dtype=np.int64)
    for num in (10, 27):
        answer = run(x, num, implementation=case.row.name, device=case.device, budget=0.05)
        np.testing.assert_array_equal(answer, oracle(x, num, P, MU))


def test_the_parameters_of_logmap() -> None:
    x = np.arange(5000, dtype=np.uint64)
    for p, mu in ((61, 22), (2**32, 3), (2**45, 5), (2**64, 7), (1, 1), (6700417, -22)):
        np.testing.assert_array_equal(run(x, 10, p, mu), logmap(x, 10, p, mu))
    np.testing.assert_array_equal(run([1, 2, 3], p=61), [28, 25, 37])
    np.testing.assert_array_equal(run(x, threads=2, implementation="prange"), logmap(x))
    np.testing.assert_array_equal(run(x, threads=None), logmap(x))


@pytest.mark.parametrize(
    "bad",
    [
        dict(x=[1.5]),
        dict(num=-1),
        dict(num=2**63),
        dict(num=1.5),
        dict(p=0),
        dict(p=2**65),
        dict(mu="1"),
        dict(threads=0),
        dict(out=[0]),
        dict(out=np.zeros(4, np.int64)),
        dict(implementation="cython"),
        dict(implementation="list", p=2**40),
        dict(device="cl7"),
        dict(device="cl0", implementation="list"),
    ],
    ids=str,
)
def test_errors_are_logmap_s(bad: dict[str, Any]) -> None:
    arguments = dict(x=np.arange(3)) | bad
    with pytest.raises((TypeError, ValueError)) as expected:
        logmap(**arguments)
    with pytest.raises(type(expected.value)) as found:
        run(**arguments)
    assert str(found.value) == str(expected.value)


def test_a_budget_that_cannot_be_kept_is_refused_and_nothing_written() -> None:
    out = np.full(1000, -1)
    for budget in (0, -1, float("nan")):
        with pytest.raises(ValueError, match=r"budget=.* is not a number of seconds above 0"):
            run(np.arange(1000), out=out, budget=budget)
    with pytest.raises(ValueError, match=r"budget=1e-09: .* calls of length 1 took longer"):
        run(np.arange(1000), out=out, budget=1e-9)
    assert np.all(out == -1)


def test_a_dask_array_is_refused() -> None:
    array = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="x is a Dask array"):
        run(array.arange(10))


async def iterations(work: Awaitable[Any]) -> int:
    """Return how many iterations the loop makes until work is done."""
    count = 0

    async def tick() -> None:
        nonlocal count
        while True:
            count += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(tick())
    await work
    ticker.cancel()
    return count


def test_the_second_call_does_not_calibrate_again() -> None:
    async def main() -> None:
        asynchronous._paces.clear()
        x = np.arange(2000)
        assert await iterations(logmap_async(x, implementation="memoryview")) > 100
        assert await iterations(logmap_async(x, implementation="memoryview")) < 10
        assert (
            await iterations(logmap_async(x[:7], p=6700415, implementation="memoryview")) > 10
        )  # few are another case
        assert await iterations(logmap_async(x + 1, p=6700415, implementation="memoryview")) < 10  # as good as this p
        assert await iterations(logmap_async(x, 20, implementation="memoryview")) > 100

    asyncio.run(main())


def test_the_paces_that_are_kept_are_few() -> None:
    x = np.arange(3)
    for num in range(1, 10):
        asynchronous._paces.update({(num, index): (1.0, 1.0, False) for index in range(asynchronous.MOST_PACES)})
        run(x, num)
        assert len(asynchronous._paces) <= 2 * asynchronous.MOST_PACES
        run(x, num)
    asynchronous._paces.clear()


def test_few_elements_with_many_steps_leave_the_loop_its_turns() -> None:
    async def main() -> None:
        x = np.arange(5)
        await logmap_async(x, 10**6, implementation="memoryview")
        assert await iterations(logmap_async(x, 10**6, implementation="memoryview")) > 10  # 15 ms at least
        np.testing.assert_array_equal(await logmap_async(x, 10**6), logmap(x, 10**6))

    asyncio.run(main())


def test_several_at_a_time() -> None:
    async def main() -> None:
        arrays = [np.arange(start, start + 200_000) for start in range(4)]
        answers = await asyncio.gather(*(logmap_async(x, implementation="memoryview") for x in arrays))
        for x, answer in zip(arrays, answers, strict=True):
            np.testing.assert_array_equal(answer, logmap(x))

    asyncio.run(main())


@pytest.mark.parametrize("stride", [1, 2])
def test_a_cancelled_call_leaves_old_elements_and_finished_ones(stride: int) -> None:
    async def main() -> None:
        x = np.arange(2**20)
        out = np.full(stride * len(x), -1)[::stride]
        for key, (work, least, more) in asynchronous._paces.items():  # so that a buffer takes several chunks
            asynchronous._paces[key] = 3 * work, least, more
        task = asyncio.create_task(logmap_async(x, out=out, implementation="memoryview"))
        while not task.done() and np.all(out[:: 2**10] == -1):  # noqa: ASYNC110  # memory has no event
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = out.copy()
        finished = left == logmap(x)
        assert np.all(finished | (left == -1))
        assert finished.any()
        assert not finished.all()
        await asyncio.sleep(0.01)
        np.testing.assert_array_equal(out, left)
        np.testing.assert_array_equal(x, np.arange(2**20))
        np.testing.assert_array_equal(await logmap_async(x, out=out, implementation="memoryview"), logmap(x))

    for _ in range(5):
        asyncio.run(main())


@pytest.mark.parametrize("length", [3, 2**20])
def test_a_timeout_is_answered_at_once(length: int) -> None:
    async def main() -> None:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await logmap_async(np.arange(length), 10**12, implementation="memoryview")
        assert time.monotonic() - start < 30  # all of it takes half an hour at least

    asyncio.run(main())


@pytest.mark.alone
@pytest.mark.skipif(sys.platform == "win32", reason="there the thread's own time counts in steps of 16 ms")
def test_another_thread_that_keeps_the_gil_busy_is_not_taken_for_a_long_chunk() -> None:
    stop = threading.Event()
    x = np.arange(2**17)

    def work() -> float:
        asynchronous._paces.clear()
        np.testing.assert_array_equal(run(x, 11, implementation="memoryview"), logmap(x, 11))
        return next(iter(asynchronous._paces.values()))[0]

    def spin() -> None:
        while not stop.is_set():
            pass

    alone = work()
    thread = threading.Thread(target=spin)
    interval = sys.getswitchinterval()
    thread.start()
    try:
        sys.setswitchinterval(2e-3)
        # A machine that becomes slower meanwhile makes the chunks smaller too, but not each time.
        assert any(work() > alone / 4 for _ in range(5))
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="its clock counts in steps of 16 ms")
def test_a_task_that_slept_waits_for_one_chunk_not_for_three() -> None:
    starts: list[float] = []
    waited: list[int] = []

    async def call() -> None:
        for _ in range(100):
            starts.append(time.monotonic())
            while time.monotonic() < starts[-1] + 1e-3:
                pass
            await yield_to_loop()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        chunks = asyncio.create_task(call())
        while not chunks.done():
            due = loop.time() + 3.3e-3
            await asyncio.sleep(3.3e-3)
            waited.append(sum(due < start for start in starts))

    asyncio.run(main())
    assert len(waited) > 10
    assert np.mean(waited) < 0.5  # at times the turn has begun when the task is due


async def delays(work: Callable[[], Awaitable[Any]]) -> tuple[float, Array]:
    """Return work's seconds, and how late the loop would have been for an event at each millisecond of them."""
    loop = asyncio.get_running_loop()
    late: list[float] = []

    async def tick() -> None:
        due = loop.time() + TICK
        while True:
            await asyncio.sleep(max(due - loop.time(), 0))
            now = loop.time()
            while due <= now:
                late.append(now - due)
                due += TICK

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(20 * TICK)
    late.clear()
    start = loop.time()
    await work()
    seconds = loop.time() - start
    await asyncio.sleep(2 * TICK)
    ticker.cancel()
    return seconds, np.array(late)


@pytest.mark.alone
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(("implementation", "length"), [("memoryview", 2**22), ("list", 2**20)])
def test_the_loop_goes_on_under_load_where_the_plain_call_stops_it(implementation: str, length: int) -> None:
    x = np.arange(length)
    expected = logmap(x, 20)
    out = np.zeros_like(x)

    async def naive() -> None:
        logmap(x, 20, out=out, implementation=implementation)

    async def chunked() -> None:
        await logmap_async(x, 20, out=out, implementation=implementation)

    async def main() -> None:
        await logmap_async(x[: 2**17], 20, implementation=implementation)
        seconds, late = await delays(naive)
        np.testing.assert_array_equal(out, expected)
        assert late.max() > 0.9 * seconds - 10 * TICK
        quantiles = []
        # At times the system stops all of this process for longer than a chunk takes.
        for _ in range(5):
            out[:] = -1
            _, chunked_late = await delays(chunked)
            np.testing.assert_array_equal(out, expected)
            quantiles.append(np.quantile(chunked_late, 0.99))
            if quantiles[-1] < late.max() / 5:
                return
        pytest.fail(f"late by {late.max()} s in one call, and in chunks by {quantiles}")

    asyncio.run(main())
