"""The registry, the table that people see, and what is installed."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import pytest

import logmap_cy
from logmap_cy import _drive, _request, implementations
from logmap_cy.rows.prange import openmp_threads
from logmap_cy.vector import cpu

ROOT = Path(__file__).parent.parent


def run(*arguments: str, cwd: str | Path = os.sep, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        env=os.environ | environment,
        args=[
            sys.executable,
            "-W",
            "ignore::RuntimeWarning",
            *arguments,
        ],  # free-threaded: pyopencl brings back the GIL
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=cwd,
    )


@pytest.mark.parametrize("row", implementations(), ids=str)
def test_a_row_has_one_source_of_its_name(row: logmap_cy.Implementation) -> None:
    module = row.place[0].replace(".", "/")
    if row.name.startswith("vector_"):  # compiled once for each instruction set
        module = "vector/vector_float" if "float" in row.name else "vector/vector"
    paths = [f"kernels/{row}.cl", f"logmap_cy/{module}.py", f"logmap_cy/{module}.pyx"]
    found = [path for path in paths if (ROOT / path).is_file()]
    assert len(found) == 1
    assert found[0].startswith("kernels") == (row.kind == "opencl")


def test_meson_builds_and_installs_every_source() -> None:
    """Its lists do not notice a new file by themselves."""
    meson = (ROOT / "meson.build").read_text("utf-8")
    for path in [*(ROOT / "logmap_cy").rglob("*.py"), *(ROOT / "kernels").iterdir()]:
        name = path.relative_to(ROOT).as_posix()
        assert f"  '{name}',\n" in meson, f"add '{name}', to py.install_sources in meson.build"
    for path in [*(ROOT / "logmap_cy").rglob("*.pyx")]:
        name = path.relative_to(ROOT).with_suffix("").as_posix()
        known = f"  '{name}': [" in meson or name.startswith("logmap_cy/vector/vector")
        assert known, f"add '{name}': [], to modules in meson.build"


def test_every_source_is_installed() -> None:
    package = resources.files("logmap_cy")
    for source in (ROOT / "logmap_cy").rglob("*.py"):
        assert package.joinpath(*source.relative_to(ROOT / "logmap_cy").parts).is_file(), source
    for source in (ROOT / "kernels").iterdir():
        assert (package / "kernels" / source.name).read_text("utf-8") == source.read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in logmap_cy.__all__ if name[0].islower()])
def test_the_example_in_a_docstring_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(logmap_cy, name), name)
    result = doctest.DocTestRunner().run(example)
    assert result.attempted > 0, f"logmap_cy.{name} has no example"
    assert result.failed == 0, capsys.readouterr().out


def test_what_is_not_here_is_a_row_with_a_reason() -> None:
    for row in implementations():
        reason = row.unavailable
        assert reason is None or len(reason) > 20
        if reason:
            with pytest.raises(ValueError, match=f'"{row}" is (not available here: |known to be wrong)'):
                logmap_cy.logmap([1], implementation=row.name)


def test_the_command_prints_the_table() -> None:
    done = run("-m", "logmap_cy")
    assert (done.returncode, done.stderr) == (0, "")
    for row in implementations():
        here = "no" if row.unavailable else " ".join(map(str, row.devices)) or "yes"
        assert re.search(rf"^{row} +{row.kind} +{re.escape(here)} ", done.stdout, re.MULTILINE)
        for device in row.devices:
            assert f"{device}: {device.kind}, {device.name}" in done.stdout
    assert ("built without OpenMP" in done.stdout) == (openmp_threads() == 0)


def test_instruction_sets_can_be_taken_away() -> None:
    code = "from logmap_cy import _request, logmap; print(_request.choose('auto', {}, 22), *logmap([1, 2, 3], p=61))"
    disabled = {"LOGMAP_CY_DISABLE_CPU_FEATURES": "avx512, ifma avx2 neon"}
    assert run("-c", code.format(6700417), **disabled).stdout == "vector_baseline 28 25 37\n"
    assert run("-c", code.format(2**27 + 1), **disabled).stdout == "prange 28 25 37\n"
    assert run("-c", code.format(2**32 + 1), **disabled).stdout == "python 28 25 37\n"
    table = " ".join(run("-m", "logmap_cy", **disabled).stdout.split())
    for name in cpu.supported():
        assert f"LOGMAP_CY_DISABLE_CPU_FEATURES disables {name}" in table


def test_an_unknown_instruction_set_is_told() -> None:
    done = run("-W", "error", "-m", "logmap_cy", LOGMAP_CY_DISABLE_CPU_FEATURES="sse9")
    assert (
        "LOGMAP_CY_DISABLE_CPU_FEATURES names sse9, which is not known; choose from avx2, avx512, ifma, neon"
        in done.stderr
    )


def test_auto_takes_what_is_exact() -> None:
    assert [row.name for row in _request._fastest()][-1] == "python"
    for p, mu in [(6700417, 22), (6700416, 22), (2**25 + 1, 22), (2**27, 3), (2**32, 5), (2**45 + 1, 3), (2**64, 3)]:
        row = _request.choose("auto", p, mu)
        assert row.domain.contains(p, mu)
        assert row.unavailable is None


def test_the_command_knows_its_version_and_refuses_the_unknown() -> None:
    assert run("-m", "logmap_cy", "--version").stdout == f"{version('logmap-cy')}\n"
    assert run("-m", "logmap_cy", "--nonsense").returncode == 2


def test_the_source_folder_says_that_it_is_not_the_package() -> None:
    done = run("-S", "-c", "import logmap_cy", cwd=ROOT)  # -S: without site-packages, so without an install
    assert "no compiled modules" in done.stderr
    assert "pip install" in done.stderr


@pytest.mark.parametrize(
    ("length", "num"),
    [(1, 1), (7, 10**9), (2**16, 10), (2**16, 10**5), (2**16 + 1, 1), (10**6, 1000), (2**26, 1), (2**26, 10)],
)
@pytest.mark.parametrize("steps_per_call", [2**16, 2**24])
def test_the_schedule_covers_each_element_in_short_calls(length: int, num: int, steps_per_call: int) -> None:
    done = 0
    expected_start = 0
    remaining = 0
    for part, steps, first in _drive.schedule(length, num, steps_per_call):
        elements = part.stop - part.start
        if first:
            assert remaining == 0
            assert part.start == expected_start
            expected_start, remaining = part.stop, num
        remaining -= steps
        done += elements * steps
        assert elements * steps <= max(steps_per_call, _drive.SMALL)
        assert elements <= _drive.LARGE
    assert (done, expected_start, remaining) == (length * num, length, 0)
