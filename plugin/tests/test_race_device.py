"""Time on a device, raced beside the wall time: by stated times, and by the events of real kernels on PoCL."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import textwrap
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any, cast

import pytest
import samples
from launching import FEW, broken, raced
from pytest_benchgate import devices
from pytest_benchgate.bisection.search import Outcome
from pytest_benchgate.bisection.trial import Racer, Trial
from pytest_benchgate.explain.explainer import Explainer
from pytest_benchgate.history import record
from pytest_benchgate.page import page, sources
from pytest_benchgate.race.launching.number import launch_number
from pytest_benchgate.race.launching.process import TimedBlock
from pytest_benchgate.race.launching.results import Failed, Timed
from pytest_benchgate.race.launching.timing import _on_device
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.race.worker import messages
from pytest_benchgate.reports import race as words
from pytest_benchgate.reports import race_json, shards
from racing import PLAIN, Project, Run, followed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from launching import Starts
    from pytest_benchgate.race.building.git import Repository
    from pytest_benchgate.race.launching.plan import Plan, Side
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.sides import Sides

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
pocl = pytest.mark.skipif(not devices.discover().devices, reason=f"no OpenCL device: {devices.discover().notes}")
# Of base and head, in five pairs.
DEVICE_NS = (10.0, 11.0, 12.0, 13.0, 14.0), (12.0, 14.0, 13.0, 17.0, 15.0)
# A device that takes as long as the build says, and a host that does next to nothing.
STATED = """
    import build

    class Answer:
        alive = 0
        most = 0
        def __init__(self):
            Answer.alive += 1
            Answer.most = max(Answer.most, Answer.alive)
        def __del__(self):
            Answer.alive -= 1

    def right(result):
        return isinstance(result, Answer)

    def device_ns(result):
        return build.DEVICE_NS

    def test_call(gate):
        gate(Answer, expect=right, device_ns=device_ns)
        assert Answer.most < 10

    def test_setup(gate):
        torn = []
        def function(kept):
            assert kept not in torn
            return Answer()
        gate(function, expect=right, device_ns=device_ns, setup=lambda: ((object(),), {}), teardown=torn.append)

    def test_iterations(gate):
        gate.pedantic(Answer, expect=right, device_ns=device_ns, rounds=2, iterations=5)

    def test_wall(gate, benchmark):
        gate(Answer, expect=right)

    def test_one_side(gate):
        gate(Answer, expect=right, device_ns=device_ns if build.DEVICE_NS == 5 else None)

    def test_raises(gate):
        gate(Answer, expect=right, device_ns=lambda result: 1 / build.ZERO)

    def test_nonsense(gate):
        gate(Answer, expect=right, device_ns=lambda result: -build.DEVICE_NS)

    def test_unknown(gate):
        gate(Answer, expect=right, device_ns=lambda result: None)

    def test_coarse(gate):
        gate(Answer, expect=right, device_ns=lambda result: 0)

    def test_wrong(gate):
        gate(Answer, expect=lambda result: build.DEVICE_NS == 5, device_ns=device_ns)
