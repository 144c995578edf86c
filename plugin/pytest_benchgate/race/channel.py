"""Messages between the session and a worker: JSON lines on inherited pipes, no sockets, no pickle.

Orders, from the session:

    {"order": "run", "nodeid": ID, "next": ID}   start this test; it runs up to its benchmark; NEXT, or null, is next
    {"order": "block", "calls": K, "processor": P}   call the benchmarked function K times, on processor P or, null, any
    {"order": "end"}                             let the test go on to its end
    {"order": "quit"}                            end the worker

Answers, from the worker:

    {"answer": "collected", "nodeids": [...], "errors": {FILE: TEXT}}   once, first
    {"answer": "ready", "once_ns": N, "iterations": I, "group": G, "files": {PATH: SHA-256}}
                                                    the function was called once, or I times in a pedantic round, in N
                                                    ns; its group; the raced files that this worker loaded since it last
                                                    said
    {"answer": "block", "ns": N, "threaded": B}     the block took N ns; whether other threads than the main one worked
    {"answer": "done", "outcome": OUTCOME, "reason": TEXT}   the test has ended
"""

from __future__ import annotations

import json
import os
import selectors
import time
from typing import Any


class Closed(Exception):
    """The other side is gone: its end of the pipe is closed."""


class Late(Exception):
    """The other side did not answer in time."""


class Channel:
    """One end of a pair of pipes, by their file descriptors, which it owns."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd
        self._rest = b""

    def send(self, **message: Any) -> None:
        """Send one message; raise Closed where nobody is there to read it."""
        line = json.dumps(message).encode("ascii") + b"\n"
        try:
            while line:
                line = line[os.write(self._write_fd, line) :]
        except BrokenPipeError:
            raise Closed from None

    def receive(self, limit_s: float | None = None) -> dict[str, Any]:
        """Return the next message; raise Closed at the end of the pipe, Late after limit_s seconds without one."""
        deadline = None if limit_s is None else time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._read_fd, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left_s = None if deadline is None else max(deadline - time.monotonic(), 0)
                if not selector.select(left_s):
                    raise Late
                data = os.read(self._read_fd, 65536)
                if not data:
                    raise Closed
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Close both pipes."""
        for fd in (self._read_fd, self._write_fd):
            os.close(fd)
