"""The HTML page: how it is made, and what is on it; in a browser: test_page_browser.py."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
import samples
from pytest_benchgate.cli import main
from pytest_benchgate.page import page, sources
from pytest_benchgate.page.model import Source
from pytest_benchgate.reports import race_json
from pytest_benchgate.results import Report

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchgate.results import RaceReport

    from conftest import Suite

SOURCE = """
import pytest

@pytest.mark.parametrize("size", [10, 1000, 100_000])
def test_sum(gate, size):
    values = [1] * size
    gate.work(bytes=8 * size, operations=size)
    gate(sum, values, expect=size)

def test_plain(benchmark):
    benchmark(lambda: 1)

def test_bad(gate):
    gate(lambda: 1, expect=2)
"""


def as_page(race: RaceReport | None = None, *, report: Report | None = None) -> str:
    return page.render([Source("it", report or Report(race=race), samples.MACHINE)])


def words(text: str) -> str:
    """Return what a reader sees of a page, without its style and script."""

    class Words(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.parts: list[str] = []

        def handle_data(self, data: str) -> None:
            self.parts.append(data)

    parser = Words()
    parser.feed(re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL))
    return " ".join(" ".join(parser.parts).split())


@pytest.mark.parametrize(
    ("verdicts", "headline"),
    [
        ({"slower": 1, "same": 2, "unsure": 1}, "1 slower, of 4 results"),
        ({"withheld": 2, "error": 1}, "1 error, 2 withheld, of 3 results; not all races are over"),
        ({"same": 2, "verified": 3}, "No slowdown, error or withheld time among 5 results"),
        ({"same": 2, "unsure": 1, "gone": 1},
         "No slowdown, error or withheld time among 4 results, but 1 unsure, 1 gone"),
        ({"same": 2}, "No slowdown, error or withheld time among 2 results; not all races are over"),
        ({}, "No results"),
    ],
)  # fmt: skip
def test_the_headline_says_what_is_known_and_what_is_not(verdicts: dict[str, int], headline: str) -> None:
    assert page.headline(Counter(verdicts), is_complete="not all" not in headline) == headline
    incomplete = dataclasses.replace(samples.race(), complete=False)
    assert "<title>2 slower, 1 error, of 14 results; not all races are over</title>" in as_page(incomplete)


def test_a_session_writes_its_page(suite: Suite) -> None:
    run = suite(SOURCE, "--benchgate-html=sub/report.html")
    text = (run.json_path.parent / "sub" / "report.html").read_text("utf-8")
    assert "page: " in run.text
    assert "sub/report.html" in run.text
    shown = words(text)
    for part in ("1 withheld, of 5 results", "test_plain", "WrongAnswer", "test_sum[1000]", "% of copy", "n^"):
        assert part in shown
    assert 'class="steps"' in text


def test_a_page_is_made_where_no_metadata_can_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a test by pytester that was the first to import importlib_metadata, whose finder is then taken away."""
    monkeypatch.setattr(sys, "meta_path", [one for one in sys.meta_path if not hasattr(one, "find_distributions")])
    assert "Made by pytest-benchgate. " in page.render([])


def test_the_json_of_a_session_makes_the_same_page(suite: Suite, tmp_path: Path) -> None:
    run = suite(SOURCE, "--benchgate-html=report.html")
    assert main(["report", str(run.json_path), "--html", str(tmp_path / "page.html")]) == 0
    own, read = (
        re.search(r"<section id=\"benchmarks\".*?</section>", path.read_text("utf-8"), re.DOTALL)
        for path in (run.json_path.parent / "report.html", tmp_path / "page.html")
    )
    assert own
    assert read
    assert read[0] == own[0]


def written(path: Path, data: dict[str, Any]) -> str:
    path.write_text(json.dumps(data), "utf-8")
    return str(path)


def test_files_of_both_kinds_make_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    race = written(tmp_path / "race.json", race_json.render(samples.race(), samples.MACHINE))
    claims = written(tmp_path / "claims.json", race_json.render(samples.claims(), samples.MACHINE))
    bench = {"fullname": "t.py::test_a", "stats": {"median": 1e-3}, "extra_info": {}}
    run = written(tmp_path / "run.json", {"machine_info": {}, "benchmarks": [bench]})
    place = tmp_path / "new" / "page.html"
    assert main(["report", race, claims, run, "--html", str(place)]) == 0
    shown = words(place.read_text("utf-8"))
    for part in (
        "2 slower, 1 refuted, 1 error, 1 withheld, of 20 results",
        "test_steps[1000]",
        "2 times as fast as",
        "1.00 ms",
    ):
        assert part in shown
    assert capsys.readouterr().out == ""


