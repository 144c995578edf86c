"""Which modules a home gives: the project's own from the wheel, and its tests, by whatever name, from the tree."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.worker.home import DEFAULT, Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WHEEL = (
    "kern/__init__.py", "kern/core.py", "kern/perf/__init__.py", "kern/perf/fast.py", "kern/benchmark/__init__.py",
    "kern/benchmark/bench.py", "kern/tests/__init__.py", "kern/tests/_compiled.py", "kern/testsuite/__init__.py",
    "kern/testsuite/helper.py", "space/kern/__init__.py", "tests/__init__.py", "tests/helper.py", "one.py",
)  # fmt: skip
TREE = (
    *(f"src/{name}" for name in WHEEL if name not in {"kern/tests/_compiled.py", "tests/__init__.py", "tests/helper.py"}),
    "src/conftest.py", "src/kern/conftest.py", "src/kern/test_beside.py", "src/kern/tests/test_in.py", "src/kern/_cases/__init__.py",
    "src/kern/_cases/helper.py", "src/kern/_cases/test_case.py", "src/kern/testsuite/test_suite.py", "src/kern/forgotten.py",
    "src/space/kern/tests/__init__.py", "src/space/kern/tests/test_space.py", "tests/__init__.py", "tests/helper.py", "tests/test_top.py",
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Give what tells where a module comes from, by its path relative to the two folders' parent."""
    for folder, names in (("wheel", WHEEL), ("tree", TREE)):
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "tree" / "src"), str(tmp_path / "tree"), *sys.path])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = {*sys.modules}
    roots = ["kern", "space.kern", "tests", "one", "other"]
    home = Home(str(tmp_path / "wheel"), roots, [str(tmp_path / "tree")], DEFAULT)
    home.first()

    def find(name: str) -> str:
        module = importlib.import_module(name)
        assert home.foreign() == {}
        return str(module.__file__).removeprefix(f"{tmp_path}/")

    hidden = {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] in {"kern", "tests"}}
    yield find
    for name in {*sys.modules} - before:
        del sys.modules[name]
    sys.modules.update(hidden)


@pytest.mark.parametrize(
    "name",
    ["kern", "kern.core", "kern.perf.fast", "kern.benchmark.bench", "kern.tests._compiled", "space.kern", "one"],
)
def test_the_project_comes_from_the_wheel(place: Callable[[str], str], name: str) -> None:
    assert place(name).startswith(f"wheel/{name.replace('.', '/')}")


@pytest.mark.parametrize(
    "name",
    [
        "kern.conftest", "kern.test_beside", "kern.tests", "kern.tests.test_in", "kern._cases.helper", "kern._cases.test_case",
        "kern.testsuite.helper", "kern.testsuite.test_suite", "space.kern.tests.test_space", "tests.helper", "tests.test_top",
    ],
)  # fmt: skip
def test_tests_come_from_the_tree(place: Callable[[str], str], name: str) -> None:
    assert place(name).startswith("tree/")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("kern.forgotten", "it is not in the wheel that was built"),
        ("other", "this side of the race has none"),
        ("kern.no", "No module named"),
    ],
)
def test_what_the_wheel_lacks(place: Callable[[str], str], name: str, why: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=why):
        place(name)


def test_patterns_that_match_any_file_are_ignored(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "wheel"), ["kern"], [str(tmp_path / "tree")], ["*.py", "cases/*.py", "check_*.py"])
    told = {
        name: home.is_test(str(tmp_path / "tree" / name))
        for name in ("kern/core.py", "a/cases/x.py", "check_it.py", "kern/conftest.py", "test_it.py")
    }
    assert told == {
        "kern/core.py": False,
        "a/cases/x.py": False,
        "check_it.py": True,
        "kern/conftest.py": True,
        "test_it.py": False,
    }


def test_a_package_that_extends_its_path_finds_nothing_in_the_sources(tmp_path: Path) -> None:
    """As pkgutil.extend_path does, with the source tree on sys.path; other distributions may share the package."""
    for name in ("wheel/kern/__init__.py", "tree/kern/__init__.py", "tree/kern/_fast.py", "other/kern/more.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    home = Home(str(tmp_path / "wheel"), ["kern"], [str(tmp_path / "tree")], DEFAULT)
    path = [str(tmp_path / place / "kern") for place in ("wheel", "tree", "other")]
    with pytest.raises(ModuleNotFoundError, match="it is not in the wheel that was built"):
        home.find_spec("kern._fast", path)
    shared = home.find_spec("kern.more", path)
    assert shared is not None
    assert shared.origin == str(tmp_path / "other" / "kern" / "more.py")


def test_a_package_in_a_namespace_is_its_own_by_the_short_name_that_pytest_gives_it(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in zope.interface, whose tests are in the package: src/zope is put on the path."""
    for folder in ("wheel", "tree/src"):
        (tmp_path / folder / "space" / "deep").mkdir()
        (tmp_path / folder / "space" / "deep" / "__init__.py").write_text("")
    tests = tmp_path / "tree" / "src" / "space" / "deep" / "tests"
    tests.mkdir()
    for name in ("__init__.py", "test_deep.py"):
        (tests / name).write_text("")
    home = sys.meta_path[0]
    assert isinstance(home, Home)
    home.roots = (*home.roots, "space.deep")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "tree" / "src" / "space"), *sys.path])
    assert place("deep.tests.test_deep") == "tree/src/space/deep/tests/test_deep.py"
    assert sys.modules["deep"].__file__ == str(tmp_path / "wheel" / "space" / "deep" / "__init__.py")


def test_a_namespace_is_found_that_is_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session imports a project that is not installed, and has no folder on its path for it."""
    for name in ("wheel/space/deep/kern.py", "other/space/more.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "path", [*sys.path])
    Home(str(tmp_path / "wheel"), ["space.deep.kern"]).first()
    module = importlib.import_module("space.deep.kern")
    assert module.__file__ == str(tmp_path / "wheel" / "space" / "deep" / "kern.py")
    sys.path.append(str(tmp_path / "other"))
    assert importlib.import_module("space.more").__file__ == str(tmp_path / "other" / "space" / "more.py")
    for name in [name for name in sys.modules if name.partition(".")[0] == "space"]:
        del sys.modules[name]


@pytest.mark.parametrize("linked", ["elsewhere/kern.py", "elsewhere"])
def test_a_file_of_the_source_tree_is_recognised_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: str
) -> None:
    for name in ("wheel/kern.py", "tree/src/kern.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    link = tmp_path / linked
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "tree" / "src" / ("kern.py" if link.suffix else ""))
    home = Home(str(tmp_path / "wheel"), ["kern"], [str(tmp_path / "tree")])
    module = types.ModuleType("src.kern")
    monkeypatch.setitem(sys.modules, "src.kern", module)
    module.__file__ = str(tmp_path / "wheel" / "kern.py")
    assert home.foreign() == {}
    module.__file__ = str(tmp_path / "elsewhere" / "kern.py")
    assert home.foreign() == {"src.kern": module.__file__}
