"""The page of a history: what is on it, and, in a real browser, that it can be used and nothing on it is active."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browsing import WIDTHS, opened
from histories import NOISES, of_series, sample, series, write
from hostile import HOSTILE
from pytest_benchgate import cli
from pytest_benchgate.history import page
from pytest_benchgate.history.chain import Link
from pytest_benchgate.history.curves import curves
from pytest_benchgate.history.drift import DriftRule, Race
from test_page import words
from test_page_browser import ACTIVE, ELEMENTS, OURS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from pytest_benchgate.history.record import Record

ABSENT = Race(())
SLOW = Race((0.1,) * 14, seen=True)


def links(records: Iterator[Record], *gaps: int) -> list[Link]:
    return [Link(one, after_gap=index in gaps) for index, one in enumerate(records)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a page of a history that has everything."""
    path = tmp_path_factory.mktemp("history") / "page.html"
    path.write_text(page.render(sample()), "utf-8")
    return path


def test_what_is_on_the_page(whole: Path) -> None:
    shown = words(whole.read_text("utf-8"))
    for part in (
        "1 drifted, of 8 benchmarks over 120 commits", "to 775bc5c30e, 1 gap", "left out: 2", "slower: +10.5 % by",
        "Jane Doe: Change 31", "Levels at some commits", "pytest --benchmark-only --race=",
    ):  # fmt: skip
        assert part in shown
    assert "120 commits from 356a192b79" in shown


@pytest.mark.thorough
@pytest.mark.parametrize("width", WIDTHS)
def test_all_is_visible_and_accessible_and_nothing_is_loaded(browser: Browser, whole: Path, width: int) -> None:
    with opened(browser, whole, width, color_scheme="dark" if width > 1000 else "light") as it:
        it.check()
        assert it.findings() == []
        assert it.complaints == []


@pytest.mark.thorough
def test_it_is_sorted_and_filtered_by_clicks(browser: Browser, whole: Path) -> None:
    with opened(browser, whole) as it:
        assert it.rows("history", 1)[0] == "test_parse[drifts]"
        it.page.locator("table.history").get_by_role("button", name="benchmark").click()
        assert it.rows("history", 1) == sorted(it.rows("history", 1))
        assert len(it.rows("history", 1)) == 8
        it.page.locator("table.history").get_by_role("button", name="gaps").click()
        assert it.rows("history", 1)[0] == "test_read[gaps]"
        it.page.locator("table.history").get_by_role("button", name="verdict").click()
        assert it.rows("history", 1)[0] == "test_parse[drifts]"
        it.page.get_by_role("button", name="drifted").click()
        assert it.rows("history", 1) == ["test_parse[drifts]"]
        it.page.keyboard.press("Escape")
        it.page.locator("table.history").get_by_role("link", name="why?").first.click()
        assert it.page.locator("article:target").is_visible()
        assert it.complaints == []


@pytest.mark.thorough
@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_text_stays_text(browser: Browser, tmp_path: Path, width: int) -> None:
    """Of names, authors, subjects, dates and notes."""
    texts = [*HOSTILE.values()]
    benchmarks = {f"t.py::{text}[{text}]": [SLOW if number == place else Race((0.004,) * 3) for place in range(len(texts))]
                  for number, text in enumerate(texts)}  # fmt: skip
    found = [
        Link(dataclasses.replace(
            one, commit=dataclasses.replace(one.commit, author=text, subject=text, date=text),
            verdicts={**one.verdicts, text: "error"},
        ))
        for one, text in zip(of_series(benchmarks), texts, strict=True)
    ]  # fmt: skip
    path = tmp_path / "hostile.html"
    path.write_text(page.render(curves(found, DriftRule(), texts)), "utf-8")
    with opened(browser, path, width) as it:
        it.check()
        assert {*it.page.evaluate(ELEMENTS)} <= OURS
        assert it.page.evaluate(ACTIVE) == []
        assert len(it.rows("history", 1)) == len(benchmarks)
        shown = it.page.locator("body").inner_text()
        assert all(text in shown for text in ("<script>alert(1)</script>", "{{ 7 * 7 }}", "\\u202eevil", "\\ud800 a"))


def test_a_curve_has_few_points_and_each_gap() -> None:
    """Of 2,000 commits, a line for each part between gaps, with its ends."""
    from pytest_benchgate.page.sections import history as sections

    races = [ABSENT if index in {500, 501, 1200} else Race((0.001,)) for index in range(2000)]
    history = curves(links(of_series({"a": races}), 700), DriftRule())
    lines = sections._segments(history, history.curves[0], 60)
    assert [(line[0], line[-1]) for line in lines] == [(0, 499), (502, 699), (700, 1199), (1201, 1999)]
    assert sum(map(len, lines)) < 80
    assert all(np.diff(line).min() > 0 for line in lines)
    short = curves(links(of_series({"a": races[:5]})), DriftRule())
    assert sections._segments(short, short.curves[0], 60) == [[0, 1, 2, 3, 4]]


# Processor seconds, from the start of the process to the page, and to read the files.
TIMED = """
import json, pathlib, sys, time
from pytest_benchgate import cli
cli.main(["history", sys.argv[1], "--html", sys.argv[2]])
page_s = time.process_time()
for path in [*pathlib.Path(sys.argv[1]).iterdir()] * 5:
    json.loads(path.read_bytes())
sys.stderr.write(f"{page_s} {(time.process_time() - page_s) / 5}")
"""


@pytest.mark.thorough
def test_2000_commits_of_300_benchmarks_are_soon_a_page(browser: Browser, tmp_path: Path) -> None:
    """Soon is two seconds where the files are read in 0.25; the page has less than a megabyte."""
    names = [f"tests/test_speed.py::test_some_name_{number}[1000]" for number in range(300)]
    drawn = {name: series([*NOISES][number % 2], [0.0] * 2000, number) for number, name in enumerate(names)}
    folder, path = write(tmp_path / "races", of_series(drawn)), tmp_path / "page.html"
    assert sum(one.stat().st_size for one in folder.iterdir()) < 2000 * 30_000
    done = subprocess.run([sys.executable, "-c", TIMED, folder, path], capture_output=True, text=True, check=True)
    page_s, read_s = map(float, done.stderr.split())
    assert page_s < 12 * read_s
    assert path.stat().st_size < 1_000_000
    for width in WIDTHS:
        with opened(browser, path, width) as it:
            it.check()
            assert len(it.rows("history", 1)) == 300


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "races", of_series({"a": series("quiet", [0.0] * 10, 1)}))
    assert cli.main(["history", str(folder), "--html", str(tmp_path / "page.html")]) == 0
    assert "Nothing has drifted among 1 benchmarks over 10 commits" in (tmp_path / "page.html").read_text("utf-8")
    assert cli.main(["history", str(folder), "--html", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err
