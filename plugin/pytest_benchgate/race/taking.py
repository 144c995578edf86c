"""What keeps a race from taking times is switched off: options of pytest, pytest-benchmark and other plugins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_benchgate.options import NOT_FOR_WORKERS

if TYPE_CHECKING:
    import pytest

# The switch of pytest-codspeed, which takes the place of pytest-benchmark, and the variable of CodSpeed's own runner.
CODSPEED, CODSPEED_ENV = "--codspeed", "CODSPEED_ENV"
# Options, and what they are set to.
TAKE_TIMES: dict[str, Any] = {
    "benchmark_disable": False,
    "benchmark_skip": False,
    "benchmark_enable": True,
    "benchmark_cprofile": None,
    # pytest-xdist: a race has one worker per side.
    "dist": "no",
    "numprocesses": None,
    "tx": [],
    "distload": False,
    # It would import modules of the source tree.
    "doctestmodules": False,
    "durations": None,
    # pytest-benchmark's table and comparisons are of sequential times.
    "benchmark_quiet": True,
    "benchmark_verbose": False,
    "benchmark_autosave": None,
    "benchmark_compare": [],
    "benchmark_compare_fail": [],
    "benchmark_histogram": [],
}
# What the session does itself, and not its workers: select tests, and write reports.
BE_A_WORKER: dict[str, Any] = {
    **{option.name: None for option in NOT_FOR_WORKERS},
    "benchmark_json": None,
    "benchmark_save": None,
    "xmlpath": None,
    "keyword": "",
    "markexpr": "",
    "deselect": None,
    "lf": False,
    "failedfirst": False,
    "stepwise": False,
    "usepdb": False,
    "trace": False,
    "collectonly": False,
}


def take_times(config: pytest.Config, *, as_worker: bool = False) -> None:
    """Set options so that benchmarks are timed, in this process; as a worker, so that nothing else is done."""
    for name, value in {**TAKE_TIMES, **(BE_A_WORKER if as_worker else {})}.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def replace_codspeed(config: pytest.Config) -> None:
    """Let pytest-codspeed take no times; called before it is configured, as it replaces the fixture `benchmark`."""
    if hasattr(config.option, "codspeed"):
        config.option.codspeed = False
    os.environ.pop(CODSPEED_ENV, None)
