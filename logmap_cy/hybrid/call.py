"""The implementation "hybrid": the processor, which is the calling thread, and OpenCL devices at the same time."""

from __future__ import annotations

import _thread  # a Thread that is interrupted by Ctrl-C while it starts may keep a lock for good
import atexit
import functools
import threading
import time
import timeit
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy import _registry, _threads
from logmap_cy._drive import SMALL, schedule
from logmap_cy.hybrid.sharing import FIRST_STEPS, HOST, SMALL_S, Measurements, Pieces, Plan
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

    def failed(self, error: BaseException) -> RuntimeError:
        """Return the error to be raised instead."""
        new = RuntimeError(f"{self.name} on {self.device and self.device.name} failed: {type(error).__name__}: {error}")
        new.__cause__ = error
        return new


@functools.lru_cache(maxsize=1024)
def find_workers(p: int, mu: int) -> tuple[tuple[Worker, ...], tuple[object, ...]]:
    """Return the workers for p and mu, the processor first, and what such calls have in common."""
    rows = {row.name: row for row in _registry.ROWS}

    def fastest(names: tuple[str, ...], device: Device | None) -> Worker:
        able = (rows[name] for name in names if rows[name].domain.contains(p, mu))
        row = next(row for row in able if (device in row.devices if device else not row.unavailable))
        return Worker(f"{device or 'cpu'}: {row}", row.load(device), row.steps_per_call, device)

    kernels = ("opencl_float", "opencl_double", "opencl_uint", "opencl_loop")
    workers = fastest(_registry.AUTO, None), *(fastest(kernels, device) for device in discover().devices)
    return workers, (*(worker.name for worker in workers), plan(p, mu).integers["FORM"], mu * (p - 1) * p < 2**64)


# What so many workers have shown at one kind of work.
measurements = functools.lru_cache(256)(lambda workers, *kind: Measurements(workers))  # noqa: ARG005


class _Program:
    """A device's program, which is built on a thread of its own while the processor computes."""

    building = threading.Lock()

    def __init__(self, *key: Any) -> None:
        # The seconds that a tiny piece takes; None while the program is being built.
        self.seconds: float | None = None
        self.failure: RuntimeError | None = None
        _thread.start_new_thread(self.build, key)

    def build(self, worker: Worker, dtype: np.dtype[Any], p: int, mu: int) -> None:
        """Have the program built by computing tiny pieces; the first one pays for what is done once."""
        x = np.zeros(256, dtype)
        try:
            with self.building:
                worker.compute(x, x, 1, p, mu, 1)
                begin = time.perf_counter()
                worker.compute(x, x, 1, p, mu, 1)
                self.seconds = time.perf_counter() - begin
        except BaseException as error:  # noqa: BLE001
            self.failure = worker.failed(error)


program = functools.lru_cache(PROGRAMS)(_Program)
# Pieces of a prediction grow until they take so many seconds.
PREDICTED_S = 0.002
# A driver that is at work while the process ends may crash it; one that hangs is not waited for.
atexit.register(_Program.building.acquire, timeout=10)


def tiny_piece_s(worker: Worker, dtype: np.dtype[Any], p: int, mu: int) -> float | None:
    """Return how long it takes the worker; None while its program is being built, from now on."""
    found = program(worker, dtype, p, mu)
    if found.failure:
        program.cache_clear()
        raise found.failure
    return found.seconds


def predict(known: Measurements, i: int, worker: Worker, x: Array, num: int, p: int, mu: int) -> None:
    """Have a device's rate predicted, on a thread of its own, so that no call has to try it first."""
    elements, dtype, steps = len(x), x.dtype, min(num, 2**10)
    most = min(elements, 2**20)
    fixed_s = tiny_piece_s(worker, dtype, p, mu) or 0.0

    def run() -> None:
        # What fails here fails in a call, too, and is reported there.
        with suppress(BaseException), _Program.building:
            count, seconds = 2**9, 0.0
            while not seconds or (seconds < PREDICTED_S and count < most):
                count = min(8 * count, most)
                data = np.zeros(count, dtype)
                # Other work on the machine only ever slows one down.
                seconds = min(timeit.repeat(lambda: worker.compute(data, data, steps, p, mu, 1), number=1, repeat=3))  # noqa: B023
            step_s = max(seconds - fixed_s, seconds / 8) / (count * steps)
            known.expect((i,), 1 / (fixed_s / (elements * num) + step_s))

    _thread.start_new_thread(run, ())


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
        self.failure: RuntimeError | None = None

    def execute(self, elements: int, rates: dict[int, float]) -> float:
        """Have the next elements computed by workers of these elements a second; return the seconds that it took."""
        begin = time.perf_counter()
        most = {i: max(self.workers[i].steps_per_call // self.num, SMALL) for i in rates}
        self.pieces = pieces = Pieces(self.start, elements, rates, most)
        if all((device := self.workers[i].device) and device.kind == "cpu" for i in rates):
            _threads.rest()
        for i in rates.keys() - {0}:
            _thread.start_new_thread(self.compute_on_device, (i, pieces))
        if 0 in rates:
            self.compute(0, pieces)
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
                worker.compute(self.x[piece][part] if first else out, out, steps, self.p, self.mu, self.threads)
            seconds = time.perf_counter() - begin
            with self.lock:
                self.shares[i] = self.shares[i][0] + count, self.shares[i][1] + seconds
                pieces.finish(i, count, seconds)

    def compute_on_device(self, i: int, pieces: Pieces) -> None:
        """Compute pieces on a thread of its own; leave an error to the calling thread."""
        self.active.add(_thread.get_ident())
        try:
            self.compute(i, pieces)
        except BaseException as error:  # noqa: BLE001
            self.failure = self.workers[i].failed(error)
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
    workers, kind = find_workers(p, mu)
    known = measurements(len(workers), *kind, x.dtype, len(x).bit_length(), num.bit_length(), threads)
    if len(x) * num < (SMALL_S * known.rate(HOST) if HOST in known.rates else FIRST_STEPS * threads):
        begin = time.perf_counter()
        for part, steps, first in schedule(len(x), num, workers[0].steps_per_call):
            workers[0].compute((x if first else out)[part], out[part], steps, p, mu, threads)
        seconds = max(time.perf_counter() - begin, 1e-9)
        known.rates.setdefault(HOST, (len(x) * num / seconds,))
        return {workers[0].name: (len(x), seconds)}
    call = _Call(workers, x, out, num, p, mu, threads)
    # Twice: Ctrl-C may come before the first one has begun.
    with closing(call), closing(call):
        Plan(
            known, len(x), num, threads,
            ready=lambda i: tiny_piece_s(workers[i], x.dtype, p, mu),
            predict=lambda i: predict(known, i, workers[i], x, num, p, mu),
            execute=call.execute,
        ).run()  # fmt: skip
    return {worker.name: share for worker, share in zip(workers, call.shares, strict=True) if share[0]}
