"""One launch of a race: both workers started, and pairs of blocks timed in random order.

A worker that dies or hangs costs the test that it was running; both workers are started again for the tests after it.
"""

from __future__ import annotations

import math
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pytest_benchgate import host
from pytest_benchgate.race.launching.process import EndedEarly, Worker, WorkerLost
from pytest_benchgate.race.launching.results import Failed, FailureKind, LaunchResult, Loaded, Timed
from pytest_benchgate.race.statistics import interval, launch_number, logarithms
from pytest_benchgate.race.worker import messages
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.race.worker.messages import Done

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper

# Attempts to start and collect before the tests of a file fail.
STARTS = 2
# Times a block's length: a single call that takes so long, even if cold, ends the calibration.
SURELY = 10
# Part of a block's length that ends the calibration, as each further attempt may find a faster call.
NEARLY = 0.8
# Of the interval of a launch's median.
CONFIDENCE = 0.9


def launch(
    sides: Sequence[Side], nodeids: Iterable[str], plan: Plan, seed: int, reaper: Reaper
) -> Generator[Loaded | LaunchResult, None, None]:
    """Race each test once between the two sides, base and head; yield its result as soon as it is known.

    The seed determines the hash seed, the order of starts and of pairs; both sides get the same.
    """
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    waiting, starts = [*nodeids], STARTS
    while waiting:
        hash_seed = rng.getrandbits(32)
        files = frozenset(nodeid.partition("::")[0] for nodeid in waiting)
        workers = [Worker(side, plan, reaper, hash_seed, files) for side in sides]
        with ExitStack() as stack:
            for worker in rng.sample(workers, len(workers)):
                worker.start()
                stack.callback(worker.close)
            try:
                for worker in workers:
                    worker.collect()
            except WorkerLost as lost:
                starts -= 1
                # A kill may have been chance, and would cost all tests of a file.
                if not (lost.killed and starts):
                    culprits = {one.collecting for one in workers if one.side.name == lost.failed.side} & files or files
                    for nodeid in waiting:
                        if nodeid.partition("::")[0] in culprits:
                            yield LaunchResult(nodeid, lost.failed, 0.0)
                    waiting = [nodeid for nodeid in waiting if nodeid.partition("::")[0] not in culprits]
                    starts = STARTS
                continue
            yield from _race_all(workers, waiting, plan, rng)


def _race_all(
    workers: Sequence[Worker], waiting: list[str], plan: Plan, rng: random.Random
) -> Generator[Loaded | LaunchResult, None, None]:
    """Race the first of the waiting tests, which is removed, and so on until a worker is lost."""
    while waiting:
        nodeid = waiting.pop(0)
        run = messages.Run(nodeid, waiting[0] if waiting else None)
        start = CLOCK.s()
        try:
            result = yield from _race(workers, run, plan, rng)
        except WorkerLost as lost:
            result = lost.failed
        yield LaunchResult(nodeid, result, CLOCK.s() - start)
        if isinstance(result, Failed) and result.kind is FailureKind.LOST:
            return


def _race(
    workers: Sequence[Worker], run: messages.Run, plan: Plan, rng: random.Random
) -> Generator[Loaded, None, Timed | Failed]:
    """Race one test; both workers are idle before and after. Raises WorkerLost."""
    if lacking := [worker for worker in workers if run.nodeid not in worker.nodeids]:
        lacks = _lacks(lacking, run.nodeid)
        others = [worker for worker in workers if worker not in lacking and worker.side.name == "head"]
        if not others or lacks.kind is FailureKind.BROKEN:
            return lacks
        return (yield from run_alone(others[0], run)) or lacks
    answers = yield from _start(workers, run)
    if early := {name: answer for name, answer in answers.items() if isinstance(answer, Done)}:
        return _failed(_finish(workers, early))
    try:
        times = _time(workers, plan, rng)
    except EndedEarly as ended:
        return _failed(_finish(workers, {ended.side: ended.done}))
    if failed := _finish(workers, {}):
        return _failed(failed)
    ready = [answer for answer in answers.values() if isinstance(answer, messages.Ready)]
    base_ns, head_ns = (
        tuple(time / answer.iterations for time in of_side) for of_side, answer in zip(times, ready, strict=True)
    )
    alike = len({answer.drawn for answer in ready}) == 1
    return Timed(launch_number(*times), base_ns, head_ns, ready[-1].group, alike)


def run_alone(worker: Worker, run: messages.Run) -> Generator[Loaded, None, Failed | None]:
    """Run a test on one side only, to its end; return why it failed, or None. Raises WorkerLost."""
    answers = yield from _start([worker], run)
    failed = _finish([worker], {name: answer for name, answer in answers.items() if isinstance(answer, Done)})
    return _failed(failed) if failed else None


