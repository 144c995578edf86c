"""Numbers that a test passes to the gate, of whatever type: amounts of work, and nanoseconds."""

from __future__ import annotations

import math
import operator
from typing import Any

# Of what reports read; no machine does as much.
LARGEST = 1e100


def work(name: str, value: Any) -> float:
    """Return an amount of work as an int or float; ValueError if it is not a number above 0."""
    number = _number(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}={value!r} is not an amount of work; pass a number above 0, and below {LARGEST:g}")
    return number


def nanoseconds(value: Any) -> float:
    """Return the result of device_ns as an int or float; TypeError if it is not a number of 0 or more."""
    number = _number(value)
    if not (math.isfinite(number) and number >= 0):
        raise TypeError(f"device_ns returned {value!r}; return the nanoseconds as a number")
    return number


def seconds(value: Any) -> float:
    """Return a sample of a limit as an int or float; ValueError if it is not a number above 0."""
    number = _number(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"its measure returned {value!r} s; return numbers above 0")
    return number


def _number(value: Any) -> float:
    """Return value as an int or float; NaN if it is not a number, or too large for a report."""
    if isinstance(value, str | bool):
        return math.nan
    # An array of floats has __index__, but only float() takes it.
    for convert in (operator.index, float):
        try:
            number = convert(value)
        except (TypeError, ValueError, OverflowError):
            continue
        return number if abs(number) < LARGEST else math.nan
    return math.nan
