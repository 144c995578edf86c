"""Formats: what stands in them, and that nothing from outside can break out of them."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate.reports import github, markdown, race_json, terminal
from pytest_benchgate.reports import race as race_words
from pytest_benchgate.reports.quantity import printable, scaled
from pytest_benchgate.results import Raced, RaceReport, Report, Result, Share, Withheld, Work

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Suite

HOSTILE = "a|b`c*<script>alert(1)</script>\n::error::x\r\x1b[31m%0A](http://e.vil) @all #1 é \u202e"
GOOD = Result("t.py::good", "good", "g", 1e-3, 1e-5, 9, verified=True, work=Work(items=2e6, bytes=1.6e7, unit="rows"),
              shares=(Share("copy", 5e-4, 0.5),), device_ns=8e5, device="d")  # fmt: skip
BAD = Withheld("t.py::bad", "bad", "call", True, "AssertionError: no", "AssertionError: no\nline two", "t.py", 12)  # noqa: FBT003


def hostile() -> Report:
    result = Result(f"t.py::{HOSTILE}", HOSTILE, HOSTILE, 1.0, 0.0, 1, work=Work(items=1, unit=HOSTILE),
                    shares=(Share(HOSTILE, 1.0, 1.0),), suspicious=HOSTILE, device=HOSTILE)  # fmt: skip
    return Report((result,), (Withheld(HOSTILE, HOSTILE, "call", False, HOSTILE, HOSTILE, HOSTILE, 1),))  # noqa: FBT003


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (1.5e-9, "1.50 ns"),
        (2e-12, "0.00 ns"),
        (0.00123, "1.23 ms"),
        (99.96, "100 s"),
        (12.34, "12.3 s"),
        (4e6, "4.00 Ms"),
    ],
)
def test_quantities(value: float, text: str) -> None:
    assert scaled(value, "s") == text


def test_the_terminal_section() -> None:
    assert terminal.render(Report((GOOD,), (BAD,))) == [
        "1 of 1 times verified by gate, 1 withheld (1 timed and taken back, 0 not timed)",
        "benchmark   median                     rate  of the limit  on device",
        "good       1.00 ms  2.00 Grows/s, 16.0 GB/s  50 % of copy     800 us",
        "withheld: bad (call, its time was taken back): AssertionError: no",
    ]


def test_the_terminal_has_nothing_to_say_about_plain_benchmarks() -> None:
    assert terminal.render(Report((Result("n", "n", None, 1.0, 0.0, 1),))) == []


def test_control_characters_are_escaped_in_the_terminal() -> None:
    text = "\n".join(terminal.render(hostile()))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\u202e" not in text
    assert "\n::error" not in text
    assert "\\x1b[31m" in text
    assert printable("é ü 漢") == "é ü 漢"


def test_markdown() -> None:
    lines = markdown.render(Report((GOOD,), (BAD,))).splitlines()
    assert "1 of 1 times verified by gate, 1 withheld." in lines
    row = next(line for line in lines if "<code>good</code>" in line)
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "<code>good</code>", "1.00 ms", "10.0 us", "9", "<code>2.00 Grows/s, 16.0 GB/s</code>",
        "<code>50 % of copy</code>", "800 us", "yes",
    ]  # fmt: skip
    assert (
        "- <code>bad</code>, call, time taken back: <code>AssertionError&#58; no</code> (<code>t.py&#58;12</code>)"
        in lines
    )


def test_markdown_escapes_cells_and_text() -> None:
    text = markdown.render(hostile())
    body = text.replace("&#", "")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {len(markdown.HEADER) + 1}
    assert "<script" not in text
    assert not any(char in body.replace("## Benchmarks", "").replace("### ", "") for char in "`*[]@#")
    assert all("::error" not in line[:2] for line in text.splitlines())


def test_annotations_are_one_line_each_and_escaped() -> None:
    error, *_ = github.render(Report((), (BAD,)))
    assert error == "::error file=t.py,line=12,title=time withheld%3A bad::AssertionError: no%0Aline two"
    for line in github.render(hostile()):
        assert "\n" not in line
        assert "\r" not in line
        properties, _, _ = line.removeprefix("::").partition("::")
        names = [part.split("=")[0] for part in properties.split(" ", maxsplit=1)[1].split(",")]
        assert names in (["file", "line", "title"], ["file", "title"])
        assert "%250A" in line  # what looked like an escape is none


def test_ci_gets_a_summary_and_annotations_on_the_failing_line(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    run = suite(
        """
        def test_good(benchmark):
            benchmark(lambda: 1)

        def test_bad(gate):
            gate(lambda: 1,
                 expect=2)
        """,
        "--benchgate-markdown=sub/report.md",
    )  # fmt: skip
    text = summary.read_text("utf-8")
    assert text.startswith("before\n## Benchmarks")
    assert (run.json_path.parent / "sub" / "report.md").read_text("utf-8") == text.removeprefix("before\n")
    assert "<code>test&#95;good</code>" in text
    assert "\n::error file=test_it.py,line=5,title=time withheld%3A test_bad::" in run.text.replace("line=6", "line=5")


def test_the_json_stays_pytest_benchmark_s_own(suite: Suite) -> None:
    """What github-action-benchmark (tool: pytest) and Bencher read is where it was."""
    source = "def test_it(gate):\n    gate.work(items=3)\n    gate(lambda: 1, expect=1)"
    run = suite(source)
    (bench,) = run.data["benchmarks"]
    for key in ("mean", "stddev", "ops", "rounds", "median", "min", "max"):
        assert isinstance(bench["stats"][key], int | float)
    assert {"machine_info", "commit_info", "benchmarks", "datetime", "version"} <= run.data.keys()
    assert run.data["benchgate"] == {"schema": 1, "withheld": []}
    assert bench["extra_info"]["benchgate"]["schema"] == 1


def test_hostile_ids_in_a_real_run(suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run = suite(f"""
        import pytest
        @pytest.mark.parametrize("value", [1], ids=[{HOSTILE!r}])
        def test_it(gate, value):
            gate.work(items=1)
            gate(lambda: 1, expect=1)
    """)
    run.result.assert_outcomes(passed=1)
    assert "<script" not in summary.read_text("utf-8")
    assert len(run.data["benchmarks"]) == 1


def test_a_report_that_cannot_be_written_is_refused_before_any_work(suite: Suite) -> None:
    run = suite("def test_it(benchmark): benchmark(lambda: 1)", "--benchgate-markdown=.")
    assert run.result.ret == pytest.ExitCode.USAGE_ERROR
    run.result.stderr.fnmatch_lines(["ERROR: --benchgate-markdown: cannot write .: *"])
    assert run.data == {}


def test_workers_of_xdist_write_no_report(suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    suite("def test_it(gate): gate(lambda: 1, expect=2)", "-n", "2")
    assert not summary.exists()


SLOWER = Raced(
    "t.py::slower", "slower", "t.py", 7, "slower", True, 0.03, 3000.0, "pytest --race=abc t.py::slower", (0.1, 0.11, 0.12),  # noqa: FBT003
    math.log(1.1), math.log(1.08), math.log(1.12), 0.75, 4000.0, 75, 2.5, 1e-3, 1.1e-3,
)  # fmt: skip
ERROR = dataclasses.replace(
    SLOWER, nodeid="t.py::error", name="error", verdict="error", numbers=(), change=None, low=None, high=None, coverage=None,
    side="head", reason="call: traceback\nE   OSError: no",
)  # fmt: skip
RACE = RaceReport("v1 (0123456789)", "the working tree", 0.001, 3, 3, 5.0, (ERROR, SLOWER), True, ("a note",))  # noqa: FBT003


def hostile_race() -> RaceReport:
    words: dict[str, Any] = {
        "name": HOSTILE,
        "nodeid": f"t.py::{HOSTILE}",
        "path": HOSTILE,
        "repeat": HOSTILE,
        "side": HOSTILE,
        "reason": HOSTILE,
    }
    raced = [
        dataclasses.replace(one, verdict=verdict, **words)
        for one in (SLOWER, ERROR)
        for verdict in ("slower", "faster", "unsure", "error", "new", "skipped")
        if one is SLOWER or verdict not in {"slower", "faster", "unsure"}
    ]
    return RaceReport(HOSTILE, HOSTILE, 0.5, 9, raced=tuple(raced), notes=(HOSTILE,))


def test_the_terminal_section_of_a_race() -> None:
    assert terminal.render(Report(race=RACE)) == [
        "benchmark  verdict   change           interval  confidence     base     head  launches  pairs    took",
        "slower      slower  +10.0 %  +8.0 % .. +12.0 %        75 %  1.00 ms  1.10 ms         3     75  2.50 s",
        "error        error" + " " * 77 + "2.50 s",
        "note: a note",
        "error: error (head): OSError: no",
        "1 slower, 1 error: the working tree against v1 (0123456789)",
        "threshold 3 %; if nothing differs, the chance of any alarm among all 3 is below 0.1 %; 3 launches, 5.0 s",
    ]


def test_what_a_failing_race_says() -> None:
    assert race_words.message(SLOWER, RACE) == (
        "slower: +10.0 % (+8.0 % .. +12.0 %, with 75 % confidence), 1.00 ms -> 1.10 ms a call, after 3 launches and 75 pairs. "
        "Equal builds would give such evidence with a chance below 1 in 4000, and any alarm in this suite of 3 with one below "
        "0.1 %\nrepeat: pytest --race=abc t.py::slower"
    )
    assert race_words.message(ERROR, RACE).startswith("error (head): call: traceback\nE   OSError: no\nrepeat: ")
    blind = dataclasses.replace(SLOWER, verdict="same", visible=math.log(1.07))
    assert "The threshold of 3 % cannot be seen here: within the budget, the smallest visible slowdown is 7.0 %" in (
        race_words.message(blind, RACE)
    )
    blinder = dataclasses.replace(blind, visible=math.log1p(race_words.MOST))
    assert "the smallest visible slowdown is above 50 %" in race_words.message(blinder, RACE)


def test_an_interrupted_race_says_so() -> None:
    started = dataclasses.replace(RACE, raced=(), complete=False)
    assert race_words.heading(started).startswith("nothing decided (incomplete: not all races are over): ")
    assert race_words.terms(started).startswith("threshold -; ")


def test_control_characters_of_a_race_are_escaped_in_the_terminal() -> None:
    lines = terminal.render(Report(race=hostile_race()))
    assert not any(char in line for line in lines for char in "\x1b\r\n\u202e")
    assert all("::error" not in line[:2] for line in lines)


def test_the_markdown_of_a_race_is_escaped() -> None:
    text = markdown.render(Report(race=hostile_race()))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {len(race_words.HEADER) + 1}
    assert "<script" not in text
    assert not any(char in text for char in "\x1b\r\u202e")
    assert all("::error" not in line[:2] for line in text.splitlines())
    within = text.replace("</pre>", "<pre>").split("<pre>")
    outside = "".join(within[::2]).replace("&#", "").replace("## Race", "").replace("*threshold", "").replace(" s*", "")
    assert not any(char in outside for char in "`*[]@#"), outside
    assert all("\n\n" not in block for block in within[1::2])  # an empty line would end the HTML


def test_the_annotations_of_a_race() -> None:
    error, slower = github.render(Report(race=RACE))
    assert slower.startswith("::error file=t.py,line=7,title=slower%3A slower::slower: +10.0 %25 (+8.0 %25 .. ")
    assert slower.endswith("%0Arepeat: pytest --race=abc t.py::slower")
    assert error.startswith("::error file=t.py,line=7,title=error%3A error::error (head): call: traceback%0A")
    kinds = []
    for line in github.render(Report(race=hostile_race())):
        assert not any(char in line for char in "\x1b\r\n\u202e")
        properties, _, _ = line.removeprefix("::").partition("::")
        assert [part.split("=")[0] for part in properties.split(" ", maxsplit=1)[1].split(",")] == [
            "file",
            "line",
            "title",
        ]
        kinds.append(properties.split(" ")[0])
    assert set(kinds) <= {"error", "notice"}
    unsure = dataclasses.replace(SLOWER, verdict="unsure", failed=False)
    same = dataclasses.replace(SLOWER, verdict="same", failed=False)
    told = github.render(Report(race=dataclasses.replace(RACE, raced=(unsure, same))))
    assert [line.split(" ")[0] for line in told] == ["::warning"]


def test_the_json_of_a_race_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "race.json"
    race_json.write(path, race_json.render(RACE, {"cpu": "x"}))
    data = json.loads(path.read_text("utf-8"))
    assert (data["kind"], data["schema"], data["machine"]) == ("pytest-benchgate race", 1, {"cpu": "x"})
    assert race_json.read(data) == RACE
    assert [file.name for file in tmp_path.iterdir()] == ["race.json"]
    for bad in (
        {},
        {**data, "schema": 2},
        {**data, "kind": "x"},
        {**data, "raced": [{"numbers": []}]},
        {**data, "notes": None},
    ):
        with pytest.raises(ValueError, match=r"is not a pytest-benchgate race|lacks what|is damaged"):
            race_json.read(bad)


def test_what_was_written_stays_if_more_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "race.json").mkdir()
    with pytest.raises(OSError, match="json"):
        race_json.write(tmp_path / "race.json", {})
    assert [file.name for file in tmp_path.iterdir()] == ["race.json"]


def test_what_is_accepted_or_gone_and_thresholds_of_their_own() -> None:
    settings = {"race_threshold": 0.03}
    accepted = dataclasses.replace(
        SLOWER, nodeid="t.py::ok", name="ok", verdict="accepted", failed=False, limit=0.12, accepted="exact | now"
    )
    gone = dataclasses.replace(
        ERROR,
        nodeid="t.py::gone",
        name="gone",
        verdict="gone",
        failed=False,
        repeat="",
        reason="head has no such benchmark",
    )
    report = dataclasses.replace(RACE, raced=(accepted, gone, SLOWER), settings=settings)
    header, slower, missing, ok, *rest = terminal.render(Report(race=report))
    assert header.split()[:4] == ["benchmark", "verdict", "threshold", "change"]
    assert [" ".join(line.split()[:4]) for line in (slower, missing, ok)] == [
        "slower slower 3 %",
        "gone gone 3 %",
        "ok accepted 12 %",
    ]
    assert rest[1:3] == ["gone: gone (head): head has no such benchmark", "accepted: ok up to 12 %: exact | now"]
    assert rest[3].startswith("1 slower, 1 gone, 1 accepted: ")
    assert rest[4].startswith("threshold 3 % (some benchmarks: 12 %); if nothing differs")
    assert race_words.message(accepted, report).splitlines()[0].endswith("pairs. Accepted, up to 12 %: exact | now")
    assert race_words.message(gone, report) == "gone (head): head has no such benchmark"
    beyond = dataclasses.replace(accepted, verdict="slower", failed=True)
    assert ". This is beyond what is accepted, up to 12 %: exact | now\nrepeat: " in race_words.message(beyond, report)
    assert [line.split(" ")[0] for line in github.render(Report(race=report))] == ["::warning", "::warning", "::error"]
    assert race_json.read(race_json.render(report, {})) == report
