"""logmap for asyncio: on the loop's thread, chunk by chunk, with the loop's turn in between."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from logmap_cy import _arguments, _dask
from logmap_cy._api import checked
from logmap_cy._drive import LARGE, LEAST, SMALL
from logmap_cy.chunks.calibrate import Watch, search, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import ArrayLike

    from logmap_cy._contract import Array, Compute
    from logmap_cy._registry import Implementation
    from logmap_cy.opencl.device import Device

# One iteration runs a timer's or a socket's callback, the next the task that this wakes; the chunk would come before
# both. With 1, 2 and 3 iterations a task that had slept was 2.7, 1.7 and 0.7 ms late in the median, at chunks of 1 ms.
# An empty one takes 2.5 us.
TURNS = 3
KEPT = 256  # paces
FIRST_CONFIDENCE = 0.75  # shown by 14 calls; from there on the chunks of the call itself are what is learned from
# Times the budget, to calibrate for where no call keeps it because of what else the system does: a call of two threads
# takes time slices of several ms on a loaded machine, however short it is. The pace goes down again where it can.
SLACK = (1, 4, 16, 64)
CONFIDENCE = 0.99
STEP = 0.2  # of the logarithm, after a chunk that is over budget
HALF, FASTER = 0.5, 1.5
LEAST_SHARE = 1 / 16  # of what was calibrated; noise that comes at any length must not end in chunks of one element
WIDE = 2**12  # elements; fewer leave a ufunc, or several threads, more overhead than steps
ALIKE = 1000  # steps; from there on what an element costs beside them is nothing
NARROW = frozenset({"python", "objects", "cython"})  # kinds that lose nothing with few elements and many steps
OWN_TIME = NARROW | {"numpy"}  # kinds that compute in the thread that calls them

_paces: dict[Hashable, tuple[float, float, bool]] = {}  # work, the least of it, whether a longer array may have more


class Pace:
    """The work of a chunk, elements or elements times steps, as it follows the budget.

    Near the budget it is a stochastic approximation of the longest that keeps it in a share CONFIDENCE of the chunks:
    down by a step after a chunk that is over, up by (1 - CONFIDENCE) / CONFIDENCE of one after each other (Robbins
    and Monro, A stochastic approximation method, 1951; Kaernbach, Simple adaptive testing with the weighted up-down
    method, 1991). Further off it is faster. It does not go below `least`.
    """

    def __init__(
        self, work: float, budget: float, clock: Callable[[], float] = time.perf_counter, least: float = 1
    ) -> None:
        self.work, self.budget, self.least = work, budget, least
        self.watch = Watch(clock)

    def note(self, *, whole: bool) -> None:
        """Learn from the chunk since watch.start(); only a `whole` one shows that there may be more."""
        taken, counts = self.watch.stop()
        if not counts:
            return
        if taken > self.budget:
            factor = max(min(self.budget / taken, math.exp(-STEP * CONFIDENCE)), HALF)
        elif not whole:
            return
        elif taken < self.budget / 2:
            factor = FASTER
        else:
            factor = math.exp(STEP * (1 - CONFIDENCE))
        self.work = max(self.work * factor, self.least)


async def turn() -> None:
    """Let the loop run what is due, and what that wakes."""
    import asyncio  # noqa: PLC0415  # 20 ms, which who awaits has spent already

    for _ in range(TURNS):
        await asyncio.sleep(0)


async def map_chunks(
    function: Callable[[int, int], object], length: SupportsIndex, budget: float = 1e-3, *, chunk: SupportsIndex = 1
) -> None:
    """Call function(start, stop) for consecutive parts of range(length), with the loop's turn after each.

    Each call should take at most `budget` seconds. The first has `chunk` elements (`calibrate_chunk` finds how many
    there may be), the further ones as many as the time of those before suggests.

    Raises
    ------
    TypeError: an argument is not a number, or function not callable.
    ValueError: a number is out of range.

    """
    if not callable(function):
        raise TypeError(f"function={function!r} is not callable; pass a function of start and stop")
    end = _arguments.integer("length", length, least=0)
    pace = Pace(_arguments.integer("chunk", chunk, least=1), seconds(budget))
    start = 0
    while start < end:
        elements = int(pace.work)
        pace.watch.start()
        function(start, min(start + elements, end))
        pace.note(whole=start + elements <= end)
        start += elements
        await turn()


async def logmap_async(
    x: ArrayLike,
    num: SupportsIndex = 10,
    p: SupportsIndex = 6700417,
    mu: SupportsIndex = 22,
    *,
    out: Array | None = None,
    budget: float = 1e-3,
    threads: SupportsIndex | None = 1,
    implementation: str = "auto",
    device: Device | str | None = None,
) -> Array:
    """Return logmap(x, num, p, mu, ...), computed on the loop's thread without keeping the loop busy for long.

    After each chunk of elements or steps the loop has its turn. The first call with new parameters calibrates the chunk
    on copies, for some 70 budgets in all and with turns as well, but up to two budgets apart. Chunks that are over the
    budget, or far below it, change the length of later ones. Each of several calls at a time has a budget of its own.

    Parameters
    ----------
    x, num, p, mu, implementation, device:
        As for `logmap`. Done in one piece are what is cheap for an array and long for a list, its conversion, and the
        build of an OpenCL program, once.
    out: ndarray, optional
        As for `logmap`. While this runs, and after it was cancelled or interrupted, it holds a mixture of old elements,
        finished ones and unfinished ones; nothing is written after that. x must not change meanwhile.
    budget: float > 0
        The seconds between two turns: 99 of 100 chunks keep it, but for what the system takes for others. Where a chunk
        computes in the loop's own thread alone, that thread's processor time is what counts.
    threads: int >= 1, optional
        As for `logmap`, None included; a chunk keeps the loop waiting whatever its number of threads.

    Raises
    ------
    TypeError, ValueError, RuntimeError: as `logmap` does.
    ValueError: budget is not above 0, or even a step of one element takes longer; with threads or a device, where what
        else the system does may be the reason, 64 times as long.

    """
    if _dask.is_lazy(x):
        raise TypeError("x is a Dask array; pass it to logmap, which only notes what its scheduler is to compute")
    given = checked(x, num, p, mu, out, threads, implementation, device)
    longest = seconds(budget)
    if given.x.size:
        row, count = given.row, given.threads
        compute = row.load(given.device) if given.num else _copy
        least = LEAST if row.kind in NARROW and count == 1 else WIDE
        job = _Job(compute, given.x, given.out, max(given.num, 1), given.p, given.mu, count, least)
        form = given.p.bit_length(), given.p % 2, math.gcd(given.p, given.mu) == 1  # all that p and mu do to the time
        key = (str(row), str(given.device), min(given.num, ALIKE), form, count, longest, *job.kind())
        await job.run(key, longest, _clock(row, count))
    return given.out


class _Job:
    """The arguments of `drive`, and how to cut it into chunks of some work: elements times steps."""

    def __init__(
        self, compute: Compute, x: Array, out: Array, num: int, p: int, mu: int, threads: int, least: int
    ) -> None:
        self.compute, self.x, self.out, self.num = compute, x, out, num
        self.parameters = (p, mu, threads)
        self.least = least
        self.most = min(x.size, LARGE) * num

    def kind(self) -> tuple[Hashable, ...]:
        """Return what a chunk's time depends on, beside the parameters."""
        return self.x.dtype.newbyteorder("=").str, self._plain(), min(self.x.size, self.least)

    def shape(self, work: float) -> tuple[int, int]:
        """Return (elements, steps): whole elements, and parts of their steps where so few elements are too much."""
        whole = max(int(work), 1)
        elements = min(max(whole // self.num, min(whole, self.least)), self.x.size, LARGE)
        return elements, min(max(whole // elements, 1), self.num)

    async def run(self, key: Hashable, budget: float, clock: Callable[[], float]) -> None:
        """Compute, from the pace kept under key on."""
        work, least, more = _paces.get(key, (0.0, 1.0, True))
        if not work or (more and work < self.most):
            work = float(await self._calibrated(budget, clock))
            least, more = max(work * LEAST_SHARE, 1.0), work == self.most
        pace = Pace(work, budget, clock, least)
        try:
            await self._run(pace)
        finally:
            if len(_paces) >= KEPT:
                _paces.clear()
            _paces[key] = pace.work, least, more and pace.work >= work

    async def _run(self, pace: Pace) -> None:
        pace.watch.start()
        with _iterate(self.x, self.out, self.shape(pace.work)[0]) as chunks:
            for source, target in chunks:
                start = 0
                while start < len(target):
                    elements, most = self.shape(pace.work)
                    part = slice(start, start + elements)
                    done = 0
                    while done < self.num:
                        steps = min(most, self.num - done)
                        self.compute((target if done else source)[part], target[part], steps, *self.parameters)
                        done += steps
                        uncut = part.stop <= len(target) and steps == most
                        pace.note(whole=uncut and (elements < self.x.size or steps < self.num))
                        await turn()
                        most = self.shape(pace.work)[1]
                        pace.watch.start()
                    start = part.stop

    async def _calibrated(self, budget: float, clock: Callable[[], float]) -> int:
        """Return the work of the longest chunk that fits the budget; x is read, and only copies are written to."""
        length = min(self.x.size, SMALL)
        x, out = self._scratch(length), self._scratch(length)

        def call(work: int) -> None:
            elements, steps = self.shape(work)
            for start in range(0, elements, length):  # again and again: memory never touched before is slow once
                end = min(elements - start, length)
                with _iterate(x[:end], out[:end], end) as chunks:
                    for source, target in chunks:
                        self.compute(source, target, steps, *self.parameters)

        for slack in SLACK if clock is time.perf_counter else SLACK[:1]:
            trial = search(call, slack * budget, confidence=FIRST_CONFIDENCE, most=self.most, clock=clock)
            try:
                while True:
                    next(trial)
                    await turn()
            except StopIteration as stop:
                return int(stop.value)
            except ValueError as error:
                failure = error
        raise failure

    def _plain(self) -> bool:
        """Whether NumPy copies neither x nor out into buffers."""
        both = self.x.flags, self.out.flags
        ordered = all(one.c_contiguous for one in both) or all(one.f_contiguous for one in both)
        return ordered and all(one.aligned for one in both) and self.x.dtype.isnative

    def _scratch(self, length: int) -> Array:
        """Return a copy of x's head that has to be copied into buffers if x has."""
        stride = 1 if self._plain() else 2
        memory = np.empty(length * stride, self.x.dtype)[::stride]
        memory[:] = self.x.flat[:length]
        return memory


def _iterate(x: Array, out: Array, elements: int) -> np.nditer:
    """Return an iterator like `drive`'s: x and out as compute wants them, whole or in buffers of so many elements."""
    native = x.dtype.newbyteorder("=")
    return np.nditer(
        [x, out],
        flags=["external_loop", "buffered", "growinner"],
        op_flags=[["readonly", "contig", "aligned"], ["readwrite", "contig", "aligned"]],  # type: ignore[list-item]
        op_dtypes=[native, native],
        buffersize=min(elements, SMALL),
    )


def _clock(row: Implementation, threads: int) -> Callable[[], float]:
    """Return what measures a chunk: the thread's own time, where all of it is spent there and the system counts it."""
    if row.kind in OWN_TIME and threads == 1 and sys.platform != "win32":  # Windows counts in steps of 16 ms
        return getattr(time, "thread_time", time.perf_counter)
    return time.perf_counter


def _copy(x: Array, out: Array, num: int, p: int, mu: int, threads: int, /) -> None:  # noqa: ARG001
    np.copyto(out, x)
