"""The HTML page in a real browser: nothing is loaded, hidden or active that should not be, and it can be used."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
import samples
from browsing import BEYOND, WIDTHS, opened
from hostile import HOSTILE
from pytest_benchgate.distribution import Distribution
from pytest_benchgate.explained import Calls, Explanation, Growth
from pytest_benchgate.page import page, sources
from pytest_benchgate.page.model import Source
from pytest_benchgate.reports import race_json
from pytest_benchgate.results import Advice, Claim, Raced, RaceReport, Report, Result, Share, Withheld, Work

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

OTHER = {**samples.MACHINE, "cpu": "Intel Xeon 8481C"}
ELEMENTS = """() => [...new Set([...document.querySelectorAll("*")].map((one) => one.localName))].sort()"""
# Elements of our own, and of no test.
NAMES = """
    a article b body br button caption code dd details div dl dt figcaption figure footer g h1 h2 h3 head header html
    input label li line main meta nav output p path pre script section small span style summary svg table tbody td text
    th thead title tr ul
"""
OURS = {*NAMES.split()}
ACTIVE = """() => [...document.querySelectorAll("*")].flatMap((one) => [...one.attributes].filter(({name, value}) =>
    name.startsWith("on") || ["style", "src", "action", "formaction", "autofocus", "xlink:href"].includes(name)
    || (name === "href" && !value.startsWith("#"))).map(({name, value}) => `${one.localName} ${name}=${value}`))"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a page on which all kinds of sections and all verdicts are."""
    path = tmp_path_factory.mktemp("page") / "all.html"
    found = [
        Source("race", Report(race=samples.race()), samples.MACHINE),
        Source("claims", Report(race=samples.claims()), samples.MACHINE, key="1"),
        Source("py313", samples.run(), samples.MACHINE, key="2"),
        Source("py314", samples.run(seed=3), OTHER, key="3"),
    ]
    path.write_text(page.render(found), "utf-8")
    return path


@pytest.mark.parametrize(
    ("width", "scheme"), [(WIDTHS[0], "dark"), pytest.param(WIDTHS[1], "light", marks=pytest.mark.thorough)]
)
def test_all_is_visible_and_accessible_and_nothing_is_loaded(
    browser: Browser, whole: Path, width: int, scheme: str
) -> None:
    with opened(browser, whole, width, color_scheme=scheme) as it:
        it.check()
        assert it.findings() == []
        assert it.complaints == []


@pytest.mark.thorough
@pytest.mark.parametrize("width", [800, 1290])
def test_all_is_visible_between_a_phone_and_a_large_screen(browser: Browser, whole: Path, width: int) -> None:
    with opened(browser, whole, width) as it:
        it.check()


def test_tables_are_sorted_by_clicks_and_by_keyboard(browser: Browser, whole: Path) -> None:
    with opened(browser, whole) as it:
        before = it.rows("race", 1)
        change = it.page.locator("table.race").get_by_role("button", name="change")
        change.click()
        changes = [float(text.removesuffix(" %")) for text in it.rows("race", 4) if text]
        assert changes == sorted(changes, reverse=True)
        assert it.page.locator("table.race th[aria-sort]").get_attribute("aria-sort") == "descending"
        change.focus()
        it.page.keyboard.press("Enter")
        changes = [float(text.removesuffix(" %")) for text in it.rows("race", 4) if text]
        assert changes == sorted(changes)
        assert it.rows("race", 4)[-1] == "", "what has no value comes last"
        base = it.page.locator("table.race").get_by_role("button", name="base")
        base.click()
        costs = it.rows("race", 6)
        assert costs[0] == "4.25 ms"
        assert costs.index("128 ns") > costs.index("2.00 us")
        it.page.locator("table.race").get_by_role("button", name="benchmark").click()
        assert it.rows("race", 1) == sorted(before)
        it.page.locator("table.race").get_by_role("button", name="verdict").click()
        assert [text.split()[0] for text in it.rows("race", 0)][:3] == ["slower", "slower", "error"]
        assert it.complaints == []


