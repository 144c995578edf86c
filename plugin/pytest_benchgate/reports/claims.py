"""The words and figures of claims that all formats share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_benchgate.reports.quantity import exception, in_device_time, percent, scaled

if TYPE_CHECKING:
    from pytest_benchgate.results import Raced, RaceReport

HEADER = ("verdict", "claim", "measured", "interval", "confidence", "other", "own", "launches", "pairs", "took")


def row(raced: Raced) -> tuple[str, ...]:
    """Return the cells of a row after the benchmark's name; see HEADER."""
    text = raced.claim.text if raced.claim else ""
    if raced.low is None or raced.high is None:
        return (raced.verdict, text, *[""] * 7, scaled(raced.seconds, "s"))
    low, high = sorted((raced.low, raced.high), reverse=_has_larger_for_faster(raced))
    cost = (raced.base_s or 0.0, raced.head_s or 0.0)
    other, own = (scaled(seconds, "s") for seconds in cost)
    if raced.instructions is not None:
        other, own = (f"{count:,}" for count in raced.instructions)
    return (
        raced.verdict,
        text,
        measured(raced),
        f"{_figure(raced, low)} .. {_figure(raced, high)}",
        "" if raced.coverage is None else f"{100 * raced.coverage:.0f} %",
        other,
        own,
        "" if raced.instructions is not None else str(len(raced.numbers)),
        "" if raced.instructions is not None else str(raced.pairs),
        scaled(raced.seconds, "s"),
    )


def measured(raced: Raced) -> str:
    """Return what was measured, as the claim has it: "3.12 x" as fast, "+2.1 %" slower; empty without a number."""
    return "" if raced.change is None else _figure(raced, raced.change)


def _has_larger_for_faster(raced: Raced) -> bool:
    """Return whether, in a claim's own figures, larger is faster."""
    return raced.claim is not None and raced.claim.kind in {"faster_than", "reaches"}


def _figure(raced: Raced, number: float) -> str:
    kind = raced.claim.kind if raced.claim else ""
    if kind == "slower_than":
        return percent(number)
    if kind == "reaches":
        return f"{100 * math.exp(-number):.3g} %"
    return f"{math.exp(number if kind == 'grows' else -number):.3g} x"


def statement(raced: Raced, report: RaceReport) -> str:
    """Return a verdict with what it is based on."""
    text = f"{raced.verdict}{in_device_time(raced)}: {raced.claim.text if raced.claim else ''}"
    if raced.change is None:
        text += f" ({raced.side}): {raced.reason}"
    elif raced.instructions is not None:
        found, interval, _, other, own = row(raced)[2:7]
        text += f": measured {found} ({interval}), {other} -> {own} instructions a call"
        text += ". Calls differ too much to tell" if raced.verdict == "unsure" else ""
    else:
        found, interval, coverage, other, own, launches, pairs, _ = row(raced)[2:]
        text += (
            f": measured {found} ({interval}, with {coverage} confidence), {other} -> {own} a call, after {launches} "
            f"launches and {pairs} pairs. {_chance(raced, report)}"
        )
    return text


def _chance(raced: Raced, report: RaceReport) -> str:
    if raced.verdict == "refuted":
        return (
            f"A true claim would give such evidence with a chance below 1 in {raced.evidence:.0f}, and any true one "
            f"of all {report.races} would be refuted with one below {100 * report.alpha:.3g} %"
        )
    if raced.verdict == "holds":
        return f"A false claim would give such evidence with a chance below 1 in {raced.evidence:.0f}"
    return "The budget is spent: raise --race-budget or --race-max-launches, or claim less"


def terms(report: RaceReport) -> str:
    """Return what the verdicts mean."""
    return (
        f"the chance that any true claim among all {report.races} is refuted is below {100 * report.alpha:.3g} %; "
        f"{report.launches} launches, {report.seconds:.1f} s"
    )


def reason(raced: Raced) -> str:
    """Return why a claim is withheld, in one line."""
    return exception(raced.reason) or raced.verdict
