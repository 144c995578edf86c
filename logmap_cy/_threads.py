"""How many threads a call may use."""

from __future__ import annotations

import os

from logmap_cy._fork import ForkGuard
from logmap_cy._prange import openmp_threads

_pool = ForkGuard()


def cores() -> int:
    """Return the number of cores that this process may use: its affinity, where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve(threads: int | None) -> int:
    """Return the number of threads for a call that asked for at most `threads`.

    None stands for what OpenMP takes by itself (OMP_NUM_THREADS counts), within the cores of this process.
    Never more than the machine's cores: a system that cannot start them would end the process. One in a
    forked child of a process that used threads: GNU's OpenMP waits for ever for threads that fork() left behind.
    """
    limit = min(openmp_threads(), cores()) if threads is None else min(threads, os.cpu_count() or 1)
    if limit <= 1 or _pool.lost:
        return 1
    _pool.started = True
    return limit
