"""Whether each side has the extension modules of its sources: a build may go on without them, silently."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.race.building import overlay
from pytest_benchgate.race.worker.home import TESTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.race.building.build import Built

# Folders whose sources are not compiled into the project.
SKIPPED = re.compile(r"docs?|examples?|build|\..*")
COMPILED = re.compile(rb"PyInit_|PyMODINIT_FUNC|PYBIND11_MODULE|NB_MODULE|BOOST_PYTHON_MODULE|#\[pymodule")
# How to see why.
LOUD = "many projects have a variable, such as REQUIRE_CYTHON=1, with which such a build fails, and says why"
SOURCES = {".c", ".cc", ".cpp", ".cxx", ".cu", ".m", ".rs", ".pyx"}


class Lacking(Exception):
    """A side that was built without an extension module that the other one has."""


def compare(projects: Sequence[Path], built: Sequence[Built]) -> tuple[str, ...]:
    """Return notes on the extension modules of both builds, base and head, of these sources.

    Raises Lacking if only one side lacks a module whose source it has.
    """
    made = [overlay.extensions(one.folder).keys() for one in built]
    names = ("base", "head")
    for name, project, modules, others in zip(names, projects, made, made[::-1], strict=True):
        lacking = sorted(others - modules)
        if not lacking:
            continue
        sources = [*_sources(project)]
        for module in lacking:
            last = module.rpartition(".")[2].strip("_")
            # If a side has no extension module at all, the name of the source does not matter.
            source = next((one for one in sources if not modules or one.stem.strip("_") == last), None)
            if source:
                raise Lacking(
                    f"{name} was built without the extension module {module}, which the other side has, though its "
                    f"source {source.relative_to(project)} is there; pure Python would be raced against "
                    "compiled code. Make the extension required (setuptools: optional=False), so that its "
                    "build fails"
                )
    return () if any(made) else unbuilt(projects[1])


def unbuilt(tree: Path) -> tuple[str, ...]:
    """Return a note on a tree with sources of which nothing was compiled."""
    source = next(_sources(tree), None)
    if source is None:
        return ()
    name = source.relative_to(tree)
    return (f"no side has an extension module, though the source {name} is there: pure Python is raced; {LOUD}",)


def _sources(tree: Path) -> Iterator[Path]:
    """Yield the sources of extension modules in a tree, except those of tests and examples."""
    for folder, folders, files in os.walk(tree):
        folders[:] = sorted(name for name in folders if not (TESTS.fullmatch(name) or SKIPPED.fullmatch(name)))
        for path in (Path(folder, name) for name in sorted(files)):
            if path.is_file() and _is_source(path):
                yield path


def _is_source(path: Path) -> bool:
    """Return whether a file is compiled to an extension module; Cython also compiles a .py with a .pxd beside it."""
    if path.suffix == ".py":
        return path.with_suffix(".pxd").is_file()
    return path.suffix in SOURCES and (path.suffix == ".pyx" or COMPILED.search(path.read_bytes()) is not None)
