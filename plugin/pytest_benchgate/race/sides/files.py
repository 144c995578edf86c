"""The files that git ignores and tests need, copied into the checkouts of a race; see --race-files."""

from __future__ import annotations

import fcntl
import filecmp
import glob
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.race.building.git import GitError, git
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.sides.temporary import is_folder
from pytest_benchgate.reports.quantity import counted, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Of Linux: lets a new file share the blocks of another, until either is changed.
FICLONE = 0x40049409
# Bytes that are copied at once.
CHUNK = 2**20
# Folders of no use to a test of another checkout.
LEFT_OUT = {".git", "__pycache__"}


@dataclass(frozen=True)
class Files:
    """Files that both sides get a copy of.

    Attributes
    ----------
    source : Path
        The checkout of the repository in which they are.
    paths : tuple[Path, ...]
        Their paths, relative to it.

    """

    source: Path
    paths: tuple[Path, ...] = ()

    @classmethod
    def matching(cls, patterns: Sequence[str], source: Path, root: Path) -> Files:
        """Return the files that patterns match and git does not track.

        Parameters
        ----------
        patterns : Sequence[str]
            Globs of files and folders, relative to rootdir; ** is any number of folders.
        source : Path
            The root of the repository.
        root : Path
            Rootdir within it.

        Raises
        ------
        SidesError
            If one of the patterns names nothing that can be copied, or `source` is not a checkout.

        """
        if not patterns:
            return cls(source)
        try:
            tracked = {*git("ls-files", "-z", "--recurse-submodules", cwd=source).split("\0")}
        # Of another folder than that of the race.
        except (GitError, OSError) as error:
            raise SidesError(f"race_files_root: {source} is not a checkout of the repository: {error}") from error
        found: dict[Path, None] = {}
        for pattern in patterns:
            try:
                named = [path for place in _matched(pattern, source, root) for path in _inside(place)]
            except OSError as error:
                raise SidesError(f"--race-files={pattern}: {error}") from error
            if not named:
                linked = (
                    "; name the main worktree in race_files_root if it is there" if (source / ".git").is_file() else ""
                )
                raise SidesError(
                    f"--race-files={pattern} matches no file in {source / root}; give a file, a folder or a glob, "
                    f"relative to rootdir{linked}"
                )
            paths = [path.relative_to(source) for path in named]
            new = [path for path in paths if path.as_posix() not in tracked]
            if not new:
                raise SidesError(
                    f"--race-files={pattern}: git tracks what it matches, such as {paths[0]}, so that each side has "
                    "that of its own commit; give files that git ignores"
                )
            found |= dict.fromkeys(new)
        return cls(source, tuple(found))

    def __str__(self) -> str:
        """Return how many they are, and their size."""
        size = sum((self.source / path).stat().st_size for path in self.paths)
        return f"{counted(len(self.paths), 'file')} ({scaled(size, 'B')})"

    def copy(self, tree: Path) -> list[Path]:
        """Copy those that a checkout lacks; return those of which it has another version, and keeps it.

        Raises SidesError.
        """
        kept = []
        for path in self.paths:
            source, target = self.source / path, tree / path
            try:
                if os.path.lexists(target):
                    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
                        kept.append(path)
                # A commit may have a link to a folder elsewhere, which must stay as it is.
                elif not target.parent.resolve().is_relative_to(tree):
                    kept.append(path)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _copy(source, target)
            except OSError as error:
                raise SidesError(
                    f"--race-files: {path} could not be copied into the checkouts of the race, which are in "
                    f"{tree.parent}: {error}"
                ) from error
        return kept

    def are_in(self, tree: Path, folder: str, names: Iterable[str]) -> set[str]:
        """Return the names in a folder of a checkout that are such files, as shutil.copytree asks what to ignore."""
        inside, paths = Path(folder).relative_to(tree), {*self.paths}
        return {name for name in names if inside / name in paths}


def _matched(pattern: str, source: Path, root: Path) -> Iterator[Path]:
    """Yield the files and folders that a pattern matches; a name that exists is no pattern."""
    folder = source / root
    names = [pattern]
    if not (folder / pattern).exists():
        # Not Path.glob, whose * matches hidden files.
        names = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207
    for name in (pattern, *names):
        path = _normal(folder / name)
        if not path.is_relative_to(source):
            raise SidesError(
                f"--race-files={pattern}: {path} is outside of the repository {source}; both sides find it there by an "
                "absolute path"
            )
        if folder.is_relative_to(path):
            raise SidesError(f"--race-files={pattern!r} names all of {path}; name the files or folders that tests need")
    yield from (path for path in map(_normal, (folder / name for name in names)) if not _is_circular(path, source))


def _is_circular(path: Path, source: Path) -> bool:
    """Return whether a path leads through a link to a folder that it is in, as glob follows it many times."""
    folders = [path, *(folder for folder in path.parents if folder.is_relative_to(source))]
    return len({folder.resolve() for folder in folders}) < len(folders)


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path))


def _inside(place: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield a file, or the files in a folder; links are followed, as one to a large disk, but not in circles."""
    if place.is_file():
        yield place
    elif place.is_dir() and place.name not in LEFT_OUT and not is_folder(place):
        real = place.resolve()
        if real not in above:
            for inner in sorted(place.iterdir()):
                yield from _inside(inner, above | {real})


def _copy(source: Path, target: Path) -> None:
    """Copy a file, so that changes of the copy do not change it; without its content where the file system can."""
    with source.open("rb") as old, target.open("xb") as new:
        if not (sys.platform == "linux" and _cloned(old.fileno(), new.fileno())):
            shutil.copyfileobj(old, new, CHUNK)
    shutil.copystat(source, target)


def _cloned(old: int, new: int) -> bool:
    """Return whether the file system has made one open file a copy of another."""
    try:
        fcntl.ioctl(new, FICLONE, old)
    except OSError:
        return False
    return True
