"""The home of a raced project: the environment that its wheel is installed into precedes every other place.

pytest puts the root folder, `pythonpath`, the folder of a conftest.py and, as `python -m pytest`, the working directory
before what is installed, and an editable install puts the source tree there. A source tree has the .py files but not
the extension modules, so that both sides would run the same pure Python. A Home is therefore the first finder on
sys.meta_path: the project's modules come from its environment, and its tests from the source tree.

Each environment has a copy of this file, whose .pth file installs the finder before anything can be imported, also in
the processes that a test starts. So it uses only the standard library, and imports little of that.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from functools import cache
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.machinery import ModuleSpec
    from importlib.metadata import Distribution, DistributionFinder

# Environment variable with JSON: {"roots": [of both sides], "folders": [of the source tree], "patterns": [...]}.
SOURCES = "BENCHGATE_SOURCES"
# Names of folders that belong to the tests.
TESTS = re.compile(r"(tests?|bench(es|marks?|marking)?|perf)", re.IGNORECASE)
# pytest's default names of test files.
DEFAULT = ("test_*.py", "*_test.py")
# pytest's own finder, which must go on rewriting the tests' assertions.
REWRITER = "_pytest.assertion.rewrite"


class Home:
    """A finder of a project's modules, for the first place on sys.meta_path.

    Parameters
    ----------
    folder : str
        The site-packages that the project's wheel is installed into.
    roots : Iterable[str]
        The project's packages and modules by their dotted names, such as "kern" or "space.kern" in a namespace.
    folders : Iterable[str]
        Of the source tree, with the tests: pytest's root folder, and that of the project.
    patterns : Iterable[str]
        The names of test files, as in pytest's python_files.

    """

    def __init__(
        self, folder: str, roots: Iterable[str], folders: Iterable[str] = (), patterns: Iterable[str] = DEFAULT
    ) -> None:
        self.folder = os.path.realpath(folder)
        self.roots = tuple(sorted(roots))
        self._folders = tuple(dict.fromkeys(os.path.realpath(one) for one in folders))
        self._is_test_file = _matcher(patterns)
        self._are_tests: dict[str, bool] = {}
        self._checked: set[tuple[str, str]] = set()
        self._foreign: dict[str, str] = {}

    def first(self) -> None:
        """Precede all other finders, including those that were put first since the last call."""
        if sys.meta_path[:1] != [self]:
            sys.meta_path[:] = [self, *(finder for finder in sys.meta_path if finder is not self)]

    def prepare(self, import_mode: str) -> None:
        """Precede all other finders, and import the parents of tests if pytest would load them from the source tree.

        With --import-mode=importlib it does, unless they are imported already.
        """
        self.first()
        for root in self.roots if import_mode == "importlib" else ():
            if self.has_tests(root):
                # The tests will fail with the same error.
                with contextlib.suppress(Exception):
                    importlib.import_module(root)

    def remove(self) -> None:
        """Remove this finder."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def invalidate_caches(self) -> None:
        """Do nothing, as there is no cache; finders must have this method."""

    def owns(self, name: str) -> bool:
        """Return whether a module, by its dotted name, belongs to the project."""
        return name.startswith(self.roots) and any(name == root or name.startswith(f"{root}.") for root in self.roots)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module of the project, or of its tests; None for all others.

        Raises ModuleNotFoundError for a module that is in the source tree and not in the wheel.
        """
        full = self._full(name)
        *parents, last = full.split(".")
        if not self.owns(full):
            # A namespace, which may be nowhere else: the session does not have this folder on its path.
            namespace = any(root.startswith(f"{full}.") for root in self.roots)
            places = [*(sys.path if path is None else path), os.path.join(self.folder, *parents)]
            return PathFinder.find_spec(name, places, target) if namespace else None
        tests = next((place for place in self._in_sources(parents, last) if self._holds_tests(place, last)), None)
        if tests is not None and (spec := _find(name, [tests], target)):
            return spec
        # A package may extend its path; folders of the source tree must not be found through it.
        others = [one for one in path or () if not self._is_source(os.path.realpath(one))]
        if spec := _find(name, [os.path.join(self.folder, *parents), *others], target):
            return spec
        for place in self._in_sources(parents, last):
            raise ModuleNotFoundError(
                f"No module named {name!r}: it is not in the wheel that was built, and {place} is not installed; add "
                "it to the wheel or, if it belongs to the tests, move it to their folder",
                name=name,
            )
        # A module that only the other side has may be installed in the session's environment.
        if full in self.roots:
            raise ModuleNotFoundError(f"No module named {name!r}: this side of the race has none", name=name)
        return None

    def _full(self, name: str) -> str:
        """Return the name in the wheel of a module.

        pytest imports a package in a namespace, if it has tests in it, as kern in place of space.kern.
        """
        top, dot, rest = name.partition(".")
        for root in self.roots:
            parents, _, last = root.rpartition(".")
            if parents and last == top and top not in self.roots:
                spec = PathFinder.find_spec(top)
                place = os.path.dirname(os.path.dirname(os.path.realpath(spec.origin))) if spec and spec.origin else ""
                if self._is_source(place) and place.endswith(os.path.join(os.sep, *parents.split("."))):
                    return f"{root}{dot}{rest}"
        return name

    def find_distributions(self, context: DistributionFinder.Context) -> Iterator[Distribution]:
        """Yield the project's metadata, such as its version, if this environment is not on the path."""
        from importlib.metadata import MetadataPathFinder

        if "path" not in vars(context) and self.folder not in map(os.path.realpath, sys.path):
            wanted = MetadataPathFinder.Context(name=context.name, path=[self.folder])
            yield from MetadataPathFinder.find_distributions(wanted)

    def complaint(self) -> str | None:
        """Return an error message if a module of the project was loaded from elsewhere, else None."""
        for name, file in self.foreign().items():
            return (
                f"{name} is {file}, which is not part of the build that is raced ({self.folder}). It was found through "
                f"{_how(file)}. Import the project by its installed name, and only the tests from the source tree"
            )
        return None

    def foreign(self) -> dict[str, str]:
        """Return the modules that seem to be the project's, but were loaded from elsewhere, with their files."""
        # Hundreds of files share some folders, about each of which, and those above it, the system is asked.
        real_folder = cache(os.path.realpath)
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and (name, file) not in self._checked:
                self._checked.add((name, file))
                folder, last = os.path.split(file)
                real = os.path.realpath(file) if os.path.islink(file) else os.path.join(real_folder(folder), last)
                if self._is_foreign(name, real):
                    self._foreign[name] = file
        return self._foreign

    def _is_foreign(self, name: str, file: str) -> bool:
        if self.is_home(file) or self.is_test(file):
            return False
        if not self.owns(name):
            # The tests import it by another name, such as src.kern.
            return self._is_source(file) and self._in_wheel(file)
        # Another distribution may share the package, and have other modules in it.
        return self._is_source(file) or _exists(os.path.join(self.folder, *name.split(".")))

    def is_test(self, file: str) -> bool:
        """Return whether a file of the source tree is a test, a conftest.py, or in a folder of tests."""
        # Each of them, as pytest's root folder may itself be the folder of tests.
        for folder in self._folders:
            if _within(file, folder):
                above = os.path.relpath(file, folder).split(os.sep)[:-1]
                places = [os.path.join(folder, *above[: index + 1]) for index in range(len(above))]
                if self._is_test_file(file) or any(map(self._is_test_folder, places)):
                    return True
        return False

    def has_tests(self, root: str) -> bool:
        """Return whether the source tree has tests in this package, which import it as their parent."""
        *parents, last = root.split(".")
        return any(
            self._is_test_file(os.path.join(place, file))
            for top in self._in_sources(parents, last)
            for place, _, files in os.walk(os.path.join(top, last))
            for file in files
        )

    def _in_sources(self, parents: list[str], last: str) -> Iterator[str]:
        """Yield the folders of the source tree that have a module."""
        on_path = [os.path.realpath(one) for one in sys.path if one]
        tops = [*self._folders, *(one for one in on_path if self._is_source(one))]
        below = [os.path.join(folder, name) for folder in self._folders for name in ("src", "lib", "python")]
        for top in dict.fromkeys([*tops, *below]):
            place = os.path.join(top, *parents)
            if os.path.isfile(os.path.join(place, f"{last}.py")) or os.path.isdir(os.path.join(place, last)):
                yield place

    def _holds_tests(self, place: str, last: str) -> bool:
        """Return whether a module in a folder of the source tree belongs to the tests."""
        path = os.path.join(place, last)
        if os.path.isdir(path):
            return self._is_test_folder(path) or self.is_test(path)
        return self.is_test(f"{path}.py")

    def _is_test_folder(self, folder: str) -> bool:
        """Return whether a folder of the source tree belongs to the tests, by its name and its content.

        A folder with a usual name does, unless it has no tests and is also in the wheel. Within a package, folders with
        other names, such as _tests or suite, do if they have tests.
        """
        if folder not in self._are_tests:
            name, in_wheel = os.path.basename(folder).lower(), self._in_wheel(folder)
            if TESTS.fullmatch(name):
                self._are_tests[folder] = not in_wheel or self._has_test_files(folder)
            else:
                named = not in_wheel or "test" in name or name.startswith("bench")
                self._are_tests[folder] = named and self._is_in_package(folder) and self._lists_test_files(folder)
        return self._are_tests[folder]

    def _is_in_package(self, folder: str) -> bool:
        """Return whether a folder of the source tree is in one of the project's packages."""
        tails = [os.path.join(*root.split(".")) + os.sep for root in self.roots]
        return any(f"{os.sep}{tail}" in folder for tail in tails)

    def _lists_test_files(self, folder: str) -> bool:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return any(name != "conftest.py" and self._is_test_file(os.path.join(folder, name)) for name in names)

    def _has_test_files(self, folder: str) -> bool:
        """Return whether a folder has test files, apart from those in its folders of tests."""
        for place, folders, files in os.walk(folder):
            if any(self._is_test_file(os.path.join(place, file)) for file in files):
                return True
            folders[:] = [name for name in folders if not TESTS.fullmatch(name)]
        return False

    def _in_wheel(self, path: str) -> bool:
        """Return whether the wheel has the file or folder at this path of the source tree, under any parent folder."""
        for folder in self._folders:
            if _within(path, folder):
                parts = os.path.relpath(path, folder).split(os.sep)
                if any(os.path.exists(os.path.join(self.folder, *parts[index:])) for index in range(len(parts))):
                    return True
        return False

    def is_home(self, file: str) -> bool:
        """Return whether a file, by its real path, is in this environment."""
        return _within(file, self.folder)

    def _is_source(self, path: str) -> bool:
        return any(_within(path, folder) for folder in self._folders) and not self.is_home(path)


