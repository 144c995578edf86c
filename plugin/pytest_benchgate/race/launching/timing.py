"""The times of one benchmark in one launch: blocks of calls on both sides, pair by pair."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_benchgate import host
from pytest_benchgate.race.launching.number import launch_number
from pytest_benchgate.race.launching.process import WorkerLost
from pytest_benchgate.race.launching.results import Failed, FailureKind, Pace, Timed
from pytest_benchgate.race.statistics import CERTAIN
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from pytest_benchgate.race.launching.engine import Deciding
    from pytest_benchgate.race.launching.plan import Plan
    from pytest_benchgate.race.launching.process import TimedBlock, Worker
    from pytest_benchgate.race.worker import messages

# Times a block's length: a single call that takes so long, even if cold, ends the calibration.
SURELY = 10
# Part of a block's length that ends the calibration, as each further attempt may find a faster call.
NEARLY = 0.8
# Why a benchmark has no time on its device.
NO_DEVICE = "its calls return no OpenCL event, and no device_ns= is stated"
NO_TIMES = "of some calls it is not known"
TOO_COARSE = "some blocks of calls take 0 ns by the device's clock, which is too coarse"


@dataclass(frozen=True)
class Timer:
    """Times a benchmark on both sides.

    Attributes
    ----------
    paces : mapping
        How a test is timed, by its id, if earlier launches have shown it.
    rules : mapping
        When a test's race is decided, by its id; with it, a test without a pace is timed in fewer pairs.

    """

    paces: Mapping[str, Pace] = field(default_factory=dict)
    rules: Mapping[str, Deciding] = field(default_factory=dict)

    def __call__(
        self, nodeid: str, workers: Sequence[Worker], ready: Sequence[messages.Ready], rng: random.Random
    ) -> Timed:
        """Return the times of the benchmark that both workers wait in. Raises EndedEarly or WorkerLost."""
        plan = workers[0].plan
        pace = self.paces.get(nodeid) or calibrate(workers, plan)
        start = CLOCK.s()
        blocks = time_pairs(workers, pace, plan, rng, self.rules.get(nodeid))
        paired_s = CLOCK.s() - start
        base_ns, head_ns = (
            tuple(block.call_ns / answer.iterations for block in of_side)
            for of_side, answer in zip(blocks, ready, strict=True)
        )
        number, error = launch_number(base_ns, head_ns)
        timed = Timed(number, base_ns, head_ns, ready[-1].group, are_alike(ready), pace, paired_s, error)
        return replace(timed, device=_on_device(timed, blocks, ready))


def are_alike(ready: Sequence[messages.Ready]) -> bool:
    """Return whether the sides had drawn the same random numbers."""
    return len({answer.drawn for answer in ready}) == 1


def _on_device(
    timed: Timed, blocks: Sequence[Sequence[TimedBlock]], ready: Sequence[messages.Ready]
) -> Timed | Failed | None:
    """Return the same launch by the clocks of the devices, or why there is no such time; None without a device."""
    if all(answer.device is None for answer in ready):
        return None
    sides, lacks = ("base", "head"), {}
    times: list[tuple[float, ...]] = []
    for side, of_side, answer in zip(sides, blocks, ready, strict=True):
        known = [block.device_ns for block in of_side if block.device_ns is not None]
        if len(known) < len(of_side):
            lacks[side] = NO_DEVICE if answer.device is None else answer.device or NO_TIMES
        times.append(tuple(device_ns / answer.iterations for device_ns in known))
    if lacks:
        reasons = dict.fromkeys(lacks.values())
        return Failed(" and ".join(lacks), "; ".join(reasons), FailureKind.LACKS)
    if not all(map(all, times)):
        return Failed(" and ".join(sides), TOO_COARSE, FailureKind.LACKS)
    base_ns, head_ns = times
    number, error = launch_number(base_ns, head_ns)
    return replace(timed, number=number, base_ns=base_ns, head_ns=head_ns, error=error)


def time_pairs(
    workers: Sequence[Worker], pace: Pace, plan: Plan, rng: random.Random, rule: Deciding | None = None
) -> list[list[TimedBlock]]:
    """Return the block of each pair, for each worker; blocks of one test have equally many calls.

    Both stay on one processor, a random one: on a busy machine, two that each keep their own differed by up to 30 % for
    a whole launch. A function that uses threads needs all processors, and before each of its blocks calls that are not
    timed: the other side's threads wait for work on the processors for some milliseconds (GCC's OpenMP does), and
    meanwhile a call took up to three times as long.

    Raises EndedEarly or WorkerLost.
    """
    processors = sorted(host.processors())
    processor = rng.choice(processors) if processors and not pace.lead else None
    factors = pace.factors or [1] * len(workers)
    blocks: list[list[TimedBlock]] = [[] for _ in workers]
    while not _enough([[block.call_ns for block in of_side] for of_side in blocks], pace, plan, rule):
        for index in rng.sample(range(len(workers)), len(workers)):
            if pace.lead:
                workers[index].block(pace.lead * factors[index], None)
            calls = pace.calls * factors[index]
            block = workers[index].block(calls, processor)
            if not block.call_ns:
                raise WorkerLost(
                    workers[index].side.name,
                    f"{calls} calls take less time than the clock can tell, and more would take too long with "
                    "their setup; time several calls as one, with benchmark.pedantic(..., iterations=N)",
                )
            blocks[index].append(block)
    return blocks


def calibrate(workers: Sequence[Worker], plan: Plan) -> Pace:
    """Return the pace of a benchmark that has none yet; raise EndedEarly or WorkerLost."""
    calls, wall_ns, best = _calls(workers, plan)
    lead = max(1, int(plan.lead_ns / wall_ns))
    blocks = [worker.block(lead, None) for worker in workers]
    pace = Pace(calls, lead if any(block.threaded for block in blocks) else 0)
    if not any(worker.side.tests for worker in workers):
        return pace
    # On a busy machine, a side with longer blocks than the other's is interrupted in more of them.
    best = [min(known, block.call_ns) for known, block in zip(best, blocks, strict=True)]
    # A setup in each round may be much slower than what is timed.
    most = [plan.most_block_ns * lead / block.wall_ns / calls for block in blocks]
    wanted = [min(max(best) / max(call_ns, 1.0), limit) for call_ns, limit in zip(best, most, strict=True)]
    return replace(pace, factors=tuple(max(1, int(factor)) for factor in wanted))


def _calls(workers: Sequence[Worker], plan: Plan) -> tuple[int, float, list[float]]:
    """Return the calls of a block, the nanoseconds of one with all that is not timed, and those timed, for each worker.

    The fastest call counts: the first ones are cold, and threads take a while to wake.
    """
    calls, attempt, best = 1, 0, [math.inf] * len(workers)
    while True:
        blocks = [worker.block(calls, None) for worker in workers]
        best = [min(known, block.call_ns) for known, block in zip(best, blocks, strict=True)]
        wall_ns = max(block.wall_ns for block in blocks) / calls
        if max(best) * calls >= plan.block_ns * (NEARLY if attempt else SURELY):
            return calls, wall_ns, best
        # A setup in each round is not in call_ns, and may be much slower than what is timed.
        most = int(plan.most_block_ns / wall_ns)
        if most <= calls and attempt:
            return calls, wall_ns, best
        # A coarse clock may measure nothing for a single call.
        enough = math.ceil(plan.block_ns / max(best)) if min(best) else 10 * calls
        calls, attempt = max(calls, min(enough, 10 * calls, most)), attempt + 1


def _enough(times: Sequence[Sequence[float]], pace: Pace, plan: Plan, rule: Deciding | None) -> bool:
    """Return whether a launch has enough pairs.

    As many as its pace says, unless these scatter more than it expects: few pairs may all be disturbed. Without a pace,
    as many as agree, or make clear what the rule wants to know. No more if they take too long. None of this depends on
    which side is slower: the number of equal builds stays symmetric. Nor does a pace's part of it depend on the number:
    going on until that is like earlier ones would favour what these have said, and the interval would not hold.
    """
    count = len(times[0])
    if count >= max(pace.pairs or 0, plan.pairs):
        return True
    if count >= plan.least_pairs and pace.calls * sum(map(sum, times)) >= plan.timed_ns:
        return True
    if pace.pairs and pace.margin is None:
        return count >= pace.pairs
    if count < (pace.pairs or plan.agreeing_pairs):
        return False
    number, error = launch_number(*times)
    if pace.pairs and pace.margin is not None:
        # Half of all launches are somewhat less exact than the pairs were planned for, which is 1 / CERTAIN of this.
        return error <= max(pace.margin, plan.precision / 2)
    margin = CERTAIN * error
    return 2 * margin <= plan.precision or (rule is not None and rule.is_clear(number - margin, number + margin))
