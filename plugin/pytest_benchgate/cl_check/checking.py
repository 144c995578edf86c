"""--cl-check: kernels run on Oclgrind, a simulator, and a test fails for what Oclgrind logs while it runs.

Each context of Oclgrind opens the file that OCLGRIND_LOG names, and empties it. A pipe cannot be emptied, so that what
earlier contexts have logged is not lost.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host
from pytest_benchgate.cl_check import watch
from pytest_benchgate.cl_check.memory import MESSAGES, ImageKernels, Kept, patch_pyopencl
from pytest_benchgate.cl_check.watch import MARK
from pytest_benchgate.devices import SIMULATOR

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchgate.devices import Found
    from pytest_benchgate.options import Config

# Accesses out of bounds are always found.
SETTINGS = {
    "OCLGRIND_DATA_RACES": "1",
    "OCLGRIND_UNINITIALIZED": "1",
    # In a process: there may be an error for each work-item, and for each pixel that a kernel reads from an image.
    "OCLGRIND_MAX_ERRORS": "1000000",
    # It lacks some instructions of optimised code: right kernels were reported, gave wrong answers, or crashed.
    "OCLGRIND_BUILD_OPTIONS": "-O0",
    # A program from pyopencl's cache has no source that could be quoted.
    "PYOPENCL_NO_CACHE": "1",
}
FALSE_ALARMS = (
    "If it was written: Oclgrind takes some values for uninitialised that are not, such as those copied part by part. "
    "OCLGRIND_UNINITIALIZED=0 turns these reports off"
)
# Kinds of messages that a test's failure shows.
MOST_SHOWN = 5
LOG = pytest.StashKey["Log"]()


def prepare(early_config: pytest.Config) -> None:
    """Set the variables of Oclgrind and pyopencl, unless they are set already, before pyopencl is imported."""
    if not hasattr(os, "mkfifo"):
        raise pytest.UsageError("--cl-check needs Linux or macOS: Oclgrind's log is a named pipe")
    if "pyopencl" in sys.modules:
        raise pytest.UsageError(
            "--cl-check: pyopencl was imported before this option could set it up, by a plugin that is loaded with -p, "
            "PYTEST_PLUGINS or an entry point; import pyopencl where it is used, or in a conftest.py"
        )
    patch = pytest.MonkeyPatch()
    early_config.add_cleanup(patch.undo)
    for name, value in SETTINGS.items():
        if name not in os.environ:
            patch.setenv(name, value)
    capturing = early_config.pluginmanager.getplugin("capturemanager")
    # The process beside this one writes to the terminal, or wherever the standard error goes.
    with capturing.global_and_fixture_disabled() if capturing else nullcontext():
        log = Log(Path(tempfile.mkdtemp(prefix="benchgate-oclgrind-")))
    early_config.stash[LOG] = log
    early_config.add_cleanup(log.remove)
    patch.setenv("OCLGRIND_LOG", str(log.pipe))
    _hide_other_devices(patch)


def _hide_other_devices(patch: pytest.MonkeyPatch) -> None:
    """Leave the simulator as the only device, for code under test that chooses one by itself."""
    patch.setenv("PYOPENCL_CTX", SIMULATOR)
    patch.delenv("PYOPENCL_TEST", raising=False)
    spec = importlib.util.find_spec("pyopencl")
    # The wheel of Oclgrind puts it beside the loader of pyopencl's, which takes a file as the only driver.
    driver = next(Path(spec.origin).parent.glob(".libs/oclgrind*.icd"), None) if spec and spec.origin else None
    if driver and "OCL_ICD_VENDORS" not in os.environ:
        patch.setenv("OCL_ICD_VENDORS", str(driver))


def start(config: pytest.Config, chosen: Config, found: Found) -> None:
    """Check the session's tests; pytest.UsageError if there is no simulator, or it would be timed."""
    if chosen.race is not None:
        raise pytest.UsageError("--cl-check takes no times, so leave out --race, --race-base-python or --claims")
    if not found.devices:
        raise pytest.UsageError(f"--cl-check needs Oclgrind: {'; '.join(found.notes)}")
    patch, check = pytest.MonkeyPatch(), Check(config.stash[LOG], found)
    patch_pyopencl(patch, check.kept, check.image_kernels)
    config.add_cleanup(check.kept.release)
    config.add_cleanup(patch.undo)
    config.pluginmanager.register(check, "benchgate-cl-check")


