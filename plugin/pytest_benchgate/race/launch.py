"""One launch of a race: both workers started, and pairs of blocks timed in random order.

A worker that dies, hangs or fails costs the test that it was at, with the reason and the side, and is started again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_benchgate.race import worker
from pytest_benchgate.race.channel import Channel, Closed, Late
from pytest_benchgate.race.statistics import launch_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SHOWN = 2000  # characters of a dead worker's output


@dataclass(frozen=True)
class Side:
    """A build: the interpreter of its environment, and the folder in which its tests are run."""

    name: str
    python: Path
    folder: Path


@dataclass(frozen=True)
class Plan:
    """How a launch is done.

    Attributes
    ----------
    pytest_args: what the workers' pytest gets.
    pairs: how many pairs the number of a launch is the median of.
    block_ns: about how long a block takes.
    limit_s: how long any answer of a worker may take; a longer one is a hang.

    """

    pytest_args: tuple[str, ...] = ()
    pairs: int = 15
    block_ns: float = 2e6
    limit_s: float = 60.0


@dataclass(frozen=True)
class Timed:
    """The number of a launch, ln(head / base), and the nanoseconds of one call in each pair, by side."""

    number: float
    base_ns: tuple[float, ...]
    head_ns: tuple[float, ...]


@dataclass(frozen=True)
class Failed:
    """Why a test gave no number, and on which side."""

    side: str
    reason: str


class Missing(Exception):
    """A side could not be asked, or its test did not come to its benchmark."""

    def __init__(self, side: Side, reason: str) -> None:
        super().__init__(f"{side.name}: {reason}")
        self.failed = Failed(side.name, reason)


@dataclass
class Worker:
    """A running worker of one side."""

    side: Side
    plan: Plan
    seed: int
    nodeids: frozenset[str] = frozenset()
    process: subprocess.Popen[bytes] = field(init=False)
    channel: Channel = field(init=False)

    def start(self) -> None:
        """Start the process; `collect` waits for it, so that both sides start at once."""
        (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
        command = [
            str(self.side.python),
            "-m",
            "pytest",
            "-p",
            "pytest_benchgate.race.worker",
            "-p",
            "no:cacheprovider",
        ]
        self.process = subprocess.Popen(  # noqa: S603
            [*command, *self.plan.pytest_args],
            cwd=self.side.folder,
            env=os.environ | {worker.PIPES: f"{orders_in},{answers_out}", "PYTHONHASHSEED": str(self.seed)},
            pass_fds=(orders_in, answers_out),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, to be ended with all that it started
        )
        os.close(orders_in)
        os.close(answers_out)
        self.channel = Channel(answers_in, orders_out)

    def collect(self) -> None:
        """Wait for the tests that this side has."""
        self.nodeids = frozenset(self.ask()["nodeids"])

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order, if there is one, and return the answer; raise Missing where there is none."""
        try:
            if order:
                self.channel.send(**order)
            return self.channel.receive(self.plan.limit_s)
        except Late:
            raise Missing(self.side, f"no answer within {self.plan.limit_s:g} s: it hangs") from None
        except Closed:
            raise Missing(self.side, self._end()) from None

    def _end(self) -> str:
        """Return how the process ended, with the last of what it printed."""
        status = self.process.wait()
        how = f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        self.output.seek(0)
        return f"the worker died ({how}):\n{self.output.read().decode('utf-8', 'replace')[-SHOWN:]}".rstrip()

    def run(self, nodeid: str) -> float:
        """Run a test up to its benchmark; return the nanoseconds of the one call that it made there."""
        if nodeid not in self.nodeids:
            raise Missing(self.side, "there is no such test")
        answer = self.ask(order="run", nodeid=nodeid)
        if answer["answer"] != "ready":
            raise Missing(self.side, answer["reason"] or "it uses no benchmark that can be raced")
        return float(answer["once_ns"])

    def block(self, calls: int) -> float:
        """Return the nanoseconds of one call, in a block of so many."""
        answer = self.ask(order="block", calls=calls)
        if answer["answer"] != "block":
            raise Missing(self.side, answer["reason"])
        return float(answer["ns"]) / calls

    def end(self) -> None:
        """Let the test go on to its end, which it must reach."""
        answer = self.ask(order="end")
        if answer["outcome"] != "passed":
            raise Missing(self.side, answer["reason"])

    def close(self) -> None:
        """End the process, however it is, and what belongs to it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.channel.close()
        self.output.close()


def launch(sides: Sequence[Side], nodeids: Iterable[str], plan: Plan, seed: int) -> dict[str, Timed | Failed]:
    """Race each test once between the two sides, base and head; return what came of it.

    The seed is of this launch: hashes and the order of starts and pairs come from it, and both sides get the same.
    """
    rng = random.Random(seed)  # noqa: S311  # chance, not secrecy
    found: dict[str, Timed | Failed] = {}
    waiting = list(nodeids)
    while waiting:
        with ExitStack() as stack:
            workers = [Worker(side, plan, rng.getrandbits(32)) for side in sides]
            for one in rng.sample(workers, len(workers)):
                one.seed = workers[0].seed
                one.start()
                stack.callback(one.close)
            try:
                for one in workers:
                    one.collect()
            except Missing as missing:
                return found | dict.fromkeys(waiting, missing.failed)
            while waiting:
                nodeid = waiting.pop(0)
                found[nodeid] = _race(workers, nodeid, plan, rng)
                if isinstance(found[nodeid], Failed):
                    break  # the other side may be within the test still: both are started anew
    return found


def _race(workers: Sequence[Worker], nodeid: str, plan: Plan, rng: random.Random) -> Timed | Failed:
    """Race one test, which both workers run up to its benchmark."""
    try:
        once_ns = max(one.run(nodeid) for one in workers)
        calls = 1
        while once_ns * calls < plan.block_ns:
            calls = max(calls + 1, min(int(plan.block_ns / once_ns), 10 * calls))
            once_ns = max(one.block(calls) for one in workers)
        times: dict[str, list[float]] = {one.side.name: [] for one in workers}
        for _ in range(plan.pairs):
            for one in rng.sample(workers, len(workers)):
                times[one.side.name].append(one.block(calls))
        for one in workers:
            one.end()
    except Missing as missing:
        return missing.failed
    base_ns, head_ns = (times[one.side.name] for one in workers)
    return Timed(launch_number(base_ns, head_ns), tuple(base_ns), tuple(head_ns))