def test_rows_are_filtered_by_name_and_verdict(browser: Browser, whole: Path) -> None:
    with opened(browser, whole) as it:
        all_rows = len(it.rows("race", 1))
        it.page.keyboard.press("/")
        it.page.keyboard.type("SUM 1000")
        assert it.rows("race", 1) == ["test_sum[1000]"]
        assert it.page.locator("#shown").inner_text().startswith("1 of ")
        assert not it.page.locator("table.claims").is_visible()
        it.page.keyboard.press("Escape")
        assert len(it.rows("race", 1)) == all_rows
        slower = it.page.get_by_role("button", name="slower")
        slower.click()
        assert [text.split()[0] for text in it.rows("race", 0)] == ["slower", "slower"]
        assert slower.get_attribute("aria-pressed") == "true"
        it.page.get_by_role("button", name="faster").focus()
        it.page.keyboard.press("Space")
        assert len(it.rows("race", 1)) == 3
        slower.click()
        assert it.rows("race", 1) == ["test_vector"]


@pytest.mark.thorough
def test_a_link_shows_its_benchmark_whatever_is_filtered(browser: Browser, whole: Path) -> None:
    with opened(browser, whole) as it:
        link = it.page.locator("table.race a", has_text="test_sum[64]").get_attribute("href")
        it.page.fill("#search", "nothing has this name")
        assert it.rows("race", 1) == []
        it.page.evaluate(f"location.hash = '{link}'")
        it.page.wait_for_function("document.querySelector(':target')?.checkVisibility()")
        assert it.page.locator("tr:target").inner_text().startswith("same")
    with opened(browser, whole) as it:
        it.page.locator("table.race").get_by_role("link", name="why?").first.click()
        assert it.page.locator("article:target").is_visible()


@pytest.mark.thorough
def test_the_page_works_without_scripts_and_on_paper(browser: Browser, whole: Path) -> None:
    with opened(browser, whole, java_script_enabled=False) as it:
        assert it.page.locator("table.race tbody tr").count() == it.page.locator("table.race tbody tr:visible").count()
        assert not it.page.locator("#search").is_visible()
    # A4 at 96 dots an inch, without margins of 1 cm.
    with opened(browser, whole, 718) as it:
        it.page.emulate_media(media="print")
        it.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert it.page.evaluate(BEYOND) == []
        assert not it.page.locator(".chips").is_visible()
        assert it.page.locator("details .facts").first.is_visible()
        assert it.page.pdf().startswith(b"%PDF")


@pytest.mark.thorough
def test_light_and_dark_are_chosen_by_a_button(browser: Browser, whole: Path) -> None:
    with opened(browser, whole, color_scheme="light") as it:
        colour = "getComputedStyle(document.body).backgroundColor"
        light = it.page.evaluate(colour)
        it.page.get_by_role("button", name="Light or dark").click()
        assert it.page.evaluate(colour) != light


