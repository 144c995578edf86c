"""The implementations over a pool of workers: lists of Python's integers go there and back.

In the articles: the columns "Elixir Flow" (python_pool, python_inlined_pool), "map_calc_list" over stages (list_pool)
and "Flow.Window" (list_window). A stage is a worker here: a process, or a thread where Python is free-threaded;
`threads` says how many. The processes come from multiprocessing's "forkserver" where there is one ("spawn" elsewhere).
They do not import the main script, which would start itself again in each of them if it had no main guard.

Not from loky, which starts a whole interpreter for each worker: 32 of them took 22.9 s instead of 2.9 s (two busy
cores), and a call of 64 elements 0.39 ms instead of 0.28 ms.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import signal
import sys
import threading
import weakref
from collections import OrderedDict, deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from logmap_cy._fork import ForkGuard
from logmap_cy._state import on_release
from logmap_cy.rows import python_inlined as inlined
from logmap_cy.rows.objects import map_list
from logmap_cy.rows.python import iterate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logmap_cy._contract import Array

    Work: TypeAlias = Callable[[list[int], int, int, int], list[int]]

MOST = 2**16  # elements in a message
AHEAD = 2  # messages that a worker may have waiting
POOLS = 2  # that are kept; each worker process takes 20 MB
WINDOW_S = 1e-3  # a native call must stay below it, or Erlang's scheduler stalls


def python(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see logmap_cy._contract.Compute for the contract."""
    _spread(_loop, x, out, num, p, mu, threads, -(-len(x) // threads))


def python_inlined(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see logmap_cy._contract.Compute for the contract."""
    _spread(inlined.iterate, x, out, num, p, mu, threads, -(-len(x) // threads))


def whole_lists(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see logmap_cy._contract.Compute for the contract."""
    _spread(map_list, x, out, num, p, mu, threads, -(-len(x) // threads))


def windows(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
    """Write num steps of the map on x to out; see logmap_cy._contract.Compute for the contract."""
    _spread(map_list, x, out, num, p, mu, threads, window(num, p, mu))


def window(num: int, p: int, mu: int) -> int:
    """Return how many elements map_list does in WINDOW_S, at least 1, as measured once for about as many steps."""
    return _window(1 << (num - 1).bit_length(), one_remainder=mu * (p - 1) * p < 2**64)


@functools.cache
def _window(num: int, *, one_remainder: bool) -> int:
    from logmap_cy.chunks.calibrate import calibrate_chunk

    values = [*range(MOST)]
    p, mu = (6700417, 22) if one_remainder else (2**32, 2**32 - 1)
    try:
        return calibrate_chunk(
            lambda length: map_list(values[:length], num, p, mu), WINDOW_S, confidence=0.9, most=MOST
        )
    except ValueError:  # one element takes longer
        return 1


def _loop(values: list[int], num: int, p: int, mu: int) -> list[int]:
    return [iterate(value, num, p, mu) for value in values]


def _spread(work: Work, x: Array, out: Array, num: int, p: int, mu: int, workers: int, length: int) -> None:
    """Let the workers do parts of so many elements, at most MOST; a few parts are under way at a time."""
    length = min(max(length, 1), MOST)
    parts = (slice(start, start + length) for start in range(0, len(x), length))
    # The answers that are waited for, the oldest first.
    waiting: deque[tuple[slice, SimpleQueue[Future[list[int]]]]] = deque()
    if not _pools.usable():
        for part in parts:
            out[part] = np.array(work(x[part].tolist(), num, p, mu), out.dtype)
        return

    def fetch() -> None:
        part, queue = waiting.popleft()
        future = queue.get()
        with _undisturbed():
            values = future.result()
        out[part] = np.array(values, out.dtype)

    _pools.caller.waiting = weakref.ref(waiting)
    pool = None
    try:
        pool = _pools.get(workers)
        for part in parts:
            values = x[part].tolist()
            # A future's own wait may keep its lock after Ctrl-C, and whoever is to set its result would wait for ever.
            queue: SimpleQueue[Future[list[int]]] = SimpleQueue()
            with _undisturbed(), _pools.without_main():
                pool.submit(work, values, num, p, mu).add_done_callback(queue.put)
            waiting.append((part, queue))
            if len(waiting) >= workers * AHEAD:
                fetch()
        while waiting:
            fetch()
    except BaseException:  # Ctrl-C, or a worker that died
        if pool:
            _pools.drop(workers, pool)
        raise
    finally:
        _pools.caller.waiting = None


class _Pools:
    """The pools that are kept between calls. One that is let go ends when the last call that uses it does."""

    def __init__(self) -> None:
        self.kept: OrderedDict[int, Executor] = OrderedDict()
        # A signal handler may call `release` while it interrupts a call.
        self.lock = threading.RLock()
        self.fork = ForkGuard()
        # In each thread: a weak reference to what its present call waits for. Ctrl-C may keep it from being cleared.
        self.caller = threading.local()

    def usable(self) -> bool:
        """Return whether this thread may use a pool now.

        Not in a forked child, as pools do not survive fork(); nor in worker processes of other pools, which may not
        have any, or wait for it at their end; nor in a signal handler that interrupted such a call amid its locks.
        """
        outer = getattr(self.caller, "waiting", None)
        return not self.fork.lost and multiprocessing.parent_process() is None and (outer is None or outer() is None)

    def get(self, workers: int) -> Executor:
        """Return a pool of so many workers, one that is kept where there is one."""
        with self.lock:
            # A signal handler may call `release`, which puts another one in its place.
            kept = self.kept
            pool = kept.get(workers)
            if pool is None:
                self.fork.started = True
                with _undisturbed():
                    kept[workers] = pool = _make(workers)
                    if len(kept) > POOLS:
                        kept.popitem(last=False)
            # A call of such a handler may have dropped the pool.
            with contextlib.suppress(KeyError):
                kept.move_to_end(workers)
            return pool

    def drop(self, workers: int, pool: Executor) -> None:
        """Let a pool go, with what is waiting there; a worker ends with the part that it has."""
        with _undisturbed(), self.lock:
            pool.shutdown(wait=False, cancel_futures=True)
            if self.kept.get(workers) is pool:
                self.kept.pop(workers, None)

    def release(self) -> None:
        """Let all pools go; a later call makes new ones."""
        with self.lock:
            self.kept = OrderedDict()

    @contextlib.contextmanager
    def without_main(self) -> Iterator[None]:
        """Have workers that are started in the block not import the main script, whose name they would be told."""
        main, names = sys.modules["__main__"], ("__file__", "__spec__")
        with self.lock:
            hidden = {name: vars(main)[name] for name in names if name in vars(main)}
            vars(main).update(dict.fromkeys(hidden))
            try:
                yield
            finally:
                vars(main).update(hidden)


_pools = _Pools()
on_release(_pools.release)
# Otherwise it goes with the modules, when concurrent.futures lacks what it calls then, and says so on stderr.
atexit.register(_pools.release)


def _make(workers: int) -> Executor:
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return ThreadPoolExecutor(workers)
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":  # or each worker would import NumPy for itself
        context.set_forkserver_preload([__name__])
        _start_server()
    # Ctrl-C goes to every process of the terminal; the caller answers it.
    return ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))


def _start_server() -> None:
    """Let the server, and the workers that it makes, be deaf to Ctrl-C from their first moment on."""
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()  # before, for it lets Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Answer Ctrl-C after the block: amid a worker's start it would leave a process, or a lock taken, for good."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield  # it is answered elsewhere, or not by Python
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
