"""Head does not judge itself: base's settings and markers count, and what base has and head lacks is listed."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET

import pytest
from pytest_benchgate.race.building.git import Tree
from pytest_benchgate.race.sides import basis
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from racing import PLAIN, QUICK, SLOW_CALC, Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
INI = PLAIN["pytest.ini"] + "race_alpha = 0.9\nrace_threshold = 50%\nrace_max_launches = 12\n"
TEST = PLAIN["tests/test_calc.py"]
BENCH = "(benchmark):\n    benchmark(calc.count)\n"


@pytest.mark.parametrize(
    ("file", "may"), [("kern/_kern.pyx", False), ("kern/_kern.C", False), ("kern/api.py", True), ("tox.ini", True)]
)
def test_sources_that_are_compiled_have_no_settings(plain: Project, file: str, may: bool) -> None:  # noqa: FBT001
    """Then base's own tree need not be asked, which takes as long as a launch."""
    plain.commit(**{file: "old\n"})
    plain.commit(**{file: "new\n"})
    base, head = (
        Tree(
            commit := plain.git("rev-parse", revision), plain.git("rev-parse", f"{revision}^{{tree}}"), revision, commit
        )
        for revision in ("HEAD~1", "HEAD")
    )
    assert basis.may_differ(plain.root, base, head) is may


MARK = "@pytest.mark.benchgate(race_threshold='900%')\n"
MARKING = """
import pytest
def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == "test_by_conftest":
            item.add_marker(pytest.mark.benchgate(race_threshold="900%"))
"""


@pytest.mark.parametrize(
    ("ini", "notes"),
    [
        pytest.param(
            "race_threshold = 900%\n", ["head sets race_threshold to 900%; base's 50% counts until it is merged"],
            marks=pytest.mark.thorough,
        ),
        ("addopts = --race-threshold=900%\nrace_tests = own\nrace_strict = 1\n",
         ["head sets race_threshold to 900%; base's 50%", "head sets race_strict to true; base's false",
          "head sets race_tests to own; base's head"]),
    ],
)  # fmt: skip
def test_base_s_settings_count(plain: Project, ini: str, notes: list[str]) -> None:
    """And its markers: of a test, of a module, by a conftest.py, of a test that is new."""
    option = "def pytest_addoption(parser): parser.addoption('--only-head')\n"
    raced = f"{INI}addopts = --race=main -n 2 --benchmark-disable --junitxml=x.xml -m 'not slow'\nmarkers = slow\n"
    plain.commit(**{"pytest.ini": raced, "tests/test_calc.py": f"{TEST}def test_by_conftest{BENCH}"})
    plain.write(**{
        "calc.py": SLOW_CALC, "pytest.ini": INI.replace("race_threshold = 50%\n", ini), "tests/conftest.py": MARKING,
        "conftest.py": option, "tests/test_calc.py": f"import calc, pytest\n{MARK}def test_count{BENCH}def test_by_conftest{BENCH}",
        "tests/test_more.py": f"import calc, pytest\npytestmark = pytest.mark.benchgate(race_budget=1e-9)\ndef test_more{BENCH}",
    })  # fmt: skip
    run = plain.run("--race=HEAD", "-p", "xdist", "--only-head", "1", "-k", "not nothing")
    assert run.verdicts == dict.fromkeys(["test_count", "test_by_conftest", "test_more"], "slower"), run.text
    assert {one["threshold"] for one in run.race["raced"]} == {run.race["settings"]["race_threshold"]} == {0.5}
    counts = "counts until it is merged"
    assert all(f"note: {note}" in run.text for note in notes)
    both = "tests/test_calc.py::test_count, tests/test_calc.py::test_by_conftest"
    assert f"note: head's marker of {both} sets race_threshold to 900%; base's 50% {counts}" in run.text
    assert (
        f"note: head's marker of tests/test_more.py::test_more sets race_budget to 1e-09; base's 60 {counts}"
        in run.text
    )


