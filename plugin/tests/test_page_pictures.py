"""The pictures of pages in the documentation: pytest tests/test_page_pictures.py --pictures=../docs/pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import histories
import pytest
import samples
from browsing import opened
from pytest_benchgate.history import page as history_page
from pytest_benchgate.page import page
from pytest_benchgate.page.model import Source
from pytest_benchgate.results import Report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# What `make bench` has made, if it has.
BENCH = Path(__file__).parents[2] / "bench.html"
# The height of pictures at most, in pixels, by the width of the window.
HEIGHTS = {1300: 860, 800: 700, 390: 844}
# By the names of pictures: the page, what is at the top of the picture, the width of the window, light or dark.
PICTURES = {
    "page-race": ("race", "header", 1300, "light"),
    "page-why": ("race", "#why", 1300, "dark"),
    "page-phone": ("race", "#race table", 390, "dark"),
    "page-history": ("history", "header", 1300, "light"),
    "page-bench": ("bench", "#benchmarks .table:nth-last-child(1 of .table)", 1300, "light"),
    "page-roofline": ("bench", "#roofline figure:last-child", 800, "light"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_documentation(
    browser: Browser, name: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Without --pictures, it can be made; with it, it is, from bench.html where it is of benchmarks."""
    folder = pytestconfig.getoption("pictures")
    kind, selector, width, scheme = PICTURES[name]
    path = tmp_path / "page.html"
    if kind == "bench" and folder is not None:
        assert BENCH.exists(), "make bench first"
        path = BENCH
    elif kind == "history":
        path.write_text(history_page.render(histories.sample()), "utf-8")
    else:
        report = Report(race=samples.race()) if kind == "race" else samples.run(groups=3, rows=8)
        path.write_text(page.render([Source("this session", report, samples.MACHINE)]), "utf-8")
    with opened(browser, path, width, color_scheme=scheme) as it:
        # From the element's top on.
        box = it.page.locator(selector).first.bounding_box()
        assert box is not None
        rest = it.page.evaluate("document.documentElement.scrollHeight") - box["y"]
        height = min(HEIGHTS[width], rest if selector in {"header", "#why"} else box["height"])
        clip = {"x": 0, "y": box["y"], "width": width, "height": height}
        picture = it.page.screenshot(path=(folder or tmp_path) / f"{name}.png", full_page=True, clip=clip)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
