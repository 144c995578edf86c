"""Markdown, for a file and the job summary of a CI; also the table that merges several runs."""

from __future__ import annotations

import html
import re
from itertools import groupby
from typing import TYPE_CHECKING

from pytest_benchgate.reports import advice, race
from pytest_benchgate.reports.quantity import device_time, line, printable, rates, scaled, shares, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.results import RaceReport, Report

HEADER = ("benchmark", "median", "IQR", "rounds", "rate", "of the limit", "on device", "verified")


def literal(text: str) -> str:
    """Return text as code in Markdown, on one line, with everything escaped that Markdown or HTML would interpret."""
    return f"<code>{_escaped(line(text))}</code>" if text else ""


# Characters of the reason why a time was withheld.
MOST_REASON = 1000
# Bytes of the sentence that says what is left out.
MOST_NOTE = 200
# Escaped, so that no table cell ends, and no link, mention, reference, formula or emphasis starts.
SPECIAL = "|`*_[]\\~@#:!$"
# Of what GitHub makes links, mentions, references, formulas and emoji, whether escaped or not, but not in code.
ACTIVE = re.compile(r"[@#$]|://|\bwww\.|\bGH-\d|:[\w+-]+:", re.IGNORECASE)


def _name(text: str) -> str:
    return literal(shortened(text))


def render(report: Report) -> str:
    """Return the whole report."""
    if report.race:
        return render_race(report.race)
    verified = sum(result.verified for result in report.results)
    count = f"{verified} of {len(report.results)} times verified by gate, {len(report.withheld)} withheld."
    lines = ["## Benchmarks", "", count, "", *_problems(report)]
    ordered = sorted(report.results, key=lambda result: (result.group or "", result.median_s))
    for group, results in groupby(ordered, key=lambda result: result.group):
        rows = [
            (
                _name(result.name),
                scaled(result.median_s, "s"),
                scaled(result.iqr_s, "s"),
                str(result.rounds),
                literal(rates(result)),
                literal(shares(result)),
                device_time(result),
                "suspicious" if result.suspicious else "yes" if result.verified else "",
            )
            for result in results
        ]
        lines += ([f"### {_name(group)}", ""] if group else []) + table(HEADER, rows) + [""]
    return "\n".join(lines) + "\n"


def _problems(report: Report) -> list[str]:
    """Return what is withheld or suspicious; it precedes the tables, which may be cut."""
    doubts = [f"- {_name(r.name)} is {literal(r.suspicious)}" for r in report.results if r.suspicious]
    withheld = [
        f"- {_name(entry.name)}, {literal_figures(entry.phase)}, {'time taken back' if entry.timed else 'not timed'}: "
        f"{literal(shortened(entry.reason, MOST_REASON))} ({literal(shortened(f'{entry.path}:{entry.line}'))})"
        for entry in report.withheld
    ]
    found = (("Withheld", withheld), ("Suspicious", doubts))
    return [part for title, entries in found if entries for part in (f"### {title}", "", *entries, "")]


def bounded(text: str, most: int) -> str:
    """Return text in at most so many bytes, cut between lines and outside of HTML, and say that it is cut."""
    if len(text.encode()) <= most:
        return text
    lines = text.splitlines(keepends=True)
    size = depth = kept = 0
    for number, one in enumerate(lines, 1):
        size += len(one.encode())
        depth += sum(one.count(f"<{tag}>") - one.count(f"</{tag}>") for tag in ("details", "pre"))
        if size > most - MOST_NOTE:
            break
        kept = kept if depth else number
    note = f"\n*{len(lines) - kept} lines are left out: GitHub limits the size.*\n"
    return "".join([*lines[:kept], note]) if most > MOST_NOTE else ""


def render_race(report: RaceReport) -> str:
    """Return the report of a race, slowest first."""
    header, cells = race.columns(report)
    rows = [(_name(raced.title), *map(literal_figures, row)) for raced, row in cells]
    explained = [
        raced for raced, _ in cells if raced.failed or raced.explanation or raced.verdict in {"unsure", *race.TOLD}
    ]
    lines = [
        "## Claims" if report.claims else "## Race",
        "",
        literal_figures(race.heading(report)),
        "",
        f"*{race.terms(report)}*",
        "",
    ]
    lines += [*table((race.HEADER[0], *header), rows), ""] if rows else []
    notes = [*race.placed(report), *report.notes]
    lines += [f"- {literal_figures(note)}" for note in notes] + [""] * bool(notes)
    for raced in explained:
        lines += [f"<details><summary>{raced.verdict}: {_name(raced.title)}</summary>", ""]
        lines += [f"<pre>{html.escape(_lines(race.message(raced, report)))}</pre>", "", "</details>", ""]
    for words, command in advice.steps(report):
        whole = "\n".join(map(printable, command.split("\n")))
        lines += [literal_figures(f"{words}:"), "", f"<pre>{html.escape(whole)}</pre>", ""]
    return "\n".join(lines) + "\n"


def literal_figures(text: str) -> str:
    """Return text with everything escaped that Markdown or HTML would interpret, and as code what GitHub would."""
    return " ".join(literal(word) if ACTIVE.search(word) else _escaped(word) for word in line(text).split(" "))


def _escaped(text: str) -> str:
    return "".join(f"&#{ord(char)};" if char in SPECIAL else html.escape(char) for char in text)


def _lines(text: str) -> str:
    """Return text with its line breaks, but without empty lines, which would end the HTML block."""
    return "\n".join(line(part) for part in text.splitlines() if part.strip())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table of cells that are Markdown already; the first column is text, the others are numbers."""
    return [
        f"| {' | '.join(header)} |",
        f"|{'|'.join([' --- ', *(' ---: ' for _ in header[1:])])}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
