"""The cache of the builds: a folder of its own, and a lock for each of its entries.

An entry is a folder that is complete, or is to be made. Who uses it holds its lock, shared; who makes it holds the lock
alone. Only what has the exact name of an entry, in a folder that has our tag, is ever removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import re
import shutil
import stat
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from pytest_benchgate.race.building.commands import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_benchgate.race.reaper import Reaper

UNUSED_S = 14 * 86400.0  # entries that no race used for so long are removed
COMPLETE = "benchgate.json"  # written last: an entry without it is not complete
ENTRY = re.compile(r"[0-9a-f]{16}")
TAG, IGNORE = "CACHEDIR.TAG", ".gitignore"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"  # https://bford.info/cachedir/
TEXT = f"{SIGNATURE}# This folder is the cache of pytest-benchgate's races. It can be deleted at any time.\n"
WAIT_S = 0.05
TRIES = 30  # to be alone with an entry that another session uses, but does not make


class CacheError(Exception):
    """A folder that cannot be the cache, and what to do about it."""


def prepare_folder(folder: Path) -> None:
    """Make a folder the cache; raise CacheError where it belongs to something or somebody else."""
    elsewhere = "give another folder by --race-cache=FOLDER"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        if state.st_uid != os.geteuid():
            raise CacheError(f"--race-cache: {folder} belongs to user {state.st_uid}, not to you; {elsewhere}")
        names = {path.name for path in folder.iterdir()}
        tag = (folder / TAG).read_text("utf-8", "replace") if TAG in names else ""
        if tag != TEXT and (tag not in TEXT or names - {TAG, IGNORE}):
            raise CacheError(
                f"--race-cache: {folder} is not empty and has no {TAG} of pytest-benchgate; "
                "give an empty folder, or one that does not exist"
            )
        if not names:
            folder.chmod(0o700)
        elif state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CacheError(
                f"--race-cache: {folder} can be written by other users (mode {stat.S_IMODE(state.st_mode):04o}), "
                f"whose code would be run; chmod 700 it once you trust what it holds, or {elsewhere}"
            )
        if tag != TEXT:
            (folder / TAG).write_text(TEXT, "utf-8")
        if IGNORE not in names:  # git takes no file of a cache in the repository for a part of head
            (folder / IGNORE).write_text("*\n", "utf-8")
    except OSError as error:
        raise CacheError(f"--race-cache: {folder} cannot be used: {error.strerror or error}; {elsewhere}") from error


@dataclass
class Entry:
    """A folder of the cache.

    Attributes
    ----------
    folder: where it lies.
    told: what its maker said of it; None where it is to be made.
    built: when it was made, in seconds since 1970.

    """

    folder: Path
    told: dict[str, Any] | None = None
    built: float = 0.0

    def read(self) -> bool:
        """Read what its maker said; return whether it is complete and undamaged."""
        self.told = None
        try:
            marker = json.loads((self.folder / COMPLETE).read_text("utf-8"))
            built, told, sizes = float(marker["built"]), marker["told"], marker["sizes"].items()
            whole = isinstance(told, dict) and all((self.folder / name).stat().st_size == size for name, size in sizes)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return False
        if whole and os.access(self.folder / "bin" / "python", os.X_OK):
            self.told, self.built = told, built
        return self.told is not None

    def complete(self, told: dict[str, Any]) -> None:
        """Mark it as complete, with what is to be known of it."""
        self.told, self.built = told, time.time()
        marker = {"built": self.built, "told": told, "sizes": _sizes(self.folder)}
        half = self.folder / f"{COMPLETE}.half"
        half.write_text(json.dumps(marker), "utf-8")
        half.replace(self.folder / COMPLETE)


@dataclass(frozen=True)
class Store:
    """The entries of a cache.

    Attributes
    ----------
    folder: of all entries.
    reaper: gets what is half made, so that it goes away if the session does.
    locks: holds the entries that this session uses; another one must not remove them.
    stop: ends the wait for another session.
    oldest: entries that were made before this time, in seconds since 1970, are made anew.

    """

    folder: Path
    reaper: Reaper
    locks: ExitStack
    stop: Stop = field(default_factory=Stop)
    oldest: float = 0.0

    @contextmanager
    def entry(self, key: str, usable: Callable[[dict[str, Any]], bool] = lambda told: True) -> Iterator[Entry]:  # noqa: ARG005
        """Give an entry and hold it for this session, alone while it is to be made; it must be complete at the end."""
        entry = Entry(self.folder / key)
        lock = self._lock(entry.folder.with_suffix(".lock"))
        self.locks.enter_context(lock)
        for _ in range(TRIES):
            if self._is_usable(entry, usable):
                break
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Another session makes it. Once it is made, that one goes on using it, so that waiting to be alone
                # would be waiting for its whole race.
                self._wait()
                self._hold(lock)
            else:
                break
        else:
            raise CacheError(
                f"{entry.folder} must be built anew, but another session uses it; wait for its end, "
                "or give another folder by --race-cache=FOLDER"
            )
        make = not self._is_usable(entry, usable)  # another session may have made it in between
        try:
            if make:
                entry.told = None
                _remove(entry.folder)
                self.reaper.watch(entry.folder)
            yield entry
        except BaseException:
            if make:  # what is complete, others may use
                shutil.rmtree(entry.folder, ignore_errors=True)
                self.reaper.forget(entry.folder)  # not where a second Ctrl-C comes meanwhile, nor once others make it
            fcntl.flock(lock, fcntl.LOCK_UN)
            raise
        else:
            self.reaper.forget(entry.folder)
            os.utime(lock.name)
            fcntl.flock(lock, fcntl.LOCK_SH)

    def _is_usable(self, entry: Entry, usable: Callable[[dict[str, Any]], bool]) -> bool:
        return entry.read() and entry.built >= self.oldest and usable(entry.told or {})

    def _lock(self, path: Path) -> IO[str]:
        """Return the open lock of an entry, shared."""
        while True:
            lock = path.open("a")
            try:
                self._hold(lock)
                if path.exists() and os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                    return lock
            except BaseException:
                lock.close()
                raise
            lock.close()  # another session has just removed what was not used for long

    def _hold(self, lock: IO[str]) -> None:
        while True:
            with contextlib.suppress(BlockingIOError):
                return fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self._wait()

    def _wait(self) -> None:
        self.stop.pause(WAIT_S * (1 + random.random()))  # noqa: S311  # not in step with the other session

    def prune(self) -> None:
        """Remove the entries that no race has used for long, and none uses now."""
        for lock in self.folder.glob("*.lock"):
            # Another session may remove it first, or use it; what cannot be removed is no reason not to race.
            with contextlib.suppress(OSError):
                if not ENTRY.fullmatch(lock.stem) or time.time() - lock.stat().st_mtime < UNUSED_S:
                    continue
                with lock.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(lock.with_suffix(""))
                    lock.unlink()


def _sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of the files in a folder, by their relative paths, without bytecode, which comes and goes."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
    }


def _remove(folder: Path) -> None:
    """Remove an entry, whatever lies in its place."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
