"""The environment of a side: an overlay with the project alone on the environment of the session.

So the versions of everything else are equal by construction, and nothing is installed twice. The project's modules come
from the overlay, whatever other folders have them; see home.py.
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
from zipfile import BadZipFile

from pytest_benchgate.race.building.project import check_version
from pytest_benchgate.race.worker import home

if TYPE_CHECKING:
    from collections.abc import Iterable

# Read before all other .pth files, which may import anything.
FIRST = "00-benchgate.pth"
MODULE = "_benchgate_home"


def site_packages(environment: Path) -> Path:
    """Return the folder in which an environment has its packages."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))


class InvalidWheel(Exception):
    """A wheel that cannot be installed, and why."""


def install(wheel: Path, environment: Path) -> None:
    """Install a wheel, without what it depends on; raise InvalidWheel or, if it needs another Python, ProjectError."""
    import installer
    from installer.destinations import SchemeDictionaryDestination
    from installer.exceptions import InstallerError
    from installer.sources import WheelFile
    from installer.utils import parse_metadata_file

    paths = sysconfig.get_paths("venv", {"base": str(environment), "platbase": str(environment)})
    scheme = {**paths, "headers": str(environment / "include")}
    python = str(environment / "bin" / "python")
    destination = SchemeDictionaryDestination(scheme, python, "posix", bytecode_optimization_levels=(0,))
    try:
        with WheelFile.open(wheel) as source:
            check_version(parse_metadata_file(source.read_dist_info("METADATA"))["Requires-Python"])
            installer.install(source, destination, {"INSTALLER": b"pytest-benchgate\n"})
    except (InstallerError, ValueError, KeyError, BadZipFile) as error:
        raise InvalidWheel(f"{wheel.name}, as it was built, cannot be installed: {error}") from error


def roots(environment: Path) -> list[str]:
    """Return the packages and modules of an environment's project; see roots_of."""
    return roots_of(_files(environment))


def roots_of(files: Iterable[importlib.metadata.PackagePath]) -> list[str]:
    """Return the packages and modules of a project with these files, by their dotted names.

    A folder without an __init__ is a namespace, which other projects may share: the packages in it count.
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


def write_paths(environment: Path, project: tuple[str, ...], original: Path) -> None:
    """Let an environment import the session's packages, but the project, by its roots, only from itself.

    The hooks of an editable install of the project, whose sources are in `original`, are omitted.
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
    # Hooks of others may have put themselves first.
    lines.append(f"import {MODULE}; {MODULE}.installed().first()")
    _write(target / f"{MODULE}.py", Path(home.__file__).read_text("utf-8"))
    _write(target / FIRST, "\n".join(lines) + "\n")


def _is_source(place: Path, original: Path, folders: list[Path]) -> bool:
    """Return whether a folder belongs to the project's sources, and not to an environment within them."""
    return place.is_relative_to(original) and not any(place.is_relative_to(folder.resolve()) for folder in folders)


def _files(environment: Path) -> list[importlib.metadata.PackagePath]:
    """Return the files of an environment's project."""
    return [
        file
        for one in importlib.metadata.distributions(path=[str(site_packages(environment))])
        for file in one.files or ()
    ]


def _is_module(file: importlib.metadata.PackagePath) -> bool:
    """Return whether a distribution's file is a module, and not a script, metadata, or a bundled library."""
    top = file.parts[0]
    return file.suffix in {".py", ".so", ".pyd"} and top != ".." and not top.endswith((".dist-info", ".libs", ".data"))


def normal(distribution: importlib.metadata.Distribution) -> str:
    """Return a distribution's normalised name."""
    return re.sub(r"[-_.]+", "-", distribution.name or "").lower()


def _user_site() -> list[str]:
    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []


def _write(path: Path, text: str) -> None:
    """Write a file as a whole, and only if it differs: other processes may be reading it."""
    if not path.is_file() or path.read_text("utf-8") != text:
        # Of this thread, too: base and head may be one environment.
        half = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.half")
        half.write_text(text, "utf-8")
        half.replace(path)
