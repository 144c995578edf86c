"""The hybrid: what it decides, on simulated machines; and real devices, which compute every element exactly once."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import statistics
import subprocess
import sys
import textwrap
import threading
import time
import timeit
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from logmap_cy import implementations, logmap, release_opencl
from logmap_cy.hybrid import call, sharing
from logmap_cy.hybrid.sharing import Costs, Measurements, Pieces, Plan
from logmap_cy.opencl import job, program
from logmap_cy.opencl.device import discover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Oracle
    from logmap_cy._contract import Array
    from logmap_cy.hybrid.call import Worker

P, MU = 6700417, 22
G = 1e9


# --- Simulated machines ----------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """Workers with rates, in elements times steps a second, and fixed costs of a piece; with a clock of its own."""

    rates: list[float]
    fixed: list[float]
    # What a worker keeps of its rate beside other active ones.
    beside: Callable[[int, set[int]], float] = lambda worker, active: 1.0
    # Rates that hold from a time on.
    changes: dict[float, list[float]] = field(default_factory=dict)
    thread_start_s: float = 5e-5
    # Seconds that a worker's very first piece takes in addition, and each first piece after 5 ms without one.
    first: dict[int, float] = field(default_factory=dict)
    wake: dict[int, float] = field(default_factory=dict)
    slept_since: dict[int, float] = field(default_factory=dict)
    now: float = 0.0
    # Of the last call: elements computed by each worker, where the next piece starts, and the teams.
    computed: dict[int, int] = field(default_factory=dict)
    start: int = 0
    teams: list[tuple[int, ...]] = field(default_factory=list)

    def rate(self, worker: int, active: set[int]) -> float:
        rates = self.rates
        for begin in sorted(self.changes):
            rates = self.changes[begin] if begin <= self.now else rates
        return rates[worker] * self.beside(worker, active)

    def execute(self, elements: int, expected: dict[int, float], num: int = 10) -> float:
        """Compute a part; pieces go on side by side, each at the rate of the moment."""
        begin = self.now
        self.teams.append(tuple(expected))
        pieces = Pieces(self.start, elements, expected, dict.fromkeys(expected, 2**62))
        # The calling thread computes, too.
        arrivals = {worker: begin + self.thread_start_s * (worker != min(expected)) for worker in expected}
        pieces_begun: dict[int, tuple[slice, float]] = {}
        # Fixed seconds, then elements times steps, that are left of each one's piece.
        costs: dict[int, float] = {}
        works: dict[int, float] = {}
        while pieces.unfinished:
            for worker in [worker for worker, at in arrivals.items() if at <= self.now]:
                del arrivals[worker]
                if piece := pieces.take(worker):
                    assert piece.start == self.start
                    self.start = piece.stop
                    pieces_begun[worker] = piece, self.now
                    slept = self.now > self.slept_since.get(worker, 0.0) + 0.005
                    costs[worker] = self.fixed[worker] + self.first.pop(worker, 0.0) + slept * self.wake.get(worker, 0)
                    works[worker] = (piece.stop - piece.start) * num
            rates = {worker: self.rate(worker, set(pieces_begun)) for worker in pieces_begun}
            ends = {worker: self.now + (costs[worker] or works[worker] / rates[worker]) for worker in pieces_begun}
            until = min(at for at in [*ends.values(), *arrivals.values(), *self.changes] if at > self.now)
            for worker, (piece, since) in list(pieces_begun.items()):
                if until < ends[worker]:
                    if costs[worker]:
                        costs[worker] -= until - self.now
                    else:
                        works[worker] -= (until - self.now) * rates[worker]
                elif costs[worker]:
                    costs[worker] = 0.0
                else:
                    del pieces_begun[worker]
                    self.slept_since[worker] = until
                    pieces.finish(worker, piece.stop - piece.start, until - since)
                    self.computed[worker] = self.computed.get(worker, 0) + piece.stop - piece.start
                    arrivals[worker] = until
            self.now = until
        if len(expected) > 1:
            self.now += self.thread_start_s
        return self.now - begin

    def costs(self, device: int, times: float = 1.0) -> Costs:
        return Costs(self.fixed[device], step_s=times / self.rates[device])

    def call(
        self,
        known: Measurements,
        host_s: float,
        num: int = 10,
        costs: Callable[[int], Costs | None] | None = None,
    ) -> float:
        """Return the seconds of a call for which the processor would take host_s, at its first rate.

        Devices are expected to cost what they do at first.
        """
        begin, elements = self.now, int(host_s * self.rates[0] / num)
        self.computed, self.teams, self.start = dict.fromkeys(range(len(self.rates)), 0), [], 0
        execute = functools.partial(self.execute, num=num)
        Plan(known, elements, num, costs or self.costs, execute).run()
        assert sum(self.computed.values()) == elements == self.start
        return self.now - begin


def shared_cores(part: float) -> Callable[[int, set[int]], float]:
    """Workers on the same cores: together they do `part` of what they would do apart."""
    return lambda worker, active: part / len(active) if len(active) > 1 else 1.0


FAST, EQUAL, SLOW = [14 * G, 140 * G], [14 * G, 14 * G], [14 * G, 0.14 * G]


@pytest.mark.parametrize("host_s", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("part", [1.0, 0.7], ids=["as-fast", "slower"])
@pytest.mark.parametrize("device", [8.4 * G, 13.5 * G], ids=["slow", "as-fast-alone"])
def test_sharing_the_same_cores_is_found_to_be_useless(host_s: float, part: float, device: float) -> None:
    """No call loses more than 10 % against the best alone, all together next to nothing."""
    machine, known = Machine([14 * G, device], [0.0, 1.5e-4], shared_cores(part)), Measurements(2, 1)
    seconds = [machine.call(known, host_s) for _ in range(200)]
    assert max(seconds) < 1.1 * host_s
    assert sum(seconds) < 1.01 * len(seconds) * host_s
    assert machine.teams[-1] == (0,)
    assert {(0,), (1,), (0, 1)} == known.rates.keys()  # found out, not assumed


def test_a_device_ten_times_faster_gets_the_work_or_shares_it() -> None:
    machine, known = Machine(FAST, [0.0, 1e-4]), Measurements(2, 1)
    first = machine.call(known, 0.24)
    later = [machine.call(known, 0.24) for _ in range(50)]
    assert first < 1.4 * 0.024  # the device alone, and what it takes to find out: 10 ms of 240 on the processor
    assert max(later) < 1.1 * 0.024
    assert machine.computed[1] > 9 * machine.computed[0]


def test_equal_workers_share_equally_and_end_together() -> None:
    machine, known = Machine(EQUAL, [0.0, 1e-4]), Measurements(2, 1)
    assert machine.call(known, 0.24) < 0.6 * 0.24
    assert max(machine.call(known, 0.1) for _ in range(50)) < 0.55 * 0.1
    assert machine.computed[0] == pytest.approx(machine.computed[1], rel=0.1)


@pytest.mark.parametrize("ratio", [0.2, 0.5, 1, 3])
def test_shares_are_in_proportion_to_the_rates(ratio: float) -> None:
    machine, known = Machine([14 * G, ratio * 14 * G], [0.0, 1e-5]), Measurements(2, 1)
    seconds = [machine.call(known, 1.0) for _ in range(9)]
    assert machine.computed[1] / machine.computed[0] == pytest.approx(ratio, rel=0.1)
    assert seconds[0] < 1.02 / max(1, ratio)  # a device that is expected to be faster than all threads begins alone
    assert min(seconds) < 1.03 / (1 + ratio)
    assert max(seconds[1:]) < 1.12 / (1 + ratio)  # with trials


def test_a_device_that_slows_down_gets_less_of_what_is_left() -> None:
    """Two equal workers; after a sixth of the time one has a quarter of its rate."""
    elements, rate = 10**8, EQUAL[0] / 10
    alone = elements / rate
    machine = Machine(EQUAL, [0.0, 1e-4], changes={alone / 6: [14 * G, 3.5 * G]})
    seconds = machine.execute(elements, {0: rate, 1: rate})
    ideal = alone / 6 + (elements - 2 * rate * alone / 6) / (1.25 * rate)
    assert seconds < 1.15 * ideal
    assert machine.computed[1] < 0.6 * machine.computed[0]


@pytest.mark.parametrize("host_s", [0.024, 0.24])
def test_a_device_that_slows_down_loses_the_work_after_two_calls(host_s: float) -> None:
    machine, known = Machine([14 * G, 42 * G], [0.0, 1e-4]), Measurements(2, 1)
    for _ in range(20):
        machine.call(known, host_s)
    assert machine.computed[1] > machine.computed[0]
    machine.changes = {machine.now + host_s / 10: [14 * G, 2.8 * G]}  # 15 times slower during a call
    seconds = sorted(machine.call(known, host_s) for _ in range(20))
    assert seconds[-3] < 1.1 * host_s
    assert seconds[-1] < 6 * host_s


@pytest.mark.parametrize("host_s", [0.004, 0.024, 0.24])
def test_a_decision_that_is_outdated_is_corrected(host_s: float) -> None:
    """The device becomes 30 times faster, while the processor alone is known to be best."""
    machine, known = Machine([14 * G, 4.2 * G], [0.0, 1e-4], shared_cores(0.8)), Measurements(2, 1)
    for _ in range(50):
        machine.call(known, host_s)
    assert machine.teams[-1] == (0,)
    machine.changes = {machine.now: [14 * G, 126 * G]}
    end = machine.now + 4 * sharing.AGAIN_S
    while machine.now < end:
        seconds = machine.call(known, host_s)
    assert seconds < 0.25 * host_s


def test_a_large_fixed_cost_is_for_large_calls_only() -> None:
    """A device that takes 5 ms for any piece, however small, and is ten times faster beyond."""
    machine, known = Machine(FAST, [0.0, 5e-3]), Measurements(2, 1)
    for _ in range(20):
        machine.call(known, 0.24)
    assert min(machine.call(known, 0.24) for _ in range(3)) < 0.06
    assert machine.computed[1] > machine.computed[0]
    small = Measurements(2, 1)  # another kind of work
    seconds = [machine.call(small, 0.004) for _ in range(500)]
    assert sorted(seconds)[490] < 1.1 * 0.004
    assert sum(seconds) < 1.05 * len(seconds) * 0.004


@pytest.mark.parametrize("times", [0.1, 0.5, 2, 10])
@pytest.mark.parametrize("device", [1.4 * G, 8.4 * G, 21 * G, 140 * G])
def test_expectations_that_are_wrong_are_corrected(times: float, device: float) -> None:
    """A device seems slower while the processor is at work, and may be slower than small pieces were."""
    machine, known = Machine([14 * G, device], [0.0, 1e-4], shared_cores(0.9)), Measurements(2, 1)
    seconds = [machine.call(known, 0.024, costs=lambda i: machine.costs(i, times)) for _ in range(100)]
    best = 0.024 * min(1, 14 * G / device)
    assert sum(seconds[-50:]) < 1.05 * 50 * (best + 1e-4)
    assert sum(seconds[:2]) < 2.3 * 0.024 + 0.024 * 14 * G / device * (times < 1)


def test_a_first_piece_that_takes_long_does_not_speak_against_a_device() -> None:
    """As it did on an H100, whose rate seemed low beside the processor's threads."""
    machine, known = Machine([90 * G, 400 * G], [0.0, 2e-4], first={1: 0.016}), Measurements(2, 1)
    seconds = [machine.call(known, 0.012, 1000, costs=lambda i: machine.costs(i, 8)) for _ in range(40)]
    assert machine.teams[-1] != (0,)
    assert statistics.median(seconds) < 0.004
    assert max(seconds) < 0.03


