"""One launch of a race: both workers started, and pairs of blocks timed in random order.

A worker that dies or hangs costs the test that it was at, with the reason and the side, and both are started again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_benchgate import host
from pytest_benchgate.race import worker
from pytest_benchgate.race.channel import Channel, Closed, Late
from pytest_benchgate.race.statistics import interval, launch_number, logarithms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_benchgate.race.reaper import Reaper

SHOWN = 2000  # characters of a dead worker's output
STARTS = 2  # that may fail in a launch
CONFIDENCE = 0.9  # of the interval of a launch's median
ENDING_S = 10.0  # how long a worker may take to end after it has closed its pipe
# What the session's own environment must not tell a worker: options that are given to it already, and its CI's reports.
WITHOUT = ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_CURRENT_TEST")


@dataclass(frozen=True)
class Side:
    """A build: the interpreter of its environment, and the folder in which its tests are run.

    Attributes
    ----------
    name: "base" or "head".
    python: the interpreter.
    folder: the current directory of its worker.
    arguments: what its pytest gets.
    temporary: a folder for the files that its tests make; the system's, where it is None.

    """

    name: str
    python: Path
    folder: Path
    arguments: tuple[str, ...] = ()
    temporary: Path | None = None


@dataclass(frozen=True)
class Plan:
    """How a launch is done.

    Attributes
    ----------
    names: the top-level modules that are raced, whose files each worker tells of.
    pairs: how many pairs the number of a launch is the median of, at most.
    agreeing_pairs: how many are enough if they agree: if the interval of their median is no wider than precision.
    least_pairs: how many are enough if they take longer than timed_ns together.
    precision: in ln(ratio); a fraction of the threshold.
    block_ns: about how long a block takes.
    most_block_ns: how long one may take with its setups, which are not timed.
    limit_s: how long any answer of a worker may take; a longer one is a hang.
    start_limit_s: how long a worker may take to start and to collect its tests.

    """

    names: tuple[str, ...] = ()
    pairs: int = 25
    agreeing_pairs: int = 5
    least_pairs: int = 3
    precision: float = 0.01
    block_ns: float = 2e6
    most_block_ns: float = 1e8
    timed_ns: float = 6e8
    limit_s: float = 60.0
    start_limit_s: float = 300.0


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


class Why(Enum):
    """Why a test gave no number."""

    LACKS = "lacks"  # a side has no such test
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Failed:
    """A test that gave no number, on which side ("base", "head", or "base and head"), and the reason."""

    side: str
    reason: str
    why: Why = Why.FAILED


NO_END = Failed("", "it ended before it was timed")


class Lost(Failed):
    """A test at which a worker was lost: it has died, or it hangs."""


class Missing(Exception):
    """A worker that gave no answer."""

    def __init__(self, side: Side, reason: str, *, killed: bool = False) -> None:
        super().__init__(f"{side.name}: {reason}")
        self.failed, self.killed = Lost(side.name, reason), killed


@dataclass
class Worker:
    """A running worker of one side."""

    side: Side
    plan: Plan
    reaper: Reaper
    seed: int
    nodeids: frozenset[str] = frozenset()
    errors: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] = field(init=False)
    channel: Channel = field(init=False)

    def start(self) -> None:
        """Start the process; `collect` waits for it, so that both sides start at once."""
        (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
        told = {"pipes": [orders_in, answers_out], "seed": self.seed, "names": self.plan.names}
        env = {name: value for name, value in os.environ.items() if name not in WITHOUT}
        env |= {worker.ORDERS: json.dumps(told), "PYTHONHASHSEED": str(self.seed)}
        if self.side.temporary:
            env["TMPDIR"] = str(self.side.temporary)
        self.process = self.reaper.start(
            # -P: the current directory, with its source tree, must not stand before the installed build.
            # -s: the last words of one that crashes would be lost with what pytest has captured.
            [self.side.python, "-P", "-m", "pytest", "-p", "pytest_benchgate.race.worker", *self.side.arguments, "-s"],
            cwd=self.side.folder,
            env=env,
            pass_fds=(orders_in, answers_out),
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        os.close(orders_in)
        os.close(answers_out)
        self.channel = Channel(answers_in, orders_out)

    def collect(self) -> None:
        """Wait for the tests that this side has."""
        answer = self.answer(self.plan.start_limit_s)
        self.nodeids, self.errors = frozenset(answer["nodeids"]), answer["errors"]

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order and return the answer; raise Missing where there is none."""
        self.tell(**order)
        return self.answer()

    def tell(self, **order: Any) -> None:
        """Send an order."""
        try:
            self.channel.send(**order)
        except Closed:
            raise self._end() from None

    def answer(self, limit_s: float | None = None) -> dict[str, Any]:
        """Return the next answer; raise Missing where there is none."""
        limit_s = limit_s or self.plan.limit_s
        try:
            return self.channel.receive(limit_s)
        except Late:
            raise Missing(self.side, f"no answer within {limit_s:g} s: it hangs, or is too slow to race") from None
        except Closed:
            raise self._end() from None

    def _end(self) -> Missing:
        """Return how the process ended, with the last of what it printed."""
        deadline = time.monotonic() + ENDING_S
        while (status := self.reaper.status(self.process)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if status is None:
            how = "its pipe is closed, but it has not ended"
        elif status >= 0:
            how = f"exit status {status}"
        else:
            names = {one.value: one.name for one in signal.Signals}
            how = f"signal {names.get(-status, -status)}"
            if -status == signal.SIGKILL:
                how += "; the system kills so where memory runs out"
        self.output.seek(0)
        printed = self.output.read().decode("utf-8", "replace")[-SHOWN:]
        killed = status is not None and status < 0
        return Missing(self.side, f"the worker died ({how}):\n{printed}".rstrip(), killed=killed)

    def block(self, calls: int, processor: int | None) -> Block:
        """Time a block of so many calls; raise Stopped where the test ends instead."""
        start = time.perf_counter_ns()
        answer = self.ask(order="block", calls=calls, processor=processor)
        if answer["answer"] != "block":
            raise Stopped(self.side, answer)
        return Block(float(answer["ns"]) / calls, answer["threaded"], time.perf_counter_ns() - start)

    def close(self) -> None:
        """End the process, however it is, and what belongs to it."""
        self.reaper.end(self.process)
        self.channel.close()
        self.output.close()


@dataclass(frozen=True)
class Block:
    """A block that was timed.

    Attributes
    ----------
    call_ns: the nanoseconds of one call.
    threaded: whether other threads than the main one did work in it.
    wall_ns: what all of it took, with what is not timed.

    """

    call_ns: float
    threaded: bool
    wall_ns: float


class Stopped(Exception):
    """A test that ended where a block was asked for."""

    def __init__(self, side: Side, answer: dict[str, Any]) -> None:
        super().__init__(side.name)
        self.side, self.answer = side, answer


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
        return _finish(workers, early) or NO_END
    for name, answer in answers.items():
        loaded(name, answer["files"])
    try:
        times = _time(workers, plan, rng)
    except Stopped as stopped:
        return _finish(workers, {stopped.side.name: stopped.answer}) or NO_END
    if failed := _finish(workers, {}):
        return failed
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


def _finish(workers: Sequence[Worker], early: dict[str, dict[str, Any]]) -> Failed | None:
    """Let the tests that are not `early`, by the names of their sides, go on to their ends; return what went wrong."""
    going = [one for one in workers if one.side.name not in early]
    for one in going:
        one.tell(order="end")
    ends = {one.side.name: one.answer() for one in going}
    bad = early | {name: answer for name, answer in ends.items() if answer["outcome"] != "passed"}
    if not bad:
        return None
    why = Why.SKIPPED if {answer["outcome"] for answer in bad.values()} == {"skipped"} else Why.FAILED
    reasons = [answer["reason"] for answer in bad.values() if why is Why.SKIPPED or answer["outcome"] != "skipped"]
    return Failed(" and ".join(bad), next(filter(None, reasons), "it calls no benchmark that can be raced"), why)


def _time(workers: Sequence[Worker], plan: Plan, rng: random.Random) -> list[list[float]]:
    """Return the nanoseconds of a call in each pair, for each worker; one number of calls a block for both.

    Both stay on one processor, a random one: on a busy machine, two that each keep the one where they happen to be
    differed by up to 30 % for as long as a launch lasts. A function that uses threads needs all of them.
    """
    calls, blocks = 1, [one.block(1, None) for one in workers]
    while (call_ns := max(block.call_ns for block in blocks)) * calls < plan.block_ns:
        # A setup in each round is not in call_ns, and may be much slower than what is timed.
        most = int(plan.most_block_ns / max(block.wall_ns for block in blocks) * calls)
        if most <= calls:
            break
        calls = min(max(calls + 1, min(int(plan.block_ns / call_ns), 10 * calls)), most)
        blocks = [one.block(calls, None) for one in workers]
    processors = sorted(host.processors())
    alone = processors and not any(block.threaded for block in blocks)
    processor = rng.choice(processors) if alone else None
    times: list[list[float]] = [[] for _ in workers]
    while not _enough(times, calls, plan):
        for index in rng.sample(range(len(workers)), len(workers)):
            times[index].append(workers[index].block(calls, processor).call_ns)
    return times


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
