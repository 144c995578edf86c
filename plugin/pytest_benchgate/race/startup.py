"""What a race between revisions does before pytest imports anything of the project: see to where that comes from.

The session collects the tests, and must be able to import the project, however the source tree gets in the way. Where
the project is installed, it comes from there, and nothing is built before the tests are known. Where it is not, as in a
fresh checkout, head's build is the only place that has all of it, and the builds come first.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_benchgate import options
from pytest_benchgate.race.building import git, installed, overlay
from pytest_benchgate.race.building.build import BuildFailed, find_project
from pytest_benchgate.race.progress import Progress
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.sides import revisions as sides
from pytest_benchgate.race.worker.home import Home

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_benchgate.options import RaceConfig

EARLY = pytest.StashKey["Early"]()
# With these nothing is run, so that nothing need be built.
ONLY_SHOWS = (
    "help",
    "version",
    "collectonly",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
    "cacheshow",
)


@dataclass
class Early:
    """The trees of a race between revisions, and what ends with them.

    Attributes
    ----------
    project: the folder of the project in the repository; None where there is nothing to build.
    trees: None until they are built.

    """

    reaper: Reaper
    stack: ExitStack
    project: Path | None = None
    trees: sides.Trees | None = None

    def build(
        self,
        config: pytest.Config,
        race: RaceConfig,
        import_mode: str,
        say: Callable[[str], None],
        show: Callable[[str], None],
    ) -> sides.Trees:
        """Return the trees, built; see sides.build."""
        if self.trees is None:
            if race.json is not None and race.json.is_file():
                race.json.write_text("", "utf-8")  # an earlier race's results must not be taken for this one's
            self.trees = sides.build(
                config.rootpath, self.project, race, import_mode, self.reaper, self.stack, say, show
            )
        return self.trees


@dataclass(frozen=True)
class _Given:
    """The options as far as they are parsed before any conftest.py is loaded, in the manner of pytest's config."""

    config: pytest.Config
    namespace: Namespace

    def getoption(self, name: str) -> Any:
        return getattr(self.namespace, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.config, name)


def prepare(config: pytest.Config, given: Namespace) -> None:
    """Let the session import the project, where options as parsed so far ask for a race between revisions.

    Raises pytest.UsageError for a race that cannot be, and SystemExit where a build fails or Ctrl-C is pressed: there
    is no session yet which could be ended otherwise.
    """
    if given.race in {None, "self"} or any(getattr(given, name, False) for name in (*ONLY_SHOWS, "cl_list")):
        return
    race = options.read_race(_Given(config, given))  # type: ignore[arg-type]  # as far as it is asked
    assert race is not None  # noqa: S101  # --race is given

    stack = ExitStack()
    config.add_cleanup(stack.close)
    early = config.stash[EARLY] = Early(stack.enter_context(Reaper()), stack)
    with _ended_cleanly(stack):
        home = _home(config, race, given, early, Progress(quiet=given.verbose < 0))
    if home is not None:
        home.settle(given.importmode)
        stack.callback(home.remove)


def _home(config: pytest.Config, race: RaceConfig, given: Namespace, early: Early, progress: Progress) -> Home | None:
    """Return where the session gets the project from; None where that is the source tree itself."""
    repository = git.Repository.around(config.rootpath)
    repository.resolve(race.base or "")
    project = early.project = _project(repository.root, config, given.file_or_dir)
    if project is None:
        return None
    place = installed.find(repository.root / project)
    if place is None:
        progress.say("the project is not installed here: it is built first, for the tests to be collected on")
        built = early.build(config, race, given.importmode, progress.say, progress.show).built[1]
        place = installed.Installed(overlay.site_packages(built.folder), built.names)
    folders = [str(folder) for folder in (config.rootpath, repository.root / project)]
    return Home(str(place.folder), place.names, folders, config.getini("python_files")) if place.names else None


def _project(repository: Path, config: pytest.Config, given: Sequence[str]) -> Path | None:
    """Return the folder of the project that is raced: around pytest's rootdir or else, below it, around the tests."""
    if (found := find_project(repository, config.rootpath.relative_to(repository))) is not None:
        return found
    places = [config.invocation_params.dir / one.partition("::")[0] for one in given]
    places = places or [config.rootpath / one for one in config.getini("testpaths")]
    folders = {place.resolve() for place in places if place.resolve().is_relative_to(config.rootpath)}
    projects = {find_project(repository, folder.relative_to(repository)) for folder in folders} - {None}
    if len(projects) > 1:
        raise sides.SidesError(
            f"the tests are of several projects ({', '.join(sorted(map(str, projects)))}); race one at a time: give "
            "its tests alone"
        )
    return projects.pop() if projects else None


@contextmanager
def _ended_cleanly(stack: ExitStack) -> Iterator[None]:
    """Turn what may go wrong into the ends that pytest has before there is a session."""
    try:
        yield
    except git.GitError as error:
        raise pytest.UsageError(f"--race: {error}") from error
    except sides.SidesError as error:
        raise pytest.UsageError(str(error)) from error
    except BuildFailed as error:
        print(f"race: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(pytest.ExitCode.TESTS_FAILED) from error
    except KeyboardInterrupt:
        stack.close()
        print("race: interrupted while it was building", file=sys.stderr)  # noqa: T201
        raise SystemExit(pytest.ExitCode.INTERRUPTED) from None
