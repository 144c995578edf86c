"""How late an event loop is while it maps an array: the plain call, another thread, and chunks of calibrated length.

    tox run -e latency                      a quiet machine; half a minute
    tox run -e latency -- --load 2          beside two busy processes, started and ended by this
    tox run -e latency -- --seconds 10      as long for each row: more exact 99.9th percentiles

A row's numbers are how late the loop would have been for an event at each millisecond of its time: a call that stops
the loop for 100 ms makes 100 events late, by 1 to 100 ms. An idle loop is up to 1 ms late where the system's poll
counts in milliseconds. Each answer is verified before its row's time and after it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from quartiles import quartiles

from logmap_cy import logmap
from logmap_cy.chunks import asynchronous
from logmap_cy.chunks.asynchronous import logmap_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from logmap_cy._contract import Array

TICK_S = 1e-3
BUDGETS_S = (1e-3, 5e-3)
ROWS = {"memoryview": 2**22, "list": 2**20}  # releases the GIL, holds it; each call takes about 0.1 s


@dataclass(frozen=True)
class Work:
    """One array and one implementation, and the ways to map it on a loop."""

    row: str
    x: Array
    out: Array
    expected: Array

    async def idle(self) -> None:
        await asyncio.sleep(0.1)

    async def plain(self) -> None:
        self.call()
        await asynchronous.turn()

    async def thread(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.call)

    async def chunks(self, budget: float) -> None:
        await logmap_async(self.x, out=self.out, budget=budget, implementation=self.row)

    async def calibrated(self, budget: float) -> None:
        asynchronous._paces.clear()
        await self.chunks(budget)

    def call(self) -> None:
        logmap(self.x, out=self.out, threads=1, implementation=self.row)

    async def verify(self, way: Callable[[], Awaitable[None]], name: str) -> None:
        self.out[:] = -1
        await way()
        if not np.array_equal(self.out, self.expected):
            sys.exit(f"{self.row}, {name} is wrong: no time is reported")


def prepared(row: str, length: int) -> Work:
    x = np.arange(length)
    return Work(row, x, np.empty_like(x), logmap(x))


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


def line(name: str, calls: int | str, late: list[float]) -> str:
    quantiles = [f"{1e3 * float(np.quantile(late, share)):.3g}" for share in (0.5, 0.99, 0.999, 1)]
    return f"| {name} | {calls} | {' | '.join(quantiles)} |"


async def latencies(works: list[Work], seconds: float) -> None:
    """Print the table of the loop's delays."""
    print("| on the loop | calls | 50 % (ms) | 99 % | 99.9 % | most |\n|---|---:|---:|---:|---:|---:|")
    print(line("nothing", "", (await delays(works[0].idle, seconds))[1]), flush=True)
    for work in works:
        ways: dict[str, Callable[[], Awaitable[None]]] = {
            "the plain call": work.plain,
            "run_in_executor": work.thread,
        }
        for budget in BUDGETS_S:
            ways[f"logmap_async, {1e3 * budget:g} ms"] = functools.partial(work.chunks, budget)
        first = BUDGETS_S[0]
        ways[f"logmap_async, {1e3 * first:g} ms, calibrated in each call"] = functools.partial(work.calibrated, first)
        for name, way in ways.items():
            await work.verify(way, name)
            calls, late = await delays(way, seconds)
            await work.verify(way, name)
            print(line(f"{work.row}: {name}", calls, late), flush=True)


async def throughput(works: list[Work], rounds: int) -> None:
    """Print what the chunks cost: all ways in turn, round after round, as a share of the plain call's time."""
    print("\n| one call | ms | times the plain call | quartiles |\n|---|---:|---:|---:|")
    for work in works:
        ways: dict[str, Callable[[], Awaitable[None]]] = {"the plain call": work.plain, "run_in_executor": work.thread}
        for budget in BUDGETS_S:
            ways[f"logmap_async, {1e3 * budget:g} ms"] = functools.partial(work.chunks, budget)
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                await way()
                found[name].append(time.perf_counter() - start)
        for name, seconds in found.items():
            ratios = [one / plain for one, plain in zip(seconds, found["the plain call"], strict=True)]
            low, middle, high = quartiles(ratios)
            millis = 1e3 * statistics.median(seconds)
            print(f"| {work.row}: {name} | {millis:.4g} | {middle:.3f} | {low:.3f} to {high:.3f} |", flush=True)


async def run(options: argparse.Namespace) -> None:
    works = [prepared(row, length) for row, length in ROWS.items() if row in options.only]
    await latencies(works, options.seconds)
    await throughput(works, options.rounds)
    print()
    for key, (work, *_) in asynchronous._paces.items():
        print(f"chunk for {key}: {work:.0f} elements times steps")


def main() -> None:
    summary, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--load", type=int, default=0, metavar="N", help="busy processes beside it (default 0)")
    parser.add_argument("--seconds", type=float, default=2, help="for each row of the first table (default 2)")
    parser.add_argument("--rounds", type=int, default=9, help="of the second table (default 9)")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=[*ROWS], help="these implementations only")
    options = parser.parse_args()
    if options.load < 0 or options.rounds < 2 or not options.seconds > 0:
        parser.error("--load must be 0 or more, --rounds 2 or more, --seconds above 0")
    print(f"{os.cpu_count()} cores, {options.load} busy processes; 10 steps, int64, each millisecond an event\n")
    with loaded(options.load):
        asyncio.run(run(options))


if __name__ == "__main__":
    main()
