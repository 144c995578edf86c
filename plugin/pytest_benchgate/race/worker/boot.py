"""The first code of a worker's process, run as a file: moves it, sets the seeds before anything draws, leaves a guard.

On Linux the process forks. The child becomes the worker. The parent is its guard: it waits for the worker and adopts
the processes that the tests leave behind, daemons in a session of their own included; it kills these as soon as the
worker has ended, and then ends as the worker did. It kills only children of its own, so never what others started. It
also kills the worker when the session has ended, which a session that was killed may not have had the time to ask for.

Nothing is imported through the package: pytest would warn of modules that were imported before it could rewrite their
assertions. For the same reason only the standard library is used.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

# The environment variable that has messages.Start as JSON.
START = "BENCHGATE_RACE"
# Asks the guard to end the worker. Not SIGTERM: tests send that to their whole process group.
END = getattr(signal, "SIGRTMIN", 0) + 7
# For processes that do not die at once, such as those that wait for a disk.
PATIENCE_S = 3.0
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def has_guard() -> bool:
    """Return whether workers have a guard on this system."""
    return sys.platform == "linux"


def guard(session: int) -> None:
    """Return in a child of this process; the process itself stays until the child has ended.

    The child ends with the session, the process with this id.
    """
    worker = os.fork()
    if not worker:
        return
    try:
        status = _wait(worker, session)
        _end_children()
        _end_like(status)
    finally:
        os._exit(1)


def _wait(worker: int, session: int) -> int:
    """Return the wait status of the worker; reap every other child that ends before."""
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    # The worker is a child that has not been waited for, so its process id is its own.
    signal.signal(END, lambda *_: os.kill(worker, signal.SIGKILL))
    # Its ends of the pipes would hide that the worker's are closed.
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    with contextlib.suppress(ImportError, OSError):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, END, 0, 0, 0)
    # It may have ended before.
    if os.getppid() != session:
        os.kill(worker, signal.SIGKILL)
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        if ended is not None and ended.si_pid == worker:
            # The system and the reaper both ask; once the worker is reaped, there is nothing to kill by its id.
            signal.signal(END, signal.SIG_IGN)
            return os.waitpid(worker, 0)[1]
        if ended is not None:
            os.waitpid(ended.si_pid, 0)


def _end_children() -> None:
    """Kill all children; those of a child that is killed become children of this process, and are killed as well."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def _children() -> list[int]:
    """Return the process ids of this process's children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # PID (COMMAND) STATE PARENT ..., where the command may hold anything
            if int(stat.read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found


def _end_like(status: int) -> None:
    """End as the worker did: by the same signal, or with the same exit status."""
    if os.WIFSIGNALED(status):
        import resource

        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _load(name: str) -> ModuleType:
    """Import a module of this folder by its full name, without the packages above it, and return it."""
    full = f"pytest_benchgate.race.worker.{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None  # noqa: PT018, S101  # of a file that exists
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Become a worker, and run pytest with the arguments of the command line."""
    start = json.loads(os.environ[START])
    if has_guard():
        guard(start["session"])
    # Until the suite's own code runs: looking for garbage takes 6 % of the time in which pytest is imported.
    gc.disable()
    _load("addresses").move(start["seed"])
    _load("clock")
    _load("seeds").install(start["seed"])
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
