"""The words and figures of a race that all formats share."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from pytest_benchgate.reports import claims, explanation
from pytest_benchgate.reports.quantity import exception, in_device_time, percent, scaled
from pytest_benchgate.results import WALL

if TYPE_CHECKING:
    from pytest_benchgate.results import Raced, RaceReport

HEADER = ("benchmark", "verdict", "change", "interval", "confidence", "base", "head", "launches", "pairs", "took")
# Of a race of counts.
COUNTED = ("benchmark", "verdict", "change", "instructions in base", "in head", "took")
# Of a race of one source over placements.
RELINKED_HEADER = ("verdict", "placement", "placements", "a call", "launches", "took")
# The largest slowdown that is tried for the smallest visible one of a null race.
MOST = 0.5
# The order in which verdicts are listed; within one, the slowest change comes first.
ORDER = (
    *("slower", "refuted", "error", "withheld", "gone", "unsure", "placement", "accepted", "same", "holds", "faster"),
    *("new", "skipped"),
)
# Verdicts that pass, but that people should look at.
CAUTIOUS = {"unsure", "placement", "gone", "accepted"}
# Verdicts whose reasons are listed.
TOLD = {"error", "withheld", "gone", "placement", "accepted", "new", "skipped"}
# A threshold that is named is a multiple of it.
STEP = 0.005
# A column that is shown only if thresholds differ.
THRESHOLD = "threshold"


def threshold(number: float) -> str:
    """Return 0.03 as "3 %"."""
    return f"{100 * number:.3g} %"


def ordered(report: RaceReport) -> list[Raced]:
    """Return the races, slowest first."""
    return sorted(
        report.raced,
        key=lambda raced: (ORDER.index(raced.verdict), -(raced.change or 0.0), raced.nodeid, raced.clock != WALL),
    )


def counts(report: RaceReport) -> str:
    """Return how many races have come to each verdict."""
    found = {verdict: sum(raced.verdict == verdict for raced in report.raced) for verdict in ORDER}
    return ", ".join(f"{count} {verdict}" for verdict, count in found.items() if count) or "nothing decided"


def colour(raced: Raced) -> str:
    """Return the colour of a verdict, of those of pytest's writer; empty for one that is as it should be."""
    if raced.failed:
        return "red"
    return "yellow" if raced.verdict in CAUTIOUS else "green" if raced.verdict == "faster" else ""


def columns(report: RaceReport) -> tuple[tuple[str, ...], list[tuple[Raced, tuple[str, ...]]]]:
    """Return the header after the benchmark's name, and the cells of each row, slowest first."""
    races = ordered(report)
    if report.claims:
        return claims.HEADER, [(raced, claims.row(raced)) for raced in races]
    if report.relinked:
        return RELINKED_HEADER, [(raced, _relinked_row(raced)) for raced in races]
    header, cells_of = (COUNTED[1:], counted_row) if compares_counts(report) else (HEADER[1:], row)
    rows = [(raced, cells_of(raced)) for raced in races]
    if len({edge(raced) for raced in races}) > 1:
        header = (header[0], THRESHOLD, *header[1:])
        rows = [(raced, (cells[0], threshold(edge(raced)), *cells[1:])) for raced, cells in rows]
    return header, rows


def edge(raced: Raced) -> float:
    """Return the slowdown above which a race fails."""
    return raced.threshold if raced.limit is None else raced.limit


def row(raced: Raced) -> tuple[str, ...]:
    """Return the cells of a row after the benchmark's name; see HEADER."""
    if raced.change is None or raced.low is None or raced.high is None or raced.coverage is None:
        return (raced.verdict, *[""] * 7, scaled(raced.seconds, "s"))
    return (
        raced.verdict,
        percent(raced.change),
        f"{percent(raced.low)} .. {percent(raced.high)}",
        f"{100 * raced.coverage:.0f} %",
        scaled(raced.base_s or 0, "s"),
        scaled(raced.head_s or 0, "s"),
        str(len(raced.numbers)),
        str(raced.pairs),
        scaled(raced.seconds, "s"),
    )


def counted_row(raced: Raced) -> tuple[str, ...]:
    """Return the cells of a row after the benchmark's name; see COUNTED."""
    figures = ("", "", "")
    if raced.change is not None and raced.instructions is not None:
        base, head = raced.instructions
        figures = (percent(raced.change), f"{base:,}", f"{head:,}")
    return (raced.verdict, *figures, scaled(raced.seconds, "s"))


