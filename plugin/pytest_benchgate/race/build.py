"""A build of each side: a wheel, built the same way, in an environment that lies over the one that runs pytest.

The environment of a side holds the project alone. All else (pytest, NumPy, drivers) it takes from the environment of
the session, so that the versions of everything else are equal by construction, and nothing is installed twice. Wheels
are built by one environment of build tools for both sides. Both are cached by content: the source tree, the tools'
versions, the interpreter, the compiler's variables.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import venv
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import build

from pytest_benchgate.race import git, overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_benchgate.race.reaper import Reaper

LAYOUT = 2  # of the cache: counted up when older entries are of no use
UNUSED_S = 14 * 86400.0  # entries that no race used for so long are removed
COMPLETE = "benchgate.json"  # written last: an entry without it is not complete
COMPILER = re.compile(r"(CC|CXX|FC|LD|AR|NVCC)|.*FLAGS|MACOSX_DEPLOYMENT_TARGET|SKBUILD_.*|CMAKE_.*")


class BuildFailed(Exception):
    """A side that could not be built, with the build's own output."""


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
class Builder:
    """Builds sides into a cache.

    Attributes
    ----------
    cache: the folder of all entries.
    reaper: gets what is half done, so that it goes away if the session does.
    locks: holds the entries that this session uses; another one must not remove them.
    say: shows progress.

    """

    cache: Path
    reaper: Reaper
    locks: ExitStack
    say: Callable[[str], None]

    def build(self, source: Path, project: Path, tree: str, who: str, original: Path) -> Built:
        """Return the environment with the project (a folder, relative to source) of a source tree with this hash.

        The tree is clean afterwards. `original` is the user's own, whose paths must not be seen. Raises BuildFailed.
        """
        try:
            requires = build_requires(source / project)
        except BuildFailed as error:
            raise BuildFailed(f"{who} could not be built: {error}") from None
        temporary = source.parent / f"{source.name}-build"
        temporary.mkdir()
        tools = self._tools(requires, temporary)
        key = _key("side", tree, str(project), tools["versions"], _interpreter(), _compiler())
        entry = self.cache / key
        with self._entry(entry) as complete:
            if complete:
                return self._built(entry, original / project, cached=True)
            start = time.monotonic()
            self.say(f"{who}: building ...")
            output = _Output(self.reaper, temporary)
            try:
                with output.temporaries():
                    self._make(entry, Path(tools["folder"]), source, project, output)
            except (build.BuildBackendException, build.BuildException, subprocess.CalledProcessError, OSError) as error:
                raise BuildFailed(f"{who} could not be built: {error}\n{output.text}".rstrip()) from error
            finally:
                git.clean(source)
            _write(entry / COMPLETE, {"names": overlay.roots(entry)})
            self.say(f"{who}: built in {time.monotonic() - start:.1f} s")
        return self._built(entry, original / project, cached=False)

    def _make(self, entry: Path, tools: Path, source: Path, project: Path, output: _Output) -> None:
        """Build a wheel with the tools and install it into a new environment."""
        python, wheels = _python(tools), output.temporary / "wheel"
        builder = build.ProjectBuilder(source / project, python_executable=str(python), runner=output.run)
        # What the backend warns of comes as warnings of this process, where the suite may have made them errors.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if more := builder.get_requires_for_build("wheel"):
                _pip(python, output, "install", *sorted(more))
            wheel = builder.build("wheel", wheels)
        venv.EnvBuilder(symlinks=True).create(entry)
        _pip(python, output, "--python", str(_python(entry)), "install", "--no-deps", "--no-index", wheel)

    def _built(self, entry: Path, original: Path, *, cached: bool) -> Built:
        told = json.loads((entry / COMPLETE).read_text("utf-8"))
        # Each time: the session's environment may have changed since.
        overlay.lay_over(entry, tuple(told["names"]), original)
        return Built(_python(entry), entry, tuple(told["names"]), cached)

    def _tools(self, requires: tuple[str, ...], temporary: Path) -> dict[str, str]:
        """Return the folder and the versions of an environment with these build requirements, one for both sides."""
        entry = self.cache / _key("tools", *requires, _interpreter())
        with self._entry(entry) as complete:
            if not complete:
                self.say(f"installing the build tools: {', '.join(requires)}")
                output = _Output(self.reaper, temporary)
                try:
                    venv.EnvBuilder(symlinks=True).create(entry)
                    output.run([str(_python(entry)), "-I", "-m", "ensurepip", "--default-pip"])
                    _pip(_python(entry), output, "install", *requires)
                    versions = output.of([str(_python(entry)), "-m", "pip", "freeze", "--all"])
                except (subprocess.CalledProcessError, OSError) as error:
                    text = output.text or getattr(error, "output", "")
                    raise BuildFailed(f"the build tools could not be installed: {error}\n{text}".rstrip()) from error
                _write(entry / COMPLETE, {"versions": versions})
        versions = json.loads((entry / COMPLETE).read_text("utf-8"))["versions"]
        return {"folder": str(entry), "versions": versions}

    @contextmanager
    def _entry(self, entry: Path) -> Iterator[bool]:
        """Give whether entry is complete already; hold it for this session, alone while it is being made."""
        entry.parent.mkdir(parents=True, exist_ok=True)
        path = entry.with_suffix(".lock")
        while True:
            lock = path.open("a")
            fcntl.flock(lock, fcntl.LOCK_SH)
            if path.exists() and os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                break
            lock.close()  # another session has just removed what was not used for long
        self.locks.enter_context(lock)
        while not (complete := (entry / COMPLETE).is_file()):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Another session makes it. Once it is made, that one goes on using it, so that waiting to be alone
                # would be waiting for its whole race.
                time.sleep(0.05 + 0.05 * random.random())  # noqa: S311  # not in step with the other one
                fcntl.flock(lock, fcntl.LOCK_SH)
            else:
                complete = (entry / COMPLETE).is_file()  # it may have been made in between
                break
        try:
            if not complete:
                shutil.rmtree(entry, ignore_errors=True)
                self.reaper.watch(entry)
            yield complete
        except BaseException:
            if not complete:  # what is complete, others may use
                shutil.rmtree(entry, ignore_errors=True)
                self.reaper.forget(entry)  # not where a second Ctrl-C comes meanwhile, nor once others may make it
            fcntl.flock(lock, fcntl.LOCK_UN)
            raise
        else:
            self.reaper.forget(entry)
            os.utime(path)
            fcntl.flock(lock, fcntl.LOCK_SH)

    def prune(self) -> None:
        """Remove the entries that no race has used for long, and none uses now."""
        for lock in self.cache.glob("*.lock"):
            # Another session may remove it first, or use it.
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                if time.time() - lock.stat().st_mtime < UNUSED_S:
                    continue
                with lock.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink()


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


