"""A build of each side, with setuptools and a C compiler, in environments that lie over the session's own."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building import git, project
from pytest_benchgate.race.building.build import Builder, BuildFailed, Built, Order
from pytest_benchgate.race.building.parallel import build_all
from pytest_benchgate.race.building.store import Store, prepare_folder
from pytest_benchgate.race.reaper import Reaper
from racing import KERN, KERNEL, SLOW_KERNEL, Project, followed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
HERE = Path()


@dataclass
class Session:
    """What a session needs to build, and the steps of its last build."""

    project: Project
    reaper: Reaper
    locks: ExitStack
    steps: list[str] = field(default_factory=list)
    environment: tuple[str, ...] = ()
    before: str | None = None

    @property
    def from_cache(self) -> bool:
        """Whether the last build came from the cache."""
        return any("from the cache" in step for step in self.steps)

    def build(self, oldest: float = 0.0) -> Built:
        """Build the project's working tree."""
        scratch = self.project.temporary / "scratch"
        scratch.mkdir(exist_ok=True)
        self.reaper.watch(scratch)
        source = scratch / f"head{len(list(scratch.iterdir()))}"
        tree = git.Repository.around(self.project.root).check_out_working_tree(source)
        store = Store(self.project.cache, self.reaper, self.locks, oldest=oldest)
        order = Order(source, HERE, tree.tree, "head", self.project.root)
        (built,), self.steps, _ = followed(build_all(Builder(store, self.environment, self.before), [order]))
        assert self.project.git("status", "--porcelain", "--ignored", cwd=source) == ""  # the tree is clean afterwards
        return built


