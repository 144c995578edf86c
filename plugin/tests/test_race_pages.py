"""Extension modules and libraries are copied before each further launch, so that where their pages are is drawn anew."""

from __future__ import annotations

import os
import random
import shutil
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.launching import engine, pages
from pytest_benchgate.race.launching.engine import Race
from pytest_benchgate.race.launching.plan import Plan
from pytest_benchgate.race.reaper import Reaper
from test_race_engine import Script

if TYPE_CHECKING:
    from pathlib import Path

needs_posix = pytest.mark.skipif(os.name != "posix", reason="inodes and permissions as POSIX has them")


@pytest.fixture(params=[f"kern{EXTENSION_SUFFIXES[0]}", "kern.abi3.so", "libkern-1a2b.so.1.2", "libkern.dylib"])
def module(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path: Path = tmp_path / request.param
    path.write_bytes(b"\x7fELF" + bytes(range(256)) * 100)
    path.chmod(0o755)
    os.utime(path, (1e9, 1e9))
    return path


@needs_posix
def test_a_module_is_another_file_with_the_same_content(module: Path) -> None:
    source = module.with_name("kern.so.py")
    source.write_text("")
    before, of_source, content = module.stat(), source.stat(), module.read_bytes()
    with module.open("rb") as opened:
        pages.renew([str(module), str(source)], random.Random(1))
        # Who has it open, or loaded, keeps the old one.
        assert os.fstat(opened.fileno()).st_ino == before.st_ino
        assert module.stat().st_ino != before.st_ino
    assert module.read_bytes() == content
    assert (module.stat().st_mode, module.stat().st_mtime) == (before.st_mode, before.st_mtime)
    assert source.stat().st_ino == of_source.st_ino
    assert {*module.parent.iterdir()} == {module, source}


@needs_posix
def test_neither_side_is_always_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, first = [str(tmp_path / f"{side}.so") for side in ("base", "head")], []
    monkeypatch.setattr(shutil, "copy2", lambda source, _target: first.append(source))
    rng = random.Random(1)
    for launch in range(40):
        pages.renew(paths, rng)
        del first[launch + 1 :]
    assert 8 < first.count(paths[0]) < 32


@needs_posix
def test_what_cannot_be_copied_stays(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: object, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("no space left")

    content, before = module.read_bytes(), module.stat().st_ino
    monkeypatch.setattr(shutil, "copy2", full)
    pages.renew([str(module)], random.Random(1))
    pages.renew([str(module.with_name(f"gone{EXTENSION_SUFFIXES[0]}"))], random.Random(1))
    assert (module.read_bytes(), module.stat().st_ino) == (content, before)
    assert [*module.parent.iterdir()] == [module]


@pytest.mark.parametrize("own_files", [True, False])
def test_each_further_launch_has_new_copies_of_a_race_s_own_files(
    *, own_files: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, renewed = Script({"same": [0.0]}), []
    monkeypatch.setattr(engine, "launch", script.launch)
    monkeypatch.setattr(pages, "renew", lambda paths, _rng: renewed.append(sorted(paths)))
    assert [*engine.run([], [Race("same")], Plan(), seed=1, reaper=Reaper(), own_files=own_files)]
    # Of the first launch, nothing is known.
    assert renewed == ([[], ["same"], ["same"]] if own_files else [])
