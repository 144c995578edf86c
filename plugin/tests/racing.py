"""Projects to race: real git repositories, one with a C extension that is built, one of Python files only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_benchgate.race.events import Status, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

T = TypeVar("T")

LIMIT_S = 120.0  # for whatever a test waits for
# One launch is enough for an alarm, three for `same`; what differs by less than half is the same, however loaded it is.
QUICK = ("--race-alpha=0.9", "--race-threshold=50%", "--race-max-launches=12")
# After one launch, whatever the load, such a race is undecided.
UNDECIDED = ("--race-alpha=0.001", "--race-max-launches=1")
# Only these plugins are loaded, which saves two fifths of the start of each session and each worker. Tests of others
# set PYTEST_DISABLE_PLUGIN_AUTOLOAD to "".
PLUGINS = ("-p", "benchmark", "-p", "benchgate")
FEW_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
PYPROJECT = (
    "[build-system]\nrequires = ['setuptools>=64', 'wheel']\nbuild-backend = 'setuptools.build_meta'\n"
    "[project]\nname = 'Kern.El_fast'\nversion = '1.0'\n"
)
SETUP = (
    "from setuptools import Extension, setup\n"
    "setup(packages=['kern'], ext_modules=[Extension('kern._kern', ['kern/_kern.c'])])\n"
)
# Each step waits for the one before, so that no processor runs it faster at some places of the code than at others; AMD's
# take a sum in memory from a register where the loop lies well.
TEMPLATE = """\
#include <Python.h>

static volatile unsigned long result;