@pytest.mark.thorough
def test_the_command_line_overrides_files_and_markers(plain: Project) -> None:
    mark = "import pytest\npytestmark = pytest.mark.benchgate(race_threshold='10%', race_strict=True)\n"
    plain.commit(**{"tests/test_calc.py": TEST + mark, "pytest.ini": f"{INI}race_gone = fail\n"})
    plain.write(**{"pytest.ini": f"{INI}race_gone = list\n"})
    options = ("--race=HEAD", "--race-max-launches=1")
    run = plain.run(*options, PYTEST_ADDOPTS="--race-threshold 400%")
    assert (run.raced("test_count")["threshold"], run.verdicts) == (4.0, {"test_count": "unsure"})
    assert run.returncode == ExitStatus.UNDECIDED  # by the marker's race_strict
    assert run.race["settings"]["race_gone"] == "fail"
    assert plain.run(*options).raced("test_count")["threshold"] == 0.1


@pytest.mark.thorough
def test_a_test_with_new_parameters_has_the_marker_that_its_function_had(plain: Project) -> None:
    test = f"import calc, pytest\n@pytest.mark.benchgate(race_threshold='300%')\ndef test_count{BENCH}"
    plain.commit(**{"pytest.ini": INI, "tests/test_calc.py": test})
    more = test.replace("def", "@pytest.mark.parametrize('n', [1, 2])\ndef").replace("(benchmark)", "(benchmark, n)")
    plain.write(**{"tests/test_calc.py": more})
    run = plain.run("--race=HEAD", "--race-max-launches=1")
    assert {one["name"]: (one["verdict"], one["threshold"]) for one in run.race["raced"]} == {
        "test_count": ("gone", 0.5), "test_count[1]": ("unsure", 3.0), "test_count[2]": ("unsure", 3.0),
    }  # fmt: skip
    assert "note: head" not in run.text.replace("note: head's tests", "")
    assert re.search(r"(?m)^benchmark +verdict +threshold +change ", run.text)
    assert "threshold 50 % (some benchmarks: 300 %)" in run.text


BASE_TESTS = f"""
import calc, pytest
def test_kept{BENCH}
def test_deleted{BENCH}
def test_renamed{BENCH}
@pytest.mark.parametrize("n", [1, 2])
def test_shrunk(benchmark, n):
    benchmark(calc.count)
def test_deselected{BENCH}
def test_by_options{BENCH}
def test_without_fixture{BENCH}
def test_marked_skip{BENCH}
def test_body_skips{BENCH}
def test_xfailed{BENCH}
def test_skipped_before(benchmark):
    pytest.skip("always")
"""
HEAD_TESTS = f"""
import calc, pytest
def test_kept{BENCH}
def test_a_new_name{BENCH}
@pytest.mark.parametrize("n", [2])
def test_shrunk(benchmark, n):
    benchmark(calc.count)
def test_deselected{BENCH}
def test_by_options{BENCH}
def test_without_fixture():
    calc.count()
@pytest.mark.skip(reason="flaky")
def test_marked_skip{BENCH}
def test_body_skips(benchmark):
    pytest.skip("too slow here")
@pytest.mark.xfail(run=False, reason="known")
def test_xfailed{BENCH}
@pytest.mark.skip(reason="still")
def test_skipped_before{BENCH}
"""
HIDING = """
def pytest_collection_modifyitems(config, items):
    out = [item for item in items if "deselected" in item.name]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]
"""
GONE = {
    "test_deleted": "head has no such benchmark",
    "test_renamed": "head has no such benchmark",
    "test_shrunk[1]": "head has no such benchmark",
    "test_deselected": "head deselects it",
    "test_by_options": "head deselects it",
    "test_without_fixture": "head's test has no fixture `benchmark`",
    "test_marked_skip": "head skips it, and base's own test runs: flaky",
    "test_body_skips": "head skips it, and base's own test runs: too slow here",
    "test_xfailed": "head skips it, and base's own test runs: xfail: ",
}


