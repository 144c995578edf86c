"""Where the two sides of a race come from: a revision and the working tree, two environments, or one build twice."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.race.arguments import arguments
from pytest_benchgate.race.building import extensions, git
from pytest_benchgate.race.building.build import Builder, Order, check_python, find_project
from pytest_benchgate.race.building.installed import project_name
from pytest_benchgate.race.building.parallel import build_all
from pytest_benchgate.race.building.store import CacheError, Store, prepare_folder
from pytest_benchgate.race.launching.process import Side
from pytest_benchgate.race.sides import basis
from pytest_benchgate.race.worker import home
from pytest_benchgate.race.worker.home import TESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    import pytest

    from pytest_benchgate.options import RaceConfig
    from pytest_benchgate.race.building.build import Built
    from pytest_benchgate.race.reaper import Reaper
    from pytest_benchgate.race.sides.basis import Basis

SIDES = ("base", "head")
HAS = """
import importlib.metadata as m, json, sys
try:
    import pytest_benchgate, pytest_benchmark, pytest
except ImportError as error:
    sys.exit(f"{error}")
found = {}
for d in m.distributions():
    if d.name:  # the first is the one that is imported
        found.setdefault(d.name, [d.version, [str(f) for f in d.files or ()]])
print(json.dumps(found))
"""


class SidesError(Exception):
    """A race that cannot be set up, with what to do about it."""


@dataclass(frozen=True)
class Field:
    """The two sides, ready to start.

    Attributes
    ----------
    sides: base and head.
    labels: how each is called in reports.
    names: the top-level modules that are raced; none where that is not known.
    homes: the folders from which each side's raced modules must come; none where any will do.
    repeat: the option that repeats this race.
    notes: what a person should know of it.
    is_new: whether a test, by its file and function, is not in base's own tree.
    null: whether both sides are known to be the same.
    trees: git's hashes of the two source trees; empty without a repository.
    basis: what base's own tree says; None where head's says the same, or there is no such tree.
    own: gives the side whose worker runs base's own tests in base's own tree; None where there is no such tree.

    """

    sides: tuple[Side, Side]
    labels: tuple[str, str]
    names: tuple[str, ...]
    homes: tuple[tuple[Path, ...], tuple[Path, ...]]
    repeat: str
    notes: tuple[str, ...] = ()
    is_new: Callable[[str, str], bool] = lambda file, function: False  # noqa: ARG005
    null: bool = False
    trees: tuple[str, str] = ("", "")
    basis: Basis | None = None
    own: Callable[[], Side] | None = None


def prepare(
    config: pytest.Config, race: RaceConfig, files: Sequence[Path], reaper: Reaper, trees: Trees | None
) -> Field:
    """Return the sides of a race over the tests in these files (paths relative to pytest's rootdir).

    `trees` are those of a race between revisions. Raises SidesError.
    """
    if trees is not None:
        return _from_git(config, race, files, trees, reaper)
    scratch = Path(tempfile.mkdtemp(prefix="race-")).resolve()
    reaper.watch(scratch)
    return _in_place(config, race, files, scratch)


def _in_place(config: pytest.Config, race: RaceConfig, files: Sequence[Path], scratch: Path) -> Field:
    """Race two environments, or one with itself, over the tests as they lie."""
    pythons = (race.base_python or Path(sys.executable), Path(sys.executable))
    sides = tuple(
        Side(
            name,
            python,
            config.invocation_params.dir,
            arguments(config, config.rootpath, files, scratch / name),
            scratch / name,
        )
        for name, python in zip(("base", "head"), pythons, strict=True)
    )
    for side in sides:
        (scratch / side.name).mkdir()
    if not race.base_python:
        label = "this environment"
        return Field((sides[0], sides[1]), (label, label), _own_names(config), ((), ()), "--race=self", null=True)
    base, head = (_distributions(python) for python in pythons)
    differ = sorted(name for name in base.keys() & head.keys() if base[name][0] != head[name][0])
    project = project_name(config.rootpath)
    names = sorted(
        {top for name in [*differ, project] for side in (base, head) for top in _tops(side.get(name, ("", []))[1])}
    )
    if all(name.startswith("__editable__") for name in names):  # what is not installed as files is looked for here
        names = sorted(_sources((config.rootpath,)))
    notes = [f"{name}: {base[name][0]} in base, {head[name][0]} in head" for name in differ]
    if not differ:
        notes.append("both environments have the same versions of everything")
    return Field(
        (sides[0], sides[1]),
        (str(pythons[0]), str(pythons[1])),
        tuple(names),
        ((), ()),
        f"--race-base-python={shlex.quote(str(race.base_python))}",
        tuple(notes),
    )


@dataclass(frozen=True)
class Trees:
    """The source trees of a revision and of the working tree, and what was built of them.

    Attributes
    ----------
    scratch: the folder in which they are checked out, as base and head.
    root: pytest's rootdir within a tree.
    projects: the folder of the project within each side's tree; none where there is nothing to build.
    base, head: git's names of them.
    built: the environments, by side; none where there is nothing to build.
    notes: what a person should know of them.

    """

    repository: git.Repository
    scratch: Path
    root: Path
    projects: tuple[Path, ...]
    base: git.Tree
    head: git.Tree
    built: tuple[Built, ...] = ()
    notes: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Return the packages and modules that either side was built with."""
        return sorted({name for built in self.built for name in built.names})

    def sources(self, side: str, tree: Path) -> list[str]:
        """Return the folders of a side's tree, checked out there, in which its tests and modules lie."""
        folders = [self.root, *self.projects[SIDES.index(side) :][:1]]
        return [str((tree / folder).resolve()) for folder in folders]


def build(
    rootpath: Path,
    project: Path | None,
    race: RaceConfig,
    import_mode: str,
    reaper: Reaper,
    stack: ExitStack,
    say: Callable[[str], None],
    show: Callable[[str], None],
) -> Trees:
    """Check both trees out and build the project, a folder of the repository; with none, there is nothing to build.

    `say` gets a line for each step, `show` what goes on. Raises SidesError, BuildFailed or git.GitError.
    """
    repository = git.Repository.around(rootpath)
    root = rootpath.relative_to(repository.root)
    base = repository.resolve(race.base or "")
    if (rootpath / "__init__.py").is_file() and import_mode != "importlib":
        raise SidesError(
            f"{rootpath} is a package itself, by its __init__.py, so that pytest imports the tests, and what they "
            "import from it, by the name of that folder, which a build has not: remove that file, or use "
            "--import-mode=importlib"
        )
    if project is not None:
        try:
            prepare_folder(race.builds)  # before git looks for what belongs to head
        except CacheError as error:
            raise SidesError(str(error)) from error
    scratch = Path(tempfile.mkdtemp(prefix="race-")).resolve()
    reaper.watch(scratch)
    repository.check_out(base, scratch / "base")
    head = repository.check_out_working_tree(scratch / "head")
    trees = Trees(repository, scratch, root, (), base, head)
    if project is None:
        return dataclasses.replace(trees, notes=extensions.unbuilt(scratch / "head" / root))
    there = project if find_project(scratch / "base" / project, Path()) else find_project(scratch / "base", root)
    if there is None:
        raise SidesError(
            f"{base.label} has no project to build in {project}, as pyproject.toml or setup.py would make it; race an "
            "environment that has it installed: --race-base-python"
        )
    store = Store(race.builds, reaper, stack, oldest=time.time() if race.rebuild else 0.0)
    orders = [
        Order(scratch / name, folder, tree.tree, f"{name}, {tree.label}", repository.root)
        for name, folder, tree in zip(SIDES, (there, project), (base, head), strict=True)
    ]
    for order in orders:
        check_python(order)
    built = tuple(build_all(Builder(store, say, race.environment), orders, say, show))
    store.prune()
    for name, one in zip(SIDES, built, strict=True):
        if not one.names:
            raise SidesError(
                f"the wheel that was built of {name} has no module, so that only the source tree could be raced; see "
                "which packages and modules the build's configuration names"
            )
    try:
        notes = extensions.compare([scratch / "base" / there, scratch / "head" / project], built)
    except extensions.Lacking as error:
        raise SidesError(str(error)) from error
    return dataclasses.replace(trees, projects=(there, project), built=built, notes=notes)


def _from_git(config: pytest.Config, race: RaceConfig, files: Sequence[Path], trees: Trees, reaper: Reaper) -> Field:
    """Race a revision and the working tree, each built into an environment of its own."""
    scratch, root, base, head = trees.scratch, trees.root, trees.base, trees.head
    pythons = [built.python for built in trees.built] or [Path(sys.executable)] * 2
    homes = [(built.folder.resolve(),) for built in trees.built] or [(scratch / name,) for name in ("base", "head")]
    names = trees.names()
    found = None
    if basis.may_differ(scratch / "head", base, head):
        found = basis.read(config, _base_in(config, trees, scratch / "base"), scratch / "base" / root, reaper)
        race = found.applied(race)
    changed = _lay_tests(config, files, scratch, root) if race.tests == "head" else []
    sides = [
        dataclasses.replace(
            _side(config, name, python, scratch / name / root, files, scratch / f"{name}-tmp"),
            environment=_home(config, trees, name, scratch / name),
        )
        for name, python in zip(("base", "head"), pythons, strict=True)
    ]

    def own() -> Side:
        if not (scratch / "own").exists():
            trees.repository.check_out(base, scratch / "own")
        side, known_only = _base_in(config, trees, scratch / "own"), found is not None and found.known_only
        return basis.own_side(config, side, scratch / "own" / root, known_only=known_only)

    notes = [*trees.notes, *(found.notes if found else ())]
    if base.tree == head.tree:
        notes.append("base and head are the same source tree: this is a null race")
    elif changed:
        shown = ", ".join(map(str, changed[:3])) + (" ..." if len(changed) > 3 else "")  # noqa: PLR2004
        notes.append(f"head's tests are run on both sides; they differ from base's own: {shown}")

    def is_new(file: str, function: str) -> bool:
        text = trees.repository.has(base, (root / file).as_posix())
        return text is None or function not in _functions(text)

    return Field(
        (sides[0], sides[1]),
        (base.label, head.label),
        tuple(names or sorted(_sources((scratch / "base" / root, scratch / "head" / root)))),
        (homes[0], homes[1]),
        f"--race={shlex.quote(base.commit)}",
        tuple(notes),
        is_new,
        null=base.tree == head.tree,
        trees=(base.tree, head.tree),
        basis=found,
        own=own,
    )


def _home(config: pytest.Config, trees: Trees, side: str, tree: Path) -> dict[str, str]:
    """Return what tells a side's worker where its source tree is, if the project comes from a build."""
    if not trees.built:
        return {}
    return home.environment(trees.names(), trees.sources(side, tree), config.getini("python_files"))


def _base_in(config: pytest.Config, trees: Trees, tree: Path) -> Side:
    """Return base's side with its own tree, checked out there."""
    python = trees.built[0].python if trees.built else Path(sys.executable)
    environment = _home(config, trees, "base", tree)
    return Side("base", python, tree, temporary=tree.with_name(f"{tree.name}-tmp"), environment=environment)


def _lay_tests(config: pytest.Config, files: Sequence[Path], scratch: Path, root: Path) -> list[Path]:
    """Lay head's tests over base's; return those that differed."""
    changed = [path for path in _tests(config, files) if _differs(scratch, root / path)]
    git.overlay(scratch / "head", scratch / "base", [root / path for path in changed])
    return changed


def _side(config: pytest.Config, name: str, python: Path, folder: Path, files: Sequence[Path], temporary: Path) -> Side:
    """Return the side whose project lies in folder; its workers start where the session did, if that is there."""
    here = [path for path in files if (folder / path).is_file()]
    cwd = folder
    with contextlib.suppress(ValueError):
        cwd = folder / config.invocation_params.dir.relative_to(config.rootpath)
    temporary.mkdir()
    return Side(name, python, cwd if cwd.is_dir() else folder, arguments(config, folder, here, temporary), temporary)


def _differs(scratch: Path, path: Path) -> bool:
    base, head = scratch / "base" / path, scratch / "head" / path
    if not head.exists():
        return False
    if head.is_dir():
        if not base.is_dir():
            return True
        inside = {one.relative_to(side) for side in (base, head) for one in side.rglob("*") if one.is_file()}
        inside = {one for one in inside if "__pycache__" not in one.parts}  # base's own tests were collected before
        return any(_differs_file(base / one, head / one) for one in inside)
    return _differs_file(base, head)


def _differs_file(base: Path, head: Path) -> bool:
    return not (base.is_file() and head.is_file()) or base.read_bytes() != head.read_bytes()


def _tests(config: pytest.Config, files: Sequence[Path]) -> list[Path]:
    """Return what belongs to the tests: their files, each conftest.py above, their folders, pytest's configuration."""
    found: dict[Path, None] = {}
    for file in files:
        for folder in [*file.parents][::-1]:
            if TESTS.fullmatch(folder.name):
                found[folder] = None
                break
            found[folder / "conftest.py"] = None
        else:
            found[file] = None
    if config.inipath and config.inipath.is_relative_to(config.rootpath):
        found[config.inipath.relative_to(config.rootpath)] = None
    return [path for path in found if (config.rootpath / path).exists()]


def _functions(text: str) -> set[str]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set()
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _sources(roots: Sequence[Path]) -> set[str]:
    """Return the top-level modules of trees that are not built: what lies at a root or in src, but for the tests."""
    return {
        path.stem
        for root in roots
        for place in (root, root / "src")
        for path in [*place.glob("*.py"), *(one.parent for one in place.glob("*/__init__.py"))]
        if not TESTS.fullmatch(path.stem)
        and path.stem not in {"conftest", "setup"}
        and not path.stem.startswith("test_")
    }


def _distributions(python: Path) -> dict[str, tuple[str, list[str]]]:
    """Return the version and the files of each distribution that an environment has."""
    try:
        done = subprocess.run([str(python), "-P", "-c", HAS], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise SidesError(f"--race-base-python: {python} cannot be run: {error}") from error
    if done.returncode:
        raise SidesError(
            f"--race-base-python: {python} lacks what a worker needs: {done.stderr.strip()}; "
            f"install pytest-benchgate, and what the tests import, there: {python} -m pip install pytest-benchgate"
        )
    return {re.sub(r"[-_.]+", "-", name).lower(): tuple(told) for name, told in json.loads(done.stdout).items()}


def _tops(files: Sequence[str]) -> set[str]:
    return {
        Path(file).parts[0].partition(".")[0]
        for file in files
        if file.endswith((".py", ".so")) and not file.startswith("..") and ".dist-info" not in file
    }


def _own_names(config: pytest.Config) -> tuple[str, ...]:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        if name := project_name(config.rootpath):
            return tuple(sorted(_tops([str(file) for file in importlib.metadata.files(name) or ()])))
    return ()
