"""Both sides built at once, if processors and memory suffice, with the progress of each."""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate import host
from pytest_benchgate.race.building.commands import Output
from pytest_benchgate.race.events import Row, Status, Step
from pytest_benchgate.reports.quantity import shortened

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pytest_benchgate.race.building.build import Builder, Built, Order
    from pytest_benchgate.race.building.commands import Stop
    from pytest_benchgate.race.events import Preparation

# That a build may need.
MEMORY_BYTES = 2**31
# Between two statuses.
STATUS_S = 0.2
# Characters of the builds' output in a status, of the 80 of a terminal.
WIDTH = 54


def build_all(builder: Builder, orders: Sequence[Order]) -> Generator[Preparation, None, list[Built]]:
    """Build sides; return their environments in this order. The last is built first if they cannot be built at once.

    Raises BuildFailed.
    """
    steps: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = builder.store.stop
    builds = [_Build(order, Output(builder.store.reaper, _folder(order), stop, steps)) for order in orders]
    at_once = len(orders) if _affordable(len(orders)) else 1
    with _own_temporaries(orders), warnings.catch_warnings(), ThreadPoolExecutor(at_once) as pool:
        # Warnings of a backend become warnings of this process, where the suite may have made them errors.
        warnings.simplefilter("ignore")
        # Head is more likely to fail.
        futures = [pool.submit(build.run, builder) for build in reversed(builds)]
        try:
            yield from _follow(futures, builds, steps)
        finally:
            _wait_for(futures, stop)
    return [future.result() for future in reversed(futures)]


@dataclass
class _Build:
    """The build of a side, and when it was started."""

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
    futures: Sequence[Future[Built]], builds: Sequence[_Build], steps: queue.SimpleQueue[str]
) -> Iterator[Preparation]:
    """Yield the progress until all builds are over, or the first has failed, whose error is raised."""
    pending: set[Future[Built]] = set(futures)
    while pending:
        done, pending = wait(pending, timeout=STATUS_S, return_when="FIRST_COMPLETED")
        with contextlib.suppress(queue.Empty):
            while True:
                yield Step(steps.get_nowait())
        for future in done:
            future.result()
        yield _status(builds)
    yield Status("")


def _status(builds: Sequence[_Build]) -> Status:
    """Return how long each side has been building, and the last line that its build has printed."""
    now, parts, rows = time.monotonic(), [], []
    active = [build for build in builds if build.since is not None and not build.over]
    for build in active:
        name, line = build.order.who.partition(",")[0], build.output.last_line()
        seconds = f"{now - (build.since or now):.0f} s"
        # The source that a compiler is working at is at the end of its command, and a count of steps at the beginning.
        parts.append(f"{name} {seconds}: {shortened(line, WIDTH // len(active))}".removesuffix(": "))
        rows.append(Row((f"{name}: {line}".removesuffix(": "), seconds)))
    return Status("; ".join(parts), "building", tuple(rows))


def _wait_for(futures: Sequence[Future[Built]], stop: Stop) -> None:
    """Stop the running builds and wait for their ends; a further Ctrl-C does not keep them from cleaning up."""
    while not all(future.done() for future in futures):
        with contextlib.suppress(KeyboardInterrupt):
            stop.set()
            wait(futures)


def _folder(order: Order) -> Path:
    """Make and return the folder of a build's temporary files."""
    folder = order.source.parent / f"{order.source.name}-build"
    # The same tree may be built with other flags later.
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def _own_temporaries(orders: Sequence[Order]) -> Iterator[None]:
    """Let this process make its own temporary files in the folder that is removed with the session."""
    before, tempfile.tempdir = tempfile.tempdir, str(orders[0].source.parent)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _affordable(count: int) -> bool:
    """Return whether this many builds can run at once."""
    processors = len(host.processors()) or os.cpu_count() or 1
    return processors >= count and _available_bytes() >= count * MEMORY_BYTES


def _available_bytes() -> int:
    """Return how much memory new processes can use, in the machine and in this container; a guess on macOS."""
    amounts = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        text = Path("/proc/meminfo").read_text("ascii")
        amounts.append(
            next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable"))
        )
    # "max" is not a number: no limit.
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text("ascii"))
        used = int((group / "memory.current").read_text("ascii"))
        state = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
        # The cache of files is given back.
        amounts.append(limit - used + int(state.get("inactive_file", 0)))
    if not amounts:
        amounts.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return min(amounts)
