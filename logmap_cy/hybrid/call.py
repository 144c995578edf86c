"""The implementation "hybrid": the processor, which is the calling thread, and OpenCL devices at the same time."""

from __future__ import annotations

import _thread  # a Thread that is interrupted by Ctrl-C while it starts may keep a lock for good
import atexit
import functools
import threading
import time
import timeit
from contextlib import closing
from dataclasses import dataclass
from math import inf
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy import _registry, _threads
from logmap_cy._drive import SMALL, schedule
from logmap_cy.hybrid.sharing import HOST, SMALL_S, Costs, Measurements, Pieces, Plan
from logmap_cy.opencl.device import discover
from logmap_cy.opencl.program import PROGRAMS
from logmap_cy.vector.plan import plan

if TYPE_CHECKING:
    from logmap_cy._contract import Array, Compute
    from logmap_cy.opencl.device import Device


@dataclass(frozen=True)
class Worker:
    """The processor or a device, with its fastest implementation."""

    name: str
    compute: Compute
    steps_per_call: int
    device: Device | None = None

    def run(self, *arguments: Any) -> None:
        """Compute; RuntimeError where a device fails."""
        try:
            self.compute(*arguments)
        except Exception as error:
            if self.device is None:
                raise
            where = f"{self.name} on {self.device.name}"
            raise RuntimeError(f"{where} failed: {type(error).__name__}: {error}") from error


@functools.lru_cache(maxsize=1024)
def find_workers(p: int, mu: int, *, idle: bool) -> tuple[tuple[Worker, ...], tuple[object, ...]]:
    """Return the workers for p and mu, the processor first, and what such calls have in common.

    Drivers that run on the processor's cores have the same instructions, and gain only where some cores are idle.
    """
    rows = {row.name: row for row in _registry.ROWS}

    def fastest(names: tuple[str, ...], device: Device | None) -> Worker:
        able = (rows[name] for name in names if rows[name].domain.contains(p, mu))
        row = next(row for row in able if (device in row.devices if device else not row.unavailable))
        return Worker(f"{device or 'cpu'}: {row}", row.load(device), row.steps_per_call, device)

    kernels = ("opencl_float", "opencl_double", "opencl_uint", "opencl_loop")
    devices = (device for device in discover().devices if idle or device.kind != "cpu")
    workers = fastest(_registry.AUTO, None), *(fastest(kernels, device) for device in devices)
    return workers, (*(worker.name for worker in workers), plan(p, mu).integers["FORM"], mu * (p - 1) * p < 2**64)


# What so many workers have shown at one kind of work.
measurements = functools.lru_cache(256)(lambda workers, threads, *kind: Measurements(workers, threads))  # noqa: ARG005


class _Program:
    """A device's program, built and measured on a thread of its own while the processor computes."""

    building = threading.Lock()
    # Whether the process ends, so that nothing more is measured.
    ending = False

    def __init__(self, *key: Any) -> None:
        # None while the program is being built, an error where that failed.
        self.found: Costs | BaseException | None = None
        _thread.start_new_thread(self.build, key)

    def build(self, worker: Worker, dtype: np.dtype[Any], p: int, mu: int) -> None:
        """Have the program built by computing a piece, and measure what others cost."""

        def seconds(count: int, num: int) -> float:
            if self.ending:
                raise InterruptedError
            x = np.zeros(count, dtype)
            # The processor's threads slow this one down, most of the time by a turn of milliseconds.
            least, calls, begin = inf, 0, time.perf_counter()
            while calls < REPEATS or time.perf_counter() < begin + REPEATED_S:
                least = min(least, timeit.timeit(lambda: worker.run(x, x, num, p, mu, 1), number=1))
                calls += 1
            return least

        try:
            with self.building:
                seconds(256, 1)
                fixed_s = seconds(256, 1)
                # More elements, then more steps, until most of the time is theirs.
                count, num, one_s, all_s = 256, 1, fixed_s, 0.0
                while one_s < MEASURED_S and count < MOST:
                    count *= 64
                    one_s = seconds(count, 1)
                while all_s < 2 * one_s and num < 2**12:
                    num *= 16
                    all_s = seconds(count, num)
                # What is less than an eighth is lost in the noise.
                element_s = max(one_s - fixed_s, one_s / 8) / count
                self.found = Costs(fixed_s, element_s, max(all_s - one_s, all_s / 8) / (count * (num - 1)))
        except BaseException as error:  # noqa: BLE001
            self.found = error


program = functools.lru_cache(PROGRAMS)(_Program)
# Measured pieces are repeated so often and for so many seconds, as the first of a size takes several times as long.
REPEATS, REPEATED_S = 4, 0.02
# They grow until they take so many seconds, or have so many elements.
MEASURED_S, MOST = 0.002, 2**20


@atexit.register
def _end() -> None:
    """Wait for a driver, which may crash a process that ends while it is at work; not for one that hangs."""
    _Program.ending = True
    _Program.building.acquire(timeout=10)


