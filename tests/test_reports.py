"""The reports in benchmarks/ run, at a tiny size, and show figures of verified answers."""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from logmap_cy import implementations
from logmap_cy.vector import cpu

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NEEDS = {"beyond": ("dask", "distributed", "zarr")}
NUMBER = r"[\d.e+-]+"


def run(name: str, *options: str, status: int = 0, limit_s: int = 120) -> str:
    """Return what a report prints, or its error."""
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    # A free-threaded Python warns that pyopencl brings back its GIL.
    command = [sys.executable, "-W", "ignore::RuntimeWarning", str(BENCHMARKS / f"{name}.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s, cwd=os.sep)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("[!_]*.py")))
def test_the_help_is_the_docstring(name: str) -> None:
    text = ast.get_docstring(ast.parse((BENCHMARKS / f"{name}.py").read_text("utf-8")))
    assert text
    summary, _, more = text.partition("\n\n")
    shown = run(name, "--help")
    assert summary in " ".join(shown.split())
    assert more.strip() in shown
    assert "--rounds" in shown


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("limits", ("--length=9",), "argument --length: 9 is outside 10 .. 27"),
        ("latency", ("--rounds=0",), "argument --rounds: 0 is outside 1 .. "),
        ("latency", ("--seconds=0",), "--seconds 0.0 is not above 0"),
        ("hybrid", ("--size", "29", "10"), "--size 29 is above 28"),
        ("gpu", ("--kind=nonsense",), "invalid choice: 'nonsense'"),
        ("articles", ("--implementation=nonsense",), "--implementation nonsense is none of: python, "),
    ],
)
def test_a_wrong_option_is_refused_with_its_value(name: str, options: tuple[str, ...], error: str) -> None:
    assert error in run(name, *options, status=2)


def test_limits(tmp_path: Path) -> None:
    options = ["--length=10", "--rounds=3", "--no-growth", "--no-instructions", "--out", str(tmp_path)]
    shown = run("limits", *options, "--only", "vector", "python", "C loop")
    assert (tmp_path / "limits.md").read_text("utf-8").strip() in shown
    for name in ("np.multiply(x, x)", "logmap(x, out=out)"):
        assert f"| {name} |" in shown
    assert re.search(r"^Multiply-add peak: \d", shown, re.MULTILINE)
    spread = rf"{NUMBER} \({NUMBER} \.\. {NUMBER}\)"
    for dtype in ("int64", "int32"):
        table = shown.partition(f"10 steps, {dtype}, all threads")[2].partition("##")[0]
        for name in ("copy, 1 thread", "multiply-adds"):
            assert re.search(rf"^\| {name} \| {NUMBER} \|  \| {spread} \|  \|$", table, re.MULTILINE)
        for name in ("vector_baseline", "python", *(["C loop"] if shutil.which("cc") else [])):
            assert re.search(rf"^\| {name} \| {NUMBER} \| {NUMBER} \| {spread} \| {spread} \|$", table, re.MULTILINE)


def test_what_is_not_here_is_named_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    options = ["--length=10", "--rounds=1", "--no-growth", "--out", str(tmp_path)]
    shown = run("limits", *options, "--only", "memoryview", "C loop")
    reason = "there is no C compiler 'no-such-compiler'"
    assert f"; C loop ({reason})" in shown.partition("Not here: ")[2].partition("\n")[0]
    assert "| C loop |" not in shown
    assert re.search(f"^Not counted: (valgrind is not installed|{reason})", shown, re.MULTILINE)


@pytest.mark.skipif(not (shutil.which("valgrind") and shutil.which("cc")), reason="valgrind and a C compiler count")
@pytest.mark.thorough
def test_instructions_of_a_step_are_counted(tmp_path: Path) -> None:
    """The plain loop is one division and a few more; the rows that valgrind cannot run say so."""
    options = ["--length=10", "--rounds=1", "--no-growth", "--out", str(tmp_path)]
    shown = run("limits", *options, "--only", "vector_avx512", "vector_baseline", "memoryview", limit_s=600)
    table = shown.partition("## Instructions")[2]
    counts = dict(re.findall(rf"^\| ([^|]+) \| ({NUMBER}) \|", table, re.MULTILINE))
    assert 4 < float(counts["memoryview"]) < 15
    if platform.machine() == "x86_64":
        # Seven instructions for two lanes, and those of the loop.
        assert 3.5 <= float(counts["vector_baseline"]) < 7
    if "avx512" in cpu.supported():
        assert "| vector_avx512 | not counted: valgrind does not know its instructions: avx512 | 0.5 |" in table


def test_limits_growth_is_a_picture_with_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run("limits", "--length=10", "--rounds=1", "--no-instructions", "--only", "memoryview", "--out", str(tmp_path))
    assert len((tmp_path / "growth.csv").read_text("utf-8").splitlines()) > 20
    picture = (tmp_path / "growth.svg").read_text("utf-8")
    assert ">nanoseconds an element</text>" in picture
    assert "<dc:date>" not in picture


