"""Claims on limits of the machine: gate.reaches, checked by the samples of both."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate import Limit, Work
from pytest_benchgate.limits import Limits, share
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from racing import PLAIN, Project, Run

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Suite

CONFTEST = """
import time
from pytest_benchgate import Limit

def work(n):
    for _ in range(int(n)):
        pass

def measure(items):
    samples = []
    for _ in range(5):
        start = time.perf_counter()
        work(items)
        samples.append(time.perf_counter() - start)
    return samples

def broken(operations):
    raise MemoryError("too much")

def pytest_benchgate_limits(config):
    return [Limit("loops per core", "items", measure), Limit("broken", "operations", broken)]
"""
SUITE = """
import pytest

def work(n):
    for _ in range(2 * n):
        pass

@pytest.mark.benchgate(slower_than="test_refuted", within="50 %")
def test_holds(gate):
    gate.work(items=20_000)
    gate.reaches("30 % of loops per core")
    gate(work, 20_000, expect=None)

def test_refuted(gate):
    gate.work(items=20_000)
    gate.reaches("90 % of loops per core")
    gate(work, 20_000, expect=None)

def test_iterated(gate):
    gate.work(items=20_000)
    gate.reaches("25 % of loops per core")
    gate.pedantic(work, (20_000,), rounds=5, iterations=5, expect=None)

def test_copy(gate):
    data = bytearray(100_000)
    gate.work(bytes=2 * len(data))
    gate.reaches("5 % of copy")
    gate(bytes, data, expect=bytes(data))

def test_wrong(gate):
    gate.work(items=1)
    gate.reaches("1 % of loops per core")
    gate(work, 1, expect=1)

def test_broken(gate):
    gate.work(operations=1)
    gate.reaches("1 % of broken")
    gate(work, 1, expect=None)

@pytest.mark.parametrize("claims", [False])
def test_nothing_here(gate, claims):
    if claims:
        gate.reaches("1 % of copy")
    gate(work, 1, expect=None)

def test_without(gate):
    raise AssertionError("it is not run")
"""


@pytest.fixture(scope="module")
def claimed(tmp_path_factory: pytest.TempPathFactory, race_cache: Path) -> Run:
    """Give one session with a claim for each verdict."""
    files = {**PLAIN, "conftest.py": CONFTEST, "tests/test_claims.py": SUITE}
    project = Project.make(tmp_path_factory.mktemp("limits") / "p", race_cache, files)
    run = project.run("--claims", "--race-alpha=0.9")
    assert project.left_behind() == []
    return run


posix = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")


@pytest.mark.thorough
@posix
def test_each_verdict(claimed: Run) -> None:
    assert claimed.returncode == ExitStatus.SLOWER
    assert {(one["name"], one["claim"]["text"], one["verdict"]) for one in claimed.race["raced"]} == {
        ("test_holds", "30 % of loops per core", "holds"),
        ("test_holds", "at most 50 % slower than test_refuted", "holds"),
        ("test_refuted", "90 % of loops per core", "refuted"),
        ("test_iterated", "25 % of loops per core", "holds"),
        ("test_copy", "5 % of copy", "holds"),
        ("test_wrong", "a share of a limit", "withheld"),
        ("test_broken", "1 % of broken", "withheld"),
        ("test_nothing_here[False]", "a share of a limit", "skipped"),
    }
    assert "3 failed, 3 passed, 1 skipped, 2 deselected" in claimed.text


@pytest.mark.thorough
@posix
def test_the_share_is_measured_beside_samples_of_the_limit(claimed: Run) -> None:
    """Which does half of the work; of each launch there is one number."""
    refuted = claimed.raced("test_refuted")
    assert refuted["low"] <= refuted["change"] <= refuted["high"]
    assert math.log(1.2) < refuted["change"] < math.log(6)
    assert 1.2 < refuted["head_s"] / refuted["base_s"] < 6
    assert refuted["claim"]["bound"] == pytest.approx(-math.log(0.9))
    assert refuted["pairs"] == 3 * len(refuted["numbers"]) > 3
    assert "refuted: 90 % of loops per core: measured " in claimed.text
    assert " --claims tests/test_claims.py::test_refuted" in refuted["repeat"]


@pytest.mark.thorough
@posix
def test_what_cannot_be_measured_is_withheld_with_the_reason(claimed: Run) -> None:
    for name, verdict, words in [
        ("test_wrong", "withheld", "WrongAnswer: wrong answer on the first call"),
        ("test_broken", "withheld", "MemoryError: too much"),
        ("test_nothing_here[False]", "skipped", "it claims nothing here"),
    ]:
        raced = claimed.raced(name)
        assert words in raced["reason"]
        assert raced["numbers"] == []
        assert f"{verdict}: {name} ({name}): " in claimed.text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("80 % of copy", (0.8, "copy")),
        ("0.5% of two words ", (0.005, "two words")),
        (" 120 %  of x % of y", (1.2, "x % of y")),
    ],
)
def test_shares_are_read(text: str, parts: tuple[float, str]) -> None:
    assert share(text) == parts


@pytest.mark.parametrize(
    "text", ["80 of copy", "% of copy", "0 % of copy", "-5 % of copy", "1.2.3 % of copy", "80 %", "80 % of ", ""]
)
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share of a limit; write it as in '80 % of copy'"):
        share(text)


def test_a_claim_reads_as_it_was_stated() -> None:
    limits = Limits((Limit("a % of b", "items", lambda _: [1.0]),))
    reach = limits.reach("12.5%  of a % of b", Work(items=3))
    assert (reach.text, reach.amount, share(reach.text)) == ("12.5 % of a % of b", 3, (0.125, "a % of b"))


def test_claims_that_make_no_sense_fail_in_any_run(suite: Suite) -> None:
    """--claims would not find what a helper states."""
    run = suite(
        """
        import pytest

        def helper(gate):
            gate.reaches("80 % of copy")

        @pytest.fixture
        def stated(gate):
            gate.work(bytes=64)
            return gate

        def test_good(stated):
            stated.reaches("80 % of copy")
            stated(len, (), expect=0)

        def test_no_work(gate): gate.reaches("80 % of copy")
        def test_unknown(stated): stated.reaches("80 % of peak")
        def test_other_work(gate):
            gate.work(items=1)
            gate.reaches("80 % of copy")
        def test_twice(stated):
            stated.reaches("80 % of copy")
            stated.reaches("70 % of copy")
        def test_late(stated):
            stated(len, (), expect=0)
            stated.reaches("80 % of copy")
        def test_helped(stated): helper(stated)
        """
    )  # fmt: skip
    run.result.assert_outcomes(passed=1, failed=6)
    for words in [
        "'80 % of copy' is about bytes; state them first: gate.work(bytes=...)",
        "'80 % of peak': there is no limit 'peak'; choose one of: copy",
        "'70 % of copy' is the second claim on a limit; a test has one, after '80 % of copy'",
        "'80 % of copy' is claimed after the call of the gate; claim it before",
        "'80 % of copy' is claimed outside of the test function, where --claims does not find it",
    ]:
        assert words in run.text
    assert run.timed() == ["test_good"]
