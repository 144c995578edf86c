"""The hybrid: what it decides, on machines that are simulated; and real devices, whose pieces meet without a seam."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import math
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from logmap_cy import _hybrid, _opencl, implementations, logmap, release_opencl
from logmap_cy._hybrid import Book, Busy, Course, Outcome, Pieces, Segment, Share, Shares, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from conftest import Oracle
    from logmap_cy._contract import Array

P, MU = 6700417, 22
G = 1e9


# --- Simulated machines ----------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """Workers with rates, in elements times steps a second, and fixed costs; a clock of its own."""

    rates: list[float]
    fixed: list[float] = field(default_factory=list)
    together: Callable[[int, set[int]], float] = lambda worker, active: 1.0  # noqa: ARG005  # of the rate, among the active
    changes: dict[float, list[float]] = field(default_factory=dict)  # from that time on: other rates
    handoff_s: float = 5e-5
    now: float = 0.0
    work: dict[int, float] = field(default_factory=dict)

    def rate(self, worker: int, active: set[int]) -> float:
        rates = self.rates
        for begin in sorted(self.changes):
            rates = self.changes[begin] if begin <= self.now else rates
        return rates[worker] * self.together(worker, active)

    def run(self, segment: Segment, num: int) -> Outcome:
        """Do a segment; pieces go on side by side, each at the rate of the moment."""
        begin = self.now
        pieces = Pieces(segment.elements, segment.rates, segment.fixed, dict.fromkeys(segment.team, 2**62))
        fixed = self.fixed or [0.0] * len(self.rates)
        comes = {worker: begin + (self.handoff_s if worker else 0.0) for worker in segment.team}
        doing: dict[int, list[float]] = {}  # worker -> fixed seconds left, work left, begin, elements
        busy = {worker: Busy(0, 0.0, 0) for worker in segment.team}
        while pieces.left:
            for worker in [worker for worker, at in comes.items() if at <= self.now]:
                del comes[worker]
                if piece := pieces.take(worker):
                    elements = piece.stop - piece.start
                    doing[worker] = [fixed[worker], elements * num, self.now, elements]
            active = set(doing)
            ends = [at - self.now for at in [*comes.values(), *self.changes] if at > self.now]
            for worker, (fixed_s, work, _, _) in doing.items():
                ends.append(fixed_s if fixed_s else work / self.rate(worker, active))
            step = min(ends)
            rates = {worker: self.rate(worker, active) for worker in doing}
            self.now += step
            for worker, state in list(doing.items()):
                if state[0]:
                    state[0] = max(state[0] - step, 0.0) if state[0] > step * (1 + 1e-12) else 0.0
                    continue
                state[1] -= rates[worker] * step
                if state[1] <= 1e-6 * state[3]:
                    del doing[worker]
                    seconds, elements = self.now - state[2], int(state[3])
                    done = busy[worker]
                    busy[worker] = Busy(done.elements + elements, done.seconds + seconds, done.pieces + 1)
                    self.work[worker] = self.work.get(worker, 0) + elements * num
                    pieces.done(worker, elements, seconds)
                    comes[worker] = self.now
        assert sum(one.elements for one in busy.values()) == segment.elements
        if segment.team != (0,):
            self.now += self.handoff_s
        return Outcome(self.now - begin, busy)

    def call(self, book: Book, seconds: float, num: int = 10) -> float:
        """Return the seconds of a call that would take the processor so many seconds at its first rate."""
        begin = self.now
        course = Course(book, int(seconds * self.rates[0] / num), num, lambda worker: self.fixed[worker] if self.fixed else 1e-4)
        segments = course.segments()
        segment = next(segments)
        teams = []
        try:
            while True:
                teams.append(segment.team)
                segment = segments.send(self.run(segment, num))
        except StopIteration:
            assert course.left == 0
        self.teams = teams
        return self.now - begin
