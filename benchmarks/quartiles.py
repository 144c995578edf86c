"""What the scripts of this folder say of their samples: the quartiles, and how far these lie apart."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile; of one sample, all three are it.

    Raises ValueError where there is none.
    """
    if len(samples) < 2:
        (only,) = samples
        return only, only, only
    lower, median, upper = statistics.quantiles(samples, n=4, method="inclusive")
    return lower, median, upper


def spread(samples: Sequence[float]) -> float:
    """Return the distance between the quartiles, as a share of the median."""
    lower, median, upper = quartiles(samples)
    return (upper - lower) / median
