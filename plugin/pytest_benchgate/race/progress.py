"""What a race shows in the terminal while it runs.

In a terminal, it is a table that is updated in place. It uses pytest's own writer, not rich: rich repaints from a
thread, also while blocks are timed, and does not know when pytest or a plugin writes to the same terminal. Here nothing
is painted except when an event is shown, and a race yields no event while it times. The cursor is never hidden, so
there is nothing to restore.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_benchgate.race.events import Status
from pytest_benchgate.race.worker.clock import CLOCK
from pytest_benchgate.reports.columns import aligned, cut, width
from pytest_benchgate.reports.quantity import line

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchgate.race.events import Preparation

T = TypeVar("T")
# Between lines about the status if the output is not a terminal.
EVERY_S = 10.0
# The verbosity at which nothing is shown.
SILENT = -2
# Lines of the terminal that the rows leave free.
FREE = 4
INDENT = "  "


class Writer(Protocol):
    """pytest's TerminalWriter, as far as it is used."""

    hasmarkup: bool

    @property
    def width_of_current_line(self) -> int:
        """The width of what is written of an unfinished line."""

    def markup(self, text: str, **markup: bool) -> str:
        """Return text with colours, if the writer writes any."""


class Progress:
    """Prints steps as lines, and the status as a table at the terminal's end or, in a log, now and then as a line.

    Parameters
    ----------
    writer : Writer
        Its colours are those of the table; without colours there is no table, but lines as in a log.
    verbosity : int
        As in pytest: below 0, a terminal shows one line in the place of the table, and a log none; below -1, nothing.
    reporter : Any
        Pytest's terminal reporter, which knows whether a line of its own is unfinished; None before it exists.

    """

    def __init__(self, writer: Writer, *, verbosity: int, reporter: Any = None) -> None:
        self._writer, self._verbosity, self._reporter = writer, verbosity, reporter
        self._is_live = writer.hasmarkup and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._shown_s = CLOCK.s()
        # The widths of the lines that are painted, and of pytest's unfinished line above them.
        self._painted: list[int] = []
        self._above = 0

    def show(self, event: Preparation) -> None:
        """Print a step or a status."""
        if self._verbosity <= SILENT or (self._verbosity < 0 and not self._is_live):
            return
        if isinstance(event, Status):
            self._show_status(event)
        elif self._verbosity >= 0:
            self._write(self._erased())
            self._write_line(event.text)

    def follow(self, events: Generator[Preparation, None, T]) -> T:
        """Show all events, and return the generator's result; however it ends, no status is left."""
        try:
            while True:
                self.show(next(events))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            self.clear()

    def clear(self) -> None:
        """Erase the status."""
        self.show(Status(""))

    def show_next(self) -> None:
        """Print the next status at once, also if the output is not a terminal."""
        self._shown_s = -EVERY_S

    def _show_status(self, status: Status) -> None:
        if self._is_live:
            erased, lines = self._erased(), self._lines(status) if status.text else []
            self._painted = [width(text) for text, _ in lines]
            self._above = self._writer.width_of_current_line % _size()[0] if lines else 0
            painted = "\n".join(self._writer.markup(text, **colour) for text, colour in lines)
            self._write(erased + "\n" * bool(self._above) + painted)
        elif status.text and CLOCK.s() - self._shown_s >= EVERY_S:
            self._shown_s = CLOCK.s()
            self._write_line(status.text)

    def _lines(self, status: Status) -> list[tuple[str, dict[str, bool]]]:
        """Return the lines of a status, as wide and as many as fit into the terminal, each with its colour."""
        columns, height = _size()
        # In the last column of a terminal, the cursor may be on the next line already.
        columns -= 1
        rows = status.rows[: max(height - FREE, 0)] if self._verbosity >= 0 else ()
        title = (status.title if rows else "") or status.text
        cells = [[line(cell) for cell in row.cells] for row in rows]
        table = [f"{INDENT}{text}" for text in aligned(cells, columns - len(INDENT))]
        colours = [{row.colour: True} if row.colour else {} for row in rows]
        return [(cut(f"race: {line(title)}", columns), {}), *zip(table, colours, strict=True)]

    def _erased(self) -> str:
        """Return what erases the status, from the cursor at its end."""
        if not self._painted:
            return ""
        columns, _ = _size()
        # A terminal that has become narrower has broken the lines.
        up = sum(max(-(-one // columns), 1) for one in self._painted) - (not self._above)
        self._painted = []
        return "\r" + f"\x1b[{up}A" * bool(up) + f"\x1b[{self._above}C" * bool(self._above) + "\x1b[J"

    def _write_line(self, text: str) -> None:
        if self._reporter is not None:
            self._reporter.ensure_newline()
        self._write(f"race: {line(text)}\n")

    def _write(self, text: str) -> None:
        if text:
            encoding = sys.stdout.encoding or "utf-8"
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()


def _size() -> tuple[int, int]:
    """Return the columns and lines of the terminal as it is now, whatever COLUMNS was when it was opened."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        size = shutil.get_terminal_size()
    # Some terminals do not know.
    return size.columns or 80, size.lines or 24