"""


def test_the_device_is_asked_after_each_call(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> None:
    """Per call, whatever the calls of a block are; results are not kept, and setup and teardown are around each."""
    both = sides("DEVICE_NS, ZERO = 7, 1", "DEVICE_NS, ZERO = 5, 1", STATED)
    results = raced(both, "call setup iterations wall", FEW, reaper)
    for name in ("call", "setup", "iterations"):
        timed = results[name]
        assert isinstance(timed, Timed), timed
        assert isinstance(timed.device, Timed), name
        assert {*timed.device.base_ns} == {5.0}, name
        assert {*timed.device.head_ns} == {7.0}, name
        assert (timed.device.pace, timed.device.device) == (timed.pace, None)
        assert timed.device.number == pytest.approx(0.3365, abs=1e-4)
        assert timed.base_ns != timed.device.base_ns
    wall = results["wall"]
    assert isinstance(wall, Timed)
    assert wall.device is None


def test_a_device_that_tells_no_time_leaves_the_wall_time(
    sides: Callable[..., tuple[Side, Side]], reaper: Starts
) -> None:
    both = sides("DEVICE_NS, ZERO = 7, 1", "DEVICE_NS, ZERO = 5, 1", STATED)
    results = raced(both, "one_side unknown coarse", FEW, reaper)
    for name, side, reason in (
        ("one_side", "head", "its calls return no OpenCL event, and no device_ns= is stated"),
        ("unknown", "base and head", "of some calls it is not known"),
        ("coarse", "base and head", "some blocks of calls take 0 ns by the device's clock, which is too coarse"),
    ):
        timed = results[name]
        assert isinstance(timed, Timed), timed
        assert isinstance(timed.device, Failed), name
        assert (timed.device.side, timed.device.reason) == (side, reason)


def test_what_device_ns_raises_fails_the_test(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> None:
    both = sides("DEVICE_NS, ZERO = 7, 0", "DEVICE_NS, ZERO = 5, 1", STATED)
    results = raced(both, "raises nonsense wrong", FEW, reaper)
    broken(results["raises"], "head", "ZeroDivisionError")
    broken(results["nonsense"], "base", "device_ns returned -5; return the nanoseconds as a number")
    broken(results["wrong"], "head", "WrongAnswer")


EVENTS = """
    import build, pytest
    import numpy as np
    import pyopencl as cl

    SOURCE = "__kernel void f(__global long *x) { x[get_global_id(0)] += 1; }"

    @pytest.fixture
    def run(cl_context):
        x = cl.Buffer(cl_context, cl.mem_flags.READ_WRITE, 8 * 64)
        kernel = cl.Program(cl_context, SOURCE).build().f
        def made(queue, events=1):
            def run():
                found = [kernel(queue, (64,), (64,), x) for _ in range(events)]
                queue.finish()
                return found[0] if events == 1 else tuple(found)
            return run
        return made

    def test_event(benchmark, cl_queue, run):
        benchmark(run(cl_queue))

    def test_events(benchmark, cl_queue, run):
        benchmark(run(cl_queue, 3))

    def test_unprofiled(benchmark, cl_context, run):
        benchmark(run(cl.CommandQueue(cl_context)))

    def test_one_side(benchmark, cl_context, cl_queue, run):
        benchmark(run(cl_queue if build.PROFILES else cl.CommandQueue(cl_context)))

    def test_fewer(benchmark, cl_queue, run):
        kernel, calls = run(cl_queue), []
        def some():
            calls.append(1)
            event = kernel()
            return event if len(calls) < 3 else None
        benchmark(some)
"""


@pocl
def test_events_tell_the_time_on_the_device(sides: Callable[..., tuple[Side, Side]], reaper: Starts) -> None:
    both = sides("PROFILES = True", "PROFILES = False", EVENTS)
    names = ("event", "events", "unprofiled", "one_side", "fewer")
    found = raced(both, " ".join(f"{name}[cl0]" for name in names), FEW, reaper)
    results = {name: found[f"{name}[cl0]"] for name in names}
    for name in ("event", "events"):
        timed = results[name]
        assert isinstance(timed, Timed), timed
        assert isinstance(timed.device, Timed), timed.device
        for wall_ns, device_ns in zip(timed.head_ns, timed.device.head_ns, strict=True):
            assert 0 < device_ns < wall_ns
    untimed = "the events that a call returns have no times, as of a queue without PROFILING_ENABLE"
    for name, side, reason in (
        ("unprofiled", "base and head", untimed),
        ("one_side", "base", untimed),
        ("fewer", "base and head", "of some calls it is not known"),
    ):
        timed = results[name]
        assert isinstance(timed, Timed), timed
        assert isinstance(timed.device, Failed), name
        assert (timed.device.side, timed.device.reason) == (side, reason)


# Times by a clock of their own, and what makes launches of equal builds differ by a little.
CALC = """
    import random

    SLOWER = {slower}
    TIMED = {timed}

    def loop(n):
        for _ in range(n): pass

    class Work:
        def __init__(self, host, device_ns):
            self.host, self.device_ns = host, device_ns
        def __call__(self):
            loop(self.host)
            return random.gauss(self.device_ns, self.device_ns / 1000)
