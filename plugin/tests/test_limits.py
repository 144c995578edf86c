"""Work, rates, limits, and times that are too good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_benchgate import Limit, Work
from pytest_benchgate.copying import copy_seconds
from pytest_benchgate.limits import Limits
from pytest_benchgate.results import Result

if TYPE_CHECKING:
    from conftest import Suite


def test_rates_and_shares_are_of_the_median() -> None:
    asked = []

    def measure(amount: float) -> list[float]:
        asked.append(amount)
        return [0.5, 1.0, 9.0]

    limits = Limits((Limit("peak", "operations", measure), Limit("copy", "bytes", lambda amount: [amount])))
    work = Work(items=10, operations=100, unit="rows")
    for _ in range(2):
        shares, doubt = limits.beside(work, median_s=4.0)
    assert [(share.limit, share.limit_s, share.share) for share in shares] == [("peak", 1.0, 0.25)]
    assert doubt is None
    assert asked == [100]  # once an amount

    result = Result("f.py::t", "t", None, 4.0, 0.0, 5, work=work)
    assert result.rates() == {"items": 2.5, "operations": 25.0}


@pytest.mark.parametrize(("median_s", "suspicious"), [(0.41, False), (0.39, True), (0.1, True)])
def test_only_beyond_the_limit_s_best_sample_is_suspicious(median_s: float, suspicious: bool) -> None:  # noqa: FBT001
    limits = Limits((Limit("copy", "bytes", lambda _: [0.5, 1.0]),))
    _, doubt = limits.beside(Work(bytes=8), median_s)
    assert bool(doubt) == suspicious
    if doubt:
        assert "times as fast as the limit 'copy' at its best for the same 8 bytes" in doubt


def test_a_limit_that_was_disturbed_is_measured_again_when_a_benchmark_beats_it() -> None:
    asked = []

    def measure(amount: float) -> list[float]:
        asked.append(amount)
        return [[4.0, 5.0, 6.0], [0.9, 1.0, 2.0]][len(asked) > 1]

    limits = Limits((Limit("peak", "operations", measure),))
    for median_s, share, doubted, count in (
        (8.0, 5 / 8, False, 1),
        (2.0, 1 / 2, False, 2),
        (0.1, 10, True, 3),
        (0.1, 10, True, 3),
    ):
        shares, doubt = limits.beside(Work(operations=7), median_s)
        assert shares[0].share == pytest.approx(share)
        assert (doubt is not None, len(asked)) == (doubted, count)


@pytest.mark.parametrize("moved", [1, 2, 100_001, 2**23 + 1])
def test_the_copy_limit_has_samples_for_any_amount(moved: float) -> None:
    samples = copy_seconds(moved)
    assert len(samples) >= 3
    assert all(0 < sample < 1 for sample in samples)


SOURCE = """
    import numpy as np

    def test_copy(gate):
        x, out = np.arange(100_000), np.zeros(100_000, np.int64)
        gate(np.copyto, out, x, expect=x, written=0)
        gate.work(items=x.size, bytes=x.nbytes + out.nbytes, operations=10 * x.size, unit="elements")

    def test_too_good(gate):
        gate.work(bytes=1e7)
        gate(lambda: 1, expect=1)

    def test_nothing_stated(gate):
        gate(lambda: 1, expect=1)
"""
CONFTEST = """
    from pytest_benchgate import Limit

    def pytest_benchgate_limits(config):
        return [Limit("peak", "operations", lambda operations: [operations * 1e-12])]
"""


def test_reports_have_rates_shares_and_doubts(suite: Suite) -> None:
    run = suite(SOURCE, conftest=CONFTEST)
    run.result.assert_outcomes(passed=3)
    copy, good, plain = (bench["extra_info"]["benchgate"] for bench in run.data["benchmarks"])
    median = run.data["benchmarks"][0]["stats"]["median"]
    assert copy["rates"]["bytes"] == pytest.approx(1.6e6 / median)
    peak = {"seconds": pytest.approx(1e-6), "share": pytest.approx(1e-6 / median), "resource": "operations"}
    assert copy["limits"]["peak"] == peak
    assert 0.1 < copy["limits"]["copy"]["share"] < 10
    assert "does it do all of its work" in good["suspicious"]
    assert (plain["work"], plain["rates"], plain["limits"], plain["suspicious"]) == (None, {}, {}, None)
    run.result.stdout.fnmatch_lines(["benchmark*median*rate*of the limit"])
    run.result.stdout.fnmatch_lines_random(["test_copy * *elements/s, * ?B/s, * ?op/s * % of copy, * % of peak"])
    assert "suspicious: test_too_good is " in run.text


def test_a_limit_that_fails_does_not_affect_the_others(suite: Suite) -> None:
    run = suite(
        "def test_it(gate):\n    gate.work(bytes=64, operations=1, items=1)\n    gate(lambda: 1, expect=1)",
        conftest="""
            from pytest_benchgate import Limit

            def broken(amount):
                raise MemoryError("too much")

            def pytest_benchgate_limits(config):
                return [Limit("peak", "operations", broken), Limit("steps", "items", lambda amount: [-1.0])]
        """,
    )
    run.result.assert_outcomes(passed=1)
    assert "limit peak could not be measured: MemoryError: too much" in run.text
    assert "limit steps could not be measured: ValueError: its measure returned -1.0 s; return numbers" in run.text
    assert run.data["benchmarks"][0]["extra_info"]["benchgate"]["limits"].keys() == {"copy"}


def test_more_bytes_than_any_memory_are_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_benchgate.copying.LARGEST", 2**20)
    million = min(copy_seconds(2**20))
    assert 0.1 < min(copy_seconds(2**60)) / 2**40 / million < 10
