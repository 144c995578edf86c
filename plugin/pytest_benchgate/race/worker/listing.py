"""A plugin of a worker, loaded after it: lists the settings, benchmarks and markers of the worker's own tree."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_benchgate import options, reading

# In the worker's folder for temporary files.
FILE = "listing.json"
# What a worker resets, because the session has selected its tests; here the tree's own selection counts.
SELECTION = ("keyword", "markexpr", "deselect")
KEPT = pytest.StashKey[dict[str, Any]]()


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its name, its line, and the settings that its markers have."""

    name: str
    line: int
    marks: dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """The content of the file.

    Attributes
    ----------
    settings : dict[str, Any]
        The session's, by their fields in RaceConfig; empty if they are not valid.
    accepted : str
        The name of the file of accepted slowdowns.
    benchmarks : dict[str, Benchmark]
        By their ids.
    notes : tuple[str, ...]
        What the user should know.

    """

    settings: dict[str, Any]
    accepted: str
    benchmarks: dict[str, Benchmark]
    notes: tuple[str, ...] = ()


def read(folder: Path) -> Listing:
    """Return what a worker with this folder for temporary files has listed."""
    return reading.into(Listing, json.loads((folder / FILE).read_text("utf-8")))


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Race nothing, whatever the tree's addopts say."""
    config.option.race = config.option.race_base_python = None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the selection; called before the worker's own hook, because this plugin was registered later."""
    config.stash[KEPT] = {name: getattr(config.option, name) for name in SELECTION if hasattr(config.option, name)}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Select by this tree's own configuration and the command line."""
    for name, value in session.config.stash[KEPT].items():
        setattr(session.config.option, name, value)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the listing."""
    values: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    try:
        values = options.settings(session.config)
    except pytest.UsageError as error:
        notes = (f"base's own settings are not valid, and the defaults count: {error}",)
    benchmarks = {
        item.nodeid: Benchmark(item.name, (item.reportinfo()[1] or 0) + 1, _marks(item))
        for item in session.items
        if "benchmark" in getattr(item, "fixturenames", ())
    }
    listing = Listing(values, options.RACE_OPTIONS["accepted_file"].value(session.config), benchmarks, notes)
    (Path(os.environ["TMPDIR"]) / FILE).write_text(json.dumps(dataclasses.asdict(listing)), "utf-8")


def _marks(item: pytest.Item) -> dict[str, Any]:
    try:
        return options.marks(item)
    except pytest.UsageError:
        # Of base's own marker, which head may have corrected.
        return {}
