"""Write files as a whole or not at all; and write to pipes, terminals and devices."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

# The folder does not let a file be replaced, or something is mounted on the file: it may be writable all the same.
IRREPLACEABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV}


def write(path: Path, text: str) -> None:
    """Write a file as a whole, or leave it as it was; create its folder. OSError if it cannot be written."""
    # Not its real path: that of a pipe at /dev/stdout is no place.
    if path.exists() and not path.is_file():
        _put(path, text, os.O_WRONLY)
        return
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        _replace(place, text)
    except OSError as error:
        if error.errno not in IRREPLACEABLE or not place.exists():
            raise
        _put(place, text, os.O_WRONLY | os.O_TRUNC)


def _replace(place: Path, text: str) -> None:
    handle, half = tempfile.mkstemp(prefix=f".{place.name[:50]}.", dir=place.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(half).chmod(place.stat().st_mode if place.exists() else 0o666 & ~_umask())
        Path(half).replace(place)
    except BaseException:
        Path(half).unlink(missing_ok=True)
        raise


def append(path: Path, text: str) -> None:
    """Append text to a file. OSError if it cannot be written."""
    _put(path, text, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def is_one_file(one: str | Path, other: str | Path) -> bool:
    """Return whether two reports would overwrite each other; a device, such as /dev/null, takes both."""
    place = Path(os.path.realpath(one))
    return place == Path(os.path.realpath(other)) and (place.is_file() or not place.exists())


def check(path: Path) -> None:
    """Raise OSError if path is a pipe that nobody reads: opening it would block forever."""
    if path.is_fifo():
        os.close(os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))


def _put(path: Path, text: str, flags: int) -> None:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    with open(handle, "w", encoding="utf-8", newline="\n") as file:
        # Opening must not wait for a reader; writing may.
        os.set_blocking(handle, True)
        file.write(text)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
