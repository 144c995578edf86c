"""pytest-benchgate report: several runs, one table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate import cli
from pytest_benchgate.reports import race_json
from pytest_benchgate.results import Raced, RaceReport

if TYPE_CHECKING:
    from conftest import Suite


def written(path: Path, medians: dict[str, float], **more: object) -> str:
    benchmarks = [{"fullname": name, "stats": {"median": median}, "extra_info": {}} for name, median in medians.items()]
    info = {"python_version": "3.11.7", "cpu": {"brand_raw": "A"}}
    path.write_text(json.dumps({"machine_info": info, "benchmarks": benchmarks, **more}), "utf-8")
    return str(path)


def test_rows_are_benchmarks_and_columns_are_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    withheld = {"benchgate": {"schema": 1, "withheld": [{"nodeid": "t.py::b"}]}}
    one = written(tmp_path / "py311.json", {"t.py::a": 1e-3, "t.py::b": 2e-6})
    two = written(tmp_path / "py312.json", {"t.py::a": 9e-4, "t.py::c": 3.0}, **withheld)
    assert cli.main(["report", one, two]) == 0
    assert capsys.readouterr().out == (
        "benchmark    py311     py312\n"
        "t.py::a    1.00 ms    900 us\n"
        "t.py::b    2.00 us  withheld\n"
        "t.py::c               3.00 s\n"
    )


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("linux", "mac"):
        (tmp_path / folder).mkdir()
    one, two = (written(tmp_path / folder / "times.json", {"t.py::a": 1.0}) for folder in ("linux", "mac"))
    cli.main(["report", one, two])
    assert capsys.readouterr().out.splitlines()[0].split() == ["benchmark", "linux/times", "mac/times"]
    cli.main(["report", one, one])
    assert capsys.readouterr().out.splitlines()[0].split() == ["benchmark", "times", "times"]
    page = tmp_path / "page.html"
    assert cli.main(["report", one, two, "--html", str(page)]) == 0
    assert "linux/times" in page.read_text("utf-8")


def test_markdown_to_a_file(tmp_path: Path) -> None:
    one = written(tmp_path / "a|b.json", {"t.py::x[<b>|`]": 1e-3})
    out = tmp_path / "out.md"
    assert cli.main(["report", "--markdown", "-o", str(out), one]) == 0
    assert out.read_text("utf-8").splitlines() == [
        "| benchmark | <code>a&#124;b</code> |",
        "| --- | ---: |",
        "| <code>t.py&#58;&#58;x&#91;&lt;b&gt;&#124;&#96;&#93;</code> | 1.00 ms |",
    ]


def test_differences_of_machines_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = written(tmp_path / "one.json", {}, machine_info={"benchgate": {"cpu": "A", "load": [1]}})
    two = written(tmp_path / "two.json", {}, machine_info={"benchgate": {"cpu": "B", "load": [2]}})
    cli.main(["report", one, two])
    assert capsys.readouterr().out.splitlines()[-1] == "cpu: B in two, A in one"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"machine_info": {}, "benchmarks": [{}]}', "\xff"])
def test_a_file_that_is_not_a_run_is_refused_by_name(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content.encode("latin-1"))
    assert cli.main(["report", str(path)]) == 2
    error = capsys.readouterr().err
    assert f"{path} is not valid JSON" in error or f"{path} was not written by pytest-benchmark" in error
    assert cli.main(["report", str(tmp_path / "missing.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def shard(path: Path, name: str, change: float, head: str = "h") -> str:
    verdict = "slower" if change > 0.03 else "same"
    raced = Raced(f"t.py::{name}", name, "t.py", 1, verdict, verdict == "slower", 0.03, 2000.0, "pytest --race=b",
                  (change,), change, change, change, 0.0, 1.0, 15, 2.0, 1e-3, 1e-3)  # fmt: skip
    report = RaceReport("b", head, 0.001, 2, 3, 4.0, (raced,), complete=True, notes=("said",))
    path.write_text(json.dumps(race_json.render(report, {})), "utf-8")
    return str(path)


def test_shards_of_a_race_are_merged_slowest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [shard(tmp_path / "1.json", "test_a", 0.0), shard(tmp_path / "2.json", "test_b", 0.1)]
    assert cli.main(["report", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["test_b", "slower"], ["test_a", "same"]]
    assert lines[3:5] == ["note: said", "1 slower, 1 same: h against b"]
    assert "among all 2 is below 0.1 %; 6 launches, 8.0 s" in lines[5]
    assert cli.main(["report", *files, "--markdown"]) == 0
    assert "<summary>slower: <code>test&#95;b</code></summary>" in capsys.readouterr().out


def test_shards_of_other_races_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = shard(tmp_path / "1.json", "test_a", 0.0), shard(tmp_path / "2.json", "test_a", 0.0, head="g")
    assert cli.main(["report", one, other]) == 2
    assert "are not shards of one race" in capsys.readouterr().err
    assert cli.main(["report", one, written(tmp_path / "run.json", {})]) == 2
    assert "one kind at a time" in capsys.readouterr().err
    (tmp_path / "old.json").write_text(json.dumps({"kind": race_json.KIND, "schema": 0}), "utf-8")
    assert cli.main(["report", str(tmp_path / "old.json")]) == 2
    assert "old.json is not a pytest-benchgate race of schema 1" in capsys.readouterr().err


def test_the_command_merges_real_runs(suite: Suite) -> None:
    run = suite("def test_it(gate): gate(lambda: 1, expect=1)\n\ndef test_bad(gate): gate(lambda: 1, expect=2)")
    command = Path(sys.executable).with_name("pytest-benchgate")
    done = subprocess.run([command, "report", run.json_path], capture_output=True, text=True, check=True)
    header, it, bad = done.stdout.splitlines()
    assert header.split() == ["benchmark", "out"]
    assert it.startswith("test_it.py::test_it ")
    assert bad.split() == ["test_it.py::test_bad", "withheld"]
    assert subprocess.run([command], capture_output=True, text=True, check=False).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "FILE", "--nothing"], "unrecognized arguments: --nothing; see pytest-benchgate report --help"),
        (["report", "FILE", "--html", "x.html", "--markdown"], "give it without --markdown and --output"),
        (["report", "FILE", "--export", "asv", "--html", "x.html"], "give it without --markdown and --html"),
        (["history"], "give the FOLDER"),
        (["comment", "."], "GITHUB_REPOSITORY is '', not OWNER/NAME; GitHub sets it in a workflow"),
        (["action", "race"], "BENCHGATE_RESULTS is not set; plugin/action.yml sets it"),
        (["action", "prepare"], "GITHUB_OUTPUT is not set; plugin/action.yml sets it"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_say_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    for name in ("GITHUB_REPOSITORY", "GITHUB_OUTPUT", "BENCHGATE_RESULTS", "GITHUB_BASE_REF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BENCHGATE_BASE", "HEAD")
    file = written(tmp_path / "run.json", {})
    assert cli.main([file if one == "FILE" else one for one in arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.out + printed.err
