"""Commands of a build: what they print is kept, and they end when the build is stopped."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_benchgate.race.reaper import Reaper

POLL_S = 0.01
TAIL = 4096  # bytes at the end of an output in which its last line is looked for
# What must not reach a build: the session's own modules, other places to install to, and tools without bytecode, which
# would be compiled again by each process.
WITHOUT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")


class Stopped(Exception):
    """A build that was stopped from outside."""


class Stop:
    """Stops builds that run in other threads."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Let each build end at its next pause."""
        self._event.set()

    def pause(self, seconds: float) -> None:
        """Wait; raise Stopped as soon as the build is to stop."""
        if self._event.wait(seconds):
            raise Stopped


@dataclass
class Output:
    """Runs the commands of one build and keeps what they print.

    Attributes
    ----------
    reaper: ends them with the session.
    temporary: the folder of their temporary files, which ends with the session.
    stop: ends them before that.
    text: what the commands that are over have printed.

    """

    reaper: Reaper
    temporary: Path
    stop: Stop = field(default_factory=Stop)
    text: str = ""
    _printing: IO[bytes] | None = None

    def run(self, cmd: Any, cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        """Run a command, with the programs of its interpreter's environment first; raise CalledProcessError."""
        env = {name: value for name, value in os.environ.items() if name not in WITHOUT}
        env |= {**(extra_environ or {}), "TMPDIR": str(self.temporary)}
        env["PATH"] = os.pathsep.join([str(Path(cmd[0]).parent), env.get("PATH", os.defpath)])
        with tempfile.TemporaryFile(dir=self.temporary) as printed:
            process = self.reaper.start([*map(str, cmd)], cwd=cwd, env=env, stdout=printed, stderr=subprocess.STDOUT)
            self._printing = printed
            try:
                while self.reaper.status(process) is None:
                    self.stop.pause(POLL_S)
            finally:
                self.reaper.end(process)
                self._printing = None
                printed.seek(0)
                self.text += printed.read().decode("utf-8", "replace")
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, [*map(str, cmd)])

    def last_line(self) -> str:
        """Return the last line that was printed so far, from any thread; "" where there is none."""
        printing, end = self._printing, self.text[-TAIL:]
        if printing is not None:
            try:
                size = os.fstat(printing.fileno()).st_size
                end += os.pread(printing.fileno(), TAIL, max(size - TAIL, 0)).decode("utf-8", "replace")
            except (OSError, ValueError):  # it has just been closed
                end = self.text[-TAIL:]
        plain = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", end)
        lines = [line.strip() for line in re.split(r"[\r\n]+", plain)]
        return next((line for line in reversed(lines) if line), "")
