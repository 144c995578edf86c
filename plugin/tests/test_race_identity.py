"""Whether both sides of a race really are two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_benchgate.race.verdicts.identity import ADVICE, Identity, SelfRace

if TYPE_CHECKING:
    from pathlib import Path


ANYWHERE: dict[str, tuple[Path, ...]] = {"base": (), "head": ()}


@pytest.fixture
def homes(tmp_path: Path) -> dict[str, tuple[Path, ...]]:
    """Give the folders of two builds; head's are two."""
    return {"base": (tmp_path / "base",), "head": (tmp_path / "head", tmp_path / "more")}


@pytest.mark.parametrize("order", [("base", "head"), ("head", "base")], ids=" ".join)
def test_one_file_on_both_sides_is_refused(order: tuple[str, str]) -> None:
    identity = Identity(ANYWHERE)
    first, second = order
    identity.saw(first, {"/tree/fast.so": "1", "/tree/a.py": "2"})
    identity.saw(second, {"/other/fast.so": "1"})
    with pytest.raises(SelfRace, match=r"^both sides run /tree/a\.py: the source tree stands before") as refused:
        identity.saw(second, {"/other/b.py": "3", "/tree/a.py": "changed"})
    assert str(refused.value).endswith(ADVICE)


@pytest.mark.parametrize(("side", "place"), [("base", "head"), ("head", "base"), ("head", "header")])
def test_a_file_from_elsewhere_is_refused(
    homes: dict[str, tuple[Path, ...]], tmp_path: Path, side: str, place: str
) -> None:
    identity = Identity(homes)
    identity.saw("base", {str(tmp_path / "base" / "deep" / "fast.so"): "1"})
    identity.saw("head", {str(tmp_path / "head" / "fast.so"): "2", str(tmp_path / "more" / "slow.so"): "2"})
    path = tmp_path / place / "other.py"
    with pytest.raises(SelfRace, match=f"^{side} runs .*other.py, which is not of its build: "):
        identity.saw(side, {str(path): "3"})


def test_two_builds_are_nothing_to_speak_of(homes: dict[str, tuple[Path, ...]], tmp_path: Path) -> None:
    """Not even where some of the files, but not all, are equal, nor where each is told of again."""
    identity = Identity(homes)
    for side, content in (("base", "old"), ("head", "new"), ("base", "old")):
        identity.saw(side, {str(tmp_path / side / "fast.so"): content, str(tmp_path / side / "a.py"): "equal"})
        identity.saw(side, {})
    assert identity.notes() == []
    assert identity.files["head"] == {
        str(tmp_path / "head" / "fast.so"): "new",
        str(tmp_path / "head" / "a.py"): "equal",
    }


def test_equal_content_is_noted() -> None:
    identity = Identity(ANYWHERE)
    for side in ("base", "head"):
        identity.saw(side, {f"/{side}/fast.so": "1", f"/{side}/a.py": "2"})
    assert identity.notes() == ["both sides have loaded equal files (2): nothing that was raced differs"]
    identity.saw("head", {"/head/new.py": "3"})
    assert identity.notes() == []


def test_it_is_noted_where_nothing_that_is_raced_was_loaded() -> None:
    (note,) = Identity(ANYWHERE).notes()
    assert "have loaded none of the project's modules" in note


def test_a_null_race_may_run_one_file_on_both_sides_from_anywhere(homes: dict[str, tuple[Path, ...]]) -> None:
    identity = Identity(homes, same=True)
    for side in ("base", "head"):
        identity.saw(side, {"/tree/fast.so": "1"})
    assert identity.notes() == []
    assert identity.files == {"base": {"/tree/fast.so": "1"}, "head": {"/tree/fast.so": "1"}}


def test_each_race_starts_from_nothing() -> None:
    Identity(ANYWHERE).saw("base", {"/tree/fast.so": "1"})
    Identity(ANYWHERE).saw("head", {"/tree/fast.so": "1"})