@pytest.mark.thorough
def test_a_page_of_many_benchmarks_can_be_used(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(page.render([Source("race", Report(race=samples.many(1000)), samples.MACHINE)]), "utf-8")
    for width in WIDTHS:
        with opened(browser, path, width) as it:
            it.check()
            assert len(it.rows("race", 1)) == 1000
            it.page.fill("#search", "kernel[97")
            assert len(it.rows("race", 1)) == 11


def hostile(text: str) -> tuple[RaceReport, RaceReport, Report]:
    """Return results with a text in each of their fields."""
    growth = Growth(text, text, 3, 4, 5, text)
    explained = Explanation(
        1, 2, text, 0.01, (growth,), (growth,), (Calls(text, 1, 2),), (Calls(text, 1, 2),), (growth,)
    )
    more: dict[str, Any] = {
        "nodeid": text, "path": text, "repeat": text, "side": text, "reason": text, "accepted": text,
        "limit": 0.2, "explanation": explained, "advice": (Advice("bisect", text, text),),
    }  # fmt: skip
    raced = tuple(
        dataclasses.replace(samples.raced("x", verdict, change), name=text, **more)
        for verdict, change in (("slower", 0.1), ("error", None), ("accepted", 0.1), ("placement", 0.1), ("gone", None))
    )
    claim = Claim("faster_than", text, text, -0.5)
    claimed = tuple(
        dataclasses.replace(samples.raced("x", verdict, change, claim=claim), name=text, **more)
        for verdict, change in (("refuted", 0.1), ("withheld", None))
    )
    race = RaceReport(text, text, 0.01, 5, 1, 1.0, raced, notes=(text,), suite=(text,))
    result = Result(
        f"{text}[10]", text, text, 1e-3, 1e-4, 5, work=Work(10, 20, 30, text), device=text, device_ns=5, suspicious=text,
        shares=(Share(text, 1e-3, 0.5, "bytes"), Share(f"{text}2", 1e-3, 0.5, "operations")),
        times=Distribution.of([1e-3, 2e-3, 3e-3]),
    )  # fmt: skip
    sizes = [dataclasses.replace(result, nodeid=f"{text}[{size}-{text}]") for size in (1, 2, 4)]
    withheld = Withheld(text, text, text, False, text, text, text, 1)  # noqa: FBT003
    return race, dataclasses.replace(race, raced=claimed, claims=True), Report((result, *sizes), (withheld,))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a page with each hostile text in each field, of sessions and of JSON files."""
    path = tmp_path_factory.mktemp("page") / "hostile.html"
    found: list[Source] = []
    races: list[Raced] = []
    claims: list[Raced] = []
    results: list[Result] = []
    withheld: list[Withheld] = []
    for text in HOSTILE.values():
        race, claimed, run = hostile(text)
        races += race.raced
        claims += claimed.raced
        results += run.results
        withheld += run.withheld
        # By way of JSON; the races of all are in one report, which is faster to show.
        machine = {"cpu": text, "python": {"version": text}, "opencl": [{"name": text}], "modules": {"module": text}}
        data = json.loads(json.dumps(race_json.render(race, machine)))
        (read,) = sources.read([(path.with_suffix(".json"), data)])
        assert read.report.race == race
        found.append(dataclasses.replace(read, name=text, report=Report(race=dataclasses.replace(race, raced=()))))
    whole = [
        Report(race=dataclasses.replace(race, raced=tuple(races))),
        Report(race=dataclasses.replace(race, raced=tuple(claims), claims=True)),
        *[Report(tuple(results), tuple(withheld))] * 2,
        *(Report(race=one) for one in samples.extreme_races(1e100, 1e100)),
        Report(samples.extreme_results(1e100, 1e100)),
    ]
    named = {text: {text: text} for text in HOSTILE.values()}
    found += [Source("it", report, {**named, "modules": dict.fromkeys(HOSTILE.values(), "x")}) for report in whole]
    keyed = [dataclasses.replace(source, key=str(index)) for index, source in enumerate(found)]
    path.write_text(page.render(keyed), "utf-8")
    return path


@pytest.mark.thorough
@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_text_stays_text(browser: Browser, attacked: Path, width: int) -> None:
    with opened(browser, attacked, width) as it:
        it.check()
        assert {*it.page.evaluate(ELEMENTS)} <= OURS
        assert it.page.evaluate(ACTIVE) == []
        assert it.page.locator("style, script").count() == 2
        assert it.page.locator("table.rows").count() > len(HOSTILE)
        shown = it.page.locator("body").inner_text()
        for text in (
            "<script>alert(1)</script>",
            "{{ 7 * 7 }}",
            "\\u202eevil",
            "\\x1b[31mred",
            "\\ud800 a",
            "&lt;script&gt;",
        ):
            assert text in shown
        it.page.get_by_role("button", name="slower").click()
        assert it.complaints == []
