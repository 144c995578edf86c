"""Read what an untrusted job, which ran the code of a pull request, has handed over: the JSON of a race.

Every field is checked, as in any race's JSON; before that, the kind, number and size of the files. They must not keep
the job that reads them busy, nor make it read anything else.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pytest_benchgate import reading
from pytest_benchgate.reports import race_json, shards

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchgate.results import RaceReport

# Files of one race, and bytes of all of them.
MOST_FILES, MOST_BYTES = 256, 2**25


class Invalid(ValueError):
    """What was handed over is not the JSON of one race."""


def read(folder: Path) -> tuple[RaceReport | None, list[str]]:
    """Return the race in the JSON files of a folder, and what is missing from it; None where there is no file.

    A race that could not begin leaves an empty file, which counts as none. Raises Invalid, or OSError for the folder.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    if len(paths) > MOST_FILES:
        raise Invalid(f"{folder} has {len(paths)} JSON files; a race has at most {MOST_FILES}")
    sizes = {path: _size(path) for path in paths}
    if (total := sum(sizes.values())) > MOST_BYTES:
        raise Invalid(f"the files in {folder} have {total} bytes; a race has at most {MOST_BYTES}")
    reports = [_race(path) for path, size in sizes.items() if size]
    if not reports:
        return None, []
    try:
        merged, problems = shards.merge(reports)
    except ValueError as error:
        raise Invalid(str(error)) from error
    problems += [f"{path.name} is empty: its race could not begin" for path, size in sizes.items() if not size]
    return merged, problems


def _size(path: Path) -> int:
    """Return the size of a regular file: a link would lead to a file of this machine."""
    state = os.lstat(path)
    if not stat.S_ISREG(state.st_mode):
        raise Invalid(f"{path} is not a regular file")
    return state.st_size


def _race(path: Path) -> RaceReport:
    try:
        return race_json.read(reading.load(path))
    except ValueError as error:
        raise Invalid(f"{path} {error}") from error
