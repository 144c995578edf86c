"""The cache of the builds: a folder of environments, each with a lock.

An entry is a folder that is complete, or is to be made. A session that uses it holds a shared lock, one that makes it
an exclusive one. Only folders with the exact name of an entry, in a folder with our tag, are ever removed.
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

# Entries that no race has used for so long are removed.
UNUSED_S = 14 * 86400.0
# Written last: an entry without it is not complete.
COMPLETE = "benchgate.json"
ENTRY = re.compile(r"[0-9a-f]{16}")
TAG, IGNORE = "CACHEDIR.TAG", ".gitignore"
# https://bford.info/cachedir/
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"
TEXT = f"{SIGNATURE}# This folder is the cache of pytest-benchgate's races. It can be deleted at any time.\n"
WAIT_S = 0.05
# Attempts to lock an entry exclusively that another session uses, but does not make.
TRIES = 30


class CacheError(Exception):
    """A folder that cannot be the cache, and what to do about it."""


def prepare_folder(folder: Path) -> None:
    """Make a folder the cache; raise CacheError if it has other content or belongs to another user."""
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
        # A cache within the repository must not become a part of head.
        if IGNORE not in names:
            (folder / IGNORE).write_text("*\n", "utf-8")
    except OSError as error:
        raise CacheError(f"--race-cache: {folder} cannot be used: {error.strerror or error}; {elsewhere}") from error


@dataclass
class Entry:
    """A folder of the cache.

    Attributes
    ----------
    folder : Path
        Its environment.
    record : dict[str, Any] | None
        What its maker has written of it; None if it is to be made.
    built : float
        When it was made, in seconds since 1970.

    """

    folder: Path
    record: dict[str, Any] | None = None
    built: float = 0.0

    def read(self) -> bool:
        """Read its record; return whether it is complete and undamaged."""
        self.record = None
        try:
            marker = json.loads((self.folder / COMPLETE).read_text("utf-8"))
            built, record, sizes = float(marker["built"]), marker["record"], marker["sizes"].items()
            whole = isinstance(record, dict) and all(
                (self.folder / name).stat().st_size == size for name, size in sizes
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return False
        python = self.folder / "bin" / "python"
        if whole and python.is_file() and os.access(python, os.X_OK):
            self.record, self.built = record, built
        return self.record is not None

    def complete(self, record: dict[str, Any]) -> None:
        """Mark it as complete, with its record."""
        self.record, self.built = record, time.time()
        marker = {"built": self.built, "record": record, "sizes": _sizes(self.folder)}
        half = self.folder / f"{COMPLETE}.half"
        half.write_text(json.dumps(marker), "utf-8")
        half.replace(self.folder / COMPLETE)


@dataclass(frozen=True)
class Store:
    """The entries of a cache.

    Attributes
    ----------
    folder : Path
        Of all entries.
    reaper : Reaper
        Removes entries that are not complete when the session ends.
    locks : ExitStack
        Of the entries that this session uses, so that no other session removes them.
    stop : Stop
        Ends the wait for another session.
    oldest : float
        Entries from before this time, in seconds since 1970, are made again.

    """

    folder: Path
    reaper: Reaper
    locks: ExitStack
    stop: Stop = field(default_factory=Stop)
    oldest: float = 0.0

    @property
    def bytecode(self) -> Path:
        """Where workers keep bytecode files if Python is not to write them beside its sources."""
        return self.folder / "bytecode"

    @contextmanager
    def entry(self, key: str, usable: Callable[[dict[str, Any]], bool] = lambda record: True) -> Iterator[Entry]:  # noqa: ARG005
        """Yield an entry, locked for this session; the caller must complete it if it has no record."""
        entry = Entry(self.folder / key)
        lock = self._lock(entry.folder.with_suffix(".lock"))
        self.locks.enter_context(lock)
        for _ in range(TRIES):
            if self._is_usable(entry, usable):
                break
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Another session makes it, and will go on using it, so that waiting for an exclusive lock would mean
                # waiting for its whole race.
                self._wait()
                self._hold(lock)
            else:
                break
        else:
            raise CacheError(
                f"{entry.folder} must be built again, but another session uses it; wait for its end, "
                "or give another folder by --race-cache=FOLDER"
            )
        # Another session may have made it in between.
        make = not self._is_usable(entry, usable)
        try:
            if make:
                entry.record = None
                _remove(entry.folder)
                self.reaper.watch(entry.folder)
            yield entry
        except BaseException:
            # A complete entry may be in use by others.
            if make:
                shutil.rmtree(entry.folder, ignore_errors=True)
                self.reaper.forget(entry.folder)
            fcntl.flock(lock, fcntl.LOCK_UN)
            raise
        else:
            self.reaper.forget(entry.folder)
            os.utime(lock.name)
            fcntl.flock(lock, fcntl.LOCK_SH)

    def _is_usable(self, entry: Entry, usable: Callable[[dict[str, Any]], bool]) -> bool:
        return entry.read() and entry.built >= self.oldest and usable(entry.record or {})

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
            # Another session has just removed this unused entry.
            lock.close()

    def _hold(self, lock: IO[str]) -> None:
        while True:
            with contextlib.suppress(BlockingIOError):
                return fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self._wait()

    def _wait(self) -> None:
        # Random, so as not to be in step with the other session.
        self.stop.pause(WAIT_S * (1 + random.random()))  # noqa: S311

    def prune(self) -> None:
        """Remove the entries that no race has used for long or uses now, and bytecode files that began long ago."""
        with contextlib.suppress(OSError):
            if time.time() - self.bytecode.stat().st_mtime > UNUSED_S:
                _remove(self.bytecode)
        for lock in self.folder.glob("*.lock"):
            # Another session may remove it first, or use it; the race goes on if it cannot be removed.
            with contextlib.suppress(OSError):
                if not ENTRY.fullmatch(lock.stem) or time.time() - lock.stat().st_mtime < UNUSED_S:
                    continue
                with lock.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(lock.with_suffix(""))
                    lock.unlink()


def _sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of the files in a folder, by their relative paths, without bytecode files, which change."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
    }


def _remove(folder: Path) -> None:
    """Remove an entry, or a file or link in its place."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