@pytest.mark.parametrize("threads", [8, 16])
@pytest.mark.parametrize("idle_s", [0.0, 0.02])
def test_a_device_that_sleeps_and_is_held_up_now_and_then_keeps_the_work(threads: int, idle_s: float) -> None:
    """As an H100 does beside other programs: 1000 steps of 2^20 elements take it 2.4 ms, 5.4 where it slept."""
    machine, known = (
        Machine([105 * G, 477 * G], [0.0, 2e-4], first={1: 0.01}, wake={1: 0.003}),
        Measurements(2, threads),
    )
    ticks = itertools.count(1)
    machine.beside = lambda worker, active: 0.1 if worker and next(ticks) % 23 == 0 else 1.0
    seconds = []
    for _ in range(200):
        machine.now += idle_s
        seconds.append(machine.call(known, 0.01, 1000))
    assert statistics.median(seconds) < 0.0055
    assert seconds[1] < 0.007  # what the first piece takes in addition does not count
    assert sum(second > 0.009 for second in seconds[10:]) < 20


def test_a_device_that_sleeps_and_lost_the_work_gets_it_back() -> None:
    machine, known = Machine([105 * G, 477 * G], [0.0, 2e-4], wake={1: 0.003}), Measurements(2, 16)
    known.learn((0,), 105 * G)
    known.learn((1,), 42 * G)
    for _ in range(60):
        machine.now += 0.02
        seconds = machine.call(known, 0.01, 1000)
    assert seconds < 0.006


