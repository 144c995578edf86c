"""The limit of all that moves bytes: a copy of as many, measured."""

from __future__ import annotations

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PLACES = 3
LARGEST = 2**30  # bytes moved; twice the article's run
SAMPLES = 9
SAMPLE_S = 1e-3  # a sample repeats a small copy until it takes this long
BUDGET_S = 0.1  # for the samples of one place
THREADS_FROM = 2**22  # bytes; below, starting the threads costs more than they win

Bytes: TypeAlias = "NDArray[np.uint8]"


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
