"""A race between a revision and the working tree: both are checked out and built."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.options import RELINKED
from pytest_benchgate.race.arguments import arguments
from pytest_benchgate.race.building import extensions, git, log, project
from pytest_benchgate.race.building.build import Builder, BuildFailed, Order
from pytest_benchgate.race.building.parallel import build_all
from pytest_benchgate.race.building.store import CacheError, Store, prepare_folder
from pytest_benchgate.race.events import Step
from pytest_benchgate.race.launching.plan import Side
from pytest_benchgate.race.sides import basis, head_tests
from pytest_benchgate.race.sides.absent import Absent
from pytest_benchgate.race.sides.files import Files
from pytest_benchgate.race.sides.sides import SIDES, Sides, SidesError
from pytest_benchgate.race.sides.temporary import make_folder
from pytest_benchgate.race.worker import home

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import ExitStack

    import pytest

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.building.build import Built
    from pytest_benchgate.race.events import Preparation
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.base import Base

# Files or folders that a note names.
SHOWN = 3


@dataclass(frozen=True)
class Trees:
    """The source trees of a revision and of the working tree, and their builds.

    Attributes
    ----------
    scratch : Path
        The folder in which they are checked out, as base and head.
    root : Path
        Pytest's rootdir within a tree.
    projects : tuple[Path, ...]
        The folder of the project within each side's tree; empty if there is nothing to build.
    base, head : git.Tree
        Git's names of them.
    files : Files
        What they have beside what git has of them; see --race-files.
    builder : Builder | None
        What has built them; None if there is nothing to build.
    built : tuple[Built, ...]
        The environments, by side; empty if there is nothing to build.
    notes : tuple[str, ...]
        What the user should know.

    """

    repository: git.Repository
    scratch: Path
    root: Path
    base: git.Tree
    head: git.Tree
    files: Files
    projects: tuple[Path, ...] = ()
    builder: Builder | None = None
    built: tuple[Built, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def are_one(self) -> bool:
        """Whether both sides are the working tree."""
        return self.base is self.head

    def names(self) -> list[str]:
        """Return the packages and modules that either side was built with."""
        return sorted({name for built in self.built for name in built.names})

    def environment(self, config: pytest.Config, side: str, tree: Path) -> dict[str, str]:
        """Return the environment variables for a worker of a side whose source tree is there; empty without builds."""
        if not self.built:
            return {}
        folders = [self.root, self.projects[SIDES.index(side)]]
        sources = [str((tree / folder).resolve()) for folder in folders]
        given = home.environment(self.names(), sources, config.getini("python_files"))
        if self.builder and os.environ.get("PYTHONDONTWRITEBYTECODE"):
            given["PYTHONPYCACHEPREFIX"] = str(self.builder.store.bytecode)
        return given

    def base_in(self, config: pytest.Config, tree: Path) -> Side:
        """Return base's side with its own source tree, checked out there."""
        python = self.built[0].python if self.built else Path(sys.executable)
        environment = self.environment(config, "base", tree)
        return Side("base", python, tree, temporary=tree.with_name(f"{tree.name}-tmp"), environment=environment)


def build(
    rootpath: Path,
    folder: Path | None,
    base: Base,
    race: RaceConfig,
    import_mode: str,
    reaper: Reaper,
    stack: ExitStack,
) -> Generator[Preparation, None, Trees]:
    """Check out both trees and build the project in a folder of the repository, or nothing if that is None.

    Raises SidesError, BuildFailed or git.GitError.
    """
    repository = base.repository
    root = rootpath.resolve().relative_to(repository.root)
    built = rootpath.resolve() if folder is None else repository.root / folder
    if import_mode != "importlib" and (package := _package_around(built, rootpath.resolve())):
        raise SidesError(
            f"{package} itself is a package, by its __init__.py, so that pytest imports the tests, and what they "
            "import from it, by the name of that folder, which a build does not have: remove that file, or use "
            "--import-mode=importlib"
        )
    source = (rootpath / race.files_root).resolve() if race.files_root else repository.root.resolve()
    chosen = Files.matching(race.files, source, root)
    if folder is not None:
        try:
            # Before git looks for the files of head.
            prepare_folder(race.builds)
        except CacheError as error:
            raise SidesError(str(error)) from error
    trees = _check_out(base, race, root, chosen, make_folder(reaper))
    if folder is None:
        trees = dataclasses.replace(trees, notes=extensions.unbuilt(trees.scratch / "head" / root))
    else:
        trees = yield from _build(_with_builder(trees, folder, race, reaper, stack))
    if not chosen.paths:
        return trees
    # Not earlier: a build leaves only what git has.
    yield Step(f"copying {chosen}, of --race-files, to both sides")
    notes = [
        f"{name}: --race-files leaves {path} as {name}'s commit has it"
        for name in SIDES
        for path in chosen.copy(trees.scratch / name)
    ]
    return dataclasses.replace(trees, notes=(*trees.notes, *notes))


