"""What a race says while pytest has no terminal reporter yet."""

from __future__ import annotations

import shutil
import sys
import time

EVERY_S = 10.0  # between lines of progress where there is no terminal


class Progress:
    """Prints steps as lines, and what goes on in the terminal's last line, or now and then where there is none."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._shown_s, self._clear = quiet, time.monotonic(), ""

    def say(self, text: str) -> None:
        """Print a step."""
        if not self._quiet:
            sys.stdout.write(f"{self._clear}race: {text}\n")
            sys.stdout.flush()

    def show(self, text: str) -> None:
        """Show what goes on; an empty text clears it."""
        if self._quiet:
            return
        if sys.stdout.isatty():
            self._clear = "\r\x1b[K"
            line = f"race: {text}"[: shutil.get_terminal_size().columns - 1] if text else ""
            sys.stdout.write(f"{self._clear}{line}")
            sys.stdout.flush()
        elif text and time.monotonic() - self._shown_s >= EVERY_S:
            self._shown_s = time.monotonic()
            self.say(text)