def costs(worker: Worker, dtype: np.dtype[Any], p: int, mu: int) -> Costs | None:
    """Return what pieces cost on a device; None while its program is being built, from now on."""
    found = program(worker, dtype, p, mu).found
    if isinstance(found, BaseException):
        program.cache_clear()
        raise found
    return found


class _Call:
    """A call, computed part by part by the threads of its workers."""

    def __init__(self, workers: tuple[Worker, ...], *arguments: Any) -> None:
        self.workers = workers
        self.x, self.out, self.num, self.p, self.mu, self.threads = arguments
        self.start = 0
        self.shares = [(0, 0.0)] * len(workers)  # elements and seconds of each worker
        self.pieces: Pieces | None = None
        self.lock = threading.Lock()
        # The threads that devices compute on, and an item from each that has ended.
        self.active: set[int] = set()
        self.ended: SimpleQueue[None] = SimpleQueue()
        self.failure: BaseException | None = None

    def execute(self, elements: int, rates: dict[int, float]) -> float:
        """Have the next elements computed by workers of these elements a second; return the seconds that it took."""
        begin = time.perf_counter()
        most = {i: max(self.workers[i].steps_per_call // self.num, SMALL) for i in rates}
        self.pieces = pieces = Pieces(self.start, elements, rates, most)
        if all((device := self.workers[i].device) and device.kind == "cpu" for i in rates):
            _threads.rest()
        mine, *others = sorted(rates)
        for i in others:
            _thread.start_new_thread(self.compute_beside, (i, pieces))
        self.compute(mine, pieces)
        while pieces.unfinished and not self.failure:
            self.ended.get()
        self.close()
        if self.failure:
            raise self.failure
        self.start += elements
        return time.perf_counter() - begin

    def compute(self, i: int, pieces: Pieces) -> None:
        """Compute pieces until none is left or the part is closed."""
        worker = self.workers[i]
        while self.pieces is pieces:
            with self.lock:
                if (piece := pieces.take(i)) is None:
                    return
            begin, count = time.perf_counter(), piece.stop - piece.start
            for part, steps, first in schedule(count, self.num, worker.steps_per_call):
                if self.pieces is not pieces:
                    return
                out = self.out[piece][part]
                worker.run(self.x[piece][part] if first else out, out, steps, self.p, self.mu, self.threads)
            seconds = time.perf_counter() - begin
            with self.lock:
                self.shares[i] = self.shares[i][0] + count, self.shares[i][1] + seconds
                pieces.finish(i, count, seconds)

    def compute_beside(self, i: int, pieces: Pieces) -> None:
        """Compute pieces on a thread of its own; leave an error to the calling thread."""
        self.active.add(_thread.get_ident())
        try:
            self.compute(i, pieces)
        except BaseException as error:  # noqa: BLE001
            self.failure = error
            self.pieces = None
        self.active.discard(_thread.get_ident())
        self.ended.put(None)

    def close(self) -> None:
        """Have no more pieces begun and wait for those that devices compute, also where Ctrl-C interrupts that."""
        interrupt: BaseException | None = None
        self.pieces = None
        while self.active:
            try:
                self.ended.get()
            except BaseException as error:  # noqa: BLE001  # raised below
                interrupt = error
        if interrupt:
            raise interrupt


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> dict[str, tuple[int, float]]:
    """Write num steps of the map on x to out, see `Compute`; return the elements and busy seconds of each worker.

    Raises
    ------
    ValueError: p is beyond 2**32, or x and out are not of one length.
    RuntimeError: a device failed, or was used before fork(); what it left undone is in no answer.

    """
    if not 1 <= p <= 2**32:
        raise ValueError(f"p={p} is outside [1, 2**32]")
    if len(x) != len(out):
        raise ValueError(f"out has {len(out)} elements, x has {len(x)}; pass arrays of one length")
    if reason := discover().reason:
        raise RuntimeError(reason)
    if not len(x):
        return {}
    workers, kind = find_workers(p, mu, idle=threads < _threads.cores())
    known = measurements(len(workers), threads, *kind, x.dtype, len(x).bit_length(), num.bit_length())
    if len(workers) == 1 or len(x) * num < SMALL_S * known.rate(HOST):
        begin, host = time.perf_counter(), workers[0]
        for part, steps, first in schedule(len(x), num, host.steps_per_call):
            host.run((x if first else out)[part], out[part], steps, p, mu, threads)
        seconds = max(time.perf_counter() - begin, 1e-9)
        known.rates.setdefault(HOST, (len(x) * num / seconds,))
        return {host.name: (len(x), seconds)}
    call = _Call(workers, x, out, num, p, mu, threads)
    # Twice: Ctrl-C may come before the first one has begun.
    with closing(call), closing(call):
        Plan(known, len(x), num, lambda i: costs(workers[i], x.dtype, p, mu), call.execute).run()
    return {worker.name: share for worker, share in zip(workers, call.shares, strict=True) if share[0]}
