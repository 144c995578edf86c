"""--race=relinked: what the place of the code alone does, over real builds."""

from __future__ import annotations

import math
import os
import random
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.relinked import pairs_differ
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.reports import race_json
from racing import KERN
from test_race_placement import moody

if TYPE_CHECKING:
    from pathlib import Path

    from racing import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
FEW = "--race-placements=6"


@pytest.mark.thorough
def test_a_function_whose_speed_depends_on_its_place(soon: Project) -> None:
    soon.write(**{"kern/_kern.c": moody(4)})
    markdown = soon.folder / "race.md"
    run = soon.race("relinked", FEW, f"--benchgate-markdown={markdown}")
    assert (run.returncode, run.verdicts) == (0, {"test_spin": "placement"}), run.text
    raced = run.raced("test_spin")
    assert (len(raced["placements"]), len(raced["numbers"]), raced["failed"]) == (6, 18, False)
    # Three times the steps in some places; a ring of builds leads back to where it began.
    largest = max(map(abs, raced["placements"]))
    assert largest == pytest.approx(math.log(3), abs=0.2)
    assert sum(raced["placements"]) == pytest.approx(0, abs=0.3)
    spread = re.search(r"placement moves test_spin by (-\d\S+ \.\. \+\d\S+ %), 6 placements\n", run.text)
    assert spread
    assert re.search(r"the largest slowdown that placement alone makes is \d\S+ %, in test_spin; ", run.text)
    assert "the threshold is below what placement does to 1 of 1 benchmarks" in run.text
    assert ": the working tree against itself, with its functions in other places" in run.text
    (found,) = re.findall(r"--race-threshold=([\d.]+)%", run.text.rpartition("benchgate -")[2])
    assert 0 <= float(found) - 100 * math.expm1(largest) <= 0.5
    assert f"| placement | {spread[1]} | 6 |" in markdown.read_text("utf-8")
    assert "placement moves test" in markdown.read_text("utf-8")
    assert race_json.read(run.race).relinked


@pytest.mark.thorough
def test_a_function_that_its_place_does_not_matter_for(soon: Project) -> None:
    run = soon.race("relinked", FEW, "-v")
    assert (run.returncode, run.verdicts) == (0, {"test_spin": "same"}), run.text
    assert max(map(abs, run.raced("test_spin")["placements"])) < math.log(1.5)
    # Few launches may differ by chance.
    assert "% is above that" in run.text or "which threshold can be seen, --race=self tells" in run.text
    assert "the threshold is below" not in run.text
    assert run.raced("test_spin")["repeat"].endswith("--race=relinked tests/test_kern.py::test_spin")


@pytest.mark.thorough
def test_what_fails_is_an_error(soon: Project) -> None:
    test = KERN["tests/test_kern.py"] + "def test_fails(benchmark):\n    benchmark(int, 'x')\n"
    soon.write(**{"tests/test_kern.py": test})
    run = soon.race("relinked", FEW)
    assert (run.returncode, run.verdicts) == (ExitStatus.ERROR, {"test_spin": "same", "test_fails": "error"}), run.text


def refused(project: Project, *options: str, path: str = os.environ["PATH"]) -> str:
    run = project.race("relinked", FEW, *options, PATH=path)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.text
    assert not run.race.get("raced")
    assert "Traceback" not in run.text
    (reason,) = re.findall("--race=relinked: nothing can be put into another place: (.*)", run.text)
    return str(reason)


def test_without_a_build_there_is_nothing_to_place(plain: Project) -> None:
    assert refused(plain).startswith("there is no project to build here")


def test_pure_python_has_nothing_to_place(kern: Project) -> None:
    kern.commit(
        **{"setup.py": "from setuptools import setup\nsetup(packages=['kern'])\n", "kern/__init__.py": "spin = hash\n"}
    )
    assert refused(kern) == "what was built has no extension module"


def test_a_compiler_without_the_flag_is_named_before_anything_is_built(kern: Project, tmp_path: Path) -> None:
    """As MSVC, or an old GCC: none on the PATH knows it."""
    only = tmp_path / "bin"
    only.mkdir()
    (only / "git").symlink_to(shutil.which("git") or "git")
    assert refused(kern, path=str(only)).startswith("no compiler on the PATH knows -fpatchable-function-entry")


@pytest.mark.thorough
def test_flags_that_reach_no_compiler(kern: Project) -> None:
    setup = kern.root.joinpath("setup.py").read_text("utf-8")
    kern.commit(**{"setup.py": f"import os\nos.environ['PATH'] = os.defpath\n{setup}"})
    assert refused(kern) == "other flags of the compiler change no instruction of this build"


def test_no_placements_are_refused(kern: Project) -> None:
    assert refused(kern, "--race-placements=0").endswith("give --race-placements=8")


@pytest.mark.thorough
def test_what_differs_by_more_than_its_launches() -> None:
    rng = random.Random(1)
    alike = [[[rng.gauss(0, 0.005) for _ in range(3)] for _ in range(8)] for _ in range(200)]
    assert sum(pairs_differ(pairs, rng) for pairs in alike) <= 8
    moved = [
        [[rng.gauss(shift, 0.005) for _ in range(3)] for shift in (0, 0.03, -0.02, 0, 0.01, 0, -0.03, 0)]
        for _ in range(50)
    ]
    assert sum(pairs_differ(pairs, rng) for pairs in moved) >= 49