def usual_threshold(report: RaceReport) -> float | None:
    """Return the threshold of the session, if it is known."""
    name = "race_count_threshold" if compares_counts(report) else "race_threshold"
    value = report.settings.get(name)
    return value if isinstance(value, float) and value > 0 else None


def compares_counts(report: RaceReport) -> bool:
    """Return whether instructions were compared, not times."""
    return bool(report.settings.get("race_count"))


def figure(raced: Raced) -> str:
    """Return what was measured, in short; empty without a number."""
    if raced.claim is not None:
        return claims.measured(raced)
    return "" if raced.change is None else percent(raced.change)


def is_told(raced: Raced) -> bool:
    """Return whether the reason of a verdict is to be listed."""
    return raced.verdict in TOLD or (raced.verdict == "unsure" and bool(raced.reason))


def _relinked_row(raced: Raced) -> tuple[str, ...]:
    if not raced.placements:
        return (raced.verdict, *[""] * 4, scaled(raced.seconds, "s"))
    return (
        raced.verdict,
        _spread(raced),
        str(len(raced.placements)),
        scaled(raced.head_s or 0, "s"),
        str(len(raced.numbers)),
        scaled(raced.seconds, "s"),
    )


def _largest(raced: Raced) -> float:
    """Return the largest change that placement alone made, as ln(ratio); either build may be base."""
    return max(map(abs, raced.placements))


def _spread(raced: Raced) -> str:
    return f"{percent(min(raced.placements)).removesuffix(' %')} .. {percent(max(raced.placements))}"


def placed(report: RaceReport) -> list[str]:
    """Return what placement alone does in a race of one source, by benchmark, and which threshold is above it."""
    races = [raced for raced in ordered(report) if raced.placements]
    if not report.relinked or not races:
        return []
    lines = [
        f"placement moves {raced.name} by {_spread(raced)}, {len(raced.placements)} placements"
        + (f": {raced.reason}" if raced.reason else "")
        for raced in races
    ]
    moved = [raced for raced in races if not raced.reason]
    most = max(moved or races, key=_largest)
    largest = f"{percent(_largest(most))[1:]}, in {most.name}"
    if not moved:
        text = f"placement makes no difference that can be seen here: launches of one build differ by up to {largest}"
        return [*lines, f"{text}; which threshold can be seen, --race=self tells"]
    above = 100 * STEP * math.ceil(round(math.expm1(_largest(most)) / STEP, 6))
    lines.append(
        f"the largest slowdown that placement alone makes is {largest}; --race-threshold={above:g}% is above that"
    )
    below = sum(_largest(raced) > math.log1p(max(raced.threshold, 0.0)) for raced in moved)
    if below:
        lines.append(
            f"the threshold is below what placement does to {below} of {len(races)} benchmarks: where their code lies "
            "can alone make them slower"
        )
    return lines


def heading(report: RaceReport) -> str:
    """Return what was raced, and the number of each verdict."""
    missing = "" if report.complete else " (incomplete: not all races are over)"
    one, many = report.shard or (1, 1)
    part = f", shard {one} of {many}" if many > 1 else ""
    what = f"claims of {report.head}" if report.claims else f"{report.head} against {report.base}"
    return f"{counts(report)}{missing}: {what}{part}"


def terms(report: RaceReport) -> str:
    """Return what the verdicts mean."""
    if report.claims:
        return claims.terms(report)
    counted, usual = compares_counts(report), usual_threshold(report)
    others = sorted({edge(raced) for raced in report.raced} - {usual})
    shown = ", ".join(map(threshold, others)) or "-"
    took = f"{report.launches} launches, {report.seconds:.1f} s"
    if usual is not None:
        shown = threshold(usual) + (f" (some benchmarks: {shown})" if others else "")
    if counted:
        return f"threshold {shown} of the instructions of a call, counted by valgrind; {report.seconds:.1f} s"
    if report.relinked:
        return f"threshold {shown}; {took}"
    return (
        f"threshold {shown}; if nothing differs, the chance of any alarm among "
        f"all {report.races} is below {100 * report.alpha:.3g} %; {took}"
    )


def message(raced: Raced, report: RaceReport) -> str:
    """Return the explanation of a verdict, with the command that repeats the race."""
    text = statement(raced, report)
    if raced.explanation and raced.claim is None:
        text += f"\n{explained(raced)}".rstrip()
    return f"{text}\nrepeat: {raced.repeat}" if raced.repeat else text


