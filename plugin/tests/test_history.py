"""pytest-benchgate history: chains, gaps, steps, files in folders and on branches, and what is reported of them."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import histories
import pytest
from histories import commit_id, of_series, series, write
from hostile import HOSTILE
from pytest_benchgate import cli
from pytest_benchgate.history import record, store, words
from pytest_benchgate.history.chain import Link, chain
from pytest_benchgate.history.curves import curves
from pytest_benchgate.history.drift import DriftRule, Race
from pytest_benchgate.history.record import Record
from pytest_benchgate.reports import race_json
from racing import PLAIN, SLOW_CALC
from test_damage import damaged, mutated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_benchgate.history.results import History
    from racing import Project

FLAT = Race((0.001, -0.001, 0.0))
ABSENT = Race(())


def built(benchmarks: dict[str, list[Race]], **changes: Any) -> History:
    """Return the history of these races."""
    return curves([Link(one) for one in of_series(benchmarks)], DriftRule(**changes))


def raced(*edges: tuple[int, int]) -> dict[str, Record]:
    """Return records of races of a commit against an earlier one, by their numbers."""
    records = [
        Record(commit_id(base), histories.commit(head), 0.03, False, ("t.py::a",), (1,), (head,))  # noqa: FBT003
        for base, head in edges
    ]
    return {one.commit.id: one for one in records}


def numbers(links: Sequence[Link]) -> list[int | str]:
    """Return the numbers of a chain's commits, with - before those that follow a gap."""
    return [f"-{link.record.numbers[0]}" if link.after_gap else link.record.numbers[0] for link in links]


LINE = [commit_id(number) for number in range(10)]


@pytest.mark.parametrize(
    ("edges", "with_line", "without"),
    [
        ([(0, 1), (1, 2), (2, 3)], [1, 2, 3], [1, 2, 3]),
        # Commits that were not raced by themselves, as of a push of several: no gap.
        ([(0, 2), (2, 5), (5, 6)], [2, 5, 6], [2, 5, 6]),
        # A race is missing.
        ([(0, 1), (2, 3), (3, 4)], [1, "-3", 4], [1, "-3", 4]),
        ([(0, 1), (1, 2), (7, 8), (5, 6)], [1, 2, "-6", "-8"], [1, 2, "-6", "-8"]),
        # A race against an older one stands beside the chain.
        ([(0, 1), (1, 2), (2, 3), (0, 4)], [4], [1, 2, 3, "-4"]),
        ([(4, 5)], [5], [5]),
        ([], [], []),
    ],
)
def test_races_form_a_chain(edges: list[tuple[int, int]], with_line: list[int | str], without: list[int | str]) -> None:
    records = raced(*edges)
    assert numbers(chain(records, LINE)) == with_line
    assert numbers(chain(records)) == without
    # In a shallow clone, which has the newest commits only, dates order the others.
    assert numbers(chain(dict(reversed(records.items())), LINE[-2:], whole=False)) == without


def test_other_branches_are_left_out_of_a_chain() -> None:
    """11 and 12 are commits of a branch that leaves after 1; a merge counts by its first parent."""
    records = raced((0, 1), (1, 2), (1, 11), (11, 12), (2, 3))
    assert numbers(chain(records, LINE)) == [1, 2, 3]
    assert numbers(chain(raced((0, 1), (1, 11), (2, 3)), LINE)) == [1, "-3"]


def test_a_chain_that_leads_in_a_circle_ends() -> None:
    assert numbers(chain(raced((2, 1), (1, 2)))) in ([1, 2], [2, 1])
    assert numbers(chain(raced((1, 1)))) == [1]


