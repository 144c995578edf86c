"""How small a slowdown a race can see on a machine: by simulation, with the numbers of a race of equal builds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_benchgate.race.statistics import evidence

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from pytest_benchgate.race.statistics import Rule

TRIALS, POWER, RESOLUTION = 100, 0.95, 0.0005


def smallest_visible(
    numbers: Sequence[float],
    rule: Rule,
    launches: int,
    rng: random.Random,
    errors: Sequence[float] = (),
    *,
    most: float = 0.5,
) -> float | None:
    """Return the smallest slowdown, as ln(ratio), that a race of so many launches detects, or None if above `most`.

    By simulation: samples of the numbers of a null race, mirrored (equal builds are symmetric), are shifted; an alarm
    at threshold 0 must come in POWER of TRIALS races. A smaller threshold makes no sense on the numbers' machine.
    """
    if not numbers:
        raise ValueError("no launches, whose scatter is needed")
    exact = errors or [0.0] * len(numbers)
    scatter = [(sign * number, error) for sign in (1, -1) for number, error in zip(numbers, exact, strict=True)]
    trials = [rng.choices(scatter, k=launches) for _ in range(TRIALS)]
    alarm = rule.alarm

    def found(shift: float) -> bool:
        alarms = sum(
            any(
                value >= alarm
                for value in evidence(
                    [number + shift for number, _ in trial], rule, rule.weights(error for _, error in trial)
                )
            )
            for trial in trials
        )
        return alarms >= POWER * TRIALS

    low, high = 0.0, math.log1p(most)
    if not found(high):
        return None
    while high - low > RESOLUTION:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high
