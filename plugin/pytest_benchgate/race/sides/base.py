"""The revision that base is, resolved once a session: a branch may move meanwhile."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_benchgate.options import RELINKED
from pytest_benchgate.race.building import git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Base:
    """A repository, and the tree in it that is base."""

    repository: git.Repository
    tree: git.Tree

    def text(self, path: Path) -> str | None:
        """Return base's text of a file of the working tree, or None if base has no such file."""
        return self.repository.text(self.tree, path.relative_to(self.repository.root.resolve()).as_posix())


BASE = pytest.StashKey[Base]()


def resolve(config: pytest.Config, revision: str, outputs: Iterable[Path] = ()) -> Base:
    """Return base, by the revision that the session races; raise GitError if there is none.

    That of a race of the working tree against itself is the commit below it. The first call says what the session
    writes, which is no part of head.
    """
    if BASE not in config.stash:
        repository = dataclasses.replace(git.Repository.around(config.rootpath), outputs=tuple(outputs))
        config.stash[BASE] = Base(repository, repository.resolve("HEAD" if revision == RELINKED else revision))
    return config.stash[BASE]
