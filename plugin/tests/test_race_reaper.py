"""The reaper: what a session leaves behind is ended, however the session ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.worker.boot import has_guard

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups as POSIX has them")
LIMIT_S = 60
# Has a child, says so, and then both hold the pipe open for ever: its end tells that both are gone.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); import time; time.sleep(600)"])
time.sleep(600)
"""
SESSION = """
import os, sys, time
from pathlib import Path
from pytest_benchgate.race.reaper import Reaper

temporary, kept, family = sys.argv[1:]
with Reaper() as reaper:
    (Path(temporary) / "deep").mkdir(parents=True)
    (Path(temporary) / "deep" / "file").touch()
    Path(kept).mkdir()
    reaper.watch(Path(temporary))
    reaper.watch(Path(kept))
    reaper.forget(Path(kept))
    reaper.watch(2**22 + 1)  # has ended already: no such number
    reaper.watch(Path(kept) / "never made")
    reaper.start([sys.executable, "-c", family])  # says "1" on the session's own stdout, which it shares
    print(f"reaper {reaper._process.pid}", flush=True)
    time.sleep(600)
"""
# Is killed when a process runs of which the reaper does not know, and which makes a folder that was removed.
UNKNOWN = """
import os, signal, subprocess, sys
from pathlib import Path
from pytest_benchgate.race import reaper

class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        assert self.stdout.read(1) == b"1"
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
with reaper.Reaper() as ending:
    folder.mkdir()
    ending.watch(folder)
    reaper.subprocess.Popen = Popen
    ending.start([sys.executable, "-c", sys.argv[2], str(folder)], stdout=subprocess.PIPE)
"""
MAKING = """
import sys, time
from pathlib import Path
print(end="1", flush=True)
folder = Path(sys.argv[1])
while folder.exists():
    time.sleep(0.01)
time.sleep(0.5)
(folder / "bytecode").mkdir(parents=True)
folder.with_name("made again").touch()
"""
# Is killed when a worker's process runs, of which the reaper does not know; both of its processes hold stdout open.
UNKNOWN_WORKER = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.worker import boot

class Killed(Reaper):
    def _order(self, order, what=0):
        if order == "guarded":
            if sys.argv[2] == "late":
                while not Path("runs").exists():
                    time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        super()._order(order, what)

Path("test_it.py").write_text("import pathlib, time\\npathlib.Path('runs').touch()\\ntime.sleep(600)\\n")
os.environ[boot.START] = json.dumps({"session": os.getpid(), "seed": 1})
with Killed() as reaper:
    reaper.start([sys.executable, "-P", boot.__file__, "-p", "no:cacheprovider", sys.argv[1]], guarded=True)
"""
AMID = """
import contextlib, signal, time
from pytest_benchgate.race.reaper import Reaper

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start its background with SIGINT ignored
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
with Reaper() as reaper:
    for delay_ms in range(1, 31):
        with contextlib.suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, delay_ms * 2e-4)
            reaper.start(["sleep", "600"])
            time.sleep(1)
