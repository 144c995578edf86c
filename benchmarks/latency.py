"""How late an event loop is while it maps an array: the plain call, another thread, and chunks of calibrated length.

    tox run -e latency                      a quiet machine; half a minute
    tox run -e latency -- --load 2          beside two busy processes, started and ended by this
    tox run -e latency -- --seconds 10      as long for each row: more exact 99.9th percentiles

A row's numbers are how late the loop would have been for an event at each millisecond of its time: a call that stops
the loop for 100 ms makes 100 events late, by 1 to 100 ms. An idle loop is up to 1 ms late where the system's poll
counts in milliseconds. Each answer is verified before its row's time and after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from _harness import Samples, machine, parser, table, verify, within

from logmap_cy import logmap
from logmap_cy.chunks import asynchronous
from logmap_cy.chunks.asynchronous import logmap_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

TICK_S = 1e-3
BUDGETS_S = (1e-3, 5e-3)
# The first releases the GIL, the second holds it; each call takes about 0.1 s.
ROWS = {"memoryview": 2**22, "list": 2**20}


class Work:
    """One array and one implementation, and the ways to map it on a loop."""

    def __init__(self, row: str, length: int) -> None:
        self.row = row
        self.x = np.arange(length)
        self.out = np.empty_like(self.x)

    def ways(self) -> dict[str, Callable[[], Awaitable[None]]]:
        chunks = {f"logmap_async, {1e3 * budget:g} ms": functools.partial(self.chunks, budget) for budget in BUDGETS_S}
        return {"the plain call": self.plain, "run_in_executor": self.thread, **chunks}

    async def plain(self) -> None:
        self.call()
        # The loop runs what is due in its next iteration, and what that wakes in the one after.
        for _ in range(3):
            await asyncio.sleep(0)

    async def thread(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.call)

    async def chunks(self, budget: float) -> None:
        await logmap_async(self.x, out=self.out, budget=budget, implementation=self.row)

    async def calibrated(self) -> None:
        asynchronous._paces.clear()
        await self.chunks(BUDGETS_S[0])

    def call(self) -> None:
        logmap(self.x, out=self.out, threads=1, implementation=self.row)

    async def verify(self, way: Callable[[], Awaitable[None]], name: str) -> None:
        self.out[:] = -1
        await way()
        verify(f"{self.row}, {name}", self.out, 10)


@contextlib.contextmanager
def loaded(count: int) -> Iterator[None]:
    """Keep so many processes busy."""
    processes = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5 if count else 0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def delays(way: Callable[[], Awaitable[None]], seconds: float) -> tuple[int, list[float]]:
    """Return how often `way` was awaited in so many seconds, and how late the loop was for each millisecond of them."""
    loop = asyncio.get_running_loop()
    late: list[float] = []

    async def tick() -> None:
        due = loop.time() + TICK_S
        while True:
            await asyncio.sleep(max(due - loop.time(), 0))
            now = loop.time()
            while due <= now:
                late.append(now - due)
                due += TICK_S

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(20 * TICK_S)
    late.clear()
    end, calls = loop.time() + seconds, 0
    while loop.time() < end:
        await way()
        calls += 1
    await asyncio.sleep(2 * TICK_S)
    ticker.cancel()
    return calls, late


async def latencies(works: list[Work], seconds: float) -> str:
    """Return the table of the loop's delays."""

    def line(name: str, calls: int | str, late: list[float]) -> list[object]:
        return [name, calls, *(f"{1e3 * delay:.3g}" for delay in np.quantile(late, (0.5, 0.99, 0.999, 1)))]

    idle = functools.partial(asyncio.sleep, 0.1)
    lines = [line("nothing", "", (await delays(idle, seconds))[1])]
    for work in works:
        calibrated = f"logmap_async, {1e3 * BUDGETS_S[0]:g} ms, calibrated in each call"
        for name, way in {**work.ways(), calibrated: work.calibrated}.items():
            await work.verify(way, name)
            calls, late = await delays(way, seconds)
            await work.verify(way, name)
            lines.append(line(f"{work.row}: {name}", calls, late))
    return table(["on the loop", "calls:", "50 % (ms):", "99 %:", "99.9 %:", "most:"], lines)


async def throughput(works: list[Work], rounds: int) -> str:
    """Return what the chunks cost: all ways in turn, round after round, as a share of the plain call's time."""
    lines: list[list[object]] = []
    for work in works:
        ways = work.ways()
        found = {name: Samples() for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                await way()
                found[name].append(time.perf_counter() - start)
        for name, seconds in found.items():
            ratios = Samples(one / plain for one, plain in zip(seconds, found["the plain call"], strict=True))
            low, middle, high = ratios.quartiles()
            millis = f"{1e3 * seconds.median:.4g}"
            lines.append([f"{work.row}: {name}", millis, f"{middle:.3f}", f"{low:.3f} to {high:.3f}"])
    return table(["one call", "ms:", "times the plain call:", "quartiles:"], lines)


async def run(works: list[Work], seconds: float, rounds: int) -> None:
    print(await latencies(works, seconds), flush=True)
    print(await throughput(works, rounds))


def main() -> None:
    options_of = parser(__doc__, rounds=9)
    options_of.add_argument("--load", type=within(0), default=0, metavar="N", help="busy processes beside it")
    options_of.add_argument("--seconds", type=float, default=2, help="for each row of the first table")
    options_of.add_argument(
        "--length", type=within(10, 28), metavar="BITS", help="2^BITS elements, not what takes 0.1 s"
    )
    options_of.add_argument("--only", nargs="+", choices=ROWS, default=[*ROWS], help="these implementations only")
    options = options_of.parse_args()
    if not options.seconds > 0:
        options_of.error(f"--seconds {options.seconds} is not above 0")
    print(f"{machine()}; {options.load} busy processes; 10 steps, int64, each millisecond an event\n")
    works = [Work(row, 2**options.length if options.length else ROWS[row]) for row in options.only]
    with loaded(options.load):
        asyncio.run(run(works, options.seconds, options.rounds))


if __name__ == "__main__":
    main()
