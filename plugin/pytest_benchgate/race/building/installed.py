"""Whether the session's environment has the project installed, and where."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import site
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from pytest_benchgate.race.building import overlay, project


@dataclass(frozen=True)
class Installed:
    """Where a project is installed.

    Attributes
    ----------
    folder : Path
        The folder of its modules.
    names : tuple[str, ...]
        Its packages and modules; see overlay.roots_of. Empty for an editable install, whose modules are elsewhere.

    """

    folder: Path
    names: tuple[str, ...]


def find(source: Path) -> Installed | None:
    """Return where the project in a folder is installed, by its name or by the folder that it was installed from."""
    name = project.name(source)
    sites = [Path(folder).resolve() for folder in [*site.getsitepackages(), site.getusersitepackages()]]
    for one in importlib.metadata.distributions():
        folder = Path(str(one.locate_file(""))).resolve()
        # A build leaves its metadata beside the sources, where it is found if the source tree is on the path.
        if folder.is_relative_to(source.resolve()) and not any(folder.is_relative_to(place) for place in sites):
            continue
        url = _direct_url(one)
        came_from = Path(unquote(urlparse(url.get("url", "")).path)) if url else None
        if overlay.normal(one) == name or (came_from and came_from.is_absolute() and came_from == source.resolve()):
            editable = url.get("dir_info", {}).get("editable", False)
            return Installed(folder, () if editable else tuple(overlay.roots_of(one.files or ())))
    return None


def _direct_url(distribution: importlib.metadata.Distribution) -> dict[str, Any]:
    """Return the content of direct_url.json: the origin of a local project, and whether the install is editable."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(distribution.read_text("direct_url.json") or "{}")
        return content if isinstance(content, dict) else {}
    return {}