def install(roots: Iterable[str]) -> None:
    """Install a Home for the environment of this copy of the module; workers get its sources by a variable."""
    sources: dict[str, list[str]] = {"roots": [], "folders": [], "patterns": []}
    if given := os.environ.get(SOURCES):
        import json

        sources = json.loads(given)
    Home(os.path.dirname(__file__), {*roots, *sources["roots"]}, sources["folders"], sources["patterns"]).first()


def environment(roots: Iterable[str], folders: Iterable[str], patterns: Iterable[str]) -> dict[str, str]:
    """Return the environment variables that tell a process what is raced, and where its sources and tests are."""
    import json

    return {SOURCES: json.dumps({"roots": [*roots], "folders": [*folders], "patterns": [*patterns]})}


def installed() -> Home | None:
    """Return this process's Home, if any: of this class, or of the class in the environment's copy of this module."""
    return next((finder for finder in sys.meta_path if type(finder).__name__ == Home.__name__), None)  # type: ignore[return-value]


def _how(file: str) -> str:
    """Return why a module precedes the one that was built, as far as can be told."""
    real = os.path.realpath(file)
    for finder in sys.meta_path:
        module = type(finder).__module__ if not isinstance(finder, type) else finder.__module__
        if "editable" in module:
            return f"the finder of an editable install, {module}"
    entries = [one for one in sys.path if one and _within(real, os.path.realpath(one))]
    if not entries:
        return "code that loads it by its path, or another finder"
    entry = max(entries, key=len)
    if entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        return f"{entry} in PYTHONPATH"
    return (
        f"{entry} on sys.path: by pytest for the tests in it, by `pythonpath` in its configuration, or by a conftest.py"
    )


def _find(name: str, places: list[str], target: Any) -> ModuleSpec | None:
    """Return the spec of a module in the first of these folders that has it; pytest rewrites assertions of tests."""
    for finder in sys.meta_path:
        if type(finder).__module__ == REWRITER and (spec := finder.find_spec(name, places, target)):
            return spec
    return PathFinder.find_spec(name, places, target)


def _matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a path is a conftest.py or a test file, by pytest's rules for python_files.

    A pattern that matches any file, such as *.py, does not distinguish tests from the project's modules.
    """
    import fnmatch

    telling = [one for one in patterns if not fnmatch.fnmatch("__init__.py", one.rsplit("/", 1)[-1])]
    wanted = [*(telling or DEFAULT), "conftest.py"]
    names = [re.compile(fnmatch.translate(one)).match for one in wanted if "/" not in one]
    paths = [re.compile(fnmatch.translate(f"*/{one.lstrip('/')}")).match for one in wanted if "/" in one]
    return lambda path: any(match(os.path.basename(path)) for match in names) or any(match(path) for match in paths)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _exists(module: str) -> bool:
    """Return whether there is a module or a package at a path without a suffix."""
    folder, name = os.path.split(module)
    return PathFinder.find_spec(name, [folder]) is not None
