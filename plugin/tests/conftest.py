"""Runs of pytest within pytest: real suites, real times, in a folder of their own."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import settings
from pytest_benchmark import plugin as pytest_benchmark
from racing import FEW_PLUGINS, KERN, PLAIN, PLUGINS, SOON, Project

# It puts a finder of its own in the place of Python's. Imported first by a test that uses pytester, which takes that finder
# away again, it would leave none, and no metadata of any distribution would be found from then on.
with contextlib.suppress(ImportError):
    import importlib_metadata  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from launching import Starts
    from playwright.sync_api import Browser
    from pytest_benchgate.race.launching.plan import Side

FAST = ("--benchmark-max-time=0.01", "--benchmark-min-rounds=3", "-p", "no:cacheprovider")
# Files whose tests share a race, a browser, or the imports of large libraries, which take seconds.
TOGETHER = {
    *("test_claims.py", "test_claims_limits.py", "test_kinds.py", "test_page_browser.py", "test_race_device.py"),
    "test_race_session.py",
}
# Files with tests that take a minute: they are started first, so that none runs alone at the end.
LONG = {"test_five_minutes.py", "test_tutorial.py"}
# Variables that the inner runs do not get; the last would double the time of each race.
OURS = {"GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE"}
# A plugin of the inner runs: what pytest-benchmark takes a quarter of a second to find out.
KNOWN_MACHINE = """
import json, pathlib
def pytest_benchmark_generate_machine_info():
    return json.loads(pathlib.Path({file!r}).read_text("utf-8"))
"""


@dataclass
class Run:
    """What one run of a suite left behind."""

    result: pytest.RunResult
    json_path: Path

    @property
    def text(self) -> str:
        return str(self.result.stdout)

    @functools.cached_property
    def data(self) -> dict[str, Any]:
        """The JSON; empty where there is none, or, as pytest-benchmark 5.0 leaves it, an empty file."""
        text = self.json_path.read_text("utf-8") if self.json_path.exists() else ""
        loaded: dict[str, Any] = json.loads(text) if text else {}
        return loaded

    def timed(self) -> list[str]:
        """Return the names of the benchmarks with a time in the JSON."""
        return [bench["name"] for bench in self.data["benchmarks"]]

    def in_table(self, name: str) -> bool:
        """Return whether a row of pytest-benchmark's tables is about `name`."""
        return any(line.startswith(name) for line in self.text.splitlines())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough", action="store_true", help="add the tests marked thorough; try far more random inputs"
    )
    parser.addoption(
        "--pictures", metavar="FOLDER", type=Path, help="write the documentation's pictures of pages there"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis try far more inputs with --thorough. Shared runners stall for seconds: no input has a deadline."""
    settings.register_profile(
        "suite", deadline=None, print_blob=True, max_examples=400 if config.option.thorough else 40
    )
    settings.load_profile("suite")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Send pytest-rerunfailures' messages at once, two a test: TCP would delay each second one by 40 ms."""
    own = getattr(getattr(session.config, "failures_db", None), "sock", None)
    if own is not None:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Have the tests of a file in `TOGETHER` run by one process, and each other test by the next that is free.

    pytest-xdist's own groups are ignored by pytest 9.2 (its issue 1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if Path(path).name in TOGETHER else nodeid

    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the further cases of what other tests show, each of which builds and races for seconds."""
    items.sort(key=lambda item: item.path.name not in LONG)
    if config.getoption("thorough"):
        return
    left_out = [item for item in items if item.get_closest_marker("thorough")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


Suite: TypeAlias = "Callable[..., Run]"


@pytest.fixture(autouse=True, scope="session")
def _on_their_own() -> Iterator[None]:
    """Keep the inner runs out of the job summary, and free of the options, of the run that these tests are part of."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith("PYTEST_XDIST_") or name in OURS:
                patch.delenv(name)
        # Ignored where a shell without job control runs this in its background; those that we start would inherit it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def machine_info(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file with what pytest-benchmark says of this machine."""
    file = tmp_path_factory.mktemp("machine") / "info.json"
    info = pytest_benchmark.pytest_benchmark_generate_machine_info()  # type: ignore[no-untyped-call]
    file.write_text(json.dumps(info), "utf-8")
    return file


@pytest.fixture
def suite(pytester: pytest.Pytester, machine_info: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Give suite(source, *options) -> Run: the benchmarks in source, run for a short time.

    With few plugins, which start in half of the time; with `guest`, with all that are installed, as pytest loads them.
    """

    def run(source: str, *options: str, conftest: str | None = None, guest: bool = False) -> Run:
        if guest:
            monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
        else:
            for name, value in FEW_PLUGINS.items():
                monkeypatch.setenv(name, value)
            pytester.makepyfile(known_machine=KNOWN_MACHINE.format(file=str(machine_info)))
            options = (*(PLUGINS[:2] if "no:benchgate" in options else PLUGINS), "-p", "known_machine", *options)
        pytester.makepyfile(test_it=source)
        if conftest is not None:
            pytester.makeconftest(conftest)
        json_path = pytester.path / "out.json"
        # A process of its own: NumPy cannot be imported twice, which pytester's runs in this process come to.
        result = pytester.runpytest_subprocess(*FAST, f"--benchmark-json={json_path}", *options)
        return Run(result, json_path)

    return run


@pytest.fixture(scope="session")
def race_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the builds of all races, so that each is made once."""
    return tmp_path_factory.mktemp("race-cache")


@pytest.fixture
def kern(tmp_path: Path, race_cache: Path) -> Iterator[Project]:
    """Give a project with a C extension; its races must leave nothing behind."""
    project = Project.make(tmp_path / "kern", race_cache, KERN)
    yield project
    assert project.left_behind() == []


@pytest.fixture
def soon(tmp_path: Path, race_cache: Path) -> Iterator[Project]:
    """Give `kern` with another build backend, which takes less time."""
    project = Project.make(tmp_path / "kern", race_cache, SOON)
    yield project
    assert project.left_behind() == []


@pytest.fixture
def plain(tmp_path: Path, race_cache: Path) -> Iterator[Project]:
    """Give a project of Python files only; its races must leave nothing behind."""
    project = Project.make(tmp_path / "plain", race_cache, PLAIN)
    yield project
    assert project.left_behind() == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give Chromium, started once."""
    from browsing import chromium

    with chromium() as started:
        yield started


@pytest.fixture
def reaper() -> Iterator[Starts]:
    """Give the reaper of a launch, which counts what it starts."""
    from launching import Starts

    with Starts() as started:
        yield started


@pytest.fixture
def sides(tmp_path: Path) -> Callable[..., tuple[Side, Side]]:
    """Give sides(head, base, suite): two folders with one suite, and a build of their own for each: its source."""
    from launching import make_sides

    return lambda *arguments, **more: make_sides(tmp_path, *arguments, **more)