"""


def test_a_killed_session_leaves_neither_processes_nor_folders(tmp_path: Path) -> None:
    """Nor does one whose reaper was interrupted and told to end before, as a terminal or a system might."""
    temporary, kept = tmp_path / "temporary", tmp_path / "kept"
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(temporary), str(kept), FAMILY], stdout=subprocess.PIPE
    )
    assert session.stdout is not None
    lines = {_line(session.stdout), _line(session.stdout)}
    assert "1" in lines
    (reaper,) = (int(line.partition(" ")[2]) for line in lines if line.startswith("reaper"))
    assert _comes_true(lambda: _ignores(reaper, signal.SIGHUP))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(reaper, number)
    assert not select.select([session.stdout], [], [], 0.2)[0]
    assert (temporary / "deep" / "file").exists()
    session.kill()
    assert _line(session.stdout) == "", "the family lives"
    assert session.wait(LIMIT_S) == -signal.SIGKILL
    session.stdout.close()
    assert _comes_true(lambda: not temporary.exists())
    assert kept.exists()


def test_a_session_killed_amid_a_start_leaves_no_folder(tmp_path: Path) -> None:
    """The process that it has started makes the folder again after its removal."""
    folder = tmp_path / "temporary"
    session = subprocess.Popen([sys.executable, "-c", UNKNOWN, str(folder), MAKING])
    assert session.wait(LIMIT_S) == -signal.SIGKILL
    assert _comes_true(lambda: not folder.exists())
    assert _comes_true(folder.with_name("made again").exists)
    assert _comes_true(lambda: not folder.exists())


@pytest.mark.skipif(not has_guard(), reason="workers have no guard here")
@pytest.mark.parametrize("when", ["at once", "late"])
def test_a_session_killed_amid_the_start_of_a_worker_leaves_no_process(tmp_path: Path, when: str) -> None:
    """Whether the worker runs already or not: its guard ends with the session."""
    command = [sys.executable, "-c", UNKNOWN_WORKER, "test_it.py", when]
    session = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE)
    assert session.stdout is not None
    while _line(session.stdout):
        pass
    session.stdout.close()
    assert session.wait(LIMIT_S) == -signal.SIGKILL


def test_ctrl_c_amid_a_start_leaves_no_process() -> None:
    """One that lived would hold stdout open."""
    subprocess.run([sys.executable, "-c", AMID], stdout=subprocess.PIPE, check=True, timeout=LIMIT_S)


def test_the_end_of_its_block_ends_what_is_watched(tmp_path: Path) -> None:
    """And of the reaper itself; what it has forgotten lives on."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with Reaper() as reaper:
        reaper.watch(folder)
        family = reaper.start([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE)
        other = reaper.start([sys.executable, "-c", "print(1, flush=True); import time; time.sleep(600)"],
                             stdout=subprocess.PIPE)  # fmt: skip
        assert family.stdout is not None
        assert other.stdout is not None
        assert _line(family.stdout) == _line(other.stdout) == "1"
        reaper.forget(other.pid)
    assert not folder.exists()
    assert _line(family.stdout) == ""
    assert family.wait(LIMIT_S) == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    assert other.wait(LIMIT_S) == -signal.SIGKILL
    for process in (family, other):
        assert process.stdout is not None
        process.stdout.close()


def test_an_error_in_its_block_is_raised_and_ends_what_is_watched() -> None:
    started = []

    def fail() -> None:
        with Reaper() as reaper:
            started.append(reaper.start([sys.executable, "-c", FAMILY]))
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    (process,) = started
    assert process.wait(LIMIT_S) == -signal.SIGKILL


def test_a_process_is_ended_with_its_group_whether_it_runs_or_not() -> None:
    leaving = FAMILY.replace("\ntime.sleep(600)", "\nsys.exit(3)")
    assert leaving != FAMILY
    with Reaper() as reaper:
        for source, status in ((FAMILY, -signal.SIGKILL), (leaving, 3)):
            process = reaper.start([sys.executable, "-c", source], stdout=subprocess.PIPE)
            assert process.stdout is not None
            assert _line(process.stdout) == "1"
            if status == 3:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            reaper.end(process)
            assert process.returncode == status
            assert _line(process.stdout) == "", "its child lives"
            process.stdout.close()


def _line(stream: IO[bytes]) -> str:
    """Return the next line of what processes say, without its end, or at its end, nothing; fail where none comes."""
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([stream], [], [], LIMIT_S)[0], "nothing was said"
        data = os.read(stream.fileno(), 1)
        if not data:
            break
        line += data
    return line.decode().strip()


def _ignores(process: int, number: signal.Signals) -> bool:
    """Return whether a process ignores a signal already; after a while, where the system does not say."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        time.sleep(2)
        return True
    (mask,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def _comes_true(is_true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_true()
