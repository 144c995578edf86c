"""Reports that cannot be written cost themselves only: one sentence, all the rest, and an exit status that says so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_benchmark
from packaging.version import Version
from pytest_benchgate import output
from pytest_benchgate.reports import github, markdown, terminal
from pytest_benchgate.reports.quantity import shortened
from pytest_benchgate.results import Report, Result, Withheld

if TYPE_CHECKING:
    from conftest import Suite

SOURCE = "def test_it(gate): gate(lambda: 1, expect=1)\n\ndef test_plain(benchmark): benchmark(lambda: 1)"
FULL = Path("/dev/full")
COMMAND = Path(sys.executable).with_name("pytest-benchgate")
EMPTIES = Version(pytest_benchmark.__version__) < Version("5.3")
keeps = pytest.mark.skipif(
    EMPTIES,
    reason="pytest-benchmark before 5.3 empties the file of --benchmark-json when it sees the option",
)
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files on POSIX")


@posix
@pytest.mark.parametrize(
    "place",
    ["/no/such/folder/x", "fifo", *(pytest.param(one, marks=pytest.mark.thorough) for one in ("/dev/full", "."))],
)
def test_a_summary_that_cannot_be_written_affects_nothing_else(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    if place == "/dev/full" and not FULL.is_char_device():
        pytest.skip("no /dev/full here")
    if place == "fifo":
        os.mkfifo(tmp_path / place)
        place = str(tmp_path / place)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", place)
    run = suite(SOURCE, "--benchgate-markdown=report.md")
    run.result.assert_outcomes(passed=2)
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"{place} could not be written: " in run.text
    assert "Traceback" not in run.text + str(run.result.stderr)
    assert run.in_table("test_plain")
    assert "1 of 2 times verified by gate" in run.text
    assert len(run.timed()) == 2
    assert "<code>test&#95;it</code>" in (run.json_path.parent / "report.md").read_text("utf-8")


@posix
@pytest.mark.skipif(not FULL.is_char_device(), reason="no /dev/full here")
def test_a_full_disk_does_not_affect_the_tables(suite: Suite) -> None:
    run = suite(SOURCE, "--benchgate-markdown=/dev/full", "--benchmark-json=/dev/full")
    run.result.assert_outcomes(passed=2)
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED
    assert run.text.count("/dev/full could not be written: No space left on device") == 1
    assert run.in_table("test_plain")


def test_no_report_of_an_earlier_session_is_left(suite: Suite) -> None:
    options = ("--benchgate-markdown=r.md", "--benchgate-html=r.html")
    run = suite(SOURCE, *options)
    places = [run.json_path.parent / name for name in ("r.md", "r.html")]
    assert all("test" in place.read_text("utf-8") for place in places)
    suite(SOURCE, *options, "--collect-only")
    assert all("test" in place.read_text("utf-8") for place in places)
    suite(SOURCE, *options, "-k", "nothing")
    assert "0 of 0 times verified" in places[0].read_text("utf-8")
    assert "test_it" not in places[1].read_text("utf-8")


def test_two_reports_do_not_share_a_file(suite: Suite) -> None:
    run = suite(SOURCE, "--benchgate-markdown=out.json")
    assert run.result.ret == pytest.ExitCode.USAGE_ERROR
    run.result.stderr.fnmatch_lines(
        ["ERROR: --benchgate-markdown and --benchmark-json are both *out.json; give different files"]
    )
    run = suite(SOURCE, "--benchgate-html=h.svg", "--benchmark-histogram=h")
    run.result.stderr.fnmatch_lines(["ERROR: --benchgate-html and --benchmark-histogram are both h.svg; *"])
    run = suite(SOURCE, "--benchgate-html=x", "--junitxml=./x")
    run.result.stderr.fnmatch_lines(["ERROR: --benchgate-html and --junit-xml are both x; give different files"])


def test_nothing_is_lost_where_all_can_be_written(suite: Suite, tmp_path: Path) -> None:
    run = suite(SOURCE, f"--benchgate-markdown={tmp_path / 'a' / 'b.md'}", "--benchmark-save=kept")
    assert run.result.ret == 0
    assert "could not be written" not in run.text
    assert [*run.json_path.parent.glob(".benchmarks/*/*.json")]


def test_with_all_times_withheld_the_json_says_so(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    source = 'import os\ndef test_a(gate): gate(sorted, [2, 1], expect=[1, 2] if os.environ.get("GOOD") else [2, 1])'
    monkeypatch.setenv("GOOD", "1")
    assert suite(source).timed() == ["test_a"]
    monkeypatch.delenv("GOOD")
    run = suite(source, "-W", "error", "--benchmark-save=kept")
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED
    assert run.timed() == []
    (entry,) = run.data["benchgate"]["withheld"]
    assert entry["name"] == "test_a"
    assert "WrongAnswer" in entry["message"]
    assert {"machine_info", "commit_info", "datetime", "version"} <= run.data.keys()
    assert not [*run.json_path.parent.glob(".benchmarks/*/*.json")]


STOPPED = {
    "an error in the function": "def test_a(benchmark): benchmark(lambda: 1 // 0)",
    "an error in a fixture": """
        import pytest
        @pytest.fixture
        def broken(): raise OSError("no data")
        def test_a(broken, benchmark): benchmark(lambda: 1)
    """,
    "a skip": "import pytest\ndef test_a(benchmark): pytest.skip('not here')",
    "an error in the file": "import no_such_module\ndef test_a(benchmark): benchmark(lambda: 1)",
}


def test_without_any_time_the_json_is_not_that_of_an_earlier_session(suite: Suite) -> None:
    earlier = suite("def test_a(benchmark): benchmark(lambda: 1)")
    assert earlier.timed() == ["test_a"]
    for case, source in STOPPED.items():
        earlier.json_path.write_text(json.dumps(earlier.data), "utf-8")
        assert suite(source).timed() == [], case


@keeps
def test_a_session_without_benchmarks_or_that_runs_no_test_leaves_the_json_of_an_earlier_one(suite: Suite) -> None:
    """Its place may be among a project's usual options."""
    source = "def test_a(benchmark): benchmark(lambda: 1)"
    assert suite(source).timed() == ["test_a"]
    assert suite("def test_b(): assert False").timed() == ["test_a"]
    for option in ("--collect-only", "--setup-plan"):
        assert suite(source, option).timed() == ["test_a"]


