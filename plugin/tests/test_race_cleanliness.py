"""Whatever ends a race, nothing is left: no process, no scratch folder, no half-written file, no trace in the repository.

The fixtures look for what is left after each test; see racing.Project.left_behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.explain.requests import Unsupported, check
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.race.worker.boot import has_guard
from racing import KERN, KERNEL, LIMIT_S, PLAIN, QUICK, SLOW_CALC, SLOW_KERNEL, Project, kill, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX"),
    pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="left processes are looked for in /proc"),
]
# Compiling it takes until someone ends it.
ENDLESS_SETUP = KERN["setup.py"] + "import time\nif 'bdist_wheel' in __import__('sys').argv: time.sleep(1000)\n"
SLEEP = "import time\ndef test_sleep(benchmark):\n    benchmark(time.sleep, 0.01)\n"
NEVER_SURE = ("--race-threshold=0.0001%", "--race-max-launches=1000", "--race-budget=1000")


def is_timing(project: Project) -> bool:
    """Whether both workers run, each with its guard, where there are guards."""
    workers = sum("pytest_benchgate.race.worker.plugin" in command for command in project.processes().values())
    return workers == (4 if has_guard() else 2)


def is_building(project: Project) -> bool:
    """Whether the endless build runs."""
    return any("build_wheel" in command for command in project.processes().values())


def test_after_success_nothing_is_left(kern: Project) -> None:
    kern.write(**{"kern/_kern.c": SLOW_KERNEL, "new.txt": "not committed\n"})
    before = kern.state()
    run = kern.race("HEAD")
    assert run.verdicts == {"test_spin": "slower"}
    assert kern.state() == before


def test_after_a_failed_build_nothing_is_left(kern: Project) -> None:
    kern.write(**{"kern/_kern.c": KERNEL.replace("long total", "lnog total")})
    before = kern.state()
    run = kern.race("HEAD")
    assert run.returncode == ExitStatus.NOT_BUILT
    assert "head, the working tree could not be built: " in run.text
    assert "lnog" in run.text
    assert "Traceback" not in run.text
    assert kern.state() == before
    assert kern.left_behind() == []
    kern.write(**{"kern/_kern.c": SLOW_KERNEL})
    assert kern.race("HEAD").verdicts == {"test_spin": "slower"}


def ended_while(project: Project, at: Callable[[Project], bool], number: int, *options: str) -> tuple[int, str]:
    """End a session by a signal as soon as it is `at` something; return its exit status and what it printed."""
    before = project.state()
    session = project.start("--race=HEAD", *options)
    wait_for(lambda: at(project) or session.poll() is not None)
    assert session.poll() is None, session.communicate()
    time.sleep(0.2)
    kill(session, number)
    text, _ = session.communicate(timeout=LIMIT_S)
    assert project.left_behind() == []
    assert project.state() == before
    return session.returncode, text


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(one, marks=pytest.mark.thorough) for one in (signal.SIGKILL, signal.SIGTERM))],
)
def test_ended_while_timing(plain: Project, number: signal.Signals) -> None:
    plain.commit(**{"tests/test_calc.py": SLEEP})
    plain.write(**{"calc.py": SLOW_CALC})
    status, text = ended_while(plain, is_timing, number, *NEVER_SURE)
    if number == signal.SIGINT:
        assert status == pytest.ExitCode.INTERRUPTED
        assert "KeyboardInterrupt" in text
        assert "(incomplete: not all races are over)" in text
    data = json.loads(plain.json.read_text())
    assert data["complete"] is False
    if number == signal.SIGKILL:
        # The next race is not affected.
        plain.commit(**{"tests/test_calc.py": PLAIN["tests/test_calc.py"], "calc.py": PLAIN["calc.py"]})
        plain.write(**{"calc.py": SLOW_CALC})
        assert plain.race("HEAD").verdicts == {"test_count": "slower"}


def test_ended_while_instructions_are_counted(plain: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a valgrind that never begins: the verdict is known by then."""
    try:
        check()
    except Unsupported as error:
        pytest.skip(str(error))
    valgrind = plain.folder / "bin" / "valgrind"
    valgrind.parent.mkdir()
    valgrind.write_text("#!/bin/sh\nexec sleep 1000\n")
    valgrind.chmod(0o755)
    monkeypatch.setenv("PATH", f"{valgrind.parent}{os.pathsep}{os.environ['PATH']}")
    plain.write(**{"calc.py": SLOW_CALC})

    def is_counting(project: Project) -> bool:
        return any(command.startswith("sleep 1000") for command in project.processes().values())

    status, text = ended_while(plain, is_counting, signal.SIGINT, *QUICK, "--race-explain=auto")
    assert status == pytest.ExitCode.INTERRUPTED
    assert "(incomplete: not all races are over)" in text
    data = json.loads(plain.json.read_text())
    assert [raced["verdict"] for raced in data["raced"]] == ["slower"]
    assert data["complete"] is False


@pytest.mark.skipif(not has_guard(), reason="no guard adopts daemons here")
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.thorough), signal.SIGKILL])
def test_daemons_end_with_the_session(plain: Project, number: signal.Signals) -> None:
    """In a session of their own, without the environment of their worker, and in another folder."""
    place = plain.folder / "daemon"
    daemon = f"import os, time; os.chdir('/'); open({str(place)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(600)"
    suite = f"""
import os, sys, time, pytest

@pytest.fixture(autouse=True, scope="session")
def daemon():
    if not os.fork():
        os.setsid()
        os.fork() or os.execve(sys.executable, [sys.executable, "-c", {daemon!r}], {{}})
        os._exit(0)

{SLEEP}"""
    plain.commit(**{"tests/test_calc.py": suite})

    def has_daemons(_: Project) -> bool:
        return place.exists() and place.read_text().count(" ") == 2

    ended_while(plain, has_daemons, number, *NEVER_SURE)
    assert [pid for pid in place.read_text().split() if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)])
