"""Whether the session's environment has the project installed, and where."""

from __future__ import annotations

import configparser
import contextlib
import importlib.metadata
import json
import re
import site
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from pytest_benchgate.race.building import overlay


@dataclass(frozen=True)
class Installed:
    """Where a project is installed.

    Attributes
    ----------
    folder: the one that has its modules.
    names: what it is; see overlay.roots_of. None for an editable install, whose modules lie elsewhere.

    """

    folder: Path
    names: tuple[str, ...]


def find(project: Path) -> Installed | None:
    """Return where the project in a folder is installed, by its name or by where it was installed from."""
    name = project_name(project)
    sites = [Path(folder).resolve() for folder in [*site.getsitepackages(), site.getusersitepackages()]]
    for one in importlib.metadata.distributions():
        folder = Path(str(one.locate_file(""))).resolve()
        # A build leaves its metadata beside the sources, which is found where the source tree is on the path.
        if folder.is_relative_to(project.resolve()) and not any(folder.is_relative_to(place) for place in sites):
            continue
        url = _direct_url(one)
        came_from = Path(unquote(urlparse(url.get("url", "")).path)) if url else None
        if overlay.normal(one) == name or (came_from and came_from.is_absolute() and came_from == project.resolve()):
            editable = url.get("dir_info", {}).get("editable", False)
            return Installed(folder, () if editable else tuple(overlay.roots_of(one.files or ())))
    return None


def project_name(project: Path) -> str:
    """Return the normalised name of the project in a folder; "" where its files do not say."""
    name = None
    with contextlib.suppress(OSError, ValueError, LookupError, AttributeError):
        name = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    if not isinstance(name, str):
        settings = configparser.ConfigParser(interpolation=None)
        with contextlib.suppress(OSError, ValueError, configparser.Error):
            settings.read(project / "setup.cfg", "utf-8")
        name = settings.get("metadata", "name", fallback=None)
    if not name:
        with contextlib.suppress(OSError, ValueError):
            given = re.search(r"""\bname\s*=\s*(['"])([\w.-]+)\1""", (project / "setup.py").read_text("utf-8"))
            name = given[2] if given else None
    return re.sub(r"[-_.]+", "-", name or "").lower()


def _direct_url(distribution: importlib.metadata.Distribution) -> dict[str, Any]:
    """Return what direct_url.json says: from where a local project was installed, and whether it is editable."""
    with contextlib.suppress(OSError, ValueError):
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
        return told if isinstance(told, dict) else {}
    return {}