def statement(raced: Raced, report: RaceReport) -> str:
    """Return a verdict with what it is based on."""
    if raced.claim is not None:
        return claims.statement(raced, report)
    verdict = f"{raced.verdict}{in_device_time(raced)}"
    if raced.verdict in {"error", "gone", "new", "skipped"} or raced.change is None:
        text = f"{verdict} ({raced.side}): {raced.reason}"
    else:
        text = f"{verdict}: {change(raced)}{_certainty(raced, report)}"
    if raced.limit is not None:
        beyond = "This is beyond what is accepted" if raced.verdict == "slower" else "Accepted"
        text += f". {beyond}, up to {threshold(raced.limit)}: {raced.accepted}"
    if raced.visible is not None and raced.failed:
        text += f". {invisible(raced)}"
    return text


def explained(raced: Raced) -> str:
    """Return the explanation of a benchmark in words, one line for each kind of thing; empty without one."""
    return explanation.render(raced.explanation, compared=raced.instructions is not None) if raced.explanation else ""


def change(raced: Raced) -> str:
    """Return the change with its interval, or with its counts."""
    if raced.instructions is not None:
        base, head = raced.instructions
        return f"{percent(raced.change or 0.0)} instructions a call ({base:,} -> {head:,})"
    shown, interval, coverage = row(raced)[1:4]
    return f"{shown} ({interval}, with {coverage} confidence)"


def _certainty(raced: Raced, report: RaceReport) -> str:
    if raced.instructions is not None:
        exact = 100 * ((raced.high or 0.0) - (raced.low or 0.0)) / 2
        unsure = f". Calls of one build differ by {exact:.2g} %, so that this is not exact: let each call do the same"
        return unsure if raced.verdict == "unsure" else ""
    base, head, launches, pairs, _ = row(raced)[4:]
    return f", {base} -> {head} a call, after {launches} launches and {pairs} pairs{_chance(raced, report)}"


def _chance(raced: Raced, report: RaceReport) -> str:
    evidence = f". Equal builds would give such evidence with a chance below 1 in {raced.evidence:.0f}"
    if raced.verdict == "faster":
        return evidence
    if raced.verdict == "slower":
        return (
            f"{evidence}, and any alarm in this suite of {report.races} with one below {100 * report.alpha:.3g} %"
            + (f". {_placements(raced)}" if raced.placements else f". {raced.reason}" if raced.reason else "")
        )
    if raced.verdict == "placement":
        return f". {_placements(raced)}"
    if raced.verdict == "unsure" and report.relinked and raced.placements:
        return f". Over {len(raced.placements)} placements {_spread(raced)}: {raced.reason}"
    if raced.verdict == "unsure":
        return ". The budget is spent: raise --race-budget or --race-max-launches, or the threshold"
    return ""


def _placements(raced: Raced) -> str:
    """Return what the race over other placements has found."""
    if not raced.placements:
        return raced.reason
    low, high = percent(min(raced.placements)), percent(max(raced.placements))
    count, middle = len(raced.placements), percent(statistics.median(raced.placements))
    text = f"Over {count} builds of each side, with their functions in other places, {low} .. {high}, median {middle}"
    return f"{text}: it depends on where the code lies" if raced.verdict == "placement" else text


def reason(raced: Raced) -> str:
    """Return the reason of a verdict in one line."""
    if raced.claim is not None:
        return f"({raced.side}): {claims.reason(raced)}"
    if raced.verdict == "placement":
        return _placements(raced)
    if raced.verdict == "accepted":
        return f"up to {threshold(raced.limit or 0.0)}: {raced.accepted}"
    first, _, _ = raced.reason.strip().partition("\n")
    return f"({raced.side}): {(exception(raced.reason) if raced.verdict == 'error' else first) or raced.verdict}"


def invisible(raced: Raced) -> str:
    """Return why a null race fails."""
    most = math.log1p(MOST)
    seen = f"above {threshold(MOST)}" if (raced.visible or most) >= most else percent(raced.visible or 0.0)[1:]
    return (
        f"The threshold of {threshold(raced.threshold)} cannot be seen here: within the budget, the smallest visible "
        f"slowdown is {seen}. Raise --race-threshold to it, or --race-budget, or quieten the machine"
    )