def test_levels_are_sums_of_medians_and_gaps_are_gaps() -> None:
    up = Race((0.02, 0.01, 0.05))
    history = built({"whole": [up, FLAT, up, FLAT], "late": [ABSENT, up, ABSENT, up]})
    whole, late = sorted(history.curves, key=lambda curve: curve.nodeid, reverse=True)
    assert whole.levels.tolist() == pytest.approx([0.02, 0.02, 0.04, 0.04])
    assert late.levels.tolist() == pytest.approx([math.nan, 0.02, math.nan, 0.04], nan_ok=True)
    assert (whole.gaps, late.gaps, late.races) == ((), (2,), 2)
    assert late.whole.change == pytest.approx(0.04)
    assert late.whole.low < 0.04 < late.whole.high


@pytest.mark.parametrize("noise", histories.NOISES)
def test_the_interval_of_a_chain_covers_its_change(noise: str) -> None:
    """In at least 90 of 100 of histories of 5 and of 60 commits; outliers only widen it."""
    for count in (5, 60):
        held = 0
        for seed in range(150):
            (curve,) = built({"a": series(noise, [0.0] * count, seed)}).curves
            held += curve.whole.low <= 0 <= curve.whole.high
        assert held >= 0.9 * 150


def test_single_launches_and_counts_have_no_interval() -> None:
    (curve,) = built({"a": [Race((0.01,))] * 3}).curves
    assert math.isnan(curve.whole.low)
    assert words.row(curve)[2:4] == ("+3.0 %", "")
    assert words.to_json(built({"a": [Race((0.01,))]}))["curves"][0]["lows"] == [None]


def test_steps_are_marked_and_no_drift() -> None:
    slow, fast = Race((0.1,) * 14, seen=True), Race((-0.1,) * 8)
    races = [*[FLAT] * 5, slow, *[FLAT] * 5]
    links = [Link(one) for one in of_series({"a": races, "b": [FLAT] * 11})]
    links[8] = Link(dataclasses.replace(links[8].record, verdicts={"b": "faster", "c": "error"}))
    history = curves(links, DriftRule())
    assert [(curve.nodeid, [(step.index, step.verdict) for step in curve.steps]) for curve in history.curves] == [
        ("a", [(5, "slower")]),
        ("b", [(8, "faster")]),
    ]
    text = words.to_text(history)
    assert "slower: a: +10.5 % by " in text
    assert "Jane Doe: Change 6\n" in text
    assert "note: c was never raced: error\n" in text
    assert "0 drifted of 2 benchmarks: 11 commits from " in text
    assert not [curve for curve in built({"a": [*[FLAT] * 5, slow, *[FLAT] * 5, fast]}).curves if curve.drifts]


def test_a_drift_that_a_later_commit_takes_back_is_no_longer_reported() -> None:
    up, down = Race((0.004,) * 3), Race((-0.12,) * 8)
    (curve,) = built({"a": [*[up] * 30, *[FLAT] * 5]}).curves
    assert [(one.first, one.last, one.undone) for one in curve.drifts] == [(0, 29, False)]
    links = [Link(one) for one in of_series({"a": [*[up] * 30, down, *[FLAT] * 5]})]
    links[30] = Link(dataclasses.replace(links[30].record, verdicts={"a": "faster"}))
    (curve,) = curves(links, DriftRule()).curves
    assert [(one.first, one.undone) for one in curve.drifts] == [(0, True)]
    assert curve.drifted == ()


RACE: dict[str, Any] = {
    "kind": "pytest-benchgate race", "schema": 1, "machine": {}, "base": "b", "head": "h", "alpha": 0.001, "races": 2,
    "launches": 3, "seconds": 4.0, "complete": True, "notes": [], "settings": {"race_threshold": 0.05},
    "base_commit": commit_id(0), "head_commit": dataclasses.asdict(histories.commit(1)), "base_tree": "1", "head_tree": "2",
    "shard": [1, 1], "raced": [
        {"nodeid": "t.py::a", "name": "a", "path": "t.py", "line": 1, "verdict": "same", "failed": False, "threshold": 0.05,
         "alarm": 1.0, "repeat": "", "numbers": [0.01, -0.02, 0.1234567], "change": 0.01, "low": 0.0, "high": 0.1,
         "coverage": 0.5, "evidence": 1.0, "pairs": 3, "seconds": 1.0, "base_s": 1.0, "head_s": 1.0, "side": "",
         "reason": "", "visible": None},
        {"nodeid": "t.py::b", "name": "b", "path": "t.py", "line": 1, "verdict": "error", "failed": True, "threshold": 0.05,
         "alarm": 1.0, "repeat": "", "numbers": [], "change": None, "low": None, "high": None, "coverage": None,
         "evidence": 1.0, "pairs": 0, "seconds": 1.0, "base_s": None, "head_s": None, "side": "head", "reason": "no",
         "visible": None},
    ],
}  # fmt: skip


