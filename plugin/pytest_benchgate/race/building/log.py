"""Commits, as git log describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.commit import Commit
from pytest_benchgate.race.building.run_git import git

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ("%H", "%P", "%an", "%ad", "%s")


def log(root: Path, *arguments: str) -> list[Commit]:
    """Return the commits that `git log ARGUMENTS` lists in a repository; raise GitError if it fails."""
    form = "%x00".join(FIELDS)
    text = git("log", "--no-show-signature", "--date=iso-strict", f"--format={form}", *arguments, "--", cwd=root)
    found = []
    for line in text.split("\n") if text else ():
        identity, parents, author, date, subject = line.split("\0")
        found.append(Commit(identity, tuple(parents.split()), author, date, subject))
    return found


def commit(root: Path, revision: str) -> Commit:
    """Return a commit by its id."""
    return log(root, "--max-count=1", revision)[0]
