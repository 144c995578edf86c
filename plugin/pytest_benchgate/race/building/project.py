"""The project in a source tree: its folder, its name, and what its build requires, by pyproject.toml or setup.py."""

from __future__ import annotations

import configparser
import contextlib
import platform
import re
import tomllib
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

if TYPE_CHECKING:
    from pathlib import Path

# PEP 517: what a project without build-system.requires is built with.
REQUIRES = ["setuptools>=40.8.0", "wheel"]


class ProjectError(Exception):
    """A project whose files are not valid, or that does not run on this Python."""


def find(source: Path, folder: Path) -> Path | None:
    """Return the folder of the project that a folder of a source tree belongs to, or None if there is none to build."""
    for candidate in (folder, *folder.parents):
        path = source / candidate
        if (path / "setup.py").is_file():
            return candidate
        if (path / "pyproject.toml").is_file():
            content = _pyproject(path)
            if "build-system" in content or "project" in content:
                return candidate
    return None


def requires(project: Path) -> tuple[str, ...]:
    """Return the requirements of the project's build; raise ProjectError."""
    system = _pyproject(project).get("build-system", {})
    listed = system.get("requires", REQUIRES) if isinstance(system, dict) else None
    if not (isinstance(listed, list) and all(isinstance(requirement, str) for requirement in listed)):
        raise ProjectError("pyproject.toml: build-system.requires must be a list of strings")
    return tuple(sorted(listed))


def check_python(project: Path) -> None:
    """Raise ProjectError if the project does not run on this Python, before minutes are spent on its build."""
    content = _pyproject(project).get("project", {})
    check_version(content.get("requires-python") if isinstance(content, dict) else None)


def check_version(wanted: object) -> None:
    """Raise ProjectError if this version of Python is not a wanted one, by a specifier as in ">=3.12"."""
    version = platform.python_version()
    with contextlib.suppress(InvalidSpecifier):
        if isinstance(wanted, str) and not SpecifierSet(wanted).contains(version, prereleases=True):
            raise ProjectError(f"requires Python {wanted}, and this is {version}: start the race with another Python")


def name(project: Path) -> str:
    """Return the normalised name of the project in a folder, or "" if its files do not tell."""
    found = None
    with contextlib.suppress(OSError, ValueError, LookupError, AttributeError):
        found = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    if not isinstance(found, str):
        settings = configparser.ConfigParser(interpolation=None)
        with contextlib.suppress(OSError, ValueError, configparser.Error):
            settings.read(project / "setup.cfg", "utf-8")
        found = settings.get("metadata", "name", fallback=None)
    if not found:
        with contextlib.suppress(OSError, ValueError):
            match = re.search(r"""\bname\s*=\s*(['"])([\w.-]+)\1""", (project / "setup.py").read_text("utf-8"))
            found = match[2] if match else None
    return re.sub(r"[-_.]+", "-", found or "").lower()


def _pyproject(project: Path) -> dict[str, Any]:
    """Return the content of pyproject.toml, empty if there is none; raise ProjectError if it is not valid."""
    path = project / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"pyproject.toml: {error}") from error