def _start(workers: Sequence[Worker], run: messages.Run) -> Generator[Loaded, None, dict[str, messages.Ready | Done]]:
    """Start a test on these sides; return their answers, by side."""
    for worker in workers:
        worker.order(run)
    answers = {worker.side.name: worker.answer(messages.Ready) for worker in workers}
    for name, answer in answers.items():
        if isinstance(answer, messages.Ready) and answer.files:
            yield Loaded(name, tuple(answer.files))
    return answers


def _lacks(workers: Sequence[Worker], nodeid: str) -> Failed:
    """Describe a test that these workers have not collected."""
    file = nodeid.partition("::")[0]
    # Errors of the file, or of a folder that it is in.
    errors = {
        worker.side.name: (worker, text)
        for worker in workers
        for place, text in worker.collected.errors.items()
        if place in {"", ".", file} or file.startswith(f"{place}/")
    }
    if not errors:
        return Failed(" and ".join(one.side.name for one in workers), "there is no such test", FailureKind.LACKS)
    broken = [
        f"{name} cannot import {module}: {why}"
        for name, (worker, _) in errors.items()
        for module, why in worker.collected.broken.items()
    ]
    reasons = [*broken, *(text for _, text in errors.values())]
    return Failed(" and ".join(errors), _joined(reasons), FailureKind.BROKEN if broken else FailureKind.FAILED)


def _finish(workers: Sequence[Worker], early: dict[str, Done]) -> dict[str, Done]:
    """Run the tests that have not ended early to their ends; return the answers of those that failed, by side."""
    running = [worker for worker in workers if worker.side.name not in early]
    for worker in running:
        worker.order(messages.End())
    ends = {worker.side.name: worker.answer(Done) for worker in running}
    return early | {name: done for name, done in ends.items() if done.outcome != "passed"}


def _failed(answers: dict[str, Done]) -> Failed:
    """Describe a test that failed or was skipped on these sides."""
    skipped = {done.outcome for done in answers.values()} == {"skipped"}
    kind = FailureKind.SKIPPED if skipped else FailureKind.FAILED
    reasons = [done.reason for done in answers.values() if skipped or done.outcome != "skipped"]
    return Failed(" and ".join(answers), _joined(reasons) or "it calls no benchmark that can be raced", kind)


def _joined(reasons: Sequence[str]) -> str:
    """Return the different reasons as one text."""
    return "\n\n".join(dict.fromkeys(filter(None, reasons)))


def _time(workers: Sequence[Worker], plan: Plan, rng: random.Random) -> list[list[float]]:
    """Return the nanoseconds of a call in each pair, for each worker; blocks of both have equally many calls.

    Both stay on one processor, a random one: on a busy machine, two that each keep their own differed by up to 30 % for
    a whole launch. A function that uses threads needs all processors, and before each of its blocks calls that are not
    timed: the other side's threads wait for work on the processors for some milliseconds (GCC's OpenMP does), and
    meanwhile a call took up to three times as long.
    """
    calls, wall_ns = _calibrate(workers, plan)
    lead = max(1, int(plan.lead_ns / wall_ns))
    threaded = any([worker.block(lead, None).threaded for worker in workers])  # noqa: C419  # all are run
    processors = sorted(host.processors())
    processor = rng.choice(processors) if processors and not threaded else None
    times: list[list[float]] = [[] for _ in workers]
    while not _enough(times, calls, plan):
        for index in rng.sample(range(len(workers)), len(workers)):
            if threaded:
                workers[index].block(lead, None)
            call_ns = workers[index].block(calls, processor).call_ns
            if not call_ns:
                raise WorkerLost(
                    workers[index].side.name,
                    f"{calls} calls take less time than the clock can tell, and more would take too long with their "
                    "setup; time several calls as one, with benchmark.pedantic(..., iterations=N)",
                )
            times[index].append(call_ns)
    return times


def _calibrate(workers: Sequence[Worker], plan: Plan) -> tuple[int, float]:
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


def _enough(times: Sequence[Sequence[float]], calls: int, plan: Plan) -> bool:
    """Return whether a launch has enough pairs: they agree well, or they have taken too long.

    The rule depends on the scatter of the pairs, but not on its sign: the number of equal builds stays symmetric.
    """
    count = len(times[0])
    if count >= plan.pairs or (count >= plan.least_pairs and calls * sum(map(sum, times)) >= plan.timed_ns):
        return True
    if count < plan.agreeing_pairs:
        return False
    low, high, _ = interval(logarithms(*times), CONFIDENCE)
    return high - low <= plan.precision