def test_ended_while_building(kern: Project, number: signal.Signals) -> None:
    kern.write(**{"setup.py": ENDLESS_SETUP})
    status, _ = ended_while(kern, is_building, number)
    if number == signal.SIGINT:
        assert status == pytest.ExitCode.INTERRUPTED
    else:
        # The next race is not affected.
        kern.write(**{"setup.py": KERN["setup.py"]})
        assert kern.race("HEAD", "--race-max-launches=1").verdicts == {"test_spin": "unsure"}


def test_ctrl_c_again_and_again_while_building(kern: Project) -> None:
    kern.write(**{"setup.py": ENDLESS_SETUP})
    session = kern.start("--race=HEAD")
    wait_for(lambda: is_building(kern) or session.poll() is not None)
    for _ in range(5):
        if session.poll() is None:
            kill(session, signal.SIGINT)
        time.sleep(0.03)
    session.communicate(timeout=LIMIT_S)
    assert kern.left_behind() == []


def test_a_worker_killed_from_outside_is_reported_and_the_race_ends(plain: Project) -> None:
    tests = SLEEP.replace("0.01", "0.01 if (time.sleep(0.01) or True) else 0") + PLAIN["tests/test_calc.py"]
    plain.commit(**{"tests/test_calc.py": tests})
    session = plain.start("--race=HEAD", *QUICK, "--race-max-launches=1")

    def killed() -> bool:
        for pid, command in plain.processes().items():
            if "pytest_benchgate.race.worker.plugin" in command and is_timing(plain):
                with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(pid, signal.SIGKILL)
                    return True
        return session.poll() is not None

    wait_for(killed)
    run = plain.finish(session)
    verdicts = sorted(run.verdicts.values())
    assert run.returncode in {ExitStatus.ERROR, pytest.ExitCode.OK}
    if "error" in verdicts:
        assert "signal SIGKILL, probably by the out-of-memory killer" in run.text
    assert run.race["complete"]


def test_a_test_that_kills_its_worker_costs_that_test_only(plain: Project) -> None:
    kill_head = "import os, signal, calc\ndef test_a(benchmark):\n    if 'times=3' in open(calc.__file__).read():\n        os.kill(os.getpid(), signal.SIGKILL)\n    benchmark(calc.count)\n"
    plain.commit(**{"tests/test_calc.py": kill_head + "def test_b(benchmark):\n    benchmark(calc.count)\n"})
    plain.write(**{"calc.py": SLOW_CALC})
    run = plain.race("HEAD")
    assert run.verdicts == {"test_a": "error", "test_b": "slower"}
    assert run.raced("test_a")["side"] == "head"
    assert "signal SIGKILL, probably by the out-of-memory killer" in run.text


def on_a_small_disk(project: Project, megabytes: float, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a session that has a small disk of its own at FOLDER/small; what is left on it is printed at the end."""
    unshare = shutil.which("unshare")
    small = project.folder / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size="$1" none "$2" || exit 77; shift; disk="$1"; shift; "$@"; status=$?; echo LEFT; find "$disk" -mindepth 1; exit $status'
    return subprocess.run(
        [unshare or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", f"{int(megabytes * 1024)}k", small, *project.command(*options)],
        cwd=project.root, env=project.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=LIMIT_S,
    )  # fmt: skip


def may_mount() -> bool:
    """Whether this system lets its users mount folders of their own."""
    unshare = shutil.which("unshare")
    command = [unshare or "", "--user", "--map-root-user", "--mount", "true"]
    return bool(unshare) and not subprocess.run(command, check=False, capture_output=True).returncode


needs_mount = pytest.mark.skipif(sys.platform != "linux" or not may_mount(), reason="needs mounts of one's own")


@needs_mount
def test_a_full_disk_for_the_builds(kern: Project) -> None:
    before = kern.state()
    done = on_a_small_disk(kern, 3, "--race=HEAD", *QUICK, f"--race-cache={kern.folder / 'small' / 'cache'}")
    assert done.returncode == ExitStatus.NOT_BUILT, done.stdout
    assert "No space left on device" in done.stdout
    assert "Traceback" not in done.stdout.partition("could not be")[0]
    own = (".lock", "/cache", "/CACHEDIR.TAG", "/.gitignore")
    left = [line for line in done.stdout.partition("LEFT\n")[2].splitlines() if not line.endswith(own)]
    assert left == []
    assert kern.state() == before


@needs_mount
def test_a_full_disk_for_the_results(plain: Project) -> None:
    plain.write(**{"calc.py": SLOW_CALC})
    file = plain.folder / "small" / "race.json"
    done = on_a_small_disk(plain, 4 / 1024, "--race=HEAD", *QUICK, f"--race-json={file}", "--benchgate-markdown=x.md")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "slower: +" in done.stdout  # the race goes on
    left = done.stdout.partition("LEFT\n")[2].splitlines()
    assert left in ([], [str(file)])
    assert f"{file} could not be written: " in done.stdout
    assert "No space left on device" in done.stdout


@needs_mount
def test_a_full_disk_for_the_source_trees(plain: Project) -> None:
    plain.commit(**{"large.txt": os.urandom(300_000).hex()})
    before = plain.state()
    plain.env["TMPDIR"] = str(plain.folder / "small")
    done = on_a_small_disk(plain, 0.5, "--race=HEAD", *QUICK)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "No space left on device" in done.stdout or "unable to write" in done.stdout
    assert "Traceback" not in done.stdout
    assert done.stdout.partition("LEFT\n")[2].splitlines() == []
    del plain.env["TMPDIR"]
    assert plain.state() == before
