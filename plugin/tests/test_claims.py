"""Claims as pytest's user sees them: two tests of one build raced, verdicts as outcomes, and every report the same."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from launching import PLAN, Starts
from pytest_benchgate.race.launching.launch import launch
from pytest_benchgate.race.launching.plan import Side
from pytest_benchgate.race.launching.results import LaunchResult, Timed
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.reports import race_json, shards
from racing import PLAIN, Project, Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
# Seven of eight launches decide, whatever the number of claims.
QUICK = ("--race-alpha=0.9",)
SUITE = """
import os, pytest
from test_other import work

@pytest.mark.parametrize("size", [300, pytest.param(600, id="a|<b>`::error::")])
def test_plain(benchmark, size):
    benchmark(work, 10 * size)

@pytest.mark.benchgate(faster_than="test_plain[{size}]", by=2)
@pytest.mark.benchgate(slower_than="test_plain[{size}]", within="50 %")
@pytest.mark.parametrize("size", [300, pytest.param(600, id="a|<b>`::error::")])
def test_fast(gate, size):
    gate(work, size, expect=None)

@pytest.mark.benchgate(faster_than="test_plain[300]", by=100)
@pytest.mark.benchgate(faster_than="test_plain[300]")
def test_refuted(benchmark):
    benchmark(work, 300)

@pytest.mark.benchgate(slower_than="tests/test_other.py::test_there", within="100 %")
def test_elsewhere(benchmark):
    benchmark(work, 40_000)

def test_wrong(gate):
    gate(work, 1, expect=1)

@pytest.mark.benchgate(slower_than="test_wrong", within="5 %")
def test_beside_wrong(benchmark):
    benchmark(work, 1)

@pytest.mark.benchgate(faster_than="test_plain[300]")
def test_wrong_itself(gate):
    gate(work, 1, expect=1)

@pytest.mark.benchgate(faster_than="test_plain[300]")
def test_wrong_later(gate, request):
    started = request.config.rootpath / "started"
    with started.open("a") as file:
        file.write("x")
    gate(work, 1, expect=None if started.stat().st_size == 1 else 1)

@pytest.mark.benchgate(faster_than="test_plain[300]")
def test_wrong_when_timed(gate):
    calls = []
    gate(lambda: calls.append(1) or len(calls) < 9, expect=True)

@pytest.mark.benchgate(faster_than="test_plain[300]")
def test_dies(benchmark):
    os.abort()

@pytest.mark.benchgate(faster_than="test_plain[300]")
def test_skipped(benchmark):
    pytest.skip("no such device")

@pytest.mark.benchgate(faster_than="test_plain[300]", race_max_launches=1)
def test_unsure(benchmark):
    benchmark(work, 300)

def test_without_a_claim(benchmark):
    raise AssertionError("it is not run")
"""
OTHER = """
def work(n):
    for _ in range(n):
        pass

def test_there(benchmark):
    benchmark(work, 10_000)
