"""The gate itself, gated: a null race and planted slowdowns of this suite, as real commits that are built and raced.

    tox run -e planted

Not collected by default: each race builds the project. A race's own statistics are tested in the plugin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTEST = [sys.executable, "-P", "-m", "pytest", "--benchmark-only", "--benchmark-quiet"]
ENOUGH = "--race-budget=150"  # seconds a benchmark: a busy machine takes longer, and must not fail us


def git(*arguments: str, cwd: Path) -> None:
    who = ("-c", "user.name=planted", "-c", "user.email=planted@localhost")
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a repository whose one commit is the working tree as it is."""
    made = tmp_path_factory.mktemp("planted") / "logmap-cy"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made / name)
    git("init", "-q", "-b", "main", cwd=made)
    git("add", "-A", cwd=made)
    git("commit", "-q", "-m", "base", cwd=made)
    git("tag", "base", cwd=made)
    return made


def commit(repository: Path, *changes: tuple[str, str, str]) -> None:
    """Commit changes on top of base, each of one file from a text to another, and check the commit out."""
    git("checkout", "-q", "base", cwd=repository)
    for name, was, becomes in changes:
        path = repository / name
        text = path.read_text("utf-8")
        assert text.count(was) == 1, f"{name} has changed: plant another slowdown in it"
        path.write_text(text.replace(was, becomes), "utf-8")
    git("commit", "-q", "-a", "-m", "changed", cwd=repository)


def race(repository: Path, benchmarks: tuple[str, ...], *options: str) -> dict[str, dict[str, Any]]:
    """Race the commit that is checked out against base; return what was found, by benchmark."""
    out = repository.parent / "race.json"
    ids = [f"tests/test_benchmarks.py::test_logmap[{name}]" for name in benchmarks]
    own = [
        f"--race-json={out}",
        f"--race-cache={repository.parent / 'cache'}",
        "--race=base",
        "--race-explain=off",
        ENOUGH,
    ]
    done = subprocess.run(
        [*PYTEST, *own, *options, *ids],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CI": "", "PYTEST_ADDOPTS": ""},
    )
    print(done.stdout, done.stderr)
    report = json.loads(out.read_text("utf-8"))
    assert report["complete"], done.stdout
    found = {raced["name"].partition("[")[2].removesuffix("]"): raced for raced in report["raced"]}
    assert found.keys() == set(benchmarks)
    assert (done.returncode == 1) == any(raced["failed"] for raced in found.values())
    return found


def test_a_commit_that_changes_no_speed_raises_no_alarm(repository: Path) -> None:
    commit(repository, ("logmap_cy/rows/step.pxd", "once: one step", "only once: one step"))
    found = race(repository, ("1Ki-memoryview", "64Ki-unrolled", "64Ki-prange", "1Ki-opencl_loop@cl0", "64Ki-numpy"))
    assert {name: raced["verdict"] for name, raced in found.items() if raced["verdict"] not in {"same", "unsure"}} == {}


# A benchmark that becomes slower, and the change for it, in a file that no other of these uses.
SLOWDOWNS = {
    "64Ki-opencl_loop@cl0": ("kernels/opencl_loop.cl", "u = step(u);", "u = step(u) / (1 + (num >> 63));"),
    "64Ki-numpy": (
        "logmap_cy/rows/numpy.py",
        "np.add(u, np.uint64(1), out=t)",
        "np.add(u.copy(), np.uint64(1), out=t)",
    ),
}
# One processor is one thread anyway.
if len(os.sched_getaffinity(0)) > 1:
    threads = "num_threads=threads, use_threads_if=threads > 1"
    SLOWDOWNS["1Mi-prange"] = ("logmap_cy/rows/prange.pyx", threads, "num_threads=1")
UNCHANGED = {"1Ki-memoryview", "64Ki-unrolled", "1Ki-buffer"}


def test_slowdowns_are_caught(repository: Path) -> None:
    """Three in one commit, so that there is one build of them, beside what is as fast as before."""
    commit(repository, *SLOWDOWNS.values())
    found = race(repository, (*SLOWDOWNS, *UNCHANGED), "--race-alpha=0.01")  # some fifteen launches will do
    assert {name: found[name]["verdict"] for name in SLOWDOWNS} == dict.fromkeys(SLOWDOWNS, "slower")
    assert {name for name, raced in found.items() if raced["failed"]} == SLOWDOWNS.keys()
    assert {found[name]["verdict"] for name in UNCHANGED} <= {"same", "unsure"}
