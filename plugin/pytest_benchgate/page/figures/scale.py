"""Scales of axes: from values to positions, and the ticks between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_benchgate.reports.quantity import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Ticks that fit on the narrowest axis.
MOST_TICKS = 5
# Mantissas of the ticks of a decade, the densest first.
DENSITIES = ((1, 2, 5), (1, 3), (1,))
THOUSAND = 1000
# What a logarithmic axis can show, and the smallest threshold of an axis of changes.
LEAST, MOST, LEAST_THRESHOLD = 1e-30, 1e30, 1e-4
# Room at both ends, as a share of the range.
MARGIN = 0.04
# Changes that ticks may mark, as ratios; the first are preferred.
CHANGES = (1.0, 1.1, 1.03, 1.3, 2.0, 0.9, 0.97, 0.7, 0.5, 1.01, 0.99, 5.0, 10.0, 100.0, 0.2, 0.1, 0.01, 1e3, 1e4)
# The smallest distance between two labelled changes, as a share of the axis.
APART = 0.18
# Changes nearer to an end, as a share of the axis, have no label.
EDGE = 0.07


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes
    ----------
    low, high : float
        The values at its ends.
    transform : callable
        An increasing function after which the axis is linear.
    ticks : tuple of (float, str)
        Values and their labels.

    """

    low: float
    high: float
    transform: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Return the position of a value, from 0 to 1; values beyond an end are at it."""
        low, high = self.transform(self.low), self.transform(self.high)
        return (self.transform(min(max(value, self.low), self.high)) - low) / (high - low)


def label(value: float, unit: str) -> str:
    """Return a round value with a fitting prefix: 0.002 s is "2 ms"; without a unit, only large numbers have one."""
    if not unit and abs(value) < THOUSAND:
        return f"{value:.3g}"
    factor, prefix = next((step for step in STEPS if abs(value) >= step[0] * 0.9999), STEPS[-1])
    return f"{value / factor:.3g} {prefix}{unit}".rstrip() if value else f"0 {unit}".rstrip()


def logarithmic(values: Iterable[float], unit: str, *, around: float = 1.0, most_ticks: int = MOST_TICKS) -> Scale:
    """Return a logarithmic scale of all positive values; `around` is the factor that is added at both ends."""
    found = [min(max(value, LEAST), MOST) for value in values if value > 0] or [1.0]
    low, high = math.log10(min(found) / around), math.log10(max(found) * around)
    room = MARGIN * (high - low) or math.log10(2)
    low, high = low - room, high + room
    return Scale(
        10**low, 10**high, math.log10, tuple((tick, label(tick, unit)) for tick in _log_ticks(low, high, most_ticks))
    )


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most so many round values between two powers of ten."""
    for mantissas in DENSITIES:
        decades = range(math.floor(low), math.ceil(high) + 1)
        ticks = [mantissa * 10.0**decade for decade in decades for mantissa in mantissas]
        inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(inside) <= most:
            return inside
    step = math.ceil(len(inside) / most)
    return inside[::step]


def changes(values: Iterable[float], threshold: float) -> Scale:
    """Return a scale of changes, as ln(ratio): linear up to about the threshold, and logarithmic beyond it.

    So a benchmark that takes ten times as long leaves room for the differences that matter. Both the threshold and no
    change at all are on it.
    """
    edge = math.log1p(min(max(threshold, LEAST_THRESHOLD), 1.0))
    found = [*values, -edge, 2 * edge]

    def transform(value: float) -> float:
        return math.asinh(value / edge)

    low, high = transform(min(found)), transform(max(found))
    room = MARGIN * (high - low)
    scale = Scale(edge * math.sinh(low - room), edge * math.sinh(high + room), transform, ())
    return Scale(scale.low, scale.high, transform, tuple(_change_ticks(scale)))


def _change_ticks(scale: Scale) -> Sequence[tuple[float, str]]:
    chosen: list[tuple[float, str]] = []
    for ratio in CHANGES:
        value = math.log(ratio)
        clear = all(abs(scale.at(value) - scale.at(other)) >= APART for other, _ in chosen)
        is_inside = scale.low < value < scale.high and EDGE < scale.at(value) < 1 - EDGE
        if is_inside and clear and len(chosen) < MOST_TICKS:
            chosen.append((value, f"{100 * (ratio - 1):+.3g} %" if value else "0"))
    return sorted(chosen)
