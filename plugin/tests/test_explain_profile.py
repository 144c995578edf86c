"""The callgrind format: the manual's own examples, and files that are damaged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_benchgate.explain.profile import Function, Place, ProfileError, parse, read

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchgate.explain.profile import Profile

# Examples 3.1.4 and 3.1.5 of the manual, with the line that callgrind itself ends its files with.
PLAIN = """\
# callgrind format
events: Instructions Ir

fl=file1.c
fn=main
16 0 20
cfn=func1
calls=1 50
16 0 400
cfi=file2.c
cfn=func2
calls=3 20
16 0 400

fn=func1
51 0 100
cfi=file2.c
cfn=func2
calls=2 20
51 0 300

fl=file2.c
fn=func2
20 0 700
totals: 0 820
"""
COMPRESSED = """\
# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 7
cmd: ./main
part: 1
thread: 3
desc: Trigger: Client Request
positions: instr line
events: Ir

ob=(1) /usr/bin/main
fl=(1) file1.c
fn=(1) main
0x1000 16 20
cfn=(2) func1
calls=1 0x2000 50
* * 400
cob=(2) /usr/lib/lib2.so
cfi=(2) file2.c
cfn=(3) func2
calls=3 0x80 20
+4 +1 400
fn=(2)
+0xffc 51 100
fi=(3) inlined.h
+4 7 5
fe=(1)
+4 51 1
cob=(2)
cfi=(2)
cfn=(3)
calls=2 0x80 20
* * 300
ob=(2)
fl=(2)
fn=(3)
0x80 20 700
-16 -3 2

totals: 828
"""


def test_the_manuals_example() -> None:
    profile = parse(PLAIN)
    assert profile.total == 820
    assert _by_function(profile) == {"main": 20, "func1": 100, "func2": 700}
    assert {(call.place.function.name, call.callee.name): count for call, count in profile.calls.items()} == {
        ("main", "func1"): 1,
        ("main", "func2"): 3,
        ("func1", "func2"): 2,
    }
    assert sorted(profile.inclusive.values()) == [300, 400, 400]


def test_compressed_names_and_positions_and_inlined_files() -> None:
    profile = parse(COMPRESSED)
    main, func1 = Function("/usr/bin/main", "main"), Function("/usr/bin/main", "func1")
    func2 = Function("/usr/lib/lib2.so", "func2")
    assert profile.own == {
        Place(main, "file1.c", 16, 0x1000): 20,
        Place(func1, "file1.c", 51, 0x2000): 100,
        Place(func1, "inlined.h", 7, 0x2004): 5,
        Place(func1, "file1.c", 51, 0x2008): 1,
        Place(func2, "file2.c", 20, 0x80): 700,
        Place(func2, "file2.c", 17, 0x70): 2,
    }
    assert [(call.place.line, call.callee, count) for call, count in profile.calls.items()] == [
        (16, func1, 1), (17, func2, 3), (51, func2, 2),
    ]  # fmt: skip


def test_what_was_called_before_the_counting_is_no_call() -> None:
    profile = parse(PLAIN.replace("calls=1 50", "calls=0 50"))
    assert {(call.place.function.name, call.callee.name) for call in profile.calls} == {
        ("main", "func2"),
        ("func1", "func2"),
    }
    assert profile.inclusive.keys() == profile.calls.keys()
    assert profile.total == 820


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("events: Ir", "events: Dr", "no event Ir"),
        ("fn=(2)\n+", "fn=(9)\n+", "the name (9) is used before it is defined"),
        ("0x80 20 700", "0x80 20 many", "'many' is not a count"),
        ("0x80 20 700", "0x80 20 7 0 0", "expected 2 positions and up to 1 costs"),
        ("0x80 20 700", "0x80", "expected 2 positions"),
        ("-16 -3 2", "-160 -3 2", "the position -32 is negative"),
        ("* * 400\n", "fn=(1)\n", "expected the cost of the call"),
        ("version: 1", "version: 2", "a version of the format that is not known"),
        ("positions: instr line", "positions: column", "unknown positions"),
        ("pid: 7", "\0\1", "neither a header"),
    ],
)
def test_damage_is_named_with_its_line(old: str, new: str, why: str) -> None:
    before, _, _ = COMPRESSED.partition(old)
    with pytest.raises(ProfileError) as caught:
        parse(COMPRESSED.replace(old, new, 1))
    assert str(caught.value).startswith(f"line {before.count(chr(10)) + 1}: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [("828", "829", "the costs add up to 828, and the file says 829"), ("totals: 828", "", "it is cut off")],
)
def test_what_is_missing_is_noticed_at_the_end(old: str, new: str, why: str) -> None:
    with pytest.raises(ProfileError, match=rf"line \d+: .*{why}"):
        parse(COMPRESSED.replace(old, new))


@given(st.text())
@example("")
@example("totals: 0")
@example("events: Ir\ncalls=1 1")
def test_any_text_is_a_profile_or_an_error_that_says_where(text: str) -> None:
    _readable_or_refused(text)


@given(st.integers(0, len(COMPRESSED)), st.integers(0, 40), st.text(max_size=20))
def test_any_damage_is_read_or_refused(start: int, length: int, inserted: str) -> None:
    _readable_or_refused(COMPRESSED[:start] + inserted + COMPRESSED[start + length :])


@given(st.integers(0, COMPRESSED.rindex("\ntotals") + len("\ntotals")))
def test_a_file_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ProfileError):
        parse(COMPRESSED[:length])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none cannot be read: No such file"):
        read(tmp_path / "none")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(ProfileError, match=r"binary, line 1: neither a header"):
        read(tmp_path / "binary")


def _by_function(profile: Profile) -> dict[str, int]:
    found: Counter[str] = Counter()
    for place, count in profile.own.items():
        found[place.function.name] += count
    return dict(found)


def _readable_or_refused(text: str) -> None:
    try:
        profile = parse(text)
    except ProfileError as error:
        assert str(error).startswith("line ")  # noqa: PT017  # either outcome is right
    else:
        assert profile.total >= 0
