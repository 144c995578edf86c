"""Damaged files: whatever they hold, there is one clear error or a report, no traceback, and nothing of them is obeyed."""

from __future__ import annotations

import copy
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import samples
from pytest_benchgate import cli, reading
from pytest_benchgate.reports import json_addition, race_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_benchgate.results import RaceReport

    from conftest import Suite

# Mutated ones of each kind.
FILES = pytest.mark.parametrize("files", [400, pytest.param(1500, marks=pytest.mark.thorough)])
EVIL = "\x1b]0;owned\x07\n::error::forged\r\n| a | b |\n</pre><script>alert(1)</script>`\ud800"
NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 3, 2**63, 10**400, -1e308, 1e308, 1e-320, 0.5, float("nan"), float("inf"), float("-inf"),
    "", "x", EVIL, "x" * 100_000, "slower", "unsure", "skipped", [], {}, [[]], {"": {}}, [1, 2], [None], ["a"], {"a": 1},
]  # fmt: skip
RUN: dict[str, Any] = {
    "machine_info": {
        "cpu": {"brand_raw": "A", "flags": ["avx"]},
        "python_version": "3.12.1",
        "benchgate": {"cpu": "A", "cores": 2, "simd": ["avx"], "load": [0.1], "python": {"version": "3.12.1"}},
    },
    "commit_info": {},
    "benchmarks": [
        {
            "group": None,
            "name": name,
            "fullname": f"t.py::{name}",
            "params": None,
            "param": None,
            "extra_info": {"benchgate": {"schema": 1, "verified": True, "device_ns": 1.5, "suspicious": None}},
            "options": {},
            "stats": {
                **dict.fromkeys(json_addition.STATS, 1.0),
                "rounds": 3,
                "iterations": 1,
                "outliers": "0;0",
                "q1": 1.0,
            },
        }
        for name in ("test_a", "test_b")
    ],
    "datetime": "2026-01-01",
    "version": "5.3.1",
    "benchgate": {"schema": 1, "withheld": [{"nodeid": "t.py::test_c", "reason": "wrong"}]},
}
RACED: dict[str, Any] = {
    "nodeid": "t.py::test_a", "name": "test_a", "path": "t.py", "line": 1, "verdict": "slower", "failed": True,
    "threshold": 0.03, "alarm": 1000.0, "repeat": "pytest --race=b", "numbers": [0.1, 0.11], "change": 0.1, "low": 0.1,
    "high": 0.11, "coverage": 0.5, "evidence": 2000.0, "pairs": 30, "seconds": 1.0, "base_s": 1e-3, "head_s": 2e-3,
    "side": "head", "reason": "call: no", "visible": 0.02, "limit": None, "accepted": "",
}  # fmt: skip
RACE: dict[str, Any] = {
    "kind": "pytest-benchgate race", "schema": 1, "machine": {"cpu": "A"}, "base": "b", "head": "h", "alpha": 0.001, "races": 2,
    "launches": 3, "seconds": 4.0, "raced": [RACED, {**RACED, "nodeid": "t.py::test_b", "name": "test_b", "verdict": "error"}],
    "complete": True, "notes": ["said"], "shard": [1, 1], "suite": ["t.py::test_a", "t.py::test_b"], "base_tree": "a",
    "head_tree": "b", "settings": {"race_alpha": 0.001},
}  # fmt: skip


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(data, dict | list):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(item, (*path, key))


