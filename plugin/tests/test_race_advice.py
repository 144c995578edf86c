"""What a race says to do now; each command and entry is used as it is printed."""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.explain import valgrind
from pytest_benchgate.explain.requests import Unsupported
from racing import LIMIT_S, PLAIN, SLOW_CALC, Run

if TYPE_CHECKING:
    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
TEST = PLAIN["tests/test_calc.py"]


def steps(run: Run) -> dict[str, str]:
    """Return what is printed after the last table: the commands by their introductions."""
    found = re.findall(
        r"^(to .*|where .*|head's .*):\n((?:    .*\n)+)", run.text.rpartition("- benchgate -")[2], re.MULTILINE
    )
    return {words: re.sub("(?m)^    ", "", command) for words, command in found}


def as_printed(project: Project, command: str, cwd: Path | None = None) -> Run:
    """Run a command in a shell."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    state = str(project.folder / "state")
    # A search has several races.
    session = project.start(command=["sh", "-c", command], cwd=cwd, PATH=path, XDG_STATE_HOME=state)
    text, _ = session.communicate(timeout=5 * LIMIT_S)
    return Run(session.returncode, text, {})


def is_accepted(project: Project, entry: str) -> bool:
    """Return whether an entry counts in a race; whether the slowdown is below its limit may remain unsure."""
    raced = project.race("good", "--race-alpha=0.001", "--race-max-launches=6").raced("test_count")
    (limit,) = re.findall(r'(?m)^limit = "(\d+)%"$', entry)
    assert math.expm1(raced["change"]) > 0.5
    return raced["limit"] == int(limit) / 100 and raced["verdict"] in {"accepted", "unsure"}


@pytest.fixture
def slow(plain: Project) -> Project:
    """A project with four commits after the tag `good`, the third of which is slow."""
    plain.git("tag", "good")
    for number, text in enumerate((PLAIN["calc.py"], PLAIN["calc.py"], SLOW_CALC, SLOW_CALC)):
        plain.commit(**{"calc.py": text, "n.txt": str(number)})
    return plain


@pytest.mark.thorough
@pytest.mark.parametrize("folder", ["", "tests"])
def test_after_a_slowdown(slow: Project, folder: str) -> None:
    cwd, markdown = slow.root / folder, slow.folder / "race.md"
    run = slow.race("good", f"--benchgate-markdown={markdown}", cwd=cwd)
    (raced,) = run.race["raced"]
    advised = {one["kind"]: one for one in raced["advice"]}
    assert [*advised] == ["explain", "bisect", "accept"]
    printed = steps(run)
    assert [text.strip() for text in printed.values()] == [one["command"] for one in advised.values()]
    assert "<pre>[[accept]]\n" in markdown.read_text("utf-8")

    explained = as_printed(slow, printed["to find the cause, count instructions"], cwd)
    assert explained.returncode == 1
    # The second only without valgrind.
    assert "instructions a call" in explained.text or "instructions cannot be counted" in explained.text
    found = as_printed(slow, printed["to find the commit"], cwd)
    assert found.returncode == 0, found.text
    assert f"{slow.git('rev-parse', 'HEAD~1')} is the first commit that made " in found.text
    (words,) = (words for words in printed if words.startswith("to accept it, in "))
    (cwd / words.removeprefix("to accept it, in ")).write_text(printed[words])
    assert is_accepted(slow, advised["accept"]["command"])


@pytest.mark.thorough
def test_a_slowdown_of_one_commit_needs_no_search_and_one_of_none_is_said(slow: Project) -> None:
    assert [*steps(slow.race("HEAD~2", "-k", "count"))][1:] == [
        "to find the commit", "to accept it, in benchgate-accepted.toml",
    ]  # fmt: skip
    slow.git("checkout", "--quiet", "HEAD~1")
    assert [*steps(slow.race("HEAD~1"))][1:] == ["to accept it, in benchgate-accepted.toml"]
    slow.git("checkout", "--quiet", "HEAD~1")
    slow.write(**{"calc.py": SLOW_CALC})
    assert "to find the commit (uncommitted changes left out)" in steps(slow.race("good"))
    # Base is no ancestor of head.
    slow.git("checkout", "--quiet", "--force", "good")
    slow.commit(**{"calc.py": SLOW_CALC, "n.txt": "other"})
    assert [*steps(slow.race("main~2"))][1:] == ["to accept it, in benchgate-accepted.toml"]


@pytest.mark.thorough
def test_after_a_slowdown_beyond_its_limit(slow: Project) -> None:
    entry = '[[accept]]\ntest = "tests/test_calc.py::test_count"\nlimit = "60%"\nreason = "so"\n'
    slow.write(**{"benchgate-accepted.toml": entry})
    printed = steps(slow.race("good"))
    slow.write(**{"benchgate-accepted.toml": printed["to accept it, in place of its entry in benchgate-accepted.toml"]})
    assert is_accepted(slow, printed["to accept it, in place of its entry in benchgate-accepted.toml"])


@pytest.mark.thorough
def test_several_slowdowns(slow: Project) -> None:
    slow.write(**{"tests/test_calc.py": TEST + "def test_more(benchmark): benchmark(calc.count, 900)\n"})
    run = slow.race("good", "--race-explain=auto")
    assert {len(raced["advice"]) for raced in run.race["raced"]} >= {2}
    assert len(steps(run)) in {2, 3}
    assert all(re.search(r", for test_(count|more)$", words) for words in steps(run))


@pytest.mark.thorough
def test_after_an_unsure_race(plain: Project) -> None:
    run = plain.race("HEAD", "--race-max-launches=1", "--race-budget=20")
    (command,) = steps(run).values()
    assert "--race-budget=80 --race-max-launches=4" in command
    assert re.search("1 same: the working tree", as_printed(plain, command).text)


@pytest.mark.thorough
def test_after_an_unsure_race_instructions_may_decide(plain: Project) -> None:
    try:
        valgrind.program()
    except Unsupported as error:
        pytest.skip(str(error))
    plain.commit(**{"calc.py": SLOW_CALC})
    run = plain.race("HEAD~1", "--race-max-launches=1", "--race-alpha=0.001", "--race-explain=auto")
    longer, (words, command) = steps(run).items()
    assert longer[0].startswith("to decide what is unsure")
    assert re.fullmatch(r"to decide by instructions, \+\d+(\.\d)? % in head", words)
    counted = as_printed(plain, command)
    assert counted.returncode == 1
    assert "1 slower: the working tree" in counted.text


@pytest.mark.thorough
def test_after_an_error_of_a_test_that_base_cannot_run(plain: Project) -> None:
    plain.write(
        **{
            "calc.py": PLAIN["calc.py"] + "def new(): count()\n",
            "tests/test_calc.py": TEST.replace("calc.count", "calc.new"),
        }
    )
    run = plain.race("HEAD")
    assert run.verdicts == {"test_count": "error"}
    (command,) = steps(run).values()
    again = as_printed(plain, command)
    assert (again.returncode, "1 same: the working tree" in again.text) == (0, True), again.text
    # Base's own would fail, too.
    plain.commit(**{"calc.py": "def count(): raise OSError\n", "tests/test_calc.py": TEST})
    plain.write(**{"calc.py": PLAIN["calc.py"]})
    assert steps(plain.race("HEAD")) == {}


def test_after_a_clean_race_there_is_nothing_to_do(plain: Project) -> None:
    run = plain.race("HEAD")
    assert (run.verdicts, steps(run), run.race["raced"][0]["advice"]) == ({"test_count": "same"}, {}, [])
