"""The page: its sections in their order, its headline, and the template that makes HTML of them."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from pytest_benchgate import machine
from pytest_benchgate.page import model
from pytest_benchgate.page.figures import svg
from pytest_benchgate.page.sections import (
    benchmarks,
    claims,
    exceptions,
    explanations,
    machines,
    races,
    rooflines,
    runs,
    sizes,
)
from pytest_benchgate.reports.quantity import line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_benchgate.page.model import Section, Source, Table

# The kinds of sections, in the order of the page.
SECTIONS: tuple[Callable[[Sequence[Source]], Iterator[Section]], ...] = (
    races.build,
    claims.build,
    explanations.build,
    exceptions.build,
    benchmarks.build,
    rooflines.build,
    sizes.build,
    runs.build,
    machines.build,
)
# The attributes of a cell, by the kind of its column.
ATTRIBUTES = {
    "number": "",
    "numbers": Markup(" class=w"),
    "drawing": Markup(" class=d"),
    "text": Markup(" class=t"),
}
TEMPLATES = Path(__file__).parent / "templates"


def render(sources: Sequence[Source]) -> str:
    """Return the page of these results, complete in one text: it loads nothing, and runs no script but its own."""
    sections = [section for build in SECTIONS for section in build(sources)]
    verdicts = Counter(verdict for source in sources for verdict in _verdicts(source))
    races = [source.report.race for source in sources if source.report.race]
    return compose(headline(verdicts, is_complete=all(race.complete for race in races)), sections, verdicts)


def compose(title: str, sections: Sequence[Section], verdicts: Counter[str]) -> str:
    """Return a page with this headline, these sections, and a filter for each verdict."""
    parts = [part for section in sections for part in section.parts]
    layouts = {part.titles: part for part in parts if isinstance(part, model.Table)}
    classes = {titles: f"c{index}" for index, titles in enumerate(layouts)}
    style = Markup((TEMPLATES / "style.css").read_text("utf-8") + _tones() + _labels(layouts, classes))  # noqa: S704
    script = Markup((TEMPLATES / "script.js").read_text("utf-8"))  # noqa: S704
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            sections=sections,
            verdicts=[
                (verdict, *tone, verdicts[verdict]) for verdict, tone in model.TONES.items() if verdicts[verdict]
            ],
            attributes=ATTRIBUTES,
            layouts=classes,
            details={part.anchor for part in parts if isinstance(part, model.Card)},
            unique=_unique(),
            style=style,
            script=script,
            policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
            "form-action 'none'; require-trusted-types-for 'script'",
            maker=f"pytest-benchgate {machine.version('pytest-benchgate') or ''}".strip(),
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Control characters, and those that change the direction of text, are escaped wherever text comes from.
        finalize=lambda value: line(value) if type(value) is str else value,
    )
    environment.filters |= {"swatch": svg.swatch, "whole": lambda text: escape(printable(text))}
    return environment


def _tones() -> str:
    """Return the rules that give each verdict its colour and its sign."""
    return "".join(
        f'[data-verdict={verdict}]{{--tone:var(--{tone})}}[data-verdict={verdict}] .v::before{{content:"{sign} "/""}}'
        for verdict, (tone, sign) in model.TONES.items()
    )


def _labels(layouts: Mapping[tuple[str, ...], Table], classes: Mapping[tuple[str, ...], str]) -> str:
    """Return the rules that label the cells of tables where these are shown one below the other."""
    labels = [
        f'.{classes[titles]} tbody>tr>:nth-child({index + 2 + table.judged})::before{{content:"{column.title}"}}'
        for titles, table in layouts.items()
        for index, column in enumerate(table.columns)
        if column.kind != "drawing"
    ]
    return f"@media screen and (max-width:80rem){{{''.join(labels)}}}"


def _hash(text: str) -> str:
    """Return the source expression of a policy that allows an element with this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _unique() -> Callable[[str], str]:
    """Return a function that changes an id that it has had before."""
    seen: Counter[str] = Counter()

    def unique(anchor: str) -> str:
        seen[anchor] += 1
        return anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor]}"

    return unique


def _verdicts(source: Source) -> Iterator[str]:
    report = source.report
    yield from (raced.verdict for raced in report.race.raced) if report.race else ()
    yield from map(benchmarks.state, report.results)
    yield from ("withheld" for _ in report.withheld)


def headline(verdicts: Counter[str], *, is_complete: bool) -> str:
    """Return the result in a sentence; one without alarms says what is undecided, and whether all races are over."""
    found = {tone: [name for name in model.TONES if model.TONES[name][0] == tone] for tone in ("bad", "warn")}
    counts = {tone: [f"{verdicts[name]} {name}" for name in names if verdicts[name]] for tone, names in found.items()}
    unfinished = "" if is_complete else "; not all races are over"
    total = sum(verdicts.values())
    if counts["bad"]:
        return f"{', '.join(counts['bad'])}, of {total} results{unfinished}"
    if not total:
        return f"No results{unfinished}"
    undecided = f", but {', '.join(counts['warn'])}" if counts["warn"] else ""
    return f"No slowdown, error or withheld time among {total} results{undecided}{unfinished}"
