"""What a suite's own options and other plugins do to a run, and must not do to a race."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from racing import PLAIN, SLOW_CALC

if TYPE_CHECKING:
    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
MARKED = """
import calc
import pytest
@pytest.mark.no_cover
def test_marked(benchmark):
    benchmark(calc.count)
def test_fixture(benchmark, no_cover):
    benchmark(calc.count)
"""


ADDOPTS = PLAIN["pytest.ini"] + "addopts = --cov=calc --cov-report=term\n"


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"pytest.ini": ADDOPTS, ".coveragerc": "[report]\nfail_under = 100\n"}, ()),
        ({"tests/test_calc.py": MARKED}, ("--cov", "--cov-fail-under=100")),
    ],
    ids=["configuration", "options"],
)
def test_coverage_is_not_measured(plain: Project, files: dict[str, str], options: tuple[str, ...]) -> None:
    pytest.importorskip("pytest_cov")
    plain.commit(**files)
    run = plain.race("HEAD", "-p", "pytest_cov", *options, "--race-max-launches=1")
    assert set(run.verdicts.values()) == {"unsure"}, run.text
    assert run.returncode == 0
    assert "tests coverage" not in run.text
    assert "Coverage failure" not in run.text
    assert not (plain.root / ".coverage").exists()


def test_coverage_is_measured_without_a_race(plain: Project) -> None:
    """So that the test above can fail."""
    pytest.importorskip("pytest_cov")
    run = plain.run("-p", "pytest_cov", "--cov=calc", "--cov-fail-under=100", "-k", "nothing")
    assert "tests coverage" in run.text
    assert "Coverage failure" in run.text


@pytest.mark.parametrize(
    "given", ["option", *(pytest.param(one, marks=pytest.mark.thorough) for one in ("environment", "configuration"))]
)
def test_codspeed_takes_no_times(plain: Project, given: str) -> None:
    """It replaces the fixture `benchmark`, and switches pytest-benchmark off."""
    pytest.importorskip("pytest_codspeed", reason="pytest-codspeed is not installed")
    if given == "configuration":
        addopts = "addopts = -p pytest_codspeed.plugin --codspeed\n"
        plain.commit(**{"pytest.ini": PLAIN["pytest.ini"] + addopts})
    more = ("--codspeed",) if given == "option" else ()
    options = ("-p", "pytest_codspeed.plugin", *more, "--race-max-launches=1")
    # The worker of base's own tree has the options of its configuration.
    plain.write(**{"tests/test_calc.py": PLAIN["tests/test_calc.py"] + "def test_new(benchmark): benchmark(len, [])\n"})
    run = plain.race("HEAD", *options, CODSPEED_ENV="1") if given == "environment" else plain.race("HEAD", *options)
    assert run.verdicts == {"test_count": "unsure", "test_new": "unsure"}, run.text
    assert re.search(r"codspeed: [\d.]+ \(disabled", run.text)
    assert run.returncode == 0


@pytest.mark.thorough
def test_the_tables_and_comparisons_of_sequential_times(plain: Project) -> None:
    settings = (
        "addopts = --durations=5 --durations-min=0 --benchmark-autosave --benchmark-compare --benchmark-verbose\n"
        "    --benchmark-compare-fail=min:1% --benchmark-histogram=plot\n"
    )
    assert "test_count" in plain.run("--benchmark-save=before").text
    plain.commit(**{"pytest.ini": PLAIN["pytest.ini"] + settings, ".gitignore": ".benchmarks\n"})
    before = {path.name for path in plain.root.rglob("*.json")}
    run = plain.race("HEAD")
    assert run.verdicts == {"test_count": "same"}, run.text
    assert run.returncode == 0
    assert "durations" not in run.text
    assert "Rounds" not in run.text
    assert {path.name for path in plain.root.rglob("*.json")} == before
    assert not [*plain.root.rglob("*.svg")]


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["module", "subfolder", "config"])
def test_other_ways_to_start_it(plain: Project, how: str) -> None:
    plain.commit(**{"other.ini": PLAIN["pytest.ini"] + "race_threshold = 60%\n"})
    command = plain.command("--race=HEAD", "--race-alpha=0.9", "--race-max-launches=12")
    if how == "module":
        command = [command[0].removesuffix("pytest") + "python", "-m", "pytest", *command[1:]]
    elif how == "config":
        command += ["-c", "other.ini"]
    run = plain.run(command=command, cwd=plain.root / "tests" if how == "subfolder" else None)
    assert len(run.verdicts) == 1, run.text
    assert (run.race["raced"][0]["threshold"] == 0.6) is (how == "config")


def test_through_a_symbolic_link_to_the_repository(plain: Project) -> None:
    """Git names the folder itself, and pytest the link."""
    plain.commit(**{"calc.py": SLOW_CALC})
    link = plain.folder / "link"
    link.symlink_to(plain.root)
    run = plain.race("HEAD~1", str(link / "tests"), cwd=plain.folder)
    assert run.verdicts == {"test_count": "slower"}, run.text
