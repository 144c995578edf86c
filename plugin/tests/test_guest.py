"""A good guest: a suite that already uses pytest-benchmark runs as it did before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Suite

PLAIN = """
    import pytest

    @pytest.mark.parametrize("size", [1, 10])
    @pytest.mark.benchmark(group="g")
    def test_it(benchmark, size):
        benchmark.extra_info["size"] = size
        assert benchmark(range, size) == range(size)

    def test_pedantic(benchmark):
        benchmark.pedantic(lambda x: x, setup=lambda: ((1,), {}), rounds=3)

    def test_unused(benchmark):
        pass

    def test_other():
        pass
"""
OPTIONS = [("-W", "error", "-k", "not unused")]
FURTHER_OPTIONS = [
    (),
    ("-n", "2"),
    ("--benchmark-cprofile=function_name",),
    ("--benchmark-disable",),
    ("--benchmark-skip",),
    ("--benchmark-only",),
    ("-x", "--lf"),
    ("--collect-only",),
    ("-p", "no:terminal", "-p", "no:capture"),
]


def shape(text: str) -> list[str]:
    """Return the lines of a run with every figure, and pytest's list of plugins, taken out."""
    lines = [line for line in text.splitlines() if not line.startswith(("plugins:", "rootdir:", "cachedir:"))]
    return [re.sub(r"[\d.,]+( \(.*?\))?|[-=]{3,}|\s+", " ", line).strip() for line in lines]


@pytest.mark.parametrize(
    "options",
    [*OPTIONS, *(pytest.param(one, marks=pytest.mark.thorough) for one in FURTHER_OPTIONS)],
    ids=" ".join,
)
def test_a_plain_suite_prints_and_saves_the_same(suite: Suite, options: tuple[str, ...]) -> None:
    options = tuple(option for option in options if option)
    with_us = suite(PLAIN, *options, "--benchmark-sort=name", guest=True)
    saved = with_us.data
    with_us.json_path.unlink(missing_ok=True)
    without_us = suite(PLAIN, *options, "--benchmark-sort=name", "-p", "no:benchgate", guest=True)
    assert with_us.result.ret == without_us.result.ret
    figures = re.compile(r"Name \(time|^test_(it|pedantic)|Scaling|Computing|^\W*$")
    assert [line for line in shape(with_us.text) if not figures.search(line)] == [
        line for line in shape(without_us.text) if not figures.search(line)
    ]
    other = without_us.data
    if not saved:
        assert not other
        return
    assert saved.pop("benchgate") == {"schema": 1, "withheld": []}
    assert saved["machine_info"].pop("benchgate")
    assert saved.keys() == other.keys()
    assert saved["machine_info"].keys() == other["machine_info"].keys()
    # A plugin may have shuffled them.
    pairs = [sorted(run["benchmarks"], key=lambda bench: str(bench["name"])) for run in (saved, other)]
    for mine, theirs in zip(*pairs, strict=True):
        assert mine.keys() == theirs.keys()
        for key in ("name", "fullname", "group", "params", "param", "extra_info", "options"):
            assert mine[key] == theirs[key]


def test_a_suite_without_gates_imports_no_numpy(suite: Suite) -> None:
    """It would take 0.07 s of each run of pytest, and of each start of a race."""
    run = suite("""
        import sys

        def test_it(benchmark):
            benchmark(lambda: 1)
            assert "numpy" not in sys.modules
    """)
    run.result.assert_outcomes(passed=1)


def test_without_pytest_benchmark_only_the_gate_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): pass\n\ndef test_gate(gate): gate(len, [], expect=0)")
    result = pytester.runpytest_subprocess("-p", "no:benchmark")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'benchmark' not found"])


def test_gates_are_verified_under_xdist_too(suite: Suite) -> None:
    run = suite(
        "def test_right(gate): gate(len, [], expect=0)\n\ndef test_wrong(gate): gate(len, [], expect=1)",
        "-n", "2", guest=True,
    )  # fmt: skip
    run.result.assert_outcomes(passed=1, failed=1)
    assert "WrongAnswer: wrong answer" in run.text  # pytest-benchmark before 5.3 even takes times in workers


def test_codspeed_times_what_the_gate_has_verified(suite: Suite) -> None:
    pytest.importorskip("pytest_codspeed", reason="pytest-codspeed is not installed")
    run = suite(
        """
        def test_plain(benchmark): assert benchmark(sorted, [2, 1]) == [1, 2]
        def test_right(gate): gate(sorted, [2, 1], expect=[1, 2])
        def test_often(gate): gate(sorted, [2, 1], expect=[1, 2], check_every=1)
        def test_pedantic(gate): gate.pedantic(sorted, args=([2, 1],), rounds=3, expect=[1, 2])
        def test_set_up(gate): gate(list.sort, expect=None, written=None, setup=lambda: (([2, 1],), {}))
        def test_wrong(gate): gate(sorted, [2, 1], expect=[2, 1])
        """,
        *("-p", "pytest_codspeed.plugin", "--codspeed", "--codspeed-max-time=0.01", "--codspeed-warmup-time=0"),
    )
    run.result.assert_outcomes(passed=5, failed=1)
    assert "5 benchmarked" in run.text
    assert "WrongAnswer" in run.text


def test_last_failed_runs_the_withheld_one_again(suite: Suite) -> None:
    source = "def test_right(gate): gate(len, [], expect=0)\n\ndef test_wrong(gate): gate(len, [], expect=1)"
    suite(source, "-p", "cacheprovider")
    run = suite(source, "-p", "cacheprovider", "--lf")
    run.result.assert_outcomes(failed=1)


def test_help_has_the_options_and_fixtures(pytester: pytest.Pytester) -> None:
    text = str(pytester.runpytest_subprocess("--help").stdout)
    for option in ("--cl-device=NAME", "--cl-require", "--cl-list", "--benchgate-markdown=FILE"):
        assert option in text
    assert "gate" in str(pytester.runpytest_subprocess("--fixtures").stdout)


def test_a_suite_s_own_fixtures_of_our_names_are_left_alone(suite: Suite) -> None:
    run = suite("""
        import pytest

        @pytest.fixture
        def cl_device():
            return "mine"

        @pytest.fixture
        def gate(benchmark):
            return benchmark

        def test_it(cl_device, gate):
            assert cl_device == "mine"
            gate(lambda: 1)
    """)
    run.result.assert_outcomes(passed=1)
    assert run.timed() == ["test_it"]


def test_a_test_that_passes_when_run_again_counts(suite: Suite) -> None:
    run = suite(
        """
        calls = []
        def test_it(benchmark):
            calls.append(1)
            benchmark.pedantic(lambda: 1, rounds=3)
            assert len(calls) > 1
        """,
        "--reruns=1",
        guest=True,
    )
    assert run.timed() == ["test_it"]
    assert "withheld" not in run.text
