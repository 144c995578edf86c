"""The clocks of a race, held where nothing that patches clocks finds them.

freezegun replaces time's functions in all modules that hold one as an attribute, and tests patch those of `time` or
ours. Neither looks into an object that is made before, which boot.py sees to in a worker.
"""

from __future__ import annotations

import time


class Clock:
    """time's own functions as they were when this module was imported.

    Attributes
    ----------
    ns
        perf_counter_ns.
    all_ns
        Process_time_ns, the processor time of all threads.
    own_ns
        Thread_time_ns, the processor time of this thread.
    s
        Monotonic, in seconds.

    """

    __slots__ = ("all_ns", "ns", "own_ns", "s")

    def __init__(self) -> None:
        self.ns, self.all_ns, self.own_ns = time.perf_counter_ns, time.process_time_ns, time.thread_time_ns
        self.s = time.monotonic


CLOCK = Clock()