class Log:
    """What Oclgrind logs in this process and its child processes: a pipe, and a file that a process copies it to."""

    def __init__(self, folder: Path) -> None:
        self.pipe, self._folder = folder / "pipe", folder
        os.mkfifo(self.pipe)
        # Open for both, it waits for no other end, and does not close where a context is released.
        self._end = os.open(self.pipe, os.O_RDWR)
        self._file = (folder / "log").open("w+b")
        # In a group of its own: Ctrl-C is for pytest.
        self._copying = subprocess.Popen(  # noqa: S603
            # Isolated and without site-packages, it starts sooner.
            [sys.executable, "-I", "-S", watch.__file__, str(folder)],
            stdin=self.pipe.open("rb"),
            stdout=self._file,
            process_group=0,
        )
        self._text = (folder / "log").open("rb")

    def during(self, test: str) -> None:
        """Note which test runs, for the case that it ends this process."""
        (self._folder / "test").write_text(test, "utf-8")

    def gained(self) -> str:
        """Return what was logged since the last call."""
        os.write(self._end, MARK)
        text = b""
        while MARK not in text:
            if self._copying.poll() is not None:
                raise RuntimeError("the process that copies Oclgrind's log has ended; run the tests again")
            time.sleep(2e-4)
            text += self._text.read()
        return text.replace(MARK, b"").decode(errors="replace").strip()

    def remove(self) -> None:
        """End the process, and remove the files."""
        self._copying.kill()
        self._copying.wait()
        os.close(self._end)
        self._file.close()
        self._text.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def summarise(text: str) -> str:
    """Return the messages of a log, each kind once: those that differ in addresses and work-items are of one kind."""
    kinds: dict[str, list[list[str]]] = {}
    for message in MESSAGES.split(text):
        # Without the instructions of LLVM, which the line of the source stands for.
        shown = [line.rstrip() for line in message.splitlines() if line.strip() and ", !dbg !" not in line]
        kinds.setdefault(re.sub(r"0x[0-9a-f]+|\d+,\d+,\d+", "", "\n".join(shown)), []).append(shown)
    lines = []
    for (first, *more), *others in [*kinds.values()][:MOST_SHOWN]:
        times = f" ({len(others) + 1:,} times, at other addresses or by other work-items)" if others else ""
        lines += [f"Oclgrind: {first}{times}", *(line.replace("\t", "  ") for line in more)]
    if len(kinds) > MOST_SHOWN:
        lines.append(f"Oclgrind: {len(kinds) - MOST_SHOWN} more kinds of faults")
    # The file is that in which Oclgrind gives up.
    if re.search(r"uninitialized( value|\.cpp)", text, re.IGNORECASE):
        lines.append(FALSE_ALARMS)
    return "\n".join(lines)


class Check:
    """The hooks that fail tests, registered with --cl-check."""

    def __init__(self, log: Log, found: Found) -> None:
        self._log, self._found = log, found
        self.kept, self.image_kernels = Kept(), ImageKernels()

    def pytest_report_header(self) -> list[str]:
        """Say where kernels run."""
        return [f"cl-check: {device.describe()}; no times are taken" for device in self._found.devices]

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take no times."""
        host.take_no_times(session.config)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail what is set up while faults are logged, or follows faults that no test can have caused."""
        if text := self._reports():
            pytest.fail(f"while no test ran, before this one: {summarise(text)}", pytrace=False)
        return (yield from self._checked(item, "setup"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail a test while which faults are logged."""
        return (yield from self._checked(item, "call"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Fail what is torn down while faults are logged, such as by a kernel that nobody waited for."""
        try:
            return (yield from self._checked(item, "teardown"))
        finally:
            self._log.during("")
            self.kept.release_unused()

    def _reports(self) -> str:
        """Return what was logged since the last call and may be right."""
        return self.image_kernels.without_false_reports(self._log.gained())

    def _checked(self, item: pytest.Item, when: str) -> Generator[None, Any, Any]:
        self._log.during(f"{item.nodeid} ({when})")
        skipped = None
        try:
            result = yield
        except pytest.skip.Exception as error:
            result, skipped = None, error
        except BaseException:
            if text := self._reports():
                item.add_report_section(when, "Oclgrind", summarise(text))
            raise
        text = self._reports()
        if "suppressing further errors" in text:
            item.session.shouldfail = (
                "Oclgrind has logged OCLGRIND_MAX_ERRORS and logs no more; fix those first, or set it higher"
            )
        if text:
            pytest.fail(summarise(text), pytrace=False)
        if skipped is not None:
            raise skipped
        return result