"""
TESTS = """
    import calc, pytest

    def run(gate, work, timed=True):
        gate(work, expect=lambda ns: ns > 0, device_ns=(lambda ns: ns) if timed else None)

    @pytest.mark.parametrize("text", ["a|<b>`::error::"])
    def test_null(gate, text): run(gate, calc.Work(300, 1000))
    def test_device(gate): run(gate, calc.Work(300, 2000 if calc.SLOWER else 1000))
    def test_host(gate): run(gate, calc.Work(6000 if calc.SLOWER else 300, 1000))
    def test_both(gate): run(gate, calc.Work(6000 if calc.SLOWER else 300, 2000 if calc.SLOWER else 1000))
    def test_accepted(gate): run(gate, calc.Work(300, 2000 if calc.SLOWER else 1000))
    def test_plain(benchmark): benchmark(calc.loop, 300)
    def test_lost(gate): run(gate, calc.Work(300, 1000), timed=calc.TIMED)
    def test_won(gate): run(gate, calc.Work(300, 1000), timed=not calc.TIMED)
    def test_coarse(gate): gate(calc.loop, 300, expect=None, device_ns=lambda _: 0)
    def test_wrong(gate): gate(calc.Work(300, 1000), expect=lambda _: not calc.SLOWER, device_ns=lambda ns: ns)
"""
ACCEPTED = """
    [[accept]]
    test = "tests/test_calc.py::test_accepted"
    limit = "150%"
    reason = "it is exact now"
    [[accept]]
    test = "tests/test_calc.py::test_null"
    limit = "200%"
    reason = "in vain"
