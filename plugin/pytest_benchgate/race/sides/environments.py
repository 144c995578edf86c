"""A race between two environments that exist already, or of one environment with itself."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.race.arguments import arguments
from pytest_benchgate.race.building import project
from pytest_benchgate.race.launching.plan import Side
from pytest_benchgate.race.sides.head_tests import modules
from pytest_benchgate.race.sides.sides import SIDES, Sides, SidesError
from pytest_benchgate.race.sides.temporary import make_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.reaper import Reaper

LIST_DISTRIBUTIONS = """
import importlib.metadata as m, json, sys
try:
    import pytest_benchgate, pytest_benchmark, pytest
except ImportError as error:
    sys.exit(f"{error}")
found = {}
for d in m.distributions():
    # The first of a name is the one that is imported.
    if d.name:
        found.setdefault(d.name, [d.version, [str(f) for f in d.files or ()]])
print(json.dumps(found))
"""


def of_environments(config: pytest.Config, race: RaceConfig, files: Sequence[Path], reaper: Reaper) -> Sides:
    """Return the sides of a race over the tests in these files (paths relative to rootdir). Raises SidesError."""
    scratch = make_folder(reaper)
    pythons = (race.base_python or Path(sys.executable), Path(sys.executable))
    base, head = (
        Side(
            name,
            python,
            config.invocation_params.dir,
            arguments(config, config.rootpath, files, scratch / name),
            scratch / name,
        )
        for name, python in zip(SIDES, pythons, strict=True)
    )
    for side in (base, head):
        (scratch / side.name).mkdir()
    if not race.base_python:
        label = "this environment"
        return Sides((base, head), (label, label), _names_here(config), ((), ()), "--race=self", null=True)
    names, notes = _compare(config, pythons)
    return Sides(
        (base, head),
        (str(pythons[0]), str(pythons[1])),
        names,
        ((), ()),
        f"--race-base-python={shlex.quote(str(race.base_python))}",
        notes,
    )


def _compare(config: pytest.Config, pythons: tuple[Path, Path]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the top-level modules of what differs between two environments, and what the user should know of it."""
    base, head = (_distributions(python) for python in pythons)
    differ = sorted(name for name in base.keys() & head.keys() if base[name][0] != head[name][0])
    raced = [*differ, project.name(config.rootpath)]
    names = sorted({name for one in raced for side in (base, head) for name in _top_level(side.get(one, ("", []))[1])})
    # Editable installs have no modules in the environment; those of the source tree are raced.
    if all(name.startswith("__editable__") for name in names):
        names = sorted(modules((config.rootpath,)))
    notes = [f"{name}: {base[name][0]} in base, {head[name][0]} in head" for name in differ]
    return tuple(names), tuple(notes or ["both environments have the same versions of everything"])


def _distributions(python: Path) -> dict[str, tuple[str, list[str]]]:
    """Return the version and the files of each distribution in an environment."""
    command = [str(python), "-P", "-c", LIST_DISTRIBUTIONS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise SidesError(f"--race-base-python: {python} cannot be run: {error}") from error
    if done.returncode:
        raise SidesError(
            f"--race-base-python: {python} lacks what a worker needs: {done.stderr.strip()}; "
            f"install pytest-benchgate, and what the tests import, there: {python} -m pip install pytest-benchgate"
        )
    listed = json.loads(done.stdout)
    return {re.sub(r"[-_.]+", "-", name).lower(): (version, files) for name, (version, files) in listed.items()}


def _top_level(files: Sequence[str]) -> set[str]:
    """Return the top-level modules among the files of a distribution."""
    return {
        Path(file).parts[0].partition(".")[0]
        for file in files
        if file.endswith((".py", ".so")) and not file.startswith("..") and ".dist-info" not in file
    }


def _names_here(config: pytest.Config) -> tuple[str, ...]:
    """Return the top-level modules of the project in this environment."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        if name := project.name(config.rootpath):
            return tuple(sorted(_top_level([str(file) for file in importlib.metadata.files(name) or ()])))
    return ()
