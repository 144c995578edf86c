"""What the workers' pytest gets of the session's own options."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from pytest_benchgate.options import NOT_FOR_WORKERS
from pytest_benchgate.race.taking import CODSPEED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from pytest_benchgate.options import RaceConfig

# Each side has its own.
PLACES = {"--rootdir", "-c", "--config-file", "--basetemp"}
# pytest-benchmark 5.2 empties the file of --benchmark-json as soon as it sees the option.
REPORTS = {"--junitxml", "--junit-xml", "--benchmark-json", "--benchmark-save"}
SELECTION = {"-k", "-m", "--deselect", "--durations"}
# An argument after one of these is its value, not the path of tests.
VALUED = PLACES | REPORTS | SELECTION | {"-p", "-o", "-W", "-n"}
SELECTING = ("-k", "-m", "--deselect", "--ignore", "--ignore-glob", "-o", "--override-ini", "-p", "-W")
OURS = {option.flag for option in NOT_FOR_WORKERS}
SWITCHES = {option.flag for option in NOT_FOR_WORKERS if option.is_switch} | {CODSPEED}
NOT_GIVEN = PLACES | REPORTS | OURS | {CODSPEED}


def arguments(config: pytest.Config, root: Path, files: Sequence[Path], temporary: Path) -> tuple[str, ...]:
    """Return what a worker's pytest gets: the session's own options, over these files, in this root."""
    options = [*config.getini("addopts"), *shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *_given(config)]
    own = [*_places(config, root, temporary), "-oaddopts=", *_configuration(config, root)]
    return (*_without(options, NOT_GIVEN), *own, *(str(root / file) for file in files))


def own_arguments(
    config: pytest.Config, root: Path, places: Sequence[Path], temporary: Path, *, known_only: bool = False
) -> tuple[str, ...]:
    """Return what a worker's pytest gets that goes by the configuration of its own tree: the command line's options.

    With known_only, without those that this tree's conftest.py may not know.
    """
    given = _without([*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *_given(config)], NOT_GIVEN)
    options = [
        one.replace(f"{config.rootpath}/", f"{root}/") if one.startswith("--ignore") else one
        for one in (_only(given, SELECTING) if known_only else given)
    ]
    own = [*_places(config, root, temporary), *(_configuration(config, root) if config.option.inifilename else ())]
    return (*options, *own, *map(str, places))


def _only(options: Sequence[str], names: tuple[str, ...]) -> list[str]:
    """Return these options with their values, which stand after "=", at once after a short name, or next."""
    kept: list[str] = []
    value_next = False
    for option in options:
        short = option[:2] in names and not option.startswith("--")
        if value_next or short or option.partition("=")[0] in names:
            kept.append(option)
            value_next = not value_next and option in names
    return kept


def _places(config: pytest.Config, root: Path, temporary: Path) -> list[str]:
    """Return the options for what each worker has a place of its own for, and what it must not do there."""
    own = [f"--rootdir={root}", f"--basetemp={temporary / 'base'}"]
    if config.pluginmanager.hasplugin("cacheprovider"):
        own.append(f"-ocache_dir={temporary / 'cache'}")
    return own


def _configuration(config: pytest.Config, root: Path) -> list[str]:
    """Return the option for the session's configuration file, as it is in this root."""
    if config.inipath and config.inipath.is_relative_to(config.rootpath):
        place = root / config.inipath.relative_to(config.rootpath)
        return [f"--config-file={place}"] if place.is_file() else []
    return []


def repeat(config: pytest.Config, race: RaceConfig, base: str, nodeid: str, more: Sequence[str] = ()) -> str:
    """Return the command that races one test, from the session's folder, with the option that says what base is."""
    options = [*without_output(config), *race.arguments(), *more]
    command = shlex.join(["pytest", "--benchmark-only", *options])
    return f"{command} {base} {shlex.quote(from_here(config, nodeid))}"


def from_here(config: pytest.Config, nodeid: str) -> str:
    """Return a test's id for the command line of the folder in which the session was started."""
    file, colons, name = nodeid.partition("::")
    return f"{os.path.relpath(config.rootpath / file, config.invocation_params.dir)}{colons}{name}"


def without_output(config: pytest.Config) -> list[str]:
    """Return the session's own options, without what selects tests, sets the race or writes reports."""
    kept = _without(_given(config), REPORTS | SELECTION | OURS)
    return [one for one in kept if not re.fullmatch(r"-[qvx]+|--benchmark-(only|autosave|quiet|verbose)", one)]


def _given(config: pytest.Config) -> list[str]:
    """Return the options of the command line, without the places of tests."""
    given = [str(one) for one in config.invocation_params.args]
    # Not known_args_namespace: what follows an option of a conftest.py is no place, which is known only by now.
    for place in config.option.file_or_dir:
        for index, one in enumerate(given):
            if one == place and not (index and given[index - 1] in VALUED):
                del given[index]
                break
    return given


def _without(options: Sequence[str], names: set[str]) -> list[str]:
    """Return options without these and their values, which stand after "=" or are the next argument."""
    kept, skip = [], False
    for option in options:
        name, given, _ = option.partition("=")
        if skip and not option.startswith("-"):
            skip = False
        elif name in names:
            skip = not given and name not in SWITCHES
        else:
            skip = False
            kept.append(option)
    return kept
