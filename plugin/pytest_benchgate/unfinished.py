"""Work that a function leaves unfinished when it returns: only the request for it would be timed."""

from __future__ import annotations

import gc
import statistics
import sys
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pytest_benchgate import lazy
from pytest_benchgate.comparison import is_of

if TYPE_CHECKING:
    from pytest_benchgate.calls import Call

# Where nothing is left to do, finish() returns in 0.2 to 20 us; PoCL's own threads may take 0.2 ms on a busy machine.
NOTICED_S = 5e-4
# A busy machine may suspend this process just where it looks for unfinished work, but not each time.
ATTEMPTS = 5
# So many of these looks may find nothing, and the work is still refused: some miss a copy that is unmapped without
# waiting. More may not, as a look on a busy machine may also see work that is not there.
MISSED = 1
# So many further calls are made, for so many seconds at most, each followed by finish(). Work is unfinished if that
# takes SHARE of the time of a call, and LEAST_S, after a tenth of them. After a call that waits it takes a hundredth,
# after a copy that is unmapped without waiting a quarter, and after one that does not wait up to several times as long.
MOST_CALLS, CALLS_S = 40, 0.05
SHARE, LEAST_S = 0.4, 5e-6


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
    kind = getattr(sys.modules.get("pyopencl"), "CommandQueue", None)
    return [one for one in gc.get_objects() if issubclass(type(one), kind)] if isinstance(kind, type) else []


def _running(result: Any) -> str:
    """Return which event in a result is not complete, and wait for it; "" for none.

    Raises what pyopencl raises for an event whose work has failed.
    """
    for event in (leaf for leaf in lazy.leaves(result) if is_of(leaf, "pyopencl", "Event")):
        # CL_COMPLETE is 0, SUBMITTED, QUEUED and RUNNING are above, errors below.
        if status := event.command_execution_status:
            # Nobody may ever complete what the user has to.
            if status < 0 or not is_of(event, "pyopencl", "UserEvent"):
                event.wait()
            names = {3: "queued", 2: "submitted", 1: "running"}
            return f"an event that it returned was still {names.get(status, status)}"
    return ""


def _finish(queues: list[Any]) -> float:
    """Wait for the queues; return the seconds that it took."""
    begin = perf_counter()
    for queue in queues:
        queue.finish()
    return perf_counter() - begin


def _busy(queues: list[Any]) -> str:
    """Wait for the queues; return how long that took if they were busy."""
    waited_s, *idle_s = (_finish(queues) for _ in range(6))
    if waited_s < max(NOTICED_S, 20 * statistics.median(idle_s)):
        return ""
    return f"its queue was busy for another {waited_s * 1e3:.3g} ms"


@dataclass
class Watch:
    """Looks for work that calls have left unfinished on a device, on any queue of this process.

    Attributes
    ----------
    queues : list
        Those of this process when it was last looked for them.
    anew : bool
        Whether a call has left work on a queue that it made.

    """

    queues: list[Any] = field(default_factory=_queues)
    anew: bool = False

    def left(self, result: Any) -> str:
        """Return what the calls that have just returned left in queues, and wait for it; "" for nothing.

        Raises
        ------
        UnfinishedWork
            If an event in the result of the last one is not complete: nothing but the function can be the reason.

        """
        __tracebackhide__ = True
        self.refuse(_running(result))
        left, known = _busy(self.queues), {*map(id, self.queues)}
        self.queues = _queues()
        made = _busy([queue for queue in self.queues if id(queue) not in known])
        self.anew = bool(made)
        return left or made

    def refuse(self, left: str) -> None:
        """Raise UnfinishedWork if a call has left anything unfinished."""
        __tracebackhide__ = True
        if left:
            raise UnfinishedWork(
                f"the function returned before its work on the device was finished: {left}; only the enqueue would be "
                "timed. Wait within the function: event.wait() or queue.finish()"
            )

    def refuse_what_goes_on(self, call: Call, most: float) -> None:
        """Raise UnfinishedWork if calls, so many at most, go on after they have returned.

        What a single call leaves may be too little to be noticed, or be done when this process goes on.
        """
        __tracebackhide__ = True
        found: list[str] = []
        while self.queues and found.count("") <= MISSED and len(found) < ATTEMPTS:
            found.append(self._left_by_calls(call, min(most, MOST_CALLS)))
        if found.count("") <= MISSED:
            self.refuse(max(found, default=""))

    def _left_by_calls(self, call: Call, most: float) -> str:
        """Return what a tenth of some calls leave at least, each measured before its teardown; "" for nothing."""
        calls_s: list[float] = []
        left_s: list[float] = []

        def timed(*args: Any, **kwargs: Any) -> Any:
            # What the last teardown has left.
            _finish(self.queues)
            begin = perf_counter()
            result = call.function(*args, **kwargs)
            calls_s.append(perf_counter() - begin)
            if self.anew:
                self.queues = _queues()
            busy_s, idle_s = _finish(self.queues), _finish(self.queues)
            left_s.append(busy_s - idle_s)
            return result

        end = perf_counter() + CALLS_S
        while not calls_s or (len(calls_s) < most and perf_counter() < end):
            replace(call, function=timed).run()
        call_s, waited_s = statistics.median(calls_s), sorted(left_s)[-1 - len(left_s) // 10]
        if waited_s < max(SHARE * call_s, LEAST_S):
            return ""
        return f"its queue was busy for another {waited_s * 1e6:.3g} us after calls of {call_s * 1e6:.3g} us"
