"""Both sides built at once, and what people see of it."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate import host
from pytest_benchgate.race.building import git
from pytest_benchgate.race.building.build import Builder, BuildFailed, Built, Order
from pytest_benchgate.race.building.parallel import build_all
from pytest_benchgate.race.building.store import Store, prepare_folder
from pytest_benchgate.race.reaper import Reaper
from pytest_benchgate.race.verdicts.exit_status import ExitStatus
from racing import KERN, Project, followed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
# Pure Python, which is built soon. Each build does what its own file says; `meeting` is a folder outside.
SETUP = """\
import os, pathlib, sys, time
from setuptools import setup
if "bdist_wheel" in sys.argv:
    meeting = pathlib.Path(os.environ["MEETING"])
    exec(pathlib.Path("what.py").read_text())
setup(packages=["kern"])
"""
MEET = """\
(meeting / "{own}").touch()
print("{own} waits", "-O3 " * 40, "{own}.o", flush=True)
for _ in range(1200):
    if (meeting / "{other}").exists():
        break
    time.sleep(0.05)
else:
    sys.exit("nobody came")
time.sleep(0.5)
"""


class Session:
    """A session that builds base, as committed, and head, as it lies."""

    def __init__(self, project: Project, reaper: Reaper, locks: ExitStack) -> None:
        self.project, self.reaper, self.locks = project, reaper, locks
        self.steps: list[str] = []
        self.statuses: list[str] = []

    def build(self, base: str, head: str) -> list[Built]:
        """Build both sides, which do this."""
        self.project.commit(**{"setup.py": SETUP, "what.py": base, "kern/_kern.c": "", "kern/__init__.py": ""})
        self.project.write(**{"what.py": head})
        repository = git.Repository.around(self.project.root)
        scratch = self.project.temporary / "scratch"
        self.reaper.watch(scratch)
        tree = repository.resolve("HEAD")
        repository.check_out(tree, scratch / "base")
        trees = [tree.tree, repository.check_out_working_tree(scratch / "head").tree]
        orders = [
            Order(scratch / name, Path(), tree, name, self.project.root)
            for name, tree in zip(("base", "head"), trees, strict=True)
        ]
        store = Store(self.project.cache, self.reaper, self.locks)
        built, self.steps, self.statuses = followed(build_all(Builder(store), orders))
        return built


@pytest.fixture
def session(kern: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name, value in kern.environment(MEETING=str(kern.folder)).items():
        monkeypatch.setenv(name, value)
    prepare_folder(kern.cache)
    with Reaper() as reaper, ExitStack() as locks:
        yield Session(kern, reaper, locks)


@pytest.mark.skipif(len(host.processors()) < 2, reason="needs two processors")
def test_both_are_built_at_once_and_followed(session: Session) -> None:
    base, head = session.build(MEET.format(own="b", other="h"), MEET.format(own="h", other="b"))
    assert base.folder != head.folder
    wanted = r"base \d+ s: b waits -O.*\.\.\..* b\.o; head \d+ s: h waits -O.*\.\.\..* h\.o"
    assert any(re.fullmatch(wanted, line) for line in session.statuses), session.statuses
    assert session.statuses[-1] == ""
    assert [
        len([line for line in session.steps if line.startswith(f"{name}: built in ")]) for name in ("base", "head")
    ] == [1, 1]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinities")
def test_on_one_processor_head_is_built_first(session: Session) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        session.build("", "x = 1\n")
    finally:
        os.sched_setaffinity(0, before)
    lines = [line for line in session.steps if re.match("(base|head): ", line)]
    assert [re.sub(r" \d.*", "", line) for line in lines] == [
        "head: building ...", "head: built in", "base: building ...", "base: built in",
    ]  # fmt: skip


def test_where_one_fails_the_other_is_stopped(session: Session) -> None:
    start = time.monotonic()
    with pytest.raises(BuildFailed, match=r"^head could not be built: (.|\n)*a mistake") as raised:
        session.build("time.sleep(1000)\n", "raise RuntimeError('a mistake')\n")
    assert time.monotonic() - start < 60
    assert "Traceback" in str(raised.value)
    assert not [one for one in session.project.processes().values() if "build_wheel" in one]


def test_a_build_tool_that_is_not_required_is_named(kern: Project) -> None:
    kern.write(**{"setup.py": "import notatool.build\n" + KERN["setup.py"]})
    run = kern.race("HEAD")
    assert run.returncode == ExitStatus.NOT_BUILT
    assert "head, the working tree could not be built: " in run.text
    assert 'likely remedy: the build needs notatool, which is not required: add "notatool" to requires' in run.text
    assert "INTERNALERROR" not in run.text
