"""A history as text for the terminal, as Markdown, and as JSON."""

from __future__ import annotations

import dataclasses
import math
import shlex
from typing import TYPE_CHECKING, Any

from pytest_benchgate.history.drift import RACES
from pytest_benchgate.reports import markdown
from pytest_benchgate.reports.quantity import counted, line, percent, printable, shortened
from pytest_benchgate.reports.race import threshold
from pytest_benchgate.reports.terminal import table

if TYPE_CHECKING:
    from pytest_benchgate.commit import Commit
    from pytest_benchgate.history.results import Change, Curve, Drifted, History, Step

KIND = "pytest-benchgate chain"
# Increased when a field changes its meaning or is removed.
SCHEMA = 1
HEADER = ("benchmark", "", "change", "interval", "races", "gaps")
# Digits of a level in JSON.
DIGITS = 5


def row(curve: Curve) -> tuple[str, ...]:
    """Return the cells of a benchmark; see HEADER."""
    whole = curve.whole
    gaps = str(len(curve.gaps)) if curve.gaps else ""
    state = "drifted" if curve.drifted else ""
    return (curve.nodeid, state, percent(whole.change), _interval(whole), str(curve.races), gaps)


def _interval(change: Change) -> str:
    return "" if math.isnan(change.low) else f"{percent(change.low)} .. {percent(change.high)}"


def heading(history: History) -> str:
    """Return what the history is of."""
    first, last, count = history.commits[0], history.commits[-1], len(history.commits)
    gaps = f", {counted(len(history.gaps), 'gap')}" if history.gaps else ""
    drifted = sum(bool(curve.drifted) for curve in history.curves)
    what = "instructions, " if history.counted else ""
    return (
        f"{drifted} drifted of {counted(len(history.curves), 'benchmark')}: {what}{counted(count, 'commit')} "
        f"from {first.short} to {last.short}{gaps}"
    )


def terms(history: History) -> str:
    """Return what `drifted` means."""
    rule = history.rule
    return (
        f"drifted: slower by {threshold(rule.threshold)} or more over several commits; if no commit changes the speed, "
        f"the chance that any benchmark drifts within {RACES:,} commits is below {100 * rule.alpha:.3g} %; intervals "
        "have 95 % confidence"
    )


def commit(one: Commit) -> str:
    """Return a commit in one line."""
    return f"{one.short} {one.date[:10]} {one.author}: {one.subject}"


def drifted(history: History, one: Drifted) -> str:
    """Return what is known of a drift."""
    interval = f" ({_interval(one.whole)})" if _interval(one.whole) else ""
    began, count = history.commits[one.first], one.last - one.first + 1
    return f"{percent(one.whole.change)}{interval} in {count} commits, from {commit(began)}"


def step(history: History, one: Step) -> str:
    """Return what is known of a step."""
    return f"{percent(one.change)} by {commit(history.commits[one.index])}"


def confirmation(history: History, curve: Curve, one: Drifted) -> str:
    """Return the command that races the newest commit against the one before a drift, in the newest's checkout."""
    base = history.commits[one.first - 1].id if one.first else history.base
    return f"pytest --benchmark-only --race={base} {shlex.quote(curve.nodeid)}"


def problems(history: History) -> list[tuple[str, str, str]]:
    """Return the benchmark, what happened to it, and the words for it, of each drift and step; newest steps first."""
    found = [("drifted", curve, drifted(history, one)) for curve in history.curves for one in curve.drifted]
    steps = sorted(
        ((one.index, one.verdict, curve, one) for curve in history.curves for one in curve.steps),
        key=lambda entry: (-entry[0], entry[2].nodeid),
    )
    return [(curve.nodeid, word, text) for word, curve, text in found] + [
        (curve.nodeid, verdict, step(history, one)) for _, verdict, curve, one in steps
    ]


def to_text(history: History) -> str:
    """Return the history for a terminal."""
    rows = [(shortened(name), *rest) for name, *rest in map(row, history.curves)]
    lines = table([HEADER, *rows]) if rows else []
    lines += [f"{word}: {shortened(name)}: {line(text)}" for name, word, text in problems(history)]
    lines += [f"note: {line(note)}" for note in history.notes]
    lines += [heading(history), terms(history)]
    # Commands are whole, to be copied.
    for curve in history.curves:
        for one in curve.drifted[:1]:
            command = printable(confirmation(history, curve, one))
            lines += [f"to confirm it for {shortened(curve.nodeid)}:", f"    {command}"]
    return "\n".join(lines) + "\n"


def to_markdown(history: History) -> str:
    """Return the history as Markdown."""
    literal, figures = markdown.literal, markdown.literal_figures
    rows = [(literal(shortened(name)), *map(figures, rest)) for name, *rest in map(row, history.curves)]
    lines = ["## History", "", figures(heading(history)), "", f"*{figures(terms(history))}*", ""]
    lines += [f"- {word}: {literal(shortened(name))}: {figures(text)}" for name, word, text in problems(history)]
    lines += [f"- {figures(note)}" for note in history.notes]
    return "\n".join([*lines, "", *(markdown.table(HEADER, rows) if rows else [])]).rstrip() + "\n"


def to_json(history: History) -> dict[str, Any]:
    """Return the history as JSON; changes and levels are ln(ratio), indices are those of `commits`."""
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "base": history.base,
        "commits": [dataclasses.asdict(one) for one in history.commits],
        "gaps": history.gaps,
        "counted": history.counted,
        "rule": dataclasses.asdict(history.rule),
        "notes": history.notes,
        "curves": [_curve(curve) for curve in history.curves],
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "nodeid": curve.nodeid,
        "verdict": "drifted" if curve.drifted else "",
        "change": _plain(curve.whole),
        "races": curve.races,
        "gaps": curve.gaps,
        "reasons": curve.reasons,
        "steps": [dataclasses.asdict(one) for one in curve.steps],
        "drifts": [{**dataclasses.asdict(one), "whole": _plain(one.whole)} for one in curve.drifts],
        **{name: [_number(value) for value in getattr(curve, name).tolist()] for name in ("levels", "lows", "highs")},
    }


def _plain(change: Change) -> dict[str, float | None]:
    return {name: _number(value) for name, value in dataclasses.asdict(change).items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, DIGITS)
