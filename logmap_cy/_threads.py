"""How many threads a call may use."""

from __future__ import annotations

import contextlib
import functools
import math
import os

from logmap_cy._fork import ForkGuard
from logmap_cy.rows.prange import end_threads, openmp_threads

# A container sees its own group there.
CGROUP = "/sys/fs/cgroup"

_pool = ForkGuard()


def cores() -> int:
    """Return the number of cores that this process may use, by its affinity and its container's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(math.ceil(min(count, _quota())), 1)


@functools.cache
def _quota() -> float:
    """Return the processors that Linux's control group grants this process, inf if it sets no limit.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), and cpu.cfs_quota_us of version 1. A quota is read
    once: containers seldom change it.
    """
    from pathlib import Path

    quotas = [math.inf]
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with contextlib.suppress(OSError, ValueError):
            quota, period = " ".join(Path(CGROUP, name).read_text() for name in names).split()
            if quota not in {"max", "-1"}:
                quotas.append(int(quota) / int(period))
    return min(quotas)


def available() -> int:
    """Return the number for threads=None: OpenMP's own choice, which respects OMP_NUM_THREADS, within `cores`.

    One without OpenMP.
    """
    return max(min(openmp_threads(), cores()), 1)


def resolve(threads: int | None, steps: int, steps_per_thread: int | None) -> int:
    """Return the number of threads for a call of so many steps in all, at most `threads`.

    None stands for those `available`, as far as each gets steps_per_thread. Never more than the machine's cores, as a
    system that cannot start the threads ends the process. One in a forked child of a process that used threads, as
    GNU's OpenMP waits forever for threads that fork() left behind.
    """
    if steps_per_thread is None or (threads is None and steps < 2 * steps_per_thread):
        return 1
    limit = min(available(), steps // steps_per_thread) if threads is None else min(threads, os.cpu_count() or 1)
    if limit <= 1 or _pool.lost:
        return 1
    _pool.started = True
    return limit


def rest() -> None:
    """End the threads that OpenMP keeps: GCC's spin for some 5 ms after a call, and so occupy their processors.

    The next call starts new ones, which takes 0.1 ms. Does nothing in a forked child, which has no such threads.
    """
    if _pool.started and not _pool.lost:
        end_threads()
