"""One end of the two pipes between the session and a worker: inherited descriptors, no sockets, no pickle.

A worker shares its process with tests, which may close descriptors, write to descriptors that they did not open, or
fork. So each end checks that its descriptors still are its pipes, and that its process still is the one that opened it.
"""

from __future__ import annotations

import fcntl
import math
import os
import resource
import select
from typing import TYPE_CHECKING

from pytest_benchgate.race.worker import messages
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

# Bytes of a message: the ids of a million tests.
LONGEST = 2**27
# Between checks of a process whose end the system does not report.
POLL_S = 0.05
# Above the descriptors that tests close in the belief that these are all, and below the limit of select().
HIGH = 1000
# Exit status of a forked child that mistakes itself for the worker.
FORKED = 70


class Closed(Exception):
    """The other side is gone: its end of the pipe is closed, or its process has ended."""


class Late(Exception):
    """The other side did not answer in time."""


class Replaced(Exception):
    """The descriptors of this side no longer are its pipes."""


class Channel:
    """One end of a pair of pipes, by their file descriptors, which it owns.

    `has_ended` tells whether the other side's process has ended, and `ended_fd`, if the system has such descriptors,
    becomes readable then: a pipe alone stays open as long as any child of that process lives.
    """

    def __init__(
        self, read_fd: int, write_fd: int, has_ended: Callable[[], bool] | None = None, ended_fd: int | None = None
    ) -> None:
        self._fds = read_fd, write_fd
        self._has_ended, self._ended_fd = has_ended, ended_fd
        self._buffer = bytearray()
        self._order = 0
        self._pipes, self._process = self._identity(), os.getpid()
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

    def order(self, message: messages.Order, limit_s: float | None = None) -> None:
        """Send an order, which the next answer must be to; raise Closed, or Late after limit_s seconds."""
        self._order += 1
        self._send(message, limit_s)

    def answer(self, message: messages.Answer) -> None:
        """Send the answer to the order that was received last; raise Closed."""
        self._send(message, None)

    def receive_order(self) -> messages.Order:
        """Return the next order; raise Closed if the session is gone."""
        self._order, message = messages.decode_order(self._line(None))
        return message

    def receive_answer(self, limit_s: float | None = None) -> messages.Answer:
        """Return the answer to the last order; raise Closed, InvalidMessage, or Late after limit_s seconds."""
        number, message = messages.decode_answer(self._line(limit_s))
        if number != self._order:
            raise messages.InvalidMessage(
                f"{type(message).__name__} answers order {number}, and order {self._order} was due"
            )
        return message

    def _send(self, message: messages.Message, limit_s: float | None) -> None:
        self._check()
        deadline = None if limit_s is None else CLOCK.s() + limit_s
        line = memoryview(messages.encode(message, self._order))
        try:
            while line:
                try:
                    line = line[os.write(self._fds[1], line) :]
                except BlockingIOError:
                    self._wait(self._fds[1], select.POLLOUT, deadline)
        except BrokenPipeError:
            raise Closed from None

    def _line(self, limit_s: float | None) -> bytes:
        """Return the next line."""
        self._check()
        deadline = None if limit_s is None else CLOCK.s() + limit_s
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            self._wait(self._fds[0], select.POLLIN, deadline)
            data = os.read(self._fds[0], 2**20)
            if not data:
                raise Closed
            self._buffer += data
            if len(self._buffer) > LONGEST:
                raise messages.InvalidMessage(
                    f"a line of more than {LONGEST} bytes, which begins {bytes(self._buffer[:80])!r}"
                )
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _wait(self, fd: int, event: int, deadline: float | None) -> None:
        """Wait until a pipe can be used; raise Late after the deadline, Closed if the other process has ended."""
        if self._has_ended is None and deadline is None:
            # A worker waits as long as the session lives, in the call that reads.
            return
        # Neither selectors nor epoll: this is done for each block, by a processor whose caches are cold by then.
        poll = select.poll()
        poll.register(fd, event)
        if self._ended_fd is not None:
            poll.register(self._ended_fd, select.POLLIN)
        while True:
            left_s = math.inf if deadline is None else max(deadline - CLOCK.s(), 0)
            if self._ended_fd is None:
                left_s = min(left_s, POLL_S)
            ready = poll.poll(None if left_s == math.inf else math.ceil(1000 * left_s))
            if any(one == fd for one, _ in ready):
                return
            if self._has_ended is not None and self._has_ended():
                # It may have written its last message between the two checks.
                if any(one == fd for one, _ in poll.poll(0)):
                    return
                raise Closed
            if deadline is not None and CLOCK.s() >= deadline:
                raise Late

    def _identity(self) -> tuple[tuple[int, int], ...]:
        return tuple((stat.st_dev, stat.st_ino) for stat in map(os.fstat, self._fds))

    def is_intact(self) -> bool:
        """Return whether the descriptors still are these pipes."""
        try:
            return self._identity() == self._pipes
        except OSError:
            return False

    def _check(self) -> None:
        """Raise Replaced if the descriptors are no longer these pipes; end a forked child that uses them."""
        if os.getpid() != self._process:
            os._exit(FORKED)
        if not self.is_intact():
            raise Replaced

    def close(self) -> None:
        """Close both pipes."""
        for fd in self._fds:
            os.close(fd)
