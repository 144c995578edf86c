"""Client requests from Python, and what a process counts of itself: outside of valgrind nothing, and nothing breaks."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchgate.explain import counting, python_calls, requests, valgrind
from pytest_benchgate.explain.count import THREADS_NS
from pytest_benchgate.explain.profile import ProfileError, read, total
from pytest_benchgate.race.launching.results import Counted, CountedSide

if TYPE_CHECKING:
    from pathlib import Path

COUNTED = """\
from pytest_benchgate.explain import counting
import os, threading
table = {}
def work(n, *, times=1):
    for _ in range(n * times):
        table[len(table)] = str(n)
    table.clear()
def threaded():
    thread = threading.Thread(target=work, args=(1,))
    thread.start()
    thread.join()
print(
    os.getpid(),
    counting.instructions(lambda call: call(work, (20,), {}), 30, 3),
    counting.instructions(lambda call: call(work, (20,), {"times": 2}), 0, 1),
    counting.instructions(lambda call: call(threaded, (), {}), 1, 1),
)
"""
COPIED = """\
from pytest_benchgate.explain import counting
import os
counting.instructions(lambda call: call(bytearray(64_000).copy, (), {}), 3, 1)
print(os.getpid(), os.environ["GLIBC_TUNABLES"])
"""
EVEX = "vmovdqu64 %zmm0, %zmm1"


@pytest.fixture
def made() -> requests.Requests:
    try:
        return requests.Requests()
    except requests.Unsupported as error:
        pytest.skip(str(error))


def test_requests_do_nothing_outside_of_valgrind(made: requests.Requests) -> None:
    assert not made.running_on_valgrind()
    assert made.request(requests.DUMP_STATS) == 0
    assert counting.instructions(lambda call: call(len, ("",), {}), 1, 1) is None


def test_a_counted_call_passes_arguments_results_and_errors_on(made: requests.Requests) -> None:
    def counted(function: Any, *args: Any, **kwargs: Any) -> Any:
        return made.counted(requests.ZERO_STATS, requests.DUMP_STATS, function, args, kwargs)

    before = sys.getrefcount(made)
    assert counted(lambda *args, **kwargs: (args, kwargs), 1, made, three=3) == ((1, made), {"three": 3})
    assert sys.getrefcount(made) == before
    assert counted(print) is None
    with pytest.raises(ZeroDivisionError):
        counted(lambda: 1 / 0)
    for _ in range(1000):
        assert counted(int, "12", base=3) == 5


def test_the_machine_code_is_what_valgrinds_header_compiles_to(tmp_path: Path, made: requests.Requests) -> None:
    header = tmp_path / "it.c"
    header.write_text(
        "#include <valgrind/callgrind.h>\nunsigned long f(void) { return RUNNING_ON_VALGRIND; }\n"
        "int numbers[] = {VG_USERREQ__RUNNING_ON_VALGRIND, VG_USERREQ__DUMP_STATS, VG_USERREQ__ZERO_STATS, "
        "VG_USERREQ__START_INSTRUMENTATION, VG_USERREQ__STOP_INSTRUMENTATION};\n"
    )
    done = subprocess.run(
        [shutil.which("cc") or "cc", "-O2", "-c", "it.c"], cwd=tmp_path, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no compiler, or no valgrind.h")
    compiled = (tmp_path / "it.o").read_bytes()
    sequence = {"x86_64": requests._X86_64, "aarch64": requests._ARM64}[requests.machine()]
    assert sequence in compiled
    numbers = [requests.RUNNING_ON_VALGRIND, requests.DUMP_STATS, requests.ZERO_STATS]
    numbers += [requests.START_INSTRUMENTATION, requests.STOP_INSTRUMENTATION]
    assert b"".join(number.to_bytes(4, "little") for number in numbers) in compiled
    assert made.request(0) == 0


@pytest.mark.parametrize(
    ("system", "processor", "why"), [("darwin", "arm64", "on Linux only"), ("linux", "riscv64", "riscv64")]
)
def test_other_machines_are_told_why(monkeypatch: pytest.MonkeyPatch, system: str, processor: str, why: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    with pytest.raises(requests.Unsupported, match=why):
        requests.check()


def test_without_valgrind_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "check", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(requests.Unsupported, match="install it by the system's package manager"):
        valgrind.prefix(tmp_path)
    (tmp_path / "dnf").write_text("#!/bin/sh\n")
    (tmp_path / "dnf").chmod(0o755)
    with pytest.raises(requests.Unsupported, match="install it: sudo dnf install valgrind"):
        valgrind.prefix(tmp_path)


def test_a_call_that_waits_is_told_from_one_that_computes() -> None:
    """Under load, too: a process that others interrupt does not wait."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    time.sleep(0.01)
    if resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw == before:
        pytest.skip("the system does not count waits")
    once = [False]

    def loads() -> None:
        if not once[0]:
            once[0] = True
            time.sleep(0.01)

    assert counting.waits(lambda call: call(time.sleep, (0.001,), {}))
    assert not counting.waits(lambda call: call(sum, (range(100_000),), {}))
    assert not counting.waits(lambda call: call(loads, (), {}))
    stopped = threading.Event()

    def tick() -> None:
        while not stopped.is_set():
            time.sleep(0.0001)

    ticking = threading.Thread(target=tick)
    ticking.start()
    data = bytes(20_000_000)
    # Without Python's lock, for which it would wait.
    computes = counting.waits(lambda call: call(zlib.crc32, (data,), {}))
    stopped.set()
    ticking.join()
    assert not computes or sys.platform != "linux"


