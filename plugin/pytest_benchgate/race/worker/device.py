"""Calls that are timed by two clocks: the wall clock, and that of the device on which they work."""

from __future__ import annotations

import math
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_benchgate import amounts, devices
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

UNTIMED = "the events that a call returns have no times, as of a queue without PROFILING_ENABLE"


class Spent(NamedTuple):
    """The nanoseconds of some calls.

    Attributes
    ----------
    ns : int
        By the wall clock.
    device_ns : float
        By the device's clock; NaN if it does not tell, or without a device.

    """

    ns: int
    device_ns: float = math.nan


class DeviceClock:
    """Tells how long a call took on its device, by the call's result.

    Parameters
    ----------
    stated : callable, optional
        What the gate was given for it; without it, the result consists of OpenCL events.

    """

    def __init__(self, stated: Callable[[Any], float] | None) -> None:
        self._stated = stated

    @classmethod
    def of(cls, result: Any, stated: Callable[[Any], float] | None) -> DeviceClock | None:
        """Return the clock of a benchmark by the result of a call; None if it uses no device, as far as is known."""
        return cls(stated) if stated is not None or devices.events(result) else None

    def why_not(self, result: Any) -> str:
        """Return why it tells no time of a call; empty if it does."""
        return "" if self._stated is not None or devices.events_ns(result) is not None else UNTIMED

    def timed(self, call: Callable[[], Any], count: int) -> tuple[Spent, Any]:
        """Call so many times; return what the calls took, and the last result. Each result is read off the wall clock.

        The results are not kept until all calls are made: they may be large, and an event holds what its driver has
        reserved for it.
        """
        now, wall_ns, device_ns, result = CLOCK.ns, 0, 0.0, None
        for _ in repeat(None, count):
            start = now()
            result = call()
            wall_ns += now() - start
            device_ns += self._ns(result)
        return Spent(wall_ns, device_ns), result

    def _ns(self, result: Any) -> float:
        """Return the nanoseconds of a call on its device; NaN if they are not known."""
        spent = (self._stated or devices.events_ns)(result)
        return math.nan if spent is None else amounts.nanoseconds(spent)
