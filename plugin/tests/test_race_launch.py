"""A launch: both sides started, pairs timed; what goes wrong costs its test, with the reason and the side."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.launch import Failed, Plan, Side, Timed, launch

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")
PLAN = Plan(pairs=15, block_ns=1e6)
SUITE = """
    import os, time, pytest
    import build

    def test_same(benchmark):
        benchmark(lambda: sum(range(1000)))

    def test_slower(benchmark):
        benchmark(lambda: sum(range(1000 * build.FACTOR)))

    def test_broken(benchmark):
        benchmark(build.broken)

    def test_after(benchmark):
        benchmark(lambda: 1)
"""


@pytest.fixture
def sides(tmp_path: Path) -> Callable[..., tuple[Side, Side]]:
    """Give sides(broken=...): two folders with one suite, and a build of their own; head's `broken` is as given."""

    def make(broken: str = "return 1", factor: int = 3) -> tuple[Side, Side]:
        made = []
        for name, number, body in (("base", 1, "return 1"), ("head", factor, broken)):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "test_it.py").write_text("\n".join(line[4:] for line in SUITE.splitlines()))
            (folder / "build.py").write_text(f"import os, time, sys\nFACTOR = {number}\ndef broken():\n    {body}\n")
            made.append(Side(name, Path(sys.executable), folder))
        return made[0], made[1]

    return make


def ids(*names: str) -> list[str]:
    return [f"test_it.py::test_{name}" for name in names]


def test_the_number_is_the_log_of_head_over_base(sides: Callable[..., tuple[Side, Side]]) -> None:
    found = launch(sides(), ids("slower", "same"), PLAN, seed=1)
    slower, same = found[ids("slower")[0]], found[ids("same")[0]]
    assert isinstance(slower, Timed)
    assert isinstance(same, Timed)
    assert math.log(2) < slower.number < math.log(4.5)
    assert abs(same.number) < math.log(1.5)
    assert len(slower.base_ns) == len(slower.head_ns) == 15


BREAKS = {
    "crash": ("os.abort()", "the worker died (signal SIGABRT)"),
    "exit": ("print('last words', flush=True); os._exit(3)", "the worker died (exit status 3)"),
    "hang": ("time.sleep(60)", "no answer within 2 s: it hangs"),
    "error": ("raise OSError('no good')", "OSError: no good"),
    "later": ("build.n = getattr(build, 'n', 0) + 1; assert build.n < 4", "AssertionError"),
}


@pytest.mark.parametrize(("body", "reason"), BREAKS.values(), ids=BREAKS.keys())
def test_what_breaks_costs_its_test_only(sides: Callable[..., tuple[Side, Side]], body: str, reason: str) -> None:
    plan = Plan(pairs=3, block_ns=1e5, limit_s=2)
    found = launch(sides(f"import build; {body}; return 1"), ids("same", "broken", "after"), plan, seed=2)
    broken = found[ids("broken")[0]]
    assert isinstance(broken, Failed)
    assert broken.side == "head"
    assert reason in broken.reason
    assert all(isinstance(found[nodeid], Timed) for nodeid in ids("same", "after"))
    if "last words" in body:
        assert "exit status 3" in broken.reason


def test_a_test_that_one_side_lacks_is_said(sides: Callable[..., tuple[Side, Side]]) -> None:
    base, head = sides()
    (base.folder / "test_it.py").write_text("def test_other(benchmark): benchmark(lambda: 1)")
    found = launch((base, head), ids("same"), PLAN, seed=3)
    assert found[ids("same")[0]] == Failed("base", "there is no such test")


def test_a_side_that_cannot_be_imported_fails_every_test_with_its_words(
    sides: Callable[..., tuple[Side, Side]],
) -> None:
    base, head = sides()
    (head.folder / "build.py").write_text("raise ImportError('undefined symbol: fast')")
    found = launch((base, head), ids("same", "after"), PLAN, seed=4)
    for nodeid in ids("same", "after"):
        failed = found[nodeid]
        assert isinstance(failed, Failed)
        assert failed.side == "head"
        assert "undefined symbol: fast" in failed.reason or "no such test" in failed.reason


def test_both_sides_hash_alike_and_each_launch_differently(sides: Callable[..., tuple[Side, Side]]) -> None:
    both = sides()
    for side in both:
        (side.folder / "build.py").write_text("def broken():\n    open('hash', 'w').write(str(hash('text')))\n")
    seen = []
    for seed in (1, 2):
        launch(both, ids("broken"), Plan(pairs=1, block_ns=1), seed=seed)
        hashes = {(side.folder / "hash").read_text() for side in both}
        assert len(hashes) == 1
        seen.append(hashes.pop())
    assert seen[0] != seen[1]


def test_no_process_is_left_behind(sides: Callable[..., tuple[Side, Side]], tmp_path: Path) -> None:
    launch(sides("time.sleep(60)"), ids("broken", "same"), Plan(pairs=1, block_ns=1, limit_s=1), seed=5)
    if Path("/proc").is_dir():
        alive = [path.parent.name for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, tmp_path)]
        assert not alive


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder)
    except OSError:
        return False
