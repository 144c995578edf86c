"""A plugin of a worker, loaded after it: the settings, the benchmarks and their markers in the worker's own tree."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_benchgate import options

FILE = "listing.json"  # in the worker's folder for temporary files
SELECTION = ("keyword", "markexpr", "deselect")  # a worker takes them back, for the session has selected its tests
KEPT = pytest.StashKey[dict[str, Any]]()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Race nothing, whatever the tree's addopts say."""
    config.option.race = config.option.race_base_python = None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep what selects tests; called before the worker's own hook, as it was registered later."""
    config.stash[KEPT] = {name: getattr(config.option, name) for name in SELECTION if hasattr(config.option, name)}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Select as this tree's own configuration, and the command line, would."""
    for name, value in session.config.stash[KEPT].items():
        setattr(session.config.option, name, value)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write it all to a file."""
    accepted = options.RACE_OPTIONS["accepted_file"].value(session.config)
    told: dict[str, Any] = {"settings": {}, "accepted": accepted, "notes": []}
    try:
        told["settings"] = options.settings(session.config)
    except pytest.UsageError as error:
        told["notes"].append(f"base's own settings are not valid, and the defaults count: {error}")
    told["benchmarks"] = {
        item.nodeid: {"name": item.name, "line": (item.reportinfo()[1] or 0) + 1, "marks": _marks(item)}
        for item in session.items
        if "benchmark" in getattr(item, "fixturenames", ())
    }
    (Path(os.environ["TMPDIR"]) / FILE).write_text(json.dumps(told), "utf-8")


def _marks(item: pytest.Item) -> dict[str, Any]:
    try:
        return options.marks(item)
    except pytest.UsageError:  # base's own; head may have put it right
        return {}