def _pyproject(project: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildFailed(f"pyproject.toml: {error}") from error


@dataclass
class _Output:
    """Runs commands, whose temporary files go into a folder that ends with the session, and keeps what they print."""

    reaper: Reaper
    temporary: Path
    text: str = ""

    @contextmanager
    def temporaries(self) -> Iterator[None]:
        """Let this process make its own temporary files where they end with the session, too."""
        before, tempfile.tempdir = tempfile.tempdir, str(self.temporary)
        try:
            yield
        finally:
            tempfile.tempdir = before

    def run(self, cmd: Any, cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        """Run a command, with the programs of its interpreter's environment first."""
        self.of(cmd, cwd, extra_environ)

    def of(self, command: Any, cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> str:
        """Return what a command prints."""
        env = {**os.environ, **(extra_environ or {})}
        env.pop("PYTHONPATH", None)
        env["TMPDIR"] = str(self.temporary)
        env["PATH"] = os.pathsep.join([str(Path(command[0]).parent), env.get("PATH", os.defpath)])
        with tempfile.TemporaryFile() as printed:
            process = self.reaper.start(
                [*map(str, command)], cwd=cwd, env=env, stdout=printed, stderr=subprocess.STDOUT
            )
            try:
                while self.reaper.status(process) is None:
                    time.sleep(0.01)
            finally:
                self.reaper.end(process)
                printed.seek(0)
                text = printed.read().decode("utf-8", "replace")
                self.text += text
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, [*map(str, command)])
        return text


def _pip(python: Path, output: _Output, *arguments: str) -> None:
    output.run([str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments])


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _interpreter() -> str:
    return json.dumps([sys.version, os.path.realpath(sys.executable), site.getsitepackages(), sys.prefix])


def _compiler() -> str:
    """Return what compilers are told, and which they are: an upgrade must not change one side only."""
    told = {name: value for name, value in sorted(os.environ.items()) if COMPILER.fullmatch(name)}
    found = {}
    for name in ("CC", "CXX"):
        command = (os.environ.get(name) or sysconfig.get_config_var(name) or "").split()
        if command and (program := shutil.which(command[0])):
            real = os.path.realpath(program)
            found[name] = [real, os.stat(real).st_size, os.stat(real).st_mtime]  # noqa: PTH116
    return json.dumps([told, found])


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([str(LAYOUT), *parts]).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _write(path: Path, told: object) -> None:
    """Write a file as a whole, or not at all."""
    half = path.with_suffix(".half")
    half.write_text(json.dumps(told), "utf-8")
    half.replace(path)
