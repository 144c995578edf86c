"""What a signal handler must not call while it interrupts a call of the same kind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ReentryGuard:
    """Refuses calls from within a call in the same thread, where they would wait for themselves or mix their arguments.

    Attributes
    ----------
    what : str
        What is called, for the error.

    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._calls = threading.local()

    def run(self, function: Callable[[], T]) -> T:
        """Return function(); RuntimeError if this thread is in another such call.

        No context manager: Ctrl-C could come after its entry, and before the block that ends it.
        """
        if getattr(self._calls, "running", False):
            raise RuntimeError(
                f"{self.what} was called while it runs in this thread, as by a signal handler: have the handler set a "
                'flag, or compute with implementation="auto"'
            )
        try:
            self._calls.running = True
            return function()
        finally:
            self._calls.running = False
