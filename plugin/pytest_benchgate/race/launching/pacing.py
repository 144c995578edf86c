"""What a benchmark's launches so far say about its next one: the length of its blocks, and how many pairs pay.

Everything here depends on past launches only, and would be the same with base and head exchanged, so that the number of
the next launch stays symmetric around 0 if the builds are equal.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_benchgate.race.statistics import CERTAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchgate.race.launching.engine import Deciding
    from pytest_benchgate.race.launching.results import Pace, Timed

# The least and the most pairs of a launch; fewer have no fastest quarter to speak of.
LEAST, MOST = 5, 40
# The scatter between launches, in ln(ratio), that is expected before any launch, and how many launches that counts for.
USUAL_SCATTER, WEIGHT = 0.004, 4


def pace(launches: Sequence[Timed], seconds: float, rule: Deciding) -> Pace | None:
    """Return the pace of the next launch after these, which took so many seconds; None before the first."""
    if not launches:
        return None
    lead = max(timed.pace.lead for timed in launches)
    margin = rule.margin(statistics.median(timed.number for timed in launches))
    pairs = best_pairs(launches, seconds, rule)
    return replace(launches[-1].pace, lead=lead, pairs=pairs, margin=margin if margin > 0 else None)


def best_pairs(launches: Sequence[Timed], seconds: float, rule: Deciding) -> int:
    """Return the number of pairs a launch with which a race is decided soonest.

    Near the threshold sqrt(cost of a launch / cost of a pair * variance of pairs / variance between launches): Kalibera
    and Jones, Rigorous benchmarking in reasonable time (ISMM 2013). Far from it each launch counts fully anyway, and as
    many are enough as keep the next one there.
    """
    pairs = sum(len(timed.base_ns) for timed in launches)
    paired_s = math.fsum(timed.paired_s for timed in launches)
    # Where a coarse clock measures nothing, any number of pairs is cheap.
    pair_s = max(paired_s / pairs, 1e-9)
    launch_s = max(seconds - paired_s, 0.0) / len(launches)
    # The median: more pairs do not help a launch that was disturbed.
    within = statistics.median(len(one.base_ns) * one.error**2 for one in launches)
    between = max(_between(launches) - within * len(launches) / pairs, (USUAL_SCATTER / 4) ** 2)
    best = math.sqrt(launch_s / pair_s * within / between)
    margin = rule.margin(statistics.median(timed.number for timed in launches))
    if margin > 0:
        best = min(best, within * (CERTAIN / margin) ** 2)
    return max(LEAST, math.ceil(min(MOST, best)))


def _between(launches: Sequence[Timed]) -> float:
    """Return the variance of the launches' numbers, to which what is usual contributes like some launches."""
    numbers = [timed.number for timed in launches]
    mean = statistics.fmean(numbers)
    deviations = math.fsum((number - mean) ** 2 for number in numbers)
    return (WEIGHT * USUAL_SCATTER**2 + deviations) / (WEIGHT + len(numbers) - 1)
