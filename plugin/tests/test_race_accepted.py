"""Slowdowns that people accept: shown in every report, with a limit, and only until base has the entry, too."""

from __future__ import annotations

import json
import os

import pytest
from pytest_benchgate.race.verdicts import accepted
from racing import PLAIN, Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
FILE = "benchgate-accepted.toml"
INI = PLAIN["pytest.ini"] + "race_alpha = 0.9\nrace_threshold = 50%\nrace_max_launches = 12\n"
SLOW = PLAIN["calc.py"].replace("times=1", "times=3")  # by 200 %


def entry(test: str = "tests/test_calc.py::test_count", limit: str = "900%", reason: str = "exact | now") -> str:
    return f"[[accept]]\ntest = {json.dumps(test)}\nlimit = {json.dumps(limit)}\nreason = {json.dumps(reason)}\n"


@pytest.fixture
def slow(plain: Project) -> Project:
    plain.commit(**{"pytest.ini": INI})
    plain.write(**{"calc.py": SLOW})
    return plain


def test_an_accepted_slowdown_passes_and_is_shown(slow: Project) -> None:
    slow.write(**{FILE: entry()})
    markdown = slow.folder / "race.md"
    run = slow.run("--race=HEAD", f"--benchgate-markdown={markdown}", "-v", GITHUB_ACTIONS="true")
    assert (run.returncode, run.verdicts) == (0, {"test_count": "accepted"}), run.text
    one = run.raced("test_count")
    assert (one["threshold"], one["limit"], one["accepted"]) == (0.5, 9.0, "exact | now")
    assert "accepted: test_count up to 900 %: exact | now" in run.text
    assert "::test_count ACCEPTED +" in run.text
    assert "1 accepted: the working tree against HEAD" in run.text
    assert ",title=accepted%3A test_count::accepted: +" in run.text
    assert "pairs. Accepted, up to 900 %25: exact | now%0Arepeat: " in run.text
    text = markdown.read_text("utf-8")
    assert "Accepted, up to 900 %: exact | now" in text
    assert "| accepted |" in text
    assert "--race-threshold=50%" in one["repeat"]


def test_a_slowdown_beyond_its_limit_fails_and_names_the_limit(slow: Project) -> None:
    slow.write(**{FILE: entry(limit="60%")})
    run = slow.run("--race=HEAD")
    assert (run.returncode, run.verdicts) == (pytest.ExitCode.TESTS_FAILED, {"test_count": "slower"})
    assert "This is beyond what is accepted, up to 60 %: exact | now" in run.text


@pytest.mark.thorough
@pytest.mark.parametrize("name", [FILE, "perf/accepted.toml"])
def test_an_entry_counts_only_until_base_has_it(slow: Project, name: str) -> None:
    """A reason in other words, or another file, makes no new entry; another limit does."""
    slow.write(**{"calc.py": PLAIN["calc.py"], FILE: entry()})
    slow.commit()
    (slow.root / FILE).unlink()
    slow.write(**{"calc.py": SLOW, name: entry(limit="900 %", reason="other words")})
    slow.write(**{"pytest.ini": f"{INI}race_accepted = {name}\n"})
    assert slow.run("--race=HEAD").verdicts == {"test_count": "slower"}
    slow.write(**{name: entry(limit="901%")})
    assert slow.run("--race=HEAD").verdicts == {"test_count": "accepted"}


@pytest.mark.thorough
def test_all_parameters_or_one(slow: Project) -> None:
    test = "import calc, pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_count(benchmark, n):\n    benchmark(calc.count)\n"
    slow.write(**{"calc.py": PLAIN["calc.py"]})
    slow.commit(**{"tests/test_calc.py": test})
    slow.write(**{"calc.py": SLOW, FILE: entry("tests/test_calc.py::test_count[2]")})
    assert slow.run("--race=HEAD").verdicts == {"test_count[1]": "slower", "test_count[2]": "accepted"}
    slow.write(**{FILE: entry() + entry("tests/test_calc.py::test_count[2]", limit="60%")})
    assert slow.run("--race=HEAD").verdicts == {"test_count[1]": "accepted", "test_count[2]": "slower"}


@pytest.mark.thorough
def test_a_useless_entry_is_reported(slow: Project) -> None:
    slow.write(**{"calc.py": PLAIN["calc.py"], FILE: entry() + entry("tests/test_calc.py::test_coun")})
    run = slow.run("--race=HEAD")
    assert (run.returncode, run.verdicts) == (0, {"test_count": "same"})
    assert f"note: {FILE}: tests/test_calc.py::test_coun matches no benchmark of this session" in run.text
    assert f"note: {FILE}: tests/test_calc.py::test_count needs no entry any more: its change is " in run.text


@pytest.mark.thorough
def test_without_a_revision_nothing_is_accepted(slow: Project) -> None:
    slow.write(**{FILE: entry()})
    run = slow.run("--race=self", "--race-max-launches=1")
    assert f"note: {FILE} does not count: only base's revision tells which of its entries are new" in run.text
    assert run.raced("test_count")["limit"] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[accept]\n", "not valid TOML: "),
        ("accept = 1\n", "accept must be tables, each under [[accept]]"),
        ("limit = '3%'\n" + entry(), "unknown key 'limit'; entries are tables [[accept]]"),
        (entry() + "till = 1\n", "entry 1: unknown key 'till'; the keys are test, limit, reason"),
        ("[[accept]]\ntest = 'a::b'\n",
         "entry 1: limit must be a text, not empty; entry 1: reason must be a text, not empty"),
        (entry(reason=" "), "entry 1: reason must be a text, not empty"),
        (entry(limit="12"), "entry 1: limit '12' must be in percent, as in 12%"),
        (entry(limit="-1%"), "entry 1: limit '-1%' must be in percent, as in 12%"),
        (entry("test_count"), "entry 1: test 'test_count' must be a test's id, as in tests/test_x.py::test_work[64]"),
        (entry() + entry(limit="5%"), "entry 2: a second entry for 'tests/test_calc.py::test_count'"),
        ("# \udcff", "can't decode byte 0xff"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_refused_with_every_problem(pytester: pytest.Pytester, text: str, words: str) -> None:
    (pytester.path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(pytest.UsageError) as raised:
        accepted.load(pytester.parseconfig("-p", "no:cacheprovider"), FILE, "self", 0.03)
    assert f"{pytester.path / FILE}: " in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({FILE: entry(limit="2%")}, "the limit must be above the threshold of 3 %, below which nothing needs to be accepted"),
        ({FILE: entry(reason="")}, f"{FILE}: entry 1: reason must be a text, not empty"),
        ({"pytest.ini": "[pytest]\nrace_accepted = none.toml\n"}, "none.toml cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_refused_before_anything_is_built(kern: Project, files: dict[str, str], words: str) -> None:
    kern.write(**files)
    run = kern.run("--race=HEAD")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in run.text
    assert "building" not in run.text
    assert "Traceback" not in run.text


@pytest.mark.thorough
def test_a_limit_below_the_threshold_that_base_has_already_is_not_an_error(slow: Project) -> None:
    slow.commit(**{FILE: entry(limit="2%"), "calc.py": SLOW})
    assert slow.run("--race=HEAD").returncode == 0