def test_a_session_with_all_times_taken_back_is_not_saved_for_comparisons(suite: Suite) -> None:
    source = "def test_a(benchmark):\n    benchmark(lambda: 1)\n    assert False"
    run = suite(source, "--benchmark-autosave")
    assert not [*run.json_path.parent.glob(".benchmarks/*/*.json")]


@pytest.mark.parametrize("key", ["(3, 4)", "numpy.int64(4)"])
def test_what_cannot_be_written_as_json_costs_the_json_only(suite: Suite, key: str) -> None:
    source = f"""
        import numpy
        def test_it(gate):
            gate.benchmark.extra_info["shapes"] = {{{key}: 1}}
            gate(lambda: 1, expect=1)
    """
    run = suite(source, "--benchmark-autosave", "--junitxml=junit.xml")
    run.result.assert_outcomes(passed=1)
    assert run.result.ret == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"out\.json could not be written: keys must be str, .* not \w+", run.text)
    assert "1 of 1 times verified by gate" in run.text
    assert run.in_table("test_it")
    folder = run.json_path.parent
    assert (folder / "junit.xml").exists()
    assert not [*folder.glob(".benchmarks/*/*.json")]
    assert (folder / "out.json").exists() == EMPTIES


@posix
def test_histograms_that_cannot_be_written_are_refused_first(suite: Suite) -> None:
    run = suite(SOURCE, "--benchmark-histogram=test_it.py/h")
    assert run.result.ret == pytest.ExitCode.USAGE_ERROR
    run.result.stderr.fnmatch_lines(["ERROR: --benchmark-histogram: cannot write to test_it.py: *"])


def test_amounts_of_numpy_are_numbers(suite: Suite) -> None:
    run = suite("""
        import numpy as np
        x = np.arange(1000)

        def test_amounts(gate):
            gate.work(items=np.prod((10, 100)), bytes=np.int64(16000), operations=np.float32(1e3))
            gate(np.multiply, x, x, expect=x * x, device_ns=lambda result: np.float32(7))

        def test_text(gate):
            gate.work(items="many")

        def test_device(gate):
            gate(lambda: 1, expect=1, device_ns=lambda result: "7")
    """)
    run.result.assert_outcomes(passed=1, failed=2)
    added = run.data["benchmarks"][0]["extra_info"]["benchgate"]
    assert added["work"] == {"items": 1000, "bytes": 16000, "operations": 1000.0, "unit": "items"}
    assert all(type(rate) is float for rate in added["rates"].values())
    assert added["device_ns"] == 7
    assert "ValueError: items='many' is not an amount of work; pass a number above 0, and below 1e+100" in run.text
    assert "TypeError: device_ns returned '7'; return the nanoseconds as a number" in run.text


def written(path: Path, name: str = "test_a") -> Path:
    bench = {"fullname": f"t.py::{name}", "stats": {"median": 1e-3}, "extra_info": {}}
    path.write_text(json.dumps({"machine_info": {}, "benchmarks": [bench]}), "utf-8")
    return path