def test_a_first_call_that_takes_milliseconds_is_not_divided() -> None:
    machine, known = Machine(EQUAL, [0.0, 1e-4]), Measurements(2, 1)
    machine.call(known, 0.001)
    assert machine.teams == [(0,)]


def test_a_hopeless_device_costs_next_to_nothing() -> None:
    machine, known = Machine(SLOW, [0.0, 1e-4]), Measurements(2, 1)
    machine.call(known, 1.0)
    assert machine.teams[0] == (0,)  # whose rate says what a trial may take
    seconds = [machine.call(known, 0.024) for _ in range(100)]
    assert max(seconds) < 1.1 * 0.024
    assert sum(seconds) < 1.01 * len(seconds) * 0.024


def test_of_three_workers_the_two_that_gain_are_chosen() -> None:
    """A graphics card, and a driver that runs on the processor's own cores."""

    def beside(worker: int, active: set[int]) -> float:
        return 0.4 if worker != 1 and {0, 2} <= active else 1.0

    machine, known = Machine([14 * G, 30 * G, 8.4 * G], [0.0, 1e-4, 1.5e-4], beside), Measurements(3, 1)
    seconds = sorted(machine.call(known, 0.24) for _ in range(9))
    assert seconds[4] < 1.05 * 0.24 * 14 / 44
    assert known.best() == (0, 1)


