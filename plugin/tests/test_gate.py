"""The gate: what passes, what is refused, and that no time survives a wrong answer."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Suite


def test_a_right_answer_is_timed_and_returned(suite: Suite) -> None:
    run = suite("""
        def test_sort(gate):
            assert gate(sorted, [3, 1, 2], expect=[1, 2, 3]) == [1, 2, 3]

        def test_keyword(gate):
            assert gate(sorted, [3, 1, 2], reverse=True, expect=[3, 2, 1]) == [3, 2, 1]

        def test_judged(gate):
            gate(sorted, [3, 1, 2], expect=lambda answer: answer[0] < answer[-1])
    """)
    run.result.assert_outcomes(passed=3)
    assert run.timed() == ["test_sort", "test_keyword", "test_judged"]
    assert all(bench["extra_info"]["benchgate"]["verified"] for bench in run.data["benchmarks"])
    assert "3 of 3 times verified by gate, 0 withheld" in run.text


def test_closures_side_effects_coroutines_and_exceptions(suite: Suite) -> None:
    """As docs/gate.md has them for benchmarks that return nothing."""
    run = suite("""
        import asyncio
        import pytest
        from urllib.parse import quote

        wrong = pytest.mark.parametrize("wrong", [False, True])

        @wrong
        def test_closure(gate, wrong):
            def _run():
                return [quote("a b" if wrong and n == 99 else "a c") for n in range(100)]
            gate(_run, expect=["a%20c"] * 100)

        @wrong
        def test_side_effect(gate, wrong):
            cache = {}
            def _run():
                cache.clear()
                for n in range(1000 - wrong):
                    cache[n] = 1
            gate(_run, expect=lambda _: len(cache) == 1000)

        @wrong
        def test_coroutine(gate, wrong):
            async def fetch(): return 3 + wrong
            with asyncio.Runner() as runner:
                gate(lambda: runner.run(fetch()), expect=3)

        @wrong
        def test_exception(gate, wrong):
            def parse():
                try:
                    int("" if wrong else "x")
                except ValueError as error:
                    return error
            gate(parse, expect=ValueError("invalid literal for int() with base 10: 'x'"))
    """)
    run.result.assert_outcomes(passed=4, failed=4)
    assert sorted(run.timed()) == [
        f"test_{name}[False]" for name in ("closure", "coroutine", "exception", "side_effect")
    ]
    assert run.text.count("WrongAnswer: wrong answer on the first call, before timing") >= 4


WRONG = {
    "first call": ("gate(lambda: 1, expect=2)", "on the first call, before timing: 1 of 1 differ, got 1, expected 2"),
    "judge": ("gate(lambda: 1, expect=lambda answer: answer == 2)", "before timing: expect returned False"),
    "last round": ("gate(corrupt_later(5), expect=0)", "after the last round: 1 of 1 differ, got 1, expected 0"),
    "pedantic last": (
        "gate.pedantic(corrupt_later(5), rounds=9, expect=0)", "after the last round: 1 of 1 differ, got 1, expected 0"),
    "pedantic extra call": (
        "gate.pedantic(corrupt_later(10), rounds=9, expect=0)", "in a call after the last round: 1 of 1 differ"),
    "written last round": (
        "gate(fill_later_wrong, out, expect=[1, 1], written=0)", "after the last round: 1 of 2 differ, the first at [0]"),
    "stops writing": (
        "gate(fill_no_more, out, expect=[1, 1], written=0)", "after the last round: 2 of 2 differ, the first at [0]"),
    "setup": (
        "gate(fill_later_wrong, setup=lambda: (([0, 0],), {}), expect=[1, 1], written=0)",
        "after the last round: 1 of 2 differ"),
    "setup and teardown": (
        "gate(fill_later_wrong, setup=lambda: (([0, 0],), {}), teardown=lambda out: out.clear(), expect=[1, 1], written=0)",
        "after the last round: 1 of 2 differ"),
}  # fmt: skip
FUNCTIONS = """
    import itertools
    out = [0, 0]

    def corrupt_later(calls):
        count = itertools.count()
        return lambda: int(next(count) >= calls)

    count = itertools.count()
    def fill_later_wrong(out):
        out[:] = [1 + (next(count) > 2), 1]

    def fill_no_more(out):
        if next(count) < 2:
            out[:] = [1, 1]
