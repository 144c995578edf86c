"""What a race shows in the terminal while it runs."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_benchgate.race.events import Status, Step
from pytest_benchgate.race.worker.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchgate.race.events import Preparation

T = TypeVar("T")
# Between lines about the status if the output is not a terminal.
EVERY_S = 10.0


class Progress:
    """Prints steps as lines, and the status as the terminal's last line or, without a terminal, now and then as a line.

    Parameters
    ----------
    quiet : bool
        Whether to print nothing.
    reporter : Any
        Pytest's terminal reporter, which knows whether a line of its own is unfinished; None before it exists.

    """

    def __init__(self, *, quiet: bool, reporter: Any = None) -> None:
        self._quiet, self._reporter = quiet, reporter
        self._shown_s, self._erase = CLOCK.s(), ""

    def show(self, event: Preparation) -> None:
        """Print a step or a status."""
        if self._quiet:
            return
        if isinstance(event, Step):
            self._print(f"{self._erase}race: {event.text}\n")
        elif sys.stdout.isatty():
            self._erase = "\r\x1b[K"
            line = f"race: {event.text}"[: shutil.get_terminal_size().columns - 1] if event.text else ""
            self._print(f"{self._erase}{line}")
        elif event.text and CLOCK.s() - self._shown_s >= EVERY_S:
            self._shown_s = CLOCK.s()
            self._print(f"race: {event.text}\n")

    def follow(self, events: Generator[Preparation, None, T]) -> T:
        """Show all events, and return the generator's result."""
        while True:
            try:
                self.show(next(events))
            except StopIteration as end:
                result: T = end.value
                return result

    def clear(self) -> None:
        """Erase the status."""
        self.show(Status(""))

    def show_next(self) -> None:
        """Print the next status at once, also if the output is not a terminal."""
        self._shown_s = -EVERY_S

    def _print(self, text: str) -> None:
        if self._reporter is not None:
            self._reporter.ensure_newline()
        sys.stdout.write(text)
        sys.stdout.flush()
