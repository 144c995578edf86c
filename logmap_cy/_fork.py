"""What does not survive fork()."""

from __future__ import annotations

import os


class ForkGuard:
    """Tells whether this process is a fork of one that had started something which does not survive fork().

    Attributes
    ----------
    started: to be set once the thing is started.
    lost: whether it was started before a fork, and is of no use here.

    """

    def __init__(self) -> None:
        self.started = False
        self.lost = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_child)

    def _in_child(self) -> None:
        self.lost = self.started
