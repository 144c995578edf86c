"""The times of one benchmark in one launch: blocks of calls on both sides, pair by pair."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_benchgate import host
from pytest_benchgate.race.launching.pacing import LEAST
from pytest_benchgate.race.launching.process import WorkerLost
from pytest_benchgate.race.launching.results import Pace, Timed
from pytest_benchgate.race.statistics import interval, launch_number, logarithms
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from pytest_benchgate.race.launching.engine import Deciding
    from pytest_benchgate.race.launching.plan import Plan
    from pytest_benchgate.race.launching.process import Worker
    from pytest_benchgate.race.worker import messages

# Times a block's length: a single call that takes so long, even if cold, ends the calibration.
SURELY = 10
# Part of a block's length that ends the calibration, as each further attempt may find a faster call.
NEARLY = 0.8
# Of the interval of a launch's median.
CONFIDENCE = 0.9


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
        times = time_pairs(workers, pace, plan, rng, self.rules.get(nodeid))
        paired_s = CLOCK.s() - start
        base_ns, head_ns = (
            tuple(one / answer.iterations for one in of_side) for of_side, answer in zip(times, ready, strict=True)
        )
        number = launch_number(base_ns, head_ns)
        return Timed(number, base_ns, head_ns, ready[-1].group, are_alike(ready), pace, paired_s)


def are_alike(ready: Sequence[messages.Ready]) -> bool:
    """Return whether the sides had drawn the same random numbers."""
    return len({answer.drawn for answer in ready}) == 1


def time_pairs(
    workers: Sequence[Worker], pace: Pace, plan: Plan, rng: random.Random, rule: Deciding | None = None
) -> list[list[float]]:
    """Return the nanoseconds of a call in each pair, for each worker; blocks of one test have equally many calls.

    Both stay on one processor, a random one: on a busy machine, two that each keep their own differed by up to 30 % for
    a whole launch. A function that uses threads needs all processors, and before each of its blocks calls that are not
    timed: the other side's threads wait for work on the processors for some milliseconds (GCC's OpenMP does), and
    meanwhile a call took up to three times as long.

    Raises EndedEarly or WorkerLost.
    """
    processors = sorted(host.processors())
    processor = rng.choice(processors) if processors and not pace.lead else None
    factors = pace.factors or [1] * len(workers)
    times: list[list[float]] = [[] for _ in workers]
    while not _enough(times, pace, plan, rule):
        for index in rng.sample(range(len(workers)), len(workers)):
            if pace.lead:
                workers[index].block(pace.lead * factors[index], None)
            calls = pace.calls * factors[index]
            call_ns = workers[index].block(calls, processor).call_ns
            if not call_ns:
                raise WorkerLost(
                    workers[index].side.name,
                    f"{calls} calls take less time than the clock can tell, and more would take too long with "
                    "their setup; time several calls as one, with benchmark.pedantic(..., iterations=N)",
                )
            times[index].append(call_ns)
    return times


def calibrate(workers: Sequence[Worker], plan: Plan) -> Pace:
    """Return the pace of a benchmark that has none yet; raise EndedEarly or WorkerLost."""
    calls, wall_ns = _calls(workers, plan)
    lead = max(1, int(plan.lead_ns / wall_ns))
    blocks = [worker.block(lead, None) for worker in workers]
    pace = Pace(calls, lead if any(block.threaded for block in blocks) else 0)
    if not any(worker.side.tests for worker in workers):
        return pace
    slowest = max(block.call_ns for block in blocks)
    # A setup in each round may be much slower than what is timed.
    most = [plan.most_block_ns * lead / block.wall_ns / calls for block in blocks]
    wanted = [min(slowest / max(block.call_ns, 1.0), limit) for block, limit in zip(blocks, most, strict=True)]
    return replace(pace, factors=tuple(max(1, int(factor)) for factor in wanted))


def _calls(workers: Sequence[Worker], plan: Plan) -> tuple[int, float]:
    """Return the number of calls in a block, and the nanoseconds of one call with everything that is not timed.

    The fastest call counts: the first ones are cold, and threads take a while to wake.
    """
    calls, attempt, best = 1, 0, [math.inf] * len(workers)
    while True:
        blocks = [worker.block(calls, None) for worker in workers]
        best = [min(known, block.call_ns) for known, block in zip(best, blocks, strict=True)]
        wall_ns = max(block.wall_ns for block in blocks) / calls
        if max(best) * calls >= plan.block_ns * (NEARLY if attempt else SURELY):
            return calls, wall_ns
        # A setup in each round is not in call_ns, and may be much slower than what is timed.
        most = int(plan.most_block_ns / wall_ns)
        if most <= calls and attempt:
            return calls, wall_ns
        # A coarse clock may measure nothing for a single call.
        enough = math.ceil(plan.block_ns / max(best)) if min(best) else 10 * calls
        calls, attempt = max(calls, min(enough, 10 * calls, most)), attempt + 1


def _enough(times: Sequence[Sequence[float]], pace: Pace, plan: Plan, rule: Deciding | None) -> bool:
    """Return whether a launch has enough pairs.

    As many as its pace says; or all the rule wants to know of it is clear; or they agree, or have taken too long. None
    of this depends on which side is slower: the number of equal builds stays symmetric.
    """
    count = len(times[0])
    if count >= (pace.pairs or plan.pairs):
        return True
    if count >= plan.least_pairs and pace.calls * sum(map(sum, times)) >= plan.timed_ns:
        return True
    if pace.pairs or count < LEAST:
        return False
    low, high, _ = interval(logarithms(*times), CONFIDENCE)
    return (rule is not None and rule.is_clear(low, high)) or (
        count >= plan.agreeing_pairs and high - low <= plan.precision
    )
