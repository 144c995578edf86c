"""Both sides built at once, where processors and memory allow, with a word of how far each is."""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate import host
from pytest_benchgate.race.building.commands import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_benchgate.race.building.build import Builder, Built, Order
    from pytest_benchgate.race.building.commands import Stop

MEMORY_BYTES = 2**31  # that a build may need
SHOW_S = 0.2
WIDTH = 54  # characters of what builds have printed, of the 80 of a terminal


def build_all(
    builder: Builder, orders: Sequence[Order], say: Callable[[str], None], show: Callable[[str], None]
) -> list[Built]:
    """Return the environments of sides, in their order; the last one is built first where they are built in turn.

    `say` gets a line for each step, `show` what goes on now, several times a second. Raises BuildFailed.
    """
    steps: queue.SimpleQueue[str] = queue.SimpleQueue()
    builds = [Building(order, Output(builder.store.reaper, _folder(order), builder.store.stop)) for order in orders]
    working = replace(builder, say=steps.put)
    at_once = len(orders) if _affordable(len(orders)) else 1
    with _own_temporaries(orders), warnings.catch_warnings(), ThreadPoolExecutor(at_once) as pool:
        # What a backend warns of comes as warnings of this process, where the suite may have made them errors.
        warnings.simplefilter("ignore")
        futures = [pool.submit(one.run, working) for one in reversed(builds)]  # head is the likelier one to fail
        try:
            _follow(futures, builds, steps, say, show)
        finally:
            _wait_for(futures, builder.store.stop)
    return [future.result() for future in reversed(futures)]


@dataclass
class Building:
    """A side that is built, and since when."""

    order: Order
    output: Output
    since: float | None = None
    over: bool = False

    def run(self, builder: Builder) -> Built:
        """Build it, in a thread."""
        self.since = time.monotonic()
        try:
            return builder.build(self.order, self.output)
        finally:
            self.over = True


def _follow(
    futures: Sequence[Future[Built]],
    builds: Sequence[Building],
    steps: queue.SimpleQueue[str],
    say: Callable[[str], None],
    show: Callable[[str], None],
) -> None:
    """Show how far the builds are until all are over, or the first has failed, whose error is raised."""
    ahead: set[Future[Built]] = set(futures)
    while ahead:
        done, ahead = wait(ahead, timeout=SHOW_S, return_when="FIRST_COMPLETED")
        with contextlib.suppress(queue.Empty):
            while True:
                say(steps.get_nowait())
        for future in done:
            future.result()
        show(_state(builds))
    show("")


def _state(builds: Sequence[Building]) -> str:
    """Return how long each side is being built, and what its build has printed last."""
    now, parts = time.monotonic(), []
    active = [one for one in builds if one.since is not None and not one.over]
    for one in active:
        line = one.output.last_line()[: WIDTH // len(active)]
        parts.append(f"{one.order.who.partition(',')[0]} {now - (one.since or now):.0f} s: {line}".removesuffix(": "))
    return "; ".join(parts)


def _wait_for(futures: Sequence[Future[Built]], stop: Stop) -> None:
    """Stop the builds that are not over, and wait until they are; a further Ctrl-C keeps none from cleaning up."""
    while not all(future.done() for future in futures):
        with contextlib.suppress(KeyboardInterrupt):
            stop.set()
            wait(futures)


def _folder(order: Order) -> Path:
    """Make and return the folder of a build's temporary files."""
    folder = order.source.parent / f"{order.source.name}-build"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def _own_temporaries(orders: Sequence[Order]) -> Iterator[None]:
    """Let this process make its own temporary files where they end with the session, too."""
    before, tempfile.tempdir = tempfile.tempdir, str(orders[0].source.parent)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _affordable(many: int) -> bool:
    """Return whether so many builds can run at once."""
    processors = len(host.processors()) or os.cpu_count() or 1
    return processors >= many and _available_bytes() >= many * MEMORY_BYTES


def _available_bytes() -> int:
    """Return how much memory new processes can use, of the machine's and of this container's; a guess on macOS."""
    amounts = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        text = Path("/proc/meminfo").read_text("ascii")
        amounts.append(
            next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable"))
        )
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text("ascii"))
        used = int((group / "memory.current").read_text("ascii"))
        state = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
        amounts.append(limit - used + int(state.get("inactive_file", 0)))  # what files hold is given back
    if not amounts:
        amounts.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return min(amounts)
