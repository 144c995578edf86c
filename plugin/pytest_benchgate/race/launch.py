"""One launch of a race: both workers started, and pairs of blocks timed in random order.

A worker that dies or hangs costs the test that it was at, with the reason and the side, and both are started again.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_benchgate import host
from pytest_benchgate.race.process import Failed, Lost, Missing, Stopped, Why, Worker
from pytest_benchgate.race.statistics import interval, launch_number, logarithms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_benchgate.race.process import Plan, Side
    from pytest_benchgate.race.reaper import Reaper

STARTS = 2  # that may fail in a launch
SURELY = 10  # times a block's length: from there on one call, which may be cold, tells enough
NEARLY = 0.8  # of a block's length: near enough, as each further look may find a faster call
CONFIDENCE = 0.9  # of the interval of a launch's median


@dataclass(frozen=True)
class Timed:
    """What a launch found out about a benchmark.

    Attributes
    ----------
    number: ln(head / base).
    base_ns, head_ns: the nanoseconds of one call in each pair, by side.
    group: the benchmark's group, on head.

    """

    number: float
    base_ns: tuple[float, ...]
    head_ns: tuple[float, ...]
    group: str | None = None


def launch(
    sides: Sequence[Side],
    nodeids: Iterable[str],
    plan: Plan,
    seed: int,
    reaper: Reaper,
    loaded: Callable[[str, dict[str, str]], None] = lambda side, files: None,  # noqa: ARG005
) -> dict[str, tuple[Timed | Failed, float]]:
    """Race each test once between the two sides, base and head; return what came of it, and the seconds that it took.

    The seed is of this launch: hashes, the order of starts and of pairs come from it, and both sides get the same.
    `loaded` gets each side's name and the raced files that it loaded, with their SHA-256, as they come.
    """
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    found: dict[str, tuple[Timed | Failed, float]] = {}
    waiting, starts = list(nodeids), STARTS
    while waiting:
        with ExitStack() as stack:
            shared = rng.getrandbits(32)
            workers = [Worker(side, plan, reaper, shared) for side in sides]
            for one in rng.sample(workers, len(workers)):
                one.start()
                stack.callback(one.close)
            try:
                for one in workers:
                    one.collect()
            except Missing as missing:
                starts -= 1
                if missing.killed and starts:  # it may have been chance, and would cost every test
                    continue
                return found | dict.fromkeys(waiting, (missing.failed, 0.0))
            while waiting:
                nodeid, following = waiting.pop(0), waiting[0] if waiting else None
                start = time.monotonic()
                try:
                    what: Timed | Failed = _race(workers, nodeid, following, plan, rng, loaded)
                except Missing as missing:
                    what = missing.failed
                found[nodeid] = what, time.monotonic() - start
                if isinstance(what, Lost):
                    break  # both sides are started anew
    return found


def _race(
    workers: Sequence[Worker],
    nodeid: str,
    following: str | None,
    plan: Plan,
    rng: random.Random,
    loaded: Callable[[str, dict[str, str]], None],
) -> Timed | Failed:
    """Race one test; both workers are idle before and after. Raise Missing where one of them is lost."""
    if lacking := [one for one in workers if nodeid not in one.nodeids]:
        return _lacks(lacking, nodeid)
    for one in workers:
        one.tell(order="run", nodeid=nodeid, next=following)
    answers = {one.side.name: one.answer() for one in workers}
    if early := {name: answer for name, answer in answers.items() if answer["answer"] != "ready"}:
        return _failed(_finish(workers, early))
    for name, answer in answers.items():
        loaded(name, answer["files"])
    try:
        times = _time(workers, plan, rng)
    except Stopped as stopped:
        return _failed(_finish(workers, {stopped.side.name: stopped.answer}))
    if bad := _finish(workers, {}):
        return _failed(bad)
    base, head = answers.values()
    base_ns, head_ns = (
        tuple(time / answer["iterations"] for time in of_side)
        for of_side, answer in zip(times, (base, head), strict=True)
    )
    return Timed(launch_number(*times), base_ns, head_ns, head["group"])


def _lacks(workers: Sequence[Worker], nodeid: str) -> Failed:
    """Return what to say of a test that these have not collected."""
    file = nodeid.partition("::")[0]
    errors = {  # of the file, or of a folder that it is in
        one.side.name: text
        for one in workers
        for place, text in one.errors.items()
        if place in {"", ".", file} or file.startswith(f"{place}/")
    }
    if errors:
        return Failed(" and ".join(errors), next(iter(errors.values())))
    return Failed(" and ".join(one.side.name for one in workers), "there is no such test", Why.LACKS)


def _finish(workers: Sequence[Worker], early: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Let the tests that are not `early` go on to their ends; return the answers of those that went wrong, by side."""
    going = [one for one in workers if one.side.name not in early]
    for one in going:
        one.tell(order="end")
    ends = {one.side.name: one.answer() for one in going}
    return early | {name: answer for name, answer in ends.items() if answer["outcome"] != "passed"}


