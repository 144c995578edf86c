"""The cache of the builds: whose folder it is, what is in it, and who may use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.building.store import COMPLETE, CacheError, Entry, Store, prepare_folder
from pytest_benchgate.race.reaper import Reaper
from racing import Project
from test_race_layouts import files

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a race needs POSIX")
KEY, OTHER, THIRD = "0123456789abcdef", "f" * 16, "0" * 16


@contextmanager
def store(folder: Path) -> Iterator[Store]:
    prepare_folder(folder)
    with Reaper() as reaper, ExitStack() as locks:
        yield Store(folder, reaper, locks)


def fill(entry: Entry) -> None:
    (entry.folder / "bin").mkdir(parents=True)
    (entry.folder / "bin" / "python").symlink_to(sys.executable)
    entry.complete({})


def test_a_new_folder_is_the_user_s_own_and_tagged(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cache"
    prepare_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert (folder / ".gitignore").read_text() == "*\n"
    prepare_folder(folder)


@pytest.mark.parametrize("leftover", ["", "Signature: 8a47"])
def test_a_folder_whose_making_was_interrupted(tmp_path: Path, leftover: str) -> None:
    (tmp_path / "CACHEDIR.TAG").write_text(leftover)
    prepare_folder(tmp_path)
    assert "pytest-benchgate" in (tmp_path / "CACHEDIR.TAG").read_text()


def test_an_empty_folder_is_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    prepare_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "files",
    [
        {"uv.lock": ""},
        {".gitignore": "*.log\n", "src": ""},
        {"CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# of cargo\n"},
        {"CACHEDIR.TAG": "", "debug": ""},
        {KEY: "", f"{KEY}.lock": ""},
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(
        CacheError, match=r"^--race-cache: .* is not empty and has no CACHEDIR\.TAG of pytest-benchgate; "
    ):
        prepare_folder(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    prepare_folder(tmp_path)
    tmp_path.chmod(mode)
    with pytest.raises(CacheError, match=rf"can be written by other users \(mode {mode:04o}\)"):
        prepare_folder(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(
        CacheError, match=r"belongs to user 12345, not to you; give another folder by --race-cache=FOLDER"
    ):
        prepare_folder(tmp_path)


@pytest.mark.parametrize("place", ["/etc/hostname", "/etc/hostname/cache", "/proc/cache", "/dev/null"])
def test_an_impossible_cache_folder_is_refused(place: str) -> None:
    with pytest.raises(CacheError, match=rf"^--race-cache: {place} cannot be used: [^\n]*$"):
        prepare_folder(Path(place))


def test_only_entries_that_no_race_used_for_long_are_removed(tmp_path: Path) -> None:
    names = {"unused": KEY, "used": OTHER, "fresh": THIRD}
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    cache = tmp_path / "cache"
    script = "import fcntl, sys\nfile = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_SH); print(flush=True); sys.stdin.read()"
    with store(cache) as made:
        for name in names.values():
            (cache / name / "bin").mkdir(parents=True)
            (cache / f"{name}.lock").touch()
        for name in ("uv", "poetry", "0123456789ABCDEF", f"{KEY}0"):
            (cache / name).mkdir()
            (cache / f"{name}.lock").touch()
        link = cache / ("1" * 16)
        link.symlink_to(outside)
        link.with_suffix(".lock").touch()
        foreign = {path.name for path in cache.iterdir()} - {
            one for name in names.values() for one in (name, f"{name}.lock")
        }
        for lock in cache.glob("*.lock"):
            if lock.stem != names["fresh"]:
                os.utime(lock, times=(0, time.time() - 15 * 86400))
        with subprocess.Popen(
            [sys.executable, "-c", script, cache / f"{OTHER}.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as user:
            assert user.stdout is not None
            user.stdout.readline()
            made.prune()
            foreign -= {link.name, f"{link.name}.lock"}
            assert {path.name for path in cache.iterdir()} == foreign | {THIRD, f"{THIRD}.lock", OTHER, f"{OTHER}.lock"}
            assert user.stdin is not None
            user.stdin.close()
            user.wait()
        made.prune()
        assert {path.name for path in cache.iterdir()} == foreign | {THIRD, f"{THIRD}.lock"}
    assert (outside / "precious").exists()


@pytest.mark.parametrize(("days", "kept"), [(13, True), (15, False)])
def test_bytecode_files_go_with_their_folder_after_14_days(tmp_path: Path, days: int, kept: bool) -> None:  # noqa: FBT001
    with store(tmp_path) as made:
        made.prune()
        made.bytecode.mkdir()
        os.utime(made.bytecode, (then := time.time() - 86400 * days, then))
        made.prune()
        assert made.bytecode.exists() is kept


def interrupted(made: Store, key: str, *, complete: bool = False, files: int = 0, again_s: float = 0) -> None:
    with made.entry(key) as entry:
        assert (entry.record is not None) is complete
        entry.folder.mkdir(exist_ok=True)
        for number in range(files):
            (entry.folder / str(number)).touch()
        signal.setitimer(signal.ITIMER_REAL, again_s)
        raise KeyboardInterrupt


def test_a_second_ctrl_c_while_an_incomplete_build_is_removed(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with store(tmp_path) as made, pytest.raises(KeyboardInterrupt) as raised:
            interrupted(made, KEY, files=4_000, again_s=0.005)
        assert raised.value.__context__ is not None
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not (tmp_path / KEY).exists()


def test_an_error_removes_an_incomplete_entry_and_keeps_a_complete_one(tmp_path: Path) -> None:
    with store(tmp_path) as made:
        for complete in (False, True):
            with pytest.raises(KeyboardInterrupt):
                interrupted(made, KEY, complete=complete)
            assert (tmp_path / KEY).exists() is complete
            if not complete:
                with made.entry(KEY) as entry:
                    fill(entry)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "3", "{}", '{"built": 1, "record": {}}', '{"built": 1, "record": 3, "sizes": {}}',
                                  '{"built": "x", "record": {}, "sizes": {}}', '{"built": 1, "record": {}, "sizes": []}', "\x00" * 64])  # fmt: skip
def test_a_marker_that_says_nothing(tmp_path: Path, text: str) -> None:
    with store(tmp_path) as made:
        with made.entry(KEY) as entry:
            fill(entry)
        (entry.folder / COMPLETE).write_text(text)
        made.locks.close()
        with made.entry(KEY) as entry:
            assert entry.record is None
            assert not entry.folder.exists()
            fill(entry)
        with made.entry(KEY) as entry:
            assert entry.record == {}


@pytest.mark.parametrize("target", ["gone", "."])
def test_an_interpreter_that_is_none(tmp_path: Path, target: str) -> None:
    """As after an upgrade of Python, or in a cache that another machine has filled."""
    with store(tmp_path) as made:
        with made.entry(KEY) as entry:
            fill(entry)
        python = entry.folder / "bin" / "python"
        python.unlink()
        python.symlink_to(target)
        made.locks.close()
        with made.entry(KEY) as entry:
            assert entry.record is None
            fill(entry)


def test_a_link_in_place_of_an_entry_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    with store(tmp_path / "cache") as made:
        (made.folder / KEY).symlink_to(outside)
        with made.entry(KEY) as entry:
            fill(entry)
    assert [path.name for path in outside.iterdir()] == ["precious"]


@pytest.mark.thorough
def test_a_cache_in_the_repository_is_not_part_of_head(tmp_path: Path, race_cache: Path) -> None:
    project = Project.make(tmp_path / "project", race_cache, files())
    texts = []
    for _ in range(2):
        run = project.race("HEAD", "--race-cache=.builds", "--race-max-launches=1")
        assert run.verdicts == {"test_spin": "unsure"}
        texts.append(run.text)
    assert "base and head are the same source tree" in texts[0]
    assert ["from the cache" in text for text in texts] == [True, True]  # base is head
    assert "building" not in texts[1]
    assert project.git("status", "--porcelain") == ""
    assert project.left_behind() == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("place", "words"),
    [
        (".", "--race-cache: {root} is not empty and has no CACHEDIR.TAG of pytest-benchgate; "),
        ("/etc/hostname", "--race-cache: /etc/hostname cannot be used: "),
        ("~/builds", "--race-cache: /dev/null/builds cannot be used: "),
        ("~nobody-at-all/x", "--race-cache=~nobody-at-all/x: "),
    ],
)
def test_a_race_refuses_a_folder_without_a_traceback(kern: Project, place: str, words: str) -> None:
    before = kern.state()
    run = kern.run("--race=HEAD", f"--race-cache={place}", HOME="/dev/null")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert words.format(root=kern.root) in run.text
    assert "Traceback" not in run.text
    assert "building" not in run.text
    assert kern.state() == before
