"""The build of a side: a wheel, installed into an overlay on the environment that runs pytest.

A side's environment holds the project alone. Everything else (pytest, NumPy, drivers) it takes from the environment of
the session, so that the versions of everything else are equal by construction, and nothing is installed twice. The
wheels of both sides are built with one environment of build tools. Both kinds of environment are cached; see keys.py.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_benchgate.race.building import flags, git, keys, overlay, project, remedies
from pytest_benchgate.race.building.store import CacheError, Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_benchgate.race.building.commands import Output

# The first that installs into another environment.
PIP = Version("22.3")
SHELL = "import os, sys; os.execv('/bin/sh', ['sh', '-ec', sys.argv[1]])"


class BuildFailed(Exception):
    """A side that could not be built: what failed, the likely remedy, and the build's output."""


FAILURES = (
    subprocess.CalledProcessError,
    OSError,
    CacheError,
    project.ProjectError,
    overlay.InvalidWheel,
    BuildFailed,
)


@dataclass(frozen=True)
class Built:
    """The environment of a side.

    Attributes
    ----------
    python : Path
        Its interpreter.
    folder : Path
        Its folder.
    names : tuple[str, ...]
        The packages and modules of the project; see overlay.roots.

    """

    python: Path
    folder: Path
    names: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """A side to be built.

    Attributes
    ----------
    source : Path
        Its source tree, which is clean afterwards.
    project : Path
        The folder in it that is built.
    tree : str
        The hash of its content.
    who : str
        Its name in messages.
    original : Path
        The user's own tree, whose paths must not be seen.
    flags : tuple[str, ...]
        Flags of each compilation, before the build's own.

    """

    source: Path
    project: Path
    tree: str
    who: str
    original: Path
    flags: tuple[str, ...] = flags.USUAL


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
    store : Store
        The cache.
    environment : tuple[str, ...]
        Patterns of the names of variables that change the project's build.
    before : str, optional
        A shell command that is run in each project's folder first.

    """

    store: Store
    environment: tuple[str, ...] = ()
    before: str | None = None

    def build(self, order: Order, output: Output) -> Built:
        """Return the environment of a side. Raises BuildFailed."""
        try:
            return self._build(order, output)
        except FAILURES as error:
            reason = f"{order.who} could not be built: {error}"
            raise BuildFailed(remedies.report(reason, output.text, order.source, order.project)) from error

    def _build(self, order: Order, output: Output) -> Built:
        requires = project.requires(order.source / order.project)
        tools = self._tools(requires, output)

        def usable(record: dict[str, Any]) -> bool:
            """Return whether an entry's tools are the present ones, including those that only its build asked for."""
            required = record.get("required")
            if not (isinstance(record.get("names"), list) and isinstance(required, list)):
                return False
            return required == [*requires] or self._tools(tuple(required), output).versions == record.get("tools")

        key = keys.key(
            "side", order.tree, str(order.project), tools.versions,
            keys.interpreter(), keys.installing(), keys.steering(self.environment),
            *order.flags, *self._preparing(),
        )  # fmt: skip
        with self.store.entry(key, usable) as entry:
            if entry.record is not None:
                output.steps.put(f"{order.who}: built {_age(time.time() - entry.built)} ago, from the cache")
            else:
                start = time.monotonic()
                output.steps.put(f"{order.who}: building ...")
                try:
                    record = self._make(entry.folder, tools, requires, order, output)
                finally:
                    git.clean(order.source)
                entry.complete(record)
                output.steps.put(f"{order.who}: built in {time.monotonic() - start:.1f} s")
            assert entry.record is not None  # noqa: S101  # as found, or as completed
            names = tuple(entry.record["names"])
            # Each time: the session's environment may have changed since.
            overlay.write_paths(entry.folder, names, order.original / order.project)
            return Built(_python(entry.folder), entry.folder, names)

    def _preparing(self) -> tuple[str, ...]:
        """Return what the command before a build depends on: itself, and all that is installed for it."""
        if not self.before:
            return ()
        installed = {f"{overlay.normal(one)}=={one.version}" for one in importlib.metadata.distributions()}
        return self.before, *sorted(installed)

    def _make(
        self, folder: Path, tools: Tools, requires: tuple[str, ...], order: Order, output: Output
    ) -> dict[str, Any]:
        """Build a wheel with the tools and install it into a new environment; return the entry's record."""
        import build

        source, wheels = order.source / order.project, output.temporary / "wheel"
        compilers = output.temporary / "compilers"
        variables = flags.wrap_compilers(compilers, order.flags)

        def run(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
            output.run(cmd, cwd, {**variables, **(extra_environ or {})})

        if self.before:
            output.steps.put(f"{order.who}: {self.before}")
            try:
                # With the session's environment first on the PATH.
                run([sys.executable, "-I", "-c", SHELL, self.before], str(source))
            except subprocess.CalledProcessError as error:
                status = f"exit status {error.returncode}"
                raise BuildFailed(f"{remedies.BEFORE} failed ({status}): {self.before}") from error
            # The command may have chosen another backend.
            if (now := project.requires(source)) != requires:
                requires, tools = now, self._tools(now, output)
        try:
            builder = build.ProjectBuilder(source, python_executable=str(tools.python), runner=run)
            if more := sorted(builder.get_requires_for_build("wheel")):
                requires = tuple(dict.fromkeys([*requires, *more]))
                tools = self._tools(requires, output)
                builder = build.ProjectBuilder(source, python_executable=str(tools.python), runner=run)
            wheel = builder.build("wheel", wheels)
        except (build.BuildBackendException, build.BuildException) as error:
            # That of a backend which cannot be imported.
            output.text += getattr(getattr(error, "exception", None), "traceback", "")
            raise BuildFailed(str(error)) from error
        venv.EnvBuilder(symlinks=True).create(folder)
        overlay.install(Path(wheel), folder)
        # For explanations, whenever they are wanted.
        shutil.move(compilers / flags.CYTHON, folder)
        return {"names": overlay.roots(folder), "required": [*requires], "tools": tools.versions}

    def _tools(self, requires: tuple[str, ...], output: Output) -> Tools:
        """Return an environment with these build requirements, one for both sides."""
        pip = _session_pip()
        key = keys.key("tools", *requires, str(bool(pip)), keys.interpreter(), keys.installing())
        with self.store.entry(key, lambda record: isinstance(record.get("versions"), str)) as entry:
            python = _python(entry.folder)
            command = pip or _pip(python)
            if entry.record is None:
                if requires:
                    output.steps.put(f"installing the build tools: {', '.join(requires)}")
                try:
                    venv.EnvBuilder(symlinks=True).create(entry.folder)
                    if not pip:
                        output.run([str(python), "-I", "-m", "ensurepip", "--default-pip"])
                    constraint = os.environ.get("PIP_BUILD_CONSTRAINT")
                    more = {"PIP_CONSTRAINT": constraint} if constraint else {}
                    # A backend in the project itself may require nothing, which pip refuses to install.
                    if requires:
                        output.run([*command, "--python", str(python), "install", *requires], extra_environ=more)
                except (OSError, subprocess.CalledProcessError) as error:
                    raise BuildFailed(f"the build tools could not be installed: {error}") from error
                entry.complete({"versions": _versions(entry.folder)})
            assert entry.record is not None  # noqa: S101  # as found, or as completed
            return Tools(python, entry.record["versions"], command)


def _session_pip() -> tuple[str, ...]:
    """Return the command of the session's pip, or () if it has none that installs into other environments."""
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
    """Return a duration in its largest unit."""
    for unit, length_s in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length_s:
            count = int(seconds / length_s)
            return f"{count} {unit}{'s' * (count != 1)}"
    return "less than a second"


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"
