"""The race as pytest sees it: it replaces the loop over the tests, and each verdict is a test's outcome."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host, machine, options
from pytest_benchgate.race import course, division, taking
from pytest_benchgate.race.building import git
from pytest_benchgate.race.building.build import BuildFailed
from pytest_benchgate.race.building.project import ProjectError
from pytest_benchgate.race.events import Decided, Missing, Status, Step, Updated
from pytest_benchgate.race.progress import SILENT, Progress
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.sides import base
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.sides.temporary import is_folder
from pytest_benchgate.race.startup import STARTUP, Startup
from pytest_benchgate.race.suite import Benchmark, Suite
from pytest_benchgate.race.verdicts import exit_status, reporting
from pytest_benchgate.race.verdicts.identity import SelfRace
from pytest_benchgate.reports import json_addition, race_json
from pytest_benchgate.reports.quantity import line

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.events import Event
    from pytest_benchgate.session import Session


def start(config: pytest.Config, race: RaceConfig, session: Session, hooks: type[RaceHooks]) -> None:
    """Take part in a session; refuse an impossible race before anything is collected."""
    taking.take_times(config)
    if race.revision is not None:
        try:
            base.resolve(config, race.revision)
        except git.GitError as error:
            raise pytest.UsageError(f"--race: {error}") from error
    # Before the next lines, as the file of --race-json may be one of those that divide the suite.
    try:
        plugin = hooks(config, race, session)
    except ValueError as error:
        raise pytest.UsageError(f"--race-shard-times: {error}") from error
    if race.json:
        try:
            race.json.parent.mkdir(parents=True, exist_ok=True)
            # Opening a pipe would wait for a reader.
            if not race.json.is_fifo():
                race.json.open("a").close()
        except OSError as error:
            raise pytest.UsageError(f"--race-json: cannot write {race.json}: {error}") from error
    config.pluginmanager.register(plugin, "benchgate-race")


class RaceHooks:
    """Registered in place of pytest's own loop over the tests, with --race or --race-base-python."""

    # What a session without races says of its tests.
    _LACK = "uses the fixture `benchmark` or `gate`"

    def __init__(self, config: pytest.Config, race: RaceConfig, session: Session) -> None:
        self._config, self._race, self._session = config, race, session
        self._nodeids: tuple[str, ...] = ()
        self._selected = 0
        # All tests, before any selection.
        self._collected: dict[str, pytest.Item] = {}
        # How long the race of each benchmark took before, where that divides the suite.
        self._seconds = division.seconds_of(race.shard_times) if race.shard_times else {}
        # Those that are left, with all shards.
        self._kept: set[str] = set()
        self._marks: dict[str, dict[str, Any]] = {}
        self._not_built = False

    @cached_property
    def _progress(self) -> Progress:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        verbosity = self._config.get_verbosity() if reporter else SILENT
        writer = host.terminal_writer(self._config, self._config.option)
        return Progress(writer, verbosity=verbosity, reporter=reporter)

    @cached_property
    def _machine(self) -> dict[str, Any]:
        """Where the race runs; its extension modules are hashed once."""
        return machine.describe({})

    def pytest_report_header(self) -> str:
        """Say what is raced."""
        race = self._race
        if race.claims:
            what = "claims of this environment"
        elif race.base_python is not None:
            what = f"this environment against that of {race.base_python}"
        elif race.base == options.SELF:
            what = "this environment against itself"
        elif race.base == options.RELINKED:
            what = "the working tree, with its functions in other places"
        else:
            what = f"the working tree against {race.base}"
        part, parts = race.shard
        builds = "" if race.claims else f"; builds are kept in {race.builds}"
        return line(f"race: {what}{f', shard {part} of {parts}' * (parts > 1)}{builds}")

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out the sources of this race and of others, where TMPDIR is among the tests."""
        return True if is_folder(collection_path) else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Keep the benchmarks of this shard, after all other plugins have selected.

        Jobs may collect in different orders: plugins shuffle, and sets have another order in each process.
        """
        self._collected = {item.nodeid: item for item in items}
        yield
        self._kept = {item.nodeid for item in items}
        benchmarks = {item.nodeid: item for item in items if self._takes_part(item)}
        self._selected = len(items)
        self._nodeids = tuple(sorted(benchmarks))
        part, parts = self._race.shard
        kept = {*division.divide(self._nodeids, self._seconds, parts)[part - 1]}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
        items[:] = [item for nodeid, item in benchmarks.items() if nodeid in kept]
        self._marks = {item.nodeid: options.marks(item) for item in items}

    def pytest_report_collectionfinish(self) -> str:
        """Say why nothing is raced, unless the selection has left no test at all."""
        return f"race: none of {self._selected} tests {self._LACK}" if self._selected and not self._nodeids else ""

    def _takes_part(self, item: pytest.Item) -> bool:
        return host.is_benchmark(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Race all benchmarks, and report each as soon as it is decided."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(
                f"{session.testsfailed} error{'s' * (session.testsfailed != 1)} during collection"
            )
        # A suite without benchmarks may have lost them; not if its tests are only deselected.
        collected = {nodeid: host.is_benchmark(item) for nodeid, item in self._collected.items()}
        may_lack = self._race.revision is not None and not any(collected.values())
        if session.config.option.collectonly or not (self._nodeids or may_lack):
            return True
        # The results of an earlier race must not be mistaken for this one's.
        if self._race.json and self._race.json.is_file():
            self._race.json.write_text("", "utf-8")
        items = {item.nodeid: item for item in session.items}
        benchmarks = {nodeid: self._benchmark(item) for nodeid, item in items.items()}
        suite = Suite(self._nodeids, benchmarks, collected)
        startup = self._config.stash.get(STARTUP, None)
        try:
            with startup.stack if startup else ExitStack() as stack:
                reaper = startup.reaper if startup else stack.enter_context(Reaper())
                with closing(self._events(suite, startup, reaper)) as events:
                    try:
                        for event in events:
                            self._handle(event, items)
                    finally:
                        self._progress.clear()
        except (BuildFailed, ProjectError) as error:
            if (reporter := self._config.pluginmanager.getplugin("terminalreporter")) is not None:
                reporter.write_line(str(error))
            self._not_built = True
            # With a status that pytest does not know, it would not print its summary.
            pytest.exit(str(error).partition("\n")[0], returncode=pytest.ExitCode.TESTS_FAILED)
        except (SidesError, SelfRace, git.GitError) as error:
            raise pytest.UsageError(str(error)) from error
        return True

    def _events(self, suite: Suite, startup: Startup | None, reaper: Reaper) -> Generator[Event, None, None]:
        return course.run(self._config, self._race, suite, startup, reaper)

    def _benchmark(self, item: pytest.Item) -> Benchmark:
        try:
            file = item.path.relative_to(self._config.rootpath)
        except ValueError:
            raise pytest.UsageError(
                f"{item.path} is outside of {self._config.rootpath}, so that it cannot be raced; set --rootdir"
            ) from None
        path, line = self._session.place(item, None)
        function = getattr(item, "originalname", None) or item.name.partition("[")[0]
        return Benchmark(item.nodeid, item.name, function, file, path, line, self._marks.get(item.nodeid, {}))

    def _handle(self, event: Event, items: dict[str, pytest.Item]) -> None:
        """Report an event: to the user, to pytest and pytest-benchmark, and to the session and its files."""
        if isinstance(event, Updated):
            if self._session.race is None:
                self._progress.show_next()
            self._session.race = event.report
            self._save()
        elif isinstance(event, Missing):
            self._progress.clear()
            reporting.log_missing(self._config, event.raced, event.report)
        elif isinstance(event, Decided):
            self._session.race = event.report
            item, race = items[event.race.nodeid], event.race
            if race.launches and not race.failed:
                times_s = [head_ns * 1e-9 for timed in race.launches for head_ns in timed.head_ns]
                host.record(item, times_s, race.launches[-1].group, json_addition.of_raced(event.raced))
            self._progress.clear()
            reporting.log(item, event.raced, event.report)
        elif isinstance(event, Step | Status):
            self._progress.show(event)

    def _save(self) -> None:
        """Write the results so far, so that they outlive a crash of the session."""
        assert self._session.race is not None  # noqa: S101  # the caller has set it
        file = self._race.json
        # What is written to a pipe or a device stays there.
        places = [file] if file and (file.is_file() or not file.exists() or self._session.race.complete) else []
        cache = getattr(self._config, "cache", None)
        if cache is not None:
            places.append(Path(cache.mkdir("benchgate")) / "race.json")
        data = race_json.render(self._session.race, self._machine)
        for place in places:
            try:
                race_json.write(place, data)
                self._session.unwritten.pop(str(place), None)
            except OSError as error:
                self._session.unwritten[str(place)] = str(error)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Say by the exit status why a race failed; let a shard pass if the suite has too few benchmarks for all."""
        self._session.lost |= str(self._race.json) in self._session.unwritten
        if self._not_built:
            session.exitstatus = exit_status.ExitStatus.NOT_BUILT
        elif exitstatus == pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = exit_status.of_failures(self._session.race)
        elif exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._nodeids and self._session.race:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> reporting.Status | None:
        """Print the verdict where pytest prints PASSED or FAILED."""
        return reporting.status(report)
