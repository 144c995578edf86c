"""pytest-benchgate report --export: times in the formats of other tools, read by these tools where they install."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hostile import HOSTILE
from pytest_benchgate import cli
from pytest_benchgate.exports import FORMATS
from test_damage import RACE, RUN, damaged, mutated

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Suite

STATS = {"min": 1e-3, "max": 5e-3, "mean": 2.5e-3, "stddev": 5e-4, "median": 2e-3, "q1": 1.5e-3, "q3": 3e-3, "rounds": 20,
         "iterations": 2, "data": [i * 1e-4 for i in range(10, 30)]}  # fmt: skip
COMMIT = {"id": "0123456789" * 4, "time": "2026-01-02T03:04:05+00:00", "dirty": False}
ALL = pytest.mark.parametrize("export", FORMATS)


def entry(name: str, param: str | None = None, **stats: Any) -> dict[str, Any]:
    fullname = name if param is None else f"{name}[{param}]"
    return {"fullname": fullname, "name": fullname, "param": param, "extra_info": {}, "stats": {**STATS, **stats}}


def written(path: Path, *benchmarks: dict[str, Any], **more: Any) -> Path:
    info = {"node": "host", "machine": "x86_64", "system": "Linux", "release": "6.1", "python_version": "3.13.1",
            "cpu": {"brand_raw": "A", "count": 8}}  # fmt: skip
    data = {
        "machine_info": info,
        "commit_info": COMMIT,
        "datetime": "2026-01-02T03:04:06+00:00",
        "benchmarks": benchmarks,
        **more,
    }
    path.write_text(json.dumps(data), "utf-8")
    return path


def exported(export: str, capsys: pytest.CaptureFixture[str], *paths: Path) -> str:
    """Return what is printed in a format of one file."""
    assert cli.main(["report", *map(str, paths), "--export", export]) == 0
    return capsys.readouterr().out


def test_hyperfine_csv_has_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "run.json", entry("t.py::a"), entry("t.py::b", "1,2", rounds=1, stddev=0.0))
    assert exported("hyperfine-csv", capsys, path) == (
        "command,mean,stddev,median,user,system,min,max\n"
        "t.py::a,0.0025,0.0005,0.002,,,0.001,0.005\n"
        '"t.py::b[1,2]",0.0025,,0.002,,,0.001,0.005\n'
    )


def test_hyperfine_markdown_has_one_unit_and_the_ratio_to_the_fastest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(
        tmp_path / "run.json", entry("a"), entry("b", mean=5e-3, stddev=1e-3), entry("c", mean=2.0, rounds=1)
    )
    assert exported("hyperfine-markdown", capsys, path).splitlines() == [
        "| Command | Mean [ms] | Min [ms] | Max [ms] | Relative |",
        "|:---|---:|---:|---:|---:|",
        "| <code>a</code> | 2.5 ± 0.5 | 1.0 | 5.0 | 1.00 |",
        "| <code>b</code> | 5.0 ± 1.0 | 1.0 | 5.0 | 2.00 ± 0.57 |",
        "| <code>c</code> | 2000.0 | 1.0 | 5.0 | 800.00 |",
    ]


def test_hyperfine_json_is_read_as_its_scripts_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "run.json", entry("t.py::a"))
    (result,) = json.loads(exported("hyperfine-json", capsys, path))["results"]
    assert (result["command"], result["times"], result["median"]) == ("t.py::a", STATS["data"], 2e-3)
    written(path, entry("t.py::a", data=[]))
    assert cli.main(["report", str(path), "--export=hyperfine-json"]) == 2
    assert "lacks the times of the rounds of t.py::a; use --benchmark-json" in capsys.readouterr().err


def test_bencher_has_nanoseconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the schema that is published at https://bencher.dev/bmf.json."""
    found = json.loads(exported("bencher", capsys, written(tmp_path / "run.json", entry("t.py::a"))))
    assert found == {"t.py::a": {"latency": {"value": 2e6, "lower_value": 1.5e6, "upper_value": 3e6}}}


def test_github_action_benchmark_has_what_customsmallerisbetter_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = json.loads(exported("github-action-benchmark", capsys, written(tmp_path / "run.json", entry("t.py::a"))))
    assert found == {
        "name": "t.py::a", "unit": "ns", "value": 2e6, "range": "± 7.5e+05",
        "extra": "mean: 2.5e+06 ns\nrounds: 20\niterations: 2",
    }  # fmt: skip


