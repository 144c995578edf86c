"""The commits between two revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchgate.commit import SHORT, Commit
from pytest_benchgate.race.building.log import log
from pytest_benchgate.race.building.run_git import GitError, git

if TYPE_CHECKING:
    from pathlib import Path


class RangeError(Exception):
    """Two revisions between which nothing can be searched."""


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
    found = log(root, "--topo-order", "--reverse", *follow, f"{good}..{bad}")
    if not first_parent:
        return {commit.id: commit for commit in found}
    return {
        commit.id: Commit(commit.id, commit.parents[:1], commit.author, commit.date, commit.subject) for commit in found
    }