@pytest.fixture
def hiding(plain: Project) -> Project:
    """Give a project whose head hides benchmarks in each way that there is."""
    plain.commit(**{"pytest.ini": INI, "tests/test_calc.py": BASE_TESTS})
    ini = f"{INI}race_gone = list\naddopts = -k 'not by_options'\n"
    plain.write(**{"pytest.ini": ini, "tests/test_calc.py": HEAD_TESTS, "tests/conftest.py": HIDING})
    return plain


def test_what_head_lacks_is_listed(hiding: Project) -> None:
    markdown = hiding.folder / "race.md"
    run = hiding.run("--race=HEAD", "--race-max-launches=1", f"--benchgate-markdown={markdown}", GITHUB_ACTIONS="true")
    assert run.returncode == 0, run.text
    gone = {one["name"]: one for one in run.race["raced"] if one["verdict"] == "gone"}
    assert gone.keys() == GONE.keys()
    assert run.verdicts["test_skipped_before"] == "skipped"
    assert run.verdicts["test_a_new_name"] == "unsure"
    assert run.race["races"] == 7
    for name, reason in GONE.items():
        assert gone[name]["reason"].startswith(reason), name
        assert f"gone: {name} (head): {reason}" in run.text
        assert f"title=gone%3A {name.replace(',', '%2C')}::gone (head): {reason}" in run.text
    assert "<summary>gone: <code>test&#95;deleted</code></summary>" in markdown.read_text("utf-8")
    assert (gone["test_deleted"]["path"], gone["test_deleted"]["line"]) == ("tests/test_calc.py", 6)


def test_what_head_lacks_fails_if_base_has_it_configured(hiding: Project) -> None:
    hiding.git("stash", "--include-untracked")
    hiding.commit(**{"pytest.ini": f"{INI}race_gone = fail\n"})
    hiding.git("checkout", "--quiet", "stash@{0}", "--", ".")
    hiding.write(**{"tests/conftest.py": HIDING})
    junit = hiding.folder / "junit.xml"
    run = hiding.run("--race=HEAD", "--race-max-launches=1", f"--junitxml={junit}")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert {one["name"] for one in run.race["raced"] if one["failed"]} == GONE.keys()
    assert "note: head sets race_gone to list; base's fail counts until it is merged" in run.text
    (suite,) = ET.parse(junit).getroot()  # noqa: S314  # our own
    assert {case.get("name") for case in suite if case.find("failure") is not None} == GONE.keys()
    # Before pytest 8.2 the summary shows the word's colour as well.
    assert re.search(r"GONE\b.* tests/test_calc\.py::test_deleted", run.text)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["-k", "kept or deleted"], {"test_deleted"}),
        (["tests/test_calc.py::test_shrunk"], {"test_shrunk[1]"}),
        (["more/test_other.py", "tests/test_calc.py::test_kept"], set()),
        ([], set()),
        ([f"--ignore={os.sep}ROOT/tests/test_calc.py"], set()),
        (["-k=shrunk", "--deselect=tests/test_calc.py::test_shrunk[1]"], set()),
    ],
)
def test_a_benchmark_is_not_gone_because_it_is_not_selected(
    hiding: Project, options: list[str], gone: set[str]
) -> None:
    other = f"import calc\ndef test_kept_too{BENCH}"
    hiding.write(**{"more/test_other.py": other, "pytest.ini": INI})
    given = [one.replace(f"{os.sep}ROOT", str(hiding.root)) for one in options]
    cwd = hiding.root if given else hiding.root / "more"
    run = hiding.run("--race=HEAD", "--race-max-launches=1", *given, cwd=cwd)
    assert {name for name, verdict in run.verdicts.items() if verdict == "gone"} == gone, run.text


