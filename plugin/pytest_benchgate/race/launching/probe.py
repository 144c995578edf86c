"""Tests run once on one side, without a race: whether they run there at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.race.launching.launch import alone
from pytest_benchgate.race.launching.process import Failed, Missing, Why, Worker
from pytest_benchgate.race.worker.messages import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.race.launching.process import Plan, Side
    from pytest_benchgate.race.reaper import Reaper


def probe(side: Side, nodeids: Sequence[str], plan: Plan, reaper: Reaper) -> dict[str, Failed | None]:
    """Run each test up to its first call and to its end; return what kept it from running, or None.

    A worker that is lost costs the test that it was at.
    """
    found: dict[str, Failed | None] = {}
    waiting = [*nodeids]
    while waiting:
        worker = Worker(side, plan, reaper, seed=0)
        worker.start()
        try:
            worker.collect()
            while waiting:
                nodeid = waiting[0]
                lacks = Failed(side.name, "there is no such test", Why.LACKS)
                known = nodeid in worker.nodeids
                found[nodeid] = alone(worker, Run(nodeid, None), lambda side, files: None) if known else lacks  # noqa: ARG005
                waiting.pop(0)
        except Missing as missing:
            if not worker.nodeids:  # it has not even collected
                return found | dict.fromkeys(waiting, missing.failed)
            found[waiting.pop(0)] = missing.failed
        finally:
            worker.close()
    return found
