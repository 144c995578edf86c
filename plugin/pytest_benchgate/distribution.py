"""The times of the rounds of a benchmark, in few numbers."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Intervals of a histogram.
BINS = 24
# A round that takes longer than the third quartile by so many interquartile ranges is beyond the histogram.
FAR = 4.0


@dataclass(frozen=True)
class Distribution:
    """The seconds of the rounds of a benchmark.

    Attributes
    ----------
    low_s, q1_s, q3_s, high_s : float
        The shortest, the quartiles and the longest.
    top_s : float
        Where the histogram ends, which begins at the shortest; a few rounds may be longer.
    counts : tuple of int
        The rounds in each of equal intervals between; empty where single rounds are not known.

    """

    low_s: float
    q1_s: float
    q3_s: float
    high_s: float
    top_s: float = 0.0
    counts: tuple[int, ...] = ()

    @classmethod
    def of(cls, times_s: Sequence[float]) -> Distribution | None:
        """Return the distribution of the times, or None if there are none.

        >>> Distribution.of([1.0, 2.0, 3.0, 4.0, 5.0]).q3_s
        4.0
        """
        if not times_s:
            return None
        low, high = min(times_s), max(times_s)
        q1, _, q3 = statistics.quantiles(times_s, n=4, method="inclusive") if len(times_s) > 1 else (low, low, low)
        top = min(high, q3 + FAR * (q3 - q1))
        if not top > low:
            return cls(low, q1, q3, high)
        counts = [0] * BINS
        for time in times_s:
            if time <= top:
                counts[min(int(BINS * ((time - low) / (top - low))), BINS - 1)] += 1
        return cls(low, q1, q3, high, top, tuple(counts))
