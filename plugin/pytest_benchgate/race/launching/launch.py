"""One launch of a race: both workers started, and pairs of blocks timed in random order.

A worker that dies or hangs costs the test that it was running; both workers are started again for the tests after it.

The workers of the next launch are not started beside the blocks of this one. Tried on two processors, on the one that
times nothing, five races of five benchmarks took 0.86 times as long, but one number in ten lay 1.7 % or more from the
median of its race, not 1.1 %, and an alarm took 16.0 launches in place of 15.3.
"""

from __future__ import annotations

import random
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from pytest_benchgate.race.launching.process import EndedEarly, Worker, WorkerLost
from pytest_benchgate.race.launching.results import Counted, Failed, FailureKind, LaunchResult, Loaded, Timed
from pytest_benchgate.race.launching.timing import Timer
from pytest_benchgate.race.worker import messages
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.race.worker.messages import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper

# Attempts to start and collect before the tests of a file fail.
STARTS = 2
Measured: TypeAlias = Timed | Counted | Failed
# Gets a test's id, both workers, which wait in its benchmark, and what they have answered.
Measure: TypeAlias = "Callable[[str, Sequence[Worker], Sequence[messages.Ready], random.Random], Measured]"
# Without paces from earlier launches.
TIMER = Timer()


def launch(
    sides: Sequence[Side],
    nodeids: Iterable[str],
    plan: Plan,
    seed: int,
    reaper: Reaper,
    measure: Measure = TIMER,
) -> Generator[Loaded | LaunchResult, None, None]:
    """Race each test once between the two sides, base and head; yield its result as soon as it is known.

    The seed determines the hash seed, the order of starts and of pairs; both sides get the same.
    """
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    waiting, starts = [*nodeids], STARTS
    while waiting:
        hash_seed = rng.getrandbits(32)
        files = frozenset(side.file(nodeid) for nodeid in waiting for side in sides)
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
                    ended = {nodeid for nodeid in waiting for side in sides if side.file(nodeid) in culprits}
                    yield from (LaunchResult(nodeid, lost.failed, 0.0) for nodeid in waiting if nodeid in ended)
                    waiting = [nodeid for nodeid in waiting if nodeid not in ended]
                    starts = STARTS
                continue
            yield from _race_all(workers, waiting, measure, rng)


def _race_all(
    workers: Sequence[Worker], waiting: list[str], measure: Measure, rng: random.Random
) -> Generator[Loaded | LaunchResult, None, None]:
    """Race the first of the waiting tests, which is removed, and so on until a worker is lost."""
    while waiting:
        nodeid = waiting.pop(0)
        start = CLOCK.s()
        try:
            result = yield from _race(workers, nodeid, waiting[0] if waiting else None, measure, rng)
        except WorkerLost as lost:
            yield LaunchResult(nodeid, lost.failed, CLOCK.s() - start)
            return
        yield LaunchResult(nodeid, result, CLOCK.s() - start)


def _race(
    workers: Sequence[Worker], nodeid: str, following: str | None, measure: Measure, rng: random.Random
) -> Generator[Loaded, None, Measured]:
    """Race one test; both workers are idle before and after. Raises WorkerLost."""
    if lacking := [worker for worker in workers if worker.side.test(nodeid) not in worker.nodeids]:
        lacks = _lacks(lacking, nodeid)
        others = [worker for worker in workers if worker not in lacking and worker.side.name == "head"]
        if not others or lacks.kind is FailureKind.BROKEN:
            return lacks
        return (yield from run_alone(others[0], nodeid, following)) or lacks
    answers = yield from _start(workers, nodeid, following)
    if early := {name: answer for name, answer in answers.items() if isinstance(answer, Done)}:
        return _failed(workers, _finish(workers, early))
    ready = [answer for answer in answers.values() if isinstance(answer, messages.Ready)]
    try:
        result = measure(nodeid, workers, ready, rng)
    except EndedEarly as early_end:
        return _failed(workers, _finish(workers, early_end.ended))
    failed = _finish(workers, {})
    return _failed(workers, failed) if failed else result