def _failed(bad: dict[str, dict[str, Any]]) -> Failed:
    """Return what to say of a test that went wrong on these sides."""
    why = Why.SKIPPED if {answer["outcome"] for answer in bad.values()} == {"skipped"} else Why.FAILED
    reasons = [answer["reason"] for answer in bad.values() if why is Why.SKIPPED or answer["outcome"] != "skipped"]
    return Failed(" and ".join(bad), next(filter(None, reasons), "it calls no benchmark that can be raced"), why)


def _time(workers: Sequence[Worker], plan: Plan, rng: random.Random) -> list[list[float]]:
    """Return the nanoseconds of a call in each pair, for each worker; one number of calls a block for both.

    Both stay on one processor, a random one: on a busy machine, two that each keep the one where they happen to be
    differed by up to 30 % for as long as a launch lasts. A function that uses threads needs all of them, and before
    each of its blocks calls that are not timed: the other side's threads wait for work on the processors for some
    milliseconds (GCC's OpenMP does), and meanwhile a call took up to three times as long.
    """
    calls, wall_ns = _calibrate(workers, plan)
    lead = max(1, int(plan.lead_ns / wall_ns))
    looks = [one.block(lead, None) for one in workers]
    threaded = any(block.threaded for block in looks)
    processors = sorted(host.processors())
    processor = rng.choice(processors) if processors and not threaded else None
    times: list[list[float]] = [[] for _ in workers]
    while not _enough(times, calls, plan):
        for index in rng.sample(range(len(workers)), len(workers)):
            if threaded:
                workers[index].block(lead, None)
            times[index].append(workers[index].block(calls, processor).call_ns)
    return times


def _calibrate(workers: Sequence[Worker], plan: Plan) -> tuple[int, float]:
    """Return how many calls make a block, and the nanoseconds that one takes with all that is not timed.

    The fastest call counts: the first ones are cold, and threads take their time to wake.
    """
    calls, best = 1, [math.inf] * len(workers)
    for attempt in itertools.count():
        blocks = [one.block(calls, None) for one in workers]
        best = [min(known, block.call_ns) for known, block in zip(best, blocks, strict=True)]
        if max(best) * calls >= plan.block_ns * (NEARLY if attempt else SURELY):
            break
        # A setup in each round is not in call_ns, and may be much slower than what is timed.
        most = int(plan.most_block_ns / max(block.wall_ns for block in blocks) * calls)
        if most <= calls and attempt:
            break
        calls = max(calls, min(math.ceil(plan.block_ns / max(best)), 10 * calls, most))
    return calls, max(block.wall_ns for block in blocks) / calls


def _enough(times: Sequence[Sequence[float]], calls: int, plan: Plan) -> bool:
    """Return whether a launch has pairs enough: they agree well, or they have taken too long.

    The rule sees how far the pairs lie apart, but not to which side: the number of equal builds stays symmetric.
    """
    count = len(times[0])
    if count >= plan.pairs or (count >= plan.least_pairs and calls * sum(map(sum, times)) >= plan.timed_ns):
        return True
    if count < plan.agreeing_pairs:
        return False
    low, high, _ = interval(logarithms(*times), CONFIDENCE)
    return high - low <= plan.precision
