"""Shards of a race: each benchmark in exactly one, in whatever order it is collected, and what a merge of them lacks."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate import cli
from pytest_benchgate.race.division import seconds_of
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.reports import race_json, shards
from pytest_benchgate.results import Raced, RaceReport

if TYPE_CHECKING:
    from pathlib import Path

    from racing import Project

SUITE = ("t.py::a", "t.py::b", "t.py::c", "t.py::d")


def raced(nodeid: str) -> Raced:
    return Raced(
        nodeid, nodeid[-1], "t.py", 1, "same", failed=False, threshold=0.03, alarm=4000.0, repeat="pytest --race=b",
        numbers=(0.0,), change=0.0, low=0.0, high=0.0, coverage=0.0,
    )  # fmt: skip


WHOLE = RaceReport(
    "v1 (0123456789)", "the working tree", 0.001, 4, 3, 5.0, tuple(map(raced, SUITE)), True, ("a note",), (1, 1), SUITE,  # noqa: FBT003
    "base-tree", "head-tree", {"race_threshold": 0.03},
)  # fmt: skip


def part(one: int, many: int, **changes: Any) -> RaceReport:
    kept = tuple(map(raced, SUITE[one - 1 :: many]))
    return dataclasses.replace(WHOLE, **{"shard": (one, many), "raced": kept, **changes})


def report(tmp_path: Path, *reports: RaceReport, lacking: tuple[str, ...] = ()) -> int:
    """Return the exit status of the command over these files, without the fields that older ones lack."""
    files = []
    for number, one in enumerate(reports):
        data = {name: value for name, value in race_json.render(one, {}).items() if name not in lacking}
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(data), "utf-8")
    return cli.main(["report", *map(str, files)])


def test_all_shards_are_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    merged, problems = shards.merge([part(2, 2, notes=("a note", "another")), part(1, 2)])
    assert (problems, merged.complete, merged.shard, merged.launches, merged.seconds) == ([], True, None, 6, 10.0)
    assert {one.nodeid for one in merged.raced} == {*SUITE}
    assert merged.notes == ("a note", "another")
    assert report(tmp_path, part(2, 2), part(1, 2)) == 0
    assert report(tmp_path, WHOLE) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "4 same: the working tree against v1 (0123456789)\n" in printed.out


@pytest.mark.parametrize(
    ("reports", "words"),
    [
        ([part(1, 4)], ["of 4 shards, these are missing: 2, 3, 4", "3 of 4 benchmarks are missing: t.py::b, t.py::c, t.py::d"]),
        ([part(1, 3), part(3, 3)], ["of 3 shards, these are missing: 2", "1 of 4 benchmarks are missing: t.py::b"]),
        ([part(1, 2), part(2, 2), part(1, 2)], ["shard 1/2 is present 2 times", "raced more than once: t.py::a, t.py::c"]),
        ([part(1, 2), part(2, 2, raced=(raced("t.py::d"),), complete=False)],
         ["shard 2/2 was interrupted: not all of its races are over", "1 of 4 benchmarks are missing: t.py::b"]),
        ([part(1, 2), part(2, 2, raced=(raced("t.py::b"), raced("t.py::e")))],
         ["not in the suite: t.py::e", "1 of 4 benchmarks are missing: t.py::d"]),
        ([dataclasses.replace(WHOLE, raced=WHOLE.raced[:3], complete=False)],
         ["shard 1/1 was interrupted: not all of its races are over", "1 of 4 benchmarks are missing: t.py::d"]),
    ],
)  # fmt: skip
def test_a_part_is_reported_and_fails(
    reports: list[RaceReport], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(tmp_path, *reports) == 1
    printed = capsys.readouterr()
    assert [line.removeprefix("pytest-benchgate: error: ") for line in printed.err.splitlines()] == words
    assert " same (incomplete: not all races are over): " in printed.out


def test_benchmarks_of_older_files_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lacking = ("shard", "suite", "base_tree", "head_tree", "settings")
    assert report(tmp_path, part(1, 4), lacking=lacking) == 1
    assert capsys.readouterr().err == "pytest-benchgate: error: 3 of 4 benchmarks are missing\n"
    assert report(tmp_path, part(1, 2), part(2, 2), lacking=lacking) == 0
    assert report(tmp_path, part(1, 2), part(1, 2), lacking=lacking) == 1
    assert "raced more than once: t.py::a, t.py::c" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_tree": "x"}, "base's tree: base-tree in file 1, x in file 2"),
        ({"head_tree": "x"}, "head's tree: head-tree in file 1, x in file 2"),
        ({"base_tree": "", "base": "v2"}, "base: v1 (0123456789) in file 1, v2 in file 2"),
        ({"alpha": 0.1}, "alpha: 0.001 in file 1, 0.1 in file 2"),
        ({"races": 5}, "races: 4 in file 1, 5 in file 2"),
        ({"settings": {"race_threshold": 0.5}}, "race_threshold: 0.03 in file 1, 0.5 in file 2"),
        ({"settings": {}}, "race_threshold: 0.03 in file 1, None in file 2"),
        ({"shard": (2, 3)}, "the number of shards: 2 in file 1, 3 in file 2"),
        ({"suite": ("t.py::a", "t.py::b", "t.py::c", "t.py::e")},
         "only the suite of file 1 has t.py::d; only the suite of file 2 has t.py::e"),
    ],
)  # fmt: skip
def test_parts_of_different_races_are_not_merged(
    changes: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(part(2, 2), **changes)
    assert report(tmp_path, part(1, 2), other) == 2
    printed = capsys.readouterr()
    assert printed.err == f"pytest-benchgate: the files are not shards of one race: {words}\n"
    assert printed.out == ""


def test_the_same_trees_under_other_names_are_one_race() -> None:
    _, problems = shards.merge([part(1, 2), part(2, 2, base="main... (0123456789)", head="the working tree (abc)")])
    assert problems == []


def test_a_long_list_of_benchmarks_is_cut() -> None:
    suite = tuple(f"t.py::t{number:02}" for number in range(14))
    _, (line,) = shards.merge([dataclasses.replace(WHOLE, races=14, suite=suite, raced=(raced("t.py::t13"),))])
    assert line.startswith("13 of 14 benchmarks are missing: t.py::t00, ")
    assert line.endswith("t.py::t09 and 3 more")


SHUFFLED = """
import random
def pytest_collection_modifyitems(items):
    random.SystemRandom().shuffle(items)
