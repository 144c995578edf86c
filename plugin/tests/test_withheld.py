"""The time of whatever fails is withheld, plain benchmark tests included, and the report says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

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
    "its statistics were read": """
        def test_bad(benchmark):
            benchmark(lambda: 1)
            assert benchmark.stats.stats.mean < 0
    """,
}


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
        assert not run.in_table(name), case
        assert timed[name], case
        assert f"withheld: {name} (" in run.text, case
    assert f"{len(names)} withheld ({len(names)} timed and taken back, 0 not timed)" in run.text


def test_withheld_from_the_histogram(suite: Suite) -> None:
    pytest.importorskip("pygal", reason="pytest-benchmark draws histograms with pygal")
    run = suite(
        FAILURES["pytest.fail"] + "\n        def test_good(benchmark): benchmark(lambda: 1)\n",
        "--benchmark-histogram=h",
    )
    (drawn,) = run.json_path.parent.glob("h*.svg")
    assert "test_good" in drawn.read_text("utf-8")
    assert "test_bad" not in drawn.read_text("utf-8")


@pytest.mark.parametrize("ending", ["raise KeyboardInterrupt", "pytest.exit('enough')"])
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


def test_a_test_that_skips_itself_afterwards_is_no_failure(suite: Suite) -> None:
    """As pytest-benchmark has it: nobody said that the answer was wrong."""
    run = suite("""
        import pytest
        def test_it(benchmark):
            benchmark(lambda: 1)
            pytest.skip("enough")
    """)
    run.result.assert_outcomes(skipped=1)
    assert run.timed() == ["test_it"]


def test_stopping_at_the_first_failure_withholds_it(suite: Suite) -> None:
    run = suite(FAILURES["pytest.fail"] + "\n        def test_never(benchmark): benchmark(lambda: 1)\n", "-x")
    assert run.timed() == []
    assert "1 withheld" in run.text


def test_what_was_never_timed_is_pytest_s_to_report(suite: Suite) -> None:
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