@pytest.mark.thorough
def test_each_missing_benchmark_is_in_one_shard(hiding: Project) -> None:
    hiding.write(**{"tests/test_calc.py": f"import calc\ndef test_kept{BENCH}"})
    runs = [hiding.run("--race=HEAD", "--race-max-launches=1", f"--race-shard={number}/2") for number in (1, 2)]
    gone = [name for run in runs for name, verdict in run.verdicts.items() if verdict == "gone"]
    assert len(gone) == len({*gone}) == 11
    assert [len(run.verdicts) for run in runs] == [7, 5]
    assert [run.returncode for run in runs] == [0, 0]


@pytest.mark.thorough
def test_a_suite_that_has_lost_all_of_its_benchmarks(plain: Project) -> None:
    plain.write(**{"tests/test_calc.py": "def test_nothing(): pass\n"})
    run = plain.race("HEAD")
    assert (run.returncode, run.verdicts) == (pytest.ExitCode.NO_TESTS_COLLECTED, {"test_count": "gone"})
    run = plain.race("HEAD", "--race-gone=fail")
    assert (run.returncode, run.verdicts) == (pytest.ExitCode.TESTS_FAILED, {"test_count": "gone"})


@pytest.mark.thorough
def test_a_base_that_cannot_be_collected_is_reported(plain: Project) -> None:
    plain.commit(**{"tests/test_calc.py": "import no_such_module\n"})
    plain.write(**{"tests/test_calc.py": TEST})
    run = plain.race("HEAD")
    assert run.verdicts == {"test_count": "same"}
    assert (
        "note: base's own tests/test_calc.py cannot be collected, so that what head lacks of it is not listed"
        in run.text
    )
    plain.commit(**{"pytest.ini": "[pytest\n"})
    plain.write(**{"pytest.ini": INI})
    run = plain.race("HEAD")
    assert run.verdicts == {"test_count": "same"}
    assert (
        "note: base's own tests and settings are not known: the defaults count, and what head lacks is not listed"
        in run.text
    )


def test_a_new_benchmark_is_new_only_if_head_runs_it(plain: Project) -> None:
    """With each side's own tests, base has nothing that could be run."""
    more = f"def test_new{BENCH}def test_skipped(benchmark):\n    pytest.skip('not yet')\ndef test_fails(benchmark):\n    raise OSError('no')\n"
    plain.write(**{"tests/test_calc.py": f"{TEST}import pytest\n{more}"})
    run = plain.run("--race=HEAD", "--race-tests=own", *QUICK, "--race-max-launches=1")
    assert run.verdicts == {"test_count": "unsure", "test_new": "new", "test_skipped": "skipped", "test_fails": "error"}
    assert run.raced("test_fails")["side"] == "head"


@pytest.mark.thorough
def test_a_new_parameter_is_new(plain: Project) -> None:
    """Its function is there, and base's build cannot run it."""
    tests = "import calc, pytest\n@pytest.mark.parametrize('name', ['count'])\ndef test_it(benchmark, name):\n    benchmark(getattr(calc, name))\n"
    plain.commit(**{"tests/test_calc.py": tests})
    plain.write(
        **{
            "calc.py": f"{PLAIN['calc.py']}added = count\n",
            "tests/test_calc.py": tests.replace("['count']", "['count', 'added']"),
        }
    )
    run = plain.race("HEAD")
    assert run.verdicts == {"test_it[count]": "same", "test_it[added]": "new"}, run.text


def test_a_new_benchmark_at_which_base_s_worker_dies_is_an_error(plain: Project) -> None:
    head = f"{PLAIN['calc.py']}added = count\n"
    body = (
        "import os\ndef test_added(benchmark):\n    hasattr(calc, 'added') or os.abort()\n    benchmark(calc.count)\n"
    )
    plain.write(**{"calc.py": head, "tests/test_calc.py": TEST + body})
    run = plain.race("HEAD", "--race-max-launches=1")
    assert run.verdicts["test_added"] == "error", run.text
    assert "SIGABRT" in run.raced("test_added")["reason"]