def test_each_call_is_counted_alone_and_exactly(tmp_path: Path) -> None:
    try:
        prefix = valgrind.prefix(tmp_path)
    except requests.Unsupported as error:
        pytest.skip(str(error))
    done = subprocess.run([*prefix, sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True)
    process, *others_ns = map(int, done.stdout.split())
    assert [ns > THREADS_NS for ns in others_ns] == [False, False, True]
    profiles = [tmp_path / f"callgrind.{process}.{number}" for number in (1, 2, 3, 4, 9)]
    first, second, third, double = map(total, profiles[:4])
    # What callgrind has left of calls before in the lines of a profile.
    assert [read(profile).total for profile in profiles[:4]] == pytest.approx([first, second, third, double], rel=0.01)
    assert first == second == third
    assert double == pytest.approx(2 * third, rel=0.1)
    for reading in (read, total):
        with pytest.raises(ProfileError, match=r"callgrind\.\d+\.9 cannot be read: No such file"):
            reading(profiles[-1])
    assert valgrind.complaint(tmp_path) == ""


def test_a_copy_does_not_count_each_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=0")
    try:
        prefix = valgrind.prefix(tmp_path)
    except requests.Unsupported as error:
        pytest.skip(str(error))
    done = subprocess.run([*prefix, sys.executable, "-c", COPIED], capture_output=True, text=True, check=True)
    process, tunables = done.stdout.split()
    assert tunables.startswith("glibc.malloc.perturb=0:glibc.cpu.")
    assert total(tmp_path / f"callgrind.{process}.1") < 64_000 / 2


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("==1== vex amd64->IR: unhandled instruction bytes: 0x62 0xF1 0x7C 0x48\n", "AVX-512"),
        ("==1== vex amd64->IR: unhandled instruction bytes: 0xC4 0xE2 0x7B 0xF7\n", r"does not know \(0xC4 ...\)"),
        ("==1== Callgrind\n", "^$"),
    ],
)
def test_what_valgrind_cannot_execute_is_named(tmp_path: Path, log: str, why: str) -> None:
    (tmp_path / "log.1").write_text(log)
    assert re.search(why, valgrind.complaint(tmp_path))


def test_python_functions_are_counted_exactly() -> None:
    def leaf(n: int) -> int:
        return n

    def generate(n: int) -> Any:
        yield from range(n)

    def work(n: int) -> int:
        return sum(leaf(one) for one in generate(n))

    before = sys.getprofile(), sys.gettrace()
    few, none = counting.functions(lambda call: call(work, (3,), {}))
    many, lines = counting.functions(lambda call: call(work, (10,), {}), {__file__})
    again = counting.functions(lambda call: call(work, (20,), {}), {__file__})[1]
    assert (sys.getprofile(), sys.gettrace()) == before
    assert none == {}
    (name,) = (name for name in few if ".leaf (" in name)
    assert name.endswith("test_explain_counting.py)")
    assert (few[name], many[name]) == (3, 10)
    (whole,) = (name for name in few if name.partition(" (")[0].endswith("<locals>.work"))
    assert (few[whole], many[whole]) == (1, 1)
    line = f"{name}:{leaf.__code__.co_firstlineno + 1}"
    assert again[line] == 2 * lines[line] > 0


def test_functions_of_the_tests_have_one_name_on_both_sides() -> None:
    found = []
    for side in ("base", "head"):
        scope: dict[str, Any] = {}
        exec(compile("def work(): pass", f"/race-1/{side}/tests/test_it.py", "exec"), scope)  # noqa: S102
        found.append(counting.functions(lambda call: call(scope["work"], (), {}), (), [f"/race-1/{side}"])[0])  # noqa: B023
    assert found[0] == found[1]
    assert "work (tests/test_it.py)" in found[0]


def test_instructions_of_python_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(n: int) -> int:
        total = 0
        for one in range(n):
            total += one
        return total

    def call(n: int) -> dict[str, int]:
        return counting.functions(lambda call: call(work, (n,), {}), {__file__})[1]

    assert sum(call(100).values()) > 300
    monkeypatch.setattr(python_calls, "MOST", 300)
    assert call(100) == {}
    assert call(1) != {}


def counted(base: int, head: int, spread: float = 0.0) -> Counted:
    base_side, head_side = (CountedSide(count, spread, None, frozenset(), {}, {}) for count in (base, head))
    return Counted(base_side, head_side)


@pytest.mark.parametrize(
    ("found", "may_be"),
    [(counted(10_000, 10_018), True), (counted(10_018, 10_000), True), (counted(10_000, 10_001), False),
     (counted(10_000, 10_018, 0.002), False), (counted(10_000, 11_600), False)],
)  # fmt: skip
def test_only_a_small_difference_is_counted_again(found: Counted, may_be: bool) -> None:  # noqa: FBT001
    assert found.may_be_chance == may_be


def test_a_start_that_executes_more_is_not_a_difference_of_the_builds() -> None:
    for found in (counted(10_000, 10_018).with_start(counted(10_000, 10_000)),
                  counted(10_000, 10_000).with_start(counted(10_000, 10_018))):  # fmt: skip
        assert (found.number, found.may_be_chance) == (0.0, True)
        assert found.error == pytest.approx(0.0018, rel=0.01)


def test_a_small_difference_that_each_start_shows_stands() -> None:
    found = counted(10_000, 10_018).with_start(counted(10_001, 10_019))
    assert (found.base.instructions, found.head.instructions) == (10_000, 10_018)
    assert found.error < found.number
