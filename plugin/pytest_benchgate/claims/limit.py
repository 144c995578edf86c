"""A claim on a limit of the machine: the test's blocks and samples of the limit, by turns in one process.

Both lie in the same moments of the machine, and each launch has memory of its own: an allocation can be slow for as
long as it lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_benchgate.race.launching.launch import launch
from pytest_benchgate.race.launching.number import launch_number
from pytest_benchgate.race.launching.process import EndedEarly, WorkerLost
from pytest_benchgate.race.launching.results import Failed, FailureKind, LaunchResult, Timed
from pytest_benchgate.race.launching.timing import calibrate
from pytest_benchgate.race.worker import messages
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_benchgate.race.launching.engine import Deciding
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.launching.process import Worker
    from pytest_benchgate.race.launching.results import Pace
    from pytest_benchgate.race.reaper import Reaper

# Of a launch: how often test and limit take turns, and the blocks of the test in each; a limit has several samples.
TURNS, BLOCKS = 3, 5
KIND = FailureKind.UNCOUNTABLE


@dataclass(frozen=True)
class LimitTimer:
    """Times a benchmark beside the limit of which it claims a share; made as a Timer is, which times two sides."""

    paces: Mapping[str, Pace] = field(default_factory=dict)
    rules: Mapping[str, Deciding] = field(default_factory=dict)

    def __call__(
        self, nodeid: str, workers: Sequence[Worker], ready: Sequence[messages.Ready], rng: random.Random
    ) -> Timed:
        """Return the times, of which the limit's are base's: the best of each turn. Raises EndedEarly or WorkerLost."""
        (worker,), (answer,) = workers, ready
        pace = self.paces.get(nodeid) or calibrate(workers, worker.plan)
        start = CLOCK.s()
        limit_ns, own_ns = [], []
        for _ in range(TURNS):
            for is_limit in rng.sample((True, False), 2):
                if is_limit:
                    limit_ns.append(min(_limit_seconds(worker)) * 1e9)
                else:
                    own_ns.append(min(_block_ns(worker, pace) for _ in range(BLOCKS)) / answer.iterations)
        number, error = launch_number(limit_ns, own_ns)
        paired_s = CLOCK.s() - start
        return Timed(number, (*limit_ns,), (*own_ns,), answer.group, pace=pace, paired_s=paired_s, error=error)


def _block_ns(worker: Worker, pace: Pace) -> float:
    if pace.lead:
        worker.block(pace.lead, None)
    # What the clock cannot tell from nothing is shorter than any limit.
    return max(worker.block(pace.calls, None).call_ns, 1e-3)


def _limit_seconds(worker: Worker) -> list[float]:
    """Return samples of the limit; raise EndedEarly or WorkerLost."""
    worker.order(messages.MeasureLimit())
    answer = worker.answer(messages.Limited)
    if isinstance(answer, messages.Done):
        raise EndedEarly({worker.side.name: answer})
    if not answer.seconds or min(answer.seconds) <= 0:
        raise WorkerLost(worker.side.name, f"the limit's samples are {answer.seconds}, where seconds above 0 were due")
    return answer.seconds


@dataclass
class _Listing:
    """Times nothing: notes what each test claims."""

    found: dict[str, str] = field(default_factory=dict)

    def __call__(self, nodeid: str, _: Sequence[Worker], ready: Sequence[messages.Ready], __: random.Random) -> Failed:
        self.found[nodeid] = ready[0].reaches
        return Failed("head", "", KIND)


def claimed(side: Side, nodeids: Iterable[str], plan: Plan, seed: int, reaper: Reaper) -> dict[str, str | Failed]:
    """Run each test up to its benchmark; return the share of a limit that it claims, or why it has claimed none."""
    listing = _Listing()
    results = [
        event for event in launch([side], nodeids, plan, seed, reaper, listing) if isinstance(event, LaunchResult)
    ]
    found: dict[str, str | Failed] = {
        event.nodeid: event.result for event in results if isinstance(event.result, Failed)
    }
    for nodeid, text in listing.found.items():
        if isinstance(known := found[nodeid], Failed) and known.kind is KIND:
            found[nodeid] = text or replace(known, reason="it claims nothing here", kind=FailureKind.SKIPPED)
    return found
