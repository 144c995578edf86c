"""A running worker of one side: started, asked, ended; and what can go wrong with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_benchgate.race.reaper import ended_fd
from pytest_benchgate.race.worker import boot, messages
from pytest_benchgate.race.worker.channel import Channel, Closed, Late
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.race.worker.messages import Garbled, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_benchgate.race.reaper import Reaper

AnswerType = TypeVar("AnswerType", bound=messages.Message)
ENDING_S = 2.0  # how long a worker may take to end after it has closed its pipe
# From here on, a block that took no time at all was timed by a clock that stands.
SURELY_TIMED_CALLS, SURELY_TIMED_NS = 100, 5e8
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
    FAILED = "failed"  # by its own account, or its file cannot be collected
    BROKEN = "broken"  # a side cannot import what is raced
    LOST = "lost"  # a worker has died, hangs, or says what cannot be


@dataclass(frozen=True)
class Failed:
    """A test that gave no number, on which side ("base", "head", or "base and head"), and the reason."""

    side: str
    reason: str
    why: Why = Why.FAILED


class Missing(Exception):
    """A worker that gave no answer, or none that can be believed; it is of no more use."""

    def __init__(self, side: str, reason: str, *, killed: bool = False) -> None:
        super().__init__(f"{side}: {reason}")
        self.failed, self.killed = Failed(side, reason, Why.LOST), killed


@dataclass
class Worker:
    """A running worker of one side.

    Attributes
    ----------
    files: whose tests are asked for, as in node ids; None for all.
    collecting: the file that is being imported, until all are.
    collected: what this side has.

    """

    side: Side
    plan: Plan
    reaper: Reaper
    seed: int
    files: frozenset[str] | None = None
    collecting: str | None = None
    collected: messages.Collected = messages.NOTHING
    nodeids: frozenset[str] = frozenset()
    process: subprocess.Popen[bytes] = field(init=False)
    channel: Channel = field(init=False)

    def start(self) -> None:
        """Start the process; `collect` waits for it, so that both sides start at once."""
        (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
        told = {"pipes": [orders_in, answers_out], "seed": self.seed, "names": self.plan.names}
        told["files"] = self.files and sorted(self.files)
        env = {name: value for name, value in os.environ.items() if name not in WITHOUT}
        env |= {**self.side.environment, boot.ORDERS: json.dumps(told), "PYTHONHASHSEED": str(self.seed)}
        if self.side.temporary:
            env["TMPDIR"] = str(self.side.temporary)
            if env.pop("PYTHONDONTWRITEBYTECODE", None):  # compiling all again would take most of each start
                env["PYTHONPYCACHEPREFIX"] = str(self.side.temporary / "bytecode")
        self.process = self.reaper.start(
            command(self.side.python, *self.side.arguments),
            guarded=boot.has_guard(),
            cwd=self.side.folder,
            env=env,
            pass_fds=(orders_in, answers_out),
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        os.close(orders_in)
        os.close(answers_out)
        self.ended_fd = ended_fd(self.process.pid)
        self.channel = Channel(answers_in, orders_out, self._has_ended, self.ended_fd)

    def collect(self) -> None:
        """Wait for the tests that this side has."""
        while isinstance(answer := self._answer(self.plan.start_limit_s), messages.Collecting):
            self.collecting = answer.file
        if not isinstance(answer, messages.Collected):
            raise self._strange(f"{answer!r} is not its tests")
        self.collecting, self.collected, self.nodeids = None, answer, frozenset(answer.nodeids)

    def ask(self, order: messages.Message, kind: type[AnswerType]) -> AnswerType | messages.Done:
        """Send an order and return the answer, which may be the test's end; raise Missing where there is none."""
        self.tell(order)
        return self.answer(kind)

    def tell(self, order: messages.Message) -> None:
        """Send an order."""
        try:
            self.channel.order(order, self.plan.limit_s)
        except Closed:
            raise self._end() from None
        except Late:
            raise self._late(self.plan.limit_s) from None

    def answer(self, kind: type[AnswerType]) -> AnswerType | messages.Done:
        """Return the answer to the last order; raise Missing where there is none."""
        answer = self._answer(self.plan.limit_s)
        if not isinstance(answer, kind | messages.Done):
            raise self._strange(f"{answer!r}, where {kind.__name__} was due")
        return answer

    def _answer(self, limit_s: float) -> messages.Message:
        try:
            return self.channel.receive_answer(limit_s)
        except Late:
            raise self._late(limit_s) from None
        except Garbled as error:
            raise self._strange(str(error)) from None
        except Closed:
            raise self._end() from None

    def _has_ended(self) -> bool:
        return self.reaper.status(self.process) is not None

    def _strange(self, text: str) -> Missing:
        """Return that the worker said what it does not say by itself, with what was printed."""
        return self._missing(
            f"the worker's pipe carries what the worker does not say: {text}. Tests that write to file descriptors "
            "which they did not open do this; before the first test, another version of pytest-benchgate on this side"
        )

    def _late(self, limit_s: float) -> Missing:
        """Return that there was no answer in time."""
        stopped = Path(f"/proc/{self.collected.process}/stat")
        try:
            is_stopped = stopped.read_bytes().rpartition(b")")[2].split()[0] in {b"T", b"t"}
        except OSError:
            is_stopped = False
        why = "it is stopped, as by SIGSTOP" if is_stopped else "it hangs, or is too slow to race"
        return self._missing(f"no answer within {limit_s:g} s: {why}")

    def _end(self) -> Missing:
        """Return how the process ended, with what it printed."""
        status = self.reaper.wait(self.process, ENDING_S)
        if status is None:
            how = "its pipe is closed, but it has not ended: a test may have closed all file descriptors"
        elif status == messages.UNUSABLE:
            how = f"exit status {status}: a test has closed or replaced file descriptors that are not its own"
        elif status >= 0:
            how = f"exit status {status}"
        else:
            names = {one.value: one.name for one in signal.Signals}
            how = f"signal {names.get(-status, -status)}"
            if -status == signal.SIGKILL:
                how += "; the system kills so where memory runs out"
        return self._missing(f"the worker died ({how})", killed=status is not None and status < 0)

    def _missing(self, why: str, *, killed: bool = False) -> Missing:
        """Return why there is no answer, with what the process has printed: before and after, as that may be long."""
        self.output.seek(0)
        printed = shortened(self.output.read().decode("utf-8", "replace").rstrip())
        return Missing(self.side.name, f"{why}:\n{printed}\n{why}" if printed else why, killed=killed)

    def block(self, calls: int, processor: int | None) -> Block:
        """Time a block of so many calls; raise Stopped where the test ends instead."""
        start = CLOCK.ns()
        answer = self.ask(messages.Block(calls, processor), messages.Timed)
        wall_ns = CLOCK.ns() - start
        if isinstance(answer, messages.Done):
            raise Stopped(self.side, answer)
        stands = not answer.ns and (calls >= SURELY_TIMED_CALLS or wall_ns > SURELY_TIMED_NS)
        if stands or not 0 <= answer.ns <= wall_ns:
            raise Missing(
                self.side.name,
                f"the clock of the test's process is wrong: {calls} calls took {answer.ns} ns by it, and {wall_ns} ns "
                "by the session's, with the way there and back; patch clocks (freezegun, time-machine, monkeypatch) "
                "only where the code under test reads them",
            )
        return Block(answer.ns / calls, answer.threaded, wall_ns)

    def close(self) -> None:
        """End the process, however it is, and what belongs to it."""
        self.reaper.end(self.process)
        if self.ended_fd is not None:
            os.close(self.ended_fd)
        self.channel.close()
        self.output.close()


def command(python: Path, *arguments: str) -> list[str | Path]:
    """Return the command of a worker, whose pytest gets these arguments."""
    # -P: the current directory, with its source tree, must not stand before the installed build.
    # -s: the last words of one that crashes would be lost with what pytest has captured.
    return [python, "-P", boot.__file__, "-p", "pytest_benchgate.race.worker.plugin", *arguments, "-s"]


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

    def __init__(self, side: Side, done: messages.Done) -> None:
        super().__init__(side.name)
        self.side, self.done = side, done
