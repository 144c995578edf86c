"""Commands of a build: their output is kept, and they end when the build is stopped."""

from __future__ import annotations

import os
import queue
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
# Bytes at the end of an output in which its last line is searched.
TAIL = 4096
# Environment variables that must not reach a build: the session's own modules, other places to install to, and
# PYTHONDONTWRITEBYTECODE, with which each process would compile the tools again.
HIDDEN = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")


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
    """Runs the commands of one build and keeps their output.

    Attributes
    ----------
    reaper : Reaper
        Ends them with the session.
    temporary : Path
        The folder of their temporary files, which is removed with the session.
    stop : Stop
        Ends them earlier.
    steps : queue.SimpleQueue[str]
        Gets a line for each step of the build, from its thread.
    text : str
        The output of all finished commands.

    """

    reaper: Reaper
    temporary: Path
    stop: Stop = field(default_factory=Stop)
    steps: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    text: str = ""
    _running: IO[bytes] | None = None

    def run(self, cmd: Any, cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        """Run a command, with its interpreter's folder first on the PATH; raise CalledProcessError."""
        env = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        env |= {**(extra_environ or {}), "TMPDIR": str(self.temporary)}
        env["PATH"] = os.pathsep.join([str(Path(cmd[0]).parent), env.get("PATH", os.defpath)])
        with tempfile.TemporaryFile(dir=self.temporary) as output:
            process = self.reaper.start([*map(str, cmd)], cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT)
            self._running = output
            try:
                while self.reaper.status(process) is None:
                    self.stop.pause(POLL_S)
            finally:
                self.reaper.end(process)
                self._running = None
                output.seek(0)
                self.text += output.read().decode("utf-8", "replace")
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, [*map(str, cmd)])

    def last_line(self) -> str:
        """Return the last line of the output so far, or ""; from any thread."""
        running, end = self._running, self.text[-TAIL:]
        if running is not None:
            try:
                size = os.fstat(running.fileno()).st_size
                end += os.pread(running.fileno(), TAIL, max(size - TAIL, 0)).decode("utf-8", "replace")
            except (OSError, ValueError):
                # It has just been closed.
                end = self.text[-TAIL:]
        plain = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", end)
        lines = [line.strip() for line in re.split(r"[\r\n]+", plain)]
        return next((line for line in reversed(lines) if line), "")
