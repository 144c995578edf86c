"""logmap for asyncio: on the loop's thread, chunk by chunk, with the loop's turn in between."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from logmap_cy import _arguments, _dask, _threads
from logmap_cy._api import _choose
from logmap_cy._chunk import Watch, search, seconds
from logmap_cy._drive import LARGE, LEAST, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import ArrayLike

    from logmap_cy._contract import Array, Compute
    from logmap_cy._opencl import Device
    from logmap_cy._registry import Implementation

# One iteration runs a timer's callback, the next the task that this wakes; the chunk would come before both. With
# fewer, a task that slept waited for up to three chunks: in the median 6.7, 4.6 and 0.7 ms with 1, 2 and 3, at chunks
# of 1 ms. An empty iteration takes 5 us.
TURNS = 3
KEPT = 256  # paces
FIRST_CONFIDENCE = 0.75  # shown by 14 calls; from there on the chunks of the call itself are what is learned from
CONFIDENCE = 0.99
STEP = 0.2  # of the logarithm, after a chunk that is over budget
QUARTER, FASTER = 0.25, 1.5
WIDE = 2**12  # elements; fewer leave a ufunc, or several threads, more overhead than steps
ALIKE = 1000  # steps; from there on what an element costs beside them is nothing
NARROW = frozenset({"python", "objects", "cython"})  # kinds that lose nothing with few elements and many steps
OWN_TIME = NARROW | {"numpy"}  # kinds that compute in the thread that calls them

_paces: dict[Hashable, tuple[float, bool]] = {}  # work, and whether it may be more


class Pace:
    """The work of a chunk, elements or elements times steps, as it follows the budget.

    Near the budget it is a stochastic approximation of the longest that keeps it in a share CONFIDENCE of the chunks:
    down by a step after a chunk that is over, up by (1 - CONFIDENCE) / CONFIDENCE of one after each other (Robbins
    and Monro, A stochastic approximation method, 1951; Kaernbach, Simple adaptive testing with the weighted up-down
    method, 1991). Further off it is faster.
    """

    def __init__(self, work: float, budget: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.work, self.budget = work, budget
        self.watch = Watch(clock)

    def note(self, *, whole: bool) -> None:
        """Learn from the chunk since watch.start(), unless it does not count or was not a `whole` one."""
        taken, counts = self.watch.stop()
        if not (counts and whole):
            return
        if taken > self.budget:
            factor = max(min(self.budget / taken, math.exp(-STEP * CONFIDENCE)), QUARTER)
        elif taken < self.budget / 2:
            factor = FASTER
        else:
            factor = math.exp(STEP * (1 - CONFIDENCE))
        self.work = max(self.work * factor, 1.0)


async def turn() -> None:
    """Let the loop run what is due, and what that wakes."""
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
    on copies, some 40 budgets long and with turns as well, but up to two budgets apart; chunks that are over or far
    below the budget change the length of later ones. Each of several calls at a time has a budget of its own.

    Parameters
    ----------
    x, num, p, mu, implementation, device:
        As for `logmap`. Turn a long list into an array beforehand: that is one piece.
    out: ndarray, optional
        As for `logmap`. While this runs, and after it was cancelled or interrupted, it holds a mixture of old elements,
        finished ones and unfinished ones; nothing is written after that. x must not change meanwhile.
    budget: float > 0
        The seconds between two turns: 99 of 100 chunks keep it. Longer ones cost less; at 1e-3 the turns take 1 %.
    threads: int >= 1, optional
        As for `logmap`, None included; a chunk keeps the loop waiting whatever its number of threads.

    Raises
    ------
    TypeError, ValueError, RuntimeError: as `logmap` does.
    ValueError: budget is not above 0, or even a step of one element takes longer.

    """
    if _dask.is_lazy(x):
        raise TypeError("x is a Dask array; pass it to logmap, which only notes what its scheduler is to compute")
    source = _arguments.array(x)
    steps = _arguments.integer("num", num, least=0)
    modulus = _arguments.modulus(p, source.dtype)
    factor = _arguments.integer("mu", mu) % modulus
    limit = None if threads is None else _arguments.integer("threads", threads, least=1)
    longest = seconds(budget)
    row = _choose(implementation, modulus, factor)
    place = _arguments.device(device, row)
    target = _arguments.output(out, source)
    if source.size:
        count = _threads.resolve(limit, source.size * steps, row.steps_per_thread)
        compute = row.load(place) if steps else _copy
        least = LEAST if row.kind in NARROW and count == 1 else WIDE
        job = _Job(compute, source, target, max(steps, 1), modulus, factor, count, least)
        form = (modulus.bit_length(), modulus % 2, math.gcd(modulus, factor) == 1)  # all that p and mu do to the time
        key = (str(row), str(place), min(steps, ALIKE), form, count, longest, *job.kind())
        await job.run(key, longest, _clock(row, count))
    return target


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
        work, more = _paces.get(key, (0.0, True))
        if not work or (more and work < self.most):
            work = float(await self._calibrated(budget, clock))
            more = work == self.most
        pace = Pace(work, budget, clock)
        try:
            await self._run(pace)
        finally:
            if len(_paces) >= KEPT:
                _paces.clear()
            _paces[key] = pace.work, more

    async def _run(self, pace: Pace) -> None:
        chunks = _iterate(self.x, self.out)
        start, size = 0, self.x.size
        with chunks:
            while start < size:
                elements, steps = self.shape(pace.work)
                end = min(start + elements, size)
                pace.watch.start()
                chunks.iterrange = start, end  # type: ignore[misc]  # the stub takes it for read-only
                for source, target in chunks:
                    done = 0
                    while True:
                        steps = min(steps, self.num - done)
                        self.compute(source if done == 0 else target, target, steps, *self.parameters)
                        done += steps
                        if done == self.num:
                            break
                        pace.note(whole=end - start == elements)
                        await turn()
                        steps = self.shape(pace.work)[1]
                        pace.watch.start()
                pace.note(whole=end - start == elements < size)
                start = end
                await turn()

    async def _calibrated(self, budget: float, clock: Callable[[], float]) -> int:
        """Return the work of the longest chunk that fits the budget; x is read, and only copies are written to."""
        length = min(self.x.size, SMALL)
        x, out = self._scratch(length), self._scratch(length)

        def call(work: int) -> None:
            elements, steps = self.shape(work)
            for start in range(0, elements, length):  # again and again: memory never touched before is slow once
                end = min(elements - start, length)
                with _iterate(x[:end], out[:end]) as chunks:
                    for source, target in chunks:
                        self.compute(source, target, steps, *self.parameters)

        trial = search(call, budget, confidence=FIRST_CONFIDENCE, most=self.most, clock=clock)
        while True:
            try:
                next(trial)
            except StopIteration as stop:
                return int(stop.value)
            await turn()

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


def _iterate(x: Array, out: Array) -> np.nditer:
    """Return an iterator over parts of x and out as compute wants them, to be given a range; see `drive`."""
    native = x.dtype.newbyteorder("=")
    return np.nditer(
        [x, out],
        flags=["external_loop", "buffered", "growinner", "ranged"],
        op_flags=[["readonly", "contig", "aligned"], ["writeonly", "contig", "aligned"]],  # type: ignore[list-item]
        op_dtypes=[native, native],
        buffersize=SMALL,
    )


def _clock(row: Implementation, threads: int) -> Callable[[], float]:
    """Return what measures a chunk: the thread's own time, where all of it is spent there and the system counts it."""
    if row.kind in OWN_TIME and threads == 1 and sys.platform != "win32":  # Windows counts in steps of 16 ms
        return getattr(time, "thread_time", time.perf_counter)
    return time.perf_counter


def _copy(x: Array, out: Array, num: int, p: int, mu: int, threads: int, /) -> None:  # noqa: ARG001
    np.copyto(out, x)
