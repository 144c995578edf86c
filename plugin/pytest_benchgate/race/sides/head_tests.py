"""Head's tests copied over base's tree, so that both sides run the same tests; and which files these are."""

from __future__ import annotations

import ast
import filecmp
from typing import TYPE_CHECKING

from pytest_benchgate.race.building import git
from pytest_benchgate.race.worker.home import TESTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest


def copy(config: pytest.Config, files: Sequence[Path], scratch: Path, root: Path) -> list[Path]:
    """Replace base's tests by head's; return those that differed.

    Parameters
    ----------
    files : Sequence[Path]
        The test files, relative to rootdir.
    scratch : Path
        The folder with both trees.
    root : Path
        Rootdir within a tree.

    """
    changed = [
        path for path in _tests(config, files) if _differs(scratch / "base" / root, scratch / "head" / root, path)
    ]
    git.replace(scratch / "head", scratch / "base", [root / path for path in changed])
    return changed


def _tests(config: pytest.Config, files: Sequence[Path]) -> list[Path]:
    """Return what belongs to the tests: their folders, or else files and each conftest.py above; the configuration."""
    paths: dict[Path, None] = {}
    for file in files:
        for folder in [*file.parents][::-1]:
            if TESTS.fullmatch(folder.name):
                paths[folder] = None
                break
            paths[folder / "conftest.py"] = None
        else:
            paths[file] = None
    if config.inipath and config.inipath.is_relative_to(config.rootpath):
        paths[config.inipath.relative_to(config.rootpath)] = None
    return [path for path in paths if (config.rootpath / path).exists()]


def _differs(base: Path, head: Path, path: Path) -> bool:
    """Return whether a file or folder of head differs from base's."""
    if not (head / path).is_dir():
        return (head / path).exists() and _differs_file(base / path, head / path)
    if not (base / path).is_dir():
        return True
    inside = {file.relative_to(side) for side in (base, head) for file in (side / path).rglob("*") if file.is_file()}
    # Base's own tests were collected before, which leaves bytecode files.
    return any(_differs_file(base / file, head / file) for file in inside if "__pycache__" not in file.parts)


def _differs_file(base: Path, head: Path) -> bool:
    return not (base.is_file() and head.is_file()) or not filecmp.cmp(base, head, shallow=False)


def functions(text: str) -> set[str]:
    """Return the names of the functions in a Python file, of methods, too."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set()
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def modules(roots: Sequence[Path]) -> set[str]:
    """Return the top-level modules of trees that are not built: those at a root or in src, except tests."""
    return {
        path.stem
        for root in roots
        for place in (root, root / "src")
        for path in [*place.glob("*.py"), *(one.parent for one in place.glob("*/__init__.py"))]
        if not TESTS.fullmatch(path.stem)
        and path.stem not in {"conftest", "setup"}
        and not path.stem.startswith("test_")
    }
