"""The commits between two revisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.race.building.git import GitError, git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FIELDS = ("%H", "%P", "%an", "%ad", "%s")
SHORT = 10


class RangeError(Exception):
    """Two revisions between which nothing can be searched."""


@dataclass(frozen=True)
class Commit:
    """A commit, as git describes it."""

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


def between(root: Path, good: str, bad: str, *, first_parent: bool) -> dict[str, Commit]:
    """Return the commits that are reachable from bad and not from good, parents first, by their ids.

    Parameters
    ----------
    root : Path
        The repository.
    good, bad : str
        The ids of two commits.
    first_parent : bool
        Whether to follow only the first parent of each merge.

    Raises
    ------
    RangeError
        If good is not an ancestor of bad, or the same commit.

    """
    if good == bad:
        raise RangeError(f"--good and --bad are the same commit, {good[:SHORT]}")
    try:
        git("merge-base", "--is-ancestor", good, bad, cwd=root)
    except GitError:
        raise RangeError(
            f"--good {good[:SHORT]} is not an ancestor of --bad {bad[:SHORT]}; give a revision that git log "
            f"{bad[:SHORT]} lists (a shallow clone lacks history: git fetch --unshallow)"
        ) from None
    follow = ("--first-parent",) * first_parent
    found = _log(root, "--topo-order", "--reverse", *follow, f"{good}..{bad}")
    if not first_parent:
        return {commit.id: commit for commit in found}
    return {
        commit.id: Commit(commit.id, commit.parents[:1], commit.author, commit.date, commit.subject) for commit in found
    }


def one(root: Path, commit: str) -> Commit:
    """Return a commit by its id."""
    return next(iter(_log(root, "--max-count=1", commit)))


def _log(root: Path, *arguments: str) -> Iterable[Commit]:
    form = "%x00".join(FIELDS)
    text = git("log", "--no-show-signature", "--date=iso", f"--format={form}", *arguments, "--", cwd=root)
    for line in text.split("\n"):
        identity, parents, author, date, subject = line.split("\0")
        yield Commit(identity, tuple(parents.split()), author, date, subject)
