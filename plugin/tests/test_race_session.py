"""A race as pytest's user sees it: verdicts are outcomes of tests, and every report tells the same."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.reports import race_json, shards
from pytest_benchgate.results import Raced
from racing import PLAIN, QUICK, SLOW_CALC, UNDECIDED, Project, Run, kill, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
BASE = {
    "calc.py": """
        VERSION = 1
        def loop(n): [None for _ in range(n)]
        def slower(): loop(300)
        def faster(): loop(900)
        def same(): loop(300)
        def breaks(): loop(300)
        def works(): raise OSError("base cannot do this")
        """,
    "tests/test_calc.py": """
        import calc, pytest
        def test_breaks(benchmark): benchmark(calc.breaks)
        def test_works(benchmark): benchmark(calc.works)
        @pytest.mark.benchgate(race_max_launches=1, race_threshold="400 %")
        def test_unsure(benchmark): benchmark(calc.same)
        """,
    "pytest.ini": PLAIN["pytest.ini"] + "race_alpha = 0.9\nrace_threshold = 50%\nrace_max_launches = 12\n",
}
HEAD = {
    "calc.py": """
        VERSION = 2
        def loop(n): [None for _ in range(n)]
        def slower(): loop(900)
        def faster(): loop(300)
        def same(): loop(300)
        def breaks(): raise ValueError("head cannot do this")
        def works(): loop(300)
        def added(): loop(300)
        """,
    "tests/test_calc.py": """
        import calc, pytest
        def test_slower(benchmark): benchmark(calc.slower)
        def test_faster(benchmark): benchmark(calc.faster)
        @pytest.mark.parametrize("text", ["a|<b>`::error::"])
        def test_same(benchmark, text): benchmark(calc.same)
        def test_breaks(benchmark): benchmark(calc.breaks)
        def test_works(benchmark): benchmark(calc.works)
        def test_new(benchmark): benchmark(calc.added)
        def test_skipped(benchmark):
            if calc.VERSION == 1:
                pytest.skip("not in version 1")
            benchmark(calc.same)
        @pytest.mark.benchgate(race_max_launches=1, race_threshold="400 %")
        def test_unsure(benchmark): benchmark(calc.same)
        def test_no_benchmark(): raise AssertionError("a race does not run it")
        """,
}


def dedented(files: dict[str, str]) -> dict[str, str]:
    return {name: re.sub(r"(?m)^ {8}", "", text) for name, text in files.items()}


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory, race_cache: Path) -> tuple[Project, Run]:
    """Give one race with a benchmark for each verdict, and all reports that there are."""
    project = Project.make(tmp_path_factory.mktemp("verdicts") / "p", race_cache, {**PLAIN, **dedented(BASE)})
    project.write(**dedented(HEAD))
    folder = project.folder
    (folder / "summary.md").write_text("before\n")
    reports = [
        f"--junitxml={folder / 'junit.xml'}",
        f"--benchmark-json={folder / 'times.json'}",
        f"--benchgate-markdown={folder / 'race.md'}",
        f"--benchgate-html={folder / 'race.html'}",
    ]
    run = project.run(
        "--race=HEAD", *reports, "-v", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(folder / "summary.md")
    )
    assert project.left_behind() == []
    return project, run


def test_each_verdict(raced: tuple[Project, Run]) -> None:
    run = raced[1]
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert run.verdicts == {
        "test_slower": "slower", "test_faster": "faster", "test_same[a|<b>`::error::]": "same", "test_breaks": "error",
        "test_works": "error", "test_new": "new", "test_skipped": "skipped", "test_unsure": "unsure",
    }  # fmt: skip
    assert {one["name"] for one in run.race["raced"] if one["failed"]} == {"test_slower", "test_breaks", "test_works"}
    assert "3 failed, 4 passed, 1 skipped, 1 deselected" in run.text
    for word in ("SLOWER +", "FASTER -", "SAME ", "ERROR", "NEW", "SKIPPED", "UNSURE "):
        assert re.search(rf"::test_\S+ {re.escape(word)}", run.text), word


def test_why_there_was_no_race(raced: tuple[Project, Run]) -> None:
    run = raced[1]
    for name, side, reason in [
        ("test_breaks", "head", "ValueError: head cannot do this"),
        ("test_works", "base", "OSError: base cannot do this"),
        ("test_new", "base", "base has no such benchmark: "),
        ("test_skipped", "base", "not in version 1"),
    ]:
        one = run.raced(name)
        assert (one["side"], reason in one["reason"]) == (side, True), name
        assert re.search(rf"(?m)^(error|new|skipped): {name} \({side}\): ", run.text)


def test_a_slowdown_is_reported_with_its_interval_and_confidence(raced: tuple[Project, Run]) -> None:
    run = raced[1]
    message = next(line for line in run.text.splitlines() if line.startswith("slower: "))
    assert re.match(
        r"slower: \+\d+\.\d % \(\+\d+\.\d % \.\. \+\d+\.\d %, with \d+ % confidence\), [\d.]+ .?s -> [\d.]+ .?s a call, "
        r"after \d+ launches and \d+ pairs\. Equal builds would give such evidence with a chance below 1 in \d+, and any "
        r"alarm in this suite of 8 with one below 90 %",
        message,
    )


def test_the_page_has_each_verdict_with_its_launches(raced: tuple[Project, Run]) -> None:
    page = (raced[0].folder / "race.html").read_text("utf-8")
    found = re.findall(
        r'<tr id="race-\w+" data-verdict="(\w+)">.*?<a href="#race-\w+">([^<]*)</a>(.*?)(?=<tr|</tbody>)',
        page,
        re.DOTALL,
    )
    assert {html.unescape(name): verdict for verdict, name, _ in found} == raced[1].verdicts
    (points,) = (re.findall(r'class="point" d="([^"]*)"', rest)[0] for _, name, rest in found if name == "test_slower")
    assert points.count("M") == len(raced[1].raced("test_slower")["numbers"])
    assert "page: " in raced[1].text


def test_its_repeat_command_repeats_it(raced: tuple[Project, Run]) -> None:
    project, run = raced
    repeat = run.raced("test_slower")["repeat"]
    assert f"repeat: {repeat}" in run.text
    command = shlex.split(repeat)
    assert command[-2:] == [f"--race={project.git('rev-parse', 'HEAD')}", "tests/test_calc.py::test_slower"]
    again = project.run(command=[*project.command(), *command[1:]])
    assert again.verdicts == {"test_slower": "slower"}
    assert again.race["raced"][0]["threshold"] == 0.5
    assert "--race-max-launches=1 " in run.raced("test_unsure")["repeat"]
    assert "--race-threshold=400%" in run.raced("test_unsure")["repeat"]


def test_the_json_file(raced: tuple[Project, Run]) -> None:
    run = raced[1]
    data = run.race
    assert (data["kind"], data["schema"], data["complete"], data["races"], data["alpha"]) == (
        "pytest-benchgate race",
        1,
        True,
        8,
        0.9,
    )
    assert data["head"] == "the working tree"
    assert data["base"].startswith("HEAD (")
    assert (data["base_commit"], data["head_commit"]) == (raced[0].git("rev-parse", "HEAD"), None)
    fields = {field.name for field in dataclasses.fields(Raced)}
    assert all(one.keys() == fields for one in data["raced"])
    slower = run.raced("test_slower")
    assert len(slower["numbers"]) >= 1
    assert slower["low"] <= slower["change"] <= slower["high"]
    assert slower["evidence"] >= slower["alarm"] == 8 / 0.9
    assert slower["base_s"] < slower["head_s"]
    assert slower["path"] == "tests/test_calc.py"
    assert race_json.render(race_json.read(data), data["machine"])["raced"][0].keys() == fields
    assert "cpu" in str(data["machine"]).lower()


def test_pytest_benchmark_has_the_times_of_head(raced: tuple[Project, Run]) -> None:
    project, run = raced
    data = json.loads((project.folder / "times.json").read_text())
    times = {bench["name"]: bench for bench in data["benchmarks"]}
    assert times.keys() == {"test_slower", "test_faster", "test_same[a|<b>`::error::]", "test_unsure"}
    for name, bench in times.items():
        assert bench["stats"]["median"] == pytest.approx(run.raced(name)["head_s"], rel=1e-6)
        told = bench["extra_info"]["benchgate"]["race"]
        assert (told["verdict"], told["nodeid"]) == (run.raced(name)["verdict"], run.raced(name)["nodeid"])
    assert re.search(r"(?m)^test_faster .*\d", run.text)


def test_junit_xml_has_the_failures(raced: tuple[Project, Run]) -> None:
    (suite,) = ET.parse(raced[0].folder / "junit.xml").getroot()  # noqa: S314  # our own
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "8", "failures": "3", "skipped": "1", "errors": "0",
    }  # fmt: skip
    (failure,) = (case.find("failure") for case in suite if case.get("name") == "test_slower")
    assert failure is not None
    assert "slower: +" in (failure.get("message") or "")


def test_markdown_and_annotations(raced: tuple[Project, Run]) -> None:
    project, run = raced
    text = (project.folder / "race.md").read_text("utf-8")
    assert (project.folder / "summary.md").read_text("utf-8") == f"before\n{text}"
    assert text.startswith(
        "## Race\n\n1 slower, 2 error, 1 unsure, 1 same, 1 faster, 1 new, 1 skipped&#58; the working tree against HEAD"
    )
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 8
    assert {row.count("|") for row in rows} == {12}
    assert "400 &#37;" in text or "400 %" in text
    assert "<b>" not in text
    assert "<summary>slower: <code>test&#95;slower</code></summary>" in text
    annotations = [line for line in run.text.splitlines() if line.startswith("::")]
    line = (
        3
        + dedented(HEAD)["tests/test_calc.py"].splitlines().index("def test_slower(benchmark): benchmark(calc.slower)")
        - 2
    )
    assert any(
        one.startswith(f"::error file=tests/test_calc.py,line={line},title=slower%3A test_slower::slower: +")
        for one in annotations
    )
    kinds = [re.sub(r"^::(\w+) .*title=(\w+)%3A.*", r"\1 \2", one) for one in annotations]
    assert sorted(kinds) == [
        "error error",
        "error error",
        "error slower",
        "notice faster",
        "warning new",
        "warning unsure",
    ]


def test_what_a_race_with_itself_can_see(plain: Project) -> None:
    run = plain.run("--race=self", "--race-threshold=100%", "--race-max-launches=3", "--race-alpha=0.9")
    assert run.returncode == 0, run.text
    assert run.verdicts == {"test_count": "same"}
    assert "null race: 0 alarms; the smallest slowdown that could have been seen is " in run.text
    assert "this environment against this environment" in run.text


def test_a_threshold_that_cannot_be_seen_is_refused(plain: Project) -> None:
    run = plain.run("--race=self", "--race-threshold=0.01%", "--race-max-launches=2")
    assert run.returncode == ExitStatus.UNDECIDED
    assert re.search(
        r"threshold of 0\.01 % cannot be seen here: .* the smallest visible slowdown is (above )?\d", run.text
    )


# Each is refused by a session of its own, all in one process.
BAD_OPTIONS = [
    (["--race=main", "--race-threshold=3"], "'3' is not a percentage above 0; write it as in 3%"),
    (["--race=main", "--race-alpha=2"], "'2' must lie between 0 and 1"),
    (["--race=main", "--race-budget=-1"], "'-1' must be a number of seconds above 0"),
    (["--race=main", "--race-max-launches=1.5"], "'1.5' must be a whole number of at least 1"),
    (["--race=main", "--race-max-launches=inf"], "'inf' must be a whole number of at least 1"),
    (["--race=main", "--race-shard=3/2"], "'3/2' must be K/N with K from 1 to N"),
    (
        ["--race=main", "--race-shard-times=no.json"],
        "--race-shard-times: no.json cannot be read (No such file or directory)",
    ),
    (["--race=main", "--race-shard-times=pytest.ini"], "--race-shard-times: pytest.ini is not valid JSON"),
    (["--race=main", "--race-tests=base"], "'base' must be head"),
    (["--race=main", "--race-placements=5"], "'5' must be auto, 0, or a number from 6 to 64"),
    (["--race=main", "--race-base-python=python3"], "both say what base is"),
    (["--race-base-python=no/such/python"], "no/such/python is not an executable"),
    (["--race=nothing"], "'nothing' is not a revision of"),
    (["--race=nothing..."], "'nothing' in 'nothing...' is not a revision of"),
    (["--race=-x"], "'-x' is not a revision"),
    (["--race=main", "--race-json=/proc/none/x.json"], "--race-json: cannot write"),
    (["--race=main", "-orace_threshold=3"], "race_threshold: '3' is not a percentage"),
    (["--race=main", "-orace_tests=base"], "race_tests: 'base' must be head"),
]
REFUSED = """
import json, sys, pytest
for options in json.loads(sys.argv[1]):
    print("STATUS", int(pytest.main([*sys.argv[2:], *options])), flush=True)
