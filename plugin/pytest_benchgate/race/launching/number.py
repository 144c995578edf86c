"""The number of a launch, from its pairs, and how exact that is: pure functions over times.

The number is ln(head / base) of the fastest blocks of each side. Disturbances only add to the time of a block, and
under load a function with threads has fast and slow states: there the median of the pairs' ratios scattered by 30 %
between launches, and the means of the fastest quarters by 1 %. On a busy machine often not even a quarter is
undisturbed, and the fastest block alone scatters less; on a quiet one it scatters more, as it is an extreme. So each
launch is measured by that one of the two which scatters less among its own pairs. The choice is the same if the sides
are exchanged, which changes only the sign of the number: it is symmetric around 0 if the sides are exchangeable.

In 2,200 launches of equal builds, of 142 benchmarks (a C function, multidict, rapidjson and this repository's rows),
alone and beside two busy processes, the numbers scattered 0.81 times as much as those of the fastest quarters: the
geometric mean of eight runs, 0.5 to 1.02 each.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

# Parts of a launch's blocks, on each side, rounded up: a quarter, and one block.
FASTEST = (0.25, 0.0)
# Of pairs, each of which is left out in turn.
GROUPS = 5


class Number(NamedTuple):
    """ln(head / base), and its standard error by the scatter of the pairs; 0 for a single pair."""

    value: float
    error: float


def launch_number(base_ns: Sequence[float], head_ns: Sequence[float]) -> Number:
    """Return the number of a launch; raise ValueError if the sides have different numbers of blocks, or none.

    The error is that of a jackknife over groups of pairs, each of which is left out in turn: Shao and Wu, A general
    theory for jackknife variance estimation (Annals of Statistics, 1989). Groups, as the number is made of quantiles.
    """
    if not base_ns or len(base_ns) != len(head_ns):
        raise ValueError(f"{len(base_ns)} blocks of base and {len(head_ns)} of head; there must be one of each a pair")
    groups = min(GROUPS, len(base_ns))
    if groups == 1:
        return Number(math.log(head_ns[0]) - math.log(base_ns[0]), 0.0)
    without = [
        [sorted(side[pair] for pair in range(len(side)) if pair % groups != left_out) for side in (base_ns, head_ns)]
        for left_out in range(groups)
    ]
    whole = sorted(base_ns), sorted(head_ns)
    found = []
    for part in FASTEST:
        variance = statistics.pvariance(_ratio(base, head, part) for base, head in without)
        found.append(Number(_ratio(*whole, part), math.sqrt((groups - 1) * variance)))
    return min(found, key=lambda number: number.error)


def _ratio(base_ns: Sequence[float], head_ns: Sequence[float], part: float) -> float:
    """Return ln(head / base) of the means of this part of sorted times; exactly the opposite if they are exchanged."""
    count = max(1, math.ceil(len(base_ns) * part))
    return math.log(math.fsum(head_ns[:count])) - math.log(math.fsum(base_ns[:count]))