"""
SETS = """
import pytest
@pytest.mark.parametrize("name", set("abcdefgh"))
def test_set(benchmark, name):
    benchmark(str.upper, name)
"""


@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_each_benchmark_is_in_one_shard_in_whatever_order_it_is_collected(plain: Project) -> None:
    """The order of a set of strings is another in each process; a conftest.py, as plugins do, shuffles besides."""
    plain.write(**{"tests/test_calc.py": SETS, "tests/conftest.py": SHUFFLED})
    found = []
    for number in range(1, 4):
        run = plain.run("--race=self", f"--race-shard={number}/3", "--collect-only", "-q")
        found += [line for line in run.text.splitlines() if "::" in line]
    assert sorted(found) == [f"tests/test_calc.py::test_set[{name}]" for name in "abcdefgh"]


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_a_shard_without_benchmarks_passes_and_is_written(plain: Project) -> None:
    runs = [plain.race("self", f"--race-shard={number}/2") for number in (1, 2)]
    assert [run.returncode for run in runs] == [0, 0]
    assert [len(run.race["raced"]) for run in runs] == [1, 0]
    assert "nothing decided: this environment against this environment, shard 2 of 2" in runs[1].text
    assert shards.merge([race_json.read(run.race) for run in runs])[1] == []
    assert len(shards.merge([race_json.read(runs[1].race)])[1]) == 2


@pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
def test_a_race_that_fails_to_start_leaves_no_older_results(kern: Project) -> None:
    kern.json.write_text(json.dumps(race_json.render(WHOLE, {})), "utf-8")
    kern.write(**{"kern/_kern.c": "#error no\n"})
    session = kern.start("--race=HEAD")
    session.communicate()
    assert session.returncode == ExitStatus.NOT_BUILT
    assert kern.json.read_text("utf-8") == ""


def test_of_several_earlier_races_the_longest_counts(tmp_path: Path) -> None:
    for name, seconds in (("first", 5.0), ("second", 9.0), ("third", 7.0)):
        one = dataclasses.replace(raced("t.py::a"), seconds=seconds)
        content = race_json.render(dataclasses.replace(WHOLE, raced=(one,)), {})
        (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    assert seconds_of(tmp_path) == {"t.py::a": 9.0}
    assert seconds_of(tmp_path / "third.json") == {"t.py::a": 7.0}
    (tmp_path / "zero.json").write_text("", "utf-8")
    with pytest.raises(ValueError, match=r"zero\.json is not valid JSON"):
        seconds_of(tmp_path)
