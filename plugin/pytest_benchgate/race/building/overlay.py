"""The environment of a side: the project alone, over the environment of the session, which has all else.

So the versions of everything else are equal by construction, and nothing is installed twice. The project's modules come
from here whatever else has them; see home.py.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import site
import sysconfig
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_benchgate.race.worker import home

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST = "00-benchgate.pth"  # before all others, which may import what they please
MODULE = "_benchgate_home"


def site_packages(environment: Path) -> Path:
    """Return the folder in which an environment has its packages."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))


def roots(environment: Path) -> list[str]:
    """Return what an environment's project is; see roots_of."""
    return roots_of(_files(environment))


def roots_of(files: Iterable[importlib.metadata.PackagePath]) -> list[str]:
    """Return what a project with these files is: its packages and modules, by their dotted names.

    A folder without an __init__ is a namespace, which other projects may share: what lies below it counts.
    """
    modules = [file for file in files if _is_module(file)]
    packages = {file.parent for file in modules if file.name.partition(".")[0] == "__init__"}
    found = set()
    for file in modules:
        places = [one for one in [*file.parents][-2::-1] if one in packages]
        parts = places[0].parts if places else (*file.parent.parts, file.name.partition(".")[0])
        if all(part.isidentifier() for part in parts):
            found.add(".".join(parts))
    return sorted(found)


def extensions(environment: Path) -> dict[str, Path]:
    """Return the extension modules of an environment's project by their dotted names, with their files."""
    found = {}
    for file in _files(environment):
        for suffix in EXTENSION_SUFFIXES if _is_module(file) else ():
            if file.name.endswith(suffix):
                name = ".".join([*file.parent.parts, file.name.removesuffix(suffix)])
                found[name] = site_packages(environment) / file
                break
    return found


def lay_over(environment: Path, project: tuple[str, ...], original: Path) -> None:
    """Let an environment find what the session's own has, and the project, by its roots, in itself alone.

    The hooks of an editable install of the project, whose sources are in `original`, are left out.
    """
    target = site_packages(environment)
    raced = {normal(one) for one in importlib.metadata.distributions(path=[str(target)])}
    folders = [Path(folder) for folder in [*site.getsitepackages(), *_user_site()] if Path(folder).is_dir()]
    lines = [f"import {MODULE}; {MODULE}.install({project!r})", *map(str, folders)]
    for folder in folders:
        hooks = {
            Path(str(one.locate_file(file))).resolve()
            for one in importlib.metadata.distributions(path=[str(folder)])
            if normal(one) in raced
            for file in one.files or ()
            if file.suffix == ".pth"
        }
        for path in sorted(set(folder.glob("*.pth"))):
            if path.resolve() not in hooks:
                for line in path.read_text("utf-8", "replace").splitlines():
                    if line.startswith(("import ", "import\t")):
                        lines.append(line)
                    elif line.strip() and not line.startswith("#"):
                        place = folder / line.rstrip()
                        lines += [] if _is_source(place.resolve(), original, folders) else [str(place)]
    lines.append(f"import {MODULE}; {MODULE}.installed().first()")  # hooks of others may have put themselves first
    _write(target / f"{MODULE}.py", Path(home.__file__).read_text("utf-8"))
    _write(target / FIRST, "\n".join(lines) + "\n")


def _is_source(place: Path, original: Path, folders: list[Path]) -> bool:
    """Return whether a folder is of the project's own sources, and not of an environment that lies among them."""
    return place.is_relative_to(original) and not any(place.is_relative_to(folder.resolve()) for folder in folders)


def _files(environment: Path) -> list[importlib.metadata.PackagePath]:
    """Return the files of an environment's project."""
    return [
        file
        for one in importlib.metadata.distributions(path=[str(site_packages(environment))])
        for file in one.files or ()
    ]


def _is_module(file: importlib.metadata.PackagePath) -> bool:
    """Return whether a distribution's file is a module, and not a script, metadata, or a library that was bundled."""
    top = file.parts[0]
    return file.suffix in {".py", ".so", ".pyd"} and top != ".." and not top.endswith((".dist-info", ".libs", ".data"))


def normal(distribution: importlib.metadata.Distribution) -> str:
    """Return a distribution's name as names are compared."""
    return re.sub(r"[-_.]+", "-", distribution.name or "").lower()


def _user_site() -> list[str]:
    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []


def _write(path: Path, text: str) -> None:
    """Write a file as a whole where it differs: others may be starting with it."""
    if not path.is_file() or path.read_text("utf-8") != text:
        half = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.half")  # base may be head
        half.write_text(text, "utf-8")
        half.replace(path)
