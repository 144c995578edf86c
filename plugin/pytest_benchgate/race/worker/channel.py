"""One end of the two pipes between the session and a worker: inherited descriptors, no sockets, no pickle.

A worker shares its process with tests, which may close descriptors, write to those that are not theirs, or fork. So
each end makes sure that its descriptors still are its pipes, and that its process is its own.
"""

from __future__ import annotations

import fcntl
import os
import resource
import selectors
from typing import TYPE_CHECKING

from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.race.worker.messages import Garbled, Message, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 2**27  # bytes of a message: the ids of a million tests
POLL_S = 0.05  # between looks at a process whose end the system does not report
# Above what tests close, in the belief that it is all of them, and below what select() can handle.
HIGH = 1000
FORKED = 70  # exit status of a forked child that takes itself for the worker


class Closed(Exception):
    """The other side is gone: its end of the pipe is closed, or its process has ended."""


class Late(Exception):
    """The other side did not answer in time."""


class Replaced(Exception):
    """The descriptors of this side no longer are its pipes."""


class Channel:
    """One end of a pair of pipes, by their file descriptors, which it owns.

    `has_ended` tells whether the other side's process has ended, and `ended_fd`, where the system has such, is a
    descriptor that becomes readable then: a pipe alone stays open as long as any child of that process lives.
    """

    def __init__(
        self, read_fd: int, write_fd: int, has_ended: Callable[[], bool] | None = None, ended_fd: int | None = None
    ) -> None:
        self._fds = read_fd, write_fd
        self._has_ended, self._ended_fd = has_ended, ended_fd
        self._rest = bytearray()
        self._order = 0
        self._own, self._process = self._identity(), os.getpid()
        os.set_blocking(write_fd, has_ended is None)

    @classmethod
    def of_worker(cls, read_fd: int, write_fd: int) -> Channel:
        """Return the worker's end, moved to descriptors that tests are less likely to touch."""
        least = min(HIGH, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 8)
        moved = []
        for fd in (read_fd, write_fd):
            moved.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, least))
            os.close(fd)
        return cls(moved[0], moved[1])

    def order(self, message: Message, limit_s: float | None = None) -> None:
        """Send an order, which the next answer must be to; see `_send`."""
        self._order += 1
        self._send(message, limit_s)

    def answer(self, message: Message) -> None:
        """Send the answer to the order that was received last; see `_send`."""
        self._send(message, None)

    def receive_order(self) -> Message:
        """Return the next order; raise Closed where the session is gone."""
        self._order, message = decode(self._line(None))
        return message

    def receive_answer(self, limit_s: float | None = None) -> Message:
        """Return the answer to the last order; raise Closed, Garbled, or Late after limit_s seconds without one."""
        line = self._line(limit_s)
        number, message = decode(line)
        if number != self._order:
            raise Garbled(f"{type(message).__name__} answers order {number}, and order {self._order} was due")
        return message

    def _send(self, message: Message, limit_s: float | None) -> None:
        """Send a message; raise Closed where nobody is there to read it, Late where nobody has read it in time."""
        self._check()
        deadline = None if limit_s is None else CLOCK.s() + limit_s
        line = memoryview(encode(message, self._order))
        try:
            while line:
                try:
                    line = line[os.write(self._fds[1], line) :]
                except BlockingIOError:
                    self._wait(self._fds[1], selectors.EVENT_WRITE, deadline)
        except BrokenPipeError:
            raise Closed from None

    def _line(self, limit_s: float | None) -> bytes:
        """Return the next line."""
        self._check()
        deadline = None if limit_s is None else CLOCK.s() + limit_s
        looked_at = 0
        while (end := self._rest.find(b"\n", looked_at)) < 0:
            looked_at = len(self._rest)
            self._wait(self._fds[0], selectors.EVENT_READ, deadline)
            data = os.read(self._fds[0], 2**20)
            if not data:
                raise Closed
            self._rest += data
            if len(self._rest) > LONGEST:
                raise Garbled(f"a line of more than {LONGEST} bytes, which begins {bytes(self._rest[:80])!r}")
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line

    def _wait(self, fd: int, event: int, deadline: float | None) -> None:
        """Wait until a pipe can be used; raise Late after the deadline, Closed where the other process has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(fd, event)
            if self._ended_fd is not None:
                selector.register(self._ended_fd, selectors.EVENT_READ)
            while True:
                left_s = None if deadline is None else max(deadline - CLOCK.s(), 0)
                ready = selector.select(
                    left_s if self._has_ended is None or self._ended_fd is not None else min(left_s or POLL_S, POLL_S)
                )
                if any(key.fd == fd for key, _ in ready):
                    return
                if self._has_ended is not None and self._has_ended():
                    # What it said last, between the two looks.
                    if any(key.fd == fd for key, _ in selector.select(0)):
                        return
                    raise Closed
                if deadline is not None and CLOCK.s() >= deadline:
                    raise Late

    def _identity(self) -> tuple[tuple[int, int], ...]:
        return tuple((stat.st_dev, stat.st_ino) for stat in map(os.fstat, self._fds))

    def is_own(self) -> bool:
        """Return whether the descriptors still are these pipes."""
        try:
            return self._identity() == self._own
        except OSError:
            return False

    def _check(self) -> None:
        """Raise Replaced where the descriptors are others' by now; end a forked child that takes itself for us."""
        if os.getpid() != self._process:
            os._exit(FORKED)
        if not self.is_own():
            raise Replaced

    def close(self) -> None:
        """Close both pipes."""
        for fd in self._fds:
            os.close(fd)