def report(*options: object, closed: bool = False, **environment: str) -> tuple[int, str, str]:
    command = [str(COMMAND), "report", *map(str, options)]
    if closed:
        command = ["sh", "-c", '"$@" >&-', "sh", *command]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=False, env={**os.environ, **environment}
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@posix
def test_a_report_that_cannot_be_written_is_printed(tmp_path: Path) -> None:
    one = written(tmp_path / "one.json")
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    for place in (tmp_path, tmp_path / "file" / "x", tmp_path / "fifo", *[FULL] * FULL.is_char_device()):
        end, out, err = report(one, "-o", place)
        assert end == 1
        assert "1.00 ms" in out
        assert err.startswith(f"pytest-benchgate: {place} cannot be written (")
    assert report(one, "-o", tmp_path / "new" / "out.txt") == (0, "", "")
    assert "1.00 ms" in (tmp_path / "new" / "out.txt").read_text("utf-8")


def test_an_output_does_not_take_the_place_of_its_input(tmp_path: Path) -> None:
    one = written(tmp_path / "one.json")
    (tmp_path / "link.json").symlink_to(one)
    before = one.read_bytes()
    for place in (one, tmp_path / "link.json", tmp_path / "." / "one.json"):
        end, _, err = report(one, "-o", place)
        assert (end, "is one of the files to report" in err) == (2, True)
        assert one.read_bytes() == before


@posix
def test_pipes_have_no_place_of_their_own(tmp_path: Path) -> None:
    """What a shell makes of >(command), and /dev/stdout in a pipeline."""
    one = written(tmp_path / "one.json")
    assert report(one, "-o", "/dev/stdout")[:2] == (0, report(one)[1])
    reading, writing = os.pipe()
    subprocess.run([COMMAND, "report", one, "-o", f"/dev/fd/{writing}"], check=True, pass_fds=[writing])
    os.close(writing)
    assert b"1.00 ms" in os.read(reading, 1000)
    os.close(reading)


@posix
def test_a_file_in_a_folder_that_cannot_be_changed(tmp_path: Path) -> None:
    place = tmp_path / "fixed" / "x"
    place.parent.mkdir()
    place.write_text("a longer text")
    place.chmod(0o666)
    place.parent.chmod(0o555)
    if os.geteuid() == 0:
        for folder in place.parents[1:]:
            folder.chmod(folder.stat().st_mode | 0o011)
            if folder.name == "tmp":
                break
    # Root may write everywhere. What it has imported, others may not be able to read.
    program = f"""
import os, pathlib
from pytest_benchgate import output
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
output.write(pathlib.Path({str(place)!r}), "one")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert place.read_text() == "one"
    assert [*place.parent.iterdir()] == [place]


@posix
def test_a_closed_terminal_and_few_characters(tmp_path: Path) -> None:
    one = written(tmp_path / "one.json", "test_é")
    assert report(one, closed=True)[::2] == (
        1,
        "pytest-benchgate: the report cannot be printed: standard output is closed, or full\n",
    )
    end, out, _ = report(one, PYTHONIOENCODING="ascii")
    assert (end, "test_\\xe9" in out) == (0, True)


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    output.write(path, "one")
    path.chmod(0o640)
    output.write(path, "two")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two", 0o640)
    with pytest.raises(UnicodeEncodeError):
        output.write(path, "three\ud800")
    assert path.read_text() == "two"
    assert [*tmp_path.iterdir()] == [path]


def long_report(count: int) -> Report:
    name = "x" * 5000
    results = tuple(Result(f"t.py::{name}", name, None, 1.0, 0.0, 1) for _ in range(count))
    return Report(results, tuple(Withheld(name, name, "call", False, name, name, name, 1) for _ in range(3)))  # noqa: FBT003


def test_ids_are_shortened_and_a_summary_is_bounded() -> None:
    report = long_report(5000)
    text = markdown.render(report)
    assert max(map(len, text.splitlines())) < 3000
    assert max(map(len, terminal.render(report))) < 3000
    assert max(map(len, github.render(report))) < 6000
    cut = markdown.bounded(text, 100_000)
    assert 90_000 < len(cut.encode()) <= 100_000
    assert "### Withheld" in cut
    assert cut.endswith("lines are left out: GitHub limits the size.*\n")
    assert markdown.bounded(text, 10) == ""
    assert markdown.bounded("short\n", 100) == "short\n"
    assert shortened("a" * 300 + "b") == "a" * 78 + "..." + "a" * 78 + "b"
    assert shortened("é" * 5) == "é" * 5


def test_a_summary_is_not_cut_within_html() -> None:
    block = "<details><summary>x</summary>\n\n<pre>1\n2</pre>\n\n</details>\n\n"
    for most in range(250, 700, 7):
        cut = markdown.bounded(block * 20, most)
        assert cut.count("<details>") == cut.count("</details>")
        assert len(cut.encode()) <= most
