"""A commit as plain data."""

from __future__ import annotations

from dataclasses import dataclass

# Characters of an abbreviated commit id.
SHORT = 10


@dataclass(frozen=True)
class Commit:
    """A commit, as git describes it.

    Attributes
    ----------
    id, author, date, subject : str
        The date as ISO 8601.
    parents : tuple of str
        Their ids.

    """

    id: str
    parents: tuple[str, ...]
    author: str
    date: str
    subject: str

    @property
    def short(self) -> str:
        """Its abbreviated id."""
        return self.id[:SHORT]

    def __str__(self) -> str:
        """Return its id and subject, in one line."""
        return f"{self.short} {self.subject!r}"
