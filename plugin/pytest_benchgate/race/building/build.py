"""A build of each side: a wheel, built the same way, in an environment that lies over the one that runs pytest.

The environment of a side holds the project alone. All else (pytest, NumPy, drivers) it takes from the environment of
the session, so that the versions of everything else are equal by construction, and nothing is installed twice. Wheels
are built by one environment of build tools for both sides. Both are cached; keys.py says by what.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
import tomllib
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import build
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from pytest_benchgate.race.building import flags, git, keys, overlay, remedies
from pytest_benchgate.race.building.store import CacheError, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_benchgate.race.building.commands import Output

PIP = Version("22.3")  # the first that installs into another environment


class BuildFailed(Exception):
    """A side that could not be built: what failed, the likely remedy, and the build's own output."""


FAILURES = (
    build.BuildBackendException,
    build.BuildException,
    subprocess.CalledProcessError,
    OSError,
    CacheError,
    BuildFailed,
)


@dataclass(frozen=True)
class Built:
    """The environment of a side.

    Attributes
    ----------
    python: its interpreter.
    folder: where it lies.
    names: the packages and modules of the project; see overlay.roots.
    cached: whether it was there already.

    """

    python: Path
    folder: Path
    names: tuple[str, ...]
    cached: bool


@dataclass(frozen=True)
class Order:
    """A side to be built.

    Attributes
    ----------
    source: its source tree, which is clean afterwards.
    project: the folder in it that is built.
    tree: the hash of its content.
    who: how it is called.
    original: the user's own tree, whose paths must not be seen.

    """

    source: Path
    project: Path
    tree: str
    who: str
    original: Path


@dataclass(frozen=True)
class Tools:
    """An environment with build tools: its interpreter, its versions, and the command of pip."""

    python: Path
    versions: str
    pip: tuple[str, ...]


