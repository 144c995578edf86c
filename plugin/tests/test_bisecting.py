"""`pytest-benchgate bisect` on real histories of git, with real races of Python files, which need no build."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate import cli
from pytest_benchgate.bisection.bisecting import middle
from pytest_benchgate.bisection.trial import Trial
from racing import KERNEL, LIMIT_S, PLAIN, PLUGINS, SLOW_CALC, SLOW_KERNEL, Project, kill, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
TEST = "tests/test_calc.py::test_count"
EXPLAINED = ("--race-alpha=0.9", "--race-threshold=50%", "--race-max-launches=20")
FEW = (*EXPLAINED, "--race-explain=off")
BROKEN = "def count(:\n"
# Slower in two steps of about 45 %; the first 256 turns take half as long as the others.
STEPS = [PLAIN["calc.py"].replace("300", turns) for turns in ("382", "501")]


def bisect(
    project: Project, *options: str, good: str = "good", bad: str = "main", test: str = TEST, few: Sequence[str] = FEW
) -> subprocess.Popen[str]:
    """Start a search."""
    command = [sys.executable, "-m", "pytest_benchgate.cli", "bisect", f"--good={good}", f"--bad={bad}",
               f"--race-cache={project.cache}", f"--json={project.json}", test, *PLUGINS, *few, *options]  # fmt: skip
    return project.start(command=command, XDG_STATE_HOME=str(project.folder / "state"))


def ended(search: subprocess.Popen[str], project: Project) -> tuple[int, str, dict[str, Any]]:
    """Return the exit status of a search, its output, and its JSON."""
    # For several races.
    text, _ = search.communicate(timeout=5 * LIMIT_S)
    content = json.loads(project.json.read_text("utf-8")) if project.json.is_file() else {}
    return search.returncode, text, content


def line(project: Project, *contents: str, name: str = "calc.py") -> list[str]:
    """Commit the contents of a file, one after the other, after the tag `good`; return the commits."""
    project.git("tag", "good")
    return [project.commit(**{name: content, "number.txt": f"{number}\n"}) for number, content in enumerate(contents)]


def outcomes(content: dict[str, Any], commits: list[str]) -> dict[int, str]:
    """Return the outcomes of the trials by the number of the commit."""
    return {commits.index(trial["commit"]): trial["outcome"] for trial in content["trials"]}


@pytest.mark.thorough
def test_the_slow_commit_is_found_and_confirmed_and_the_working_tree_not_touched(plain: Project) -> None:
    commits = line(plain, PLAIN["calc.py"], SLOW_CALC, SLOW_CALC)
    plain.write(**{"calc.py": "not committed\n", "new.txt": "\n"})
    before = plain.state()
    status, text, content = ended(bisect(plain), plain)
    assert status == 0, text
    assert f"{commits[1]} is the first commit that made {TEST} slower\n  A commit\n  someone@example.org, " in text
    assert "2 more races" in text
    assert content["ending"] == "found"
    assert [commit["id"] for commit in content["suspects"]] == [commits[1]]
    assert outcomes(content, commits) == {2: "bad", 0: "good", 1: "bad"}
    assert content["trials"][0]["share"] == pytest.approx(0.9 / 3)
    assert content["confirmation"]["against"] == commits[0]
    assert content["confirmation"]["share"] == pytest.approx(0.9)
    assert content["confirmation"]["raced"]["change"] > 0.5
    assert Trial.read(content["trials"][0]).commit == commits[2]
    assert plain.state() == before
    assert not [*plain.folder.glob("state/**/*.json")]


@pytest.mark.thorough
def test_commits_that_cannot_be_raced_leave_a_range(plain: Project) -> None:
    fast = PLAIN["calc.py"]
    commits = line(plain, fast, BROKEN, SLOW_CALC)
    status, text, content = ended(bisect(plain), plain)
    assert status == 1, text
    assert content["ending"] == "range"
    assert [commit["id"] for commit in content["suspects"]] == commits[1:]
    assert "became slower in one of these 2 commits" in text
    assert f"{commits[1][:10]} " in text
    assert "skipped: " in text
    assert "SyntaxError" in text


@pytest.mark.thorough
def test_a_commit_without_the_test_is_skipped(plain: Project) -> None:
    plain.git("tag", "good")
    without = plain.commit(**{"tests/test_calc.py": "def test_other(benchmark):\n    benchmark(len, '')\n"})
    slow = plain.commit(**{"calc.py": SLOW_CALC, "tests/test_calc.py": PLAIN["tests/test_calc.py"]})
    status, text, content = ended(bisect(plain), plain)
    assert status == 1, text
    assert outcomes(content, [without, slow]) == {0: "skipped", 1: "bad"}
    assert "it does not have the test" in text


@pytest.mark.thorough
def test_a_slow_commit_on_a_branch_or_its_merge(plain: Project) -> None:
    plain.git("tag", "good")
    plain.git("checkout", "--quiet", "-b", "side")
    plain.commit(**{"side.txt": "1\n"})
    slow = plain.commit(**{"calc.py": SLOW_CALC})
    plain.commit(**{"side.txt": "2\n"})
    plain.git("checkout", "--quiet", "main")
    plain.commit(**{"main.txt": "1\n"})
    plain.git("merge", "--quiet", "--no-ff", "--message", "A merge", "side")
    merge = plain.git("rev-parse", "HEAD")
    plain.commit(**{"main.txt": "2\n"})
    status, text, content = ended(bisect(plain, few=EXPLAINED), plain)
    assert (status, content["suspects"][0]["id"]) == (0, slow), text
    # Of several commits at once it would be of no use.
    parent = plain.git("rev-parse", f"{slow}^")
    for trial in (*content["trials"], content["confirmation"]):
        assert (trial["against"] == parent) is bool(trial["raced"]["explanation"]), trial
    status, text, content = ended(bisect(plain, "--first-parent"), plain)
    assert (status, content["suspects"][0]["id"]) == (0, merge), text
    assert content["commits"] == 3


@pytest.mark.thorough
@pytest.mark.parametrize("restart", [False, True])
def test_an_interrupted_search_leaves_nothing_and_goes_on(plain: Project, *, restart: bool) -> None:
    commits = line(plain, PLAIN["calc.py"], SLOW_CALC)
    before = plain.state()
    search = bisect(plain)

    def has_trials() -> bool:
        text = plain.json.read_text("utf-8") if plain.json.is_file() else "{}"
        return bool(json.loads(text).get("trials"))

    def races_again() -> bool:
        return any("pytest_benchgate.race.worker" in command for command in plain.processes().values())

    wait_for(has_trials)
    wait_for(races_again)
    kill(search, signal.SIGINT)
    status, text, content = ended(search, plain)
    assert status == 130, text
    assert "interrupted; to go on: pytest-benchgate bisect --good=good" in text
    assert "Traceback" not in text
    assert plain.left_behind() == []
    assert plain.state() == before
    assert content["exit_status"] is None
    done = content["trials"]
    status, text, content = ended(bisect(plain, *["--restart"] * restart), plain)
    assert (status, content["suspects"][0]["id"]) == (0, commits[1]), text
    # What is not raced again has the same times.
    assert (content["trials"][: len(done)] == done) is not restart
    assert text.count("(raced before)") == (0 if restart else len(done))


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_other_signals_leave_nothing(plain: Project, number: int) -> None:
    line(plain, PLAIN["calc.py"], SLOW_CALC)
    search = bisect(plain)
    wait_for(lambda: any("pytest_benchgate.race.worker" in command for command in plain.processes().values()))
    kill(search, number)
    status, text, _ = ended(search, plain)
    assert status == (130 if number == signal.SIGTERM else -number), text
    assert plain.left_behind() == []


def test_without_a_slowdown_there_is_no_search(plain: Project) -> None:
    line(plain, PLAIN["calc.py"], PLAIN["calc.py"])
    status, text, content = ended(bisect(plain), plain)
    assert status == 125, text
    assert "has not been shown to be slower than" in text
    assert "same: " in text
    assert (content["ending"], len(content["trials"])) == ("no verdict", 1)


def test_a_bad_revision_that_cannot_be_raced_is_no_verdict(plain: Project) -> None:
    line(plain, BROKEN)
    status, text, _ = ended(bisect(plain), plain)
    assert status == 125, text
    assert "SyntaxError" in text


@pytest.mark.thorough
def test_a_slowdown_in_steps_is_not_confirmed(plain: Project) -> None:
    commits = line(plain, PLAIN["calc.py"], PLAIN["calc.py"], *STEPS)
    few = ("--race-alpha=0.9", "--race-threshold=70%", "--race-max-launches=20")
    status, text, content = ended(bisect(plain, few=few), plain)
    assert status == 1, text
    assert content["ending"] == "unconfirmed"
    assert [commit["id"] for commit in content["suspects"]] == commits
    assert "does not confirm it" in text
    assert f"{commits[0][:10]} " in text
    assert ": not raced\n" in text


@pytest.mark.thorough
def test_a_small_step_before_a_large_one_is_neither_blamed_nor_skipped(plain: Project) -> None:
    """Its slowdown is about the threshold, so that a race with that one would be unsure, or blame it."""
    small, large = (PLAIN["calc.py"].replace("300", turns) for turns in ("325", "700"))
    commits = line(plain, PLAIN["calc.py"], small, large)
    few = ("--race-alpha=0.9", "--race-threshold=15%", "--race-max-launches=20", "--race-explain=off")
    status, text, content = ended(bisect(plain, few=few), plain)
    assert status == 0, text
    assert [commit["id"] for commit in content["suspects"]] == commits[2:]
    whole, *_, between = content["trials"]
    assert (whole["raced"]["threshold"], between["commit"]) == (0.15, commits[1])
    assert between["outcome"] == "good"
    assert between["raced"]["threshold"] == pytest.approx(middle(whole["raced"]["change"], 0.15))
    assert content["confirmation"]["raced"]["threshold"] == 0.15
    assert "commits before it may have made it slower, by less than " in text


def test_the_threshold_of_a_search_is_not_near_the_end_of_equal_steps() -> None:
    for whole in (0.2, 1.0, 3.0):
        chosen = math.log1p(middle(whole, 0.03))
        ends = [whole * step / steps for steps in (1, 2, 3, 4) for step in range(steps + 1)]
        assert min(abs(chosen - end) for end in ends) > 0.07 * whole
    assert middle(0.05, 0.03) == 0.03


@pytest.mark.thorough
def test_an_accepted_slowdown_is_one_nevertheless(plain: Project) -> None:
    plain.git("tag", "good")
    accepted = f'[[accept]]\ntest = "{TEST}"\nlimit = "900%"\nreason = "so be it"\n'
    plain.commit(**{"calc.py": SLOW_CALC, "benchgate-accepted.toml": accepted})
    status, text, _ = ended(bisect(plain), plain)
    assert status == 0, text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(good="nowhere"), "'nowhere' is no"),
        (dict(good="main", bad="good"), "is not an ancestor of --bad"),
        (dict(good="main"), "--good and --bad are the same commit"),
        (dict(few=["--race=main"]), "bisect sets --race itself; remove it"),
        (dict(few=["--race-shard=1/2"]), "bisect sets --race-shard itself; remove it"),
        (dict(few=["--race-alpha=2"]), "'2' must lie between 0 and 1"),
        (dict(few=["--json=/proc/none/x.json"]), "--json: /proc/none/x.json cannot be written"),
        (dict(few=["--race-threshold=3"]), "--race-threshold: '3' is not a percentage above 0; write it as in 3%"),
        (
            dict(few=["--no-such-option"]),
            "unrecognized arguments: --no-such-option. Give the options of pytest after TEST",
        ),
    ],
)
def test_wrong_arguments_are_refused(plain: Project, options: dict[str, Any], message: str) -> None:
    line(plain, SLOW_CALC)
    status, text, _ = ended(bisect(plain, **options), plain)
    assert status == 2, text
    assert message in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("tests/test_calc.py::test_none", "there is no tests/test_calc.py::test_none in --bad "),
        ("tests/none.py::test_count", "there is no tests/none.py::test_count in --bad "),
        pytest.param(
            "tests/test_calc.py::test_new",
            "there is no tests/test_calc.py::test_new in --good ",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            "tests/test_calc.py",
            "tests/test_calc.py names 2 benchmarks; give one of them: tests/test_calc.py::",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_a_test_that_is_not_one_benchmark_of_both_is_refused(plain: Project, test: str, message: str) -> None:
    plain.git("tag", "good")
    new = "import calc\ndef test_new(benchmark):\n    benchmark(calc.new)\n"
    plain.commit(**{"calc.py": SLOW_CALC + "new = count\n", "tests/test_calc.py": PLAIN["tests/test_calc.py"] + new})
    status, text, _ = ended(bisect(plain, test=test), plain)
    assert status == 2, text
    assert message in text


def test_outside_of_a_repository(plain: Project) -> None:
    command = [sys.executable, "-m", "pytest_benchgate.cli", "bisect", "--good=a", "--bad=b", TEST]
    text, _ = (search := plain.start(command=command, cwd=plain.folder)).communicate(timeout=LIMIT_S)
    assert search.returncode == 2
    assert f"{plain.folder} is not in a git repository" in text


@pytest.mark.thorough
def test_the_folder_in_which_it_starts_and_absolute_ids(plain: Project) -> None:
    (slow,) = line(plain, SLOW_CALC)
    for test, cwd in ((f"{plain.root}/{TEST}", plain.root), ("test_calc.py::test_count", plain.root / "tests")):
        command = [sys.executable, "-m", "pytest_benchgate.cli", "bisect", "--good=good", "--bad=main",
                   f"--race-cache={plain.cache}", test, *PLUGINS, *FEW]  # fmt: skip
        search = plain.start(command=command, cwd=cwd, XDG_STATE_HOME=str(plain.folder / "state"))
        text, _ = search.communicate(timeout=LIMIT_S)
        assert search.returncode == 0, text
        assert f"{slow} is the first commit" in text


def test_help_names_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["bisect", "--help"])
    text = capsys.readouterr().out
    assert "  125  the bad revision is not slower" in text
    assert "pytest-benchgate bisect --good v1.2 --bad HEAD tests/test_x.py::test_work" in text


@pytest.mark.thorough
def test_an_extension_that_does_not_build_in_between(kern: Project) -> None:
    broken = KERNEL.replace("long total", "lnog total")
    commits = line(kern, KERNEL, KERNEL, broken, KERNEL, SLOW_KERNEL, broken, SLOW_KERNEL, name="kern/_kern.c")
    status, text, content = ended(bisect(kern, test="tests/test_kern.py::test_spin"), kern)
    assert status == 0, text
    assert content["suspects"][0]["id"] == commits[4]
    assert outcomes(content, commits) == {6: "bad", 2: "skipped", 3: "good", 4: "bad"}
    assert "could not be built" in text
