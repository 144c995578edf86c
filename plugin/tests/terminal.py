"""A terminal: what programs write to a pseudo-terminal, as people would see it."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pyte: Any = pytest.importorskip("pyte")
# Makes the terminal the one that sends SIGINT for Ctrl-C.
START = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
HISTORY = 1000


class Terminal:
    """Both ends of a pseudo-terminal, and its screen.

    Attributes
    ----------
    file : text file
        What a program writes to.
    raw : str
        All that was written.
    screen : pyte.Screen
        What is shown.

    """

    def __init__(self, columns: int, lines: int) -> None:
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self.columns, self.lines, self.raw = columns, lines, ""
        self.file = os.fdopen(os.dup(self._slave), "w", encoding="utf-8")
        self._resize(columns, lines)
        self._show(columns, lines)

    def close(self) -> None:
        self.file.close()
        os.close(self._master)
        os.close(self._slave)

    def _show(self, columns: int, lines: int) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=HISTORY)
        self._stream = pyte.Stream(self.screen)

    def _resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        """Change the size; lines that do not fit any more are broken, as most terminals do."""
        self.text()
        before = [line.rstrip() for line in self.screen.display[: self.screen.cursor.y + 1]]
        self._resize(columns, lines)
        self._show(columns, lines)
        self._stream.feed("\r\n".join(before))

    def read(self) -> bool:
        """Show what was written; return whether there was anything."""
        try:
            data = os.read(self._master, 1 << 16)
        except (BlockingIOError, OSError):
            return False
        # No character is cut by those who write here, but one may be by the kernel's buffer.
        while data and len(data) < 1 << 20:
            try:
                text = data.decode("utf-8")
                break
            except UnicodeDecodeError:
                select.select([self._master], [], [], 1)
                data += os.read(self._master, 1)
        self.raw += text
        self._stream.feed(text)
        return True

    def text(self) -> list[str]:
        """Return the lines that are shown, to the last one that is not empty, above them those that were scrolled out."""
        while self.read():
            pass
        above = [
            "".join(line[column].data for column in range(self.screen.columns)) for line in self.screen.history.top
        ]
        lines = [line.rstrip() for line in (*above, *self.screen.display)]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def start(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a program whose terminal this is."""
        return subprocess.Popen(
            [sys.executable, "-c", START, *command], cwd=cwd, env=environment, stdin=self._slave, stdout=self._slave,
            stderr=self._slave, start_new_session=True,
        )  # fmt: skip

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def follow(
        self, program: subprocess.Popen[bytes], until: str | None = None, limit_s: float = 120
    ) -> list[list[str]]:
        """Show what a program writes, to its end or until the screen has a text; return all that was shown in turn."""
        frames, deadline = [], time.monotonic() + limit_s
        while time.monotonic() < deadline:
            ended = program.poll() is not None
            select.select([self._master], [], [], 0.02)
            if self.read():
                frames.append([line.rstrip() for line in self.screen.display])
                if until is not None and any(until in line for line in frames[-1]):
                    return frames
            elif ended:
                return frames
        raise AssertionError(f"waited too long for {until}: {self.text()}")
