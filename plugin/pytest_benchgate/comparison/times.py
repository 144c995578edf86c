"""Points in time and time spans: those of Python, NumPy and pandas compare with each other."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_benchgate.comparison import scalars
from pytest_benchgate.comparison.core import attribute, both

if TYPE_CHECKING:
    from pytest_benchgate.comparison.core import Comparison, Mismatch

POINTS = (dt.datetime, dt.date, dt.time, np.datetime64)
SPANS = (dt.timedelta, np.timedelta64)


def recognises(value: Any) -> bool:
    """Return whether value is a time, or a missing time."""
    return isinstance(value, POINTS + SPANS) or _is_nat(value)


def compare(got: Any, expected: Any, comparison: Comparison, where: str) -> Mismatch | None:
    """Return the difference of two values, at least one of which is a time."""
    if _is_nat(got) or _is_nat(expected):
        missing = all(_is_nat(value) or (_is_numpy(value) and np.isnat(value)) for value in (got, expected))
        return None if missing and comparison.tolerance.equal_nan else comparison.kinds(got, expected, where)
    zones = both(_zone, got, expected)
    if zones != (None, None) or all(isinstance(one, dt.time) for one in (got, expected)):
        return None if zones[0] == zones[1] and got == expected else comparison.kinds(got, expected, where)
    # To Python, a day is not a point in time.
    if all(isinstance(one, dt.date) for one in (got, expected)) and _is_day(got) != _is_day(expected):
        return comparison.kinds(got, expected, where)
    left, right = _plain(got), _plain(expected)
    if not (_is_numpy(left) and _is_numpy(right)):
        return comparison.kinds(got, expected, where)
    return scalars.compare(left, right, comparison, where)


def _is_nat(value: Any) -> bool:
    return type(value).__name__ == "NaTType" and type(value).__module__.startswith("pandas")


def _zone(value: Any) -> Any:
    """Return the offset from UTC; of a time of day, which has none in most zones, the zone; None without one."""
    zone = attribute(value, "tzinfo")
    offset = None if zone is None else value.utcoffset()
    return zone if offset is None else offset


def _is_day(value: Any) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def _is_numpy(value: Any) -> bool:
    return isinstance(value, np.datetime64 | np.timedelta64)


def _plain(value: Any) -> Any:
    """Return a time as NumPy's, with all of its digits."""
    # pandas.
    for name in ("to_datetime64", "to_timedelta64"):
        if callable(getattr(type(value), name, None)):
            return getattr(value, name)()
    if isinstance(value, dt.timedelta):
        return np.timedelta64(value)
    if isinstance(value, dt.datetime):
        return np.datetime64(value, "us")
    return np.datetime64(value, "D") if isinstance(value, dt.date) else value
