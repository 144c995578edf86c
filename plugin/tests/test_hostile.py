"""Hostile text in every field of a report, in each format: nothing becomes active, and nothing breaks."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hostile import HOSTILE
from pytest_benchgate.reports import github, markdown, race_json, terminal
from pytest_benchgate.results import Raced, RaceReport, Report, Result, Withheld
from test_comment import check
from test_reports import GOOD, RACE, SLOWER

if TYPE_CHECKING:
    from conftest import Suite

COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")


def filled(kind: Any, text: str) -> Any:
    """Return a value of a type in which each string is this text, and each number is 1."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        kinds, make = typing.get_type_hints(kind), cast("Any", kind)
        return make(**{field.name: filled(kinds[field.name], text) for field in dataclasses.fields(kind)})
    if origin is tuple:
        return (filled(of[0], text),) * (1 if of[-1] is Ellipsis else len(of))
    if origin is dict:
        return {text: filled(of[1], text)}
    if origin is not None:
        return filled(next(one for one in of if one is not type(None)), text)
    return {str: text, float: 1.0, int: 1, bool: True, Any: text}[kind]


def reports(text: str) -> list[Report]:
    """Return reports of each kind, all of whose fields are this text."""
    raced: Raced = dataclasses.replace(filled(Raced, text), clock="wall")
    between = dataclasses.replace(raced, claim=None, instructions=None)
    device = dataclasses.replace(between, explanation=None, clock="device")
    kinds = (between, dataclasses.replace(between, change=None), device)
    races = [
        dataclasses.replace(kind, verdict=verdict, failed=number % 2 == 0)
        for number, verdict in enumerate(race_json.RULES["verdict"])
        for kind in kinds
    ]
    claims = [
        dataclasses.replace(raced, verdict=verdict, instructions=None) for verdict in ("holds", "refuted", "withheld")
    ]
    whole: RaceReport = dataclasses.replace(filled(RaceReport, text), relinked=False, claims=False)
    return [
        Report((filled(Result, text),), (filled(Withheld, text),)),
        Report(race=dataclasses.replace(whole, raced=tuple(races))),
        Report(race=dataclasses.replace(whole, raced=tuple(races[:4]), relinked=True)),
        Report(race=dataclasses.replace(whole, raced=tuple(claims), claims=True)),
    ]


@pytest.mark.parametrize("what", HOSTILE)
def test_every_field_in_each_format(what: str) -> None:
    for report in reports(HOSTILE[what]):
        lines = [*terminal.render(report), *(text for text, _ in terminal.coloured(report, 80))]
        assert all(line.isprintable() for line in lines)
        check(markdown.render(report))
        for line in github.render(report):
            assert line.isprintable()
            found = COMMAND.fullmatch(line)
            assert found is not None, line
            names = [part.partition("=")[0] for part in found[2].split(",")]
            assert names in (["file", "line", "title"], ["file", "title"])
        if report.race:
            written = json.dumps(race_json.render(report.race, {}))
            assert race_json.read(json.loads(written)) == report.race


def test_a_field_that_is_forgotten_is_noticed() -> None:
    """What fills reports reaches what is shown, and what checks it finds what would be active."""
    shown = "".join("".join(terminal.render(report)) for report in reports("forgotten"))
    assert shown.count("forgotten") > 50
    with pytest.raises(AssertionError):
        check(markdown.render(reports("x")[0]).replace("x", "<b>", 1))
    assert terminal.render(Report((GOOD,), race=dataclasses.replace(RACE, raced=(SLOWER,))))


def test_a_run_whose_ids_and_errors_are_hostile(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports that pytest writes, too: JUnit XML, the terminal, the job summary, the annotations."""
    texts = [text[:200] for text in HOSTILE.values()]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    run = suite(
        f"""
        import pytest
        TEXTS = {texts!r}
        @pytest.mark.parametrize("text", TEXTS, ids=[f"{{n}} {{text}}" for n, text in enumerate(TEXTS)])
        def test_it(gate, text):
            gate(lambda: 1, expect=1)
            raise AssertionError(text)
        """,
        "--junitxml=junit.xml", "--tb=no", "-rN",
    )  # fmt: skip
    found = run.result.parseoutcomes()
    assert found["failed"] == len(texts)
    # The plugin's own test has written it.
    cases = [*ET.parse("junit.xml").getroot().iter("testcase")]  # noqa: S314
    values = [one.get("value", "") for case in cases for one in case.iterfind("properties/property")]
    assert len(values) == len(cases) == len(texts)
    assert all(value.isprintable() for value in values)
    section = run.text[run.text.index("- benchgate -") :].splitlines()[1:]
    assert all(line.isprintable() for line in section)
    assert sum(line.startswith("::error ") for line in section) == len(texts)
    check(Path("summary.md").read_text("utf-8"))
