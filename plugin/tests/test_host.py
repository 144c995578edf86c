"""What host.py uses of pytest-benchmark beyond its documentation: these fail when pytest-benchmark changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Suite


def test_the_private_parts_that_are_used_are_there(suite: Suite) -> None:
    run = suite("""
        import itertools

        import pytest
        from pytest_benchgate import host

        tick = itertools.count().__next__

        @pytest.mark.benchmark(max_time=0.5, min_rounds=7, timer=tick)
        def test_budget(benchmark):
            found = host.budget(benchmark)
            assert (found.max_time_s, found.min_rounds, found.timer) == (0.5, 7, tick)
            benchmark.pedantic(lambda: 1)

        def test_times(benchmark):
            assert host.times_s(benchmark) == [] and host.is_enabled(benchmark)
            assert host.withhold(benchmark) is False
            benchmark.has_error = False
            benchmark.pedantic(lambda: 1, rounds=3)
            assert len(host.times_s(benchmark)) == 3 == host.statistics(benchmark).rounds

        def test_after_each_round(benchmark):
            rounds = []
            host.after_each_round(benchmark, lambda: rounds.append(len(host.times_s(benchmark))))
            benchmark.pedantic(lambda: 1, rounds=3, iterations=2)
            assert rounds == [1, 2, 3]

        def test_after_each_round_of_automatic_mode(benchmark):
            rounds = []
            host.after_each_round(benchmark, lambda: rounds.append(1))
            benchmark(lambda: 1)
            assert len(rounds) == len(host.times_s(benchmark))

        def test_withhold(benchmark):
            benchmark.pedantic(lambda: 1, rounds=3)
            assert host.withhold(benchmark) is True
            assert host.times_s(benchmark) == [] and not benchmark.stats and benchmark.has_error
    """)
    run.result.assert_outcomes(passed=5)
    assert run.timed() == ["test_budget", "test_times", *(name for name in run.timed() if "each_round" in name)]
    assert not run.in_table("test_withhold")


def test_without_our_plugin_a_wrong_time_is_published(suite: Suite) -> None:
    """Why host.py exists. When this fails, pytest-benchmark withholds by itself, and withhold() may go."""
    run = suite(
        """
        def test_bad(benchmark):
            benchmark(lambda: 1)
            assert False
        """,
        "-p", "no:benchgate",
    )  # fmt: skip
    assert run.timed() == ["test_bad"]
    assert run.in_table("test_bad")