def test_asv_reads_the_results_of_real_runs_of_two_commits(suite: Suite, tmp_path: Path) -> None:
    """asv's own program shows and compares them, and makes its pages."""
    pytest.importorskip("asv", reason="asv is not installed")
    repository, results = tmp_path / "repository", tmp_path / "results"
    repository.mkdir()
    source = "import pytest\n@pytest.mark.parametrize('n', [10, 1000])\ndef test_sum(benchmark, n): benchmark(sum, range(n))\n"
    run = suite(
        f"{source}\ndef test_one(benchmark): benchmark(sum, range(5))\ndef test_bad(gate): gate(int, expect=1)\n"
    )
    data = run.data
    commits = []
    for number in range(2):
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(repository)]
        for command in ([["init", "-q", "-b", "main"]] if not number else []) + [
            ["commit", "-q", "--allow-empty", "-m", f"{number}"]
        ]:
            subprocess.run([*git, *command], check=True)
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        commits.append(commit)
        for bench in data["benchmarks"]:
            bench["stats"].update(
                {name: bench["stats"][name] * (1 + number) for name in ("median", "min", "max", "q1", "q3")}
            )
            bench["stats"]["data"] = [value * (1 + number) for value in bench["stats"]["data"]]
        time = f"2026-01-0{number + 1}T00:00:00+00:00"
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({**data, "commit_info": {"id": commit, "time": time, "dirty": False}}), "utf-8")
    assert cli.main(["report", *(str(tmp_path / f"{n}.json") for n in (0, 1)), "--export=asv", "-o", str(results)]) == 0
    config = {"version": 1, "project": "p", "repo": str(repository), "branches": ["main"], "results_dir": str(results),
              "html_dir": str(tmp_path / "html"), "benchmark_dir": str(tmp_path), "environment_type": "virtualenv"}  # fmt: skip
    (tmp_path / "asv.conf.json").write_text(json.dumps(config), "utf-8")

    def asv(*arguments: str) -> str:
        command = [sys.executable, "-m", "asv", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shown = asv("show", commits[0])
    assert "test_it.test_sum" in shown
    assert "test_it.test_one" in shown
    assert "test_bad" not in shown
    compared = asv("compare", *commits)
    slower = re.findall(r"^\| \+ .* \| +(?:2|2\.0\d?|1\.9\d) \| test_it\.test_(?:sum|one)", compared, re.MULTILINE)
    assert len(slower) == 3, compared
    asv("publish")
    index = json.loads((tmp_path / "html" / "index.json").read_text("utf-8"))
    assert index["benchmarks"]["test_it.test_sum"]["params"] == [["10", "1000"]]
    graphs = [*(tmp_path / "html" / "graphs").rglob("test_it.test_sum.json")]
    assert graphs
    assert [len(json.loads(path.read_text("utf-8"))) for path in graphs] == [2] * len(graphs)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"commit_info": {}}, "does not say of which commit it is"),
        ({"commit_info": {**COMMIT, "id": "../x"}}, "does not say of which commit it is"),
        ({"commit_info": {**COMMIT, "dirty": True}}, "is of uncommitted changes to 0123456789"),
    ],
)
def test_asv_needs_a_commit(
    changes: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "run.json", entry("a"), **changes)
    assert cli.main(["report", str(path), "--export=asv", "-o", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err
    path = written(path, entry("a"))
    assert cli.main(["report", str(path), str(path), "--export=asv", "-o", str(tmp_path / "out")]) == 2
    assert "is of the same commit, machine and Python as an earlier file" in capsys.readouterr().err
    assert cli.main(["report", str(path), "--export=asv"]) == 2
    assert "writes a folder; give it with --output FOLDER" in capsys.readouterr().err


def test_withheld_times_and_races_are_in_no_export(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    run = suite("def test_it(gate): gate(lambda: 1, expect=1)\n\ndef test_bad(gate): gate(lambda: 1, expect=2)")
    run.json_path.write_text(json.dumps({**run.data, "commit_info": COMMIT}), "utf-8")
    for export in FORMATS:
        out = run.json_path.with_name(export)
        assert cli.main(["report", str(run.json_path), "--export", export, "-o", str(out)]) == 0
        texts = [path.read_text("utf-8") for path in ([out] if out.is_file() else [*out.rglob("*.json")])]
        assert any("it" in text for text in texts)
        assert not any("bad" in text for text in texts)
    run.json_path.write_text(json.dumps(RACE), "utf-8")
    assert cli.main(["report", str(run.json_path), "--export=bencher"]) == 2
    assert "is of a race, whose times only count beside each other" in capsys.readouterr().err


def test_several_runs_have_names_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [written(tmp_path / f"{name}.json", entry("t.py::a")) for name in ("py312", "py313")]
    assert [*json.loads(exported("bencher", capsys, *paths))] == ["py312: t.py::a", "py313: t.py::a"]
    (tmp_path / "mac").mkdir()
    twins = [written(tmp_path / folder / "py312.json", entry("t.py::a")) for folder in ("", "mac")]
    assert [*json.loads(exported("bencher", capsys, *twins))][1] == "mac/py312: t.py::a"
    long = [entry("x" * 5000, str(number)) for number in range(3)]
    names = [*json.loads(exported("bencher", capsys, written(paths[0], *long)))]
    assert len({*names}) == 3
    assert max(map(len, names)) <= 1024
    same = written(paths[0], entry("t.py::a"), entry("t.py::a"))
    assert [*json.loads(exported("bencher", capsys, same))] == ["t.py::a", "t.py::a (2)"]


@ALL
def test_hostile_names_break_no_format(export: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is there, on one line, without anything active: no formula, no markup, no path, no lone surrogate."""
    entries = [entry(text) for text in HOSTILE.values()] + [entry("t.py::x", text) for text in HOSTILE.values()]
    info = {
        **json.loads(written(tmp_path / "x.json").read_text("utf-8"))["machine_info"],
        "node": "../../x",
        "python_version": "../3",
    }
    path = written(tmp_path / "run.json", *entries, machine_info=info)
    if export == "asv":
        out = tmp_path / "deep" / "out"
        assert cli.main(["report", str(path), "--export=asv", "-o", str(out)]) == 0
        assert {str(one.relative_to(out)) for one in out.rglob("*.json")} == {
            "benchmarks.json", "x/machine.json", "x/01234567-pytest-benchmark-py3.json",
        }  # fmt: skip
        found = json.loads((out / "benchmarks.json").read_text("utf-8"))
        assert not [name for name in found if re.search(r"[^\w.-]", name)]
        assert len(found["t.py.x"]["params"][0] if "t.py.x" in found else found["t.x"]["params"][0]) == len(HOSTILE)
        return
    text = exported(export, capsys, path)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800-\udfff]", text)
    if export == "hyperfine-csv":
        names = [row[0] for row in csv.reader(io.StringIO(text))][1:]
        assert not [name for name in names if name.startswith(tuple("=+-@"))]
        assert '\'=HYPERLINK("https://e.vil","x")' in names
    elif export == "hyperfine-markdown":
        assert not re.search(r"<(?!/?code>)", text)
        names = text.splitlines()[2:]
        assert {line.count("|") for line in names} == {6}
    else:
        data = json.loads(text)
        names = [one["command"] for one in data["results"]] if "results" in data else [
            one if isinstance(one, str) else one["name"] for one in data
        ]  # fmt: skip
        assert all(name.isprintable() and name for name in names)
    assert len(names) == 2 * len(HOSTILE)


@pytest.mark.parametrize("files", [120, pytest.param(4000, marks=pytest.mark.thorough)])
def test_no_damage_is_a_traceback(files: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, draw = tmp_path / "damaged.json", random.Random(5)
    whole = json.loads(written(tmp_path / "x.json", entry("t.py::a"), entry("t.py::b", "1")).read_text("utf-8"))
    ends = set()
    for number in range(files):
        content = json.dumps(mutated(whole if number % 2 else RUN, draw)).encode("utf-8", "surrogatepass")
        path.write_bytes(damaged(content, draw) if number % 4 == 0 else content)
        end = cli.main(
            ["report", str(path), "--export", [*FORMATS][number % len(FORMATS)], "-o", str(tmp_path / f"o{number}")]
        )
        ends.add(end)
        told = capsys.readouterr()
        assert bool(told.err) == bool(end)
        assert "\x1b" not in told.err
    assert ends >= {0, 2}


def test_export_and_other_reports_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--markdown", "--html=x.html"):
        assert cli.main(["report", str(tmp_path), "--export=bencher", option]) == 2
        assert "--export writes a file of another tool" in capsys.readouterr().err
