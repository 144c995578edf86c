"""logmap for asyncio: on the loop's thread, chunk by chunk, where other tasks run between two chunks."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from logmap_cy import _dask
from logmap_cy._drive import LARGE, LEAST, SMALL, iterate
from logmap_cy._request import check
from logmap_cy._state import on_release
from logmap_cy.chunks.calibrate import Watch, search, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import ArrayLike

    from logmap_cy._contract import Array, Compute
    from logmap_cy._registry import Implementation
    from logmap_cy._request import Request
    from logmap_cy.opencl.device import Device

# One iteration of the loop runs the callback of a timer or a socket, the next one the task that it wakes; the chunk
# would come before both. With 1, 2 and 3 iterations a task that had slept was 2.7, 1.7 and 0.7 ms late in the median,
# with chunks of 1 ms. An empty iteration takes 2.5 us.
ITERATIONS = 3
# Kinds of work whose pace is remembered.
MOST_PACES = 256
# Shown by 14 calls; after that the pace follows the chunks of the call itself.
FIRST_CONFIDENCE = 0.75
# Multiples of the budget to calibrate for if no call keeps the budget because of what else the system does: a call of
# two threads takes time slices of several ms on a loaded machine, however short it is. The pace goes down again where
# it can.
SLACK = (1, 4, 16, 64)
CONFIDENCE = 0.99
# Of the logarithm of the work, after a chunk that is over budget.
STEP = 0.2
# The factors of the work after a chunk far over, or far below, the budget.
HALF, FASTER = 0.5, 1.5
# Of the calibrated work: noise that comes at any length must not end in chunks of one element.
LEAST_SHARE = 1 / 16
# Elements: with fewer, a ufunc or several threads have more overhead than steps.
WIDE = 2**12
# Steps: from here on, the cost of an element beside its steps is negligible.
ALIKE = 1000
# Kinds that are as fast with few elements and many steps.
NARROW = frozenset({"python", "objects", "cython"})
# Kinds that compute in the thread that calls them.
OWN_TIME = NARROW | {"numpy"}

# Kind of work -> its pace in elements times steps, the least of it, whether it may grow for a longer array.
_paces: dict[Hashable, tuple[float, float, bool]] = {}
on_release(_paces.clear)


class Pace:
    """The work of a chunk, elements times steps, as it follows the budget.

    Near the budget it approximates the largest work that keeps the budget in a share CONFIDENCE of the chunks: a step
    down after a chunk that is over, and (1 - CONFIDENCE) / CONFIDENCE of a step up after any other (Robbins and Monro,
    A stochastic approximation method, 1951; Kaernbach, Simple adaptive testing with the weighted up-down method, 1991).
    Far from the budget it changes faster. It does not go below `least`.
    """

    def __init__(
        self, work: float, budget: float, clock: Callable[[], float] = time.perf_counter, least: float = 1
    ) -> None:
        self.work, self.budget, self.least = work, budget, least
        self.watch = Watch(clock)

    def learn(self, *, whole: bool) -> None:
        """Adapt to the chunk since watch.start(); only a `whole` one shows that there may be more."""
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


async def yield_to_loop() -> None:
    """Let the loop run what is due, and the tasks that this wakes."""
    # Takes 20 ms, which a caller that runs a loop has spent already.
    import asyncio

    for _ in range(ITERATIONS):
        await asyncio.sleep(0)


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
    """Return logmap(x, num, p, mu, ...), computed on the event loop's thread without blocking the loop for long.

    After each chunk of elements or steps, other tasks of the loop run. The first call with new parameters calibrates
    the chunk on copies, for some 70 budgets in all; other tasks run meanwhile, but up to two budgets apart. Chunks that
    are over the budget, or far below it, change the length of later ones. Concurrent calls have a budget each.

    Parameters
    ----------
    x, num, p, mu, implementation, device
        As for `logmap`. The conversion of a list to an array and the build of an OpenCL program are not cut in chunks.
    out : ndarray, optional
        As for `logmap`. While the call runs, and after it was cancelled or interrupted, it holds old, intermediate and
        final values; nothing is written after that. x must not change meanwhile.
    budget : float, default 1e-3
        The seconds that a chunk may take, above 0: 99 of 100 chunks keep it, except for the time that the system gives
        to other processes. Where a chunk computes in the loop's thread alone, that thread's processor time counts.
    threads : int, optional
        As for `logmap`, but 1 by default; a chunk blocks the loop whatever its number of threads.

    Returns
    -------
    ndarray
        As for `logmap`.

    Raises
    ------
    TypeError, RuntimeError
        As `logmap`.
    ValueError
        As `logmap`; or budget is not above 0, or even one step of one element takes longer: 64 times as long with
        several threads or a device, where the reason may be what else the system does.

    Examples
    --------
    >>> import asyncio
    >>> from logmap_cy import logmap_async
    >>> asyncio.run(logmap_async([1, 2, 3], p=61))
    array([28, 25, 37])

    """
    if _dask.is_lazy(x):
        raise TypeError("x is a Dask array; pass it to logmap, which computes nothing by itself")
    request = check(x, num, p, mu, out, threads, implementation, device)
    longest = seconds(budget)
    if request.x.size:
        compute = request.row.load(request.device) if request.num else _copy
        await _Job(compute, request).run(longest, _clock(request.row, request.threads))
    return request.out


class _Job:
    """A request, and how to cut it into chunks of some work: elements times steps."""

    def __init__(self, compute: Compute, request: Request) -> None:
        self.compute, self.request, self.x, self.out = compute, request, request.x, request.out
        self.num = max(request.num, 1)
        self.parameters = request.p, request.mu, request.threads
        self.least = LEAST if request.row.kind in NARROW and request.threads == 1 else WIDE
        self.most = min(self.x.size, LARGE) * self.num

    def _kind(self) -> tuple[Hashable, ...]:
        """Return what the time of a chunk depends on."""
        row, p, mu = self.request.row, self.request.p, self.request.mu
        parameters = min(self.request.num, ALIKE), p.bit_length(), p % 2, math.gcd(p, mu) == 1
        array = self.x.dtype.newbyteorder("=").str, self._is_plain(), min(self.x.size, self.least)
        return row.name, str(self.request.device), self.request.threads, *parameters, *array

    def shape(self, work: float) -> tuple[int, int]:
        """Return (elements, steps): whole elements, and parts of their steps where so few elements are too much."""
        whole = max(int(work), 1)
        elements = min(max(whole // self.num, min(whole, self.least)), self.x.size, LARGE)
        return elements, min(max(whole // elements, 1), self.num)

    async def run(self, budget: float, clock: Callable[[], float]) -> None:
        """Compute, beginning with the pace that is remembered for this kind of work."""
        key = budget, *self._kind()
        work, least, more = _paces.get(key, (0.0, 1.0, True))
        if not work or (more and work < self.most):
            work = float(await self._calibrated(budget, clock))
            least, more = max(work * LEAST_SHARE, 1.0), work == self.most
        pace = Pace(work, budget, clock, least)
        try:
            await self._run(pace)
        finally:
            if len(_paces) >= MOST_PACES:
                _paces.clear()
            _paces[key] = pace.work, least, more and pace.work >= work

    async def _run(self, pace: Pace) -> None:
        pace.watch.start()
        with iterate(self.x, self.out, self.shape(pace.work)[0]) as chunks:
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
                        pace.learn(whole=uncut and (elements < self.x.size or steps < self.num))
                        await yield_to_loop()
                        most = self.shape(pace.work)[1]
                        pace.watch.start()
                    start = part.stop

    async def _calibrated(self, budget: float, clock: Callable[[], float]) -> int:
        """Return the work of the longest chunk that keeps the budget; x is read, and only copies are written to."""
        length = min(self.x.size, SMALL)
        x, out = self._scratch(length), self._scratch(length)

        def call(work: int) -> None:
            elements, steps = self.shape(work)
            # The same copy again and again: memory that was never touched before is slow once.
            for start in range(0, elements, length):
                end = min(elements - start, length)
                with iterate(x[:end], out[:end], end) as chunks:
                    for source, target in chunks:
                        self.compute(source, target, steps, *self.parameters)

        for slack in SLACK if clock is time.perf_counter else SLACK[:1]:
            trial = search(call, slack * budget, confidence=FIRST_CONFIDENCE, most=self.most, clock=clock)
            try:
                while True:
                    next(trial)
                    await yield_to_loop()
            except StopIteration as stop:
                return int(stop.value)
            except ValueError as error:
                failure = error
        raise failure

    def _is_plain(self) -> bool:
        """Whether NumPy copies neither x nor out into buffers."""
        both = self.x.flags, self.out.flags
        ordered = all(flags.c_contiguous for flags in both) or all(flags.f_contiguous for flags in both)
        return ordered and all(flags.aligned for flags in both) and self.x.dtype.isnative

    def _scratch(self, length: int) -> Array:
        """Return a copy of the first elements of x, which NumPy copies into buffers if it does so with x."""
        stride = 1 if self._is_plain() else 2
        memory = np.empty(length * stride, self.x.dtype)[::stride]
        memory[:] = self.x.flat[:length]
        return memory


def _clock(row: Implementation, threads: int) -> Callable[[], float]:
    """Return what measures a chunk: the thread's processor time, if all is computed there and the system counts it."""
    # Windows counts that in steps of 16 ms.
    if row.kind in OWN_TIME and threads == 1 and sys.platform != "win32":
        return getattr(time, "thread_time", time.perf_counter)
    return time.perf_counter


def _copy(x: Array, out: Array, *_: int) -> None:
    np.copyto(out, x)