@pytest.fixture
def session(kern: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name in [*os.environ]:
        if name not in kern.environment():
            monkeypatch.delenv(name)
    prepare_folder(kern.cache)
    with Reaper() as reaper, ExitStack() as locks:
        yield Session(kern, reaper, locks)


def run(built: Built, code: str) -> str:
    return subprocess.run([built.python, "-P", "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def entries(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir() if path.is_dir()}


def unlike(text: str) -> str:
    """Return a C file that no other test builds."""
    return f"{text}/* {time.time_ns()} */\n"


def test_it_is_built_once_and_kept_by_content(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.project.write(**{"kern/_kern.c": unlike(KERNEL)})
    first = session.build()
    assert [re.sub(r"\d.*", "", step) for step in session.steps if step.startswith("head")] == [
        "head: building ...", "head: built in ",
    ]  # fmt: skip
    assert first.names == ("kern",)
    again = session.build()
    assert (again.folder, again.names) == (first.folder, first.names)
    (step,) = session.steps
    assert re.fullmatch(r"head: built (less than a second|\d+ (second|minute)s?) ago, from the cache", step)
    session.project.write(**{"kern/__init__.py": "from kern._kern import spin\nfast = True\n"})
    changed = session.build()
    assert not session.from_cache
    assert run(changed, "import kern; print(kern.fast)") == "True"
    monkeypatch.setenv("CFLAGS", "-O0 -DMORE")
    other = session.build()
    assert not session.from_cache
    assert other.folder != changed.folder
    session.build()
    assert session.from_cache


def test_sources_that_git_ignores_are_made_first(session: Session) -> None:
    """By the session's Python, which is first on the PATH; once, until the command changes."""
    kernel = session.project.root / "kern" / "_kern.c"
    session.project.write(**{".gitignore": "_kern.c\nbuild/\n*.egg-info/\n", "kernel": unlike(KERNEL)})
    kernel.unlink()
    with pytest.raises(
        BuildFailed, match=r"likely remedy: kern/_kern\.c is not in the revision: if a command"
    ) as caught:
        session.build()
    assert 'race_before_build = "make cython"' in str(caught.value)
    session.before = "false; touch here"
    with pytest.raises(BuildFailed, match=r"race_before_build failed \(exit status 1\): false; touch here"):
        session.build()
    copy = "import shutil, sys; shutil.copy('kernel', 'kern/_kern.c'); open('kern/by.py', 'w').write(repr(sys.prefix))"
    session.before = f'python -c "{copy}"'
    built = session.build()
    assert run(built, "import kern; kern.spin(1)") == ""
    assert ast.literal_eval((next(built.folder.glob("lib/*/site-packages/kern/by.py"))).read_text()) == sys.prefix
    session.build()
    assert session.from_cache
    session.before += " && true"
    session.build()
    assert not session.from_cache


def test_the_command_before_a_build_may_choose_its_backend(session: Session) -> None:
    """As in tomli, which flit builds, or setuptools with mypyc after a script; what that needs is in the session."""
    text = (session.project.root / "pyproject.toml").read_text()
    build_system = "[build-system]\nrequires = []\nbuild-backend = 'setuptools.build_meta'\n[project]"
    alone = re.sub(r"(?s)^.*\[project\]", build_system, text)
    session.project.write(**{"pyproject.toml": alone, "kern/_kern.c": unlike(KERNEL), "compiled": text})
    with pytest.raises(BuildFailed, match='the build needs setuptools, which is not required: add "setuptools"'):
        session.build()
    session.before = "python -c 'import notatool'"
    with pytest.raises(
        BuildFailed, match=r"runs in the environment of this session, which has no notatool: pip install 'notatool'$"
    ):
        session.build()
    session.before = "cp compiled pyproject.toml"
    built = session.build()
    assert run(built, "import kern; kern.spin(1)") == ""
    session.build()
    assert session.from_cache


def test_everything_else_comes_from_the_session(session: Session) -> None:
    built = session.build()
    code = "import importlib.metadata as m; print([(d.name.lower(), d.version) for d in m.distributions()])"
    own = {(one.name.lower(), one.version) for one in importlib.metadata.distributions()}
    ((name, version),) = set(ast.literal_eval(run(built, code))) - own
    assert (re.sub("[-_.]+", "-", name), version) == ("kern-el-fast", "1.0")
    files = run(
        built, "import kern, kern._kern, pytest; print(kern.__file__, kern._kern.__file__, pytest.__file__)"
    ).split()
    assert [Path(file).is_relative_to(built.folder.resolve()) for file in files] == [True, True, False]
    assert files[2] == pytest.__file__


def test_a_failed_build_shows_the_compiler_s_output(session: Session) -> None:
    session.build()
    before = entries(session.project.cache)
    session.project.write(**{"kern/_kern.c": KERNEL.replace("unsigned long total", "unsigned lnog total")})
    with pytest.raises(BuildFailed, match=r"unknown type name|undeclared") as raised:
        session.build()
    assert str(raised.value).startswith("head could not be built: ")
    assert "lnog" in str(raised.value)
    assert entries(session.project.cache) == before
    session.project.write(**{"kern/_kern.c": KERNEL})
    session.build()
    assert session.from_cache


@pytest.mark.thorough
def test_build_tools_that_do_not_exist(session: Session) -> None:
    before = entries(session.project.cache)
    text = (session.project.root / "pyproject.toml").read_text()
    session.project.write(**{"pyproject.toml": text.replace("setuptools>=64", "setuptools>=99999")})
    with pytest.raises(BuildFailed, match=r"build tools could not be installed(.|\n)*setuptools"):
        session.build()
    assert entries(session.project.cache) == before


@pytest.mark.parametrize("text", ["[project", "[build-system]\nrequires = 'setuptools'\n", "build-system = 1\n"])
def test_an_invalid_pyproject(session: Session, text: str) -> None:
    session.project.write(**{"pyproject.toml": text})
    with pytest.raises(BuildFailed, match=r"^head could not be built: pyproject\.toml: "):
        session.build()


def test_two_sessions_build_at_once(kern: Project) -> None:
    """One builds, and the other one waits for that, not for its race."""
    kern.write(**{"kern/_kern.c": unlike(SLOW_KERNEL)})
    options = ("--race=HEAD", "--race-threshold=50%", "--race-alpha=0.9", "--race-max-launches=12")
    files = [kern.folder / f"{index}.json" for index in range(2)]
    runs = [kern.finish(session) for session in [kern.start(*options, f"--race-json={file}") for file in files]]
    assert [run.returncode for run in runs] == [1, 1]
    assert sorted("head, the working tree: building" in run.text for run in runs) == [False, True]
    assert [json.loads(file.read_text())["raced"][0]["verdict"] for file in files] == ["slower", "slower"]


def test_a_race_renews_the_expiry_of_its_builds(session: Session) -> None:
    built = session.build()
    lock = built.folder.with_suffix(".lock")
    os.utime(lock, times=(0, 0))
    session.build()
    assert time.time() - lock.stat().st_mtime < 3600


@pytest.mark.parametrize(
    ("files", "folder", "found"),
    [
        ({"pyproject.toml": "[project]\nname = 'p'\n"}, ".", "."),
        ({"pyproject.toml": "[build-system]\nrequires = []\n"}, "sub/deep", "."),
        ({"setup.py": "", "sub/pyproject.toml": "[tool.ruff]\n"}, "sub", "."),
        ({"setup.py": "", "sub/setup.py": ""}, "sub", "sub"),
        ({"pyproject.toml": "[tool.pytest]\n"}, ".", None),
        ({"sub/setup.py": ""}, ".", None),
    ],
)
def test_the_project_of_a_folder(tmp_path: Path, files: dict[str, str], folder: str, found: str | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert project.find(tmp_path, Path(folder)) == (None if found is None else Path(found))


def test_a_setup_py_alone_is_built_as_pep_517_has_it(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    assert project.requires(tmp_path) == ("setuptools>=40.8.0", "wheel")


def test_a_project_s_own_variables_are_a_part_of_the_key(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.environment = ("KERN_*",)
    plain = session.build()
    monkeypatch.setenv("OTHER_OPTION", "1")
    assert session.build().folder == plain.folder
    monkeypatch.setenv("KERN_OPTION", "1")
    assert session.build().folder != plain.folder


def test_everything_is_built_again_on_request(session: Session) -> None:
    first = session.build()
    session.locks.close()  # as if that session had ended
    now = time.time()
    again = session.build(oldest=now)
    assert any(step.startswith("installing the build tools") for step in session.steps)
    assert (session.from_cache, again.folder) == (False, first.folder)
    session.build(oldest=now)
    assert session.from_cache, "built again more than once"


@pytest.mark.thorough
def test_an_entry_that_another_session_uses_is_not_built_again(session: Session) -> None:
    session.build()
    with pytest.raises(BuildFailed, match="must be built again, but another session uses it"):
        session.build(oldest=time.time())


def damage_marker(folder: Path) -> None:
    (folder / "benchgate.json").write_bytes(b"")


def damage_bin(folder: Path) -> None:
    shutil.rmtree(folder / "bin")


def damage_interpreter(folder: Path) -> None:
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nowhere/python")


def damage_module(folder: Path) -> None:
    (library,) = folder.rglob("_kern*.so")
    os.truncate(library, 100)


def damage_package(folder: Path) -> None:
    (file,) = folder.rglob("kern/__init__.py")
    file.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        damage_marker,
        *(
            pytest.param(one, marks=pytest.mark.thorough)
            for one in (damage_interpreter, damage_module, damage_bin, damage_package)
        ),
    ],
    ids=lambda one: one.__name__,
)
def test_a_damaged_entry_is_built_again(session: Session, damage: Callable[[Path], None]) -> None:
    built = session.build()
    session.locks.close()
    damage(built.folder)
    again = session.build()
    assert (session.from_cache, again.folder) == (False, built.folder)
    assert run(again, "import kern; print(kern.spin(1))") == "None"


DYNAMIC = """\
from setuptools import build_meta
from setuptools.build_meta import *

def get_requires_for_build_wheel(settings=None):
    return [*build_meta.get_requires_for_build_wheel(settings), "iniconfig"]

def build_wheel(*arguments):
    import iniconfig
    return build_meta.build_wheel(*arguments)
"""


@pytest.mark.thorough
def test_tools_that_only_the_backend_requires(session: Session) -> None:
    """They go into an environment of their own: the other side's tools stay as they are."""
    session.build()
    before = entries(session.project.cache)
    text = KERN["pyproject.toml"].replace("setuptools.build_meta'", "backend'\nbackend-path = ['.']")
    session.project.write(**{
        "pyproject.toml": text, "backend.py": DYNAMIC,
    })  # fmt: skip
    session.build()
    assert not session.from_cache
    assert len(entries(session.project.cache) - before) == 2
    session.build()
    assert session.from_cache