def _package_around(project: Path, root: Path) -> Path | None:
    """Return the package that a project lies in, or is, if pytest imports the tests below its rootdir through it."""
    for folder in (root, *root.parents):
        if not (folder / "__init__.py").is_file():
            return None
        if project.is_relative_to(folder):
            return folder
    return None


def _check_out(base: Base, race: RaceConfig, root: Path, chosen: Files, scratch: Path) -> Trees:
    """Check out both trees in a folder."""
    repository = base.repository
    head = repository.check_out_working_tree(scratch / "head")
    if race.base == RELINKED:
        shutil.copytree(scratch / "head", scratch / "base", symlinks=True)
    else:
        repository.check_out(base.tree, scratch / "base")
    return Trees(repository, scratch, root, head if race.base == RELINKED else base.tree, head, chosen)


def _with_builder(trees: Trees, folder: Path, race: RaceConfig, reaper: Reaper, stack: ExitStack) -> Trees:
    """Return the trees with what builds the project in a folder of the repository, and its folders in both."""
    tree = trees.scratch / "base"
    base_folder = folder if project.find(tree / folder, Path()) else project.find(tree, trees.root)
    if base_folder is None:
        raise SidesError(
            f"{trees.base.label} has no project to build in {folder}, by pyproject.toml or setup.py; race an "
            "environment that has it installed: --race-base-python"
        )
    store = Store(race.builds, reaper, stack, oldest=time.time() if race.rebuild else 0.0)
    builder = Builder(store, race.environment, race.before_build)
    return dataclasses.replace(trees, projects=(base_folder, folder), builder=builder)


def _build(trees: Trees) -> Generator[Preparation, None, Trees]:
    """Build both sides; see `build`."""
    builder = trees.builder
    assert builder is not None  # noqa: S101  # the caller has added it
    orders = _orders(trees, trees.scratch)
    for order in orders:
        try:
            project.check_python(order.source / order.project)
        except project.ProjectError as error:
            raise BuildFailed(f"{order.who} {error}") from error
    if trees.are_one:
        built = tuple((yield from build_all(builder, orders[1:]))) * 2
    else:
        built = tuple((yield from build_all(builder, orders)))
    builder.store.prune()
    # The sources there are this session's, and so are their bytecode files.
    builder.store.reaper.watch(builder.store.bytecode / trees.scratch.relative_to(trees.scratch.anchor))
    for name, environment in zip(SIDES, built, strict=True):
        if not environment.names:
            raise SidesError(
                f"the wheel that was built of {name} has no module, so that only the source tree could be raced; check "
                "the packages and modules in the build's configuration"
            )
    try:
        notes = extensions.compare([order.source / order.project for order in orders], built)
    except extensions.Lacking as error:
        raise SidesError(str(error)) from error
    return dataclasses.replace(trees, built=built, notes=notes)


def _orders(trees: Trees, folder: Path) -> list[Order]:
    """Return the orders to build both sides, whose source trees are in a folder."""
    return [
        Order(folder / name, project, tree.tree, f"{name}, {tree.label}", trees.repository.root)
        for name, project, tree in zip(SIDES, trees.projects, (trees.base, trees.head), strict=True)
    ]


