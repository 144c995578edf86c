"""The temporary folder of a race: where TMPDIR lies in the repository, it is no part of that for git and pytest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_benchgate.race.reaper import Reaper

PREFIX = "race-"
IGNORE = "# The sources of a race.\n*\n"


def make_folder(reaper: Reaper) -> Path:
    """Return a new folder, which is removed with the session."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    reaper.watch(folder)
    (folder / ".gitignore").write_text(IGNORE, "utf-8")
    return folder


def is_folder(folder: Path) -> bool:
    """Return whether this is the temporary folder of a race."""
    file = folder / ".gitignore"
    return folder.name.startswith(PREFIX) and file.is_file() and file.read_text("utf-8", "replace") == IGNORE
