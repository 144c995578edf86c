"""The examples and the reports run: for real, each in a repository of its own."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from racing import Project
from test_devices import pocl

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
EXAMPLES = Path(__file__).parents[2] / "examples"
needs_posix = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the plugin's own sdist has no examples")
WAIT = " for (volatile int wait = 0; wait < 100; wait++) {}"


def example(name: str, folder: Path, cache: Path) -> Project:
    """Return an example as a repository whose last commit made its compiled code slower."""
    files = {
        path.relative_to(EXAMPLES / name).as_posix(): path.read_text("utf-8")
        for path in (EXAMPLES / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    project = Project.make(folder / "project", cache, files)
    ((kernel, source),) = ((path, text) for path, text in files.items() if path.endswith((".c", ".cl")))
    assert source.count("u = x[i];") == 1
    project.commit(**{kernel: source.replace("u = x[i];", "u = x[i];" + WAIT)})
    return project


@needs_posix
@needs_examples
@pytest.mark.parametrize(
    ("name", "test"),
    [
        pytest.param("c_extension", "tests/test_speed.py::test_steps", marks=pytest.mark.thorough),
        pytest.param("opencl", "tests/test_kernel.py::test_logistic", marks=[pocl, pytest.mark.thorough]),
    ],
)
def test_an_example_is_verified_and_raced(tmp_path: Path, race_cache: Path, name: str, test: str) -> None:
    project = example(name, tmp_path, race_cache)
    installed = tmp_path / "installed"
    if (project.root / "pyproject.toml").is_file():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(installed), str(project.root)]
        subprocess.run(pip, check=True, env=project.environment())
    run = project.run("--benchmark-max-time=0.01", PYTHONPATH=str(installed))
    assert run.returncode == 0, run.text
    assert re.search(r"^(\d+) of \1 times verified by gate, 0 withheld", run.text, re.MULTILINE), run.text
    raced = project.race("HEAD~1", test, "-k", "1000 and not 10000")
    assert {*raced.verdicts.values()} == {"slower"}, raced.text
    assert raced.returncode == 1
    assert project.left_behind() == []


def report(name: str, *options: str, statuses: tuple[int, ...] = (0,)) -> str:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in statuses, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["bisections", "overhead", "placements", "trial"])
def test_a_report_says_what_it_shows(name: str) -> None:
    summary = (ast.get_docstring(ast.parse((BENCHMARKS / f"{name}.py").read_text("utf-8"))) or "-").splitlines()[0]
    assert summary in " ".join(report(name, "--help").split())


def test_the_overhead_is_a_ratio_for_each_way() -> None:
    # 1 is its answer, not a failure: two turns of 10 ms on a busy machine may differ by anything.
    lines = report("overhead", "--turns=2", "--seconds=0.01", statuses=(0, 1)).splitlines()
    assert [line.rpartition("/")[0].split(maxsplit=2)[2].strip() for line in lines[:4]] == [
        "benchmark again",
        "gate",
    ] * 2
    assert lines[4].startswith("the gate costs ")


@needs_posix
@needs_examples
@pytest.mark.thorough
def test_a_trial_counts_verdicts() -> None:
    race = (
        "--race-alpha=0.9",
        "--race-threshold=2%",
        "--race-max-launches=3",
        "--race-placements=0",
        "--race-explain=off",
    )
    lines = report("trial", "--what=slow10", "--races=1", "--", *race).splitlines()
    assert lines[-1].startswith("slow10, load 0: {"), lines
    assert len(lines) == 2