static PyObject *
spin(PyObject *module, PyObject *count)
{
    long steps = PyLong_AsLong(count) * @WORK@;
    unsigned long total = 0;
    for (long i = 0; i < steps; i++) {
        total = (total * 31 + i) ^ (total >> 3);
    }
    result = total;
    return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {{"spin", spin, METH_O, "spin(count)"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kern", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__kern(void)
{
    return PyModule_Create(&definition);
}
"""
KERNEL, SLOW_KERNEL = (TEMPLATE.replace("@WORK@", work) for work in ("1", "3"))
IGNORED = "__pycache__/\n.pytest_cache/\nbuild/\n*.egg-info/\n*.so\n"
# A C extension, which must be built. It is imported late, for the session's own environment does not have it.
KERN = {
    ".gitignore": IGNORED,
    "pyproject.toml": PYPROJECT,
    "setup.py": SETUP,
    "kern/__init__.py": "from kern._kern import spin\n",
    "kern/_kern.c": KERNEL,
    "tests/test_kern.py": "def test_spin(benchmark):\n    import kern\n    benchmark(kern.spin, 2000)\n",
}
# Builds the wheel in a fifth of the time that setuptools takes, for projects that are built many times.
BACKEND = """\
import os, pathlib, subprocess, sysconfig, zipfile
TOP, PACKED, OPTIONAL = pathlib.Path({top!r}), {packed!r}, False
INFO = "kern-1.0.dist-info"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    held = {{}}
    for name in PACKED:
        for file in sorted([*TOP.glob(name), *TOP.glob(name + "/*.py")]):
            if file.is_file():
                held[file.relative_to(TOP).as_posix()] = file.read_bytes()
        for source in TOP.glob(name + "/*.c"):
            made = pathlib.Path(folder, "made.so")
            compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC")).split()
            options = ["-shared", "-fPIC", "-O1", "-I" + sysconfig.get_path("include")]
            if not subprocess.run([*compiler, *options, str(source), "-o", str(made)], check=not OPTIONAL).returncode:
                suffix = sysconfig.get_config_var("EXT_SUFFIX")
                held[source.relative_to(TOP).with_suffix("").as_posix() + suffix] = made.read_bytes()
                made.unlink()
    held[INFO + "/METADATA"] = b"Metadata-Version: 2.1\\nName: kern\\nVersion: 1.0\\n"
    held[INFO + "/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: here\\nRoot-Is-Purelib: false\\nTag: py3-none-any\\n"
    held[INFO + "/RECORD"] = "".join(name + ",,\\n" for name in [*held, INFO + "/RECORD"]).encode()
    with zipfile.ZipFile(pathlib.Path(folder, "kern-1.0-py3-none-any.whl"), "w") as wheel:
        for name, data in held.items():
            wheel.writestr(name, data)
    return "kern-1.0-py3-none-any.whl"
"""
BY_BACKEND = (
    "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    "[project]\nname = 'kern'\nversion = '1.0'\n"
)
# KERN, without setuptools.
SOON = {name: text for name, text in KERN.items() if name != "setup.py"} | {
    "pyproject.toml": BY_BACKEND,
    "backend.py": BACKEND.format(top=".", packed=["kern"]),
}
# Python files only, raced from their source: no build to wait for.
PLAIN = {
    ".gitignore": IGNORED,
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "calc.py": "def count(n=300, times=1):\n    for _ in range(n * times):\n        pass\n",
    "tests/test_calc.py": "import calc\ndef test_count(benchmark):\n    benchmark(calc.count)\n",
}
SLOW_CALC = PLAIN["calc.py"].replace("times=1", "times=3")


@dataclass
class Run:
    """What a session of pytest left behind."""

    returncode: int
    text: str
    race: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdicts by the names of tests."""
        return {raced["name"]: raced["verdict"] for raced in self.race.get("raced", ())}

    def raced(self, name: str) -> dict[str, Any]:
        """Return what is known of a test's race."""
        (found,) = (raced for raced in self.race["raced"] if raced["name"] == name)
        return dict(found)


@dataclass
class Project:
    """A repository of the tests' own, in a folder of its own, and its races."""

    folder: Path
    cache: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "repository"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def json(self) -> Path:
        return self.folder / "race.json"

    @classmethod
    def make(cls, folder: Path, cache: Path, files: Mapping[str, str]) -> Project:
        """Return a new project with one commit, whose branch is main."""
        project = cls(folder, cache)
        project.root.mkdir(parents=True)
        project.temporary.mkdir()
        project.git("init", "--quiet", "--initial-branch=main")
        project.commit(**files)
        return project

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of this process, without what git, pytest, a CI or a user have set in it."""
        outer = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("GIT_", "GITHUB_", "PYTEST_", "PYTHONPATH", "CFLAGS"))
        }  # fmt: skip
        git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        return {**outer, **git, **FEW_PLUGINS, "TMPDIR": str(self.temporary), **self.env, **more}

    def installed(self) -> str:
        """Return a folder into which KERN is installed without its extension module, as pip's --target would."""
        folder = self.folder / "installed"
        info = "kern_el_fast-0.9.dist-info"
        told = {
            "kern/__init__.py": "spin = len\n",
            f"{info}/METADATA": "Metadata-Version: 2.1\nName: Kern.El_fast\nVersion: 0.9\n",
            f"{info}/RECORD": f"kern/__init__.py,,\n{info}/METADATA,,\n{info}/RECORD,,\n",
        }
        for name, text in told.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        return str(folder)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Return what git prints."""
        names = {
            f"GIT_{who}_{what}": "someone@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        return subprocess.run(
            command, cwd=cwd or self.root, env=self.environment(**names), stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()  # fmt: skip

    def write(self, **files: str) -> None:
        """Write files, by their paths relative to the root."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")

    def commit(self, **files: str) -> str:
        """Commit all, and these files; return the commit's id."""
        self.write(**files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A commit")
        return self.git("rev-parse", "HEAD")

    def command(self, *options: str, python: str | Path = sys.executable) -> list[str]:
        """Return the command of a session, with the race's own JSON and the tests' cache."""
        ours = [] if any(one.startswith("--race-cache") for one in options) else [f"--race-cache={self.cache}"]
        ours += [] if any(one.startswith("--race-json") for one in options) else [f"--race-json={self.json}"]
        ours += [] if any(one.startswith("--race-explain") for one in options) else ["--race-explain=off"]
        script = Path(python).parent / "pytest"  # not `python -m pytest`, which puts the source tree first
        return [str(script), "--benchmark-only", "-p", "no:cacheprovider", *PLUGINS, "--color=no", *ours, *options]

    def start(
        self, *options: str, cwd: Path | None = None, command: list[str] | None = None, **env: str
    ) -> subprocess.Popen[str]:
        """Start a session."""
        return subprocess.Popen(
            command or self.command(*options), cwd=cwd or self.root, env=self.environment(**env), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, *options: str, cwd: Path | None = None, command: list[str] | None = None, **env: str) -> Run:
        """Run a session to its end."""
        self.json.unlink(missing_ok=True)
        return self.finish(self.start(*options, cwd=cwd, command=command, **env))

    def finish(self, session: subprocess.Popen[str]) -> Run:
        """Return what a session left, once it has ended."""
        text, _ = session.communicate(timeout=LIMIT_S)
        written = self.json.read_text("utf-8") if self.json.exists() else ""
        return Run(session.returncode, text, json.loads(written) if written else {})

    def race(self, revision: str, *options: str, cwd: Path | None = None, **env: str) -> Run:
        """Race a revision; a few launches are enough."""
        return self.run(f"--race={revision}", *QUICK, *options, cwd=cwd, command=None, **env)

    def processes(self) -> dict[int, str]:
        """Return the command lines of the processes in this project's folders, where the system tells."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                texts = [
                    command,
                    str((entry / "cwd").readlink()),
                    (entry / "environ").read_bytes().decode("utf-8", "replace"),
                ]
            except OSError:
                continue
            if any(str(self.folder) in text for text in texts) and int(entry.name) != os.getpid():
                found[int(entry.name)] = command
        return found

    def left_behind(self) -> list[str]:
        """Return what a race should not have left: processes, scratch folders, worktrees, half-written files."""
        wait_for(lambda: not self.processes() and not [*self.temporary.iterdir()], 20, strict=False)
        left = [f"process {command}" for command in self.processes().values()]
        left += [str(path) for path in self.temporary.iterdir()]
        left += [str(path) for path in (*self.folder.rglob("*.half"), *self.cache.rglob("*.half"))]
        if self.cache.is_dir():
            left += [
                str(path) for path in self.cache.iterdir() if path.is_dir() and not (path / "benchgate.json").is_file()
            ]
        if self.root.is_dir():
            left += self.git("worktree", "list").splitlines()[1:]
        return left

    def state(self) -> dict[str, Any]:
        """Return all that git knows of the user's repository, and the bytes of its files, but for the index.

        pytest-benchmark's `git describe --dirty`, which is in any run of it, refreshes what the index says of times.
        """
        files = {
            str(path): path.read_bytes() for path in self.root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.name != "index"
        }  # fmt: skip
        status = ("--no-optional-locks", "status", "--porcelain", "--ignored=no")
        asked = [("count-objects", "-v"), ("worktree", "list"), ("for-each-ref",), ("ls-files", "--stage"), status]
        return {"files": files, **{" ".join(command): self.git(*command) for command in asked}}


def wait_for(what: Callable[[], Any], limit_s: float = LIMIT_S, *, strict: bool = True) -> Any:
    """Return the first true result of `what`."""
    deadline = time.monotonic() + limit_s
    while not (result := what()):
        if time.monotonic() > deadline:
            assert not strict, "waited too long"
            return result
        time.sleep(0.02)
    return result


def kill(session: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send a signal to a session alone, not to its children."""
    os.kill(session.pid, number)


def followed(events: Generator[Step | Status, None, T]) -> tuple[T, list[str], list[str]]:
    """Return the result of a generator of events, and the texts of its steps and statuses."""
    texts: dict[type, list[str]] = {Step: [], Status: []}
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value, texts[Step], texts[Status]
        texts[type(event)].append(event.text)


def copied(project: Project, folder: Path) -> Project:
    """Return a copy of a project in a folder of its own."""
    shutil.copytree(project.folder, folder, symlinks=True)
    return Project(folder, project.cache)
