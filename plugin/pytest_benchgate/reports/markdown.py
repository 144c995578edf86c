"""Markdown for a file and for the job summary of a CI; also the table that merges several runs."""

from __future__ import annotations

import html
from itertools import groupby
from typing import TYPE_CHECKING

from pytest_benchgate.reports import race
from pytest_benchgate.reports.quantity import device_time, printable, rates, scaled, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.results import RaceReport, Report

HEADER = ("benchmark", "median", "IQR", "rounds", "rate", "of the limit", "on device", "verified")


def literal(text: str) -> str:
    """Return text that Markdown and HTML show as it stands, on one line, in a table's cell too."""
    escaped = html.escape(printable(text))
    return f"<code>{''.join(f'&#{ord(char)};' if char in SPECIAL else char for char in escaped)}</code>" if text else ""


SPECIAL = "|`*_[]\\~@#:!"  # as entities: no table cell ends, no link, mention, reference or emphasis starts


def render(report: Report) -> str:
    """Return the whole report."""
    if report.race:
        return render_race(report.race)
    verified = sum(result.verified for result in report.results)
    count = f"{verified} of {len(report.results)} times verified by gate, {len(report.withheld)} withheld."
    lines = ["## Benchmarks", "", count, ""]
    ordered = sorted(report.results, key=lambda result: (result.group or "", result.median_s))
    for group, results in groupby(ordered, key=lambda result: result.group):
        rows = [
            (
                literal(result.name),
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
        lines += ([f"### {literal(group)}", ""] if group else []) + table(HEADER, rows) + [""]
    doubts = [f"- {literal(r.name)} is {literal(r.suspicious)}" for r in report.results if r.suspicious]
    withheld = [
        f"- {literal(entry.name)}, {entry.phase}, {'time taken back' if entry.timed else 'not timed'}: "
        f"{literal(entry.reason)} ({literal(f'{entry.path}:{entry.line}')})"
        for entry in report.withheld
    ]
    for title, entries in (("Suspicious", doubts), ("Withheld", withheld)):
        lines += [f"### {title}", "", *entries, ""] if entries else []
    return "\n".join(lines) + "\n"


def render_race(report: RaceReport) -> str:
    """Return the report of a race, slowest first."""
    header, cells = race.columns(report)
    rows = [(literal(raced.name), *map(literal_figures, row)) for raced, row in cells]
    told = [raced for raced, _ in cells if raced.failed or raced.verdict in {"unsure", *race.TOLD}]
    lines = ["## Race", "", literal_figures(race.heading(report)), "", f"*{race.terms(report)}*", ""]
    lines += [*table((race.HEADER[0], *header), rows), ""] if rows else []
    lines += [f"- {literal_figures(note)}" for note in report.notes] + [""] * bool(report.notes)
    for raced in told:
        lines += [f"<details><summary>{raced.verdict}: {literal(raced.name)}</summary>", ""]
        lines += [f"<pre>{html.escape(_lines(race.message(raced, report)))}</pre>", "", "</details>", ""]
    return "\n".join(lines) + "\n"


def literal_figures(text: str) -> str:
    """Return words and figures, which need no font of their own, so that nothing in them is obeyed."""
    return "".join(f"&#{ord(char)};" if char in SPECIAL else char for char in html.escape(printable(text)))


def _lines(text: str) -> str:
    """Return text with its line breaks, but for empty lines, which would end the HTML block."""
    return "\n".join(printable(line) for line in text.splitlines() if line.strip())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table whose cells are Markdown already; the first column is words, the others are figures."""
    return [
        f"| {' | '.join(header)} |",
        f"|{'|'.join([' --- ', *(' ---: ' for _ in header[1:])])}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