def test_a_record_has_what_a_chain_needs_of_a_race() -> None:
    one = record.of_race(race_json.read(RACE))
    assert (one.base, one.commit, one.threshold) == (commit_id(0), histories.commit(1), 0.05)
    assert (one.benchmarks, one.launches, one.numbers) == (("t.py::a",), (3,), (1000, -2000, 12346))
    assert one.verdicts == {"t.py::b": "error"}
    assert record.read(json.loads(record.render(one))) == one
    for settings, threshold in (({"race_threshold": None}, 0.03), ({"race_threshold": "x"}, 0.03), ({}, 0.03),
                                ({"race_count": True, "race_count_threshold": 0.01, "race_threshold": 0.05}, 0.01)):  # fmt: skip
        assert record.of_race(race_json.read({**RACE, "settings": settings})).threshold == threshold


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"head_commit": None}, "does not say which commits were raced"),
        ({"base_commit": ""}, "does not say which commits were raced"),
        ({"relinked": True}, "is not of a race between two commits"),
        ({"claims": True}, "is not of a race between two commits"),
        ({"raced": RACE["raced"] * 2}, "has two races of 't.py::a'"),
    ],
)
def test_races_without_a_place_in_a_chain_are_refused(
    changes: dict[str, Any], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "race.json"
    path.write_text(json.dumps({**RACE, **changes}), "utf-8")
    assert cli.main(["history", str(tmp_path / "kept"), "--add", str(path)]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


GOOD = json.loads(record.render(record.of_race(race_json.read(RACE))))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 2}, "is not a pytest-benchgate history of schema 1"),
        ({"base": "../../x"}, "field base: expected the id of a commit"),
        ({"commit": {**GOOD["commit"], "id": "0123"}}, "field commit.id: expected the id of a commit"),
        ({"numbers": [1, 2, True]}, "field numbers[2]: expected an integer, got true"),
        ({"numbers": [1, 2, 3.0]}, "field numbers[2]: expected an integer, got 3.0"),
        ({"numbers": [1, 2, 10**9]}, "field numbers: expected integers from -10000000 to 10000000"),
        ({"numbers": [1, 2]}, "do not fit together"),
        ({"launches": [0]}, "field launches: expected integers from 1"),
        ({"launches": [3, 3]}, "do not fit together"),
        ({"benchmarks": "a"}, "field benchmarks: expected a list"),
        ({"benchmarks": [None]}, "field benchmarks[0]: expected a string"),
        ({"verdicts": {"x": "best"}}, "expected one of slower"),
        ({"threshold": "3"}, "field threshold: expected a number"),
    ],
)
def test_a_damaged_record_is_refused_by_field_and_value(
    changes: dict[str, Any], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(json.dumps({**GOOD, **changes}), "utf-8")
    assert cli.main(["history", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}/a.json" in error
    assert reason in error
    for name in changes.keys() - {"schema"}:
        (tmp_path / "a.json").write_text(
            json.dumps({key: value for key, value in GOOD.items() if key != name}), "utf-8"
        )
        assert cli.main(["history", str(tmp_path)]) == 2
        assert f"lacks what schema 1 has: field {name} is missing" in capsys.readouterr().err


@pytest.mark.parametrize("data", [RACE, GOOD], ids=["race", "record"])
@pytest.mark.parametrize("files", [200, pytest.param(1500, marks=pytest.mark.thorough)])
def test_no_damage_is_a_traceback(data: Any, files: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(21)
    ends: set[int] = set()
    for number in range(files):
        content = json.dumps(mutated(data, draw)).encode("utf-8", "surrogatepass")
        (tmp_path / "a.json").write_bytes(damaged(content, draw) if number % 4 == 0 else content)
        end = cli.main(["history", str(tmp_path), *[["--markdown"], ["--json", str(tmp_path / "out")], []][number % 3]])
        told = capsys.readouterr()
        ends.add(end)
        assert end in {0, 1, 2}
        assert bool(told.err) == (end == 2)
        assert not any(char in told.out + told.err for char in "\x1b\r\x07\ud800")
        assert "<script" not in told.out or number % 3
    assert ends >= {0, 2}


def test_hostile_text_in_every_field_breaks_no_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of names, authors, subjects and dates; one benchmark and one commit for each."""
    up = [Race((0.004,) * 3)] * len(HOSTILE)
    folder, out = tmp_path / "h", tmp_path / "out.json"
    folder.mkdir()
    for one, text in zip(of_series({f"{text} ": up for text in HOSTILE.values()}), HOSTILE.values(), strict=True):
        commit = dataclasses.replace(one.commit, author=text, subject=text, date=text)
        step = {f"{text} ": "slower"}
        changed = dataclasses.replace(one, commit=commit, verdicts=step)
        (folder / f"{commit.id}.json").write_text(record.render(changed), "utf-8")
    for options in ([], ["--markdown"]):
        assert cli.main(["history", str(folder), "--json", str(out), *options]) == 1
        told = capsys.readouterr().out
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\u2066\ud800-\udfff]", told)
        assert not [line for line in told.splitlines() if line.startswith("::")]
        assert max(len(line) for line in told.splitlines() if not line.startswith("    pytest ")) < 8000
        assert not (options and re.search(r"<(?!code>|/code>|pre>|/pre>)", told))
        assert {curve["nodeid"] for curve in json.loads(out.read_text("utf-8"))["curves"]} >= {
            f"{text} " for text in HOSTILE.values()
        }
    rows = [line for line in told.splitlines() if line.startswith("| <code>")]
    assert len(rows) == len({*HOSTILE.values()})
    assert {line.count("|") for line in rows} == {7}


def plant(folder: Path) -> Path:
    drifting = [*[FLAT] * 10, *[Race((0.003, 0.002, 0.004))] * 30, *[FLAT] * 5]
    return write(folder, of_series({"t.py::drifts": drifting, "t.py::flat": [FLAT] * 45}))


def test_a_drift_is_reported_with_its_first_commit_and_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plant(tmp_path / "h")
    assert cli.main(["history", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["benchmark", "change", "interval", "races"]
    assert lines[1].split()[:4] == ["t.py::drifts", "drifted", "+9.4", "%"]
    assert lines[2].split()[:3] == ["t.py::flat", "+0.0", "%"]
    began = histories.commit(11)
    assert lines[3].startswith("drifted: t.py::drifts: +9.4 % (+8.6 % .. ")
    assert lines[3].endswith(f" in 30 commits, from {began.short} {began.date[:10]} Jane Doe: Change 11")
    assert lines[4].startswith("1 drifted of 2 benchmarks: 45 commits from ")
    assert lines[-1] == f"    pytest --benchmark-only --race={commit_id(10)} t.py::drifts"
    assert cli.main(["history", str(folder), "--markdown", "-o", str(tmp_path / "out.md")]) == 1
    assert "| <code>t.py&#58;&#58;drifts</code> | drifted | +9.4 % |" in (tmp_path / "out.md").read_text("utf-8")
    assert cli.main(["history", str(folder), "--threshold=10%"]) == 0
    assert cli.main(["history", str(folder), f"--since={commit_id(40)[:12]}"]) == 0
    assert " 5 commits from " in capsys.readouterr().out


def test_the_json_has_all_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert cli.main(["history", str(plant(tmp_path / "h")), "--json", str(out)]) == 1
    data = json.loads(out.read_text("utf-8"))
    assert (data["kind"], data["schema"], len(data["commits"]), data["base"]) == (words.KIND, 1, 45, commit_id(0))
    drifts, flat = data["curves"]
    assert (drifts["verdict"], flat["verdict"]) == ("drifted", "")
    assert drifts["drifts"][0]["first"] == 10
    assert (drifts["levels"][9], drifts["levels"][39]) == (0.0, 0.09)
    assert all(len(drifts[name]) == 45 for name in ("levels", "lows", "highs"))
    assert "1 drifted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give the FOLDER that keeps the history, or --branch NAME"),
        (["missing"], "missing is not a folder; --add FILE creates it"),
        (["."], "there is no race in the history; --add FILE adds one"),
        ([".", "--add", "no.json"], "no.json cannot be read"),
        (["--branch", "x"], "not a git repository"),
    ],
)
def test_errors_say_what_to_do(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert cli.main(["history", *arguments]) == 2
    assert words in capsys.readouterr().err
    plant(tmp_path / "h")
    assert cli.main(["history", "h", "--since=0000000"]) == 2
    assert "--since=0000000 is not a commit of this history" in capsys.readouterr().err


Command: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture
def command(plain: Project) -> Command:
    """Give command(*arguments): the command, run in the project."""

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("pytest-benchgate")
        return subprocess.run(
            [program, "history", *arguments], cwd=cwd or plain.root, env=plain.environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    return run


@pytest.mark.thorough
def test_races_of_commits_become_a_history_in_a_folder_and_on_a_branch(plain: Project, command: Command) -> None:
    """Two real races, as the documentation has them: one of a push of two commits, one of a slowdown."""
    first = plain.git("rev-parse", "HEAD")
    folder = plain.folder / "races"
    assert command(folder, "--base").returncode == 2  # there is no parent
    plain.commit(**{"calc.py": PLAIN["calc.py"] + "# one\n"})
    plain.commit(**{"calc.py": PLAIN["calc.py"] + "# two\n"})
    second = plain.git("rev-parse", "HEAD")
    plain.write(**{"left-by-a-build.txt": "new\n"})
    assert plain.race(first).returncode == 0
    added = command(folder, "--add", plain.json)
    assert (added.returncode, added.stderr) == (0, "")
    assert "0 drifted of 1 benchmark: 1 commit from " in added.stdout
    (plain.root / "left-by-a-build.txt").unlink()
    third = plain.commit(**{"calc.py": SLOW_CALC})
    assert command(folder, "--base").stdout == f"{second}\n"
    assert plain.race(second).returncode == 1
    before = plain.state()["files"]
    assert command("--branch", "races", "in/here", "--add", plain.json).returncode == 0
    assert {path: text for path, text in plain.state()["files"].items() if "/.git/" not in path} == {
        path: text for path, text in before.items() if "/.git/" not in path
    }
    assert command("--branch", "races", "in/here", "--add", plain.json).returncode == 0  # the same again
    assert plain.git("ls-tree", "-r", "--name-only", "races") == f"in/here/{third}.json"
    assert command(folder, "--add", plain.json).returncode == 0
    assert command(folder, "--base").stdout == f"{second}\n"  # for another race of HEAD
    shallow = plain.folder / "shallow"
    plain.git("clone", "--quiet", "--depth=1", plain.root.as_uri(), str(shallow))
    lost = command(folder, "--base", cwd=shallow)
    assert (lost.returncode, "in a shallow clone, fetch the history" in lost.stderr) == (2, True)
    assert command(folder, cwd=shallow).stdout == command(folder).stdout
    done = command(folder)
    assert "0 drifted of 1 benchmark: 2 commits from " in done.stdout
    assert re.search(rf"slower: tests/test_calc.py::test_count: \+.* % by {third[:10]} .*: A commit\n", done.stdout)
    assert [path.name for path in sorted(folder.iterdir())] == sorted(f"{one}.json" for one in (second, third))
    assert plain.git("rev-list", "--count", "races") == "1"


def test_a_branch_is_read_and_written_without_a_checkout(plain: Project, command: Command, tmp_path: Path) -> None:
    folder = plant(tmp_path / "h")
    branch = store.Branch(plain.root, "races", ".")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in plain.environment().items():
            patch.setenv(name, value)
        for path in [*sorted(folder.iterdir())][:10]:
            branch.write(path.name, path.read_text("utf-8"))
    for path in [*sorted(folder.iterdir())][10:]:
        path.unlink()
    assert command("--branch", "races").stdout == command(folder).stdout
    assert plain.git("rev-list", "--count", "races") == "10"
    for folder_on_it in ("other", "other/here/"):
        assert command("--branch", "races", folder_on_it, "--base").returncode == 2  # there is no parent here
        assert "there is no race in the history" in command("--branch", "races", folder_on_it).stderr
    # As fetched from a remote.
    plain.git("update-ref", "refs/remotes/origin/theirs", "races")
    plain.git("branch", "-D", "races")
    assert command("--branch", "theirs").stdout == command(folder).stdout
    missing = command("--branch", "other")
    assert (missing.returncode, missing.stderr.strip().endswith("git fetch gets it, --add creates it")) == (2, True)


def test_another_race_of_a_commit_is_refused_and_shards_are_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = RACE["raced"]
    shards = [{**RACE, "shard": [1, 2], "raced": [a]}, {**RACE, "shard": [2, 2], "raced": [b]}]
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    for path, shard in zip(files, shards, strict=True):
        path.write_text(json.dumps(shard), "utf-8")
    kept = tmp_path / "kept"
    assert cli.main(["history", str(kept), "--add", *map(str, files)]) == 0
    (path,) = kept.iterdir()
    assert record.read(json.loads(path.read_text("utf-8"))) == record.of_race(race_json.read(RACE))
    (tmp_path / "0.json").write_text(json.dumps({**shards[0], "complete": False}), "utf-8")
    for several in ([files[0]], [tmp_path / "0.json", files[1]]):
        assert cli.main(["history", str(tmp_path / "other"), "--add", *map(str, several)]) == 2
        assert "; the next race fills the gap: see --base" in capsys.readouterr().err
    (tmp_path / "0.json").unlink()
    files[0].write_text(json.dumps({**RACE, "raced": [{**a, "numbers": [0.5]}, b]}), "utf-8")
    assert cli.main(["history", str(kept), "--add", str(files[0])]) == 2
    assert f"{commit_id(1)}.json has another race of {commit_id(1)[:10]} 'Change 1' already" in capsys.readouterr().err
    # As --race-json wrote them, the shards in files of their own.
    files[0].write_text(json.dumps(shards[0]), "utf-8")
    assert cli.main(["history", str(tmp_path)]) == 0
    assert "note: t.py::b was never raced: error\n" in capsys.readouterr().out


def test_of_two_races_of_a_commit_the_first_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the names of the files, of those that --add wrote and of those that --race-json wrote."""
    for name, data in (
        ("1.json", {**GOOD, "numbers": [3000, 3000, 3000]}),
        ("2.json", {**GOOD, "numbers": [2000, 2000, 2000]}),
        ("3.json", RACE),
    ):
        (tmp_path / name).write_text(json.dumps(data), "utf-8")
    assert cli.main(["history", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^t.py::a +\+3.0 % ", out, re.MULTILINE)
    assert f"note: {tmp_path}/2.json is a second race of {commit_id(1)[:10]} and does not count\n" in out
    assert f"note: {tmp_path}/3.json is a second race of {commit_id(1)[:10]} and does not count\n" in out


def test_times_and_counts_do_not_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = plant(tmp_path / "h")
    path = folder / f"{commit_id(45)}.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "counted": True}), "utf-8")
    assert cli.main(["history", str(folder)]) == 2
    assert "races of times and of instructions do not chain" in capsys.readouterr().err