"""
QUICK = "race_alpha = 0.2\nrace_threshold = 50%\nrace_max_launches = 12\n"


def calc(*, slower: bool, timed: bool = True) -> str:
    return textwrap.dedent(CALC.format(slower=slower, timed=timed))


@pytest.fixture(scope="module")
def device_race(tmp_path_factory: pytest.TempPathFactory, race_cache: Path) -> tuple[Project, Run]:
    """Give one race by both clocks, with all reports that there are."""
    files = {"calc.py": calc(slower=False), "tests/test_calc.py": textwrap.dedent(TESTS)}
    files["pytest.ini"] = PLAIN["pytest.ini"] + QUICK
    project = Project.make(tmp_path_factory.mktemp("device") / "p", race_cache, {**PLAIN, **files})
    changed = {"calc.py": calc(slower=True, timed=False), "benchgate-accepted.toml": textwrap.dedent(ACCEPTED)}
    project.write(**changed)
    reports = {"junitxml": "junit.xml", "benchmark-json": "times.json", "benchgate-markdown": "race.md"}
    options = [f"--{option}={project.folder / name}" for option, name in reports.items()]
    options.append(f"--benchgate-html={project.folder / 'race.html'}")
    # Alarms wait for builds that cannot be made, as nothing is built.
    run = project.run("--race=HEAD", *options, "--race-placements=8", "-v", GITHUB_ACTIONS="true")
    assert project.left_behind() == []
    return project, run


def found(run: Run, name: str) -> dict[str, dict[str, Any]]:
    """Return the results of a test by their clocks."""
    return {one["clock"]: one for one in run.race["raced"] if one["name"].partition("[")[0] == name}


def verdict(raced: dict[str, Any]) -> str:
    """Return a verdict; what is the same by the wall clock may stay undecided on a busy machine."""
    found = str(raced["verdict"])
    return "same" if (raced["clock"], found) == ("wall", "unsure") else found


def test_each_clock_has_a_verdict(device_race: tuple[Project, Run]) -> None:
    run = device_race[1]
    names = ("null", "device", "host", "both", "accepted", "plain", "lost", "won", "coarse", "wrong")
    assert {name: tuple(map(verdict, found(run, f"test_{name}").values())) for name in names} == {
        "null": ("same", "same"), "device": ("same", "slower"), "host": ("slower", "same"), "both": ("slower", "slower"),
        "accepted": ("same", "accepted"), "plain": ("same",), "lost": ("same", "gone"), "won": ("same", "new"), "coarse": ("same",), "wrong": ("error",),
    }  # fmt: skip
    assert run.returncode == ExitStatus.SLOWER
    assert "4 failed, 6 passed" in run.text
    device = found(run, "test_device")["device"]
    assert device["failed"]
    assert 0.6 < device["change"] < 0.8
    assert (device["base_s"], device["head_s"]) == (pytest.approx(1e-6, rel=0.01), pytest.approx(2e-6, rel=0.01))
    # Ten benchmarks share the probability of an alarm, and the two clocks of one have a half each.
    assert (device["alarm"], found(run, "test_plain")["wall"]["alarm"]) == (pytest.approx(100), pytest.approx(50))
    assert re.search(r"::test_device SAME [+-]\d+\.\d %, SLOWER \+\d+\.\d % in device time", run.text)


def test_the_message_says_by_which_clock(device_race: tuple[Project, Run]) -> None:
    text = device_race[1].text
    messages = text.partition("= FAILURES =")[2].partition("- benchgate -")[0]
    device = messages.partition("_ test_device _")[2].partition("\n__")[0]
    assert re.search(r"(?m)^slower in device time: \+\d.*, [\d.]+ .s -> [\d.]+ us a call, after \d+ launches", device)
    assert "\nslower: " not in device
    both = messages.partition("_ test_both _")[2].partition("\n__")[0]
    assert [line.partition(": ")[0] for line in both.splitlines() if line.startswith("slower")] == [
        "slower", "slower in device time",
    ]  # fmt: skip


def test_instructions_explain_no_device_time() -> None:
    def explained(which: str) -> list[str]:
        explainer = Explainer(which, cast("Sides", None), cast("Plan", None), cast("Reaper", None))
        wall = samples.raced("test_it", "same", -0.01)
        races = [wall, *(dataclasses.replace(wall, verdict=verdict, clock="device") for verdict in ("slower", "same"))]
        found, *_ = followed(explainer.explain({wall.nodeid: (tuple(races), None)}))
        return [words.explained(one) for one in found[wall.nodeid]]

    cannot = "instructions cannot be counted: valgrind does not see those that a device executes"
    assert explained("auto") == ["", cannot, ""]
    assert explained("off") == [""] * 3


def test_what_has_no_numbers_is_not_counted() -> None:
    explainer = Explainer("all", cast("Sides", None), cast("Plan", None), cast("Reaper", None))
    failed = dataclasses.replace(samples.raced("test_it", "error", 0.0), change=None)
    found, *_ = followed(explainer.explain({failed.nodeid: ((failed,), None)}))
    assert found == {failed.nodeid: (failed,)}


def test_the_time_on_a_device_has_an_error_of_its_own() -> None:
    ready = [messages.Ready(1, 1, None, [], "", "", "")] * 2
    wall = [[TimedBlock(100.0, threaded=False, wall_ns=100.0, device_ns=ns) for ns in side] for side in DEVICE_NS]
    timed = _on_device(Timed(0.0, (100.0,) * 5, (100.0,) * 5), wall, ready)
    assert isinstance(timed, Timed)
    assert (timed.number, timed.error) == launch_number(*DEVICE_NS)
    assert timed.error > 0


def test_what_is_accepted_is_accepted_for_both_clocks(device_race: tuple[Project, Run]) -> None:
    run = device_race[1]
    assert "accepted: test_accepted, device time up to 150 %: it is exact now" in run.text
    needless = [line for line in run.text.splitlines() if "needs no entry any more" in line]
    assert len(needless) == 1
    assert "::test_null[" in needless[0]


def test_advice_on_device_time_names_no_commit_and_no_instructions(device_race: tuple[Project, Run]) -> None:
    kinds = {name: [one["kind"] for one in found(device_race[1], name)["device"]["advice"]]
             for name in ("test_device", "test_both", "test_null")}  # fmt: skip
    assert kinds == {"test_device": ["accept"], "test_both": ["accept"], "test_null": []}


def test_a_search_for_a_commit_goes_by_the_wall_time(device_race: tuple[Project, Run], tmp_path: Path) -> None:
    run, report = device_race[1], tmp_path / "race.json"
    racer = Racer(cast("Repository", None), "", "test_device", (), tmp_path, cast("Reaper", None), print)
    none = Trial("a", "b", Outcome.SKIPPED, 0.1, 0.0)
    for name, outcome in (("test_device", Outcome.GOOD), ("test_host", Outcome.BAD)):
        report.write_text(json.dumps({**run.race, "raced": [*found(run, name).values()]}), "utf-8")
        trial = racer._outcome(none, report, "")
        assert (trial.outcome, trial.raced and trial.raced.clock) == (outcome, "wall")


def test_what_has_no_device_time_is_told(device_race: tuple[Project, Run]) -> None:
    text = device_race[1].text
    no_device = "its calls return no OpenCL event, and no device_ns= is stated"
    for expected in (
        f"gone: test_lost, device time (head): only base tells a time on a device: {no_device}",
        f"new: test_won, device time (base): only head tells a time on a device: {no_device}",
        "note: tests/test_calc.py::test_coarse is not raced in device time: some blocks of calls take 0 ns",
        "error: test_wrong (head): ",
    ):
        assert expected in text
    assert "test_wrong, device time" not in text


def test_each_report_has_a_row_of_its_own(device_race: tuple[Project, Run]) -> None:
    project, run = device_race
    rows = [line.split()[:4] for line in run.text.splitlines() if line.startswith("test_device")]
    assert [(row[0], row[-1]) for row in rows if "slower" in row] == [("test_device,", "slower")]
    markdown = (project.folder / "race.md").read_text("utf-8")
    assert "| <code>test&#95;device, device time</code> | slower |" in markdown
    assert "<summary>slower: <code>test&#95;device, device time</code></summary>" in markdown
    assert re.search(
        r"(?m)^::error file=tests/test_calc\.py,line=\d+,title=slower%3A test_device%2C device time::slower in device time: ",
        run.text,
    )
    html = (project.folder / "race.html").read_text("utf-8")
    titles = re.findall(r'<tr id="(race-\w+)" data-verdict="(\w+)">.*?<a href="#\1">([^<]*)</a>', html, re.DOTALL)
    assert ("slower", "test_device, device time") in [(verdict, title) for _, verdict, title in titles]
    assert len({anchor for anchor, *_ in titles}) == len(titles) == len(run.race["raced"])


def test_junit_names_the_clock(device_race: tuple[Project, Run]) -> None:
    cases = {case.get("name"): case for case in ET.parse(device_race[0].folder / "junit.xml").iter("testcase")}  # noqa: S314
    properties = {one.get("name"): one.get("value") for one in cases["test_device"].iter("property")}
    assert (properties["benchgate.verdict"], properties["benchgate.device.verdict"]) == ("same", "slower")
    assert float(properties["benchgate.device.change_percent"] or 0) == pytest.approx(100, abs=5)
    plain = {one.get("name") for one in cases["test_plain"].iter("property")}
    assert not any("device" in (name or "") for name in plain)


def test_the_json_is_read_as_it_was_written(device_race: tuple[Project, Run], tmp_path: Path) -> None:
    project, run = device_race
    report = race_json.read(run.race)
    assert json.loads(json.dumps(race_json.render(report, run.race["machine"]))) == run.race
    merged, problems = shards.merge([report])
    assert (problems, merged.raced) == ([], report.raced)
    twice = dataclasses.replace(report, raced=(*report.raced, *(one for one in report.raced if one.clock == "device")))
    assert any(
        "raced more than once: tests/test_calc.py::test_accepted, " in problem for problem in shards.merge([twice])[1]
    )
    damaged = {**run.race, "raced": [{**run.race["raced"][0], "clock": "sundial"}]}
    with pytest.raises(ValueError, match=r'raced\[0\]\.clock: expected one of wall, device, got "sundial"'):
        race_json.read(damaged)
    old = {**run.race, "raced": [{k: v for k, v in one.items() if k != "clock"} for one in run.race["raced"][:1]]}
    assert race_json.read(old).raced[0].clock == "wall"
    times = json.loads((project.folder / "times.json").read_text("utf-8"))
    (device,) = (one for one in times["benchmarks"] if one["name"] == "test_device")
    added = device["extra_info"]["benchgate"]
    assert (added["race"]["verdict"], added["race_in_device_time"]["verdict"]) == ("same", "slower")
    # The page of the file is that of the session.
    again = page.render(sources.read([(tmp_path / "race.json", run.race)]))
    assert "test_device, device time" in again


def test_a_history_has_the_wall_times(device_race: tuple[Project, Run]) -> None:
    run = device_race[1]
    commit = {"id": "b" * 40, "parents": ["a" * 40], "author": "a", "date": "2026-01-01T00:00:00+00:00", "subject": "s"}
    report = race_json.read({**run.race, "base_commit": "a" * 40, "head_commit": commit})
    kept = record.of_race(report)
    assert len(kept.benchmarks) == len({*kept.benchmarks}) == 9
    assert kept.verdicts["tests/test_calc.py::test_host"] == "slower"
    assert "tests/test_calc.py::test_device" not in kept.verdicts


# A host that works for some milliseconds, and a kernel of some hundred microseconds in one work-group.
KERNELS = """
    import numpy as np
    import pyopencl as cl

    STEPS, HOST = {steps}, {host}
    SOURCE = '''
    __kernel void work(__global long *x, int steps) {{
        long u = x[get_global_id(0)];
        for (int k = 0; k < steps; k++) u = u * u % 1000003 + 1;
        x[get_global_id(0)] = u;
    }}
    '''

    class Work:
        def __init__(self, queue):
            self.queue, self.kernel = queue, cl.Program(queue.context, SOURCE).build().work
            self.x = cl.Buffer(queue.context, cl.mem_flags.READ_WRITE, 8 * 16)
        def __call__(self, name):
            for _ in range(HOST[name]):
                pass
            event = self.kernel(self.queue, (16,), (16,), self.x, np.int32(STEPS[name]))
            event.wait()
            return event