"""
FILES = {**PLAIN, "tests/test_claims.py": SUITE, "tests/test_other.py": OTHER}
HOSTILE = "a|<b>`::error::"


@pytest.fixture(scope="module")
def claimed(tmp_path_factory: pytest.TempPathFactory, race_cache: Path) -> tuple[Project, Run]:
    """Give one session with a claim for each verdict, and all reports that there are."""
    project = Project.make(tmp_path_factory.mktemp("claims") / "p", race_cache, FILES)
    folder = project.folder
    (folder / "summary.md").write_text("before\n")
    reports = [
        f"--junitxml={folder / 'junit.xml'}",
        f"--benchmark-json={folder / 'times.json'}",
        f"--benchgate-markdown={folder / 'claims.md'}",
    ]
    run = project.run(
        "--claims", *QUICK, *reports, "-v", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(folder / "summary.md")
    )
    assert project.left_behind() == []
    return project, run


def verdicts(run: Run) -> set[tuple[str, str, str]]:
    return {(raced["name"], raced["claim"]["text"], raced["verdict"]) for raced in run.race["raced"]}


def test_each_verdict(claimed: tuple[Project, Run]) -> None:
    run = claimed[1]
    assert run.returncode == ExitStatus.SLOWER
    assert verdicts(run) == {
        ("test_fast[300]", "2 times as fast as test_plain[300]", "holds"),
        ("test_fast[300]", "at most 50 % slower than test_plain[300]", "holds"),
        (f"test_fast[{HOSTILE}]", f"2 times as fast as test_plain[{HOSTILE}]", "holds"),
        (f"test_fast[{HOSTILE}]", f"at most 50 % slower than test_plain[{HOSTILE}]", "holds"),
        ("test_refuted", "100 times as fast as test_plain[300]", "refuted"),
        ("test_refuted", "faster than test_plain[300]", "holds"),
        ("test_elsewhere", "at most 100 % slower than test_there", "refuted"),
        ("test_beside_wrong", "at most 5 % slower than test_wrong", "withheld"),
        ("test_wrong_itself", "faster than test_plain[300]", "withheld"),
        ("test_wrong_later", "faster than test_plain[300]", "withheld"),
        ("test_wrong_when_timed", "faster than test_plain[300]", "withheld"),
        ("test_dies", "faster than test_plain[300]", "withheld"),
        ("test_skipped", "faster than test_plain[300]", "skipped"),
        ("test_unsure", "faster than test_plain[300]", "unsure"),
    }
    assert "7 failed, 3 passed, 1 skipped, 6 deselected" in run.text
    assert re.search(
        r"::test_refuted REFUTED [\d.]+ x, HOLDS [\d.]+ x|::test_refuted HOLDS [\d.]+ x, REFUTED", run.text
    )
    assert re.search(r"::test_elsewhere REFUTED \+\d+\.\d %", run.text)


def test_what_was_measured(claimed: tuple[Project, Run]) -> None:
    """Ten times as much work."""
    for raced in claimed[1].race["raced"]:
        if raced["name"].startswith("test_fast"):
            assert raced["low"] <= raced["change"] <= raced["high"]
            # A busy machine has measured 22 times.
            assert math.log(1 / 100) < raced["change"] < math.log(1 / 3)
            assert 2 < raced["base_s"] / raced["head_s"] < 50


def test_a_refuted_claim_says_by_how_much_and_how_surely(claimed: tuple[Project, Run]) -> None:
    run = claimed[1]
    line = next(line for line in run.text.splitlines() if line.startswith("refuted: 100 times"))
    assert re.match(
        r"refuted: 100 times as fast as test_plain\[300\]: measured [\d.]+ x \([\d.]+ x \.\. [\d.]+ x, with \d+ % "
        r"confidence\), [\d.]+ .?s -> [\d.]+ .?s a call, after \d+ launches and \d+ pairs\. A true claim would give such "
        r"evidence with a chance below 1 in \d+, and any true one of all 14 would be refuted with one below 90 %",
        line,
    )
    assert "refuted: faster than" not in run.text


def test_wrong_answers_and_crashes_withhold_a_claim(claimed: tuple[Project, Run]) -> None:
    """Whichever of the two tests it is; no time of a wrong answer is in any report."""
    project, run = claimed
    for name, side, words in [
        ("test_beside_wrong", "test_wrong", "WrongAnswer: wrong answer on the first call"),
        ("test_wrong_itself", "test_wrong_itself", "WrongAnswer: wrong answer on the first call"),
        ("test_wrong_later", "test_wrong_later", "WrongAnswer: wrong answer on the first call"),
        ("test_wrong_when_timed", "test_wrong_when_timed", "WrongAnswer: wrong answer after the last round"),
        ("test_dies", "test_dies", "the worker died (signal SIGABRT)"),
        ("test_skipped", "test_skipped", "no such device"),
    ]:
        raced = run.raced(name)
        assert (raced["side"], raced["change"], raced["head_s"], raced["numbers"]) == (side, None, None, [])
        assert re.search(rf"(?m)^(withheld|skipped): {name} \({side}\): .*{re.escape(words)}", run.text), name
    times = json.loads((project.folder / "times.json").read_text("utf-8"))
    assert sorted(bench["name"] for bench in times["benchmarks"]) == sorted(
        ["test_elsewhere", "test_fast[300]", f"test_fast[{HOSTILE}]", "test_refuted", "test_unsure"]
    )
    (refuted,) = (bench for bench in times["benchmarks"] if bench["name"] == "test_refuted")
    claims = refuted["extra_info"]["benchgate"]["claims"]
    assert sorted(claim["verdict"] for claim in claims) == ["holds", "refuted"]


def test_every_report_has_the_claims(claimed: tuple[Project, Run]) -> None:
    project, run = claimed
    header = next(line for line in run.text.splitlines() if line.startswith("benchmark "))
    assert header.split()[:4] == ["benchmark", "verdict", "claim", "measured"]
    assert "2 refuted, 5 withheld, 1 unsure, 5 holds, 1 skipped: claims of this environment" in run.text
    assert "the chance that any true claim among all 14 is refuted is below 90 %" in run.text
    markdown = (project.folder / "claims.md").read_text("utf-8")
    assert markdown.startswith("## Claims\n\n2 refuted, 5 withheld")
    assert (project.folder / "summary.md").read_text("utf-8") == f"before\n{markdown}"
    assert "<b>" not in markdown
    annotations = [line for line in run.text.splitlines() if line.startswith("::")]
    kinds = [line.split(" ")[0] for line in annotations]
    assert (kinds.count("::error"), kinds.count("::warning"), kinds.count("::notice")) == (7, 1, 0)
    assert any("title=refuted%3A test_refuted::refuted: 100 times as fast" in line for line in annotations)
    (suite,) = ET.fromstring((project.folder / "junit.xml").read_text("utf-8"))  # noqa: S314  # our own
    assert (suite.get("tests"), suite.get("failures")) == ("11", "7")


def test_the_json_is_read_back_and_merged(claimed: tuple[Project, Run]) -> None:
    run = claimed[1]
    report = race_json.read(run.race)
    assert race_json.read(json.loads(json.dumps(race_json.render(report, {})))) == report
    assert (report.claims, report.complete, report.races) == (True, True, 14)
    merged, problems = shards.merge([report])
    assert (merged, problems) == (report, [])


def test_the_repeat_command_checks_that_claim(claimed: tuple[Project, Run]) -> None:
    """Alone, though the test that it names is not selected; with its file, where that is another one."""
    project, run = claimed
    repeats = {raced["name"]: raced["repeat"] for raced in run.race["raced"]}
    assert repeats["test_refuted"].endswith(" --claims tests/test_claims.py::test_refuted")
    assert f"repeat: {repeats['test_elsewhere']}" in run.text
    command = shlex.split(repeats["test_elsewhere"])
    again = project.run(command=[*project.command(), *command[1:]])
    assert verdicts(again) == {("test_elsewhere", "at most 100 % slower than test_there", "refuted")}
    advice = run.raced("test_unsure")["advice"]
    assert [(one["kind"], "--race-max-launches=4" in one["command"]) for one in advice] == [("retry", True)]
    assert f"    {advice[0]['command']}" in run.text


def test_shards_share_the_claims(claimed: tuple[Project, Run]) -> None:
    project = claimed[0]
    reports = []
    for part in (1, 2):
        run = project.run(
            "--claims", "--race-max-launches=1", f"--race-shard={part}/2", "-k", "fast or plain or unsure"
        )
        reports.append(race_json.read(run.race))
    merged, problems = shards.merge(reports)
    assert problems == []
    assert (len(merged.raced), merged.races) == (5, 5)


def test_what_makes_no_sense_is_refused_before_any_work(plain: Project) -> None:
    plain.write(
        **{
            "tests/test_claims.py": "import pytest\n"
            "@pytest.mark.benchgate(faster_than='test_cuont')\ndef test_it(benchmark): benchmark(len, ())\n"
        }
    )
    run = plain.run("--claims")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no test 'test_cuont' in this session; similar: test_count" in run.text
    assert run.race == {}
    both = plain.run("--claims", "--race=HEAD")
    assert both.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--claims compares tests of one build, and --race two builds; give one of them" in both.text


def test_a_session_without_claims_runs_nothing(plain: Project) -> None:
    run = plain.run("--claims")
    assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "1 deselected" in run.text
    assert "race: claims of this environment\n" in run.text
    assert "race: none of 1 tests claims anything; see @pytest.mark.benchgate(faster_than=TEST" in run.text
    assert "claims anything" not in plain.run("--claims", "-k", "nothing").text


def test_strict_claims_fail_where_nothing_is_decided(claimed: tuple[Project, Run]) -> None:
    run = claimed[0].run("--claims", "--race-strict", "-k", "unsure")
    assert run.returncode == ExitStatus.UNDECIDED
    assert "unsure: faster than test_plain[300]: measured" in run.text
    assert "raise --race-budget or --race-max-launches, or claim less" in run.text


def test_a_race_does_not_mind_claims(plain: Project) -> None:
    marked = PLAIN["tests/test_calc.py"].replace(
        "def ", "import pytest\n@pytest.mark.benchgate(faster_than='test_x')\ndef "
    )
    plain.commit(**{"tests/test_calc.py": marked})
    assert plain.race("HEAD").verdicts["test_count"] in {"same", "unsure"}


TWO = """
    import pathlib, random, pytest

    @pytest.fixture
    def drawn(request):
        numbers = [random.random(), random.Random().random()]
        with pathlib.Path(request.config.rootpath, "drawn").open("a") as file:
            print(request.node.name, *numbers, file=file)
        yield numbers
        with pathlib.Path(request.config.rootpath, "drawn").open("a") as file:
            print("end of", request.node.name, file=file)

    def work(n):
        for _ in range(n):
            pass

    def test_slow(benchmark, drawn): benchmark(work, 100_000)
    def test_quick(benchmark, drawn): benchmark(work, 100)
    def test_iterated(benchmark, drawn): benchmark.pedantic(work, (10_000,), iterations=10)