def test_shards_are_one_race_and_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = samples.race()
    parts = [
        dataclasses.replace(whole, shard=(number, 3), raced=whole.raced[number - 1 :: 3])
        for number in (1, 2)
    ]  # fmt: skip
    files = [
        written(tmp_path / f"{part.shard}.json", race_json.render(part, samples.MACHINE)) for part in parts
    ]  # fmt: skip
    assert main(["report", *files, "--html", str(tmp_path / "page.html")]) == 1
    shown = words((tmp_path / "page.html").read_text("utf-8"))
    assert "of 3 shards, these are missing: 3" in shown
    assert "of 3 shards, these are missing: 3" in capsys.readouterr().err
    assert shown.count("change of the time of a call") == 1


@pytest.mark.parametrize(
    "damage", ["[]", '{"machine_info": {}, "benchmarks": [{}]}', "{", '{"kind": "pytest-benchgate race"}']
)
def test_a_file_that_is_not_valid_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(damage)
    assert main(["report", str(file), "--html", str(tmp_path / "page.html")]) == 2
    assert str(file) in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_page_takes_the_place_of_no_other_report(
    suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = suite(SOURCE, "--benchgate-html=a", "--benchgate-markdown=a")
    run.result.stderr.fnmatch_lines(
        ["ERROR: --benchgate-html and --benchgate-markdown are both a; give different files"]
    )
    file = tmp_path / "x.json"
    file.write_text('{"machine_info": {}, "benchmarks": []}')
    assert main(["report", str(file), "--html", str(file)]) == 2
    assert main(["report", str(file), "--html", "a", "--markdown"]) == 2
    assert main(["report", str(file), "--html", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_page_of_many_benchmarks_is_small_and_soon_made() -> None:
    """1,000 raced benchmarks, and 1,000 with all that a benchmark can have."""
    (one, *_) = samples.results(groups=1, rows=1)
    results = tuple(
        dataclasses.replace(one, nodeid=f"tests/test_bench.py::test_x[{index}-float64]", name=f"test_x[{index}-float64]")
        for index in range(1000)
    )  # fmt: skip
    as_page(samples.race())
    for report in (Report(race=samples.many(1000)), Report(results)):
        start = time.process_time()
        text = as_page(report=report)
        assert time.process_time() - start < 1
        assert len(text.encode()) < 1_000_000


def test_launches_lie_on_their_side_of_the_threshold() -> None:
    text = as_page(samples.race())
    places = {}
    for row in text.split("<tr ")[1:]:
        if not row.startswith('id="race-'):
            continue
        numbers = {
            kind: [float(x) for x in re.findall(r"M([\d.]+) ", data)]
            for kind, data in re.findall(r'<path class="(\w+)" d="([^"]*)"', row)
        }
        places[re.search(r"<a href=\"#race-\w+\">([^<]*)", row)[1]] = numbers  # type: ignore[index]
    slower, same, faster = places["test_steps[64]"], places["test_sum[64]"], places["test_vector"]
    assert same["zero"] == slower["zero"] < same["edge"] == slower["edge"]
    assert min(slower["point"]) > slower["edge"][0]
    assert max(faster["point"]) < faster["zero"][0]
    assert same["interval"][0] < same["middle"][0] < same["edge"][0]
    # An accepted slowdown has a limit of its own.
    assert places["test_exact"]["edge"] > same["edge"]


EXTREMES = (0.0, 5e-324, 1.0, 1e100)


@pytest.mark.parametrize("amount", EXTREMES)
@pytest.mark.parametrize("time_s", EXTREMES)
def test_any_number_that_a_file_may_have_is_shown(time_s: float, amount: float) -> None:
    assert words(
        page.render(
            [Source("it", Report(race=race), samples.MACHINE) for race in samples.extreme_races(time_s, amount)]
        )
    )
    assert "t.py" in as_page(report=Report(samples.extreme_results(time_s, amount)))


def test_ids_are_unique_even_where_benchmarks_are_not() -> None:
    one = samples.raced("test_a", "slower", 0.1)
    text = as_page(samples.race(one, one))
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]*)"', text)
    assert {*links} <= {*ids}


def test_the_sources_of_a_session_have_its_machine() -> None:
    source = sources.of_session(samples.run(), {"benchgate": samples.MACHINE})
    assert "AMD EPYC 9B45" in words(page.render([source]))
    assert page.render([sources.of_session(Report(), {})])
