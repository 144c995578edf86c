"""How many threads a call may use."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from pathlib import Path

from logmap_cy._fork import ForkGuard
from logmap_cy.rows.prange import end_threads, openmp_threads

CGROUP = Path("/sys/fs/cgroup")  # a container sees its own group there

_pool = ForkGuard()


def cores() -> int:
    """Return the number of cores that this process may use: its affinity and its container's quota count."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(math.ceil(min(count, _quota())), 1)


@functools.cache
def _quota() -> float:
    """Return the processors that Linux's control group grants this process, inf where it sets no limit.

    https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), and cpu.cfs_quota_us of version 1. A quota is read
    once: containers seldom change it.
    """
    found = [math.inf]
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with contextlib.suppress(OSError, ValueError):
            quota, period = " ".join((CGROUP / name).read_text() for name in names).split()
            if quota not in {"max", "-1"}:
                found.append(int(quota) / int(period))
    return min(found)


def available() -> int:
    """Return what threads=None stands for: OpenMP's own choice (OMP_NUM_THREADS counts), within `cores`."""
    return min(openmp_threads(), cores())


def resolve(threads: int | None, steps: int, steps_per_thread: int | None) -> int:
    """Return the number of threads for a call of so many steps, in all, that asked for at most `threads`.

    None stands for what is `available`, and for no more than leave steps_per_thread to each.
    Never more than the machine's cores: a system that cannot start them would end the process. One in a
    forked child of a process that used threads: GNU's OpenMP waits for ever for threads that fork() left behind.
    """
    if steps_per_thread is None or (threads is None and steps < 2 * steps_per_thread):
        return 1
    limit = min(available(), steps // steps_per_thread) if threads is None else min(threads, os.cpu_count() or 1)
    if limit <= 1 or _pool.lost:
        return 1
    _pool.started = True
    return limit


def rest() -> None:
    """Free the processors of threads that wait: GCC's do so by spinning, for some 5 ms after a call.

    They end, and the next call starts new ones (0.1 ms here). Not in a forked child, which has none to wait for.
    """
    if _pool.started and not _pool.lost:
        end_threads()
