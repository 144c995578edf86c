"""What a race between revisions does before pytest imports anything of the project.

The session collects the tests, and must be able to import the project even if the source tree precedes it on the path.
If the project is installed, it is imported from there, and nothing is built before the tests are known. If not, as in a
fresh checkout, only head's build has all of it, and the builds come first.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import host, options
from pytest_benchgate.race.building import git, installed, overlay, project
from pytest_benchgate.race.building.build import BuildFailed
from pytest_benchgate.race.events import Step
from pytest_benchgate.race.progress import SILENT, Progress
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.sides import base, revisions
from pytest_benchgate.race.sides.sides import SidesError
from pytest_benchgate.race.verdicts import placement
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from pytest_benchgate.race.worker.home import Home

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Generator, Iterator, Sequence

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.events import Preparation

STARTUP = pytest.StashKey["Startup"]()
# With these options no test is run, so that nothing need be built.
SHOWING = (
    "help",
    "version",
    "collectonly",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
    "cacheshow",
    "cl_list",
)
# Options for files that a session writes.
WRITTEN = ("race_json", "benchgate_markdown", "benchgate_html", "benchmark_json", "xmlpath", "log_file")


@dataclass
class Startup:
    """A race between revisions before its tests are known.

    Attributes
    ----------
    stack : ExitStack
        Ends what it has started.
    project : Path | None
        The folder of the project in the repository; None if there is nothing to build.
    trees : revisions.Trees | None
        None until they are built.

    """

    base: base.Base
    reaper: Reaper
    stack: ExitStack
    project: Path | None
    trees: revisions.Trees | None = None

    def build(
        self, config: pytest.Config, race: RaceConfig, import_mode: str
    ) -> Generator[Preparation, None, revisions.Trees]:
        """Return the trees, built once; see revisions.build."""
        if self.trees is None:
            # The results of an earlier race must not be mistaken for this one's.
            if race.json is not None and race.json.is_file():
                race.json.write_text("", "utf-8")
            self.trees = yield from revisions.build(
                config.rootpath, self.project, self.base, race, import_mode, self.reaper, self.stack
            )
        return self.trees


@dataclass(frozen=True)
class _EarlyConfig:
    """pytest's config as far as options are parsed before any conftest.py is loaded."""

    config: pytest.Config
    namespace: Namespace

    def getoption(self, name: str) -> Any:
        return getattr(self.namespace, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.config, name)


def prepare(config: pytest.Config, given: Namespace) -> None:
    """Let the session import the project, if the options parsed so far ask for a race between revisions.

    Raises pytest.UsageError for an impossible race, and SystemExit if a build fails or Ctrl-C is pressed: there is no
    session yet that could end otherwise.
    """
    if given.race in {None, options.SELF} or any(getattr(given, name, False) for name in SHOWING):
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    with _ended_cleanly(stack):
        resolved = base.resolve(config, given.race, _outputs(config, given))
        race = options.read_race(_EarlyConfig(config, given))  # type: ignore[arg-type]  # as far as it is asked
        assert race is not None  # noqa: S101  # --race is given
        folder = _project(resolved.repository.root, config, given.file_or_dir)
        if given.race == options.RELINKED:
            placement.check(folder, race)
        startup = config.stash[STARTUP] = Startup(resolved, stack.enter_context(Reaper()), stack, folder)
        home = _home(config, race, given, startup)
    if home is not None:
        home.prepare(given.importmode)
        stack.callback(home.remove)


def _outputs(config: pytest.Config, given: Namespace) -> list[Path]:
    """Return the files and folders that the session's options name for its reports."""
    storage = str(getattr(given, "benchmark_storage", None) or "").removeprefix("file://")
    places: list[Any] = [storage, *(getattr(given, name, None) for name in WRITTEN)]
    # pytest-benchmark 5.2 has opened its file.
    paths = [str(place.name if hasattr(place, "write") else place) for place in places if place]
    return [Path(config.invocation_params.dir, path) for path in paths]


def _home(config: pytest.Config, race: RaceConfig, given: Namespace, startup: Startup) -> Home | None:
    """Return where the session imports the project from, or None if that is the source tree itself."""
    if startup.project is None:
        return None
    source = startup.base.repository.root / startup.project
    place = installed.find(source)
    if place is None:
        progress = Progress(host.terminal_writer(config, given), verbosity=getattr(given, "verbose", SILENT))
        progress.show(Step("the project is not installed here: it is built first, so that the tests can be collected"))
        built = progress.follow(startup.build(config, race, given.importmode)).built[1]
        place = installed.Installed(overlay.site_packages(built.folder), built.names)
    folders = [str(config.rootpath), str(source)]
    return Home(str(place.folder), place.names, folders, config.getini("python_files")) if place.names else None


def _project(repository: Path, config: pytest.Config, given: Sequence[str]) -> Path | None:
    """Return the folder of the raced project: the one around pytest's rootdir or else, below it, around the tests."""
    # As git has it: pytest's may lead through a symbolic link.
    root = config.rootpath.resolve()
    if (found := project.find(repository, root.relative_to(repository))) is not None:
        return found
    places = [config.invocation_params.dir / one.partition("::")[0] for one in given]
    places = places or [root / one for one in config.getini("testpaths")]
    folders = {place.resolve() for place in places if place.resolve().is_relative_to(root)}
    projects = {project.find(repository, folder.relative_to(repository)) for folder in folders} - {None}
    if len(projects) > 1:
        raise SidesError(
            f"the tests belong to several projects ({', '.join(sorted(map(str, projects)))}); race one at a time: give "
            "only its tests"
        )
    return projects.pop() if projects else None


@contextmanager
def _ended_cleanly(stack: ExitStack) -> Iterator[None]:
    """Turn errors into the ways to end that pytest has before there is a session."""
    try:
        yield
    except git.GitError as error:
        raise pytest.UsageError(f"--race: {error}") from error
    except SidesError as error:
        raise pytest.UsageError(str(error)) from error
    except (BuildFailed, project.ProjectError) as error:
        print(f"race: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(ExitStatus.NOT_BUILT) from error
    except KeyboardInterrupt:
        stack.close()
        print("race: interrupted while it was building", file=sys.stderr)  # noqa: T201
        raise SystemExit(pytest.ExitCode.INTERRUPTED) from None