"""


def test_no_time_survives_a_wrong_answer(suite: Suite, pytester: pytest.Pytester) -> None:
    for number, (call, _) in enumerate(WRONG.values()):
        pytester.makepyfile(
            **{
                f"test_case_{number}": FUNCTIONS
                + f"""
    def test_wrong_{number}(gate):
        {call}
    """
            }
        )
    run = suite("def test_right(benchmark): benchmark(lambda: None)", "--benchmark-save=kept")
    run.result.assert_outcomes(passed=1, failed=len(WRONG))
    assert run.timed() == ["test_right"]
    (saved,) = run.json_path.parent.glob(".benchmarks/*/*.json")
    assert [bench["name"] for bench in json.loads(saved.read_text("utf-8"))["benchmarks"]] == ["test_right"]
    withheld = {entry["name"]: entry for entry in run.data["benchgate"]["withheld"]}
    for number, (case, (_, message)) in enumerate(WRONG.items()):
        name = f"test_wrong_{number}"
        assert not run.in_table(name), case
        assert message in withheld[name]["message"], case
        assert withheld[name]["timed"] == ("before timing" not in message), case
    assert f"0 of 1 times verified by gate, {len(WRONG)} withheld" in run.text


def test_in_place_functions_get_fresh_arguments_each_round(suite: Suite) -> None:
    run = suite("""
        def reverse(values):
            values.reverse()

        def test_setup(gate):
            made = []
            def setup():
                made.append([1, 2, 3])
                return (made[-1],), {}
            gate(reverse, setup=setup, expect=[3, 2, 1], written=0)
            assert all(values == [3, 2, 1] for values in made)
            assert len(made) >= 6

        def test_keyword_and_teardown(gate):
            ended = []
            gate(lambda *, values: values.reverse(), setup=lambda: ((), {"values": [1, 2]}), expect=[2, 1], written="values",
                 teardown=lambda *, values: ended.append(values))
            assert all(values == [2, 1] for values in ended) and len(ended) >= 5

        def test_several(gate):
            def swap(a, b):
                a[:], b[:] = list(b), list(a)
            gate(swap, setup=lambda: (([1], [2]), {}), expect=([2], [1]), written=(0, 1))

        def test_several_in_lists(gate):
            def swap(a, b):
                a[:], b[:] = list(b), list(a)
            gate(swap, setup=lambda: (([1], [2]), {}), expect=[[2], [1]], written=[0, 1])

        def test_without_setup_it_is_wrong_the_second_time(gate):
            gate(reverse, [1, 2, 3], expect=[3, 2, 1], written=0)

        def test_one_round_needs_none(gate):
            gate.pedantic(reverse, ([1, 2, 3],), expect=[3, 2, 1], written=0)
    """)
    run.result.assert_outcomes(passed=5, failed=1)
    assert run.timed() == [
        *("test_setup", "test_keyword_and_teardown", "test_several", "test_several_in_lists"),
        "test_one_round_needs_none",
    ]
    assert "wrong answer on the second call, with what the first one left in its arguments (setup=" in run.text


def test_pedantic_counts_rounds_and_iterations(suite: Suite) -> None:
    run = suite("""
        def test_it(gate):
            calls = []
            gate.pedantic(lambda x: calls.append(x) or len(calls) > 0, (7,), rounds=4, iterations=5, warmup_rounds=2,
                          expect=True)
            assert set(calls) == {7}
    """)
    run.result.assert_outcomes(passed=1)
    (bench,) = run.data["benchmarks"]
    assert (bench["stats"]["rounds"], bench["stats"]["iterations"]) == (4, 5)


def test_markers_and_options_are_those_of_benchmark(suite: Suite) -> None:
    run = suite("""
        import pytest

        @pytest.mark.benchmark(group="mine", min_rounds=17, max_time=0.000001)
        def test_marked(gate):
            gate(lambda: 1, expect=1)

        @pytest.mark.benchmark(min_rounds=19, max_time=0.000001)
        def test_setup(gate):
            gate(lambda: 1, expect=1, setup=lambda: None)
    """)
    assert [(bench["group"], bench["stats"]["rounds"]) for bench in run.data["benchmarks"]] == [
        ("mine", 17),
        (None, 19),
    ]


def test_disabled_calls_once_and_still_checks(suite: Suite) -> None:
    run = suite(
        """
        calls = []
        def test_right(gate):
            gate(calls.append, 1, expect=None)
            assert calls == [1]

        def test_setup(gate):
            ended = []
            gate(list.reverse, setup=lambda: (([1, 2],), {}), teardown=ended.append, expect=[2, 1], written=0)
            assert ended == [[2, 1]]

        def test_wrong(gate):
            gate(lambda: 1, expect=2)

        def test_wrong_pedantic(gate):
            gate.pedantic(lambda: 1, expect=2, rounds=9)

        def test_wrong_with_teardown(gate):
            gate(lambda: 1, expect=2, teardown=lambda: calls.append(2))

        def test_torn_down():
            assert calls == [1, 2]
        """,
        "--benchmark-disable", "-W", "error",
    )  # fmt: skip
    run.result.assert_outcomes(passed=3, failed=3)
    assert "wrong answer in its one call" in run.text


MISUSE = {
    "no expect": ("gate(len, [])", "TypeError: *expect*"),
    "judge says nothing": ("gate(len, [], expect=lambda n: None)", "TypeError: expect returned None; a function must*"),
    "rtol": ("gate(len, [], expect=0, rtol=-1)", "ValueError: rtol=-1 is not a tolerance; pass a number of 0 or more*"),
    "atol": ("gate(len, [], expect=0, atol=float('nan'))", "ValueError: atol=nan is not a tolerance*"),
    "written": (
        "gate(len, [], expect=0, written=1)",
        "ValueError: written=1 is not an argument of the call, which has [[]0]*",
    ),
    "twice": ("gate(len, [], expect=0); gate(len, [], expect=0)", "*FixtureAlreadyUsed*"),
    "setup without keywords": (
        "gate(len, setup=lambda: ([1],), expect=1)",
        "TypeError: setup returned ([[]1[]],), a tuple; return None, or a tuple of the arguments and a dictionary*",
    ),
    "setup returns the argument": (
        "import numpy as np\n    gate(len, setup=lambda: np.ones(2), expect=2)",
        "TypeError: setup returned an array of float64*",
    ),
    "setup of pedantic": (
        "gate.pedantic(len, setup=lambda: 'ab', expect=2)",
        "TypeError: setup returned 'ab', a str; return*",
    ),
    "rtol is no number": ("gate(len, [], expect=0, rtol=True)", "ValueError: rtol=True is not a tolerance*"),
    "rtol beyond floats": ("gate(len, [], expect=0, rtol=10**400)", "ValueError: rtol=1000*is not a tolerance*"),
    "judge of two": (
        "import numpy as np\n    gate(len, [], expect=np.allclose)",
        "TypeError: expect is allclose, which does not take one argument, the answer (missing*expect=lambda answer: numpy.allclose(answer, value)*",
    ),
    "judge of none": ("gate(len, [], expect=lambda: True)", "TypeError: expect is <lambda>, which does not take one*"),
    "NaN": ("gate(float, 'nan', expect=float('nan'))", "tolerance: exact; equal_nan=True makes NaN equal to NaN;*"),
    "an array of tolerances": (
        "import numpy as np\n    gate(len, [], expect=0, atol=np.ones(9))",
        "ValueError: atol=an array of float64, shape (9,) is not*",
    ),
    "work beyond floats": ("gate.work(items=10**400)", "ValueError: items=1000*is not an amount of work*"),
    "written is no name": (
        "gate(len, [], expect=0, written=True)",
        "TypeError: written=True names no arguments; pass a position*",
    ),
    "one of written is no name": (
        "gate(len, [], expect=0, written=(False,))",
        "TypeError: written=(False,) names no arguments; pass a position*",
    ),
    "setup twice": ("gate(len, [], setup=lambda: (([],), {}), expect=0)", "TypeError: setup returned arguments*"),
    "no work": ("gate.work()", "ValueError: no work is stated; pass items=*"),
    "work": (
        "gate.work(bytes=0)",
        "ValueError: bytes=0 is not an amount of work; pass a number above 0, and below 1e+100*",
    ),
    "written hint": ("gate([].append, 1, expect=[1])", "*written= names the arguments it fills*"),
}


def test_misuse_says_what_to_do(suite: Suite) -> None:
    run = suite("\n".join(f"def test_{number}(gate):\n    {call}" for number, (call, _) in enumerate(MISUSE.values())))
    run.result.assert_outcomes(failed=len(MISUSE))
    for _, message in MISUSE.values():
        run.result.stdout.fnmatch_lines_random([f"E *{message}"])
    assert run.timed() == []


def test_a_function_that_raises_or_dies_leaves_no_time(suite: Suite) -> None:
    run = suite("""
        import itertools
        count = itertools.count()

        def late():
            if next(count) > 4:
                raise OSError("late")

        def test_at_once(gate):
            gate(lambda: 1 / 0, expect=1)

        def test_late(gate):
            gate.pedantic(late, rounds=9, expect=None)
    """)
    run.result.assert_outcomes(failed=2)
    assert run.timed() == []
    assert [entry["timed"] for entry in run.data["benchgate"]["withheld"]] == [False, True]


def test_a_refusal_is_one_failure_also_with_warnings_as_errors(suite: Suite) -> None:
    source = "def test_it(gate): gate(lambda: 1, expect=2)\n\ndef test_good(benchmark): benchmark(lambda: 1)"
    run = suite(source, "-W", "error")
    run.result.assert_outcomes(passed=1, failed=1)
    assert "was not used" not in run.text
    assert "withheld: test_it (call, it was not timed): WrongAnswer: wrong answer on the first call" in run.text


@pytest.mark.skipif(os.name != "posix", reason="the signal of a crash is POSIX's")
def test_a_crash_leaves_no_time_behind(suite: Suite) -> None:
    run = suite(
        """
        import itertools, os
        count = itertools.count()

        def test_good(benchmark):
            benchmark(lambda: 1)

        def test_crash(gate):
            gate.pedantic(lambda: next(count) < 5 or os.abort(), rounds=9, expect=True)
        """,
        "--benchmark-save=kept",
    )
    assert run.result.ret < 0
    assert run.data == {}
    assert not [*run.json_path.parent.glob(".benchmarks/*/*.json")]


def test_the_timed_calls_are_benchmark_s_own(suite: Suite) -> None:
    """Nothing of ours stands in the timed loop: pytest-benchmark is handed the function itself."""
    run = suite("""
        import sys

        def test_it(gate):
            callers = set()
            def function():
                callers.add(sys._getframe(1).f_code.co_filename)
            gate(function, expect=None)
            ours = {name for name in callers if "pytest_benchgate" in name}
            theirs = {name for name in callers if "pytest_benchmark" in name}
            assert theirs and len(callers) == 2 and len(ours) == 1
    """)
    run.result.assert_outcomes(passed=1)


def test_every_figure_is_exact_with_a_fake_clock(suite: Suite) -> None:
    """Setup, call and teardown of a round share the budget: 1 s for 10 + 70 + 20 ms are 10 rounds, of 70 ms each."""
    run = suite("""
        import pytest

        class Clock:
            now = 0.0
            def __call__(self):
                return self.now
            def spend(self, ms):
                self.now = round(self.now + ms / 1000, 6)

        clock = Clock()

        @pytest.mark.benchmark(timer=clock, max_time=1.0, min_rounds=3)
        def test_budget(gate):
            gate.work(items=7, bytes=14)
            gate(lambda: clock.spend(70), setup=lambda: clock.spend(10), teardown=lambda: clock.spend(20), expect=None)

        @pytest.mark.benchmark(timer=clock, max_time=0.01, min_rounds=3)
        def test_least(gate):
            gate(lambda: clock.spend(70), setup=lambda: clock.spend(10), expect=None)

        @pytest.mark.benchmark(timer=clock)
        def test_pedantic(gate):
            gate.pedantic(lambda: clock.spend(70), rounds=4, iterations=5, expect=None)
    """)
    run.result.assert_outcomes(passed=3)
    stats = {bench["name"]: bench["stats"] for bench in run.data["benchmarks"]}
    assert [entry["rounds"] for entry in stats.values()] == [10, 3, 4]
    assert all(entry["median"] == pytest.approx(0.07) for entry in stats.values())
    assert run.data["benchmarks"][0]["extra_info"]["benchgate"]["rates"] == pytest.approx({"items": 100, "bytes": 200})