@pytest.mark.parametrize("times", [2, 5])
def test_what_holds_up_one_call_or_trial_is_forgotten(times: float) -> None:
    """As another process on the same cores does: once in ten milliseconds something takes several times as long."""
    machine, known = Machine([14 * G, 8.4 * G], [0.0, 1.5e-4]), Measurements(2, 1)
    tick = itertools.count()
    machine.beside = lambda worker, active: (0.5 if len(active) > 1 else 1) / (times if next(tick) % 7 == 0 else 1)
    for _ in range(100):
        machine.call(known, 0.024)
    machine.beside = shared_cores(1.0)
    end = machine.now + 4 * sharing.AGAIN_S
    while machine.now < end:
        machine.call(known, 0.024)
    assert max(machine.call(known, 0.024) for _ in range(20)) < 1.1 * 0.024


def test_a_device_that_is_expected_to_be_far_faster_has_all_of_the_first_calls() -> None:
    """Of 10 ms on the processor, of which finding out its rate would be one; that is found out later."""
    machine, known = Machine([112 * G, 1120 * G], [0.0, 1e-4]), Measurements(2, 8)
    assert machine.call(known, 0.01, 1000) < 1.001 * (0.001 + 1e-4)
    assert machine.teams == [(1,)]
    seconds = [machine.call(known, 0.01, 1000) for _ in range(100)]
    assert sum(seconds) < 1.05 * len(seconds) * (0.001 + 1e-4)
    assert max(seconds) < 2.2 * 0.001
    assert (0,) in known.rates


def test_a_part_tells_more_than_a_trial_and_what_cannot_gain_is_not_tried() -> None:
    known = Measurements(2, 1)
    known.expected[1,] = 1.0
    known.learn((0,), 1.0)
    known.learn((1,), 3.0, trial=True)
    known.learn((1,), 1.9)
    assert known.rate((1,)) == 1.9
    slow = Measurements(2, 1)
    slow.expected[1,] = 0.01
    slow.learn((0,), 1.0)
    slow.learn((1,), 0.01)
    assert slow.due((0,)) == (1,)


def test_what_trials_lose_is_counted() -> None:
    machine, known = Machine(SLOW, [0.0, 1e-4]), Measurements(2, 1)
    machine.call(known, 0.24)
    machine.call(known, 0.24)
    assert (1,) in known.rates
    assert known.lost_s > 0


def test_nothing_is_tried_at_the_end_of_a_call() -> None:
    """Of a few elements the fixed costs are all that shows."""
    machine, known = Machine([14 * G, 8.4 * G], [0.0, 1e-4], shared_cores(0.9)), Measurements(2, 1)
    machine.call(known, 1.0, costs=lambda i: machine.costs(i) if machine.now > 0.6 else None)
    assert set(machine.teams) == {(0,)}


def test_costs_are_fixed_and_of_elements_and_of_steps() -> None:
    costs = Costs(1e-3, 1e-9, 1e-12)
    assert costs.rate(10**6, 1000) == pytest.approx(1e9 / (1e-3 + 1e-3 + 1e-3))
    assert costs.rate(1, 1) == pytest.approx(1e3, rel=1e-3)


def test_a_device_whose_program_is_being_built_is_not_waited_for() -> None:
    machine, known = Machine(FAST, [0.0, 1e-4]), Measurements(2, 1)
    asked: list[int] = []
    assert machine.call(known, 1.0, costs=asked.append) < 1.01
    assert set(machine.teams) == {(0,)}
    assert set(asked) == {1}
    assert machine.call(known, 1.0) < 0.2
    assert machine.call(known, 1.0, costs=asked.append) < 1.01  # released, or other parameters
    assert set(machine.teams) == {(0,)}