"""


def launched(sides: tuple[Side, Side], races: dict[str, tuple[str, str]], reaper: Starts) -> dict[str, Timed]:
    """Launch the races of these tests, by names that are no tests."""
    ids = {key: [f"test_it.py::{name}" for name in names] for key, names in races.items()}
    both = [
        Side(side.name, side.python, sides[0].folder, side.arguments, environment=side.environment,
             tests={key: tests[index] for key, tests in ids.items()})
        for index, side in enumerate(sides)
    ]  # fmt: skip
    found = {}
    for event in launch(both, [*races], PLAN, 1, reaper):
        if isinstance(event, LaunchResult):
            assert isinstance(event.result, Timed), event
            found[event.nodeid] = event.result
    return found


def test_two_tests_are_timed_with_equal_seeds_and_blocks_of_like_length(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    """A thousand times the work; and per call, where a round has several."""
    both = sides(suite=TWO)
    found = launched(both, {"a": ("test_slow", "test_quick"), "b": ("test_slow", "test_iterated")}, reaper)
    assert -math.log(10_000) < found["a"].number < -math.log(100)
    assert -math.log(50) < found["b"].number < -math.log(3)
    slow, quick = found["a"].pace.factors
    assert (slow, found["a"].alike, found["b"].alike) == (1, True, True)
    # On a busy machine the slower test looks still slower.
    assert quick > 1
    lines = [line.split() for line in (both[0].folder / "drawn").read_text().splitlines()]
    drawn = {name: numbers for name, *numbers in lines if name != "end"}
    assert drawn["test_slow"] != drawn["test_quick"]  # of the other race
    by_numbers = {tuple(numbers) for name, *numbers in lines if name != "end"}
    assert len(by_numbers) == 2
    assert reaper.count == 2


def test_one_test_in_several_races_is_torn_down_after_each(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    both = sides(suite=TWO)
    found = launched(both, dict.fromkeys("abc", ("test_quick", "test_iterated")), reaper)
    assert len(found) == 3
    lines = (both[0].folder / "drawn").read_text().splitlines()
    for name in ("test_quick", "test_iterated"):
        own = [line.split()[0] for line in lines if name in line]
        assert own == [name, "end"] * 3
