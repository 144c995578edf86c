"""The implementation "hybrid": the processor and the OpenCL devices at once, in proportion to what each proved to do.

Whether to share is itself measured; `sharing` has the rules, and here is what has clocks and threads: `_Call`,
`_Stretch`, `_Lane`. The processor is the calling thread. Each device has a thread of its own, its lane, that is kept;
wall time, with transfers, is what counts.
"""

from __future__ import annotations

import atexit
import functools
import threading
import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from logmap_cy import _registry, _threads
from logmap_cy._drive import SMALL, schedule
from logmap_cy.hybrid.sharing import HOST, Book, Busy, Course, Outcome, Pieces, Segment, Share, Shares, is_small
from logmap_cy.opencl.device import discover
from logmap_cy.opencl.program import PROGRAMS, current_session, open_session
from logmap_cy.vector.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from logmap_cy._contract import Array, Compute
    from logmap_cy.opencl.device import Device

P_MOST = 2**32
BOOKS = 64  # kinds of work that are remembered; the longest unused one goes first
WARM = 256  # elements to build a program with


@dataclass(frozen=True)
class Worker:
    """The processor or a device, with the implementation that it is best at."""

    name: str
    compute: Compute
    steps_per_call: int
    device: Device | None = None


@functools.lru_cache(maxsize=1024)
def crew(p: int, mu: int) -> tuple[Worker, ...]:
    """Return the workers for p and mu, the processor first."""
    rows = {row.name: row for row in _registry.ROWS}

    def best(names: tuple[str, ...], device: Device | None) -> Worker:
        able = (rows[name] for name in names if rows[name].domain.contains(p, mu))
        row = next(row for row in able if (device in row.devices if device else not row.unavailable))
        name = f"{device}: {row}" if device else f"cpu: {row}"
        return Worker(name, row.load(device), row.steps_per_call, device)

    kernels = ("opencl_double", "opencl_uint", "opencl_loop")
    return (best(_registry.AUTO, None), *(best(kernels, device) for device in discover().devices))


_books: OrderedDict[tuple[Any, ...], Book] = OrderedDict()
_books_lock = threading.Lock()


@functools.lru_cache(maxsize=1024)
def _kind(p: int, mu: int) -> tuple[Any, ...]:
    """Return what p and mu make of the work: the workers' names and the form of the steps."""
    return tuple(worker.name for worker in crew(p, mu)), plan(p, mu).integers["FORM"], mu * (p - 1) * p < 2**64


def book(dtype: np.dtype[Any], num: int, p: int, mu: int, threads: int) -> Book:
    """Return what is known of such work: the same workers, threads, dtype and form of the steps, about as many."""
    key = _kind(p, mu), dtype.char, num.bit_length(), threads
    with _books_lock:
        found = _books.get(key)
        if found is None:
            found = _books[key] = Book(len(crew(p, mu)))
            if len(_books) > BOOKS:
                _books.popitem(last=False)
        _books.move_to_end(key)
        return found


@dataclass
class _Program:
    """A program on its way, or built: the session that has it, the seconds of a tiny piece, or what went wrong."""

    session: weakref.ref[Any] | None = None
    fixed_s: float = 0.0
    error: BaseException | None = None
    ordered: bool = True


class _Lane:
    """The thread of one device: tasks, one after the other, until the process ends.

    A queue of its own, not an executor: Ctrl-C in the midst of an executor's submit may leave its locks taken.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.programs: dict[tuple[Any, ...], _Program] = {}
        self.thread = threading.Thread(target=self._serve, name=f"logmap-cy {device}", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while (task := self.tasks.get()) is not None:
            task()
            del task  # or it would keep arrays until the next one comes

    def stop(self) -> None:
        """End the thread: a driver that is at work while the process ends may crash it."""
        self.tasks.put(None)
        self.thread.join()

    def is_built(self, key: tuple[Any, ...]) -> bool:
        """Whether the device's present session has the program; `logmap_cy.release_opencl` ends sessions."""
        known = self.programs.get(key)
        session = current_session(self.device)
        return known is not None and session is not None and known.session is not None and known.session() is session

    def ready(self, worker: Worker, dtype: np.dtype[Any], p: int, mu: int) -> float | None:
        """Return the seconds of a tiny piece where the program is built; None, and it is ordered, where it is not."""
        key = worker.name, dtype.str, p, mu
        known = self.programs.get(key)
        if known and known.error:
            self.programs.pop(key, None)
            raise _failure(worker, known.error) from known.error
        if known and self.is_built(key):
            return known.fixed_s
        if known is None or not known.ordered:
            self.programs[key] = _Program()
            self.tasks.put(functools.partial(self._order, worker, dtype, p, mu))
        return None

    def _order(self, worker: Worker, dtype: np.dtype[Any], p: int, mu: int) -> None:
        try:
            self.build(worker, dtype, p, mu)
        except BaseException as error:  # noqa: BLE001  # raised by the next call that asks
            self.programs[worker.name, dtype.str, p, mu] = _Program(error=error, ordered=False)

    def build(self, worker: Worker, dtype: np.dtype[Any], p: int, mu: int) -> None:
        """Have the program built and all started that starts but once, on an array of its own; on the lane only."""
        key = worker.name, dtype.str, p, mu
        if self.is_built(key):
            return
        x = np.zeros(WARM, dtype)
        out = np.empty_like(x)
        seconds = []
        for _ in range(4):
            begin = time.perf_counter()
            worker.compute(x, out, 1, p, mu, 1)
            seconds.append(time.perf_counter() - begin)
        if len(self.programs) >= PROGRAMS:
            self.programs.clear()
        self.programs[key] = _Program(weakref.ref(open_session(self.device)), min(seconds[1:]), ordered=False)


