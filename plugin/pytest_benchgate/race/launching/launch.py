"""One launch of a race: both workers started, and pairs of blocks timed in random order.

A worker that dies or hangs costs the test that it was at, with the reason and the side, and both are started again.
"""

from __future__ import annotations

import math
import random
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate import host
from pytest_benchgate.race.launching.process import Failed, Missing, Stopped, Why, Worker
from pytest_benchgate.race.statistics import interval, launch_number, logarithms
from pytest_benchgate.race.worker import messages
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.race.worker.messages import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_benchgate.race.launching.process import Plan, Side
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
    alike: whether both sides had drawn the same random numbers, from the same seeds, when the benchmark began.

    """

    number: float
    base_ns: tuple[float, ...]
    head_ns: tuple[float, ...]
    group: str | None = None
    alike: bool = True


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
            files = frozenset(nodeid.partition("::")[0] for nodeid in waiting)
            workers = [Worker(side, plan, reaper, shared, files) for side in sides]
            for one in rng.sample(workers, len(workers)):
                one.start()
                stack.callback(one.close)
            try:
                for one in workers:
                    one.collect()
            except Missing as missing:
                starts -= 1
                if missing.killed and starts:  # it may have been chance, and would cost every test of a file
                    continue
                cause = {one.collecting for one in workers if one.side.name == missing.failed.side} & files or files
                lost = [nodeid for nodeid in waiting if nodeid.partition("::")[0] in cause]
                found |= dict.fromkeys(lost, (missing.failed, 0.0))
                waiting, starts = [nodeid for nodeid in waiting if nodeid not in found], STARTS
                continue
            while waiting:
                nodeid, following = waiting.pop(0), waiting[0] if waiting else None
                start = CLOCK.s()
                try:
                    what: Timed | Failed = _race(workers, nodeid, following, plan, rng, loaded)
                except Missing as missing:
                    what = missing.failed
                found[nodeid] = what, CLOCK.s() - start
                if isinstance(what, Failed) and what.why is Why.LOST:
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
        lacks = _lacks(lacking, nodeid)
        head = [one for one in workers if one not in lacking and one.side.name == "head"]
        if not head or lacks.why is Why.BROKEN:
            return lacks
        return alone(head[0], messages.Run(nodeid, following), loaded) or lacks
    answers = _start(workers, messages.Run(nodeid, following), loaded)
    if early := {name: answer for name, answer in answers.items() if isinstance(answer, Done)}:
        return _failed(_finish(workers, early))
    try:
        times = _time(workers, plan, rng)
    except Stopped as stopped:
        return _failed(_finish(workers, {stopped.side.name: stopped.done}))
    if bad := _finish(workers, {}):
        return _failed(bad)
    ready = [answer for answer in answers.values() if isinstance(answer, messages.Ready)]
    base_ns, head_ns = (
        tuple(time / answer.iterations for time in of_side) for of_side, answer in zip(times, ready, strict=True)
    )
    alike = len({answer.drawn for answer in ready}) == 1
    return Timed(launch_number(*times), base_ns, head_ns, ready[-1].group, alike)


def _start(
    workers: Sequence[Worker], run: messages.Run, loaded: Callable[[str, dict[str, str]], None]
) -> dict[str, messages.Ready | Done]:
    """Start a test on these sides; return their answers, by side."""
    for one in workers:
        one.tell(run)
    answers = {one.side.name: one.answer(messages.Ready) for one in workers}
    for name, answer in answers.items():
        if isinstance(answer, messages.Ready):
            loaded(name, answer.files)
    return answers


def alone(worker: Worker, run: messages.Run, loaded: Callable[[str, dict[str, str]], None]) -> Failed | None:
    """Run a test on this side only, to its end; return what went wrong, if anything. Raises Missing."""
    answers = _start([worker], run, loaded)
    bad = _finish([worker], {name: answer for name, answer in answers.items() if isinstance(answer, Done)})
    return _failed(bad) if bad else None


def _lacks(workers: Sequence[Worker], nodeid: str) -> Failed:
    """Return what to say of a test that these have not collected."""
    file = nodeid.partition("::")[0]
    errors = {  # of the file, or of a folder that it is in
        one.side.name: (one, text)
        for one in workers
        for place, text in one.collected.errors.items()
        if place in {"", ".", file} or file.startswith(f"{place}/")
    }
    if not errors:
        return Failed(" and ".join(one.side.name for one in workers), "there is no such test", Why.LACKS)
    broken = [
        f"{name} cannot import {module}: {why}"
        for name, (one, _) in errors.items()
        for module, why in one.collected.broken.items()
    ]
    reasons = [*broken, *(text for _, text in errors.values())]
    return Failed(" and ".join(errors), _joined(reasons), Why.BROKEN if broken else Why.FAILED)


def _finish(workers: Sequence[Worker], early: dict[str, Done]) -> dict[str, Done]:
    """Let the tests that are not `early` go on to their ends; return the answers of those that went wrong, by side."""
    going = [one for one in workers if one.side.name not in early]
    for one in going:
        one.tell(messages.End())
    ends = {one.side.name: one.answer(Done) for one in going}
    return early | {name: done for name, done in ends.items() if done.outcome != "passed"}


def _failed(bad: dict[str, Done]) -> Failed:
    """Return what to say of a test that went wrong on these sides."""
    why = Why.SKIPPED if {done.outcome for done in bad.values()} == {"skipped"} else Why.FAILED
    reasons = [done.reason for done in bad.values() if why is Why.SKIPPED or done.outcome != "skipped"]
    return Failed(" and ".join(bad), _joined(reasons) or "it calls no benchmark that can be raced", why)


def _joined(reasons: Sequence[str]) -> str:
    """Return different reasons as one text."""
    return "\n\n".join(dict.fromkeys(filter(None, reasons)))


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
            call_ns = workers[index].block(calls, processor).call_ns
            if not call_ns:
                raise Missing(
                    workers[index].side.name,
                    f"{calls} calls take less time than the clock can tell, and more would take too long with their "
                    "setup; time several calls as one, with benchmark.pedantic(..., iterations=N)",
                )
            times[index].append(call_ns)
    return times


def _calibrate(workers: Sequence[Worker], plan: Plan) -> tuple[int, float]:
    """Return how many calls make a block, and the nanoseconds that one takes with all that is not timed.

    The fastest call counts: the first ones are cold, and threads take their time to wake.
    """
    calls, attempt, best = 1, 0, [math.inf] * len(workers)
    while True:
        blocks = [one.block(calls, None) for one in workers]
        best = [min(known, block.call_ns) for known, block in zip(best, blocks, strict=True)]
        wall_ns = max(block.wall_ns for block in blocks) / calls
        if max(best) * calls >= plan.block_ns * (NEARLY if attempt else SURELY):
            return calls, wall_ns
        # A setup in each round is not in call_ns, and may be much slower than what is timed.
        most = int(plan.most_block_ns / wall_ns)
        if most <= calls and attempt:
            return calls, wall_ns
        # A coarse clock may see nothing of a single call.
        enough = math.ceil(plan.block_ns / max(best)) if min(best) else 10 * calls
        calls, attempt = max(calls, min(enough, 10 * calls, most)), attempt + 1


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