@dataclass(frozen=True)
class Builder:
    """Builds sides into a cache.

    Attributes
    ----------
    store: the cache.
    say: shows progress.
    environment: patterns of the names of variables that steer the project's build.
    added: variables that are set for the build, the compilers' flags among them.

    """

    store: Store
    say: Callable[[str], None]
    environment: tuple[str, ...] = ()
    added: Mapping[str, str] = field(default_factory=flags.environment)

    def build(self, order: Order, output: Output) -> Built:
        """Return the environment of a side. Raises BuildFailed."""
        try:
            return self._build(order, output)
        except FAILURES as error:
            reason = f"{order.who} could not be built: {error}"
            raise BuildFailed(remedies.report(reason, output.text, order.source, order.project)) from error

    def _build(self, order: Order, output: Output) -> Built:
        requires = build_requires(order.source / order.project)
        tools = self._tools(requires, output)

        def usable(told: dict[str, Any]) -> bool:
            """Tell whether its tools are the present ones, those included that only its build knew of."""
            more = told.get("more")
            if not (isinstance(told.get("names"), list) and isinstance(more, list)):
                return False
            return not more or self._tools((*requires, *more), output).versions == told.get("tools")

        key = keys.key(
            "side", order.tree, str(order.project), tools.versions,
            keys.interpreter(), keys.installing(), keys.steering(self.environment),
            json.dumps(sorted(self.added.items())),
        )  # fmt: skip
        with self.store.entry(key, usable) as entry:
            if cached := entry.told is not None:
                self.say(f"{order.who}: built {_age(time.time() - entry.built)} ago, from the cache")
            else:
                start = time.monotonic()
                self.say(f"{order.who}: building ...")
                try:
                    told = self._make(entry.folder, tools, requires, order, output)
                finally:
                    git.clean(order.source)
                entry.complete(told)
                self.say(f"{order.who}: built in {time.monotonic() - start:.1f} s")
            assert entry.told is not None  # noqa: S101  # as found, or as completed
            # Each time: the session's environment may have changed since.
            overlay.lay_over(entry.folder, tuple(entry.told["names"]), order.original / order.project)
            return Built(_python(entry.folder), entry.folder, tuple(entry.told["names"]), cached)

    def _make(
        self, folder: Path, tools: Tools, requires: tuple[str, ...], order: Order, output: Output
    ) -> dict[str, Any]:
        """Build a wheel with the tools and install it into a new environment; return what is to be known of it."""
        project, wheels = order.source / order.project, output.temporary / "wheel"

        def run(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
            output.run(cmd, cwd, {**self.added, **(extra_environ or {})})

        builder = build.ProjectBuilder(project, python_executable=str(tools.python), runner=run)
        if more := sorted(builder.get_requires_for_build("wheel")):
            tools = self._tools((*requires, *more), output)
            builder = build.ProjectBuilder(project, python_executable=str(tools.python), runner=run)
        wheel = builder.build("wheel", wheels)
        venv.EnvBuilder(symlinks=True).create(folder)
        output.run([*tools.pip, "--python", str(_python(folder)), "install", "--no-deps", "--no-index", wheel])
        return {"names": overlay.roots(folder), "more": more, "tools": tools.versions}

    def _tools(self, requires: tuple[str, ...], output: Output) -> Tools:
        """Return an environment with these build requirements, one for both sides."""
        pip = _own_pip()
        key = keys.key("tools", *requires, str(bool(pip)), keys.interpreter(), keys.installing())
        with self.store.entry(key, lambda told: isinstance(told.get("versions"), str)) as entry:
            python = _python(entry.folder)
            command = pip or _pip(python)
            if entry.told is None:
                if requires:
                    self.say(f"installing the build tools: {', '.join(requires)}")
                try:
                    venv.EnvBuilder(symlinks=True).create(entry.folder)
                    if not pip:
                        output.run([str(python), "-I", "-m", "ensurepip", "--default-pip"])
                    constraint = os.environ.get("PIP_BUILD_CONSTRAINT")
                    more = {"PIP_CONSTRAINT": constraint} if constraint else {}
                    # A backend of the project's own may need none, which pip takes for a mistake.
                    if requires:
                        output.run([*command, "--python", str(python), "install", *requires], extra_environ=more)
                except (OSError, subprocess.CalledProcessError) as error:
                    raise BuildFailed(f"the build tools could not be installed: {error}") from error
                entry.complete({"versions": _versions(entry.folder)})
            assert entry.told is not None  # noqa: S101  # as found, or as completed
            return Tools(python, entry.told["versions"], command)


def find_project(source: Path, folder: Path) -> Path | None:
    """Return the folder of the project that a folder of source belongs to; None where there is none to build."""
    for candidate in (folder, *folder.parents):
        path = source / candidate
        if (path / "setup.py").is_file():
            return candidate
        if (path / "pyproject.toml").is_file():
            told = _pyproject(path)
            if "build-system" in told or "project" in told:
                return candidate
    return None


def build_requires(project: Path) -> tuple[str, ...]:
    """Return what the project's build needs, as pyproject.toml says or, where it does not, as PEP 517 has it."""
    told = _pyproject(project) if (project / "pyproject.toml").is_file() else {}
    system = told.get("build-system", {})
    requires = system.get("requires", ["setuptools>=40.8.0", "wheel"]) if isinstance(system, dict) else None
    if not (isinstance(requires, list) and all(isinstance(one, str) for one in requires)):
        raise BuildFailed("pyproject.toml: build-system.requires must be a list of strings")
    return tuple(sorted(requires))


def check_python(order: Order) -> None:
    """Raise BuildFailed for a project that does not run on this Python, before minutes go into its build."""
    folder = order.source / order.project
    told = _pyproject(folder).get("project", {}) if (folder / "pyproject.toml").is_file() else {}
    wanted = told.get("requires-python") if isinstance(told, dict) else None
    version = platform.python_version()
    with contextlib.suppress(InvalidSpecifier):
        if isinstance(wanted, str) and not SpecifierSet(wanted).contains(version, prereleases=True):
            raise BuildFailed(
                f"{order.who} requires Python {wanted}, and this is {version}: start the race with another Python"
            )


def _pyproject(project: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildFailed(f"pyproject.toml: {error}") from error


def _own_pip() -> tuple[str, ...]:
    """Return the command of the session's own pip; () where there is none that installs into other environments."""
    try:
        new = Version(importlib.metadata.version("pip")) >= PIP
    except (importlib.metadata.PackageNotFoundError, InvalidVersion):
        return ()
    return _pip(Path(sys.executable)) if new else ()


def _pip(python: Path) -> tuple[str, ...]:
    return (str(python), "-P", "-m", "pip", "--disable-pip-version-check", "--no-input")


def _versions(environment: Path) -> str:
    """Return what is installed in an environment, with versions."""
    found = importlib.metadata.distributions(path=[str(overlay.site_packages(environment))])
    return "\n".join(sorted(f"{overlay.normal(one)}=={one.version}" for one in found))


def _age(seconds: float) -> str:
    """Return a length of time as people say it."""
    for unit, length_s in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length_s:
            count = int(seconds / length_s)
            return f"{count} {unit}{'s' * (count != 1)}"
    return "less than a second"


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"
