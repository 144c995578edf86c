"""Races that compare instructions, not times: real builds, counted under valgrind."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, cast

import pytest
from pytest_benchgate import cli
from pytest_benchgate.explain import valgrind
from pytest_benchgate.explain.counted_race import _after, _may_be_chance
from pytest_benchgate.explain.explainer import MOST_NEAR, Explainer, is_near
from pytest_benchgate.explain.requests import Unsupported
from pytest_benchgate.race.launching.engine import Race
from pytest_benchgate.race.launching.results import Counted, CountedSide, LaunchResult
from pytest_benchgate.race.statistics import Rule, Verdict
from pytest_benchgate.reports import race as words
from pytest_benchgate.reports import race_json
from pytest_benchgate.reports.quantity import percent
from racing import PLAIN, SLOW_CALC, SLOW_KERNEL, TEMPLATE

if TYPE_CHECKING:
    from pytest_benchgate.race.launching.plan import Plan
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.sides import Sides
    from pytest_benchgate.results import Raced
    from racing import Project, Run

HEADER = """
import os, random, subprocess, sys, threading, time
import pytest

@pytest.fixture(scope="session")
def spin():
    from kern import spin
    return spin
"""
SUITE = f"""{HEADER}
def test_spin(benchmark, spin):
    benchmark(spin, 2000)

@pytest.mark.benchgate(race_count_threshold="500%")
def test_tolerant(benchmark, spin):
    benchmark(spin, 2000)

def test_accepted(benchmark, spin):
    benchmark(spin, 2000)

def test_setup(benchmark, spin):
    benchmark.pedantic(spin, setup=lambda: ((random.Random(7).randrange(1000, 3000),), {{}}), rounds=3)

def test_same(benchmark):
    benchmark(sorted, range(1000))

def test_inexact(benchmark):
    sizes = (int(1000 * 1.04**call) for call in range(150))
    benchmark(lambda: sorted(range(next(sizes))))

def test_last(benchmark, spin):
    benchmark(spin, 2000)
"""
UNCOUNTABLE = f"""{HEADER}
def test_threads(benchmark):
    def call():
        thread = threading.Thread(target=sorted, args=(range(100_000),))
        thread.start()
        thread.join()
    benchmark(call)

def test_processes(benchmark):
    benchmark(subprocess.run, [sys.executable, "-c", ""], close_fds=False)

@pytest.mark.benchgate(race_budget=2)
def test_long(benchmark):
    calls = iter([0, 0.2])
    benchmark(lambda: time.sleep(next(calls, 60)))

def test_exits(benchmark):
    calls = iter([0])
    benchmark(lambda: next(calls, None) is None and os._exit(3))

def test_verified(gate, spin):
    gate(lambda: (spin(2000), 4)[1], expect=4)

def test_wrong(gate, spin):
    gate(lambda: (spin(2000), 4)[1], expect=5)
"""
# A loop over large numbers allocates and releases one in each step: it takes 8 % more where the pool happens to be full.
EQUAL_TESTS = """
import pytest, calc

@pytest.mark.parametrize("size", [1, 10, 100])
def test_size(benchmark, size):
    benchmark(calc.count, size)

@pytest.mark.parametrize("held", range(0, 520, 40))
def test_held(benchmark, held):
    blocks = [1_000_000 + number for number in range(held)]
    benchmark(calc.count, 1000)
