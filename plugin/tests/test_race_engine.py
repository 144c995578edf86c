"""A whole race: real workers, a planted slowdown, a null."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race import engine
from pytest_benchgate.race.launch import Failed, Plan, Side, Timed
from pytest_benchgate.race.statistics import Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUITE = """
import os

def work(count):
    return sum(range(count))

def test_null(benchmark):
    benchmark(work, 2000)

def test_slower(benchmark):
    benchmark(work, 2000 + 4000 * int(os.path.exists("slow")))

def test_faster(benchmark):
    benchmark(work, 6000 - 4000 * int(os.path.exists("slow")))

def test_broken(benchmark):
    assert not os.path.exists("slow"), "head is broken"
    benchmark(work, 1)
"""


@pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")
def test_a_planted_slowdown_is_found_and_a_null_is_none(tmp_path: Path) -> None:
    made = []
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_it.py").write_text(SUITE)
        made.append(Side(name, Path(sys.executable), tmp_path / name))
    (tmp_path / "head" / "slow").touch()
    names = ["null", "slower", "faster", "broken"]
    seen = []
    races = engine.run(
        made, [f"test_it.py::test_{name}" for name in names], Rule(races=4, alpha=0.01), Plan(pairs=9, block_ns=1e6),
        seed=1, max_launches=60, budget_s=200, progress=lambda count, races: seen.append((count, len(races))),
    )  # fmt: skip
    found = dict(zip(names, races, strict=True))
    assert found["null"].decision.verdict in {Verdict.SAME, Verdict.UNSURE}  # a loaded machine may need longer
    assert found["slower"].decision.verdict is Verdict.SLOWER
    assert found["faster"].decision.verdict is Verdict.FASTER
    low, high, _ = found["slower"].interval()
    assert 0.5 < low <= high < 1.7  # ln 3 is 1.1
    broken = found["broken"].failed
    assert broken is not None
    assert (broken.side, "head is broken" in broken.reason) == ("head", True)
    assert seen[0] == (1, 4)


def test_only_the_undecided_are_launched_again_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """By scripted launches of 10 s each and a clock that they advance."""
    now = 0.0
    asked: list[list[str]] = []

    def scripted(_sides: Sequence[Side], nodeids: Iterable[str], _plan: Plan, _seed: int) -> dict[str, Timed | Failed]:
        nonlocal now
        now += 10
        asked.append([*nodeids])
        numbers = {"same": 0.0, "slower": 1.0, "unsure": 0.03}
        return {
            nodeid: Failed("base", "gone") if nodeid == "gone" else Timed(numbers[nodeid], (), ())
            for nodeid in asked[-1]
        }

    monkeypatch.setattr(engine, "launch", scripted)

    def race(max_launches: int, budget_s: float) -> dict[str, str]:
        names = ["same", "slower", "unsure", "gone"]
        races = engine.run(
            [], names, Rule(), Plan(), seed=1, max_launches=max_launches, budget_s=budget_s, clock=lambda: now
        )
        return {race.nodeid: race.decision.verdict.value for race in races}

    assert race(100, 1000) == {"same": "same", "slower": "slower", "unsure": "unsure", "gone": "unsure"}
    assert asked[:2] == [["same", "slower", "unsure", "gone"], ["same", "slower", "unsure"]]
    assert asked[3] == ["slower", "unsure"]
    assert asked[-1] == ["unsure"]
    assert len(asked) == 100
    asked.clear()
    race(100, 50)
    assert len(asked) == 5
    asked.clear()
    race(2, 1000)
    assert len(asked) == 2
