"""A running worker of one side: started, asked, ended; and what can go wrong with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_benchgate.race import worker
from pytest_benchgate.race.channel import Channel, Closed, Late

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_benchgate.race.reaper import Reaper

SHOWN = 2000  # characters of a dead worker's output
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
    environment: what its environment has beyond the session's.

    """

    name: str
    python: Path
    folder: Path
    arguments: tuple[str, ...] = ()
    temporary: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How a launch is done.

    Attributes
    ----------
    names: the top-level modules that are raced, whose files each worker tells of.
    pairs: how many pairs the number of a launch is made of, at most.
    agreeing_pairs: how many are enough if they agree: if the interval of their median is no wider than precision.
    least_pairs: how many are enough if they take longer than timed_ns together.
    precision: in ln(ratio); a fraction of the threshold.
    block_ns: about how long a block takes.
    most_block_ns: how long one may take with its setups, which are not timed.
    lead_ns: about how long calls are made, untimed, before each block of a function that uses threads.
    limit_s: how long any answer of a worker may take; a longer one is a hang.
    start_limit_s: how long a worker may take to start and to collect its tests.

    """

    names: tuple[str, ...] = ()
    pairs: int = 40
    agreeing_pairs: int = 9
    least_pairs: int = 3
    precision: float = 0.03
    block_ns: float = 2e6
    most_block_ns: float = 1e8
    lead_ns: float = 5e6
    timed_ns: float = 6e8
    limit_s: float = 60.0
    start_limit_s: float = 300.0


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
        env |= {**self.side.environment, worker.ORDERS: json.dumps(told), "PYTHONHASHSEED": str(self.seed)}
        if self.side.temporary:
            env["TMPDIR"] = str(self.side.temporary)
            if env.pop("PYTHONDONTWRITEBYTECODE", None):  # compiling all again would take most of each start
                env["PYTHONPYCACHEPREFIX"] = str(self.side.temporary / "bytecode")
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
