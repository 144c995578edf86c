"""A launch: both sides started, pairs timed; what goes wrong costs its test, with the reason and the side."""

from __future__ import annotations

import dataclasses
import math
import os
import random
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import FEW, PLAN, Starts, broken, ids, launched, raced
from pytest_benchgate.race.launching.launch import launch
from pytest_benchgate.race.launching.number import launch_number
from pytest_benchgate.race.launching.plan import Plan, Side
from pytest_benchgate.race.launching.results import Failed, FailureKind, LaunchResult, Loaded, Pace, Timed
from pytest_benchgate.race.launching.timing import Timer, _enough
from pytest_benchgate.race.statistics import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="inherited pipes as POSIX has them")


def test_the_number_is_the_log_of_head_over_base(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> None:
    """Of the function, without its setup, for one call of however many iterations, in the group of head.

    Neither does a slow first call, which makes what later ones use, leave blocks of one call, nor does a slow setup
    make blocks that take minutes.
    """
    suite = """
        import build, time

        def test_same(benchmark):
            benchmark(lambda: sum(range(2000)))

        def test_slower(benchmark):
            benchmark.group = build.NAME
            benchmark(lambda: sum(range(2000 * build.FACTOR)))

        def test_iterations(benchmark):
            benchmark.pedantic(time.sleep, args=(0.002 * build.FACTOR,), iterations=5)

        def test_lazy(benchmark):
            calls = []
            benchmark(lambda: calls.append(bool(calls) or time.sleep(0.05)))
            assert len(calls) > 1000

        def test_slow_setup(benchmark):
            setups = []
            benchmark.pedantic(lambda: 1, setup=lambda: setups.append(time.sleep(0.01)))
            assert len(setups) < 200
    """
    both = sides("NAME, FACTOR = 'of head', 3", "NAME, FACTOR = 'of base', 1", suite)
    found = raced(both, "same slower iterations lazy slow_setup", PLAN, reaper)
    assert reaper.count == 2
    timed = {name: what for name, what in found.items() if isinstance(what, Timed)}
    assert [*timed] == [*found], found
    # The least times: a busy machine may disturb most blocks of a launch, and its number.
    least = {name: min(what.head_ns) / min(what.base_ns) for name, what in timed.items()}
    assert 2 < least["slower"] < 4.5
    assert 1 / 1.5 < least["same"] < 1.5
    assert timed["slower"].group == "of head"
    assert timed["same"].group is None
    iterations = timed["iterations"]
    # A busy machine sleeps longer, by as much on both sides.
    assert 1.3 < least["iterations"] < 4.5
    assert all(2e6 <= ns < 9e6 for ns in (min(iterations.base_ns), min(iterations.head_ns) / 3))
    for what in timed.values():
        assert 3 <= len(what.base_ns) == len(what.head_ns) <= 7
        assert (what.number, what.error) == launch_number(what.base_ns, what.head_ns)


ALLOCATION = """keep = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**34, keep[1]))
    try: bytearray(2**36)
    finally: resource.setrlimit(resource.RLIMIT_AS, keep)"""
# The body of a function on head, the reason, and whether the worker is lost.
BREAKS = {
    "crash": ("os.abort()", "the worker died (signal SIGABRT)", True),
    "exit": ("print('last words', flush=True); os._exit(3)", "the worker died (exit status 3):", True),
    "memory": ("os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL, probably by the out-of-memory killer", True),
    "error": ("raise OSError('no good')", "OSError: no good", False),
    "later": ("calls.append(1); assert len(calls) < 4", "AssertionError", False),
    # Only Linux limits the address space of a process.
    **({"allocation": (ALLOCATION, "MemoryError", False)} if sys.platform == "linux" else {}),
}


def test_a_failure_costs_its_test_only(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> None:
    """Both sides are started again only if a worker is lost."""
    head = "import os, resource, signal, time\ncalls = []\n"
    head += "".join(f"def {name}():\n    {body}\n    return 1\n" for name, (body, _, _) in BREAKS.items())
    suite = "import build\ndef test_before(benchmark): benchmark(lambda: sum(range(1000)))\n" + "".join(
        f"def test_{name}(benchmark): benchmark(build.{name})\ndef test_after_{name}(benchmark): benchmark(lambda: 1)\n"
        for name in BREAKS
    )
    both = sides(head, "".join(f"def {name}(): return 1\n" for name in BREAKS), suite)
    names = " ".join(["before", *(f"{name} after_{name}" for name in BREAKS)])
    found = raced(both, names, dataclasses.replace(PLAN, pairs=3, block_ns=1e5), reaper)
    assert "last words" in getattr(found["exit"], "reason", "").partition("status 3")[2]
    for name, (_, reason, lost) in BREAKS.items():
        broken(found.pop(name), "head", reason, FailureKind.LOST if lost else FailureKind.FAILED)
    assert [name for name, result in found.items() if not isinstance(result, Timed)] == []
    assert reaper.count == 2 + 2 * sum(lost for _, _, lost in BREAKS.values())


def test_the_side_and_the_reason_are_reported(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> None:
    suite = """
        import build, os, pytest

        def test_skip_base(benchmark):
            build.HEAD or pytest.skip("not on base")
            benchmark(lambda: 1)

        def test_skip_head(benchmark):
            build.HEAD and pytest.skip("not on head")
            benchmark(lambda: 1)

        def test_skip_both(benchmark):
            pytest.skip("nowhere")

        def test_skip_and_fail(benchmark):
            build.HEAD or pytest.skip("not here")
            assert False, "wrong"

        def test_fail_both(benchmark):
            assert False, "wrong"

        def test_fail_each(benchmark):
            assert False, "wrong on head" if build.HEAD else "wrong on base"

        def test_fail_alike(benchmark):
            assert False, f"{object()} of {build.__file__}"

        def test_fail_late(benchmark):
            benchmark(lambda: 1)
            assert False, "wrong in the end"

        def test_fail_late_on_base(benchmark):
            benchmark(lambda: 1)
            assert build.HEAD, "wrong in the end"

        def test_wrong_when_timed(benchmark):
            calls = []
            assert benchmark(lambda: calls.append(1) or len(calls)) == 1 or not build.HEAD, "wrong while it was timed"

        def test_nothing(benchmark):
            pass

        def test_nothing_on_head(benchmark):
            build.HEAD or benchmark(lambda: 1)

        if build.HEAD:
            def test_new(benchmark): benchmark(lambda: 1)
        else:
            def test_old(benchmark): benchmark(lambda: 1)

        def test_fine(benchmark):
            benchmark(lambda: 1)
    """
    both = sides("HEAD = True", "HEAD = False", suite)
    names = (
        "skip_base skip_head skip_both skip_and_fail fail_both fail_each fail_alike fail_late fail_late_on_base "
        "wrong_when_timed nothing nothing_on_head new old none fine"
    )
    found = raced(both, names, FEW, reaper)
    assert reaper.count == 2
    assert isinstance(found["fine"], Timed)
    broken(found["skip_base"], "base", "not on base", FailureKind.SKIPPED)
    broken(found["skip_head"], "head", "not on head", FailureKind.SKIPPED)
    broken(found["skip_both"], "base and head", "nowhere", FailureKind.SKIPPED)
    broken(found["skip_and_fail"], "base and head", "wrong")
    broken(found["fail_both"], "base and head", "wrong")
    each = broken(found["fail_each"], "base and head", "AssertionError: wrong on base")
    assert [line[:10] for line in each.splitlines() if " call: " in line] == ["base: call", "head: call"]
    alike = broken(found["fail_alike"], "base and head", "object object at 0x")
    assert (alike[:6], alike.count("AssertionError: <")) == ("call: ", 1)
    broken(found["fail_late"], "base and head", "wrong in the end")
    broken(found["fail_late_on_base"], "base", "wrong in the end")
    broken(found["wrong_when_timed"], "head", "wrong while it was timed")
    broken(found["nothing"], "base and head", "it calls no benchmark that can be raced")
    broken(found["nothing_on_head"], "head", "it calls no benchmark that can be raced")
    assert found["new"] == Failed("base", "there is no such test", FailureKind.LACKS)
    assert found["old"] == Failed("head", "there is no such test", FailureKind.LACKS)
    assert found["none"] == Failed("base and head", "there is no such test", FailureKind.LACKS)


def test_a_file_that_one_side_cannot_import_fails_its_own_tests_with_its_error(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    """As well where it is the conftest.py of its folder that cannot be imported."""
    both = sides("raise ImportError('undefined symbol: fast')")
    for side in both:
        (side.folder / "test_plain.py").write_text("def test_it(benchmark): benchmark(lambda: 1)")
        (side.folder / "deep" / "er").mkdir(parents=True)
        (side.folder / "deep" / "er" / "test_deep.py").write_text("def test_it(benchmark): benchmark(lambda: 1)")
    (both[1].folder / "deep" / "conftest.py").write_text("import build")
    (both[1].folder / "deep" / "__init__.py").touch()
    nodeids = [*ids("before", "after"), "deep/er/test_deep.py::test_it", "test_plain.py::test_it"]
    found = launched(both, nodeids, FEW, reaper, 4)
    for nodeid in nodeids[:-1]:
        broken(found[nodeid], "head", "undefined symbol: fast")
    assert isinstance(found[nodeids[-1]], Timed)


def test_a_test_that_base_lacks_must_run_on_head_and_base_must_import_what_is_raced(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    """So that neither a broken test nor a broken build passes as new."""
    suite = """
        import build, pytest

        def test_old(benchmark): benchmark(lambda: 1)

        if build.HEAD:
            def test_fine(benchmark): benchmark(lambda: 1)
            def test_fails(benchmark): benchmark(build.broken)
            def test_fails_late(benchmark): benchmark(lambda: 1); assert False, "wrong in the end"
            def test_nothing(benchmark): pass
            def test_skips(benchmark): pytest.skip("not here")
            def test_dies(benchmark): build.os._exit(3)
            def test_last(benchmark): benchmark(lambda: 1)
    """
    head = "import os\nHEAD = True\ndef broken(): raise OSError('no good')"
    base, head_side = sides(head, "HEAD = False", suite)
    for side in (base, head_side):
        (side.folder / "test_feature.py").write_text(
            "from build import feature\ndef test_it(benchmark): benchmark(feature)"
        )
    (head_side.folder / "build.py").write_text(head + "\ndef feature(): pass\n")
    names = "fine fails fails_late nothing skips dies last old"
    found = raced((base, head_side), names, dataclasses.replace(FEW, names=("build",)), reaper)
    for name in ("fine", "last"):
        broken(found[name], "base", "there is no such test", FailureKind.LACKS)
    broken(found["fails"], "head", "OSError: no good")
    broken(found["fails_late"], "head", "wrong in the end")
    broken(found["nothing"], "head", "it calls no benchmark that can be raced")
    broken(found["skips"], "head", "not here", FailureKind.SKIPPED)
    broken(found["dies"], "head", "exit status 3", FailureKind.LOST)
    assert isinstance(found["old"], Timed)

    def of_feature(*names: str) -> Failed:
        plan = dataclasses.replace(FEW, names=names)
        what = launched((base, head_side), ["test_feature.py::test_it"], plan, reaper)["test_feature.py::test_it"]
        assert isinstance(what, Failed)
        return what

    broken(of_feature("build"), "base", "cannot import name 'feature'")
    # What only head has is no sign of a broken base; what base has none of is.
    broken(of_feature("build", "added", "space.added"), "base", "cannot import name 'feature'")
    broken(of_feature("added"), "base", "base cannot import added: ModuleNotFoundError", FailureKind.BROKEN)
    (base.folder / "build.py").write_text("raise ImportError('undefined symbol: fast')")
    broken(
        of_feature("build"), "base", "base cannot import build: ImportError: undefined symbol: fast", FailureKind.BROKEN
    )


# With the starts that it takes: a death by a signal may have been chance, and is tried twice.
ENDS = {
    "exit": ("sys.exit('enough')", "enough", FailureKind.FAILED, 0),
    "pytest": ("pytest.exit('enough')", "enough", FailureKind.FAILED, 0),
    "interrupt": ("raise KeyboardInterrupt('enough')", "enough", FailureKind.FAILED, 0),
    "status": ("os._exit(7)", "exit status 7", FailureKind.LOST, 2),
    "signal": ("os.abort()", "signal SIGABRT", FailureKind.LOST, 4),
}


def test_a_module_that_ends_pytest_at_import_costs_its_own_tests_only(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    both = sides()
    nodeids = [f"test_{name}.py::test_it" for name in ENDS]
    for side in both:
        for name, (end, *_) in ENDS.items():
            text = f"import ends_{name}\ndef test_it(benchmark): benchmark(lambda: 1)"
            (side.folder / f"test_{name}.py").write_text(text)
            ends = f"import os, pytest, sys\n{end}\n" if side.name == "head" else ""
            (side.folder / f"ends_{name}.py").write_text(ends)
    found = launched(both, [*ids("before"), *nodeids], FEW, reaper)
    assert isinstance(found[ids("before")[0]], Timed)
    for nodeid, (_, reason, kind, _) in zip(nodeids, ENDS.values(), strict=True):
        broken(found[nodeid], "head", reason, kind)
    assert reaper.count == 2 + sum(starts for *_, starts in ENDS.values())
    (both[1].folder / "ends_exit.py").write_text("import os; os._exit(7)")
    assert isinstance(raced(both, "before", FEW, reaper)["before"], Timed), "it is imported"


def test_a_worker_that_is_killed_before_its_first_test_is_started_once_more(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    base, head = sides()
    once = "import os, signal\nif not os.path.exists('dead'):\n    open('dead', 'w').close()\n"
    (head.folder / "conftest.py").write_text(once + "    os.kill(os.getpid(), signal.SIGKILL)\n")
    assert all(isinstance(what, Timed) for what in raced((base, head), "before after", FEW, reaper).values())
    assert reaper.count == 4
    (head.folder / "conftest.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    for what in raced((base, head), "before after", FEW, reaper).values():
        broken(what, "head", "signal SIGKILL", FailureKind.LOST)
    assert reaper.count == 8


def test_a_side_whose_pytest_does_not_start_fails_every_test_with_its_output(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    base, head = sides()
    (head.folder / "conftest.py").write_text("raise ImportError('undefined symbol: fast')")
    for name, what in raced((base, head), "before after", FEW, reaper).items():
        broken(what, "head", "undefined symbol: fast", FailureKind.LOST)
        assert "exit status 4" in getattr(what, "reason", ""), name
    assert reaper.count == 2
    late = dataclasses.replace(FEW, start_limit_s=0.01)
    broken(raced((base, base), "before", late, reaper)["before"], "base", "no answer within 0.01 s", FailureKind.LATE)


def test_both_sides_hash_and_draw_alike_and_each_launch_differently(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    """And what a worker is not to know of the session is not in its environment; its temporary folder is."""
    source = """
        import os, random, tempfile
        def broken():
            told = {name for name in ("PYTEST_ADDOPTS", "GITHUB_ACTIONS", "BENCHGATE_RACE") if name in os.environ}
            open('drawn', 'w').write(f"{hash('text')} {random.random()}")
            open('told', 'w').write(f"{tempfile.gettempdir()} {told}")
    """
    both = sides(source, source)
    for side in both:
        (side.folder / "temporary").mkdir()
    both = tuple(dataclasses.replace(side, temporary=side.folder / "temporary") for side in both)  # type: ignore[assignment]
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", "--no-such-option")
        patch.setenv("GITHUB_ACTIONS", "true")
        for seed in (1, 2):
            assert isinstance(raced(both, "broken", Plan(pairs=1, block_ns=1), reaper, seed)["broken"], Timed)
            base, head = ((side.folder / "drawn").read_text() for side in both)
            assert base == head
            seen.append(base.split())
    for first, second in zip(*seen, strict=True):
        assert first != second
    for side in both:
        assert (side.folder / "told").read_text() == f"{side.temporary} set()"


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs processors to choose from"
)
def test_pairs_run_on_one_processor_but_for_a_function_that_uses_threads(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    suite = """
        import os, pathlib, threading, time
        ALL = os.sched_getaffinity(0)
        seen = []

        def work():
            seen.append(frozenset(os.sched_getaffinity(0)))
            sum(range(300_000))

        def in_a_thread():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        def test_plain(benchmark):
            benchmark(work)
            assert seen[0] == seen[-1] == ALL == os.sched_getaffinity(0)
            # The last one that was timed.
            assert len(seen[-2]) == 1
            pathlib.Path("processor").write_text(str(seen[-2]))
            seen.clear()

        def test_threaded(benchmark):
            benchmark(in_a_thread)
            assert {*seen} == {frozenset(ALL)}
    """
    both = sides(suite=suite)
    found = raced(both, "plain threaded", dataclasses.replace(PLAN, pairs=3), reaper)
    assert {name: type(what) for name, what in found.items()} == {"plain": Timed, "threaded": Timed}, found
    base, head = ((side.folder / "processor").read_text() for side in both)
    assert base == head


def test_the_raced_files_of_both_sides_are_reported_once(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    both = sides()
    plan = dataclasses.replace(FEW, names=("build",))
    loaded = [event for event in launch(both, ids("before", "after"), plan, 1, reaper) if isinstance(event, Loaded)]
    assert loaded == [Loaded(side.name, (str((side.folder / "build.py").resolve()),)) for side in both]


def test_a_launch_that_is_closed_early_ends_both_workers(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    both = sides()
    with closing(launch(both, ids("before"), dataclasses.replace(FEW, names=("build",)), 1, reaper)) as events:
        assert isinstance(next(events), Loaded)
        assert _left_in(both[0].folder.parent) != []
    assert _left_in(both[0].folder.parent) == []


@pytest.mark.thorough
def test_a_hang_is_ended_with_all_that_it_has_started(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> None:
    head = """
        import subprocess, sys, time
        def broken():
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            time.sleep(600)
    """
    both = sides(head)
    found = raced(both, "broken before", dataclasses.replace(FEW, limit_s=4), reaper)
    broken(found["broken"], "head", "it hangs", FailureKind.LATE)
    assert isinstance(found["before"], Timed)
    assert reaper.count == 4
    assert _left_in(both[0].folder.parent) == []


def _left_in(folder: Path) -> list[str]:
    """Return the processes that have a folder, or one within it, as their current one; none where that is not told."""
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, folder)]


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder)
    except OSError:
        return False


def test_a_test_with_a_pace_is_timed_at_it_and_the_others_are_calibrated(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    both, (paced, other) = sides(), ids("before", "after")
    pace = Pace(3, pairs=6)
    events = launch(both, [paced, other], PLAN, 1, reaper, Timer({paced: pace}))
    found = {event.nodeid: event.result for event in events if isinstance(event, LaunchResult)}
    first, second = found[paced], found[other]
    assert isinstance(first, Timed) and isinstance(second, Timed)  # noqa: PT018
    assert (first.pace, len(first.base_ns), len(first.head_ns)) == (pace, 6, 6)
    assert second.pace.calls > 3
    assert len(second.base_ns) == PLAN.pairs


PAIRS = st.lists(st.tuples(st.integers(10**5, 10**7), st.integers(10**5, 10**7)), max_size=30)
CLOSE = st.lists(st.tuples(st.integers(10**6, 1_010_000), st.integers(10**6, 1_010_000)), max_size=30)


@settings(deadline=None)  # a busy machine has moments of its own
@given(
    pairs=PAIRS | CLOSE,
    calls=st.integers(1, 50),
    paced=st.none() | st.integers(5, 40),
    margin=st.none() | st.floats(0, 1),
)
def test_whether_pairs_are_enough_does_not_depend_on_which_side_is_which(
    pairs: list[tuple[int, int]], calls: int, paced: int | None, margin: float | None
) -> None:
    base, head = [float(first) for first, _ in pairs], [float(second) for _, second in pairs]
    pace = Pace(calls, pairs=paced, margin=margin)
    for rule in (None, Rule(), Rule(threshold=0.2)):
        there, back = (_enough(times, pace, Plan(), rule) for times in ([base, head], [head, base]))
        assert there == back


def test_few_pairs_are_enough_where_they_agree_or_take_long_and_many_always() -> None:
    plan = Plan(pairs=25, agreeing_pairs=5, least_pairs=3, precision=0.01, timed_ns=6e8)
    first = Pace(1)

    def counted(
        scatter: float, call_ns: float, slower: float = 1.0, rule: Rule | None = None, pace: Pace = first
    ) -> int:
        times: tuple[list[float], list[float]] = ([], [])
        # Of its own, so that one number does not depend on those before.
        rng = random.Random(1)
        while not _enough(times, pace, plan, rule):
            for side, factor in zip(times, (1, slower), strict=True):
                side.append(factor * call_ns * math.exp(rng.gauss(0, scatter)))
        return len(times[0])

    assert counted(0.0, 1e6) == 5
    assert 5 < counted(0.005, 1e6) < 25
    assert counted(1.0, 1e6) == 25
    assert counted(1e-9, 1e9) == 3
    assert counted(1e-9, 8e7) == 4
    # Where a launch counts fully by the rule, it need not be more exact.
    near = Rule(threshold=0.05, scales=(0.02,))
    assert counted(0.003, 1e6, rule=near) == 5
    assert counted(0.01, 1e6, 1.05, near) > 5
    assert counted(0.003, 1e6, 1.2, near) == counted(0.003, 1e6, 1 / 1.2, near) == 5
    # Later launches take as many as their pace says, unless these scatter by more than it expects.
    exact, rough, open_ = (Pace(1, pairs=6, margin=margin) for margin in (0.02, 0.2, None))
    assert counted(0.01, 1e6, pace=exact, rule=near) == counted(0.1, 1e6, pace=rough, rule=near) == 6
    assert counted(0.1, 1e6, pace=open_, rule=near) == 6
    assert 6 < counted(0.1, 1e6, pace=exact, rule=near) <= 25
    assert 6 < counted(1.0, 1e5, pace=rough, rule=near) <= 25
    # Less than the precision of a first launch is not asked for.
    assert counted(0.005, 1e6, pace=dataclasses.replace(exact, margin=1e-9), rule=near) == 6


@settings(deadline=None)
@given(pairs=PAIRS | CLOSE, paced=st.integers(5, 40), margin=st.none() | st.floats(0, 1), factor=st.floats(0.5, 2))
def test_when_a_paced_launch_ends_does_not_depend_on_how_much_slower_a_side_is(
    pairs: list[tuple[int, int]], paced: int, margin: float | None, factor: float
) -> None:
    """Were it to go on until its number is like those of earlier launches, these would be right by themselves."""
    plan, pace = Plan(timed_ns=math.inf), Pace(1, pairs=paced, margin=margin)
    base, head = [float(first) for first, _ in pairs], [float(second) for _, second in pairs]
    for rule in (None, Rule()):
        # An error at the very bound may be rounded to either side of it.
        if len(pairs) < 2 or abs(launch_number(base, head).error - max(margin or 0, plan.precision / 2)) > 1e-9:
            slower = [factor * ns for ns in head]
            assert _enough([base, head], pace, plan, rule) == _enough([base, slower], pace, plan, rule)
