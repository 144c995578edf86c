"""The implementation "numba": the plain loop, compiled by LLVM at the first call for a dtype, on all threads.

In the articles: "a compiler straight to machine code (what if LLVM emitted it?)".
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from logmap_cy._fork import ForkGuard
from logmap_cy._reentry import ReentryGuard

if TYPE_CHECKING:
    from logmap_cy._contract import Array

# One call at a time: Numba's threads (layer "workqueue") end the process if two calls overlap.
_lock = threading.Lock()
_guard = ReentryGuard('implementation="numba"')
# They end a forked child.
_threads = ForkGuard()


@numba.njit(parallel=True, nogil=True, error_model="numpy")
def _signed(x: Any, out: Any, num: Any, p: Any, mu: Any, one: Any) -> None:
    for i in numba.prange(x.size):
        # In [0, p), as in Python.
        u = np.uint64(np.int64(x[i]) % np.int64(p))
        for _ in range(num):
            u = mu * u * (u + np.uint64(1)) % p if one else mu * (u * (u + np.uint64(1)) % p) % p
        out[i] = u


@numba.njit(parallel=True, nogil=True, error_model="numpy")
def _unsigned(x: Any, out: Any, num: Any, p: Any, mu: Any, one: Any) -> None:
    for i in numba.prange(x.size):
        u = np.uint64(x[i]) % p
        for _ in range(num):
            u = mu * u * (u + np.uint64(1)) % p if one else mu * (u * (u + np.uint64(1)) % p) % p
        out[i] = u


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see `logmap_cy._contract.Compute`.

    Needs p <= 2**32: products stay below 2**64, as logmap_cy/rows/step.pxd proves. Calls wait for each other.

    Raises
    ------
    RuntimeError
        It was called before this process was forked, or by a signal handler that interrupted such a call.

    """
    if _threads.lost:
        raise RuntimeError(
            "Numba's threads were started before fork() and do not survive it; use multiprocessing's spawn or "
            'forkserver, or implementation="auto"'
        )
    run = _signed if x.dtype.kind == "i" else _unsigned
    one_remainder = mu * (p - 1) * p < 2**64
    source = x.view()
    # Numba would compile once more for an array that is writable, and lose a Ctrl-C that comes meanwhile.
    source.flags.writeable = False

    def launch() -> None:
        with _lock:
            _threads.started = True
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
            run(source, out, num, np.uint64(p), np.uint64(mu), one_remainder)

    _guard.run(launch)
