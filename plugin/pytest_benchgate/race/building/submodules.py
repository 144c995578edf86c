"""The submodules of a clone: from the copies in the user's repository or else from their remotes."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from pytest_benchgate.race.building.run_git import GitError, git

if TYPE_CHECKING:
    from pathlib import Path

# Only for copies on this machine.
LOCAL = ("-c", "protocol.file.allow=always")


def fill(original: Path, clone: Path) -> None:
    """Check out the submodules of a clone, and theirs, at the commits that it names.

    A submodule without a copy in the user's repository that cannot be fetched either stays empty.

    Parameters
    ----------
    original : Path
        The user's repository or, for nested ones, submodule.
    clone : Path
        Its clone.

    """
    if not (clone / ".gitmodules").is_file():
        return
    git("submodule", "--quiet", "init", cwd=clone)
    for name, path in _named(clone):
        copy = _copy(original, name, path)
        if copy is None:
            try:
                git("submodule", "--quiet", "update", "--", path, cwd=clone)
            except GitError:
                _forget(clone, name, path)
                continue
        elif not _from_copy(clone, name, path, copy):
            try:
                git("submodule", "--quiet", "update", "--", path, cwd=clone)
            except GitError as error:
                raise GitError(
                    f"your copy of the submodule {path} lacks the commit that the race needs; "
                    f"get it first: git submodule update --init --recursive ({error})"
                ) from error
        if (clone / path / ".git").exists():
            fill(copy or clone / path, clone / path)


def _from_copy(clone: Path, name: str, path: str, copy: Path) -> bool:
    """Check out a submodule from a copy of its repository; return whether that has the commit."""
    key = f"submodule.{name}.url"
    url = git("config", key, cwd=clone)
    git("config", key, str(copy), cwd=clone)
    try:
        git(*LOCAL, "submodule", "--quiet", "update", "--", path, cwd=clone)
    except GitError:
        _forget(clone, name, path)
        return False
    finally:
        git("config", key, url, cwd=clone)
    # Switched off by `update = none`.
    if not (clone / path / ".git").exists():
        return True
    # The URLs of nested submodules may be relative to this one's.
    with contextlib.suppress(GitError):
        git("config", "remote.origin.url", git("config", "remote.origin.url", cwd=copy), cwd=clone / path)
    return True


def _named(clone: Path) -> list[tuple[str, str]]:
    """Return the names and paths of the submodules that a clone's commit has."""
    # Not --get-regexp, which fails on the empty file that is left when the last submodule is removed.
    listed = git("config", "--file", ".gitmodules", "--null", "--list", cwd=clone)
    found = []
    for entry in listed.split("\0"):
        key, _, path = entry.partition("\n")
        if not (key.startswith("submodule.") and key.endswith(".path")):
            continue
        name = key.removeprefix("submodule.").removesuffix(".path")
        if git("ls-files", "--stage", "--", path, cwd=clone).startswith("160000"):
            found.append((name, path))
    return found


def _copy(original: Path, name: str, path: str) -> Path | None:
    """Return the user's repository of a submodule, wherever git keeps it, or None if it was never initialised."""
    places = [original / path / ".git"]
    # A submodule's own repository is beside its files or in that of its parent.
    if (original / "HEAD").is_file():
        places += [original.parent / path / ".git", original / "modules" / name]
    for what in ("--absolute-git-dir", "--git-common-dir"):
        with contextlib.suppress(GitError):
            places.append(original / git("rev-parse", what, cwd=original) / "modules" / name)
    return next((place for place in places if (place / "HEAD").is_file()), None)


def _forget(clone: Path, name: str, path: str) -> None:
    """Remove what is left of a submodule that could not be checked out."""
    shutil.rmtree(clone / git("rev-parse", "--git-dir", cwd=clone) / "modules" / name, ignore_errors=True)
    folder = clone / path
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
