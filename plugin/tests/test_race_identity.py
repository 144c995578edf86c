"""Whether both sides of a race really are two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.launching.engine import Race
from pytest_benchgate.race.launching.results import Timed
from pytest_benchgate.race.verdicts.identity import ADVICE, Identity, SelfRace, unlike_inputs

if TYPE_CHECKING:
    from pathlib import Path

ANYWHERE: dict[str, tuple[Path, ...]] = {"base": (), "head": ()}


def written(folder: Path, **files: str) -> list[str]:
    """Write files with these names and contents; return their paths."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return [str(folder / name) for name in files]


@pytest.fixture
def homes(tmp_path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the folders of two builds; head has two."""
    return {"base": (tmp_path / "base",), "head": (tmp_path / "head", tmp_path / "more")}


@pytest.mark.parametrize("order", [("base", "head"), ("head", "base")], ids=" ".join)
def test_one_file_on_both_sides_is_refused(order: tuple[str, str], tmp_path: Path) -> None:
    identity = Identity(ANYWHERE)
    first, second = order
    fast, shared = written(tmp_path / "tree", fast="1", shared="2")
    identity.add(first, [fast, shared])
    identity.add(second, written(tmp_path / "other", fast="1"))
    with pytest.raises(SelfRace, match=r"^both sides run .*/tree/shared: the source tree precedes") as refused:
        identity.add(second, [*written(tmp_path / "other", more="3"), shared])
    assert str(refused.value).endswith(ADVICE)


@pytest.mark.parametrize(("side", "place"), [("base", "head"), ("head", "base"), ("head", "header")])
def test_a_file_from_elsewhere_is_refused(
    homes: dict[str, tuple[Path, ...]], tmp_path: Path, side: str, place: str
) -> None:
    identity = Identity(homes)
    identity.add("base", written(tmp_path / "base" / "deep", fast="1"))
    identity.add("head", written(tmp_path / "head", fast="2") + written(tmp_path / "more", slow="2"))
    with pytest.raises(SelfRace, match=f"^{side} runs .*/other, which is not part of its build: "):
        identity.add(side, written(tmp_path / place, other="3"))


def test_two_different_builds_need_no_note(homes: dict[str, tuple[Path, ...]], tmp_path: Path) -> None:
    """Not even if some of the files, but not all, are equal, nor if files are reported again."""
    identity = Identity(homes)
    for side, content in (("base", "old"), ("head", "new"), ("base", "old")):
        identity.add(side, written(tmp_path / side, fast=content, equal="equal"))
        identity.add(side, [])
    assert identity.notes() == []


def test_equal_content_is_noted(tmp_path: Path) -> None:
    identity = Identity(ANYWHERE)
    for side in ("base", "head"):
        identity.add(side, written(tmp_path / side, fast="1", slow="2"))
    assert identity.notes() == [
        "both sides have loaded equal files (2): nothing that was raced differs, unless in its data"
    ]
    identity.add("head", written(tmp_path / "head", new="3"))
    assert identity.notes() == []


def test_it_is_noted_if_a_side_has_loaded_nothing_that_is_raced(tmp_path: Path) -> None:
    identity = Identity(ANYWHERE)
    assert "have loaded none of the project's modules, so" in identity.notes()[0]
    identity.add("head", written(tmp_path, fast="1"))
    assert identity.notes() == ["the benchmarks have loaded none of the project's modules on base"]


def test_a_null_race_may_run_one_file_on_both_sides_from_anywhere(
    homes: dict[str, tuple[Path, ...]], tmp_path: Path
) -> None:
    identity = Identity(homes, same=True)
    for side in ("base", "head"):
        identity.add(side, written(tmp_path / "tree", fast="1"))
    assert identity.notes() == []


def test_a_file_is_read_once(tmp_path: Path) -> None:
    identity = Identity(ANYWHERE)
    (fast,) = written(tmp_path / "base", fast="1")
    identity.add("base", [fast])
    written(tmp_path / "base", fast="changed")
    identity.add("base", [fast])
    identity.add("head", written(tmp_path / "head", fast="1"))
    assert "both sides have loaded equal files (1)" in identity.notes()[0]


def test_each_race_starts_from_nothing(tmp_path: Path) -> None:
    (fast,) = written(tmp_path, fast="1")
    Identity(ANYWHERE).add("base", [fast])
    Identity(ANYWHERE).add("head", [fast])


def test_benchmarks_with_unlike_inputs_are_named_but_not_all_of_many() -> None:
    alike, unlike = Timed(0.0, (), ()), Timed(0.0, (), (), alike=False)
    assert unlike_inputs([Race("alike", launches=(alike, alike))]) == []
    (note,) = unlike_inputs(
        [Race("alike", launches=(alike,)), *(Race(f"r{i}", launches=(alike, unlike)) for i in range(7))]
    )
    assert "may differ: r0, r1, r2, r3, r4 and 2 more; seed from a constant" in note