def run_alone(worker: Worker, nodeid: str, following: str | None = None) -> Generator[Loaded, None, Failed | None]:
    """Run a test on one side only, to its end; return why it failed, or None. Raises WorkerLost."""
    answers = yield from _start([worker], nodeid, following)
    failed = _finish([worker], {name: answer for name, answer in answers.items() if isinstance(answer, Done)})
    return _failed([worker], failed) if failed else None


def _start(
    workers: Sequence[Worker], nodeid: str, following: str | None
) -> Generator[Loaded, None, dict[str, messages.Ready | Done]]:
    """Start a test on these sides; return their answers, by side."""
    for worker in workers:
        worker.run(nodeid, following)
    answers = {worker.side.name: worker.answer(messages.Ready) for worker in workers}
    for name, answer in answers.items():
        if isinstance(answer, messages.Ready) and answer.files:
            yield Loaded(name, tuple(answer.files))
    return answers


def _lacks(workers: Sequence[Worker], nodeid: str) -> Failed:
    """Describe a test that these workers have not collected."""
    # Errors of the file, or of a folder that it is in.
    errors = {
        worker.side.name: (worker, text)
        for worker in workers
        for place, text in worker.collected.errors.items()
        if place in {"", ".", worker.side.file(nodeid)} or worker.side.file(nodeid).startswith(f"{place}/")
    }
    if not errors:
        return Failed(" and ".join(one.side.name for one in workers), "there is no such test", FailureKind.LACKS)
    broken = [
        f"{name} cannot import {module}: {why}"
        for name, (worker, _) in errors.items()
        for module, why in worker.collected.broken.items()
    ]
    texts = _joined([(worker.side, text) for worker, text in errors.values()])
    reason = "\n\n".join(dict.fromkeys([*broken, texts]))
    return Failed(" and ".join(errors), reason, FailureKind.BROKEN if broken else FailureKind.FAILED)


def _finish(workers: Sequence[Worker], early: dict[str, Done]) -> dict[str, Done]:
    """Run the tests that have not ended early to their ends; return the answers of those that failed, by side."""
    running = [worker for worker in workers if worker.side.name not in early]
    for worker in running:
        worker.order(messages.End())
    ends = {worker.side.name: worker.answer(Done) for worker in running}
    return early | {name: done for name, done in ends.items() if done.outcome != "passed"}


def _failed(workers: Sequence[Worker], answers: dict[str, Done]) -> Failed:
    """Describe a test that failed or was skipped on these sides."""
    skipped = {done.outcome for done in answers.values()} == {"skipped"}
    kind = FailureKind.SKIPPED if skipped else FailureKind.FAILED
    sides = {worker.side.name: worker.side for worker in workers}
    told = [(sides[name], done.reason) for name, done in answers.items() if skipped or done.outcome != "skipped"]
    # The reason of a skipped test is one line.
    reason = _joined(told, "; " if skipped else "\n\n")
    return Failed(" and ".join(answers), reason or "it calls no benchmark that can be raced", kind)


def _joined(reasons: Sequence[tuple[Side, str]], between: str = "\n\n") -> str:
    """Return the reasons of the sides as one text: one for both where they say the same, or else with their names."""
    told = [(side, reason) for side, reason in reasons if reason]
    if len({_comparable(side, reason) for side, reason in told}) <= 1:
        return told[0][1] if told else ""
    return between.join(f"{side.name}: {reason}" for side, reason in told)


def _comparable(side: Side, reason: str) -> str:
    """Return a reason without what differs between any two sides: addresses, and the folders of each."""
    text = re.sub(r"\b0x[0-9a-fA-F]+", "0x", reason).replace(str(side.python.parent.parent), "")
    return re.sub(rf"/{side.name}(-tmp)?(?=/)", r"\1", text)
