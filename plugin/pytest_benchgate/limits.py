"""What the machine can do at best, measured in the same session: a copy of the same bytes, and what hooks add."""

from __future__ import annotations

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_benchgate.results import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from pytest_benchgate.results import Work

PLACES = 3
LARGEST = 2**30  # bytes moved; twice the article's run
SAMPLES = 9
SAMPLE_S = 1e-3  # a sample repeats a small copy until it takes this long
BUDGET_S = 0.1  # for the samples of one place
THREADS_FROM = 2**22  # bytes; below, starting the threads costs more than they win
DOUBT = 0.8  # a median of less than this share of the limit's best sample is suspicious; alignment alone makes 0.9


Bytes: TypeAlias = "NDArray[np.uint8]"


@dataclass(frozen=True)
class Limit:
    """Something that no benchmark can beat.

    Attributes
    ----------
    name: heads its column.
    resource: "bytes", "operations" or "items": which amount of `gate.work` it is about.
    measure: takes an amount of the resource, returns some samples of the seconds that the machine needs for it.

    """

    name: str
    resource: str
    measure: Callable[[float], Sequence[float]]


def copy_seconds(moved_bytes: float) -> list[float]:
    """Return samples of the seconds that a copy takes which reads half of moved_bytes and writes the other half.

    The best of a few places in memory, for a place can be unlucky for as long as it lives; by one thread or by all,
    whichever is faster, for a benchmark may use all as well. More than LARGEST is scaled from a copy of that size,
    which is beyond every cache: arrays as large as the machine's memory would end the process.
    """
    if moved_bytes > LARGEST:
        return [seconds * moved_bytes / LARGEST for seconds in copy_seconds(LARGEST)]
    length = max(int(moved_bytes) // 2, 1)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    tried = []
    for _ in range(PLACES):
        source, target = _places(length)
        tried.append(_samples(np.copyto, target, source))
        if threads > 1 and moved_bytes >= THREADS_FROM:
            tried.append(_together(source, target, threads))
    return min(tried, key=statistics.median)


def _places(length: int) -> tuple[Bytes, Bytes]:
    """Return two arrays, written to, at unlike offsets in a page: like ones made a copy of 8 KiB 2 times slower."""
    page = 4096
    space = np.ones(2 * length + 3 * page, np.uint8)
    first = -space.ctypes.data % page
    second = first + -(-length // page) * page + 64
    return space[first : first + length], space[second : second + length]


def _together(source: Bytes, target: Bytes, threads: int) -> list[float]:
    parts = [slice(*edges) for edges in pairwise(np.linspace(0, len(source), threads + 1).astype(np.intp))]
    with ThreadPoolExecutor(threads) as pool:
        return _samples(lambda: list(pool.map(lambda part: np.copyto(target[part], source[part]), parts)))


def _samples(call: Callable[..., object], *args: object) -> list[float]:
    call(*args)
    start = perf_counter()
    call(*args)
    once = max(perf_counter() - start, 1e-9)
    repeats = max(int(SAMPLE_S / once), 1)
    samples: list[float] = []
    begin = perf_counter()
    while len(samples) < 3 or (len(samples) < SAMPLES and perf_counter() - begin < BUDGET_S):  # noqa: PLR2004
        start = perf_counter()
        for _ in range(repeats):
            call(*args)
        samples.append((perf_counter() - start) / repeats)
    return samples


COPY = Limit("copy", "bytes", copy_seconds)


@dataclass
class Limits:
    """The limits of a session; each is measured once for each amount."""

    known: tuple[Limit, ...] = (COPY,)
    measured: dict[tuple[str, float], tuple[float, float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # the limits that could not be measured, and why

    def add(self, limits: Iterable[Limit]) -> None:
        """Add what a hook returned."""
        self.known += tuple(limits)

    def _seconds(self, limit: Limit, amount: float) -> tuple[float, float]:
        """Return the median and the best of the limit's samples."""
        key = (limit.name, amount)
        if key not in self.measured:
            samples = limit.measure(amount)
            self.measured[key] = statistics.median(samples), min(samples)
        return self.measured[key]

    def beside(self, work: Work, median_s: float) -> tuple[tuple[Share, ...], str | None]:
        """Return the shares of each limit that the work is about, and why the time is hard to believe, or None."""
        shares, doubt = [], None
        for limit in self.known:
            amount = work.amounts().get(limit.resource)
            if not amount:
                continue
            try:
                limit_s, best_s = self._seconds(limit, amount)
            except Exception as error:  # noqa: BLE001  # a hook's own code; its failure must not cost the benchmark
                self.failures[limit.name] = f"{type(error).__name__}: {error}"
                continue
            shares.append(Share(limit.name, limit_s, limit_s / median_s))
            if median_s < DOUBT * best_s and doubt is None:
                doubt = (
                    f"{best_s / median_s:.2g} times as fast as the limit {limit.name!r} at its best for the same "
                    f"{amount:g} {limit.resource}: does it do all of its work, and is the stated amount right?"
                )
        return tuple(shares), doubt
