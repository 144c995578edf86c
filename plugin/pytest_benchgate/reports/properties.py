"""A test's properties: what JUnit XML, and whatever else reads pytest's user_properties, says beside passed or failed.

There are no times of gated benchmarks among them: a fixture's teardown may withhold a time after its test was reported.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_benchgate.reports.quantity import line
from pytest_benchgate.results import WALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_benchgate.results import Raced, RaceReport, Result, Withheld

# In front of each name.
PREFIX = "benchgate."
# After it, for the time on a device.
ON_DEVICE = "device."


def of_races(races: Sequence[Raced], report: RaceReport) -> list[tuple[str, str]]:
    """Return the properties of a raced test; those of each of its claims follow one another."""
    return [
        found for raced in races for found in _named(_of_raced(raced, report), "" if raced.clock == WALL else ON_DEVICE)
    ]


def of_gated(result: Result | None, withheld: Withheld | None) -> list[tuple[str, str]]:
    """Return the properties of a benchmark that was not raced; none of a plain one that passed."""
    found = []
    if withheld is not None:
        found.append(("withheld", withheld.reason or "failed"))
    elif result is not None:
        found += [("verified", "true")] * result.verified
        found += [("suspicious", result.suspicious)] if result.suspicious else []
    return _named(found)


def _of_raced(raced: Raced, report: RaceReport) -> Iterable[tuple[str, str]]:
    yield "verdict", raced.verdict
    if raced.claim is not None:
        yield "claim", raced.claim.text
    else:
        yield "base", report.base
        yield "head", report.head
        yield "threshold_percent", f"{100 * (raced.threshold if raced.limit is None else raced.limit):.4g}"
    for name, number in (("change", raced.change), ("low", raced.low), ("high", raced.high)):
        if number is not None:
            yield f"{name}_percent", f"{100 * math.expm1(number):.4g}"
    if raced.coverage is not None:
        yield "coverage_percent", f"{100 * raced.coverage:.4g}"
    for name, value in (("base_s", raced.base_s), ("head_s", raced.head_s)):
        if value is not None:
            yield name, f"{value:.6g}"
    for name, count in zip(("base_instructions", "head_instructions"), raced.instructions or (), strict=False):
        yield name, str(count)
    for name, text in (("reason", raced.reason), ("accepted", raced.accepted), ("repeat", raced.repeat)):
        if text:
            yield name, text


def _named(found: Iterable[tuple[str, str]], more: str = "") -> list[tuple[str, str]]:
    return [(f"{PREFIX}{more}{name}", line(value)) for name, value in found]
