"""The home of a raced project: the environment that its wheel is installed into, ahead of wherever else it could be.

pytest puts the root folder, `pythonpath`, the folder of a conftest.py and, as `python -m pytest`, the working directory
before what is installed, and an editable install puts the source tree there. A source tree has the .py files and not
the extension modules, so that both sides would run the same pure Python. A Home is therefore the first finder on
sys.meta_path: the project's modules come from its environment, and its tests from the source tree.

A copy of this file lies in each environment, whose .pth file installs the finder before anything can be imported, in
the processes that a test starts as well. So it needs nothing but the standard library, and imports little of that.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.machinery import ModuleSpec

SOURCES = "BENCHGATE_SOURCES"  # JSON: {"roots": [of both sides], "folders": [of the source tree], "patterns": [...]}
TESTS = re.compile(r"(tests?|bench(es|marks?|marking)?|perf)", re.IGNORECASE)  # folders that belong to their tests
DEFAULT = ("test_*.py", "*_test.py")  # names of test files, as pytest has them
REWRITER = "_pytest.assertion.rewrite"  # pytest's own finder, which goes on rewriting the tests' assertions


class Home:
    """A finder of a project's modules, for the first place on sys.meta_path.

    Parameters
    ----------
    folder: the site-packages that the project's wheel is installed into.
    roots: the project's packages and modules by their dotted names, such as "kern" or "space.kern" in a namespace.
    folders: of the source tree, where the tests are: the root of pytest, and that of the project.
    patterns: the names of test files, as pytest's python_files has them.

    """

    def __init__(
        self, folder: str, roots: Iterable[str], folders: Iterable[str] = (), patterns: Iterable[str] = DEFAULT
    ) -> None:
        self.folder = os.path.realpath(folder)
        self.roots = tuple(sorted(roots))
        self._folders = tuple(dict.fromkeys(os.path.realpath(one) for one in folders))
        self._is_test_file = _matcher(patterns)
        self._are_tests: dict[str, bool] = {}
        self._judged: set[tuple[str, str]] = set()
        self._strangers: dict[str, str] = {}

    def first(self) -> None:
        """Stand before all other finders, also those that were put first meanwhile."""
        if sys.meta_path[:1] != [self]:
            sys.meta_path[:] = [self, *(finder for finder in sys.meta_path if finder is not self)]

    def settle(self, import_mode: str) -> None:
        """Stand first, for pytest's sake: with --import-mode=importlib it loads a test's parents from beside the test.

        It does not where they are imported already.
        """
        self.first()
        for root in self.roots if import_mode == "importlib" else ():
            if self.has_tests(root):
                with contextlib.suppress(Exception):  # the tests will fail for it, and say so
                    importlib.import_module(root)

    def remove(self) -> None:
        """Be a finder no longer."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def invalidate_caches(self) -> None:
        """Have nothing to forget, as a finder must say."""

    def owns(self, name: str) -> bool:
        """Return whether a module, by its dotted name, is the project's."""
        return name.startswith(self.roots) and any(name == root or name.startswith(f"{root}.") for root in self.roots)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module of the project, or of its tests; None for all others.

        Raises ModuleNotFoundError for a module that the source tree has and the wheel has not.
        """
        if not self.owns(name):
            return None
        *parents, last = name.split(".")
        tests = next((place for place in self._in_sources(parents, last) if self._holds_tests(place, last)), None)
        if tests is not None and (spec := _find(name, [tests], target)):
            return spec
        # A package may have more folders than its own; those in the source tree are what must not be found.
        others = [one for one in path or () if not self._is_source(os.path.realpath(one))]
        if spec := _find(name, [os.path.join(self.folder, *parents), *others], target):
            return spec
        for place in self._in_sources(parents, last):
            raise ModuleNotFoundError(
                f"No module named {name!r}: the wheel that was built has none, and {place} is not installed; add it to "
                "the wheel, or, if it belongs to the tests, put it into their folder",
                name=name,
            )
        if name in self.roots:  # what the other side has, and is perhaps installed in the session's environment
            raise ModuleNotFoundError(f"No module named {name!r}: this side of the race has none", name=name)
        return None

    def complaint(self) -> str | None:
        """Return what to say where a module of the project was loaded from elsewhere, and what to do; None if none."""
        for name, file in self.strangers().items():
            return (
                f"{name} is {file}, which is not of the build that is raced ({self.folder}). It was found through "
                f"{_how(file)}. Import the project by its installed name, and leave the source tree to the tests"
            )
        return None

    def strangers(self) -> dict[str, str]:
        """Return the modules that are the project's, or look so, but were loaded from elsewhere, with their files."""
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and (name, file) not in self._judged:
                self._judged.add((name, file))
                if self._is_stranger(name, os.path.realpath(file)):
                    self._strangers[name] = file
        return self._strangers

    def _is_stranger(self, name: str, file: str) -> bool:
        if self.is_home(file) or self.is_test(file):
            return False
        if not self.owns(name):
            # The tests import it by another name, src.kern for one.
            return self._is_source(file) and self._twin(file)
        # Another distribution may share the package, and has modules there that the project has not.
        return self._is_source(file) or _exists(os.path.join(self.folder, *name.split(".")))

    def is_test(self, file: str) -> bool:
        """Return whether a file of the source tree is a test, a conftest.py, or lies in a folder of tests."""
        for folder in self._folders:
            if _within(file, folder):
                above = os.path.relpath(file, folder).split(os.sep)[:-1]
                places = [os.path.join(folder, *above[: index + 1]) for index in range(len(above))]
                return self._is_test_file(file) or any(map(self._is_test_folder, places))
        return False

    def has_tests(self, root: str) -> bool:
        """Return whether the source tree has tests within this root, which import it as their parent."""
        *parents, last = root.split(".")
        return any(
            self._is_test_file(os.path.join(place, file))
            for top in self._in_sources(parents, last)
            for place, _, files in os.walk(os.path.join(top, last))
            for file in files
        )

    def _in_sources(self, parents: list[str], last: str) -> Iterator[str]:
        """Return the folders of the source tree in which a module lies."""
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
        """Return whether a folder of the source tree is of tests: by its name, if it has some, or no twin in the wheel.

        Within a package another name will do, such as _tests or suite, for a folder that has tests.
        """
        if folder not in self._are_tests:
            name, twin = os.path.basename(folder).lower(), self._twin(folder)
            if TESTS.fullmatch(name):
                self._are_tests[folder] = not twin or self._has_test_files(folder)
            else:
                named = not twin or "test" in name or name.startswith("bench")
                self._are_tests[folder] = named and self._is_in_package(folder) and self._lists_test_files(folder)
        return self._are_tests[folder]

    def _is_in_package(self, folder: str) -> bool:
        """Return whether a folder of the source tree lies in one of the project's packages."""
        tails = [os.path.join(*root.split(".")) + os.sep for root in self.roots]
        return any(f"{os.sep}{tail}" in folder for tail in tails)

    def _lists_test_files(self, folder: str) -> bool:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return any(name != "conftest.py" and self._is_test_file(os.path.join(folder, name)) for name in names)

    def _has_test_files(self, folder: str) -> bool:
        """Return whether test files lie in a folder, without the folders of tests that it may have in turn."""
        for place, folders, files in os.walk(folder):
            if any(self._is_test_file(os.path.join(place, file)) for file in files):
                return True
            folders[:] = [name for name in folders if not TESTS.fullmatch(name)]
        return False

    def _twin(self, path: str) -> bool:
        """Return whether the wheel has what lies at this path of the source tree, in whatever folder the source is."""
        for folder in self._folders:
            if _within(path, folder):
                parts = os.path.relpath(path, folder).split(os.sep)
                return any(os.path.exists(os.path.join(self.folder, *parts[index:])) for index in range(len(parts)))
        return False

    def is_home(self, file: str) -> bool:
        """Return whether a file, by its real path, is of this environment's own."""
        return _within(file, self.folder)

    def _is_source(self, path: str) -> bool:
        return any(_within(path, folder) for folder in self._folders) and not self.is_home(path)