def test_a_picture_of_the_same_numbers_is_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import _harness
figure, axis = _harness.pyplot().subplots()
axis.plot([1, 2], [3, 4], label="a line")
axis.fill_between([1, 2], [3, 4], hatch="/")
axis.legend()
_harness.save(figure, pathlib.Path(sys.argv[2]))
"""
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-P", "-c", code, str(BENCHMARKS), str(tmp_path / name)], check=True)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


@pytest.mark.thorough
def test_articles(tmp_path: Path) -> None:
    options = ["--length=7", "--rounds=1", "--no-pictures", "--out", str(tmp_path)]
    chosen = [f"--implementation={name}" for name in ("list", "list_window", "python*", "numpy_*", "cupy")]
    shown = run("articles", *options, *chosen)
    assert (tmp_path / "articles.md").read_text("utf-8").strip() in shown
    for name in ("python", "numpy_article_nine", "list", "memoryview"):
        assert re.search(rf"^\| [^|]+ \| `{name}` \| [^|]* \| [^|]* \| {NUMBER} \|", shown, re.MULTILINE)
    assert re.search(r"^\| CuPy \| `cupy` \|", shown, re.MULTILINE)
    for name in ("list_window", "python_pool", "python_inlined_pool"):
        assert re.search(rf"^\| `{name}`, here, ms( \| {NUMBER}){{8}} \|$", shown, re.MULTILINE)
    for claim in ("converting lists eats the gain", "inlining, ten steps written out, helps: Python", "more stages"):
        assert f"| {claim}" in shown
    assert "helps: C |" not in shown
    assert len((tmp_path / "articles.csv").read_text("utf-8").splitlines()) > 20


def test_latency() -> None:
    shown = run("latency", "--length=12", "--seconds=0.01", "--rounds=1", "--only", "memoryview")
    delays, _, times = shown.partition("| one call |")
    for name in ("the plain call", "run_in_executor", "logmap_async, 1 ms", "logmap_async, 5 ms"):
        assert re.search(rf"^\| memoryview: {name} \| \d+( \| {NUMBER}){{4}} \|$", delays, re.MULTILINE)
        assert re.search(rf"^\| memoryview: {name} \| {NUMBER} \| {NUMBER} \|", times, re.MULTILINE)


@pytest.mark.skipif(
    any(row.name == "hybrid" and row.unavailable for row in implementations()), reason="no OpenCL device"
)
def test_hybrid() -> None:
    shown = run("hybrid", "--rounds=1", "--size", "12", "10")
    for name in ("hybrid, first call", "hybrid"):
        assert re.search(rf"^ +{name} +{NUMBER} +\d+% +{NUMBER}$", shown, re.MULTILINE)
        assert f"who did what, {name}:" in shown


@pytest.mark.thorough
def test_gpu(tmp_path: Path) -> None:
    """On devices that are processors: the report is the same."""
    if not any(device.kind == "cpu" for row in implementations() for device in row.devices):
        pytest.skip("no OpenCL device that is a processor")
    shown = run("gpu", "--kind=cpu", "--length=12", "--rounds=1", "--out", str(tmp_path))
    assert (tmp_path / "gpu.md").read_text("utf-8").strip() in shown
    for name in ("opencl_copy", "opencl_double", "opencl_loop"):
        assert re.search(rf"^\| `{name}@cl\d` \| 4096( \| {NUMBER}){{3}} \|", shown, re.MULTILINE)
    assert re.search(rf"^\| `auto` \| 4096 \| {NUMBER} \| 1 \|", shown, re.MULTILINE)
    assert "| inlining, ten steps written out, helps: C |" in shown


@pytest.mark.thorough
def test_beyond() -> None:
    shown = run("beyond", "--megabytes=8", "--length=20", "--steps=1", "--rounds=1")
    assert re.search(r"^Zarr to Zarr: 8 MB in and as many out, .* memory grew by \d+ MB", shown, re.MULTILINE)
    assert re.search(rf"speed-up of two over one: {NUMBER} ", shown)


def test_wrong_answers_have_no_time(tmp_path: Path) -> None:
    """A row that is wrong ends the report with its name."""
    code = """
import runpy, sys
from logmap_cy import _registry
row = next(row for row in _registry.ROWS if row.name == "memoryview")
compute = row.load()
def wrong(x, out, *parameters):
    compute(x, out, *parameters)
    out[-1:] += 1
_registry.Implementation.load = lambda row, device=None: wrong
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv.pop(0))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    report = str(BENCHMARKS / "articles.py")
    options = ["--length=7", "--rounds=1", "--no-pictures", "--implementation=memoryview", "--out", str(tmp_path)]
    command = [sys.executable, "-P", "-W", "ignore::RuntimeWarning", "-c", code, str(BENCHMARKS), report, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "memoryview is wrong for 128 elements and 10 steps: no time is reported" in done.stderr
    assert done.stdout == ""
