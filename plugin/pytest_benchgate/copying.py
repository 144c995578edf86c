"""The limit of all functions that move bytes: a copy of as many, measured."""

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
# Bytes moved: beyond every cache, and a fraction of any memory.
LARGEST = 2**30
SAMPLES = 9
# A sample repeats a small copy until it takes this long.
SAMPLE_S = 1e-3
# For the samples of one place.
BUDGET_S = 0.1
# Bytes moved; below, starting the threads costs more than they save.
THREADS_FROM = 2**22

Bytes: TypeAlias = "NDArray[np.uint8]"


def copy_seconds(moved_bytes: float) -> list[float]:
    """Return samples of the seconds of a copy that reads half of moved_bytes and writes the other half.

    Of several places in memory the best counts, as an allocation can be slow for as long as it lives; likewise one
    thread or all, whichever is faster, as a benchmark may use all. More bytes than LARGEST are scaled from a copy of
    that size: arrays as large as the machine's memory would end the process.
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
    """Return two arrays, written once, at different offsets in a page: equal ones made small copies 2 times slower."""
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
