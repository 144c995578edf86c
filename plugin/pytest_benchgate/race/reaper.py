"""Ends what a session leaves behind, whether it ends by Ctrl-C, kill -9, an error, or regularly.

A small process reads from a pipe which processes and folders are temporary. Once the pipe is closed, which the system
also does for a session that was killed, it kills the processes, with their groups, and removes the folders.

A worker has a guard, which ends its daemons as well; see boot.py. So a guard is asked first, and given some seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The signal that asks a guard. This file is also run by itself, and boot.py imports nothing: a test compares the two.
END = getattr(signal, "SIGRTMIN", 0) + 7
# For guards, and for processes that still write into a folder while it is removed.
PATIENCE_S = 5.0
# After the end of a session that was killed while it started a process, which then ends by itself; see boot.py.
STARTING_S = 15.0
# After these orders a process runs whose id is not known yet, and before these it does no more.
STARTING, STARTED = "starting", "started"


class Reaper:
    """The session's handle of the process; a context manager that ends everything that is watched."""

    def __enter__(self) -> Self:
        """Start the process."""
        self._guarded: set[int] = set()
        orders, self._orders = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", __file__],
            stdin=orders,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C must reach only the session.
            start_new_session=True,
        )
        os.close(orders)
        return self

    def start(self, command: Sequence[str | Path], *, guarded: bool = False, **options: Any) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, which ends by `end` or with the session.

        A `guarded` process is a guard, which ends by itself when it gets the signal boot.END.
        """
        # Ctrl-C in between would leave the process unwatched.
        with _without_interrupts():
            self._order(STARTING)
            try:
                process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, **options)  # noqa: S603
                self._order("guarded" if guarded else "watch", process.pid)
            finally:
                self._order(STARTED)
        if guarded:
            self._guarded.add(process.pid)
        return process

    @staticmethod
    def status(process: subprocess.Popen[bytes]) -> int | None:
        """Return how a process has ended, below 0 for a signal; None while it runs. Its process id stays reserved."""
        # macOS before Python 3.13.
        if not hasattr(os, "waitid"):
            return process.poll()
        state = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if state is None:
            return None
        return state.si_status if state.si_code == os.CLD_EXITED else -state.si_status

    def wait(self, process: subprocess.Popen[bytes], limit_s: float) -> int | None:
        """Return how a process has ended, as `status` does, after limit_s seconds at most."""
        _wait_for_end(process.pid, limit_s)
        return self.status(process)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what is left of a process's group; its process id is reserved until it is waited for, here."""
        if process.pid in self._guarded:
            self._guarded.discard(process.pid)
            _ask(process.pid)
            _wait_for_end(process.pid, PATIENCE_S)
        # An error means that all processes of the group have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.forget(process.pid)

    def watch(self, what: int | Path) -> None:
        """End a process group, by its leader's id, or remove a folder with the session."""
        self._order("watch", what)

    def forget(self, what: int | Path) -> None:
        """Watch something no more: it has ended, or it is to stay."""
        self._order("forget", what)

    def _order(self, order: str, what: int | Path = 0) -> None:
        line = json.dumps([order, what if isinstance(what, int) else str(what)])
        os.write(self._orders, line.encode() + b"\n")

    def __exit__(self, *error: object) -> None:
        """End everything that is watched, and the process."""
        os.close(self._orders)
        self._process.wait()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Handle Ctrl-C after the block, if this is the main thread, in which Python handles it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def ended_fd(process: int) -> int | None:
    """Return a descriptor that becomes readable when a process ends, or None if the system has none."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        # macOS; a sandbox that forbids it; no such process.
        return None


def _ask(guard: int) -> None:
    """Ask a guard to end its worker and everything that is left of it."""
    for number in (END, signal.SIGCONT):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(guard, number)


def _wait_for_end(process: int, limit_s: float) -> None:
    """Wait until a process has ended, for limit_s seconds at most; does not reap it."""
    deadline = time.monotonic() + limit_s
    fd = ended_fd(process)
    if fd is not None:
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(1000 * limit_s)
        finally:
            os.close(fd)
        return
    while time.monotonic() < deadline and _lives(process):
        time.sleep(0.005)


def _lives(process: int) -> bool:
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main(orders: IO[str]) -> None:
    """Read orders until the pipe is closed, then end everything that is watched."""
    watched: dict[int | str, bool] = {}
    starting = 0
    for line in orders:
        order, what = json.loads(line)
        if order in {STARTING, STARTED}:
            starting += 1 if order == STARTING else -1
        elif order == "forget":
            watched.pop(what, None)
        else:
            watched[what] = order == "guarded"
    groups = sorted((what for what in watched if isinstance(what, int)), key=lambda group: watched[group])
    for group in groups:
        if watched[group]:
            _ask(group)
    deadline = time.monotonic() + PATIENCE_S
    for group in groups:
        if watched[group]:
            _wait_for_end(group, max(deadline - time.monotonic(), 0))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    _remove([Path(folder) for folder in watched if isinstance(folder, str)], STARTING_S if starting else 0)


def _remove(folders: list[Path], again_s: float) -> None:
    """Remove folders, and for some seconds again those that come back.

    A session that was killed while it started a process did not say which. That process ends by itself, but until then
    it makes the folders again into which it writes.
    """
    begin = time.monotonic()
    deadline, until = begin + PATIENCE_S + again_s, begin + again_s
    while (left := [folder for folder in folders if folder.exists()]) or time.monotonic() < until:
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    main(sys.stdin)