_lanes: dict[Device, _Lane] = {}
_lanes_lock = threading.Lock()


def _lane(device: Device) -> _Lane:
    with _lanes_lock:
        if device not in _lanes:
            _lanes[device] = _Lane(device)
        return _lanes[device]


@atexit.register
def _stop() -> None:
    for lane in _lanes.values():
        lane.stop()


def _failure(worker: Worker, error: BaseException) -> RuntimeError:
    assert worker.device is not None  # noqa: S101  # the processor's errors are raised as they are
    return RuntimeError(f"{worker.name} on {worker.device.name} failed: {type(error).__name__}: {error}")


class _Stretch:
    """A segment of a call under way: its pieces, and who is at them."""

    def __init__(self, call: _Call, segment: Segment, start: int) -> None:
        self.call = call
        self.part = slice(start, start + segment.elements)
        most = {worker: max(call.crew[worker].steps_per_call // call.num, SMALL) for worker in segment.team}
        self.pieces = Pieces(segment.elements, segment.rates, segment.fixed, most)
        self.did = {worker: Busy(0, 0.0, 0) for worker in segment.team}
        self.closed = False
        self.failure: tuple[Worker, BaseException] | None = None
        self.finished: SimpleQueue[None] = SimpleQueue()
        self.lock = threading.Lock()
        self.at_work = {worker: threading.Lock() for worker in segment.team if worker}

    def run(self) -> Outcome:
        """Do it all.

        Raises
        ------
        RuntimeError: a device failed.

        """
        begin = time.perf_counter()
        if 0 not in self.did and any(self.call.is_processor(worker) for worker in self.did):
            _threads.rest()
        for worker in self.at_work:
            # By a weak reference: what waits in a lane that is busy with another call must not keep this one's arrays.
            self.call.lane(worker).tasks.put(functools.partial(_at_lane, weakref.ref(self), worker))
        if 0 in self.did:
            self.work(0)
        self.finished.get()
        self.close()
        if self.failure:
            failed, error = self.failure
            raise _failure(failed, error) from error
        return Outcome(time.perf_counter() - begin, self.did)

    def work(self, worker: int) -> None:
        """Take pieces and do them, until there are no more or the stretch is closed."""
        call, does = self.call, self.call.crew[worker]
        x, out = call.x[self.part], call.out[self.part]
        while not self.closed:
            with self.lock:
                piece = self.pieces.take(worker)
            if piece is None:
                return
            begin = time.perf_counter()
            for part, steps, first in schedule(piece.stop - piece.start, call.num, does.steps_per_call):
                if self.closed:
                    return
                target = out[piece][part]
                does.compute(x[piece][part] if first else target, target, steps, call.p, call.mu, call.threads)
            seconds = time.perf_counter() - begin
            with self.lock:
                elements, before_s, pieces = self.did[worker]
                elements += piece.stop - piece.start
                self.did[worker] = Busy(elements, before_s + seconds, pieces + 1)
                if self.pieces.done(worker, piece.stop - piece.start, seconds):
                    self.finished.put(None)

    def work_at_lane(self, worker: int) -> None:
        """Work, on the device's own thread; what goes wrong is for the calling thread to raise."""
        call, does = self.call, self.call.crew[worker]
        try:
            call.lane(worker).build(does, call.x.dtype, call.p, call.mu)  # not at_work: no call waits for a build
            with self.at_work[worker]:
                self.work(worker)
        except BaseException as error:  # noqa: BLE001
            self.failure = self.failure or (does, error)
            self.closed = True
            self.finished.put(None)

    def close(self) -> None:
        """Have no more pieces begun, and wait for those under way; Ctrl-C does not shorten this."""
        self.closed = True
        interrupt: BaseException | None = None
        for lock in self.at_work.values():
            while True:
                try:
                    with lock:
                        break
                except BaseException as error:  # noqa: BLE001  # raised below
                    interrupt = error
        if interrupt:
            raise interrupt


def _at_lane(reference: weakref.ref[_Stretch], worker: int) -> None:
    stretch = reference()
    if stretch is not None and not stretch.closed:
        stretch.work_at_lane(worker)


class _Presence:
    """Tells whether a call has run beside no other one."""

    def __init__(self) -> None:
        self.quiet = True

    def begin(self) -> None:
        """Have the calls that run know of each other."""
        with _running_lock:
            beside = list(_running)
            for other in (*beside, self):
                other.quiet = not beside
            _running.add(self)

    def end(self) -> None:
        """Run no more; may be called again."""
        with _running_lock:
            _running.discard(self)


_running: weakref.WeakSet[_Presence] = weakref.WeakSet()  # weak for what a hail of signals keeps from its end
_running_lock = threading.Lock()


class _Call:
    """One call of `compute`."""

    def __init__(self, crew: tuple[Worker, ...], x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> None:
        self.crew = crew
        self.x, self.out, self.num, self.p, self.mu, self.threads = x, out, num, p, mu, threads
        self.stretch: _Stretch | None = None
        self.presence = _Presence()

    def lane(self, worker: int) -> _Lane:
        """Return the lane of a device."""
        device = self.crew[worker].device
        assert device is not None  # noqa: S101  # all but the first have one
        return _lane(device)

    def is_processor(self, worker: int) -> bool:
        """Whether the worker is an OpenCL device that is made of the processor's cores."""
        device = self.crew[worker].device
        return device is not None and device.kind == "cpu"

    def run(self, notes: Book) -> Shares:
        """Do what the call's course says, segment by segment."""
        self.presence.begin()
        course = Course(notes, len(self.x), self.num, self._ready, lambda: self.presence.quiet)
        segments = course.segments()
        start, done = 0, dict.fromkeys(range(len(self.crew)), (0, 0.0))
        segment = next(segments, None)
        while segment is not None:
            self.stretch = _Stretch(self, segment, start)
            outcome = self.stretch.run()
            start += segment.elements
            for worker, busy in outcome.busy.items():
                elements, seconds = done[worker]
                done[worker] = elements + busy.elements, seconds + busy.seconds
            try:
                segment = segments.send(outcome)
            except StopIteration:
                segment = None
        return Shares(tuple(Share(self.crew[worker].name, *did) for worker, did in done.items()))

    def _ready(self, worker: int) -> float | None:
        return self.lane(worker).ready(self.crew[worker], self.x.dtype, self.p, self.mu)

    def end(self) -> None:
        """Leave nothing running; may be called again."""
        if self.stretch:
            self.stretch.close()
            self.stretch = None  # each knows the other: a cycle, which would keep the arrays until it is found
        self.presence.end()


def _by_host(host: Worker, x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> Shares:
    """Do all on the calling thread, and nothing else."""
    begin = time.perf_counter()
    for part, steps, first in schedule(len(x), num, host.steps_per_call):
        host.compute((x if first else out)[part], out[part], steps, p, mu, threads)
    return Shares((Share(host.name, len(x), time.perf_counter() - begin),))


def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int) -> Shares:
    """Write num steps of the map on x to out; see logmap_cy._contract.Compute for the contract. Returns who did what.

    Raises
    ------
    ValueError: p is beyond 2**32, or x and out are not of one length.
    RuntimeError: a device failed; what it left undone is in no answer.

    """
    if not 1 <= p <= P_MOST:
        raise ValueError(f"p={p} is outside [1, 2**32]")
    if len(x) != len(out):
        raise ValueError(f"out has {len(out)} elements, x has {len(x)}; pass arrays of one length")
    workers = crew(p, mu)
    notes, work = book(x.dtype, num, p, mu, threads), len(x) * num
    if is_small(len(x), num):
        if notes.alone(work) == HOST:
            return _by_host(workers[0], x, out, num, p, mu, threads)
    elif notes.is_settled(work):
        presence = _Presence()
        try:
            presence.begin()
            shares = _by_host(workers[0], x, out, num, p, mu, threads)
            if presence.quiet:
                notes.took(work, shares.workers[0].seconds)
        finally:
            presence.end()
        return shares
    call = _Call(workers, x, out, num, p, mu, threads)
    try:
        return call.run(notes)
    finally:
        try:
            call.end()
        finally:
            call.end()  # Ctrl-C may have come before the first one had begun
