"""The session's end of a worker: its process is started, asked and ended, and what goes wrong is described."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from pytest_benchgate.race.launching.results import Failed, FailureKind
from pytest_benchgate.race.reaper import ended_fd
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.worker import addresses, boot, messages
from pytest_benchgate.race.worker.channel import Channel, Closed, Late
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper

AnswerType = TypeVar("AnswerType", bound=messages.Answer)
# How long a worker may take to end after it has closed its pipe.
ENDING_S = 2.0
# From here on, the clock that measured no time for a block must have stood still.
SURELY_TIMED_CALLS, SURELY_TIMED_NS = 100, 5e8
# Environment variables that a worker must not get: options that it gets otherwise, and reports of the CI.
HIDDEN = ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_CURRENT_TEST")


class WorkerLost(Exception):
    """A worker that gave no answer, or an impossible one, so that it can be used no more."""

    def __init__(self, side: str, reason: str, kind: FailureKind = FailureKind.LOST, *, killed: bool = False) -> None:
        super().__init__(f"{side}: {reason}")
        self.failed, self.killed = Failed(side, reason, kind), killed


class EndedEarly(Exception):
    """A test that ended when it was to be measured, by side."""

    def __init__(self, ended: dict[str, messages.Done]) -> None:
        super().__init__(" and ".join(ended))
        self.ended = ended


@dataclass(frozen=True)
class TimedBlock:
    """A block that was timed.

    Attributes
    ----------
    call_ns : float
        The nanoseconds of one call.
    threaded : bool
        Whether threads other than the main one worked in it.
    wall_ns : float
        The nanoseconds of the whole block, with what is not timed.
    device_ns : float | None
        The nanoseconds of one call by the clock of its device; None if that does not tell, or without a device.

    """

    call_ns: float
    threaded: bool
    wall_ns: float
    device_ns: float | None = None


@dataclass
class Worker:
    """A running worker of one side.

    Attributes
    ----------
    files : frozenset[str] | None
        The test files that it collects, as in node ids; None for all.
    collecting : str | None
        The file that is being imported; None after the collection.
    collected : messages.Collected
        Its answer about the collection.
    nodeids : frozenset[str]
        The tests that it has collected.

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
    output: IO[bytes] = field(init=False)
    ended_fd: int | None = field(init=False)

    def start(self) -> None:
        """Start the process; only `collect` waits for it, so that both sides start at once. Raises SidesError."""
        with ExitStack() as opened:
            try:
                self._start(opened)
            # There is no memory, disk space or process left, or another program has changed the cache.
            except OSError as error:
                raise SidesError(f"the worker of {self.side.name} could not be started: {error}") from error
            opened.pop_all()

    def _start(self, opened: ExitStack) -> None:
        (orders_in, orders_out), (answers_in, answers_out) = os.pipe(), os.pipe()
        for end in (orders_in, orders_out, answers_in, answers_out):
            opened.callback(os.close, end)
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
        opened.callback(self.output.close)
        files = None if self.files is None else sorted(self.files)
        start = messages.Start(os.getpid(), orders_in, answers_out, self.seed, [*self.plan.names], files)
        env = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        env |= {**self.side.environment, boot.START: messages.encode_start(start), "PYTHONHASHSEED": str(self.seed)}
        # Commands that a benchmark starts, such as the project's own scripts, are this side's, too.
        env["PATH"] = os.pathsep.join([str(self.side.python.parent), env.get("PATH", os.defpath)])
        if self.side.temporary:
            env["TMPDIR"] = str(self.side.temporary)
            # Without bytecode files, compiling would take most of each start; one folder for both sides.
            if env.pop("PYTHONDONTWRITEBYTECODE", None):
                own = str(self.side.temporary.with_name("bytecode"))
                env["PYTHONPYCACHEPREFIX"] = self.side.environment.get("PYTHONPYCACHEPREFIX", own)
        line = [*self.side.prefix, *command(self.side.python, *self.side.arguments)]
        with addresses.not_random():
            self.process = self.reaper.start(
                line,
                guarded=boot.has_guard(),
                cwd=self.side.folder,
                env=addresses.with_stack(self.seed, line, env),
                pass_fds=(orders_in, answers_out),
                stdout=self.output,
                stderr=subprocess.STDOUT,
            )
        os.close(orders_in)
        os.close(answers_out)
        self.ended_fd = ended_fd(self.process.pid)
        self.channel = Channel(answers_in, orders_out, self._has_ended, self.ended_fd)

    def collect(self) -> None:
        """Wait for the end of the collection; raise WorkerLost."""
        while isinstance(answer := self._answer(self.plan.start_limit_s), messages.Collecting):
            self.collecting = answer.file
        if not isinstance(answer, messages.Collected):
            raise self._invalid(f"{answer!r}, where Collected was due")
        self.collecting, self.collected, self.nodeids = None, answer, frozenset(answer.nodeids)

    def order(self, order: messages.Order) -> None:
        """Send an order; raise WorkerLost."""
        try:
            self.channel.order(order, self.plan.limit_s)
        except Closed:
            raise self._end() from None
        except Late:
            raise self._late(self.plan.limit_s) from None

    def run(self, nodeid: str, following: str | None = None) -> None:
        """Order the test of a race, by the race's id, and say which race is next; raise WorkerLost."""
        after = None if following is None else self.side.test(following)
        self.order(messages.Run(self.side.test(nodeid), after, nodeid))

    def answer(self, kind: type[AnswerType], limit_s: float | None = None) -> AnswerType | messages.Done:
        """Return the answer to the last order, which may be the end of the test; raise WorkerLost."""
        answer = self._answer(self.plan.limit_s if limit_s is None else limit_s)
        if not isinstance(answer, kind | messages.Done):
            raise self._invalid(f"{answer!r}, where {kind.__name__} was due")
        return answer

    def _answer(self, limit_s: float) -> messages.Answer:
        try:
            return self.channel.receive_answer(limit_s)
        except Late:
            raise self._late(limit_s) from None
        except messages.InvalidMessage as error:
            raise self._invalid(str(error)) from None
        except Closed:
            raise self._end() from None

    def _has_ended(self) -> bool:
        return self.reaper.status(self.process) is not None

    def _invalid(self, text: str) -> WorkerLost:
        """Describe an answer that the worker cannot have sent."""
        return self._lost(
            f"invalid data on the worker's pipe: {text}. Probably a test writes to a file descriptor that it did not "
            "open; or, before the first test, this side has another version of pytest-benchgate"
        )

    def _late(self, limit_s: float) -> WorkerLost:
        """Describe a worker that did not answer in time."""
        state = Path(f"/proc/{self.collected.process}/stat")
        try:
            is_stopped = state.read_bytes().rpartition(b")")[2].split()[0] in {b"T", b"t"}
        except OSError:
            is_stopped = False
        why = "it is stopped, as by SIGSTOP" if is_stopped else "it hangs, or is too slow to race"
        return self._lost(f"no answer within {limit_s:g} s: {why}", FailureKind.LATE)

    def _end(self) -> WorkerLost:
        """Describe how the process ended."""
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
                how += ", probably by the out-of-memory killer"
        # What has spent its limit of processor time would do so again.
        killed = status is not None and status < 0 and -status != signal.SIGXCPU
        return self._lost(f"the worker died ({how})", killed=killed)

    def _lost(self, why: str, kind: FailureKind = FailureKind.LOST, *, killed: bool = False) -> WorkerLost:
        """Return the reason before and after the output of the process, which may be long."""
        self.output.seek(0)
        printed = messages.shortened(self.output.read().decode("utf-8", "replace").rstrip())
        return WorkerLost(self.side.name, f"{why}:\n{printed}\n{why}" if printed else why, kind, killed=killed)

    def block(self, calls: int, processor: int | None) -> TimedBlock:
        """Time a block of calls; raise EndedEarly or WorkerLost."""
        start = CLOCK.ns()
        self.order(messages.Block(calls, processor))
        answer = self.answer(messages.Timed)
        wall_ns = CLOCK.ns() - start
        if isinstance(answer, messages.Done):
            raise EndedEarly({self.side.name: answer})
        stands = not answer.ns and (calls >= SURELY_TIMED_CALLS or wall_ns > SURELY_TIMED_NS)
        if stands or not 0 <= answer.ns <= wall_ns:
            raise WorkerLost(
                self.side.name,
                f"the clock of the test's process is wrong: {calls} calls took {answer.ns} ns by it, and {wall_ns} ns, "
                "communication included, by the session's; patch clocks (freezegun, time-machine, monkeypatch) only "
                "where the code under test reads them",
            )
        device_ns = None if answer.device_ns is None else answer.device_ns / calls
        return TimedBlock(answer.ns / calls, answer.threaded, wall_ns, device_ns)

    def close(self) -> None:
        """End the process, whatever its state, and the processes that it has started."""
        self.reaper.end(self.process)
        if self.ended_fd is not None:
            os.close(self.ended_fd)
        self.channel.close()
        self.output.close()


def command(python: Path, *arguments: str) -> list[str | Path]:
    """Return the command of a worker whose pytest gets these arguments."""
    # -P: the current directory, with its source tree, must not precede the installed build.
    # -s: what pytest has captured would be lost with a worker that crashes.
    return [python, "-P", boot.__file__, "-p", "pytest_benchgate.race.worker.plugin", *arguments, "-s"]