def test_pieces_cover_the_part_once_and_get_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PIECE_S", 0.0)
    monkeypatch.setattr(sharing, "GRAIN", 64)
    pieces = Pieces(3, 10_007, {0: 1e6, 1: 3e6}, {0: 10**6, 1: 10**6})
    taken: list[tuple[int, int, int]] = []
    for worker in itertools.cycle([0, 1]):
        piece = pieces.take(worker)
        if piece is None:
            break
        taken.append((worker, piece.start, piece.stop))
        pieces.finish(worker, piece.stop - piece.start, (piece.stop - piece.start) / pieces.rates[worker])
    assert not pieces.unfinished
    assert [start for _, start, _ in taken] == [3, *(stop for _, _, stop in taken[:-1])]
    assert taken[-1][2] == 10_010
    assert all((start - 3) % 64 == 0 for _, start, _ in taken)
    sizes = {worker: [stop - start for one, start, stop in taken if one == worker] for worker in (0, 1)}
    assert sizes[0][0] == pytest.approx(10_007 / 8, abs=64)
    assert sizes[1][0] == pytest.approx((10_007 - sizes[0][0]) * 3 / 8, abs=64)


def test_a_worker_that_is_held_up_does_not_end_in_tiny_pieces() -> None:
    """Each piece costs more than it is said to, so that small ones seem slow: 20 s were seen on a busy machine."""
    machine = Machine(EQUAL, [2e-3, 1e-4])
    assert machine.execute(10**7, {0: 1e7, 1: 1e9}) < 0.2


# --- Real devices ----------------------------------------------------------------------------------------------------

needs_opencl = pytest.mark.skipif(
    next(row for row in implementations() if row.kind == "hybrid").unavailable is not None, reason="no OpenCL device"
)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Worker, ...]]:
    """Give the workers for P and MU with each device twice, as if there were two; nothing is known of them."""
    real, _ = call.find_workers(P, MU, idle=True)
    both = list(real)
    for worker in real[1:]:
        assert isinstance(worker.compute, job.Kernel)
        assert worker.device is not None
        twin = dataclasses.replace(worker.device, index=worker.device.index + 100)
        kernel = dataclasses.replace(worker.compute, device=twin)
        both.append(dataclasses.replace(worker, name=f"{twin}: {kernel.name}", compute=kernel, device=twin))
    use(tuple(both), monkeypatch)
    monkeypatch.setattr(
        call, "measurements", functools.cache(lambda count, threads, *kind: Measurements(count, threads))
    )
    yield tuple(both)
    for worker in both[1:]:
        if worker.device and worker.device.index >= 100:
            program._sessions.pop(worker.device, None)