"""


def test_bad_options_are_refused_before_anything_runs(plain: Project) -> None:
    options = json.dumps([given for given, _ in BAD_OPTIONS])
    run = plain.run(command=[sys.executable, "-P", "-c", REFUSED, options, *plain.command()[1:]])
    texts = re.split(r"STATUS (\d+)\n", run.text)
    for (given, words), text, status in zip(BAD_OPTIONS, texts[::2], texts[1::2], strict=False):
        assert int(status) == pytest.ExitCode.USAGE_ERROR, given
        assert words in text, given
    assert len(texts) == 2 * len(BAD_OPTIONS) + 1
    assert "collected" not in run.text
    assert "Traceback" not in run.text


def test_a_race_needs_a_repository(plain: Project) -> None:
    (plain.root / ".git").rename(plain.folder / "moved")
    run = plain.race("main", GIT_CEILING_DIRECTORIES=str(plain.folder))
    (plain.folder / "moved").rename(plain.root / ".git")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "not a git repository" in run.text


def test_the_ini_file_has_the_same_options(plain: Project) -> None:
    ini = "race_threshold = 70 %\nrace_alpha = 0.8\nrace_budget = 50\nrace_max_launches = 2\nrace_strict = true\nrace_tests = own\n"
    plain.commit(**{"pytest.ini": PLAIN["pytest.ini"] + ini})
    run = plain.run("--race=HEAD")
    assert (run.raced("test_count")["threshold"], run.race["alpha"]) == (0.7, 0.8)
    assert len(run.raced("test_count")["numbers"]) == 2
    assert run.verdicts == {"test_count": "unsure"}
    assert run.returncode == ExitStatus.UNDECIDED
    assert "The budget is spent: raise --race-budget or --race-max-launches, or the threshold" in run.text


def test_unsure_fails_only_if_asked_to(plain: Project) -> None:
    strict = "import pytest\n@pytest.mark.benchgate(race_strict=True)\ndef test_strict(benchmark):\n    benchmark(calc.count)\n"
    plain.commit(**{"tests/test_calc.py": PLAIN["tests/test_calc.py"] + strict})
    run = plain.run("--race=HEAD", "--race-max-launches=1")
    assert (run.returncode, {*run.verdicts.values()}) == (ExitStatus.UNDECIDED, {"unsure"})
    assert {raced["name"]: raced["failed"] for raced in run.race["raced"]} == {"test_count": False, "test_strict": True}
    assert "--race-strict" in run.raced("test_strict")["repeat"]
    assert "--race-strict" not in run.raced("test_count")["repeat"]


def test_a_spent_budget_ends_a_race(plain: Project) -> None:
    run = plain.run("--race=HEAD", "--race-budget=0.001")
    assert run.verdicts == {"test_count": "unsure"}
    assert len(run.raced("test_count")["numbers"]) == 1


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("race_treshold='3 %'", "the marker benchgate takes the keywords race_threshold, race_alpha"),
        ("race_threshold=3", "race_threshold: '3' is not a percentage"),
        pytest.param("'3 %'", "the marker benchgate takes the keywords", marks=pytest.mark.thorough),
    ],
)
def test_an_unknown_keyword_of_the_marker_is_refused(plain: Project, marker: str, words: str) -> None:
    test = PLAIN["tests/test_calc.py"].replace("def ", f"import pytest\n@pytest.mark.benchgate({marker})\ndef ")
    plain.write(**{"tests/test_calc.py": test})
    run = plain.race("HEAD")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in run.text
    assert "Traceback" not in run.text


def test_shards_are_the_suite(plain: Project) -> None:
    plain.commit(**{"tests/test_calc.py": PLAIN["tests/test_calc.py"] + "".join(
        f"def test_{name}(benchmark):\n    benchmark(calc.count)\n" for name in "abcd"
    )})  # fmt: skip
    runs = [plain.run("--race=HEAD", f"--race-shard={part}/2", "--race-max-launches=1") for part in (1, 2)]
    names = [set(run.verdicts) for run in runs]
    assert names == [{"test_a", "test_c", "test_d"}, {"test_b", "test_count"}]
    assert {one["alarm"] for run in runs for one in run.race["raced"]} == {5 / 0.001}
    assert {run.race["races"] for run in runs} == {5}
    commit, date = plain.git("log", "--format=%H %aI").split(maxsplit=2)[:2]
    assert runs[0].race["head_commit"] == {
        "id": commit, "parents": [plain.git("rev-parse", "HEAD^")], "author": "someone@example.org", "date": date,
        "subject": "A commit",
    }  # fmt: skip
    merged, problems = shards.merge([race_json.read(run.race) for run in runs])
    assert (len(merged.raced), merged.races, merged.complete, problems) == (5, 5, True, [])


def test_shards_take_equally_long(plain: Project) -> None:
    """By the times of the race before, in which the first benchmark took longer than all others."""
    work = "".join(f"def test_{name}(benchmark): benchmark.pedantic(time.sleep, ({s},), rounds=1)\n"
                   for name, s in zip("abcd", (0.2, 0.01, 0.01, 0.01), strict=True))  # fmt: skip
    plain.commit(**{"tests/test_calc.py": f"import time\n{work}"})
    times = plain.folder / "times"
    times.mkdir()
    options = ["--race=HEAD", "--race-max-launches=1", f"--race-shard-times={times}"]
    plain.run(*options, f"--race-json={times / 'first.json'}")
    shown = [plain.run(*options, f"--race-shard={part}/2", "--collect-only", "-q").text for part in (1, 2)]
    assert [re.findall(r"::(test_[a-d])", text) for text in shown] == [["test_a"], ["test_b", "test_c", "test_d"]]


def test_the_json_is_there_after_a_crash(plain: Project) -> None:
    once = PLAIN["tests/test_calc.py"].replace(
        "def ", "import pytest\n@pytest.mark.benchgate(race_max_launches=1)\ndef "
    )
    running = plain.folder / "running"
    tests = (
        f"{once}@pytest.mark.benchgate(race_threshold='0.001%')\ndef test_slow(benchmark):\n"
        f"    open({str(running)!r}, 'a').write('x')\n    benchmark(calc.count)\n"
    )
    plain.commit(**{"tests/test_calc.py": tests, "pytest.ini": PLAIN["pytest.ini"] + "race_threshold = 100%\n"})
    session = plain.start("--race=HEAD")
    wait_for(lambda: (plain.json.exists() and '"verdict": ' in plain.json.read_text()) or session.poll() is not None)
    # In the midst of a launch: after a kill while a process is started, the scratch folder is removed for 15 s.
    launched = running.stat().st_size
    wait_for(lambda: running.stat().st_size > launched)
    kill(session)
    session.communicate()
    data = json.loads(plain.json.read_text())
    assert (data["complete"], [one["name"] for one in data["raced"]]) == (False, ["test_count"])


@pytest.mark.thorough
def test_a_session_without_a_terminal_builds_and_races_too(kern: Project) -> None:
    command = kern.command("--race=HEAD", *UNDECIDED, "-p", "no:terminal")
    run = kern.run(command=[one for one in command if one != "--color=no"])
    assert (run.returncode, run.text, run.verdicts) == (0, "", {"test_spin": "unsure"})


def test_results_may_go_to_a_pipe_or_a_device_which_stay_what_they_are(plain: Project) -> None:
    """A device that is full costs only the report, and the session fails for it."""
    pipe = plain.folder / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["/bin/cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert plain.race("HEAD", *UNDECIDED, f"--race-json={pipe}").returncode == 0
        assert json.loads(reader.communicate()[0])["complete"] is True
    assert pipe.is_fifo()
    link = plain.folder / "full"
    link.symlink_to("/dev/full")
    # macOS has none.
    if not link.is_char_device():
        return
    run = plain.race("HEAD", *UNDECIDED, f"--race-json={link}")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.text
    assert f"{link} could not be written: [Errno 28] No space left on device" in run.text
    assert link.is_symlink()


def test_a_collection_error_ends_it_before_anything_is_built(kern: Project) -> None:
    kern.write(**{"tests/test_kern.py": "import no_such_module\n"})
    run = kern.race("HEAD", PYTHONPATH=kern.installed())
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert "No module named 'no_such_module'" in run.text
    assert "building" not in run.text


@pytest.mark.parametrize("option", ["--collect-only", "-k=nothing", "--version"])
def test_nothing_is_raced_where_there_is_nothing_to_race(kern: Project, option: str) -> None:
    start = time.time()
    run = kern.race("HEAD", option, PYTHONPATH=kern.installed())
    assert "building" not in run.text
    assert run.race == {} or run.race["raced"] == []
    assert not [path for path in kern.cache.iterdir() if path.stat().st_mtime > start]


def test_a_selection_and_a_failing_number(plain: Project) -> None:
    """By ids, and by -k among them."""
    more = "".join(f"def test_{name}(benchmark):\n    benchmark(calc.count)\n" for name in ("other", "third"))
    plain.commit(**{"tests/test_calc.py": PLAIN["tests/test_calc.py"] + more})
    plain.write(**{"calc.py": SLOW_CALC})
    run = plain.race("HEAD", "tests/test_calc.py::test_other", "tests/test_calc.py::test_count", "-k", "not count")
    assert run.verdicts == {"test_other": "slower"}
    assert (plain.root / ".pytest_cache").exists() is False
    assert QUICK[0] in run.raced("test_other")["repeat"]
