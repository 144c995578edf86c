"""Launches of two sides that each have a build of their own: a module of Python."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_benchgate.race.launching.launch import launch
from pytest_benchgate.race.launching.plan import Plan, Side
from pytest_benchgate.race.launching.results import Counted, Failed, FailureKind, LaunchResult, Timed
from pytest_benchgate.race.reaper import Reaper
from racing import FEW_PLUGINS, PLUGINS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

PLAN = Plan(pairs=7, block_ns=1e6)
FEW = Plan(pairs=1, block_ns=1e4)
SUITE = """
    import os, time, pytest
    import build

    def test_before(benchmark):
        benchmark(lambda: sum(range(1000)))

    def test_broken(benchmark):
        benchmark(build.broken)

    def test_after(benchmark):
        benchmark(lambda: 1)
"""


class Starts(Reaper):
    """A reaper that counts what it starts."""

    count = 0

    def start(self, *args: Any, **options: Any) -> subprocess.Popen[bytes]:
        self.count += 1
        return super().start(*args, **options)


def make_sides(folder: Path, head: str = "", base: str = "", suite: str = SUITE) -> tuple[Side, Side]:
    """Return two sides, in folders with one suite, and a build of their own for each: its source."""
    made = []
    for name, source in (("base", base), ("head", head)):
        own = folder / name
        own.mkdir()
        (own / "test_it.py").write_text(textwrap.dedent(suite))
        (own / "build.py").write_text(textwrap.dedent(source) or "def broken(): return 1\n")
        arguments = ("-p", "no:cacheprovider", *PLUGINS)
        made.append(Side(name, Path(sys.executable), own, arguments, environment=FEW_PLUGINS))
    return made[0], made[1]


def ids(*names: str) -> list[str]:
    return [f"test_it.py::test_{name}" for name in names]


def launched(
    sides: tuple[Side, Side], nodeids: Sequence[str], plan: Plan, reaper: Reaper, seed: int = 1
) -> dict[str, Timed | Failed]:
    """Launch tests, and return the result of each by its id."""
    results = [event for event in launch(sides, nodeids, plan, seed, reaper) if isinstance(event, LaunchResult)]
    assert sorted(result.nodeid for result in results) == sorted(nodeids)
    assert all(result.seconds >= 0 for result in results)
    return {result.nodeid: result.result for result in results if not isinstance(result.result, Counted)}


def raced(sides: tuple[Side, Side], names: str, plan: Plan, reaper: Reaper, seed: int = 1) -> dict[str, Timed | Failed]:
    """Launch the tests with these names, and return the result of each by its name."""
    results = launched(sides, ids(*names.split()), plan, reaper, seed)
    return {nodeid.partition("::test_")[2]: result for nodeid, result in results.items()}


def broken(result: Timed | Failed, side: str, reason: str, kind: FailureKind = FailureKind.FAILED) -> str:
    """Assert that a test has no number, with this side, reason and kind of failure; return the whole reason."""
    assert isinstance(result, Failed), result
    assert (result.side, result.kind) == (side, kind), result
    assert reason in result.reason, result
    return result.reason