def use(workers: tuple[Worker, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "find_workers", lambda p, mu, *, idle: (workers, (p, mu)))


@pytest.fixture
def all_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every call shared by all, in pieces that get as small as an element."""

    def run(self: Plan) -> None:
        self.execute(self.left, dict.fromkeys(range(self.known.workers), 1e7))

    monkeypatch.setattr(Plan, "run", run)
    monkeypatch.setattr(call, "SMALL_S", 0.0)
    monkeypatch.setattr(sharing, "GRAIN", 1)
    monkeypatch.setattr(sharing, "PIECE_S", 0.0)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have devices tried at once, also in small calls."""
    monkeypatch.setattr(sharing, "BUDGET", 1000.0)
    monkeypatch.setattr(call, "SMALL_S", 0.0)
    monkeypatch.setattr(sharing, "TRIAL_S", 0.0)
    monkeypatch.setattr(sharing, "GRAIN", 64)


def wait_for(found: Callable[[], bool]) -> None:
    """Call found until it is true; fail after a minute, which only what is broken takes."""
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def meet(workers: tuple[Worker, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, ...]:
    """Have each worker wait at its first piece of a call until all have one."""
    barrier = threading.Barrier(len(workers), timeout=20)

    def meeting(worker: Worker) -> Worker:
        waited: list[bool] = []

        def compute(x: Array, out: Array, num: int, p: int, mu: int, threads: int, /) -> object:
            if not waited:
                waited.append(True)
                barrier.wait()
            return worker.compute(x, out, num, p, mu, threads)

        return dataclasses.replace(worker, compute=compute)

    found = tuple(map(meeting, workers))
    use(found, monkeypatch)
    return found


@needs_opencl
def test_a_short_first_call_is_the_processor_s_and_teaches_its_rate(
    workers: tuple[Worker, ...], monkeypatch: pytest.MonkeyPatch, oracle: Oracle
) -> None:
    known = Measurements(len(workers), 1)
    monkeypatch.setattr(call, "measurements", lambda *kind: known)
    x = np.arange(1000)
    out = np.zeros_like(x)
    assert call.compute(x, out, 10, P, MU, 1).keys() == {workers[0].name}
    np.testing.assert_array_equal(out, oracle(x, 10, P, MU))
    assert known.rate(sharing.HOST) > 0


@needs_opencl
@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in-place"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64], ids=lambda dtype: dtype.__name__)
@pytest.mark.usefixtures("all_share")
def test_pieces_meet_without_a_seam(
    workers: tuple[Worker, ...],
    dtype: type[np.integer[Any]],
    in_place: bool,
    monkeypatch: pytest.MonkeyPatch,
    oracle: Oracle,
) -> None:
    for length, offset in [(10_007, 1), (4099, 0), (65_521, 3)]:
        meeting = meet(workers, monkeypatch)
        values = np.random.default_rng(length).integers(np.iinfo(dtype).min, np.iinfo(dtype).max, length, dtype)
        memory = np.full(length + 16, 7, dtype)
        out = memory[offset : offset + length]
        x = out if in_place else values
        out[:] = values
        shares = call.compute(x, out, 10, P, MU, 2)
        np.testing.assert_array_equal(out, oracle(values, 10, P, MU), strict=True)
        assert np.all(memory[:offset] == 7)
        assert np.all(memory[offset + length :] == 7)
        assert list(shares) == [worker.name for worker in meeting]
        assert sum(elements for elements, _ in shares.values()) == length
        assert all(elements > 0 and seconds > 0 for elements, seconds in shares.values())


@needs_opencl
@pytest.mark.usefixtures("workers", "all_share")
def test_calls_of_one_element_and_of_many_steps(oracle: Oracle) -> None:
    for length, num in [(1, 10), (2, 1), (3, 5000), (130, 1)]:
        x = np.arange(9879, 9879 + length)
        out = np.zeros_like(x)
        shares = call.compute(x, out, num, P, MU, 1)
        np.testing.assert_array_equal(out, oracle(x, num, P, MU))
        assert sum(elements for elements, _ in shares.values()) == length


@needs_opencl
@pytest.mark.usefixtures("workers", "eager")
def test_calls_from_several_threads_decide_and_learn_side_by_side(oracle: Oracle) -> None:
    arrays = [np.arange(start, start + 30_011) for start in range(0, 40_000, 10_000)]
    expected = [oracle(x, 10, P, MU) for x in arrays]

    def compute(index: int) -> None:
        out = np.zeros_like(arrays[index % 4])
        shares = call.compute(arrays[index % 4], out, 10, P, MU, 1)
        np.testing.assert_array_equal(out, expected[index % 4])
        assert sum(elements for elements, _ in shares.values()) == len(out)

    for _ in range(20):
        compute(0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(compute, range(80)))


@needs_opencl
@pytest.mark.usefixtures("eager")
def test_each_worker_is_measured(workers: tuple[Worker, ...]) -> None:
    """A call or two later, as programs are built first."""
    x = np.arange(2**20)
    out = np.zeros_like(x)
    expected = logmap(x)
    known = call.measurements(len(workers), 1, P, MU, x.dtype, len(x).bit_length(), (10).bit_length())

    def together() -> bool:
        out[:] = 0
        call.compute(x, out, 10, P, MU, 1)
        np.testing.assert_array_equal(out, expected)
        return {(worker,) for worker in range(len(workers))} <= known.rates.keys()

    wait_for(together)


@needs_opencl
@pytest.mark.usefixtures("eager")
def test_small_calls_are_left_to_the_processor(
    workers: tuple[Worker, ...], monkeypatch: pytest.MonkeyPatch, oracle: Oracle
) -> None:
    x = np.arange(2**20)
    out = np.zeros_like(x)
    wait_for(lambda: len(call.compute(x, out, 10, P, MU, 1)) > 1)
    monkeypatch.setattr(call, "SMALL_S", 1e9)
    for _ in range(20):
        out[:] = 0
        shares = call.compute(x, out, 10, P, MU, 1)
        assert [(name, elements) for name, (elements, _) in shares.items()] == [(workers[0].name, len(x))]
        np.testing.assert_array_equal(out, oracle(x, 10, P, MU))


def failing(*_: object) -> object:
    """Fail as a kernel does whose device has no memory left."""
    raise MemoryError("CL_OUT_OF_RESOURCES")


@needs_opencl
@pytest.mark.usefixtures("all_share")
def test_a_device_that_fails_is_an_error_with_its_name(
    workers: tuple[Worker, ...], monkeypatch: pytest.MonkeyPatch, oracle: Oracle
) -> None:
    meeting = meet((workers[0], dataclasses.replace(workers[1], compute=failing), *workers[2:]), monkeypatch)
    x = np.arange(2**20)
    out = np.zeros_like(x)
    assert meeting[1].device
    with pytest.raises(
        RuntimeError, match=f"^{meeting[1].name} on .* failed: MemoryError: CL_OUT_OF_RESOURCES$"
    ) as caught:
        call.compute(x, out, 100, P, MU, 1)
    assert isinstance(caught.value.__cause__, MemoryError)
    assert meeting[1].device.name in str(caught.value)
    out[:] = -1
    time.sleep(0.1)
    assert np.all(out == -1)
    meet(workers, monkeypatch)  # the next call works
    call.compute(x[:1000], out[:1000], 10, P, MU, 1)
    np.testing.assert_array_equal(out[:1000], oracle(x[:1000], 10, P, MU))


@needs_opencl
@pytest.mark.usefixtures("eager")
def test_a_program_that_is_not_built_is_an_error_with_the_device_s_name(
    workers: tuple[Worker, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is built beside the first call, which may end before."""
    assert workers[1].device
    missing = dataclasses.replace(workers[1], compute=job.Kernel("opencl_missing", workers[1].device))
    use((workers[0], missing), monkeypatch)
    x = np.arange(2**20)
    out = np.zeros_like(x)
    with pytest.raises(RuntimeError, match=rf"^{workers[1].name} on .* failed: FileNotFoundError"):
        wait_for(lambda: not call.compute(x, out, 10, P, MU, 1))


@needs_opencl
@pytest.mark.usefixtures("workers", "eager")
def test_calls_go_on_after_sessions_were_released() -> None:
    x = np.arange(2**20)
    expected = logmap(x)
    for _ in range(3):
        for _ in range(4):
            out = np.zeros_like(x)
            call.compute(x, out, 10, P, MU, 1)
            np.testing.assert_array_equal(out, expected)
            time.sleep(0.02)
        release_opencl()


SHARED = """
    import signal, threading, time, numpy as np
    from logmap_cy import logmap
    from logmap_cy.hybrid import call, sharing
    def run(self):
        self.execute(self.left, dict.fromkeys(range(self.known.workers), 1e8))
    sharing.Plan.run = run
    x = np.arange(2**20)
    out = np.empty_like(x)
    expected = logmap(x, 100)
    def compute(out=out):
        return call.compute(x, out, 100, 6700417, 22, 1)
    def seconds():
        begin = time.perf_counter()
        compute()
        return time.perf_counter() - begin
    whole_s = min(seconds() for _ in range(9))
"""


@needs_opencl
@pytest.mark.skipif(sys.platform == "win32", reason="signal.setitimer is POSIX")
def test_after_ctrl_c_nothing_is_running() -> None:
    """Interrupted anywhere, many times: no device goes on writing to out, and the next call is right."""
    done = python(
        SHARED,
        """
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        late_s = []
        for index in range(200):
            delay_s = whole_s * 1.1 * (index + 1) / 200
            begin = time.perf_counter()
            try:
                signal.setitimer(signal.ITIMER_REAL, delay_s)
                compute()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                out[:] = -1
                late_s.append(time.perf_counter() - begin - delay_s)
                time.sleep(0.002)
                assert (out == -1).all()
        compute()
        assert (out == expected).all()
        assert threading.active_count() == 1
        print(len(late_s) > 20, np.quantile(late_s, 0.9) < 1)  # a few may be late because of other processes
    """,
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")


@needs_opencl
@pytest.mark.skipif(sys.platform == "win32", reason="signal.setitimer is POSIX")
def test_a_signal_handler_may_call_the_hybrid_that_it_interrupts() -> None:
    done = python(
        SHARED,
        """
        handled = []
        def handle(*_):
            inner = np.zeros_like(x)
            compute(inner)
            handled.append(bool((inner == expected).all()))
        signal.signal(signal.SIGALRM, handle)
        for index in range(50):
            out[:] = 0
            signal.setitimer(signal.ITIMER_REAL, whole_s * (index + 1) / 50)
            compute()
            assert (out == expected).all()
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(len(handled) > 10, all(handled))
    """,
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")


def python(*code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", "-c", "\n".join(map(textwrap.dedent, code))],
        capture_output=True, text=True, timeout=120, check=False, cwd=os.sep,
    )  # fmt: skip


@needs_opencl
def test_a_process_ends_while_a_program_is_being_built() -> None:
    done = python(f"""
        import numpy as np
        from logmap_cy.hybrid import call
        worker = call.find_workers({P}, {MU}, idle=True)[0][1]
        assert call.costs(worker, np.dtype(np.int64), {P}, {MU}) is None
        print("asked")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "asked\n", "")


@needs_opencl
@pytest.mark.parametrize("count", [2**12, 2**20])
@pytest.mark.parametrize("num", [1, 1000])
def test_a_device_s_costs_are_nearly_what_it_takes(count: int, num: int) -> None:
    x, worker = np.arange(count), call.find_workers(P, MU, idle=True)[0][1]

    def ratio() -> float:
        wait_for(lambda: call.costs(worker, x.dtype, P, MU) is not None)
        expected = call.costs(worker, x.dtype, P, MU)
        assert expected
        seconds = min(timeit.repeat(lambda: worker.compute(x, x, num, P, MU, 1), number=1, repeat=5))
        # Other tests may have slowed down one of the two: the costs are measured again.
        call.program.cache_clear()
        return expected.rate(count, num) / (count * num / seconds)

    assert any(0.1 < ratio() < 10 for _ in range(5))


def test_costs_are_measured_without_what_a_first_piece_takes() -> None:
    seen: set[int] = set()

    def compute(x: Array, _out: Array, num: int, *_: object) -> None:
        seconds = 1e-4 + len(x) * (4e-9 + num * 1e-10) + 0.03 * (len(x) not in seen)
        seen.add(len(x))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    worker = call.Worker("made up", compute, 2**29)
    wait_for(lambda: call.costs(worker, np.dtype(np.int64), P, MU) is not None)
    found = call.costs(worker, np.dtype(np.int64), P, MU)
    assert found
    for measured, real in [(found.fixed_s, 1e-4), (found.element_s, 4e-9), (found.step_s, 1e-10)]:
        assert real / 3 < measured < 3 * real


def test_a_program_that_failed_is_built_again() -> None:
    left = [ZeroDivisionError]

    def compute(*_: object) -> None:
        if left:
            raise left.pop()

    worker = call.Worker("made up", compute, 2**29)
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: call.costs(worker, np.dtype(np.int64), P, MU) is not None)
    wait_for(lambda: call.costs(worker, np.dtype(np.int64), P, MU) is not None)


def test_nothing_is_measured_while_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call._Program, "ending", True)
    worker = call.Worker("made up", lambda *_: None, 2**29)
    with pytest.raises(InterruptedError):
        wait_for(lambda: call.costs(worker, np.dtype(np.int64), P, MU) is not None)


@needs_opencl
def test_drivers_on_the_processor_s_cores_share_where_these_would_be_idle() -> None:
    def kinds(*, idle: bool) -> list[str]:
        (_, *devices), _ = call.find_workers(P, MU, idle=idle)
        return [worker.device.kind for worker in devices if worker.device]

    every = [device.kind for device in discover().devices]
    assert kinds(idle=True) == every
    assert kinds(idle=False) == [kind for kind in every if kind != "cpu"]


@needs_opencl
@pytest.mark.usefixtures("workers", "all_share")
def test_a_call_keeps_no_array() -> None:
    x = np.arange(10_007)
    out = np.zeros_like(x)
    call.compute(x, out, 10, P, MU, 1)
    kept = weakref.ref(out)
    del out
    wait_for(lambda: kept() is None)  # a thread that found nothing to do is just ending


# --- Its surface -----------------------------------------------------------------------------------------------------


def test_kinds_of_work_are_told_apart_and_bounded() -> None:
    first = call.measurements(2, 1, "kind", 10)
    assert call.measurements(2, 1, "kind", 10) is first
    assert call.measurements(2, 1, "kind", 15) is not first
    for threads in range(1000):
        call.measurements(2, threads, "test")
    assert call.measurements.cache_info().currsize == call.measurements.cache_info().maxsize


@needs_opencl
@pytest.mark.parametrize(("p", "mu"), [(P, MU), (P - 1, MU), (2**31 - 1, 5), (2**32, 3)])
def test_each_worker_is_exact_for_p_and_mu(p: int, mu: int) -> None:
    rows = {row.name: row for row in implementations()}
    (host, *devices), _ = call.find_workers(p, mu, idle=True)
    assert host.name.startswith("cpu: ")
    assert devices
    for worker in (host, *devices):
        row = rows[worker.name.split(": ")[1]]
        assert row.domain.contains(p, mu)
        assert worker.device is None or worker.device in row.devices


@needs_opencl
def test_what_is_out_of_range_is_refused() -> None:
    x = np.arange(7)
    with pytest.raises(ValueError, match=r"p=4294967297 is outside \[1, 2\*\*32\]"):
        call.compute(x, x, 1, 2**32 + 1, 22, 1)
    with pytest.raises(ValueError, match="out has 6 elements, x has 7"):
        call.compute(x, x[1:].copy(), 1, P, 22, 1)
