"""Why benchmarks became slower, or why that is not certain: what each executes more of, with the lines of source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_benchgate.page.figures import bars
from pytest_benchgate.page.model import Card, Facts, Section, anchor_of, named
from pytest_benchgate.reports import explanation as words
from pytest_benchgate.reports import race
from pytest_benchgate.reports.quantity import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_benchgate.explained import Calls, Explanation, Growth
    from pytest_benchgate.page.model import Part, Source
    from pytest_benchgate.results import Raced, RaceReport

# Verdicts that are explained, besides those whose instructions were counted. The reasons of the others are in a table.
EXPLAINED = {"slower", "refuted", "placement"}
# Cards that a page has room for: those of the slowest benchmarks.
MOST = 100


def build(sources: Sequence[Source]) -> Iterator[Section]:
    """Return the section of all verdicts that are explained."""
    cards = [_card(source, report, raced) for source, report, raced in _explained(sources)]
    if cards:
        intro = "The instructions of one call were counted by valgrind, separately from the times."
        has_counts = any(card.parts for card in cards)
        yield Section("why", "Explanations", [intro] if has_counts else [], cards[:MOST])


def detail(source: Source, raced: Raced) -> str:
    """Return the id of what explains a verdict; empty where there is nothing."""
    return anchor_of("why", source, raced) if _is_explained(raced) else ""


def _is_explained(raced: Raced) -> bool:
    return raced.verdict in EXPLAINED or raced.explanation is not None


def _explained(sources: Sequence[Source]) -> Iterator[tuple[Source, RaceReport, Raced]]:
    for source in sources:
        if source.report.race:
            for raced in race.ordered(source.report.race):
                if _is_explained(raced):
                    yield source, source.report.race, raced


def _card(source: Source, report: RaceReport, raced: Raced) -> Card:
    commands = [(advice.words, advice.command) for advice in raced.advice]
    return Card(
        anchor=anchor_of("why", source, raced),
        nodeid=raced.nodeid,
        name=raced.title,
        verdict=raced.verdict,
        paragraphs=[race.statement(raced, report), words.counts(raced.explanation) if raced.explanation else ""],
        parts=_parts(raced.explanation, raced.title) if raced.explanation else [],
        commands=[*commands, *[("to repeat it", raced.repeat)] * bool(raced.repeat)],
        back=anchor_of("claim" if raced.claim else "race", source, raced),
    )


def _parts(explanation: Explanation, name: str) -> list[Part]:
    about = named(name)
    parts: list[Part] = []
    if explanation.base and explanation.head:
        most = max(explanation.base, explanation.head)
        rows = [
            (side, f"{count:,}", bars.bar(kind, count / most))
            for side, kind, count in (("base", "k7", explanation.base), ("head", "k1", explanation.head))
        ]
        parts.append(Facts(f"Instructions of a call of {about}", ("side", "instructions", ""), rows))
    for caption, functions in (
        ("Functions that execute more instructions in head", explanation.functions),
        ("Functions that only base executes", explanation.gone),
        ("Python functions that execute more bytecode", explanation.bytecode),
    ):
        if functions:
            parts.append(_functions(f"{caption}: {about}", functions))
    for caption, calls in (("Allocations", explanation.allocations), ("Calls of Python functions", explanation.python)):
        if calls:
            parts.append(_calls(f"{caption} in a call of {about}", calls))
    return parts


def _functions(caption: str, functions: Sequence[Growth]) -> Facts:
    most = max(1, *(abs(one.head - one.base) for one in functions))
    rows = [
        (
            _code(named(one.function)),
            shortened(f"{one.file}:{one.line}" if one.line else one.file),
            _code(shortened(one.text, words.MOST_TEXT)),
            f"{one.base:,}",
            f"{one.head:,}",
            f"{one.head - one.base:+,}",
            bars.bar("k1" if one.head > one.base else "k7", abs(one.head - one.base) / most),
        )
        for one in functions
    ]
    return Facts(caption, ("function", "place", "line of source", "base", "head", "difference", ""), rows)


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text) if text else Markup()


def _calls(caption: str, calls: Sequence[Calls]) -> Facts:
    rows = [
        (_code(named(one.function)), f"{one.base:,}", f"{one.head:,}", f"{one.head - one.base:+,}") for one in calls
    ]
    return Facts(caption, ("function", "base", "head", "difference"), rows)