def build_again(trees: Trees, flags: Sequence[tuple[str, ...]]) -> Generator[Preparation, None, list[Built]]:
    """Build base and head with other flags; return their environments. Raises BuildFailed."""
    assert trees.builder is not None  # noqa: S101  # it has built them already
    folder = trees.scratch / "again"
    if not folder.exists():
        # Not in the trees themselves, where base's has head's tests by now.
        for name in SIDES:
            ignore = partial(trees.files.are_in, trees.scratch / name)
            shutil.copytree(trees.scratch / name, folder / name, symlinks=True, ignore=ignore)
            git.clean(folder / name)
    orders = [
        dataclasses.replace(order, flags=added) for order, added in zip(_orders(trees, folder), flags, strict=True)
    ]
    return (yield from build_all(trees.builder, orders))


def of_revisions(config: pytest.Config, race: RaceConfig, files: Sequence[Path], trees: Trees, reaper: Reaper) -> Sides:
    """Return the sides of a race over the tests in these files (paths relative to rootdir)."""
    scratch, root, base, head = trees.scratch, trees.root, trees.base, trees.head
    found = None
    if basis.may_differ(scratch / "head", base, head):
        found = basis.read(config, trees.base_in(config, scratch / "base"), scratch / "base" / root, reaper)
        race = found.applied(race)
    changed = head_tests.copy(config, files, scratch, root) if race.tests == "head" else []
    pythons = [built.python for built in trees.built] or [Path(sys.executable)] * 2
    homes = [(built.folder.resolve(),) for built in trees.built] or [(scratch / name,) for name in SIDES]
    sides = [_side(config, trees, name, python, files) for name, python in zip(SIDES, pythons, strict=True)]

    def unmodified_base() -> Side:
        tree = scratch / "own"
        if not tree.exists():
            trees.repository.check_out(base, tree)
            trees.files.copy(tree)
        known_only = found is not None and found.known_only
        return basis.own_side(config, trees.base_in(config, tree), tree / root, known_only=known_only)

    def is_new(file: str, function: str) -> bool:
        text = trees.repository.text(base, (root / file).as_posix())
        return text is None or function not in head_tests.functions(text)

    notes = [*trees.notes, *_new_files(head), *(found.notes if found else ())]
    if base.tree == head.tree and not trees.are_one:
        notes.append("base and head are the same source tree: this is a null race")
    elif changed:
        shown = ", ".join(map(str, changed[:SHOWN])) + (" ..." if len(changed) > SHOWN else "")
        notes.append(f"head's tests are run on both sides; they differ from base's own: {shown}")
    return Sides(
        (sides[0], sides[1]),
        ("itself, with its functions in other places" if trees.are_one else base.label, head.label),
        tuple(trees.names() or sorted(head_tests.modules((scratch / "base" / root, scratch / "head" / root)))),
        (homes[0], homes[1]),
        f"--race={RELINKED if trees.are_one else shlex.quote(base.commit)}",
        tuple(notes),
        tuple(changed),
        is_new,
        null=base.tree == head.tree,
        trees=(base.tree, head.tree),
        commits=(base.revision, log.commit(trees.repository.root, head.revision) if head.revision else None),
        basis=found,
        unmodified_base=unmodified_base,
        absent=Absent(trees.files.source, root, {side.name: (scratch / side.name, side.folder) for side in sides}),
    )


def _new_files(head: git.Tree) -> list[str]:
    """Return a note on the files of head that its commit lacks, if any: what builds leave may be among them."""
    if not head.new:
        return []
    count, places = len(head.new), [*dict.fromkeys("".join(path.partition("/")[:2]) for path in head.new)]
    shown = ", ".join(places[:SHOWN]) + (", ..." if len(places) > SHOWN else "")
    what = "a file that is" if count == 1 else f"{count} files that are"
    return [f"head has {what} neither committed nor ignored: {shown}"]


def _side(config: pytest.Config, trees: Trees, name: str, python: Path, files: Sequence[Path]) -> Side:
    """Return a side whose workers start in its copy of the session's current directory, if that exists there."""
    root = trees.scratch / name / trees.root
    present = [path for path in files if (root / path).is_file()]
    cwd = root
    with contextlib.suppress(ValueError):
        cwd = root / config.invocation_params.dir.relative_to(config.rootpath)
    temporary = trees.scratch / f"{name}-tmp"
    temporary.mkdir()
    given = arguments(config, root, present, temporary)
    environment = trees.environment(config, name, trees.scratch / name)
    return Side(name, python, cwd if cwd.is_dir() else root, given, temporary, environment)