"""
KERNEL_TESTS = """
    import kernels, pytest

    @pytest.mark.parametrize("name", ["kernel", "host", "null"])
    def test_work(gate, cl_queue, name):
        gate(kernels.Work(cl_queue), name, expect=lambda event: event.command_execution_status == 0)
"""


@pocl
@pytest.mark.thorough
def test_kernels_and_hosts_are_told_apart(tmp_path: Path, race_cache: Path) -> None:
    """A kernel that is slower beside a host that takes longer anyway; and a host that is slower beside its kernel."""
    base = {"steps": dict(kernel=2000, host=2000, null=2000), "host": dict(kernel=100_000, host=2000, null=2000)}
    head = {"steps": {**base["steps"], "kernel": 12_000}, "host": {**base["host"], "host": 100_000}}
    files = {"kernels.py": textwrap.dedent(KERNELS.format(**base)), "tests/test_it.py": textwrap.dedent(KERNEL_TESTS)}
    files["pytest.ini"] = PLAIN["pytest.ini"] + QUICK.replace("50%", "100%") + "race_budget = 15\n"
    project = Project.make(tmp_path / "p", race_cache, files)
    project.write(**{"kernels.py": textwrap.dedent(KERNELS.format(**head))})
    run = project.run("--race=HEAD")
    expected = {
        ("test_work[cl0-kernel]", "wall"): "same", ("test_work[cl0-kernel]", "device"): "slower",
        ("test_work[cl0-host]", "wall"): "slower", ("test_work[cl0-host]", "device"): "same",
        ("test_work[cl0-null]", "wall"): "same", ("test_work[cl0-null]", "device"): "same",
    }  # fmt: skip
    verdicts = {(one["name"], one["clock"]): one["verdict"] for one in run.race["raced"]}
    # On a busy machine, what the driver's threads wait for leaves the wall time open.
    still_open = {key for key, verdict in verdicts.items() if key[1] == "wall" and verdict == "unsure"}
    assert verdicts == {**expected, **dict.fromkeys(still_open, "unsure")}, run.text
    assert run.returncode == ExitStatus.SLOWER
    assert project.left_behind() == []


CLAIMS = """
    import calc, pytest

    def run(gate, host, device_ns, timed=True):
        work = calc.Work(host, device_ns)
        gate(work, expect=lambda ns: ns > 0, device_ns=(lambda ns: ns) if timed else None)

    def test_plain(gate): run(gate, 300, 3000)

    @pytest.mark.benchgate(faster_than="test_plain", by=2, clock="device")
    @pytest.mark.benchgate(faster_than="test_plain", by=2)
    def test_quick(gate): run(gate, 300, 1000)

    @pytest.mark.benchgate(faster_than="test_plain", by=2, clock="device")
    def test_slow(gate): run(gate, 300, 2000)

    @pytest.mark.benchgate(slower_than="test_plain", within="5 %", clock="device")
    def test_untimed(gate): run(gate, 300, 3000, timed=False)