def mutated(data: Any, draw: random.Random) -> Any:
    """Return data with one to three of its values replaced, removed, repeated or moved."""
    data = copy.deepcopy(data)
    for _ in range(draw.randint(1, 3)):
        path = draw.choice([*places(data)])
        if not path:
            return draw.choice(NASTY) if draw.random() < 0.05 else data
        owner = data
        for key in path[:-1]:
            owner = owner[key]
        way = draw.random()
        if way < 0.75:
            owner[path[-1]] = copy.deepcopy(draw.choice(NASTY))
        elif way < 0.85:
            del owner[path[-1]]
        elif isinstance(owner, list):
            owner.append(copy.deepcopy(draw.choice(owner)))
        else:
            owner[draw.choice([EVIL, "x", path[-1]])] = copy.deepcopy(draw.choice([*owner.values()]))
    return data


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return content with some bytes changed, cut out or repeated."""
    raw = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(raw) + 1)
        way = draw.random()
        if way < 0.4 and raw:
            raw[min(start, len(raw) - 1)] = draw.choice(b'{}[]",:\\0-9eE\xff\x00\x1b')
        elif way < 0.7:
            del raw[start : start + draw.randint(1, 40)]
        else:
            raw[start:start] = draw.choice([b"[" * 5000, b'"', b"\\ud800", b"1e999", b"NaN", b"0" * 5000, raw[:50]])
    return bytes(raw)


@pytest.mark.parametrize("data", [RUN, RACE], ids=["run", "race"])
@FILES
def test_no_damage_is_a_traceback(data: Any, files: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, whole = tmp_path / "damaged.json", tmp_path / "whole.json"
    whole.write_text(json.dumps(data), "utf-8")
    draw = random.Random(20)
    ends: dict[int, int] = {}
    for number in range(files):
        content = json.dumps(mutated(data, draw), ensure_ascii=bool(number % 2)).encode("utf-8", "surrogatepass")
        path.write_bytes(damaged(content, draw) if number % 4 == 0 else content)
        options = [["--markdown"], [str(whole)], []][number % 3]
        end = cli.main(["report", str(path), *options])
        told = capsys.readouterr()
        ends[end] = ends.get(end, 0) + 1
        assert end in {0, 1, 2}
        assert bool(told.err) == bool(end)
        assert told.err.startswith("pytest-benchgate: ") or not told.err
        text = told.out + told.err
        assert not any(char in text for char in "\x1b\r\x07\ud800"), path.read_bytes()
        assert not any(line.startswith("::") for line in text.splitlines())
        assert "<script" not in told.out or "--markdown" not in options
        assert max(map(len, text.splitlines()), default=0) < 5000
    assert set(ends) >= {0, 2}  # some are read, some are refused


@pytest.mark.parametrize("report", [samples.race(), samples.claims()], ids=["race", "claims"])
def test_any_field_may_be_missing(report: RaceReport) -> None:
    """It has a default then, or is named."""
    data = json.loads(json.dumps(race_json.render(report, samples.MACHINE)))
    said = {}
    for path in [*places(data)]:
        owner = data
        for key in path[:-1]:
            owner = owner[key]
        if isinstance(owner, dict) and path:
            value = owner.pop(path[-1])
            try:
                race_json.read(data)
            except ValueError as error:
                said[path[-1]] = str(error)
            owner[path[-1]] = value
    assert "nodeid" in said
    said.pop("kind")
    said.pop("schema")
    assert all(words.endswith(f"{key} is missing") for key, words in said.items())


def test_the_error_names_file_field_and_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "race.json"
    for field, value, words in (
        ("races", f"3{EVIL}", r'is damaged: field races: expected an integer, got "3\u001b]0;owned\u0007\n::error::forged'),
        ("races", "3", 'is damaged: field races: expected an integer, got "3"'),
        ("races", -1, "is damaged: field races: expected an integer from 0 to 1e+09, got -1"),
        ("alpha", 2, "is damaged: field alpha: expected a number from 0 to 1, got 2"),
        ("complete", 1, "is damaged: field complete: expected true or false, got 1"),
        ("notes", None, "is damaged: field notes: expected a list, got null"),
        ("notes", [[]], "is damaged: field notes[0]: expected a string, got a list of 0"),
        ("raced", [{**RACED, "verdict": "best"}], "is damaged: field raced[0].verdict: expected one of slower, refuted, error, "),
        ("raced", [{**RACED, "numbers": [1, "x"]}], 'is damaged: field raced[0].numbers[1]: expected a number, got "x"'),
        ("raced", [{}], "lacks what schema 1 has: field raced[0].nodeid is missing"),
        ("shard", [1], "is damaged: field shard: expected a list of 2, got a list of 1"),
    ):  # fmt: skip
        path.write_text(json.dumps({**RACE, field: value}), "utf-8")
        assert cli.main(["report", str(path)]) == 2
        assert f"race.json {words}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 200_000, "is nested too deeply"),
        (b"", "is not valid JSON (Expecting value"),
        (b"\xff", "is not valid JSON ('utf-8' codec"),
        (b"1" * 5000, "is not valid JSON (Exceeds the limit"),
    ],
)
def test_invalid_json_is_reported_in_one_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^") as raised:
        reading.load(path)
    assert str(raised.value).startswith(words)


def test_any_encoding_of_json_is_read(tmp_path: Path) -> None:
    """As editors and shells of Windows write it."""
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        path = tmp_path / f"{encoding}.json"
        path.write_text('{"a":\r\n"é"}', encoding)
        assert reading.load(path) == {"a": "é"}


def test_a_number_that_is_none_matters_only_where_it_is_used(tmp_path: Path) -> None:
    """pytest-benchmark writes NaN where a parameter or what a test has stored is NaN."""
    path = tmp_path / "x.json"
    run = copy.deepcopy(RUN)
    run["benchmarks"][0]["params"] = run["benchmarks"][0]["extra_info"]["own"] = {"x": float("nan")}
    path.write_text(json.dumps(run), "utf-8")
    json_addition.read(reading.load(path))
    run["benchmarks"][0]["stats"]["median"] = float("nan")
    path.write_text(json.dumps(run), "utf-8")
    with pytest.raises(ValueError, match=r"field benchmarks\[0\].stats.median: expected a number .* got NaN"):
        json_addition.read(reading.load(path))
    with pytest.raises(ValueError, match="expected a finite number"):
        reading.plain({"a": [float("inf")]}, "machine")


def test_endless_files_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 100)
    path = tmp_path / "x.json"
    path.write_bytes(b" " * 101)
    with pytest.raises(ValueError, match="has more than 100 bytes"):
        reading.load(path)
    with pytest.raises(ValueError, match="cannot be read"):
        reading.load(tmp_path)


def test_what_is_compared_with_is_checked_field_by_field(suite: Suite) -> None:
    source = "def test_it(benchmark): benchmark(lambda: 1)"
    first = suite(source, "--benchmark-save=base")
    (saved,) = first.json_path.parent.glob(".benchmarks/*/*.json")
    data = json.loads(saved.read_text("utf-8"))
    json_addition.check_compared(data)
    data["benchmarks"][0]["stats"]["median"] = EVIL
    saved.write_text(json.dumps(data), "utf-8")
    run = suite(source, "--benchmark-compare")
    assert run.result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in str(run.result.stderr).splitlines() if line.startswith("ERROR"))
    assert ".json is damaged: field benchmarks[0].stats.median: expected a number, got" in line
    assert "\x1b" not in line


@FILES
def test_each_field_that_is_compared_with_is_checked(files: int) -> None:
    draw = random.Random(3)
    refused = 0
    for _ in range(files):
        try:
            json_addition.check_compared(mutated(RUN, draw))
        except ValueError:
            refused += 1
    assert 0.2 < refused / files < 0.9
