"""The time of whatever fails is withheld, plain benchmark tests included, and the report says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.reports import json_addition

if TYPE_CHECKING:
    from conftest import Suite

FAILURES = {
    "assertion after the benchmark": """
        def test_bad(benchmark):
            benchmark(lambda: 1)
            assert False, "no good"
    """,
    "within the timed function": """
        import itertools
        count = itertools.count()
        def test_bad(benchmark):
            benchmark.pedantic(lambda: 1 // (next(count) < 30), rounds=40)
    """,
    "in a teardown": """
        import pytest
        @pytest.fixture
        def broken():
            yield
            raise OSError("teardown")
        def test_bad(broken, benchmark):
            benchmark(lambda: 1)
    """,
    "in a teardown before benchmark's": """
        import pytest
        @pytest.fixture
        def broken(benchmark):
            yield
            raise OSError("teardown")
        def test_bad(broken, benchmark):
            benchmark(lambda: 1)
    """,
    "twice": """
        def test_bad(benchmark):
            benchmark(lambda: 1)
            benchmark(lambda: 1)
    """,
    "asked for by name": """
        def test_bad(request):
            request.getfixturevalue("benchmark")(lambda: 1)
            assert False
    """,
    "expected to fail": """
        import pytest
        @pytest.mark.xfail
        def test_bad(benchmark):
            benchmark(lambda: 1)
            assert False
    """,
    "passes strictly unexpectedly": """
        import pytest
        @pytest.mark.xfail(strict=True)
        def test_bad(benchmark):
            benchmark(lambda: 1)
    """,
    "pytest.fail": """
        import pytest
        def test_bad(benchmark):
            benchmark.pedantic(lambda: 1, rounds=3)
            pytest.fail("so it is")
    """,
    "unittest style": """
        import pytest, unittest
        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, benchmark):
                self.benchmark = benchmark
            def test_bad(self):
                self.benchmark(lambda: 1)
                self.fail("so it is")
    """,
    "skips itself afterwards": """
        import pytest
        def test_bad(benchmark):
            benchmark(lambda: 1)
            pytest.skip("the answer was wrong")
    """,
    "misses a module afterwards": """
        import pytest
        def test_bad(gate):
            gate(lambda: 1, expect=1)
            pytest.importorskip("no_such_module")
    """,
    "skips itself in a teardown": """
        import pytest
        @pytest.fixture
        def broken():
            yield
            pytest.skip("the answer was wrong")
        def test_bad(broken, benchmark):
            benchmark(lambda: 1)
    """,
    "is expected to fail from within": """
        import pytest
        def test_bad(benchmark):
            benchmark(lambda: 1)
            pytest.xfail("known")
    """,
    "a wrong answer is expected": """
        import itertools, pytest
        def test_bad(gate):
            count = itertools.count()
            with pytest.raises(AssertionError):
                gate(lambda: int(next(count) < 9), expect=1)
    """,
    "a wrong answer is caught": """
        import itertools
        def test_bad(gate):
            count = itertools.count()
            try:
                gate.pedantic(lambda: int(next(count) < 9), rounds=20, expect=1)
            except Exception:
                pass
    """,
    "a wrong answer is caught as unittest does": """
        import itertools, pytest, unittest
        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, gate):
                self.gate = gate
            def test_bad(self):
                count = itertools.count()
                with self.assertRaises(AssertionError):
                    self.gate(lambda: int(next(count) < 9), expect=1)
    """,
    "a wrong answer is caught in a teardown": """
        import itertools, pytest
        @pytest.fixture
        def timed(gate):
            yield
            count = itertools.count()
            with pytest.raises(AssertionError):
                gate.pedantic(lambda: int(next(count) < 9), rounds=20, expect=1)
        def test_bad(timed):
            pass
    """,
    "a clock that stands still": """
        import pytest
        @pytest.mark.benchmark(timer=lambda: 5.0)
        def test_bad(gate):
            gate.work(bytes=8)
            gate.pedantic(lambda: 1, rounds=3, expect=1)
    """,
    "a clock that is not a number": """
        import pytest
        @pytest.mark.benchmark(timer=lambda: float("nan"))
        def test_bad(benchmark):
            benchmark.pedantic(lambda: 1, rounds=3)
    """,
    "a clock that runs backwards": """
        import itertools, pytest
        count = itertools.count(0, -1)
        @pytest.mark.benchmark(timer=lambda: float(next(count)))
        def test_bad(benchmark):
            benchmark.pedantic(lambda: 1, rounds=3)
    """,
    "a second use is caught": """
        import pytest
        def test_bad(gate):
            gate(lambda: 1, expect=1)
            with pytest.raises(Exception):
                gate(lambda: 2, expect=2)
    """,
    "an error within the timed function is caught": """
        import itertools, pytest
        def test_bad(benchmark):
            count = itertools.count()
            with pytest.raises(ZeroDivisionError):
                benchmark.pedantic(lambda: 1 // (next(count) < 30), rounds=40)
    """,
    "a failure within the timed function is caught": """
        import itertools, pytest
        def test_bad(benchmark):
            count = itertools.count()
            with pytest.raises(pytest.fail.Exception):
                benchmark.pedantic(lambda: next(count) < 30 or pytest.fail("no"), rounds=40)
    """,
    "in a fixture, and caught": """
        import itertools, pytest
        @pytest.fixture
        def timed(gate):
            count = itertools.count()
            with pytest.raises(AssertionError):
                gate.pedantic(lambda: int(next(count) < 9), rounds=20, expect=1)
        def test_bad(timed):
            pass
    """,
    "in a fixture": """
        import itertools, pytest
        @pytest.fixture
        def timed(gate):
            count = itertools.count()
            gate.pedantic(lambda: int(next(count) < 9), rounds=20, expect=1)
        def test_bad(timed):
            pass
    """,
    "in the teardown of a wider fixture": """
        import pytest
        @pytest.fixture(scope="module")
        def state():
            yield
            assert False, "the kernel left its tables broken"
        @pytest.fixture(scope="module")
        def by_another(state):
            return 1
        def test_bad(by_another, benchmark):
            benchmark(lambda: 1)
        def test_last():
            pass
    """,
    "in the finalizer of a wider fixture": """
        import pytest
        @pytest.fixture(scope="module")
        def state(request):
            def end(): raise OSError("no")
            request.addfinalizer(end)
        def test_bad(state, benchmark):
            benchmark(lambda: 1)
        def test_last():
            pass
    """,
    "its statistics were read": """
        def test_bad(benchmark):
            benchmark(lambda: 1)
            assert benchmark.stats.stats.mean < 0
    """,
}


def test_a_teardown_concerns_those_that_used_what_it_tears_down(suite: Suite) -> None:
    """A fixture is set up anew for each parameter, and for each class or module of its scope."""
    run = suite("""
        import pytest
        @pytest.fixture(scope="module", params=["good", "bad"])
        def state(request):
            yield request.param
            assert request.param == "good"
        def test_one(state, benchmark): benchmark(lambda: 1)
        def test_two(state, benchmark): benchmark(lambda: 1)

        @pytest.fixture(scope="class")
        def place(request):
            yield
            assert request.cls is TestGood
        class TestGood:
            def test_here(self, place, benchmark): benchmark(lambda: 1)
        class TestBad:
            def test_there(self, place, benchmark): benchmark(lambda: 1)
            def test_there_too(self, place, benchmark): benchmark(lambda: 1)
    """)
    assert sorted(run.timed()) == ["test_here", "test_one[good]", "test_two[good]"]
    assert run.text.count("withheld: test_") == 4


def test_withheld_from_every_report(suite: Suite, pytester: pytest.Pytester) -> None:
    names = {}
    for number, (case, source) in enumerate(FAILURES.items()):
        names[f"test_bad_{number}"] = case
        pytester.makepyfile(**{f"test_case_{number}": source.replace("test_bad", f"test_bad_{number}")})
    run = suite("def test_good(benchmark): benchmark(lambda: 1)", "--benchmark-save=kept", "--benchmark-sort=name")
    assert run.timed() == ["test_good"]
    (saved,) = run.json_path.parent.glob(".benchmarks/*/*.json")
    assert [bench["name"] for bench in json.loads(saved.read_text("utf-8"))["benchmarks"]] == ["test_good"]
    assert run.in_table("test_good")
    timed = {entry["name"]: entry["timed"] for entry in run.data["benchgate"]["withheld"]}
    for name, case in names.items():
        assert name in timed, case
        assert not run.in_table(name), case
        assert timed[name], case
        assert f"withheld: {name} (" in run.text, case
    assert f"{len(names)} withheld ({len(names)} timed and taken back, 0 not timed)" in run.text


def test_what_a_test_stores_is_not_taken_for_ours(suite: Suite) -> None:
    run = suite(
        """
        import pytest

        @pytest.mark.parametrize("stored", [None, [1], {"benchgate": "mine", "size": 3}])
        def test_gated(gate, stored):
            gate.benchmark.extra_info = stored
            gate(lambda: 1, expect=1)

        def test_plain(benchmark):
            benchmark.extra_info["benchgate"] = {"verified": True}
            benchmark(lambda: 1)

        @pytest.fixture
        def later(gate):
            yield
            gate(lambda: 1, expect=1)
            gate.benchmark.extra_info["size"] = 4

        @pytest.mark.benchmark(group=7)
        def test_in_a_teardown(later): pass
        """,
        "--benchmark-sort=fullname",
    )
    run.result.assert_outcomes(passed=5)
    stored = {bench["name"].partition("[")[0]: bench["extra_info"] for bench in run.data["benchmarks"]}
    assert stored["test_gated"]["size"] == 3
    assert stored["test_plain"] == {}
    assert stored["test_in_a_teardown"]["size"] == 4
    verified = [bench["extra_info"].get("benchgate", {}).get("verified") for bench in run.data["benchmarks"]]
    assert sorted(map(bool, verified)) == [False, True, True, True, True]
    assert [*json_addition.read(run.data).report().results][-1].group is not None


def test_withheld_from_the_histogram(suite: Suite) -> None:
    pytest.importorskip("pygal", reason="pytest-benchmark draws histograms with pygal")
    run = suite(
        FAILURES["pytest.fail"] + "\n        def test_good(benchmark): benchmark(lambda: 1)\n",
        "--benchmark-histogram=h",
    )
    (drawn,) = run.json_path.parent.glob("h*.svg")
    assert "test_good" in drawn.read_text("utf-8")
    assert "test_bad" not in drawn.read_text("utf-8")


@pytest.mark.parametrize(
    "ending", ["raise KeyboardInterrupt", pytest.param("pytest.exit('enough')", marks=pytest.mark.thorough)]
)
def test_an_interrupted_benchmark_is_withheld(suite: Suite, ending: str) -> None:
    run = suite(
        f"""
        import itertools, pytest
        def test_good(benchmark):
            benchmark(lambda: 1)
        count = itertools.count()
        def stop():
            if next(count) > 30:
                {ending}
        def test_stopped(benchmark):
            benchmark.pedantic(stop, rounds=60)
        """
    )
    assert run.result.ret == pytest.ExitCode.INTERRUPTED
    assert run.timed() == ["test_good"]
    assert run.data["benchgate"]["withheld"][0]["reason"].startswith("interrupted by")


def test_a_failure_does_not_touch_the_others_nor_a_comparison(suite: Suite) -> None:
    source = """
        import os
        def test_one(benchmark):
            benchmark(lambda: 1)
            assert not os.environ.get("BREAK")
        def test_two(benchmark):
            benchmark(lambda: 1)
    """
    first = suite(source, "--benchmark-save=base")
    first.result.assert_outcomes(passed=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BREAK", "1")
        second = suite(source, "--benchmark-compare", "--benchmark-compare-fail=min:1")
    second.result.assert_outcomes(passed=1, failed=1)
    assert second.timed() == ["test_two"]
    assert not second.in_table("test_one (NOW)")
    assert second.in_table("test_two (NOW)")


SUBTESTS = """
    import pytest, unittest

    def test_failed_before(gate, subtests):
        with subtests.test("before"):
            assert False
        gate(sorted, [3, 1, 2], expect=[1, 2, 3])

    def test_failed_after(gate, subtests):
        gate(sorted, [3, 1, 2], expect=[1, 2, 3])
        with subtests.test("after"):
            assert False

    def test_timed_within(benchmark, subtests):
        with subtests.test("before"):
            assert False
        with subtests.test("timed"):
            benchmark(sorted, [3, 1, 2])

    def test_wrong_within(gate, subtests):
        calls = []
        with subtests.test("timed"):
            gate.pedantic(lambda: calls.append(1) or int(len(calls) < 9), rounds=20, expect=1)

    def test_expected_to_fail(benchmark, subtests):
        benchmark(sorted, [3, 1, 2])
        with subtests.test("known"):
            pytest.xfail("known")

    class TestCase(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def take(self, benchmark):
            self.benchmark = benchmark

        def test_of_unittest(self):
            self.benchmark(sorted, [3, 1, 2])
            with self.subTest("after"):
                self.fail("no")

    def test_skipped(benchmark, subtests):
        benchmark(sorted, [3, 1, 2])
        with subtests.test("other instruction set"):
            pytest.skip("not on this machine")

    def test_passed(benchmark, subtests):
        benchmark(sorted, [3, 1, 2])
        with subtests.test("one"):
            pass
"""


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="pytest has subtests from 9 on")
def test_a_subtest_that_fails_withholds_the_time_of_its_test(suite: Suite) -> None:
    run = suite(SUBTESTS)
    assert run.timed() == ["test_skipped", "test_passed"]
    withheld = {entry["name"]: entry for entry in run.data["benchgate"]["withheld"]}
    assert withheld.keys() == {"test_failed_before", "test_failed_after", "test_timed_within", "test_wrong_within",
                               "test_expected_to_fail", "test_of_unittest"}  # fmt: skip
    assert all(entry["timed"] for entry in withheld.values())
    assert withheld["test_failed_before"]["reason"] == "a subtest failed: AssertionError: assert False"
    assert not any(run.in_table(name) for name in withheld)


RUNS_TWICE = """
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        for run in range(2):
            item.run = run
            runtestprotocol(item, log=True, nextitem=nextitem)
        return True
"""


def test_a_test_that_runs_twice_has_the_time_of_its_last_run(suite: Suite) -> None:
    run = suite(
        """
        import pytest

        # Whether the answer of each run is right; None if nothing is timed.
        RUNS = {"last fails": [1, 0], "first fails": [0, 1], "both pass": [1, 1], "last times nothing": [1, None]}
        each = pytest.mark.parametrize("right", RUNS.values(), ids=RUNS)

        @each
        def test_gated(gate, right, request):
            if (answer := right[request.node.run]) is not None:
                gate(lambda: answer, expect=1)

        @each
        def test_plain(benchmark, right, request):
            if (answer := right[request.node.run]) is not None:
                benchmark(lambda: 1)
                assert answer == 1
        """,
        conftest=RUNS_TWICE,
    )
    timed = [f"test_{kind}[{case}]" for kind in ("gated", "plain") for case in ("first fails", "both pass")]
    assert sorted(run.timed()) == sorted(timed)
    assert [entry["name"] for entry in run.data["benchgate"]["withheld"]] == [
        "test_gated[last fails]",
        "test_plain[last fails]",
    ]


def test_a_file_given_twice_has_no_time_if_its_last_run_fails(suite: Suite) -> None:
    source = """
        runs = []
        def test_it(benchmark):
            runs.append(benchmark(lambda: 1))
            assert len(runs) == 1
    """
    run = suite(source, "test_it.py", "test_it.py", "--keep-duplicates")
    run.result.assert_outcomes(passed=1, failed=1)
    assert run.timed() == []


CHANGES = {
    "makereport": """
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(item, call):
        report = yield
        if report.when == "WHEN" and "bad" in item.name:
            report.outcome, report.longrepr = "failed", "soft assertions failed"
        return report
    """,
    "logreport": """
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(report):
        if report.when == "WHEN" and "bad" in report.nodeid:
            report.outcome, report.longrepr = "failed", "soft assertions failed"
    """,
}


@pytest.mark.parametrize("when", ["call", pytest.param("teardown", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("hook", CHANGES)
def test_a_conftest_that_lets_a_test_fail_withholds_its_time(suite: Suite, hook: str, when: str) -> None:
    source = """
        def test_bad_plain(benchmark): benchmark(lambda: 1)
        def test_bad_gated(gate): gate(lambda: 1, expect=1)
        def test_good(benchmark): benchmark(lambda: 1)
    """
    run = suite(source, conftest=f"    import pytest\n{CHANGES[hook].replace('WHEN', when)}")
    assert run.timed() == ["test_good"]
    assert [(entry["name"], entry["phase"], entry["reason"]) for entry in run.data["benchgate"]["withheld"]] == [
        (name, when, "soft assertions failed") for name in ("test_bad_plain", "test_bad_gated")
    ]


@pytest.mark.parametrize("scope", [pytest.param("function", marks=pytest.mark.thorough), "module"])
def test_an_interrupt_in_a_teardown_withholds(suite: Suite, scope: str) -> None:
    run = suite(f"""
        import pytest
        @pytest.fixture(scope={scope!r})
        def broken():
            yield
            raise KeyboardInterrupt
        def test_good(benchmark):
            benchmark(lambda: 1)
        def test_bad(broken, benchmark):
            benchmark(lambda: 1)
        def test_last(broken):
            pass
    """)
    assert run.result.ret == pytest.ExitCode.INTERRUPTED
    assert run.timed() == ["test_good"]
    assert "KeyboardInterrupt" in run.data["benchgate"]["withheld"][0]["reason"]


def test_stopping_at_the_first_failure_withholds_it(suite: Suite) -> None:
    run = suite(FAILURES["pytest.fail"] + "\n        def test_never(benchmark): benchmark(lambda: 1)\n", "-x")
    assert run.timed() == []
    assert "1 withheld" in run.text


def test_a_failure_before_any_timing_is_left_to_pytest(suite: Suite) -> None:
    run = suite("""
        import pytest
        @pytest.fixture
        def broken(benchmark):
            raise OSError("setup")
        def test_bad(broken, benchmark):
            benchmark(lambda: 1)
        def test_early(benchmark):
            assert False
        def test_good(benchmark):
            benchmark(lambda: 1)
    """)
    run.result.assert_outcomes(passed=1, failed=1, errors=1)
    assert run.timed() == ["test_good"]
    assert "benchgate ---" not in run.text