"""


@pytest.mark.thorough
def test_claims_can_be_about_the_time_on_a_device(tmp_path: Path, race_cache: Path) -> None:
    files = {"calc.py": calc(slower=False), "tests/test_claims.py": textwrap.dedent(CLAIMS)}
    project = Project.make(tmp_path / "p", race_cache, {**PLAIN, **files})
    times, junit = project.folder / "times.json", project.folder / "junit.xml"
    page_file = project.folder / "claims.html"
    run = project.run(
        "--claims", "--race-alpha=0.9", f"--benchmark-json={times}", f"--junitxml={junit}",
        f"--benchgate-html={page_file}", "-v", cwd=project.root / "tests",
    )  # fmt: skip
    verdicts = {(one["name"], one["clock"]): one["verdict"] for one in run.race["raced"]}
    assert verdicts == {
        ("test_quick", "wall"): "refuted", ("test_quick", "device"): "holds", ("test_slow", "device"): "refuted",
        ("test_untimed", "device"): "withheld",
    }, run.text  # fmt: skip
    assert re.search(r"(?m)^refuted in device time: 2 times as fast as test_plain: measured 1\.5 x ", run.text)
    assert re.search(r"(?m)^test_slow, device time +refuted +2 times as fast as test_plain +1\.5 x", run.text)
    why = "its calls return no OpenCL event, and no device_ns= is stated"
    assert f"withheld in device time: at most 5 % slower than test_plain (test_untimed): {why}" in run.text
    assert re.search(r"::test_quick (REFUTED .*, HOLDS .* in device time|HOLDS .* in device time, REFUTED)", run.text)
    # pytest-benchmark's files have wall times.
    assert [one["name"] for one in json.loads(times.read_text("utf-8"))["benchmarks"]] == ["test_quick"]
    properties = {one.get("name"): one.get("value") for one in ET.parse(junit).iter("property")}  # noqa: S314
    assert properties["benchgate.device.claim"]
    text = page_file.read_text("utf-8")
    anchors = re.findall(r'<tr id="(claim-\w+)"', text)
    assert len({*anchors}) == len(anchors) == len(verdicts)
    assert "test_slow, device time" in text
    assert project.left_behind() == []
