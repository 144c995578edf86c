"""Work that a function leaves unfinished when it returns: only the request for it would be timed."""

from __future__ import annotations

import gc
import statistics
import sys
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pytest_benchgate import lazy

if TYPE_CHECKING:
    from pytest_benchgate.calls import Call

# Where nothing is left to do, finish() returns in 0.2 to 20 us; PoCL's own threads may take 0.2 ms on a busy machine.
NOTICED_S = 5e-4
# A busy machine may suspend this process just where it looks for unfinished work, but not each time.
ATTEMPTS = 5
# A busy machine may suspend this process for longer than what a short call leaves takes, but not than what 100 leave.
IN_A_ROW, IN_A_ROW_S = (4, 100), 0.05


class UnfinishedWork(AssertionError):
    """A function returned before its work was finished; only the request for it would have been timed."""


def refuse_lazy(result: Any) -> None:
    """Raise UnfinishedWork if a result has still to be computed."""
    __tracebackhide__ = True
    if words := lazy.unfinished(result):
        raise UnfinishedWork(f"the function returned {words}; only the request for it would be timed")


def _queues() -> list[Any]:
    """Return the command queues of this process, whoever made them; none if pyopencl was never imported.

    It takes some milliseconds: what a call has left unfinished may be done by then, so get them before the call.
    """
    cl = sys.modules.get("pyopencl")
    return [] if cl is None else [one for one in gc.get_objects() if issubclass(type(one), cl.CommandQueue)]


def _left(result: Any, queues: list[Any]) -> str:
    """Return what the calls that have just returned left unfinished on devices; "" for nothing.

    Raises what pyopencl raises for an event whose work has failed.

    Parameters
    ----------
    result
        Of the last call; the events in it must be complete.
    queues : list
        All queues that the calls may use.

    """
    cl = sys.modules.get("pyopencl")
    if cl is None:
        return ""
    for event in (leaf for leaf in lazy.leaves(result) if isinstance(leaf, cl.Event)):
        # CL_COMPLETE is 0, SUBMITTED, QUEUED and RUNNING are above, errors below.
        if status := event.command_execution_status:
            event.wait()
            names = {3: "queued", 2: "submitted", 1: "running"}
            return f"an event that it returned was still {names.get(status, status)}"
    return _busy(queues)


def _busy(queues: list[Any]) -> str:
    """Wait for the queues; return how long that took if they were busy."""
    seconds = []
    for _ in range(6):
        start = perf_counter()
        for queue in queues:
            queue.finish()
        seconds.append(perf_counter() - start)
    waited_s, *idle_s = seconds
    if waited_s < max(NOTICED_S, 20 * statistics.median(idle_s)):
        return ""
    return f"its queue was busy for another {waited_s * 1e3:.3g} ms"


@dataclass
class Watch:
    """Looks for work that calls have left unfinished on a device, on any queue of this process."""

    queues: list[Any] = field(default_factory=_queues)

    def left(self, result: Any) -> str:
        """Return what the calls that have just returned left unfinished, and wait for it; "" for nothing."""
        return _left(result, self.queues)

    def look_for_queues(self) -> None:
        """Watch queues that were made since, as a first call makes them."""
        self.queues = _queues()

    def refuse(self, left: str) -> None:
        """Raise UnfinishedWork if a call has left anything unfinished."""
        __tracebackhide__ = True
        if left:
            raise UnfinishedWork(
                f"the function returned before its work on the device was finished: {left}; only the enqueue would be "
                "timed. Wait within the function: event.wait() or queue.finish()"
            )

    def refuse_what_adds_up(self, call: Call) -> None:
        """Raise UnfinishedWork if calls in a row leave anything unfinished.

        What a single call leaves may be too little to be noticed, or be done when this process goes on.
        """
        __tracebackhide__ = True
        for most in IN_A_ROW if self.queues else ():
            left = ""
            for _ in range(ATTEMPTS):
                left = self.left(call.in_a_row(most, IN_A_ROW_S))
                if not left:
                    break
            self.refuse(left)
