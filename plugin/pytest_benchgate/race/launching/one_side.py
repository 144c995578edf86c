"""Tests run once on one side, without a race, to see whether they run there at all."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pytest_benchgate.race.launching.launch import run_alone
from pytest_benchgate.race.launching.process import Worker, WorkerLost
from pytest_benchgate.race.launching.results import Failed, FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper


def run_each(side: Side, nodeids: Sequence[str], plan: Plan, reaper: Reaper) -> dict[str, Failed | None]:
    """Run each test up to its first call and to its end; return why it failed, or None.

    A worker that is lost costs the test that it was running.
    """
    results: dict[str, Failed | None] = {}
    waiting = [*nodeids]
    while waiting:
        worker = Worker(side, plan, reaper, seed=0)
        worker.start()
        with closing(worker):
            try:
                worker.collect()
                while waiting:
                    results[waiting[0]] = _run(worker, waiting[0])
                    waiting.pop(0)
            except WorkerLost as lost:
                # Without tests it has not even collected.
                if not worker.nodeids:
                    return results | dict.fromkeys(waiting, lost.failed)
                results[waiting.pop(0)] = lost.failed
    return results


def _run(worker: Worker, nodeid: str) -> Failed | None:
    if nodeid not in worker.nodeids:
        return Failed(worker.side.name, "there is no such test", FailureKind.LACKS)
    events = run_alone(worker, nodeid)
    while True:
        try:
            next(events)
        except StopIteration as ended:
            failed: Failed | None = ended.value
            return failed