"""
ACCEPT = '[[accept]]\ntest = "tests/test_kern.py::test_accepted"\nlimit = "900%"\nreason = "exact now"\n'


@pytest.fixture
def _can_count() -> None:
    try:
        valgrind.program()
    except Unsupported as error:
        pytest.skip(f"instructions cannot be counted here: {error}")


def counted(run: Run) -> tuple[Raced, ...]:
    """Return the results of a race of counts, which timed nothing."""
    report = race_json.read(run.race)
    assert report.settings["race_count"] is True
    assert report.complete
    assert all(one.base_s is one.head_s is None and one.pairs == 0 for one in report.raced)
    return report.raced


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_each_benchmark_has_its_verdict(kern: Project) -> None:
    kern.commit(**{"tests/test_kern.py": SUITE})
    kern.write(**{"kern/_kern.c": SLOW_KERNEL, "benchgate-accepted.toml": ACCEPT})
    new = "\ndef test_new(benchmark):\n    import kern\n    benchmark(kern.added, 1)\n"
    kern.write(
        **{"tests/test_kern.py": f"{SUITE}{new}", "kern/__init__.py": "from kern._kern import spin\nadded = spin\n"}
    )
    summary = kern.folder / "summary.md"
    run = kern.run(
        "--race=HEAD", "--race-count", "--race-explain=auto", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary)
    )
    raced = {one.name.removeprefix("test_"): one for one in counted(run)}
    assert {name: one.verdict for name, one in raced.items()} == {
        "spin": "slower", "tolerant": "same", "accepted": "accepted", "setup": "slower", "same": "same",
        "inexact": "unsure", "last": "slower", "new": "new",
    }, run.text  # fmt: skip
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert ". Calls of one build differ by " in words.message(raced["inexact"], race_json.read(run.race))

    spin = raced["spin"]
    assert spin.instructions is not None and spin.explanation is not None  # noqa: PT018
    base, head = spin.instructions
    assert head - base == pytest.approx(2 * 2000 * 8, rel=0.5)
    assert raced["last"].instructions == pytest.approx(spin.instructions, rel=0.01)
    (first,) = spin.explanation.functions
    assert (first.function, first.file) == ("spin", "kern/_kern.c")
    # Python 3.13 executes a few instructions more in some calls.
    assert raced["same"].change == pytest.approx(0, abs=0.003)
    assert raced["same"].explanation is None

    message, _, section = run.text.partition("- benchgate -")
    said = f"slower: {percent(spin.change or 0)} instructions a call ({base:,} -> {head:,})"
    assert f"{said}\nmost of it: " in message
    assert " --race-count " in spin.repeat
    for text in (section, summary.read_text("utf-8")):
        assert "instructions in base" in text
        assert (
            "threshold 1 % (some benchmarks: 500 %, 900 %) of the instructions of a call, counted by valgrind; " in text
        )
        assert (
            "what memory, cache, the kernel, waiting, devices, other threads and processes, or processor features above AVX2"
            in text
        )
    assert any(
        line.startswith("::error file=tests/test_kern.py") and said.replace("%", "%25") in line
        for line in run.text.splitlines()
    )


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_what_cannot_be_counted_or_is_wrong(kern: Project) -> None:
    kern.commit(**{"tests/test_kern.py": UNCOUNTABLE})
    kern.write(**{"kern/_kern.c": SLOW_KERNEL})
    run = kern.run("--race=HEAD", "--race-count", "--race-strict")
    raced = {one.name.removeprefix("test_"): one for one in counted(run)}
    unsure = dict.fromkeys(("threads", "processes", "long"), "unsure")
    others = {"exits": "error", "verified": "slower", "wrong": "error"}
    assert {name: one.verdict for name, one in raced.items()} == unsure | others
    assert all(one.failed for one in raced.values())
    reasons = {name: one.reason for name, one in raced.items()}
    assert "several threads work in a call" in reasons["threads"]
    assert reasons["processes"] == "it starts processes or threads, whose instructions are not counted"
    assert reasons["long"].startswith(
        "no answer within 2 s: it hangs, or is too slow to race; under valgrind, code runs up"
    )
    assert reasons["long"].endswith("or raise --race-budget")
    assert "exit status 3" in reasons["exits"]
    assert "wrong answer on the first call, before timing" in reasons["wrong"]
    assert raced["verified"].change == pytest.approx(raced["verified"].numbers[0])


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_equal_builds_have_equal_counts_in_shards(plain: Project, capsys: pytest.CaptureFixture[str]) -> None:
    plain.commit(**{"tests/test_calc.py": EQUAL_TESTS, "pytest.ini": f"{PLAIN['pytest.ini']}race_count = true\n"})
    files = [plain.folder / f"{part}.json" for part in (1, 2)]
    for part, file in enumerate(files, 1):
        run = plain.run("--race=HEAD", f"--race-shard={part}/2", f"--race-json={file}", "-k", "size")
        assert run.returncode == 0, run.text
    assert cli.main(["report", *map(str, files)]) == 0
    assert "3 same: " in capsys.readouterr().out
    run = plain.run("--race=HEAD")
    whole = counted(run)
    assert [one.verdict for one in whole] == ["same"] * 16, run.text


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_base_says_what_is_compared(plain: Project) -> None:
    """With a time in the place of a count, what head does slowly without instructions would be `slower`."""
    plain.write(**{"calc.py": SLOW_CALC, "pytest.ini": f"{PLAIN['pytest.ini']}race_count = true\n"})
    run = plain.race("HEAD")
    assert "note: head sets race_count to true; base's false counts until it is merged" in run.text
    assert run.raced("test_count")["instructions"] is None
    (raced,) = counted(plain.race("HEAD", "--race-count", "--race-count-threshold=500%"))
    assert (raced.verdict, raced.threshold) == ("same", 5.0)


def test_without_valgrind_nothing_is_begun(kern: Project) -> None:
    programs = kern.folder / "programs"
    programs.mkdir()
    for name in ("git", "dnf"):
        (programs / name).symlink_to(shutil.which("git") or "git")
    run = kern.run("--race=HEAD", "--race-count", PATH=str(programs))
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --race-count: valgrind is " in run.text
    assert "building" not in run.text


@pytest.mark.thorough
@pytest.mark.usefixtures("_can_count")
def test_a_benchmark_near_the_threshold_is_counted_and_passes(kern: Project) -> None:
    kern.commit(**{"kern/_kern.c": TEMPLATE.replace("@WORK@", "13 / 10")})
    markdown = kern.folder / "report.md"
    run = kern.race("HEAD~1", "--race-explain=auto", f"--benchgate-markdown={markdown}")
    (raced,) = race_json.read(run.race).raced
    assert (raced.verdict, run.returncode) == ("same", 0), run.text
    assert raced.explanation is not None
    assert [one.function for one in raced.explanation.functions] == ["spin"]
    said = "% instructions a call"
    assert said in run.text
    assert said in markdown.read_text("utf-8")


@pytest.mark.parametrize(
    ("number", "error", "verdict"),
    [
        (0.0, 0.0002, Verdict.SAME),
        (0.0097, 0.0002, Verdict.SAME),
        (0.0099, 0.0002, Verdict.UNSURE),
        (0.0102, 0.0002, Verdict.SLOWER),
        (0.5, 0.02, Verdict.SLOWER),
        (0.0, 0.02, Verdict.UNSURE),
        (-0.0102, 0.0002, Verdict.FASTER),
        (-0.0099, 0.0002, Verdict.UNSURE),
    ],
)
def test_a_count_is_as_exact_as_its_calls_agree(number: float, error: float, verdict: Verdict) -> None:
    assert Rule(threshold=0.01).decide_by_count(number, error) is verdict


def test_only_some_benchmarks_near_the_threshold_are_counted() -> None:
    from test_shards import raced

    same = dataclasses.replace(raced("t.py::a"), change=0.015)
    accepted = dataclasses.replace(same, verdict="accepted", limit=0.12)
    near = [same, dataclasses.replace(accepted, change=0.1)]
    far = [dataclasses.replace(same, change=0.014), accepted, dataclasses.replace(same, verdict="faster")]
    assert [*map(is_near, [*near, *far])] == [True, True, False, False, False]
    explainer = Explainer("auto", cast("Sides", None), cast("Plan", None), cast("Reaper", None))
    assert [explainer._is_wanted(same, None) for _ in range(MOST_NEAR + 2)] == [True] * MOST_NEAR + [False] * 2
    assert explainer._is_wanted(dataclasses.replace(same, verdict="slower"), None)
    assert not explainer._is_wanted(far[0], None)
    (note,) = explainer.notes()
    assert note.startswith(
        "of 7 benchmarks that are `same` or `accepted`, but near the threshold, the instructions of 5 "
    )


def test_what_differs_between_starts_is_not_exact() -> None:
    def counted_once(base: int, head: int, spread: float = 0.0) -> LaunchResult:
        sides = [CountedSide(number, spread, None, frozenset(), {}, {}) for number in (base, head)]
        return LaunchResult("t.py::a", Counted(sides[0], sides[1]), 1.0)

    race = _after(Race("t.py::a", Rule(threshold=0.01)), counted_once(1_000_000, 1_016_000))
    assert (race.decision.verdict, _may_be_chance(race)) == (Verdict.SLOWER, True)
    slower = _after(race, counted_once(1_000_000, 1_016_000))
    assert (slower.decision.verdict, slower.seconds) == (Verdict.SLOWER, 2.0)
    chance = _after(race, counted_once(1_016_000, 1_000_000))
    assert chance.decision.verdict is Verdict.UNSURE
    assert chance.counted is not None
    assert (chance.counted.number, _may_be_chance(chance)) == (0.0, True)
    for base, head, verdict in (
        (1_016_000, 1_016_000, Verdict.SAME),
        (1_016_000, 1_000_000, Verdict.UNSURE),
        (1_030_000, 1_030_000, Verdict.UNSURE),
    ):
        assert _after(chance, counted_once(base, head)).decision.verdict is verdict
    inexact = _after(chance, counted_once(1_016_000, 1_016_000, spread=0.1))
    assert (inexact.decision.verdict, _may_be_chance(inexact)) == (Verdict.UNSURE, False)
    assert not _may_be_chance(_after(Race("t.py::a", Rule(threshold=0.01)), counted_once(1_000_000, 1_500_000)))
