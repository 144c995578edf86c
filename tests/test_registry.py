"""The registry, the table that people see, and what is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import pytest

import logmap_cy
from logmap_cy import _api, _drive, implementations
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


def test_the_rows_are_there() -> None:
    assert [row.name for row in implementations()] == [
        "python", "python_inlined", "python_pool", "python_inlined_pool", "scalar", "list", "list_pool", "list_window",
        "buffer", "numpy_article_nine", "numpy_article", "numpy", "memoryview", "unrolled", "prange",
        "vector_baseline", "vector_avx2", "vector_avx512", "vector_ifma", "numba", "cupy",
        "opencl_loop", "opencl_unrolled", "opencl_double", "opencl_uint", "opencl_article", "hybrid",
    ]  # fmt: skip


@pytest.mark.parametrize("row", implementations(), ids=str)
def test_a_row_has_one_source_of_its_name(row: logmap_cy.Implementation) -> None:
    module = (row.source or f"rows.{row.name}.compute").rpartition(".")[0].replace(".", "/")
    if row.name.startswith("vector_"):  # compiled once for each instruction set
        module = "vector/vector"
    paths = [f"kernels/{row}.cl", f"logmap_cy/{module}.py", f"logmap_cy/{module}.pyx"]
    found = [path for path in paths if (ROOT / path).is_file()]
    assert len(found) == 1
    assert found[0].startswith("kernels") == (row.kind == "opencl")


def test_every_source_is_installed() -> None:
    """By meson.build's lists, which do not notice a new file by themselves."""
    package = resources.files("logmap_cy")
    for source in (ROOT / "logmap_cy").rglob("*.py*"):
        name = source.relative_to(ROOT / "logmap_cy")
        assert source.suffix in {".pyx", ".pyc"} or package.joinpath(*name.parts).is_file(), name
    for source in (ROOT / "kernels").iterdir():
        assert (package / "kernels" / source.name).read_text("utf-8") == source.read_text("utf-8")


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
    code = "from logmap_cy import _api, logmap; print(_api._choose('auto', {}, 22), *logmap([1, 2, 3], p=61))"
    disabled = {"LOGMAP_CY_DISABLE_CPU_FEATURES": "avx512, ifma avx2"}
    assert run("-c", code.format(6700417), **disabled).stdout == "vector_baseline 28 25 37\n"
    assert run("-c", code.format(2**27 + 1), **disabled).stdout == "prange 28 25 37\n"
    assert run("-c", code.format(2**32 + 1), **disabled).stdout == "python 28 25 37\n"
    table = " ".join(run("-m", "logmap_cy", **disabled).stdout.split())
    for name in cpu.supported():
        assert f"LOGMAP_CY_DISABLE_CPU_FEATURES switches {name} off" in table


def test_an_unknown_instruction_set_is_told() -> None:
    done = run("-W", "error", "-m", "logmap_cy", LOGMAP_CY_DISABLE_CPU_FEATURES="sse9")
    assert "LOGMAP_CY_DISABLE_CPU_FEATURES names sse9, which is not known" in done.stderr


def test_auto_takes_what_is_exact() -> None:
    assert [row.name for row in _api._fastest()][-1] == "python"
    for p, mu in [(6700417, 22), (6700416, 22), (2**25 + 1, 22), (2**27, 3), (2**32, 5), (2**45 + 1, 3), (2**64, 3)]:
        row = _api._choose("auto", p, mu)
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