def install(roots: Iterable[str]) -> None:
    """Put the home that this copy of the module lies in first; where the sources are, a race's workers are told."""
    sources: dict[str, list[str]] = {"roots": [], "folders": [], "patterns": []}
    if given := os.environ.get(SOURCES):
        import json

        sources = json.loads(given)
    Home(os.path.dirname(__file__), {*roots, *sources["roots"]}, sources["folders"], sources["patterns"]).first()


def environment(roots: Iterable[str], folders: Iterable[str], patterns: Iterable[str]) -> dict[str, str]:
    """Return what tells a process, by its environment variables, what is raced, and where its sources and tests are."""
    import json

    return {SOURCES: json.dumps({"roots": [*roots], "folders": [*folders], "patterns": [*patterns]})}


def installed() -> Home | None:
    """Return this process's home, if it has one: of this class, or of that of the environment's copy of it."""
    return next((finder for finder in sys.meta_path if type(finder).__name__ == Home.__name__), None)  # type: ignore[return-value]


def _how(file: str) -> str:
    """Return what has put a module before the one that was built, as far as can be told."""
    real = os.path.realpath(file)
    for finder in sys.meta_path:
        module = type(finder).__module__ if not isinstance(finder, type) else finder.__module__
        if "editable" in module:
            return f"the finder of an editable install, {module}"
    entries = [one for one in sys.path if one and _within(real, os.path.realpath(one))]
    if not entries:
        return "code that loads it by its path, or a finder of its own"
    entry = max(entries, key=len)
    if entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        return f"{entry} in PYTHONPATH"
    return (
        f"{entry} on sys.path: by pytest for the tests in it, by `pythonpath` in its configuration, or by a conftest.py"
    )


def _find(name: str, places: list[str], target: Any) -> ModuleSpec | None:
    """Return the spec of a module in the first of these folders that has it; pytest may rewrite its assertions."""
    for finder in sys.meta_path:
        if type(finder).__module__ == REWRITER and (spec := finder.find_spec(name, places, target)):
            return spec
    return PathFinder.find_spec(name, places, target)


def _matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a path is of a conftest.py or a test file, by pytest's rules for python_files.

    A pattern that takes any file, such as *.py, does not tell a test from the project's own module.
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
